"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pipeline_core.beammap_search import BEAMMAP_ENDING, BEAMMAP_VARIABLE
from pipeline_core.errors import ConfigError
from pipeline_core.flags import flag_bits
from pipeline_core.observation import open_photons
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress
from pipeline_core.wcs import NOMINAL, Pointing

__all__ = [
    "add_beammap",
    "add_exclude",
    "add_observation",
    "add_output",
    "add_pixel",
    "add_sky",
    "add_time_range",
    "add_wavelengths",
    "add_weighted",
    "bands_of",
    "flags_of",
    "open_to_search",
    "pointing_of",
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


def add_exclude(parser: argparse.ArgumentParser, usual: str = "none") -> None:
    """Add the flags whose pixels have no value."""
    parser.add_argument(
        "--exclude",
        nargs="+",
        default=[usual],
        metavar="FLAG",
        help="pixels without values: names such as pixcal.hot, 'problems' for all that make pixels unusable, or "
        f"'none' (default: {usual})",
    )


def flags_of(args: argparse.Namespace) -> int:
    """Return the bits of the flags to exclude."""
    return flag_bits(args.exclude, "--exclude")


def bands_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return what `CubeSettings` calls the bins of wavelength; limits without bins are those of the only one."""
    limits = {"min_wavelength": args.min_wavelength, "max_wavelength": args.max_wavelength}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    if args.edges and given:
        raise ConfigError(
            f"--edges {args.edges}: they begin and end the range of wavelengths, so leave out --min-wavelength and "
            "--max-wavelength."
        )
    widths = {"energy_bin_ev": args.energy_bin, "wavelength_bin_nm": args.wavelength_bin}
    return {"edges_nm": _edges_of(args.edges), **widths, **given}


def _edges_of(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ConfigError(f"--edges {text}: give numbers of nm with commas between.") from None


def add_sky(parser: argparse.ArgumentParser) -> None:
    """Add where the array looked."""
    sky = parser.add_argument_group("coordinates on the sky")
    sky.add_argument("--ra", type=float, metavar="DEG", help="where the array looked, ICRS")
    sky.add_argument("--dec", type=float, metavar="DEG")
    sky.add_argument(
        "--reference-pixel", type=float, nargs=2, metavar=("X", "Y"), help="default: the middle"
    )
    sky.add_argument("--platescale", type=float, metavar="MAS", help="default: the camera's")
    sky.add_argument(
        "--orientation",
        type=float,
        metavar="DEG",
        help="position angle of rows; default: the camera's",
    )


def pointing_of(
    args: argparse.Namespace, camera: str, shape: tuple[int, int], path: Path
) -> Pointing | None:
    """Return where the array looked, with the camera's nominal scale and orientation unless others are given."""
    if (args.ra is None) != (args.dec is None):
        raise ConfigError("Give both --ra and --dec, or none.")
    if args.ra is None:
        return None
    scale, angle = NOMINAL.get(camera, (None, None))
    scale = scale if args.platescale is None else args.platescale
    angle = angle if args.orientation is None else args.orientation
    if scale is None or angle is None:
        raise ConfigError(
            f"{path} is of an unknown camera: give --platescale and --orientation as well."
        )
    middle = ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    pixel = middle if args.reference_pixel is None else tuple(args.reference_pixel)
    return Pointing(args.ra, args.dec, pixel, scale, angle)
