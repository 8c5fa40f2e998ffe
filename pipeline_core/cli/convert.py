"""``convert``: raw .bin files, or the photon file of an older program, to a photon file."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.beammap import parse_shape
from pipeline_core.convert import ConversionSummary, ConvertSettings, brief_ranges, convert
from pipeline_core.convert_parts import convert_parts
from pipeline_core.errors import ConfigError
from pipeline_core.older.convert import convert_older
from pipeline_core.progress import Progress
from pipeline_core.schema import BASELINE_MODES, UNKNOWN_BASELINE

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "convert"
HELP = "Convert raw .bin files of one time range, or a photon file of an older program, to a photon file."


_NEEDED = ("start", "duration", "beammap")
_OF_RAW_FILES = (*_NEEDED, "shape")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "source",
        type=Path,
        metavar="BIN_DIR | OLD.h5",
        help="folder of <unix second>.bin files, or a photon file of an older program (2017 to 2025)",
    )
    parser.add_argument("--start", type=int, metavar="UNIX", help="first second (of raw files)")
    parser.add_argument(
        "--duration", type=int, metavar="S", help="number of seconds (of raw files)"
    )
    parser.add_argument(
        "--beammap", type=Path, metavar="FILE", help="lines 'resID flag x y' (for raw files)"
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
        help="raw files: drop the baselines (the default), keep them in a column, or add each less the median to the "
        "phase; older photon file: what its phases hold, if you know",
    )
    parser.add_argument(
        "--repair-times",
        choices=("auto", "yes", "no"),
        default="auto",
        help="move photons by 0.5 ms that the firmware of 2017 told too early; auto: in data of before 2018-02-10",
    )
    parser.add_argument(
        "--split",
        action="store_true",
        help="write several files, <first second>.h5 each, of what is longer than 71 minutes",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing photon file")


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Convert, and return the summary."""
    given = {name: getattr(args, name) for name in _OF_RAW_FILES}
    if args.source.is_file():
        surplus = [f"--{name}" for name, value in given.items() if value is not None]
        if surplus:
            raise ConfigError(
                f"{args.source} is a file: {', '.join(surplus)} are for folders of raw files. Leave them out, or give "
                "the folder."
            )
        return _bring_in(args, progress)
    missing = [name for name in _NEEDED if given[name] is None]
    if missing:
        raise ConfigError(
            f"{args.source} holds raw files: give {', '.join(f'--{name}' for name in missing)} as well."
        )
    settings = ConvertSettings(
        bin_dir=args.source,
        start=args.start,
        duration=args.duration,
        beammap=args.beammap,
        out=args.out,
        shape=parse_shape(args.shape) if args.shape else None,
        baseline=args.baseline or "ignore",
        overwrite=args.overwrite,
        repair_times=None if args.repair_times == "auto" else args.repair_times == "yes",
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
        "skipped bytes": summary.skipped_bytes,
        "resynchronisations": summary.resyncs,
        "packets lost by board": {b: n for b, n in summary.lost_packets.items() if n},
        "seconds without a file": brief_ranges(summary.missing_seconds) or "none",
        "photons moved by 0.5 ms": summary.moved_photons,
        "pixels put in order of time": summary.repaired_pixels,
        "wall time (s)": round(summary.seconds, 3),
        "warnings": list(summary.warnings),
    }


def _bring_in(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Bring in a photon file of an older program, and return the summary."""
    summary = convert_older(
        args.source,
        args.out,
        baseline=args.baseline or UNKNOWN_BASELINE,
        overwrite=args.overwrite,
        progress=progress,
    )
    return {
        "file": str(summary.path),
        "layout of the older file": summary.layout,
        "photons": summary.n_photons,
        "photons without a pixel, left out": summary.nowhere,
        "holds": "wavelengths, for ever" if summary.wavelength_calibrated else "phases",
        "weights": "stored with the photons" if summary.has_weights else "none",
        "photons whose times were repaired": summary.moved,
        "not certain": list(summary.doubts),
        "wall time (s)": round(summary.seconds, 3),
    }
