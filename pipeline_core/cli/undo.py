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
        choices=("wavecal", "badpixels", "timemask", "annotation"),
        help="any wavelength calibration, or the newest of the others; default: the newest action",
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Undo on one after the other; those before an error stay done."""
    done = {}
    for k, path in enumerate(args.observations):
        progress(k, len(args.observations), f"undoing {path.name}")
        with ObsFile(path, mode="write") as obs:
            before = [action.undone for action in obs.history]
            obs.undo(args.kind)
            taken = [
                f"{action.action} {action.detail}"
                for action, undone in zip(obs.history, before, strict=True)
                if action.undone and not undone
            ]
            now = "none" if obs.wavecal is None else f"solution {obs.wavecal.solution_id}"
            done[str(path)] = f"took back {'; '.join(taken)}. Wavelength calibration now: {now}"
    return {"undone": done}
