"""Command ``simulate``: write an observation or a whole night of ``.bin`` files with known truth.

Only arguments and wording; `pipeline_core.simulate` does the work. Called by the dispatcher in `pipeline_core.cli`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.beammap import parse_shape
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "simulate"
HELP = "write simulated .bin files, a beam map and the truth behind them"

_KINDS = ("night", "laser", "flat", "sky", "dark", "speckle")
_RESPONSES = ("arctan", "quadratic")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "out_dir", type=Path, metavar="OUT_DIR", help="folder to write to; made if missing"
    )
    parser.add_argument(
        "--kind", choices=_KINDS, default="night", help="what to observe (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds",
        type=int,
        default=1,
        metavar="S",
        help="length; of a night, of each observation (default: %(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=150.0,
        metavar="CPS",
        help="mean light per pixel in counts/s (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="equal seeds give equal bytes"
    )
    parser.add_argument(
        "--shape",
        default="80x125",
        metavar="80x125",
        help="columns x rows, DARKNESS or MEC (default: %(default)s)",
    )
    parser.add_argument(
        "--start",
        type=int,
        default=1602050400,
        metavar="UNIX",
        help="first second (default: %(default)s)",
    )
    parser.add_argument(
        "--response", choices=_RESPONSES, default="arctan", help="curve of phase against energy"
    )
    parser.add_argument(
        "--wavelength",
        type=float,
        default=980.0,
        metavar="NM",
        help="of the laser, with --kind laser (default: %(default)s)",
    )
    parser.add_argument(
        "--packet-delay",
        type=float,
        default=0.05,
        metavar="S",
        help="boards are late by up to this many seconds (default: %(default)s)",
    )
    parser.add_argument(
        "--loss", type=float, default=0.0, metavar="F", help="fraction of packets that get lost"
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
    from pipeline_core.simulate import ArraySettings, ReadoutSettings, SimulationSettings, simulate

    settings = SimulationSettings(
        kind=args.kind,
        seconds=args.seconds,
        rate_cps=args.rate,
        seed=args.seed,
        shape=parse_shape(args.shape),
        start=args.start,
        wavelength_nm=args.wavelength,
        array=ArraySettings(response=args.response),
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
        "observations": [
            {
                "name": o.name,
                "start": o.start,
                "seconds": o.seconds,
                "photons": o.n_photons,
                "truth": str(o.truth_path),
            }
            for o in summary.observations
        ],
    }
