"""The simulated detector: every pixel's true parameters, and the beam map that goes with it.

Pure: settings and a random generator in, a frozen `ArrayTruth` out. Arrays are [x, y], shape (ncols, nrows).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import NO_RES_ID, Beammap
from pipeline_core.errors import ConfigError
from pipeline_core.simulate.response import (
    HC_EV_NM,
    draw_response,
    energy_to_phase,
    phase_sigma_at,
)
from pipeline_core.simulate.settings import ArraySettings

__all__ = ["ArrayTruth", "board_numbers", "draw_array"]

_UNREAD = 1
_FAILED_CODES = np.array([2, 3, 4, 5, 6, 7])
_FAILED_SHARES = np.array([0.72, 0.16, 0.03, 0.04, 0.01, 0.04])
_HOT_CPS = (2000.0, 2500.0)
_COLD_SHARE = 0.05
_RESOLUTION_CLIP = (3.0, 12.0)
_NOISE_SHARE = 0.5  # of the variance of a line at 808 nm; the rest grows with the pulse height

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ArrayTruth:
    """True parameters of every pixel; arrays of shape (ncols, nrows) unless noted, read-only.

    Attributes
    ----------
    response : str
        Family of the response curves.
    feedlines : int
        Two boards each (`board_numbers`).
    coefficients : ndarray of float64, shape (3, ncols, nrows)
        Of the response curve (`pipeline_core.simulate.response`).
    resolution_808 : ndarray of float64
        E / FWHM at 808 nm.
    sigma_noise_deg, sigma_share : ndarray of float64
        A photon's phase noise is ``sqrt(sigma_noise_deg**2 + (sigma_share * phase)**2)``.
    edge_deg, tail_deg, noise_cps : ndarray of float64
        Trigger edge; e-folding length and rate of the noise triggers (hot pixels included).
    pulse_us : ndarray of float64
        Decay time of a pulse.
    sensitivity, sensitivity_slope : ndarray of float64
        A photon of wavelength w counts with ``sensitivity * (1 + slope * (w - 1100) / 400)``.
    double_share, double_scale : ndarray of float64
        So many of the photons have their phase multiplied by `double_scale` (0 except in doubled pixels).
    baseline_offset, baseline_noise : ndarray of float64
        In counts of the photon word.
    code, res_id : ndarray
        As the beam map has them.
    board : ndarray of uint8
        Number of the board that reads the pixel.
    live, hot, cold, dead, double, low_gain, absent : ndarray of bool
        `live` pixels send photons: neither dead nor unread.
    """

    response: str
    feedlines: int
    coefficients: FloatArray
    resolution_808: FloatArray
    sigma_noise_deg: FloatArray
    sigma_share: FloatArray
    edge_deg: FloatArray
    tail_deg: FloatArray
    noise_cps: FloatArray
    pulse_us: FloatArray
    sensitivity: FloatArray
    sensitivity_slope: FloatArray
    double_share: FloatArray
    double_scale: FloatArray
    baseline_offset: FloatArray
    baseline_noise: FloatArray
    code: npt.NDArray[np.uint8]
    res_id: npt.NDArray[np.uint32]
    board: npt.NDArray[np.uint8]
    live: BoolArray
    hot: BoolArray
    cold: BoolArray
    dead: BoolArray
    double: BoolArray
    low_gain: BoolArray
    absent: BoolArray

    def __post_init__(self) -> None:
        for name, value in self.arrays().items():
            array = np.array(value)
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return every array by name."""
        fields = (
            f.name for f in dataclasses.fields(self) if f.name not in ("response", "feedlines")
        )
        return {name: getattr(self, name) for name in fields}

    @property
    def shape(self) -> tuple[int, int]:
        """(ncols, nrows)."""
        ncols, nrows = self.code.shape
        return ncols, nrows

    def beammap(self) -> Beammap:
        """Return the map that a user is given."""
        return Beammap(self.res_id, self.code, np.full(self.shape, np.nan), "simulated")


def board_numbers(feedlines: int) -> npt.NDArray[np.uint8]:
    """Return the numbers of two boards a feedline; for five of them those of DARKNESS."""
    return np.array([112, *range(114, 114 + 2 * feedlines - 1)], np.uint8)


def draw_array(
    settings: ArraySettings, shape: tuple[int, int], rng: np.random.Generator
) -> ArrayTruth:
    """Draw every pixel's parameters.

    Raises
    ------
    ConfigError
        If a feedline that is to be off does not exist.
    """
    design, line, board = _wire(settings, shape, rng)
    code = _draw_codes(settings, line, rng)
    picks: dict[str, Any] = {
        name: _pick(rng, getattr(settings, f"{name}_fraction"), shape)
        for name in ("hot", "cold", "dead", "double", "low_gain", "absent")
    }
    live = (code != _UNREAD) & ~picks["dead"]
    return ArrayTruth(
        response=settings.response,
        feedlines=int(line.max()) + 1,
        code=np.where(picks["absent"], _UNREAD, code).astype(np.uint8),
        res_id=_res_ids(settings, design, picks["absent"], rng),
        board=board,
        live=live,
        **picks,
        **_draw_pulses(settings, line, picks["low_gain"], rng),
        **_draw_counting(settings, picks, rng),
    )


def _wire(
    settings: ArraySettings, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return resID, feedline (from 0) and board of every pixel."""
    design = Beammap.design(shape, settings.feedlines).res_id
    line = design.astype(np.int64) // 10_000 - 1
    if shape[0] * shape[1] > 10_000 * (line.max() + 1):
        raise ConfigError(
            f"Simulation: {shape[0]} x {shape[1]} pixels on {line.max() + 1} feedlines are more than 10000 each; "
            "give more feedlines."
        )
    off = [k for k in settings.feedlines_off if not 1 <= k <= line.max() + 1]
    if off:
        raise ConfigError(
            f"Simulation: feedline {off[0]} does not exist; they are 1 to {line.max() + 1}."
        )
    numbers = board_numbers(int(line.max()) + 1)
    res_id = np.empty(shape, np.uint32)
    board = np.empty(shape, np.uint8)
    for k in range(line.max() + 1):
        # channels are in order of frequency, which says nothing of where a pixel sits
        members = line == k
        channel = rng.permutation(np.count_nonzero(members))
        res_id[members] = 10_000 * (k + 1) + channel
        board[members] = numbers[2 * k + (2 * channel >= channel.size)]
    return res_id, line, board


def _draw_codes(
    settings: ArraySettings, line: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    shape = line.shape
    failed = rng.choice(_FAILED_CODES, shape, p=_FAILED_SHARES)
    code = np.where(_pick(rng, settings.failed_fraction, shape), failed, 0)
    code[_pick(rng, settings.unread_fraction, shape)] = _UNREAD
    code[np.isin(line + 1, settings.feedlines_off)] = _UNREAD
    return code.astype(np.uint8)


def _res_ids(
    settings: ArraySettings,
    res_id: npt.NDArray[np.uint32],
    absent: BoolArray,
    rng: np.random.Generator,
) -> npt.NDArray[np.uint32]:
    """Return the resIDs of the beam map: some absent, some standing at two pixels."""
    result = np.where(absent, NO_RES_ID, res_id).astype(np.uint32)
    mapped = rng.permutation(np.flatnonzero(~absent))
    pairs = min(settings.duplicate_res_ids, mapped.size // 2)
    flat = result.reshape(-1)
    flat[mapped[pairs : 2 * pairs]] = flat[mapped[:pairs]]
    return result


def _draw_pulses(
    settings: ArraySettings,
    line: npt.NDArray[np.int64],
    low_gain: BoolArray,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return what makes the phase of a photon."""
    shape = line.shape
    # two thirds of the variance of the gain within a feedline, the rest between feedlines
    scatter = settings.gain_scatter_deg
    common = rng.normal(0, np.sqrt(1 / 3), line.max() + 1)[line]
    phase_850 = settings.phase_850_deg + scatter * (common + rng.normal(0, np.sqrt(2 / 3), shape))
    phase_850 = np.where(low_gain, rng.uniform(-35, -25, shape), phase_850)
    family = settings.response
    coefficients = draw_response(family, phase_850, scatter > 0, rng)
    resolution = settings.resolution_808 * np.exp(
        rng.normal(0, 1, shape) * settings.resolution_scatter
    )
    resolution = np.clip(resolution, *_RESOLUTION_CLIP)
    energy = HC_EV_NM / 808
    sigma = phase_sigma_at(family, coefficients, resolution, energy)
    height = np.abs(energy_to_phase(family, coefficients, energy))
    return {
        "coefficients": coefficients,
        "resolution_808": resolution,
        "sigma_noise_deg": sigma * np.sqrt(_NOISE_SHARE),
        "sigma_share": sigma * np.sqrt(1 - _NOISE_SHARE) / height,
        "pulse_us": rng.uniform(*settings.pulse_us, shape),
    }


def _draw_counting(
    settings: ArraySettings, picks: dict[str, BoolArray], rng: np.random.Generator
) -> dict[str, Any]:
    """Return what decides how many photons a pixel counts, and the baselines."""
    shape = picks["hot"].shape
    noise = settings.noise_cps * np.exp(rng.normal(0, 1, shape) * settings.noise_scatter)
    noise = np.where(picks["hot"], rng.uniform(*_HOT_CPS, shape), noise)
    sensitivity = np.exp(rng.normal(0, 1, shape) * settings.sensitivity_scatter)
    slope = np.clip(rng.normal(0, 1, shape) * settings.sensitivity_slope, -0.3, 0.3)
    double = picks["double"]
    return {
        "edge_deg": rng.uniform(*settings.edge_deg, shape),
        "tail_deg": rng.uniform(*settings.tail_deg, shape),
        "noise_cps": noise,
        "sensitivity": np.where(picks["cold"], _COLD_SHARE, 1.0) * sensitivity,
        "sensitivity_slope": slope,
        "double_share": np.where(double, rng.uniform(0.3, 0.5, shape), 0.0),
        "double_scale": np.where(double, rng.uniform(0.6, 0.8, shape), 1.0),
        "baseline_offset": rng.normal(0, 1, shape) * settings.baseline_offset_counts,
        "baseline_noise": np.full(shape, settings.baseline_noise_counts),
    }


def _pick(rng: np.random.Generator, fraction: float, shape: tuple[int, ...]) -> BoolArray:
    """Return true for about this fraction of the pixels."""
    return rng.random(shape) < fraction
