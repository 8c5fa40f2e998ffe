"""``pack``: a photon file and its sidecar as one file for travelling."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.packing import pack
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "pack"
HELP = "Put a photon file and its sidecar into one file, which opens like the photon file, calibrations included."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("observation", type=Path, metavar="OBS.h5", help="photon file")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: OBS.packed.h5 beside the photon file"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE")


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Pack, and tell where."""
    out = pack(args.observation, args.out, overwrite=args.overwrite, progress=progress)
    return {"file": str(out), "bytes": out.stat().st_size}
