"""Solutions of simulated nights: lines fitted, curves as they truly are, so that no fit of curves is needed."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from wavecal_pixels import CLASSES, DEG_EDGES, LINES_NM, Night, Recipe, observe

from pipeline_core.beammap import Beammap
from pipeline_core.flags import PixelFlag
from pipeline_core.wavecal.curves import CURVE_KINDS, Curves
from pipeline_core.wavecal.histograms import LaserHistograms
from pipeline_core.wavecal.linefit import LineFits, fit_lines
from pipeline_core.wavecal.settings import InputFile
from pipeline_core.wavecal.solution import Solution

__all__ = ["laser_histograms", "night_beammap", "true_solution"]


def laser_histograms(night: Night, max_rate_cps: float = 2000.0) -> LaserHistograms:
    """Return what the photon files would have given."""
    exposure = np.maximum(night.exposure_s, 1e-6)
    rate = night.n_raw / (exposure - 1e-5 * night.n_raw)
    return LaserHistograms(
        edges_deg=DEG_EDGES,
        counts=night.counts,
        background=None,
        background_scale=np.zeros(exposure.shape),
        n_raw=night.n_raw,
        n_after_dt=night.n_after_dt,
        n_negative=night.n_negative,
        live_s=exposure * night.n_after_dt / np.maximum(night.n_raw, 1),
        rate_cps=rate,
        hot=rate > max_rate_cps,
    )


def night_beammap(night: Night) -> Beammap:
    """Return the map: pixels of the feedline that is off have no tone."""
    off = (night.kind == CLASSES.index("off")).astype(np.uint8)
    shape = night.shape
    return Beammap(night.res_id.reshape(shape), off.reshape(shape), np.full(shape, np.nan), "night")


@functools.lru_cache(maxsize=2)
def true_solution(n_pixels: int = 400, photons: int = 1000, seed: int = 5) -> Solution:
    """Return a solution of arctangents; feedline 4 is off."""
    night = observe(Recipe("arctan", photons, n_pixels, seed))
    counts = laser_histograms(night)
    lines = fit_lines(counts.counts, DEG_EDGES, hot=counts.hot)
    good = lines.ok.sum(1) >= 3
    r = np.where(lines.ok & good[:, None], night.resolution(), np.nan)
    flags = np.where(good, 0, int(PixelFlag.wavecal_bad)).astype(np.uint32)
    found = lines.ok.sum(1).tolist()
    files = [
        InputFile(nm, Path(f"laser_{nm:g}.h5"), f"{nm:g}", 1000, 1602050400, 60.0, int(1e6))
        for nm in LINES_NM.tolist()
    ]
    beammap = night_beammap(night)
    return Solution(
        camera="simulated",
        baseline="none",
        res_id=beammap.res_id,
        code=beammap.code,
        frequency_mhz=beammap.frequency_mhz,
        wavelengths_nm=LINES_NM,
        histograms=counts,
        lines=lines,
        curves=_true_curves(night, lines, good),
        resolving_power=r,
        resolving_power_error=0.05 * r,
        flags=flags.reshape(night.shape),
        reasons=tuple("" if n >= 3 else f"Only {n} lines were found." for n in found),
        pareto=(("Too few laser lines were found", int((~good).sum())),),
        inputs=tuple(files),
        created_unix=1602060000.0,
    )


def _true_curves(night: Night, lines: LineFits, good: np.ndarray) -> Curves:
    n = good.size
    k = night.coefficients[0]
    valid = np.stack([night.centre_deg[:, 0] - 10, night.centre_deg[:, -1] + 10], 1)
    energy = np.tan(np.radians(-valid[:, ::-1]) / 2) / k[:, None]
    nothing = np.where(good, 0.0, np.nan)
    return Curves(
        kind=np.where(good, CURVE_KINDS.index("arctan"), 0).astype(np.uint8),
        n_free=np.where(good, 2, 0).astype(np.uint8),
        coefficients=np.stack([k, np.ones(n), np.zeros(n)], 1) + nothing[:, None],
        covariance=1e-6 * np.eye(3) * np.ones((n, 1, 1)),
        chi2=nothing,
        dof=np.full(n, LINES_NM.size - 2),
        p_value=np.ones(n),
        valid_phase_deg=valid + nothing[:, None],
        valid_energy_ev=energy + nothing[:, None],
        prior_assisted=np.zeros(n, bool),
        used=lines.ok & good[:, None],
        not_monotonic=np.zeros(n, bool),
    )
