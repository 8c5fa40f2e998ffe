"""``apply``: attach a wavelength solution, a flat field or a mask to observations."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.cli.masks import MASKS, kind_of_solution
from pipeline_core.flatcal.apply import means_flat
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "apply"
HELP = "Attach a solution (wavelength, flat) or a mask to photon files; they are not changed, and undo takes it back."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "solution",
        type=Path,
        metavar="SOL.h5",
        help="what 'wavecal', 'flatcal', 'badpixels' or 'timemask' wrote; of a flat field also the base name, for the "
        "mean of its chunks",
    )
    parser.add_argument("observations", type=Path, nargs="+", metavar="OBS.h5", help="photon files")
    parser.add_argument(
        "--replace", action="store_true", help="take the place of another solution that is attached"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="attach a flat field that was made with another wavelength solution (recorded)",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="of a flat field: write the book of applied weights beside it (PDF)",
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Attach it to one after the other; those before an error stay done."""
    is_flat = means_flat(args.solution)
    done = {}
    kind = None if is_flat else kind_of_solution(args.solution)
    for k, path in enumerate(args.observations):
        progress(k, len(args.observations), f"applying to {path.name}")
        with ObsFile(path, mode="write") as obs:
            revision = len(obs.history)
            if kind is not None and kind in MASKS:
                what = MASKS[kind](obs, args.solution)
                again = "" if len(obs.history) > revision else ", as before"
                done[str(path)] = f"{what}{again}; kept in {obs.sidecar}"
                continue
            number, what = _apply(obs, args, is_flat)
            again = "" if len(obs.history) > revision else ", as before"
            done[str(path)] = (
                f"{number} of {obs.flags.size} pixels {what}{again}; kept in {obs.sidecar}"
            )
    return {"solution": str(args.solution), "applied": done}


def _apply(obs: ObsFile, args: argparse.Namespace, is_flat: bool) -> tuple[int, str]:
    """Attach the solution; return how many pixels have what now."""
    if is_flat:
        obs.apply_flatcal(args.solution, args.verbose, args.replace, args.force)
        return (0 if obs.flatcal is None else int(obs.flatcal.weighted.sum())), "have weights"
    obs.apply_wavecal(args.solution, replace=args.replace)
    return (0 if obs.wavecal is None else int(obs.wavecal.calibrated.sum())), "calibrated"
