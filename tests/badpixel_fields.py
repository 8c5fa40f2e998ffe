"""Simulated fields for masks of bad pixels: what falls on the array, what is wrong with it, counts bin by bin.

Independent of `pipeline_core.simulate` and much faster (counts, no photons), so that many fields can be judged. The
light: flats, darks, unocculted stars, a star behind a coronagraph, and speckles that are interference patterns of a
pupil (as small as the telescope allows, dark nulls included) and boil while they are watched. Arrays are [x, y].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHAPE = (80, 125)
FWHM = 2.6
"""Of a point source, in pixels: finest sampling of the camera that the methods are told of is 2.5."""

SENSITIVITY_SCATTER = 0.15
NOISE_CPS, NOISE_SCATTER = 15.0, 0.5
DEAD_TIME_S = 10e-6
KINDS = ("flat", "dark", "stars", "coronagraph", "speckles")


@dataclass(frozen=True)
class Field:
    """How one field is made; rates in counts per second."""

    kind: str
    seed: int
    seconds: float = 20.0
    bins: int = 20
    rate_cps: float = 150.0
    shape: tuple[int, int] = SHAPE
    boiling_s: float = 5.0
    hot: float = 0.01
    dead: float = 0.01
    cold: float = 0.005
    flicker: float = 0.005
    unread: float = 0.1
    feedline_off: bool = False
    photon_sigma: bool = False
    """Whether all hot pixels have 10 to 30 sigma of photon noise alone, instead of what `_hot_extra` says."""


@dataclass(frozen=True)
class Truth:
    """A field and what is true of it.

    `cube` (bins, x, y) counts; `light` (x, y) mean rate of light alone; `expected` (x, y) mean rate; `base` (x, y) what
    a hot pixel is measured by: the median of the expected rates of good pixels around, or (but in the cores of stars)
    what the pixel's own light warrants, if that is more; `scatter` (x, y) sigma of good pixels' expected rates there.
    """

    field: Field
    cube: np.ndarray
    edges_s: np.ndarray
    light: np.ndarray
    expected: np.ndarray
    base: np.ndarray
    scatter: np.ndarray
    good: np.ndarray
    hot: np.ndarray
    dead: np.ndarray
    cold: np.ndarray
    flicker: np.ndarray
    unread: np.ndarray
    core: np.ndarray


def observe(field: Field) -> Truth:
    """Make a field."""
    rng = np.random.default_rng(field.seed)
    shape = field.shape
    movie, cores = _light(field, rng)
    light = movie.mean(axis=0)
    sensitivity = np.exp(SENSITIVITY_SCATTER * rng.standard_normal(shape))
    noise = NOISE_CPS * np.exp(NOISE_SCATTER * rng.standard_normal(shape))
    unread, dead, cold, hot, flicker = _classes(field, rng)
    good = ~(unread | dead | cold | hot | flicker)
    factor = np.where(cold, 0.05, 1.0) * ~dead * ~unread
    rates = movie * (sensitivity * factor) + noise * factor
    median, scatter = _around(rates.mean(axis=0), light, good)
    core = _near(cores, field.shape)
    # a bright speckle is not hot because it outshines its neighbours: what a pixel's own light warrants counts as well
    base = np.where(core, median, np.fmax(median, light + NOISE_CPS * np.exp(NOISE_SCATTER**2 / 2)))
    rates += _hot_extra(rates.mean(axis=0), base, scatter, hot, field, rng)
    rates = _flickering(rates, base, flicker, field, rng)
    width = field.seconds / field.bins
    recorded = rates / (1 + rates * DEAD_TIME_S)
    cube = rng.poisson(recorded * width)
    expected = rates.mean(axis=0)
    # whatever counts so much more than its neighbours and its light is hot, planted or not
    natural = good & (expected >= 5 * base)
    return Truth(
        field,
        cube,
        np.linspace(0, field.seconds, field.bins + 1),
        light,
        expected,
        base,
        scatter,
        good & ~natural,
        hot | natural,
        dead,
        cold,
        flicker,
        unread,
        core,
    )


def _light(field: Field, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Return rates (bins, x, y) of light, and where point sources stand."""
    ncols, nrows = field.shape
    x, y = np.meshgrid(np.arange(ncols), np.arange(nrows), indexing="ij")
    steady = np.ones((field.bins, 1, 1))
    if field.kind == "flat":
        tilt = 2.0 ** (0.7 * x / ncols + 0.3 * y / nrows - 0.5)
        return steady * field.rate_cps * tilt, []
    background = 5.0
    if field.kind == "dark":
        return steady * np.full(field.shape, background), []
    if field.kind == "stars":
        n = 25
        places = np.column_stack((rng.uniform(3, ncols - 4, n), rng.uniform(3, nrows - 4, n)))
        peaks = 10 ** rng.uniform(1.5, 3.5, n)
        image = np.full(field.shape, background)
        for (cx, cy), peak in zip(places, peaks, strict=True):
            image += peak * _point(np.hypot(x - cx, y - cy))
        return steady * image, [tuple(p) for p in places]
    star = (0.45 * ncols + rng.uniform(-1, 1), 0.55 * nrows + rng.uniform(-1, 1))
    planet = (star[0] + 17.3, star[1] - 9.6)
    radius = np.hypot(x - star[0], y - star[1])
    halo = 12 * field.rate_cps / (1 + (radius / 8) ** 2)
    image = 2000 * _point(radius) + 400 * _point(np.hypot(x - planet[0], y - planet[1]))
    if field.kind == "coronagraph":
        rings = 1 + 0.5 * np.cos(2 * np.pi * radius / (3 * FWHM))
        return steady * (image + background + halo * rings), [star, planet]
    return image + background + halo * _speckles(field, rng), [star, planet]


def _near(cores: list[tuple[float, float]], shape: tuple[int, int]) -> np.ndarray:
    """Which pixels lie in the core of a star: within two widths."""
    x, y = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    found = np.zeros(shape, bool)
    for cx, cy in cores:
        found |= np.hypot(x - cx, y - cy) <= 2 * FWHM
    return found


def _point(radius: np.ndarray) -> np.ndarray:
    """A Moffat profile of the camera's FWHM, peak 1: a Gaussian core with wings."""
    beta = 4.0
    alpha = FWHM / 2 / np.sqrt(2 ** (1 / beta) - 1)
    return (1 + (radius / alpha) ** 2) ** -beta


def _speckles(field: Field, rng: np.random.Generator) -> np.ndarray:
    """Intensities (bins, x, y) of mean 1: a random pupil's image, changing with the boiling time."""
    size = 256
    # a round pupil of this radius (in frequency cells) has an image of FWHM = 1.03 size / (2 radius)
    radius = 1.03 * size / (2 * FWHM)
    u = np.fft.fftfreq(size, 1 / size)
    pupil = np.hypot(u[:, None], u[None, :]) <= radius
    n = int(pupil.sum())
    keep = np.exp(-field.seconds / field.bins / field.boiling_s)
    values = rng.standard_normal((n, 2)) @ [1, 1j]
    frames = []
    for _ in range(field.bins):
        plane = np.zeros((size, size), complex)
        plane[pupil] = values
        image = np.abs(np.fft.fft2(plane)) ** 2 / (2 * n)
        frames.append(image[: field.shape[0], : field.shape[1]])
        values = keep * values + np.sqrt(1 - keep**2) * (rng.standard_normal((n, 2)) @ [1, 1j])
    return np.array(frames)


def _classes(field: Field, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    unread = rng.random(field.shape) < field.unread
    if field.feedline_off:
        unread[:, 25:50] = True
    left = ~unread
    found = [unread]
    for share in (field.dead, field.cold, field.hot, field.flicker):
        chosen = left & (rng.random(field.shape) < share)
        left &= ~chosen
        found.append(chosen)
    return tuple(found)


def _around(expected: np.ndarray, light: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, ...]:
    """Median of good pixels in a box of 5 x 5 (itself not), and the scatter of pixels of such light."""
    ncols, nrows = expected.shape
    wide = np.pad(np.where(good, expected, np.nan), 2, constant_values=np.nan)
    parts = [
        wide[i : i + ncols, j : j + nrows] for i in range(5) for j in range(5) if (i, j) != (2, 2)
    ]
    median = np.nanmedian(np.array(parts), axis=0)
    noise = NOISE_CPS * np.exp(NOISE_SCATTER**2 / 2) * np.sqrt(np.expm1(NOISE_SCATTER**2))
    return median, np.hypot(SENSITIVITY_SCATTER * light, noise)


def _hot_extra(
    expected: np.ndarray,
    base: np.ndarray,
    scatter: np.ndarray,
    hot: np.ndarray,
    field: Field,
    rng: np.random.Generator,
) -> np.ndarray:
    """Rate to be added to hot pixels: half of them to 5..50 times the base, half to 10..30 sigma above it."""
    ratio = 5 * 10 ** rng.uniform(0, 1, expected.shape)
    sigma = np.sqrt(base / field.seconds + scatter**2)
    by_sigma = base + 10 * 3 ** rng.uniform(0, 1, expected.shape) * sigma
    wanted = np.where(rng.random(expected.shape) < 0.5, ratio * base, by_sigma)
    if field.photon_sigma:
        noise = np.sqrt(base / field.seconds)
        wanted = base + 10 * 3 ** rng.uniform(0, 1, expected.shape) * noise
    return np.where(hot, np.maximum(wanted - expected, 0.0), 0.0)


def _flickering(
    rates: np.ndarray,
    base: np.ndarray,
    flicker: np.ndarray,
    field: Field,
    rng: np.random.Generator,
) -> np.ndarray:
    """Half of the flickering pixels jump to 6..30 times the base, half fall silent, for 0.15..0.5 of the time."""
    rates = rates.copy()
    bins = field.bins
    for x, y in np.argwhere(flicker):
        length = max(int(rng.uniform(0.15, 0.5) * bins), 1)
        begin = rng.integers(0, bins - length + 1)
        on = slice(begin, begin + length)
        if rng.random() < 0.5:
            rates[on, x, y] = base[x, y] * rng.uniform(6, 30)
        else:
            rates[on, x, y] = 0.0
    return rates
