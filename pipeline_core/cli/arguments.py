"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_observation", "add_output", "add_pixel", "add_time_range"]


def add_observation(parser: argparse.ArgumentParser) -> None:
    """Add the photon file."""
    parser.add_argument("observation", type=Path, metavar="OBS.h5", help="photon file")


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the output file, whose ending tells the format."""
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="result: .fits, .csv or .npz by its ending",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE")


def add_pixel(parser: argparse.ArgumentParser) -> None:
    """Add the pixel."""
    parser.add_argument(
        "--pixel",
        type=int,
        nargs=2,
        required=True,
        metavar=("X", "Y"),
        help="column and row of the pixel",
    )


def add_time_range(parser: argparse.ArgumentParser) -> None:
    """Add start and stop in seconds."""
    parser.add_argument(
        "--start", type=float, metavar="S", help="first second, from the start of the observation"
    )
    parser.add_argument(
        "--stop", type=float, metavar="S", help="end of the time range (not included)"
    )
