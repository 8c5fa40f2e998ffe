"""``apply``: attach a wavelength solution or a mask to observations."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.cli.masks import MASKS, kind_of_solution
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "apply"
HELP = "Attach a wavelength solution or a mask to photon files; they are not changed, and undo takes it back."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "solution",
        type=Path,
        metavar="SOL.h5",
        help="what 'wavecal', 'badpixels' or 'timemask' wrote",
    )
    parser.add_argument("observations", type=Path, nargs="+", metavar="OBS.h5", help="photon files")
    parser.add_argument(
        "--replace", action="store_true", help="take the place of another solution that is attached"
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Attach it to one after the other; those before an error stay done."""
    done = {}
    kind = kind_of_solution(args.solution)
    for k, path in enumerate(args.observations):
        progress(k, len(args.observations), f"applying to {path.name}")
        with ObsFile(path, mode="write") as obs:
            revision = len(obs.history)
            if kind in MASKS:
                what = MASKS[kind](obs, args.solution)
                again = "" if len(obs.history) > revision else ", as before"
                done[str(path)] = f"{what}{again}; kept in {obs.sidecar}"
                continue
            obs.apply_wavecal(args.solution, replace=args.replace)
            wavecal = obs.wavecal
            assert wavecal is not None
            number, total = int(wavecal.calibrated.sum()), wavecal.calibrated.size
            again = "" if len(obs.history) > revision else ", as before"
            done[str(path)] = f"{number} of {total} pixels calibrated{again}; kept in {obs.sidecar}"
    return {"solution": str(args.solution), "applied": done}
