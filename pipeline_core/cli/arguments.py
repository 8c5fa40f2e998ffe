"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.beammap_search import BEAMMAP_ENDING, BEAMMAP_VARIABLE
from pipeline_core.observation import open_photons
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress

__all__ = [
    "add_beammap",
    "add_observation",
    "add_output",
    "add_pixel",
    "add_time_range",
    "add_wavelengths",
    "add_weighted",
    "open_to_search",
    "wavelengths_of",
]


def add_observation(parser: argparse.ArgumentParser, *, frames: bool = False) -> None:
    """Add the photon file or raw file (with `frames` also a .img), and the beam map."""
    also = ", or a .img frame" if frames else ""
    parser.add_argument(
        "observation",
        type=Path,
        metavar="OBS",
        help=f"photon file (.h5), or raw file of one second (.bin){also}",
    )
    add_beammap(parser)


def open_to_search(args: argparse.Namespace, progress: Progress) -> ObsFile:
    """Open OBS for a search of bad pixels or times: whatever has photons can be searched.

    Only a photon file of today's layout can have the mask attached (``--attach``).
    """
    if args.attach:
        return ObsFile(args.observation, mode="write")
    return open_photons(args.observation, beammap=args.beammap, progress=progress)


def add_beammap(parser: argparse.ArgumentParser) -> None:
    """Add the beam map, which raw files need."""
    parser.add_argument(
        "--beammap",
        type=Path,
        metavar="FILE",
        help=f"for .bin and .img; default: ${BEAMMAP_VARIABLE}, else the only *{BEAMMAP_ENDING} beside the file "
        "or one folder up",
    )


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


def add_wavelengths(parser: argparse.ArgumentParser) -> None:
    """Add limits of wavelength."""
    parser.add_argument(
        "--min-wavelength", type=float, metavar="NM", help="needs a wavelength calibration"
    )
    parser.add_argument("--max-wavelength", type=float, metavar="NM", help="not included")


def add_weighted(parser: argparse.ArgumentParser) -> None:
    """Add the choice of weights."""
    parser.add_argument(
        "--weighted",
        action="store_true",
        help="photons count with their flat-field weights; variances are sums of squared weights",
    )


def wavelengths_of(args: argparse.Namespace) -> tuple[float | None, float | None]:
    """Return the limits of wavelength; None for an open end."""
    return args.min_wavelength, args.max_wavelength
