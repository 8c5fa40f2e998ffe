"""``export``: a photon file in an older layout, with its calibrations worked in."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.observation import open_photons
from pipeline_core.older.export import LAYOUTS, export_darkness2019
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "export"
HELP = "Write a photon file in an older layout, for older scripts: wavelengths and weights are worked into the photons."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("observation", type=Path, metavar="OBS.h5")
    parser.add_argument("out", type=Path, metavar="OUT.h5", help="file to write; must not exist")
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        required=True,
        help="darkness2019: the layout of 2019 to 2021, /Photons/PhotonTable and /header/header",
    )
    parser.add_argument(
        "--indexed", action="store_true", help="make PyTables indexes, for quick queries (slow)"
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Write, and return what was written."""
    with open_photons(args.observation, progress=progress) as obs:
        summary = export_darkness2019(obs, args.out, indexed=args.indexed, progress=progress)
    written: dict[str, object] = {
        "file": str(summary.path),
        "layout": args.layout,
        "photons": summary.n_photons,
        "pixels with wavelengths": summary.wavelength_pixels,
        "pixels with weights": summary.weighted_pixels,
    }
    if summary.masked_s:
        written["masked"] = (
            f"{summary.masked_s:.6f} s are left out, which the layout does not tell: divide counts by so much less time"
        )
    return written
