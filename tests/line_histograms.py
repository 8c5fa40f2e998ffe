"""Histograms of laser lines drawn photon by photon: line, noise triggers, soft edge, and what spoils them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

EDGES = np.arange(-230.0, 1.0)
LINES_DEG = (-93.0, -83.0, -78.0, -72.0, -62.0)


@dataclass
class Drawn:
    """Counts (n_pixel, n_line, n_bin) and the truth, (n_pixel, n_line); `edge` (n_pixel,)."""

    counts: npt.NDArray[np.uint32]
    centre: npt.NDArray[np.float64]
    sigma: npt.NDArray[np.float64]
    edge: npt.NDArray[np.float64]


def draw_lines(
    rng: np.random.Generator,
    n_pixel: int,
    photons: float,
    *,
    lines_deg: tuple[float, ...] = LINES_DEG,
    noise_share: float = 1.0,
    second: tuple[float, float] | None = None,
    wing: float = 0.0,
    floor: float = 0.0,
    pile_up: float = 0.0,
    edge_deg: tuple[float, float] = (-32.0, -22.0),
    softness_deg: float = 1.0,
) -> Drawn:
    """Draw pixels whose lines have `photons` on average before the trigger.

    `noise_share`: noise triggers per photon (of at least 100). `second`: share of the photons that are displaced, and
    by how many sigma. `wing`: share with pulses up to 40 % smaller. `floor`: photons anywhere. `pile_up`: share that
    rides on another pulse.
    """
    shape = (n_pixel, len(lines_deg))
    counts = np.zeros((*shape, EDGES.size - 1), np.uint32)
    edge, decay = rng.uniform(*edge_deg, n_pixel), rng.uniform(5, 10, n_pixel)
    centre = np.asarray(lines_deg) * rng.normal(1, 0.1, (n_pixel, 1))
    sigma = rng.uniform(2.5, 8, (n_pixel, 1)) * np.sqrt(0.5 + 0.5 * (centre / -93) ** 2)
    for p, k in np.ndindex(shape):
        c, s = centre[p, k], sigma[p, k]
        phase = np.full(rng.poisson(photons), c)
        kind = rng.random(phase.size)
        if second is not None:
            phase[kind < second[0]] += second[1] * s
        phase = np.where(kind > 1 - wing, phase * rng.uniform(0.6, 1, phase.size), phase)
        rides = rng.random(phase.size) < pile_up
        phase = phase * (1 + rides * np.exp(-rng.exponential(1, phase.size)))
        phase += s * rng.standard_normal(phase.size)
        phase = phase[phase < edge[p] + softness_deg * rng.standard_normal(phase.size)]
        n_noise = rng.poisson(noise_share * max(photons, 100))
        noise = edge[p] - rng.exponential(decay[p], n_noise)
        noise += softness_deg * rng.standard_normal(n_noise)
        stray = rng.uniform(-229, edge[p], rng.poisson(floor * photons))
        counts[p, k] = np.histogram(np.concatenate([phase, noise, stray]), EDGES)[0]
    return Drawn(counts, centre, sigma, edge)
