"""Laser exposures of many simulated pixels, photon by photon, straight into histograms, with known truth.

For the truth table and the benchmark. Every pixel and line gets arrivals, pulses that ride on each other, a soft
trigger edge, noise triggers and dead time; the cuts are those of `pipeline_core.wavecal.histograms`. An exposure lasts
until so many photons of the line have passed the cuts, so that their number is the same for all. Pixels are flat,
number ``x * nrows + y``; lines by ascending wavelength.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.simulate.response import (
    HC_EV_NM,
    draw_response,
    energy_to_phase,
    phase_to_energy,
)

__all__ = [
    "CLASSES",
    "DEG_EDGES",
    "LINES_NM",
    "Night",
    "Recipe",
    "curve",
    "inverse_curve",
    "observe",
]

LINES_NM = np.array([808.0, 920.0, 980.0, 1120.0, 1310.0])
DEG_EDGES = np.arange(-230.0, 0.5)
CLASSES = ("single", "dead", "noise", "double", "hot", "off")
"""What a pixel is: one peak; no photon; noise triggers only; two peaks; 2050 to 2500 cps; on a feedline that is off."""

FWHM = 2 * math.sqrt(2 * math.log(2))
_SHARES = (0.66, 0.08, 0.1, 0.12, 0.04)
_LOW_GAIN = 0.04
_GAIN_DEG, _GAIN_SCATTER = -90.0, 15.0
_N_FEEDLINES = 5
_OFF = 4  # the feedline that is off, from 1
_BLOCK = 50
_DEAD_US, _DT_US = 10.0, 500.0
_SOFT_DEG = 1.0
_MOST_EMITTED = 2.2  # times the photons asked for: a line less than half visible stays fainter

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """What to simulate. `family` is 'arctan', 'quadratic' (energy in phase) or 'exponential' (fitted by nobody).

    `wing` is the share of a line's photons in a low tail (absorbed beside the inductor), `floor` the share spread
    evenly; `drift_deg` shifts every exposure of a pixel.
    """

    family: str
    photons: int
    n_pixels: int
    seed: int
    wing: float = 0.0
    floor: float = 0.0
    drift_deg: float = 0.0


@dataclass(frozen=True, eq=False)
class Night:
    """Exposures to all lines with their truth; (n_pixel, n_line) unless noted.

    `coefficients` (3, n_pixel) of the family; `visible`: part of the (first) peak beyond the edge; `kept`: photons of
    the line after all cuts; `second_share`, `second_sigma`: of the second peak, what is seen of it, and its distance.
    """

    recipe: Recipe
    shape: tuple[int, int]
    res_id: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.uint8]
    coefficients: Floats
    centre_deg: Floats
    sigma_deg: Floats
    edge_deg: Floats
    tail_deg: Floats
    visible: Floats
    second_share: Floats
    second_sigma: Floats
    kept: npt.NDArray[np.int64]
    kept_noise: npt.NDArray[np.int64]
    counts: npt.NDArray[np.uint32]
    n_raw: npt.NDArray[np.int64]
    n_after_dt: npt.NDArray[np.int64]
    n_negative: npt.NDArray[np.int64]
    exposure_s: Floats

    def calibratable(self) -> npt.NDArray[np.bool_]:
        """At least 3 lines with half of the peak beyond the edge and all photons asked for; neither doubled nor hot."""
        lines = (self.visible >= 0.5) & (self.kept >= self.recipe.photons)
        return (self.kind == CLASSES.index("single")) & (lines.sum(1) >= 3)

    def doubled(self) -> npt.NDArray[np.bool_]:
        """A second peak with at least 20 % of what is seen, at least 2 sigma away, in at least 3 visible lines."""
        lines = (self.second_share >= 0.2) & (self.second_sigma >= 2) & (self.visible >= 0.5)
        return (self.kind == CLASSES.index("double")) & (lines.sum(1) >= 3)

    def resolution(self) -> Floats:
        """True E / FWHM in energy, through the true curve."""
        half = self.sigma_deg * FWHM / 2
        energy = [
            inverse_curve(self.recipe.family, self.coefficients[:, :, None], self.centre_deg + d)
            for d in (0.0, -half, half)
        ]
        return energy[0] / (energy[1] - energy[2])


def curve(family: str, coefficients: Floats, energy_ev: npt.ArrayLike) -> Floats:
    """Return the phase in degrees; coefficients (3, ...) broadcast against the energies."""
    if family != "exponential":
        return energy_to_phase(family, coefficients, energy_ev)
    height, scale, _ = coefficients
    return -height * -np.expm1(-np.asarray(energy_ev) / scale)


def inverse_curve(family: str, coefficients: Floats, phase_deg: npt.ArrayLike) -> Floats:
    """Return the energy in eV."""
    if family != "exponential":
        return phase_to_energy(family, coefficients, phase_deg)
    height, scale, _ = coefficients
    return -scale * np.log1p(np.asarray(phase_deg) / height)


def observe(recipe: Recipe) -> Night:
    """Draw the pixels and expose them; equal recipes give equal bits, whatever the number of threads."""
    rng = np.random.default_rng([recipe.seed, 0])
    truth = _draw(recipe, rng)
    n, lines = truth["centre_deg"].shape
    out = {
        "counts": np.zeros((n, lines, DEG_EDGES.size - 1), np.uint32),
        "tally": np.zeros((5, n, lines), np.int64),
        "exposure_s": np.zeros((n, lines)),
    }

    def expose(first: int) -> None:
        part = slice(first, min(first + _BLOCK, n))
        _expose(
            np.random.default_rng([recipe.seed, 1, first]),
            *(truth[name][part] for name in _INPUTS),
            recipe.photons,
            recipe.wing,
            recipe.floor,
            out["counts"][part],
            out["tally"][:, part],
            out["exposure_s"][part],
        )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(expose, range(0, n, _BLOCK)))
    names = ("n_raw", "n_after_dt", "n_negative", "kept", "kept_noise")
    tally = dict(zip(names, out["tally"], strict=True))
    kept = {k: truth[k] for k in Night.__dataclass_fields__ if k in truth}
    return Night(
        recipe,
        counts=out["counts"],
        exposure_s=out["exposure_s"],
        **kept,
        **tally,  # type: ignore[arg-type]
    )


_INPUTS = (
    *("kind", "mean_deg", "sigma_deg", "edge_deg", "tail_deg", "second_deg", "double_share"),
    *("signal_cps", "noise_cps", "pulse_us"),
)


def _draw(recipe: Recipe, rng: np.random.Generator) -> dict[str, npt.NDArray[np.generic]]:
    """Return every array of the truth and what `_expose` needs."""
    nrows = max(recipe.n_pixels // 40, 1)
    n = recipe.n_pixels - recipe.n_pixels % nrows
    feedline = 1 + np.arange(n) * _N_FEEDLINES // n  # blocks of columns
    kind = rng.choice(5, n, p=_SHARES)
    kind[feedline == _OFF] = CLASSES.index("off")
    common = rng.normal(0, math.sqrt(1 / 3), _N_FEEDLINES + 1)[feedline]
    phase_850 = _GAIN_DEG + _GAIN_SCATTER * (common + rng.normal(0, math.sqrt(2 / 3), n))
    phase_850 = np.clip(phase_850, -140, -40)
    low = rng.random(n) < _LOW_GAIN
    phase_850[low] = rng.uniform(-35, -25, low.sum())
    if recipe.family == "exponential":
        scale = rng.uniform(1.8, 3.0, n)
        height = phase_850 / np.expm1(-HC_EV_NM / 850 / scale)
        coefficients = np.stack([height, scale, np.zeros(n)])
    else:
        coefficients = draw_response(recipe.family, phase_850, True, rng)
    centre = curve(recipe.family, coefficients[:, :, None], HC_EV_NM / LINES_NM)
    resolution = np.clip(6 * np.exp(rng.normal(0, 0.25, n)), 3, 12)
    blue = HC_EV_NM / LINES_NM[0]
    step = 1e-3
    slope = -np.diff(
        curve(recipe.family, coefficients[:, :, None], [blue - step, blue + step]), axis=1
    )[:, 0] / (2 * step)
    sigma_blue = slope * blue / (FWHM * resolution)
    sigma = sigma_blue[:, None] * np.sqrt(0.5 + 0.5 * (centre / centre[:, :1]) ** 2)
    edge = rng.uniform(-35, -20, n)
    tail = 1 / rng.uniform(0.08, 0.25, n)
    pulse_us = rng.uniform(15, 50, n)
    signal = np.clip(200 * np.exp(rng.normal(0, 0.7, n)), 30, 1000)
    noise = np.minimum(signal * np.exp(rng.uniform(math.log(0.1), math.log(3), n)), 600)
    hot = kind == CLASSES.index("hot")
    noise[hot] = rng.uniform(2050, 2500, hot.sum())
    return {
        "shape": (n // nrows, nrows),  # type: ignore[dict-item]
        "res_id": (10_000 * feedline + rng.permutation(n) % 10_000).astype(np.uint32),
        "kind": kind.astype(np.uint8),
        "coefficients": coefficients,
        "centre_deg": centre,
        "mean_deg": centre + recipe.drift_deg * rng.standard_normal(centre.shape),
        "sigma_deg": sigma,
        "edge_deg": edge,
        "tail_deg": tail,
        "pulse_us": pulse_us,
        "signal_cps": signal,
        "noise_cps": noise,
        **_draw_second(kind == CLASSES.index("double"), centre, sigma, edge, rng),
    }


def _draw_second(
    double: npt.NDArray[np.bool_],
    centre: Floats,
    sigma: Floats,
    edge: Floats,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Return a second resonator's peak: the same light with a smaller or larger gain, 2 to 5 sigma away."""
    n = double.size
    share = np.where(double, rng.uniform(0.2, 0.5, n), 0.0)
    distance = rng.uniform(2, 5, n) * (sigma / -centre).max(1)  # in the line where it is nearest
    second = centre * (1 + distance * rng.choice([-1, 1], n))[:, None]
    width = np.hypot(sigma, _SOFT_DEG)
    visible = _normal_cdf((edge[:, None] - centre) / width)
    visible_second = share[:, None] * _normal_cdf((edge[:, None] - second) / width)
    both = visible_second + (1 - share)[:, None] * visible
    return {
        "double_share": share,
        "second_deg": second,
        "visible": visible,
        "second_share": visible_second / np.maximum(both, 1e-300),
        "second_sigma": np.abs(second - centre) / sigma,
    }


def _normal_cdf(z: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(z))


@kernel
def _expose(  # type: ignore[no-untyped-def]
    rng,
    kind,
    mean,
    sigma,
    edge,
    tail,
    second,
    double_share,
    signal,
    noise,
    pulse_us,
    photons,
    wing,
    floor,
    counts,
    tally,
    exposure_s,
):
    """Expose some pixels; `tally` (5, pixels, lines): raw, after dt, negative, of them of the line, noise."""
    for i in range(kind.size):
        if kind[i] == 1 or kind[i] == 5:
            exposure_s[i, :] = photons / signal[i]
            continue
        light = 0.0 if kind[i] == 2 else signal[i]
        rate = light + noise[i]
        most = int(_MOST_EMITTED * photons * math.exp(rate * _DT_US * 1e-6))
        for j in range(mean.shape[1]):
            t = 0.0
            last, last_pulse, pulse = -1e9, -1e9, 0.0
            emitted = 0
            while emitted < most:
                t += rng.standard_exponential() / rate * 1e6
                is_noise = rng.random() * rate >= light
                if is_noise:
                    phase = edge[i] - tail[i] * rng.standard_exponential()
                    phase += _SOFT_DEG * rng.standard_normal()
                    emitted += kind[i] == 2
                else:
                    emitted += 1
                    height = mean[i, j]
                    u = rng.random()
                    if u < double_share[i]:
                        height = second[i, j]
                    elif u > 1 - wing:
                        height *= 1 - 0.4 * rng.random()
                    elif u > 1 - wing - floor:
                        height = -229.0 * rng.random()
                    left = pulse * math.exp(-(t - last_pulse) / pulse_us[i])
                    pulse = left + height
                    last_pulse = t
                    phase = height + left + sigma[i, j] * rng.standard_normal()
                    if phase - edge[i] > _SOFT_DEG * rng.standard_normal():
                        continue
                if t - last < _DEAD_US:
                    continue
                whole = math.floor(t)  # time stamps are whole microseconds
                clean = whole - last > _DT_US
                last = whole
                tally[0, i, j] += 1
                if not clean:
                    continue
                tally[1, i, j] += 1
                if phase >= 0.0 or phase < -230.0:
                    continue
                tally[2, i, j] += 1
                counts[i, j, int(phase + 230.0)] += 1
                tally[4 if is_noise else 3, i, j] += 1
                if tally[3, i, j] == photons or (kind[i] == 2 and tally[4, i, j] == photons):
                    break
            exposure_s[i, j] = t * 1e-6
