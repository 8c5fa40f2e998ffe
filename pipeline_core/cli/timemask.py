"""``timemask``: find cosmic rays; mask and unmask times by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.cli.arguments import add_observation, open_to_search
from pipeline_core.errors import ConfigError
from pipeline_core.masks import TIME_KINDS
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress
from pipeline_core.solution_files import TIMEMASK, check_replaceable

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "timemask"
HELP = "Find bursts of the whole array (cosmic rays) in a photon file, write or attach a mask; or mask times by hand."

_OPTIONS = ("bin_us", "bins", "false_alarms", "least_photons", "before_us", "after_us")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments: those of `BurstSettings`, by the same names."""
    add_observation(parser)
    parser.add_argument("--out", type=Path, metavar="MASK.h5", help="mask file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing MASK.h5")
    parser.add_argument("--attach", action="store_true", help="attach the mask to the photon file")
    parser.add_argument("--bin-us", type=int, metavar="US", help="step of the windows (10)")
    parser.add_argument("--bins", type=int, metavar="N", help="so many steps are a window (2)")
    parser.add_argument(
        "--false-alarms", type=float, metavar="N", help="expected in the whole observation (0.01)"
    )
    parser.add_argument("--least-photons", type=int, metavar="N", help="of a burst (5)")
    parser.add_argument("--before-us", type=int, metavar="US", help="masked before a burst (50)")
    parser.add_argument("--after-us", type=int, metavar="US", help="masked after a burst (100)")
    interval = {
        "type": float,
        "nargs": 2,
        "action": "append",
        "default": [],
        "metavar": ("START", "STOP"),
    }
    parser.add_argument("--mask", help="mask these seconds by hand, and attach that", **interval)  # type: ignore[arg-type]
    parser.add_argument("--unmask", help="let these seconds count again", **interval)  # type: ignore[arg-type]
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for --mask and --unmask")
    parser.add_argument(
        "--kind", choices=tuple(TIME_KINDS), default="by hand", help="what --mask calls it"
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Find and write, or edit by hand."""
    if args.mask or args.unmask:
        return _edit(args)
    from pipeline_core.timemask.compute import find_bursts
    from pipeline_core.timemask.describe import describe_time_mask
    from pipeline_core.timemask.settings import BurstSettings

    if args.out is None and not args.attach:
        raise ConfigError("Say what to do with the mask: --out MASK.h5, --attach, or both.")
    if args.out is not None:
        check_replaceable(args.out, TIMEMASK, overwrite=args.overwrite)
    given = {name: getattr(args, name) for name in _OPTIONS if getattr(args, name) is not None}
    with open_to_search(args, progress) as obs:
        found = find_bursts(obs, BurstSettings(**given), progress)
        if args.out is not None:
            found.save(args.out, overwrite=args.overwrite)
        if args.attach:
            obs.apply_timemask(found if args.out is None else args.out)
        result = describe_time_mask(found, args.out or "not written")
        result["attached"] = f"yes; kept in {obs.sidecar}" if args.attach else "no"
    return result


def _edit(args: argparse.Namespace) -> dict[str, object]:
    """Mask and unmask by hand; each interval is one row of the history."""
    with ObsFile(args.observation, mode="write") as obs:
        for start, stop in args.mask:
            obs.mask_time(start, stop, args.reason, args.kind)
        for start, stop in args.unmask:
            obs.unmask_time(start, stop, args.reason)
        return {
            "file": str(args.observation),
            "masked (s)": [f"{a / 1e6:.6f} to {b / 1e6:.6f}" for a, b in obs.masked_us.tolist()],
            "time that counts (s)": round(obs.open_time(), 6),
            "kept in": str(obs.sidecar),
        }
