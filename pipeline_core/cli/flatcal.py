"""``flatcal``: from exposures of a flat to weights for every pixel and wavelength."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_core.errors import ConfigError
from pipeline_core.progress import Progress, part_of

if TYPE_CHECKING:
    from pipeline_core.flatcal.settings import FlatcalSettings

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "flatcal"
HELP = "Make a flat field from photon files of a lamp, the twilight or lasers."

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config",
        type=Path,
        nargs="?",
        metavar="CONFIG",
        help="the user guide's .cfg, or the same as .yml; default: the shipped one, which names no files",
    )
    parser.add_argument(
        "--flat",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="photon file of a white flat, instead of those of the configuration; may be repeated",
    )
    parser.add_argument("--out", type=Path, metavar="SOL.h5", help="base name of the solutions")
    parser.add_argument(
        "--wavecal", type=Path, metavar="FILE", help="wavelength solution for files that have none"
    )
    parser.add_argument(
        "--plots",
        choices=("none", "summary", "all"),
        default="all",
        help="pages (PDF): none; those by wavelength; all, with a book of every pixel (default)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace solutions of this name")
    parser.add_argument(
        "--write-default", type=Path, metavar="FILE", help="write the shipped .cfg, and end"
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Make the flat field, write solutions and pages."""
    from pipeline_core.flatcal.config import write_default

    if args.write_default is not None:
        return {"configuration": str(write_default(args.write_default, overwrite=args.overwrite))}
    from pipeline_core.flatcal.compute import run as calibrate
    from pipeline_core.flatcal.describe import describe_solution
    from pipeline_core.flatcal.outputs import check_outputs, save_result, write_pages

    settings = _settings(args)
    base = check_outputs(settings, overwrite=args.overwrite)
    result = calibrate(settings, part_of(progress, 0.0, 0.5))
    for warning in result.combined.warnings:
        logger.warning("%s", warning)
    paths = save_result(result, base, part_of(progress, 0.5, 0.6), overwrite=args.overwrite)
    pages = write_pages(result, base, args.plots, part_of(progress, 0.6, 1.0))
    return {
        **describe_solution(result.combined, paths[0]),
        "solutions of chunks": [str(path) for path in paths[1:]],
        "pages": [str(path) for path in pages],
    }


def _settings(args: argparse.Namespace) -> FlatcalSettings:
    """Join the configuration and the options."""
    from pipeline_core.flatcal.config import load_config
    from pipeline_core.flatcal.settings import FlatcalSettings

    if args.flat and args.config is None:
        settings = FlatcalSettings(flats=tuple(args.flat))
    else:
        config = load_config(args.config)
        if args.flat:
            config = config.with_flats(args.flat, args.out)
        settings = config.settings()
    if args.out is not None:
        settings = dataclasses.replace(settings, out=args.out)
    if args.wavecal is not None:
        settings = dataclasses.replace(settings, wavecal=args.wavecal)
    if settings.out is None:
        raise ConfigError("Give the base name of the solutions: --out SOL.h5, or calSolnPath.")
    return settings
