"""``parsebin``: what is in raw .bin files, and their x, y, phase cube."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.beammap import parse_shape, read_beammap
from pipeline_core.binfile import scan_folder
from pipeline_core.errors import ConfigError
from pipeline_core.progress import Progress, part_of
from pipeline_core.rawcube import (
    CUBE_FORMATS,
    PhaseAxis,
    count_phase_cube,
    export_phase_cube,
)
from pipeline_core.rawdescribe import describe_raw_files
from pipeline_core.rawsummary import summarise_raw
from pipeline_core.targets import check_target

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "parsebin"
HELP = "Tell what is in raw .bin files: packets, boards, losses, clocks, photons, damage. Needs no beam map."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    usual = PhaseAxis()
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE.bin", help="raw files, or folders of them"
    )
    parser.add_argument("--beammap", type=Path, metavar="FILE", help="tells the array's size")
    parser.add_argument(
        "--shape", metavar="COLSxROWS", help="array size or camera; default: told by the photons"
    )
    parser.add_argument(
        "--cube",
        type=Path,
        metavar="OUT.fits",
        help="write counts by x, y and phase (.fits or .npz)",
    )
    parser.add_argument(
        "--phase",
        type=float,
        nargs=2,
        default=(usual.low, usual.high),
        metavar=("LOW", "HIGH"),
        help=f"phases of the cube in deg (default: {usual.low:g} {usual.high:g})",
    )
    parser.add_argument(
        "--bin-deg",
        type=float,
        default=usual.width,
        metavar="DEG",
        help=f"width of its bins (default: {usual.width:g})",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing cube")


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Summarise, and write the cube if one is asked for."""
    paths = _files(args.files)
    shape = _shape(args)
    axis = PhaseAxis(args.phase[0], args.phase[1], args.bin_deg)
    if args.cube is not None:
        check_target(args.cube, CUBE_FORMATS, paths)
    upto = 1.0 if args.cube is None else 0.5
    summary = summarise_raw(paths, part_of(progress, 0.0, upto))
    result = describe_raw_files(summary, shape)
    if args.cube is not None:
        shape = shape or summary.told_shape()
        if shape is None:
            raise ConfigError(
                f"{paths[0]} and others hold no photon: there is nothing to make a cube of. Choose other files."
            )
        cube = count_phase_cube(paths, shape, axis, part_of(progress, upto, 1.0))
        export_phase_cube(args.cube, cube, summary, overwrite=args.overwrite, progress=progress)
        result["cube"] = {
            "file": str(args.cube),
            "axes (x, y, phase)": " x ".join(map(str, cube.counts.shape)),
            "photons": int(cube.counts.sum(dtype="i8")),
            "photons outside the array": cube.outside_array,
            "photons outside the phases": cube.outside_phases,
        }
    return result


def _files(given: list[Path]) -> list[Path]:
    """Return the files; folders stand for all raw files in them."""
    files: list[Path] = []
    for path in given:
        if path.is_dir():
            folder = scan_folder(path)
            files += [folder.path(second) for second in folder.seconds]
        else:
            files.append(path)
    return files


def _shape(args: argparse.Namespace) -> tuple[int, int] | None:
    """Return the array's shape, if it was told."""
    shape = parse_shape(args.shape) if args.shape else None
    if args.beammap is not None:
        return read_beammap(args.beammap, shape).shape
    return shape
