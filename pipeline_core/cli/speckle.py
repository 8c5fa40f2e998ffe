"""``speckle``: maps of the coherent, speckle and steady intensity of every pixel."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline_core.cli.arguments import (
    add_beammap,
    add_exclude,
    add_sky,
    add_time_range,
    add_wavelengths,
    flags_of,
    pointing_of,
)
from pipeline_core.errors import ConfigError
from pipeline_core.observation import open_photons
from pipeline_core.progress import Progress, part_of
from pipeline_core.provenance import sources_of
from pipeline_core.speckle.settings import Prior, SpeckleSettings
from pipeline_core.targets import check_target

if TYPE_CHECKING:
    from pipeline_core.obsfile import ObsFile
    from pipeline_core.speckle.result import SpeckleMaps

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "speckle"
HELP = "Make maps of speckle statistics: coherent light Ic, speckles Is, steady light Ip."

_ENDINGS = (".fits", ".npz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "observations",
        type=Path,
        nargs="+",
        metavar="OBS",
        help="photon files (.h5), or raw files of one second (.bin)",
    )
    add_beammap(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="result: .fits or .npz; of several observations a folder, in which each has its own .fits",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="also draw pages (.png) there; needs matplotlib"
    )
    usual = SpeckleSettings()
    parser.add_argument(
        "--bin-ms",
        type=float,
        default=1e3 * usual.bin_s,
        metavar="MS",
        help="width of a bin of time (default: %(default)g)",
    )
    parser.add_argument("--ip", action="store_true", help="fit a steady source Ip as well")
    parser.add_argument(
        "--tau",
        type=float,
        metavar="S",
        help="decorrelation time of the speckle field; default: measured from the light curves",
    )
    parser.add_argument(
        "--no-bin-correction", action="store_true", help="speckles are taken to stand still in bins"
    )
    parser.add_argument(
        "--no-dead-time", action="store_true", help="pixels are taken never to be blind"
    )
    parser.add_argument(
        "--dead-time", type=float, metavar="US", help="default: what the photon file says"
    )
    add_time_range(parser)
    parser.add_argument("--step", type=float, metavar="S", help="maps of every so many seconds")
    add_wavelengths(parser)
    parser.add_argument(
        "--extrapolated",
        action="store_true",
        help="photons outside their pixel's valid range of wavelengths count",
    )
    add_exclude(parser, "problems")
    for name in ("ic", "is", "ip"):
        parser.add_argument(
            f"--{name}-prior",
            type=float,
            nargs=2,
            metavar=("MEAN", "SIGMA"),
            help=f"Gaussian prior of I{name[1]}, counts/s",
        )
    parser.add_argument(
        "--least-photons",
        type=int,
        default=usual.least_photons,
        metavar="N",
        help="pixels with fewer are not fitted (default: %(default)d)",
    )
    parser.add_argument(
        "--least-bins",
        type=int,
        default=usual.least_bins,
        metavar="N",
        help="nor with fewer bins (default: %(default)d)",
    )
    parser.add_argument(
        "--block", type=float, metavar="S", help="blocks for the errors; default: 5 to 20 tau"
    )
    parser.add_argument(
        "--bootstrap",
        type=int,
        default=usual.bootstrap,
        metavar="N",
        help="errors from so many resamples of blocks; default: from sums over blocks",
    )
    parser.add_argument(
        "--seed", type=int, default=usual.seed, metavar="N", help="of the bootstrap"
    )
    add_sky(parser)


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Make the maps of every observation, and return what they hold."""
    several = len(args.observations) > 1
    targets = _targets(args.observations, args.out)
    results = []
    for k, (path, target) in enumerate(zip(args.observations, targets, strict=True)):
        report = part_of(progress, k / len(targets), (k + 1) / len(targets))
        with open_photons(path, beammap=args.beammap, progress=report) as obs:
            results.append(_one(args, obs, target, report))
    return {"observations": results} if several else results[0]


def _targets(observations: list[Path], out: Path) -> list[Path]:
    if len(observations) == 1:
        check_target(out, _ENDINGS)
        return [out]
    if out.suffix.lower() in _ENDINGS:
        raise ConfigError(f"{out}: of several observations, --out is a folder, not one file.")
    names = [f"{path.stem}_speckle.fits" for path in observations]
    if len(set(names)) < len(names):
        raise ConfigError("Some observations have the same name: make their maps one by one.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"Folder {out} cannot be made: {error.strerror}.") from error
    return [out / name for name in names]


def _settings(args: argparse.Namespace, obs: ObsFile) -> SpeckleSettings:
    priors = {
        f"{name}_prior": None if given is None else Prior(*given)
        for name in ("ic", "is", "ip")
        for given in [getattr(args, f"{name}_prior")]
    }
    return SpeckleSettings(
        bin_s=args.bin_ms / 1e3,
        with_ip=args.ip,
        tau_s=args.tau,
        correct_bin_width=not args.no_bin_correction,
        correct_dead_time=not args.no_dead_time,
        dead_time_us=args.dead_time,
        start=args.start,
        stop=args.stop,
        step_s=args.step,
        min_wavelength=args.min_wavelength,
        max_wavelength=args.max_wavelength,
        extrapolated=args.extrapolated,
        exclude=flags_of(args.exclude),
        least_photons=args.least_photons,
        least_bins=args.least_bins,
        bootstrap=args.bootstrap,
        block_s=args.block,
        seed=args.seed,
        pointing=pointing_of(args, obs),
        **priors,
    )


def _one(
    args: argparse.Namespace, obs: ObsFile, target: Path, progress: Progress
) -> dict[str, object]:
    # numba takes a second to load: not before --help has been answered
    from pipeline_core.speckle.compute import compute_maps
    from pipeline_core.speckle.files import save_maps

    check_target(target, _ENDINGS, sources_of(obs))
    maps = compute_maps(obs, _settings(args, obs), progress)
    save_maps(target, maps, overwrite=args.overwrite, sources=sources_of(obs))
    return {
        "file": str(target),
        "columns x rows": f"{maps.shape[0]} x {maps.shape[1]}",
        "steps of time": maps.n_steps,
        "tau (s)": None if np.isnan(maps.tau_s) else round(maps.tau_s, 6),
        **{f"median {name} (counts/s)": _median(maps, name) for name in ("ic", "is")},
        "pixels": maps.status_counts(),
        "pages": _draw(maps, args.plots, target.stem),
    }


def _median(maps: SpeckleMaps, name: str) -> float | None:
    known = maps.maps[name][np.isfinite(maps.maps[name])]
    return round(float(np.median(known)), 4) if known.size else None


def _draw(maps: SpeckleMaps, folder: Path | None, stem: str) -> list[str]:
    """Draw pages where they were asked for."""
    if folder is None:
        return []
    try:
        from pipeline_core.speckle.plots import write_pages
    except ImportError as error:
        raise ConfigError(
            "--plots needs matplotlib: pip install 'quicklook[plots]', or leave --plots out."
        ) from error
    return [str(path) for path in write_pages(maps, folder, stem)]
