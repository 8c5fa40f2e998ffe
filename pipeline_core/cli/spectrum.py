"""``spectrum``: one pixel's phases (wavelengths, once calibrated)."""

from __future__ import annotations

import argparse

from pipeline_core.cli.arguments import (
    add_observation,
    add_output,
    add_pixel,
    add_time_range,
    add_wavelengths,
    add_weighted,
    wavelengths_of,
)
from pipeline_core.export import export_spectrum
from pipeline_core.observation import open_photons
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "spectrum"
HELP = (
    "Write the spectrum of a pixel: its phase histogram while there is no wavelength calibration."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_observation(parser)
    add_pixel(parser)
    add_output(parser)
    add_time_range(parser)
    add_wavelengths(parser)
    add_weighted(parser)
    parser.add_argument(
        "--bin-deg", type=float, default=1.0, metavar="DEG", help="phase bin (default 1 degree)"
    )
    parser.add_argument(
        "--bin-ev", type=float, default=0.1, metavar="EV", help="wavelength bin (default 0.1 eV)"
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Histogram and write."""
    with open_photons(args.observation, beammap=args.beammap, progress=progress) as obs:
        progress(0, 1, "reading the pixel")
        low, high = band = wavelengths_of(args)
        limits = {"min_wavelength": low, "max_wavelength": high, "bin_ev": args.bin_ev}
        limits["weighted"] = args.weighted
        window = args.start, args.stop
        spectrum = obs.spectrum(tuple(args.pixel), *window, args.bin_deg, **limits)
        export_spectrum(args.out, obs, spectrum, *window, band=band, overwrite=args.overwrite)
    return {
        "file": str(args.out),
        "axis": f"{spectrum.quantity} ({spectrum.unit})",
        "bins": int(spectrum.counts.size),
        "counts": int(spectrum.counts.sum()),
    }
