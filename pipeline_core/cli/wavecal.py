"""``wavecal``: from laser exposures to a wavelength solution."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.errors import ConfigError
from pipeline_core.progress import Progress

if TYPE_CHECKING:
    from pipeline_core.wavecal.settings import WavecalSettings

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "wavecal"
HELP = "Calibrate phases to wavelengths from photon files of lasers."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments: those of `WavecalSettings`, by the same names."""
    parser.add_argument(
        "config",
        type=Path,
        nargs="?",
        metavar="CONFIG.yml",
        help="settings by the names of these options, with underscores; options given here win",
    )
    parser.add_argument(
        "--laser",
        action="append",
        default=[],
        metavar="NM=FILE",
        help="wavelength and photon file of a laser; at least two of them, in any order",
    )
    parser.add_argument(
        "--background",
        action="append",
        default=[],
        metavar="[NM=]FILE",
        help="photon file with the laser off: of one laser, or of all that have none of their own",
    )
    parser.add_argument(
        "--dt-us", type=float, metavar="US", help="least time since the previous photon (500)"
    )
    parser.add_argument(
        "--max-rate-cps", type=float, metavar="CPS", help="above this a pixel is hot (2000)"
    )
    parser.add_argument("--bin-deg", type=float, metavar="DEG", help="phase bin (1)")
    parser.add_argument("--line-models", metavar="A,B", help="models of a line to choose from")
    parser.add_argument("--curve-models", metavar="A,B", help="kinds of curve to choose from")
    parser.add_argument("--min-photons", type=int, metavar="N", help="least photons of a line (50)")
    parser.add_argument(
        "--no-prior",
        dest="prior",
        action="store_const",
        const=False,
        help="weak pixels may not lean on their feedline",
    )
    parser.add_argument("--frequencies", type=Path, metavar="FILE", help="resonance frequencies")
    parser.add_argument("--out", type=Path, metavar="SOL.h5", help="solution file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing SOL.h5")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="folder for the pages (PDF)")


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Calibrate, write the solution, draw the pages."""
    from pipeline_core.solution_files import WAVECAL, check_replaceable
    from pipeline_core.wavecal.compute import run as calibrate
    from pipeline_core.wavecal.describe import describe_solution

    settings = _settings(args)
    out = settings.out
    if out is None:
        raise ConfigError(
            "Give the solution file to write: --out SOL.h5, or 'out:' in the settings."
        )
    check_replaceable(out, WAVECAL, overwrite=args.overwrite)
    draw = None if args.plots is None else _drawing()  # before minutes of work, not after
    solution = calibrate(settings, progress)
    solution.save(out, overwrite=args.overwrite)
    result = describe_solution(solution, out)
    if draw is not None:
        result["pages"] = [str(page) for page in draw(solution, args.plots)]
    return result


def _drawing() -> Callable[..., Any]:
    """Return the function that draws the pages."""
    try:
        from pipeline_core.wavecal.plots import write_plots
    except ModuleNotFoundError as error:
        raise ConfigError(
            "--plots needs matplotlib: install it with pip install 'quicklook[plots]', or leave the option out."
        ) from error
    return write_plots


def _settings(args: argparse.Namespace) -> WavecalSettings:
    """Join the settings file and the options."""
    from pipeline_core.wavecal.settings import WavecalSettings, plain_yaml

    values: dict[str, Any] = {} if args.config is None else plain_yaml(args.config)
    backgrounds = dict(_pair(text, "background") for text in args.background)
    lasers = [_pair(text, "laser") for text in args.laser]
    if lasers:
        values["lasers"] = [
            {"wavelength_nm": nm, "path": path, "background": backgrounds.pop(nm, None)}
            for nm, path in lasers
        ]
    for_all = backgrounds.pop("", None)
    if for_all:
        values["background"] = for_all
    if backgrounds:
        raise ConfigError(f"--background {', '.join(backgrounds)}: there is no such --laser.")
    for name in ("dt_us", "max_rate_cps", "bin_deg", "min_photons", "prior", "frequencies", "out"):
        if getattr(args, name) is not None:
            given = getattr(args, name)
            values[name] = given.absolute() if isinstance(given, Path) else given
    for name in ("line_models", "curve_models"):
        if getattr(args, name):
            values[name] = [word.strip() for word in getattr(args, name).split(",")]
    folder = Path.cwd() if args.config is None else args.config.absolute().parent
    return WavecalSettings.from_mapping(values, folder)


def _pair(text: str, what: str) -> tuple[str, str]:
    """Split NM=FILE; a background without wavelength has ''."""
    wavelength, equals, path = text.partition("=")
    if not equals and what == "background":
        wavelength, path = "", text
    elif not equals or not path:
        raise ConfigError(f"--{what} {text}: write it as WAVELENGTH=FILE, such as 808=A.h5.")
    return wavelength.strip().removesuffix("nm").strip(), str(Path(path).expanduser().absolute())
