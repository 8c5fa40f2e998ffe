"""``info``: what a file is, what is in it, and how it was made."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.cli.arguments import add_beammap
from pipeline_core.describe_file import describe_file
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "info"
HELP = (
    "Tell what a file is: a photon file, a solution or mask, a raw .bin file, a .img frame, a datastream, a log or a "
    "beam map."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="any file that this program reads")
    add_beammap(parser)


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Describe the file."""
    progress(0, 1, "reading")
    return describe_file(args.file, args.beammap)
