"""``lightcurve``: one pixel's counts in time."""

from __future__ import annotations

import argparse

from pipeline_core.cli.arguments import (
    add_observation,
    add_output,
    add_pixel,
    add_time_range,
    add_wavelengths,
    add_weighted,
    wavelengths_of,
)
from pipeline_core.export import export_light_curve
from pipeline_core.observation import open_photons
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "lightcurve"
HELP = "Write the light curve of a pixel."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_observation(parser)
    add_pixel(parser)
    add_output(parser)
    add_time_range(parser)
    add_wavelengths(parser)
    add_weighted(parser)
    parser.add_argument(
        "--bin-ms", type=float, default=10.0, metavar="MS", help="bin width (default 10 ms)"
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Bin and write."""
    with open_photons(args.observation, beammap=args.beammap, progress=progress) as obs:
        progress(0, 1, "reading the pixel")
        low, high = band = wavelengths_of(args)
        window = args.bin_ms / 1e3, args.start, args.stop
        pixel = tuple(args.pixel)
        limits = {"min_wavelength": low, "max_wavelength": high, "weighted": args.weighted}
        curve = obs.light_curve(pixel, *window, **limits)
        export_light_curve(args.out, obs, curve, band=band, overwrite=args.overwrite)
    live = float(curve.live_time_s.sum())
    counts = int(curve.counts.sum())
    return {
        "file": str(args.out),
        "bins": int(curve.counts.size),
        "counts": counts,
        "live time (s)": round(live, 6),
        "mean rate (counts/s)": round(counts / live, 4) if live else None,
    }
