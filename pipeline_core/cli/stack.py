"""``stack``: positions of a dither brought together to one image or spectral cube."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from pipeline_core.cli.arguments import (
    add_exclude,
    add_sky,
    add_time_range,
    add_wavelengths,
    add_weighted,
    bands_of,
    flags_of,
    pointing_of,
)
from pipeline_core.cube_settings import CubeSettings, with_band
from pipeline_core.errors import ConfigError
from pipeline_core.progress import Progress
from pipeline_core.stacking.ditherlog import offsets_of_log
from pipeline_core.stacking.frames import camera_of
from pipeline_core.stacking.offsets import Offsets, load_offsets, scale_matrix
from pipeline_core.stacking.settings import METHODS, REGISTRATIONS, WEIGHTS, StackSettings
from pipeline_core.stacking.stack import write_stack

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "stack"
HELP = "Stack positions of a dither: registered, padded, up-sampled; mean, median or drizzle."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "observations",
        type=Path,
        nargs="+",
        metavar="OBS",
        help="one for each position: photon files, or what 'image' or 'cube' wrote; offsets count from the first",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="result: .fits or .npz"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE")
    parser.add_argument("--method", choices=METHODS, default="mean", help="default: %(default)s")
    parser.add_argument(
        "--register",
        choices=REGISTRATIONS,
        help="where the sky lies in each frame: as given, by the brightest star, by likeness, or alike; default: "
        "dither if offsets are given, else none",
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--offsets",
        type=Path,
        metavar="YAML",
        help="positions: [[x, y], ...], pixels_per_unit, times: [[start, stop], ...]",
    )
    given.add_argument(
        "--dither-log",
        type=Path,
        metavar="FILE",
        help="positions from the log of the dither; frames are recognised by their times",
    )
    given.add_argument(
        "--offset",
        type=float,
        nargs=2,
        action="append",
        metavar=("X", "Y"),
        help="once for each OBS: how much farther along columns and rows the sky lies in it",
    )
    parser.add_argument(
        "--pixels-per-unit",
        type=float,
        nargs="+",
        metavar="P",
        help="of the offsets: one number, one each for x and y, or xx xy yx yy; default: pixels",
    )
    parser.add_argument(
        "--upsample", type=int, default=1, metavar="N", help="pixels in a row of a detector's pixel"
    )
    parser.add_argument(
        "--pixfrac", type=float, default=1.0, metavar="F", help="drizzle: side of a drop (0 to 1)"
    )
    parser.add_argument("--weights", choices=WEIGHTS, default="exposure", help="of the frames")
    parser.add_argument(
        "--padding",
        type=float,
        metavar="F",
        help="of the first frame's size on each side; default: what holds all frames",
    )
    parser.add_argument(
        "--fewest", type=int, default=1, metavar="N", help="pixels of fewer frames have no value"
    )
    bins = parser.add_mutually_exclusive_group()
    bins.add_argument("--energy-bin", type=float, metavar="EV", help="bins of equal energy")
    bins.add_argument("--wavelength-bin", type=float, metavar="NM", help="bins of equal wavelength")
    bins.add_argument("--edges", metavar="NM,NM,...", help="edges of the bins of wavelength")
    add_time_range(parser)
    add_wavelengths(parser)
    add_weighted(parser)
    add_exclude(parser)
    add_sky(parser)


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Stack, and return what was written."""
    offsets = _offsets(args)
    settings = StackSettings(
        method=args.method,
        register=args.register or ("none" if offsets is None else "dither"),
        offsets=offsets,
        upsample=args.upsample,
        pixfrac=args.pixfrac,
        weights=args.weights,
        padding=args.padding,
        fewest=args.fewest,
        photons=_photons(args),
    )
    summary = write_stack(
        args.out, args.observations, settings, overwrite=args.overwrite, progress=progress
    )
    found = summary.registration
    return {
        "file": str(summary.path),
        "columns x rows": f"{summary.shape[0]} x {summary.shape[1]}",
        "bins of wavelength": summary.n_band,
        "frames": len(summary.names),
        "longest exposure (s)": round(summary.exposure_s, 3),
        "offsets (pixels)": {
            name: [round(float(value), 3) for value in (*offset, *error)]
            for name, offset, error in zip(
                _different(summary.names), found.offsets, found.errors, strict=True
            )
        },
    }


def _different(names: tuple[str, ...]) -> list[str]:
    """Return names of which none is twice."""
    return [
        name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, start=1)
    ]


def _offsets(args: argparse.Namespace) -> Offsets | None:
    scale = args.pixels_per_unit
    if args.offsets is not None:
        found = load_offsets(args.offsets)
        return found if scale is None else replace(found, pixels_per_unit=scale_matrix(scale))
    if args.dither_log is not None:
        return offsets_of_log(args.dither_log, None if scale is None else scale_matrix(scale))
    if args.offset is not None:
        return Offsets(
            tuple((x, y) for x, y in args.offset), scale_matrix(1.0 if scale is None else scale)
        )
    if scale is not None:
        raise ConfigError(
            "--pixels-per-unit is of --offsets, --offset or --dither-log, which are not given."
        )
    return None


def _photons(args: argparse.Namespace) -> CubeSettings:
    pointing = None
    if args.ra is not None or args.dec is not None:
        first = args.observations[0]
        pointing = pointing_of(args, *camera_of(first), first)
    return CubeSettings(
        **with_band(bands_of(args)),
        start=args.start,
        stop=args.stop,
        weighted=args.weighted,
        exclude=flags_of(args),
        pointing=pointing,
    )
