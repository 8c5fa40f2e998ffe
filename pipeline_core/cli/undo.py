"""``undo``: take back what was attached to observations."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "undo"
HELP = "Take back the newest action on photon files: reads are then bit for bit what they were."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("observations", type=Path, nargs="+", metavar="OBS.h5", help="photon files")
    parser.add_argument(
        "--kind",
        choices=("wavecal", "flatcal", "badpixels", "timemask", "annotation"),
        help="any wavelength calibration, any flat field, or the newest of the others; default: the newest action",
    )
    parser.add_argument(
        "--cascade",
        action="store_true",
        help="with --kind wavecal: also the flat field that depends on it",
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Undo on one after the other; those before an error stay done."""
    done = {}
    for k, path in enumerate(args.observations):
        progress(k, len(args.observations), f"undoing {path.name}")
        with ObsFile(path, mode="write") as obs:
            before = [action.undone for action in obs.history]
            obs.undo(args.kind, cascade=args.cascade)
            taken = [
                f"{action.action} {action.detail}"
                for action, undone in zip(obs.history, before, strict=True)
                if action.undone and not undone
            ]
            now = "none" if obs.wavecal is None else f"solution {obs.wavecal.solution_id}"
            flat = "none" if obs.flatcal is None else f"solution {obs.flatcal.solution_id}"
            done[str(path)] = (
                f"took back {'; '.join(taken)}. Wavelength calibration now: {now}; flat field now: {flat}"
            )
    return {"undone": done}
