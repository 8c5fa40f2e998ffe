"""``unpack``: the photon file and the sidecar of a packed file."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.packing import unpack
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "unpack"
HELP = "Write the photon file and the sidecar that were packed into one file, bit for bit."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("packed", type=Path, metavar="OBS.packed.h5", help="what 'pack' wrote")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: the folder of the packed file"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files of these names")


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Unpack, and tell where."""
    photons, sidecar = unpack(args.packed, args.out, overwrite=args.overwrite, progress=progress)
    return {"file": str(photons), "sidecar": str(sidecar)}
