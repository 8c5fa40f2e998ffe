"""``image``: raw counts of every pixel."""

from __future__ import annotations

import argparse
from typing import cast

import numpy as np

from pipeline_core.cli.arguments import (
    add_observation,
    add_output,
    add_time_range,
    add_wavelengths,
    add_weighted,
    wavelengths_of,
)
from pipeline_core.counts_only import CountsOnly
from pipeline_core.export import export_image
from pipeline_core.flags import PROBLEM_FLAGS
from pipeline_core.observation import open_observation
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress
from pipeline_core.provenance import OPEN

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "image"
HELP = "Write the raw-count image of a time range."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_observation(parser, frames=True)
    add_output(parser)
    add_time_range(parser)
    add_wavelengths(parser)
    add_weighted(parser)
    parser.add_argument(
        "--exclude-problems",
        action="store_true",
        help="count 0 in pixels with a problem flag (default: all count)",
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Count and write."""
    exclude = PROBLEM_FLAGS if args.exclude_problems else 0
    with open_observation(args.observation, beammap=args.beammap, progress=progress) as obs:
        source = cast(ObsFile, obs)  # a frame has all that an export asks for
        low, high = band = wavelengths_of(args)
        window = args.start, args.stop, exclude
        variance = None
        if args.weighted:
            if isinstance(obs, CountsOnly):
                obs.photons()  # says that there are none
            image, variance = source.weighted_image(
                *window, progress, min_wavelength=low, max_wavelength=high
            )
        elif band == OPEN:
            image = source.count_image(*window, progress)
        else:
            if isinstance(obs, CountsOnly):
                obs.photons()  # says that there are none
            image = source.count_image(*window, progress, min_wavelength=low, max_wavelength=high)
        about = {"band": band, "variance": variance, "overwrite": args.overwrite}
        export_image(args.out, source, image, *window, **about)
    if variance is not None:
        return {
            "file": str(args.out),
            "weighted counts": round(float(np.nansum(image)), 4),
            "their error": round(float(np.sqrt(np.nansum(variance))), 4),
            "pixels without weights": int(np.isnan(image).sum()),
        }
    return {
        "file": str(args.out),
        # pixels of frames may have no value
        "counts": int(np.nansum(image)),
        "brightest pixel (counts)": int(np.fmax.reduce(image, axis=None, initial=0)),
    }
