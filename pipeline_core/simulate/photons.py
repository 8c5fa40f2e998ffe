"""The loops that make photons: arrivals, speckles, pulses, trigger and dead time, one pixel after the other.

Every pixel keeps its state between calls, so that a call may end anywhere (to report progress, or when the buffer is
full) and nothing breaks at the border of two seconds. `run` calls `advance`; the tables come from `make_pixels`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import inline, kernel
from pipeline_core.rawwords import (
    BASELINE_BITS,
    PHASE_BITS,
    PHASE_DEG_PER_COUNT,
    TICKS_PER_SECOND,
    US_PER_TICK,
    photon_word,
)
from pipeline_core.simulate.array import ArrayTruth
from pipeline_core.simulate.response import HC_EV_NM, phase_of_energy
from pipeline_core.simulate.sources import CAUSES, N_QUANTILES, Illumination

__all__ = [
    "PIXEL_DTYPE",
    "STATE_DTYPE",
    "advance",
    "begin_second",
    "make_pixels",
    "make_state",
    "speckle_steps",
]

SECOND_US = TICKS_PER_SECOND * US_PER_TICK
_STEPS_PER_TAU = 16
"""The speckle field is held for tau / 16: its variance over bins is right to 3e-4."""

_SIGNAL, _COMPANION, _BACKGROUND, _NOISE = range(len(CAUSES))
_PHASE_LIMIT = 1 << (PHASE_BITS - 1)
_BASELINE_LIMIT = 1 << (BASELINE_BITS - 1)
_MID_NM, _SPAN_NM = 1100.0, 400.0

_FLOATS = (
    # steady rates in cps, and the intensities of the fluctuating light
    *("signal", "companion", "background", "noise", "steady", "root_ic", "root_half_is"),
    # response, noise, trigger
    *("a", "b", "c", "sigma_noise", "sigma_share", "edge", "softness", "tail", "pulse_us"),
    *("slope", "double_share", "double_scale", "baseline_offset", "baseline_noise", "dead_us"),
)
PIXEL_DTYPE = np.dtype(
    [(name, "f8") for name in _FLOATS] + [(n, "i8") for n in ("x", "y", "arctan", "cap")]
)
"""What `advance` needs to know of a pixel."""

_COPIED = {
    "sigma_noise": "sigma_noise_deg",
    "sigma_share": "sigma_share",
    "edge": "edge_deg",
    "tail": "tail_deg",
    "pulse_us": "pulse_us",
    "double_share": "double_share",
    "double_scale": "double_scale",
    "baseline_offset": "baseline_offset",
    "baseline_noise": "baseline_noise",
}
"""Columns that are arrays of `ArrayTruth` under another name."""

STATE_DTYPE = np.dtype(
    # us within the second: now, of the newest pulse, of the newest photon; what is left of pulses (deg); the hazard
    # that is to be used up until the next pulse; intensity now (cps); both parts of the speckle field (unit variance)
    [
        (name, "f8")
        for name in ("t", "t_pulse", "t_last", "pulse", "hazard", "intensity", "z_re", "z_im")
    ]
    + [("step", "i8"), ("count", "i8")]
)
"""What `advance` remembers of a pixel."""


def speckle_steps(light: Illumination) -> int:
    """Return into how many steps of constant intensity a second is cut."""
    return math.ceil(_STEPS_PER_TAU / light.tau_s) if light.is_.any() else 1


def make_pixels(
    truth: ArrayTruth,
    light: Illumination,
    members: npt.NDArray[np.intp],
    *,
    softness_deg: float,
    dead_time_us: float,
    count_cap: int | None,
) -> npt.NDArray[np.void]:
    """Return the table (`PIXEL_DTYPE`) of the pixels with these flat indices ``x * nrows + y``."""
    table = np.zeros(members.size, PIXEL_DTYPE)
    table["x"], table["y"] = np.divmod(members, truth.shape[1])

    def of(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return array.reshape(-1)[members]

    sensitivity = np.ones(members.size) if light.even else of(truth.sensitivity)
    slope = np.zeros(members.size) if light.even else of(truth.sensitivity_slope)
    relative = np.clip((HC_EV_NM / light.energies - _MID_NM) / _SPAN_NM, -1, 1)
    mean = (relative[:, 1:].mean(1) + relative[:, :-1].mean(1)) / 2
    gains = sensitivity * of(truth.live.astype(float)) * (1 + slope * mean[:, None])
    for k, rate in enumerate((light.signal, light.companion, light.background)):
        table[CAUSES[k]] = of(rate) * gains[k]
    table["noise"] = 0.0 if light.even else of(truth.noise_cps * truth.live)
    table["steady"] = sum(table[name] for name in CAUSES)
    table["root_ic"] = np.sqrt(of(light.ic) * gains[0])
    table["root_half_is"] = np.sqrt(of(light.is_) * gains[0] / 2)
    table["slope"] = slope
    table["arctan"] = truth.response == "arctan"
    for name, coefficients in zip("abc", truth.coefficients, strict=True):
        table[name] = of(coefficients)
    for name, source in _COPIED.items():
        table[name] = of(getattr(truth, source))
    table["softness"] = softness_deg
    table["dead_us"] = dead_time_us
    table["cap"] = count_cap or np.iinfo(np.int64).max
    return table


def make_state(n_pixels: int) -> npt.NDArray[np.void]:
    """Return the state (`STATE_DTYPE`) of pixels that have been dark for ever."""
    state = np.zeros(n_pixels, STATE_DTYPE)
    state["t_pulse"] = state["t_last"] = -np.inf
    return state


def begin_second(
    pixels: npt.NDArray[np.void],
    state: npt.NDArray[np.void],
    rng: np.random.Generator,
    *,
    first: bool,
) -> None:
    """Set the pixels' clocks back to 0; in the `first` second of an observation draw new speckle fields."""
    # pulses and dead times go on over the border
    state["t_pulse"] -= SECOND_US
    state["t_last"] -= SECOND_US
    if first:
        state["z_re"], state["z_im"] = rng.standard_normal((2, state.size))
        re = pixels["root_ic"] + pixels["root_half_is"] * state["z_re"]
        state["intensity"] = re**2 + (pixels["root_half_is"] * state["z_im"]) ** 2
    state["t"] = 0.0
    state["step"] = 0
    state["count"] = 0
    state["hazard"] = rng.standard_exponential(state.size)


@kernel
def advance(
    rng: np.random.Generator,
    pixels: npt.NDArray[np.void],
    state: npt.NDArray[np.void],
    energies: npt.NDArray[np.float64],
    steps: int,
    decay: float,
    words: npt.NDArray[np.uint64],
    ticks: npt.NDArray[np.uint16],
    emitted: npt.NDArray[np.int64],
    recorded: npt.NDArray[np.int64],
    filled: int,
    first: int,
    most: int,
) -> tuple[int, int]:
    """Make photons of the pixels from `first` on, until `most` events or until the buffers are full.

    Returns the filled length and the pixel to go on with. `emitted` and `recorded` have shape (pixels, causes).
    """
    events = 0
    for i in range(first, pixels.size):
        p = pixels[i]
        s = state[i]
        while s["step"] < steps:
            if events >= most or filled == words.size:
                return filled, i
            events += 1
            if not _wait(rng, p, s, steps, decay):
                continue
            cause = _cause(rng, p, s)
            emitted[i, cause] += 1
            phase = _pulse(rng, p, s, energies, cause)
            if phase > 0.0:
                continue
            recorded[i, cause] += 1
            t_us = min(int(s["t"]), SECOND_US - 1)
            ticks[filled] = t_us // US_PER_TICK
            words[filled] = _word(rng, p, t_us % US_PER_TICK, phase)
            filled += 1
    return filled, pixels.size


@kernel
def _wait(rng, p, s, steps, decay):  # type: ignore[no-untyped-def]
    """Move the clock to the next event and return true, or to the end of the step and return false."""
    rate = (p["steady"] + s["intensity"]) * 1e-6
    end = (s["step"] + 1) * SECOND_US / steps
    room = rate * (end - s["t"])
    if s["hazard"] < room:
        s["t"] += s["hazard"] / rate
        s["hazard"] = rng.standard_exponential()
        return True
    s["hazard"] -= room
    s["t"] = end
    s["step"] += 1
    if p["root_half_is"] > 0.0:
        # exact step of the complex Ornstein-Uhlenbeck process
        kick = math.sqrt(1.0 - decay * decay)
        s["z_re"] = decay * s["z_re"] + kick * rng.standard_normal()
        s["z_im"] = decay * s["z_im"] + kick * rng.standard_normal()
        re = p["root_ic"] + p["root_half_is"] * s["z_re"]
        im = p["root_half_is"] * s["z_im"]
        s["intensity"] = re * re + im * im
    return False


@kernel
def _cause(rng, p, s):  # type: ignore[no-untyped-def]
    """Draw why there was an event, in proportion to the rates now."""
    u = rng.random() * (p["steady"] + s["intensity"]) - (p["signal"] + s["intensity"])
    if u < 0.0:
        return _SIGNAL
    if u < p["noise"]:
        return _NOISE
    return _COMPANION if u < p["noise"] + p["companion"] else _BACKGROUND


@kernel
def _pulse(rng, p, s, energies, cause):  # type: ignore[no-untyped-def]
    """Return the phase in degrees that is recorded, or 1 where no photon is."""
    now = s["t"]
    if cause == _NOISE:
        phase = (
            p["edge"]
            - p["tail"] * rng.standard_exponential()
            + p["softness"] * rng.standard_normal()
        )
    else:
        light = _light_phase(rng, p, energies, cause)
        age = (now - s["t_pulse"]) / p["pulse_us"]
        left = s["pulse"] * math.exp(-age) if age < 30.0 else 0.0
        # photons that come within the dead time are lost, but their pulses add up all the same
        s["pulse"] = left + light
        s["t_pulse"] = now
        spread = p["sigma_share"] * light
        sigma = math.sqrt(p["sigma_noise"] * p["sigma_noise"] + spread * spread)
        phase = light + left + sigma * rng.standard_normal()
        margin = phase - p["edge"]
        softness = p["softness"]
        if margin > -6.0 * softness and margin > softness * rng.standard_normal():
            return 1.0
    if now - s["t_last"] < p["dead_us"] or s["count"] >= p["cap"]:
        return 1.0
    s["t_last"] = now
    s["count"] += 1
    return min(phase, 0.0)


@inline
def _light_phase(rng, p, energies, cause):  # type: ignore[no-untyped-def]
    """Draw a photon of the spectrum times the pixel's sensitivity; return its phase without noise."""
    slope = p["slope"]
    while True:
        position = rng.random() * N_QUANTILES
        j = int(position)
        low = energies[cause, j]
        energy = low + (position - j) * (energies[cause, j + 1] - low)
        if slope == 0.0:
            break
        # beyond 700..1500 nm the sensitivity stays what it is at the bound
        relative = min(max((HC_EV_NM / energy - _MID_NM) / _SPAN_NM, -1.0), 1.0)
        if rng.random() * (1.0 + abs(slope)) < 1.0 + slope * relative:
            break
    phase = phase_of_energy(p["arctan"], p["a"], p["b"], p["c"], energy)
    if p["double_share"] > 0.0 and rng.random() < p["double_share"]:
        phase *= p["double_scale"]
    return phase


@inline
def _word(rng, p, time_us, phase):  # type: ignore[no-untyped-def]
    """Pack the photon."""
    counts = np.int64(np.rint(phase / PHASE_DEG_PER_COUNT))
    baseline = np.int64(np.rint(p["baseline_offset"] + p["baseline_noise"] * rng.standard_normal()))
    counts = max(counts, np.int64(-_PHASE_LIMIT))
    baseline = min(max(baseline, np.int64(-_BASELINE_LIMIT)), np.int64(_BASELINE_LIMIT - 1))
    return photon_word(p["x"], p["y"], time_us, counts, baseline)
