"""Command ``simulate``: write an observation or a whole night of ``.bin`` files with known truth.

Only arguments and wording; `pipeline_core.simulate` does the work. Called by the dispatcher in `pipeline_core.cli`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_core.beammap import parse_shape
from pipeline_core.progress import Progress

if TYPE_CHECKING:
    from pipeline_core.simulate import SimulatedObservation

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "simulate"
HELP = "write simulated .bin files, a beam map and the truth behind them"

_KINDS = ("night", "laser", "flat", "sky", "dark", "speckle")
_RESPONSES = ("arctan", "quadratic")

_VALUES: tuple[tuple[str, Callable[[str], object], object, str, str], ...] = (
    ("--seconds", int, 1, "S", "length; of a night, of each observation"),
    ("--rate", float, 150.0, "CPS", "mean light per pixel in counts/s"),
    ("--seed", int, 0, "N", "equal seeds give equal bytes"),
    ("--shape", str, "80x125", "80x125", "columns x rows, DARKNESS or MEC"),
    ("--start", int, 1602050400, "UNIX", "first second"),
    ("--wavelength", float, 980.0, "NM", "of the laser, with --kind laser"),
    ("--tau", float, 0.1, "S", "decorrelation time of the speckle field"),
    (
        "--dead-time",
        float,
        10.0,
        "US",
        "a pixel is blind for so long after a photon; the converter takes 10",
    ),
    ("--packet-delay", float, 0.05, "S", "boards are late by up to this many seconds"),
    ("--loss", float, 0.0, "F", "fraction of packets that get lost"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "out_dir", type=Path, metavar="OUT_DIR", help="folder to write to; made if missing"
    )
    parser.add_argument(
        "--kind", choices=_KINDS, default="night", help="what to observe (default: %(default)s)"
    )
    parser.add_argument(
        "--response", choices=_RESPONSES, default="arctan", help="curve of phase against energy"
    )
    for flag, kind, default, metavar, text in _VALUES:
        parser.add_argument(
            flag, type=kind, default=default, metavar=metavar, help=f"{text} (default: %(default)s)"
        )
    for name, what in (("ic", "coherent"), ("is", "speckle"), ("ip", "steady")):
        parser.add_argument(
            f"--{name}",
            type=float,
            metavar="CPS",
            help=f"{what} light per pixel with --kind speckle; default: 60, 30, 10 %% of the rate",
        )
    parser.add_argument(
        "--counter-wrap", action="store_true", help="the boards' seconds start again after 2**20"
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Simulate; return what was written.

    Raises
    ------
    PipelineError
        If a value is impossible or the folder cannot be written.
    """
    # numba takes a second to load: not before --help has been answered
    from pipeline_core.simulate import (
        ArraySettings,
        LightSettings,
        ReadoutSettings,
        SimulationSettings,
        simulate,
    )

    settings = SimulationSettings(
        kind=args.kind,
        seconds=args.seconds,
        rate_cps=args.rate,
        seed=args.seed,
        shape=parse_shape(args.shape),
        start=args.start,
        wavelength_nm=args.wavelength,
        array=ArraySettings(response=args.response, dead_time_us=args.dead_time),
        light=LightSettings(
            tau_s=args.tau, ic_cps=args.ic, is_cps=getattr(args, "is"), ip_cps=args.ip
        ),
        readout=ReadoutSettings(
            packet_delay_s=args.packet_delay, loss=args.loss, counter_wrap=args.counter_wrap
        ),
    )
    summary = simulate(settings, args.out_dir, progress)
    return {
        "folder": str(summary.folder),
        "beammap": str(summary.beammap_path),
        "photons": summary.n_photons,
        "files": len(summary.bin_paths),
        "observations": [_describe(o) for o in summary.observations],
    }


def _describe(observation: SimulatedObservation) -> dict[str, object]:
    return {
        "name": observation.name,
        "start": observation.start,
        "seconds": observation.seconds,
        "photons": observation.n_photons,
        "truth": str(observation.truth_path),
    }
