"""Photons of single pixels among speckles, in memory: what `run` writes to files, without an array around it.

``I = |sqrt(Ic) + z|^2 + Ip`` with z a complex Ornstein-Uhlenbeck process of variance Is, whose steps are exact; photons
are Poisson's; a detector that is dead for a time after each recorded photon (non-paralysable) records them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.errors import ConfigError

__all__ = ["speckle_photons"]

_STEPS_PER_TAU = 50
"""The field stands still for tau / 50: the variance over bins of tau / 10 is right to 1e-4."""


@kernel
def _photons(
    rng: np.random.Generator,
    root_ic: float,
    root_half_is: float,
    ip: float,
    decay: float,
    step_s: float,
    seconds: float,
    dead_s: float,
    out: npt.NDArray[np.float64],
) -> int:
    """Fill arrival times in s; return how many, or -1 where there is no room for them."""
    kick = math.sqrt(1.0 - decay * decay)
    re, im = rng.standard_normal(), rng.standard_normal()
    hazard = rng.standard_exponential()
    last = -np.inf
    filled = 0
    n_steps = math.ceil(seconds / step_s)
    for k in range(n_steps):
        now, end = k * step_s, min((k + 1) * step_s, seconds)
        field = root_ic + root_half_is * re
        rate = field * field + (root_half_is * im) ** 2 + ip
        while hazard < rate * (end - now):
            now += hazard / rate
            hazard = rng.standard_exponential()
            if now - last >= dead_s:
                if filled == out.size:
                    return -1
                out[filled] = last = now
                filled += 1
        hazard -= rate * (end - now)
        re = decay * re + kick * rng.standard_normal()
        im = decay * im + kick * rng.standard_normal()
    return filled


def speckle_photons(
    rng: np.random.Generator,
    *,
    ic_cps: float,
    is_cps: float,
    ip_cps: float = 0.0,
    tau_s: float = 0.1,
    seconds: float = 30.0,
    dead_time_us: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Return the arrival times of one pixel's photons.

    Parameters
    ----------
    rng : Generator
    ic_cps, is_cps, ip_cps : float
        Coherent, speckle and steady intensity, counts/s.
    tau_s : float
        Decorrelation time of the field.
    seconds : float
    dead_time_us : float

    Returns
    -------
    ndarray of float64, shape (n,)
        Seconds, ascending, below `seconds`.

    Raises
    ------
    ConfigError
        A value below 0, or no number.
    """
    given = (ic_cps, is_cps, ip_cps, dead_time_us)
    if not all(math.isfinite(v) and v >= 0 for v in given) or not (tau_s > 0 and seconds > 0):
        raise ConfigError("Speckles need intensities of at least 0, and times above 0.")
    step_s = tau_s / _STEPS_PER_TAU
    mean = seconds * (ic_cps + is_cps + ip_cps)
    room = int(mean + 20.0 * math.sqrt(mean) + 1000)
    light = math.sqrt(ic_cps), math.sqrt(is_cps / 2.0), ip_cps
    where = math.exp(-step_s / tau_s), step_s, seconds, dead_time_us * 1e-6
    state = rng.bit_generator.state
    while True:
        out = np.empty(room)
        filled = _photons(rng, *light, *where, out)
        if filled >= 0:
            return out[:filled]
        rng.bit_generator.state = state  # the same light once more, into more room
        room *= 2
