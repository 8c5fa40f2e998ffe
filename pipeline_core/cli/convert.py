"""``convert``: raw .bin files to a photon file."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.beammap import parse_shape
from pipeline_core.convert import ConversionSummary, ConvertSettings, brief_ranges, convert
from pipeline_core.convert_parts import convert_parts
from pipeline_core.progress import Progress
from pipeline_core.schema import BASELINE_MODES

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "convert"
HELP = "Convert raw .bin files of one time range to a photon file."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "bin_dir", type=Path, metavar="BIN_DIR", help="folder of <unix second>.bin files"
    )
    parser.add_argument("--start", type=int, required=True, metavar="UNIX", help="first second")
    parser.add_argument(
        "--duration", type=int, required=True, metavar="S", help="number of seconds"
    )
    parser.add_argument(
        "--beammap", type=Path, required=True, metavar="FILE", help="lines 'resID flag x y'"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OBS.h5",
        help="photon file to write; with --split, a folder",
    )
    parser.add_argument(
        "--shape", metavar="COLSxROWS", help="array size or camera; default: told by the beam map"
    )
    parser.add_argument(
        "--baseline",
        choices=BASELINE_MODES,
        default="ignore",
        help="drop the baselines, keep them in a column, or add each less the median to the phase",
    )
    parser.add_argument(
        "--split",
        action="store_true",
        help="write several files, <first second>.h5 each, of what is longer than 71 minutes",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing photon file")


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Convert, and return the summary."""
    settings = ConvertSettings(
        bin_dir=args.bin_dir,
        start=args.start,
        duration=args.duration,
        beammap=args.beammap,
        out=args.out,
        shape=parse_shape(args.shape) if args.shape else None,
        baseline=args.baseline,
        overwrite=args.overwrite,
        split=args.split,
    )
    if not args.split:
        return _facts(convert(settings, progress))
    summary = convert_parts(settings, progress)
    return {
        "photons": summary.n_photons,
        "files": [_facts(part) for part in summary.parts],
        "warnings": list(summary.warnings),
    }


def _facts(summary: ConversionSummary) -> dict[str, object]:
    return {
        "file": str(summary.path),
        "photons": summary.n_photons,
        "dropped": summary.dropped,
        "spare bytes": summary.spare_bytes,
        "packets lost by board": {b: n for b, n in summary.lost_packets.items() if n},
        "seconds without a file": brief_ranges(summary.missing_seconds) or "none",
        "pixels put in order of time": summary.repaired_pixels,
        "wall time (s)": round(summary.seconds, 3),
        "warnings": list(summary.warnings),
    }
