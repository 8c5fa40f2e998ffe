"""The whole chain of a flat field on photons simulated one by one: lasers, wavecal, flat, another flat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline_core import ObsFile
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.flatcal.binflags import bin_bit
from pipeline_core.flatcal.compute import run
from pipeline_core.flatcal.settings import FlatcalSettings
from pipeline_core.simulate import SimulationSettings, load_truth, simulate
from pipeline_core.simulate.settings import LASERS_NM, ArraySettings
from pipeline_core.wavecal.compute import run as calibrate
from pipeline_core.wavecal.settings import Laser, WavecalSettings

SHAPE = (48, 60)
RATE_CPS, SECONDS = 330.0, 30
_START = 1602050400


@dataclass(frozen=True)
class Chain:
    """Figures of the bins that lie inside the valid range of every reference pixel; relative."""

    story: str
    edges_nm: np.ndarray
    bins: np.ndarray
    n_pixels: np.ndarray
    raw: np.ndarray
    flat: np.ndarray
    limit: np.ndarray
    ratio: np.ndarray
    flux: np.ndarray
    pull: np.ndarray
    total: float
    total_error: float


def photon_file(folder, kind, start, seconds, rate, seed, shape=SHAPE, nm=980.0, array=None):
    """Simulate and convert, unless the file is there; return it, and its truth."""
    out = folder / f"{kind}_{start}.h5"
    raw = folder / f"raw_{start}"
    truth = raw / f"truth_{start}.npz"
    if not out.exists():
        settings = SimulationSettings(
            kind=kind,
            seconds=seconds,
            rate_cps=rate,
            seed=seed,
            shape=shape,
            start=start,
            wavelength_nm=nm,
            array=array or ArraySettings(),
        )
        made = simulate(settings, raw)
        convert(ConvertSettings(raw, start, seconds, made.beammap_path, out, shape=shape))
        for piece in made.bin_paths:
            piece.unlink()
    return out, truth


def photon_chain(folder: Path, seed: int) -> Chain:
    """Calibrate wavelengths, make a flat, apply it to another one, make a second flat of that."""
    lasers = [
        Laser(nm, photon_file(folder, "laser", _START + 100 * k, 8, 400.0, seed, nm=nm)[0])
        for k, nm in enumerate(LASERS_NM)
    ]
    wavecal = folder / "wavecal.h5"
    if not wavecal.exists():
        calibrate(WavecalSettings(tuple(lasers))).save(wavecal)
    flats = []
    for start in (_START + 1000, _START + 2000):
        path, _ = photon_file(folder, "flat", start, SECONDS, RATE_CPS, seed)
        with ObsFile(path, mode="write") as obs:
            obs.apply_wavecal(wavecal)
            if obs.is_flat_calibrated:
                obs.undo("flatcal")
        flats.append(path)
    first, second = (run(FlatcalSettings(flats=(path,))).combined for path in flats)
    with ObsFile(flats[1], mode="write") as obs:
        obs.apply_flatcal(first)
        weighted = obs.spectral_cube(edges_nm=first.edges_nm, weighted=True, extrapolated=True)
        plain = obs.spectral_cube(edges_nm=first.edges_nm, extrapolated=True)
        obs.undo("flatcal")
    return _figures(first, second, weighted, plain)


def _figures(first, second, weighted, plain) -> Chain:
    reference = first.reference
    live = plain.live_s[reference]
    rates, before = weighted.values[reference] / live, plain.values[reference] / live
    noise = weighted.variances[reference] / live**2
    relative = (first.errors / first.weights)[reference]
    valid = (first.bin_flags[reference] & bin_bit("outside_wavecal")) == 0
    both = reference & second.reference
    difference = (first.weights - second.weights) / np.hypot(first.errors, second.errors)
    columns: dict[str, list[float]] = {k: [] for k in ("n", "raw", "flat", "limit", "flux", "pull")}
    bins = np.flatnonzero(valid.mean(axis=0) > 0.5)
    for b in bins:
        use = valid[:, b] & np.isfinite(rates[:, b])
        mean = rates[use, b].mean()
        columns["n"].append(int(use.sum()))
        columns["raw"].append(before[use, b].std() / before[use, b].mean())
        columns["flat"].append(rates[use, b].std() / mean)
        columns["limit"].append(np.sqrt((noise[use, b] / mean**2 + relative[use, b] ** 2).mean()))
        columns["flux"].append(rates[use, b].sum() / before[use, b].sum() - 1)
        columns["pull"].append(np.nanstd(difference[both][:, b]))
    inside = valid & np.isfinite(rates)
    total = rates[inside].sum() / before[inside].sum() - 1
    share = before[inside].sum()
    total_error = np.sqrt(((rates - before)[inside] ** 2).sum()) / share
    flat, limit = np.array(columns["flat"]), np.array(columns["limit"])
    story = (
        f"{SHAPE[0]} x {SHAPE[1]} pixels with every defect of the simulator's default array, five lasers of 8 s, two "
        f"flats of {SECONDS} s with {RATE_CPS:g} counts/s. The first flat is applied to the second one; bins inside "
        f"the valid range of the wavelength calibration, pixels of the reference ({int(reference.sum())} of "
        f"{reference.size}). Pull: of the difference of the two flats' weights."
    )
    return Chain(
        story=story,
        edges_nm=first.edges_nm,
        bins=bins,
        n_pixels=np.array(columns["n"]),
        raw=np.array(columns["raw"]),
        flat=flat,
        limit=limit,
        ratio=flat / limit,
        flux=np.array(columns["flux"]),
        pull=np.array(columns["pull"]),
        total=float(total),
        total_error=float(total_error),
    )


def dead_time_row(folder: Path, seed: int) -> tuple[list[str], float]:
    """Rates of bright pixels without and with live time, against what the simulator emitted; the worst mean."""
    rows = [
        "Pixels without noise, 10 us blind after each photon, 10 s; rates against what the simulator emitted.",
        "",
        "| counts/s | lost % | recovered to % |",
        "|--:|--:|--:|",
    ]
    worst = 0.0
    for k, rate in enumerate((500.0, 2000.0, 5000.0)):
        # low edge and sharp lines: nothing but dead time keeps a photon out
        array = ArraySettings.ideal(edge_deg=(-1.0, -1.0), edge_softness_deg=0.0)
        start = _START + 4000 + 100 * k
        path, truth = photon_file(
            folder, "flat", start, 10, rate, seed, shape=(12, 10), array=array
        )
        emitted = load_truth(truth)["emitted_signal"] / 10
        with ObsFile(path) as obs:
            counts, live = obs.count_image(), obs.live_time()
        lost = (counts / 10 / emitted).mean() - 1
        recovered = (counts / live / emitted).mean() - 1
        worst = recovered if abs(recovered) > abs(worst) else worst
        rows.append(f"| {rate:g} | {100 * lost:+.3f} | {100 * recovered:+.4f} |")
    return rows, float(worst)
