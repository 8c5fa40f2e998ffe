"""``cube``: photons of every pixel in bins of time, of wavelength, or both."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline_core.cli.arguments import (
    add_exclude,
    add_observation,
    add_sky,
    add_time_range,
    add_wavelengths,
    add_weighted,
    bands_of,
    flags_of,
    pointing_of,
)
from pipeline_core.cube_products import write_cube
from pipeline_core.cube_settings import CubeSettings, with_band
from pipeline_core.errors import CalibrationError
from pipeline_core.observation import open_photons
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "cube"
HELP = "Write a cube: photons of every pixel in bins of time, of wavelength, or both."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_observation(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="result: .fits, .npz or .h5"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE")
    parser.add_argument("--time-bin", type=float, metavar="S", help="width of a bin of time")
    bins = parser.add_mutually_exclusive_group()
    bins.add_argument("--energy-bin", type=float, metavar="EV", help="bins of equal energy")
    bins.add_argument("--wavelength-bin", type=float, metavar="NM", help="bins of equal wavelength")
    bins.add_argument("--edges", metavar="NM,NM,...", help="edges of the bins of wavelength")
    bins.add_argument(
        "--nyquist",
        nargs="?",
        const=True,
        type=float,
        metavar="R",
        help="two bins for what is resolved: R as given, or that of the wavelength solution",
    )
    add_time_range(parser)
    add_wavelengths(parser)
    add_weighted(parser)
    parser.add_argument(
        "--rates", action="store_true", help="counts per second alive: corrected for dead time"
    )
    add_exclude(parser)
    parser.add_argument(
        "--crop", type=int, nargs=4, metavar=("X0", "Y0", "X1", "Y1"), help="columns, rows included"
    )
    add_sky(parser)


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Write the cube, and return what it holds."""
    with open_photons(args.observation, beammap=args.beammap, progress=progress) as obs:
        nyquist = _nyquist(args.nyquist, obs)
        settings = CubeSettings(
            **with_band({**bands_of(args), "nyquist": nyquist}),
            time_bin_s=args.time_bin,
            start=args.start,
            stop=args.stop,
            weighted=args.weighted,
            rates=args.rates,
            exclude=flags_of(args),
            crop=None if args.crop is None else tuple(args.crop),
            pointing=pointing_of(args, obs.camera, obs.shape, obs.path),
        )
        summary = write_cube(args.out, obs, settings, overwrite=args.overwrite, progress=progress)
    return {
        "file": str(summary.path),
        "columns x rows": f"{summary.shape[0]} x {summary.shape[1]}",
        "bins of wavelength": summary.n_band,
        "bins of time": summary.n_time,
        "sum": round(summary.total, 4),
        "unit": summary.unit,
    }


def _nyquist(r: float | Literal[True] | None, obs: ObsFile) -> tuple[tuple[float, float], ...]:
    """Return R as given, or the medians of the solution that is in use, line by line."""
    if r is None:
        return ()
    if r is not True:
        return ((1000.0, r),)
    from pipeline_core.wavecal.solution import load_solution  # here: most cubes need none of it

    wavecal = obs.wavecal
    source = None if wavecal is None else Path(wavecal.source)
    if wavecal is None or source is None or not source.is_file():
        raise CalibrationError(
            f"{obs.path}: the wavelength solution in use is not at hand, so its resolving power is not known. Give "
            "--nyquist R."
        )
    solution = load_solution(source)
    if solution.solution_id != wavecal.solution_id:
        raise CalibrationError(
            f"{source} is another solution than the one in use. Give --nyquist R."
        )
    found = []
    for line, column in zip(solution.wavelengths_nm, solution.resolving_power.T, strict=True):
        known = column[np.isfinite(column)]
        if known.size:
            found.append((float(line), float(np.median(known))))
    return tuple(found)
