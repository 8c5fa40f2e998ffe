"""``badpixels``: find hot, cold, dead and flickering pixels; mask and unmask pixels by hand."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from pipeline_core.cli.arguments import add_observation, open_to_search
from pipeline_core.errors import ConfigError
from pipeline_core.masks import PIXEL_KINDS
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress
from pipeline_core.solution_files import BADPIXELS, check_replaceable

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "badpixels"
HELP = "Find bad pixels in a photon file, write or attach a mask of them; or mask and unmask pixels by hand."

_OPTIONS = {
    "start": "start",
    "stop": "stop",
    "slice": "slice_s",
    "sigma": "n_sigma",
    "sigma_cold": "n_sigma_cold",
    "ratio": "ratio",
    "fwhm": "fwhm",
    "box": "box",
    "max_rate_cps": "max_rate_cps",
    "method": "method",
}
"""Options of this command, and the settings that they stand for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_observation(parser)
    parser.add_argument("--out", type=Path, metavar="MASK.h5", help="mask file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing MASK.h5")
    parser.add_argument("--attach", action="store_true", help="attach the mask to the photon file")
    parser.add_argument(
        "--method",
        choices=("surroundings", "median", "threshold", "cps"),
        help="default: surroundings",
    )
    number = {"type": float, "metavar": "N"}
    parser.add_argument("--sigma", help="a hot pixel's least excess in sigmas (4)", **number)  # type: ignore[arg-type]
    parser.add_argument("--sigma-cold", help="a cold pixel's least deficit in sigmas (4)", **number)  # type: ignore[arg-type]
    parser.add_argument("--ratio", help="so many times its surroundings is hot (4)", **number)  # type: ignore[arg-type]
    parser.add_argument("--fwhm", help="of the narrowest star, in pixels (2.5)", **number)  # type: ignore[arg-type]
    parser.add_argument("--box", type=int, metavar="N", help="side of the moving box (5)")
    parser.add_argument(
        "--max-rate-cps",
        help="methods cps, median: hot above this (2450)",
        **number,  # type: ignore[arg-type]
    )
    parser.add_argument("--start", type=float, metavar="S", help="first second to look at")
    parser.add_argument("--stop", type=float, metavar="S", help="end of the time to look at")
    parser.add_argument("--slice", type=float, metavar="S", help="slices judged one by one (10 s)")
    parser.add_argument("--no-slices", action="store_true", help="judge the whole time only")
    parser.add_argument("--no-cold", action="store_true", help="do not look for cold pixels")
    parser.add_argument("--no-flicker", action="store_true", help="do not look at light curves")
    pixel = {"type": int, "nargs": 2, "action": "append", "default": [], "metavar": ("X", "Y")}
    parser.add_argument("--mask", help="mask this pixel by hand, and attach that", **pixel)  # type: ignore[arg-type]
    parser.add_argument("--unmask", help="take this pixel's marks off by hand", **pixel)  # type: ignore[arg-type]
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for --mask and --unmask")
    parser.add_argument(
        "--kind", choices=tuple(PIXEL_KINDS), default="hot", help="what --mask calls it (hot)"
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Find and write, or edit by hand."""
    if args.mask or args.unmask:
        return _edit(args)
    from pipeline_core.badpixels.compute import find_bad_pixels
    from pipeline_core.badpixels.describe import describe_bad_pixels
    from pipeline_core.badpixels.settings import BadPixelSettings

    if args.out is None and not args.attach:
        raise ConfigError("Say what to do with the mask: --out MASK.h5, --attach, or both.")
    if args.out is not None:
        check_replaceable(args.out, BADPIXELS, overwrite=args.overwrite)
    given = {
        name: getattr(args, option)
        for option, name in _OPTIONS.items()
        if getattr(args, option) is not None
    }
    settings = BadPixelSettings(**given)
    settings = dataclasses.replace(
        settings,
        cold=not args.no_cold,
        flicker=not args.no_flicker,
        slice_s=None if args.no_slices else settings.slice_s,
    )
    with open_to_search(args, progress) as obs:
        found = find_bad_pixels(obs, settings, progress)
        if args.out is not None:
            found.save(args.out, overwrite=args.overwrite)
        if args.attach:
            obs.apply_badpixels(found if args.out is None else args.out)
        result = describe_bad_pixels(found, args.out or "not written")
        result["attached"] = f"yes; kept in {obs.sidecar}" if args.attach else "no"
    return result


def _edit(args: argparse.Namespace) -> dict[str, object]:
    """Mask and unmask by hand; each is one row of the history."""
    with ObsFile(args.observation, mode="write") as obs:
        if args.mask:
            obs.mask_pixels([tuple(one) for one in args.mask], args.reason, args.kind)
        if args.unmask:
            obs.unmask_pixels([tuple(one) for one in args.unmask], args.reason)
        pixels = [tuple(one) for one in (*args.mask, *args.unmask)]
        return {
            "file": str(args.observation),
            "pixels": {
                f"({x}, {y})": " ".join(obs.mask_reasons((x, y))) or "not masked" for x, y in pixels
            },
            "kept in": str(obs.sidecar),
        }
