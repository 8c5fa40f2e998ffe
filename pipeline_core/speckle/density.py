"""Probability of n counts in a bin: modified-Rician light plus steady light, blurred by Poisson noise.

The generating function of the counts is ``exp(-Ip u) prod exp(-c u / (1 + s u)) / (1 + s u)`` with ``u = 1 - z`` and
the intensities c and s of every mode of the light in a bin (one mode where nothing is averaged, see `averaging`). Its
logarithmic derivative is a power series with coefficients above 0: with ``q = s / (1 + s)``, ``q^(j+1)`` and
``(j + 1) q^j c / (1 + s)^2``. Sums of such series times P obey recurrences of first order, so that P does, in few
operations a mode. There are no differences in them: nothing overflows, and nothing cancels; relative errors of ln P
stay below 1e-12 up to tens of thousands of counts. All intensities here are counts a bin. The density of the light is
the modified Rician (Goodman 1975; Soummer & Aime 2004), whose use for photon counts of such cameras is described in
arXiv 1906.03354.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.errors import ConfigError
from pipeline_core.speckle.averaging import WHOLE

__all__ = ["fill_ratios", "log_density"]

FloatArray = npt.NDArray[np.float64]


@kernel
def fill_ratios(ic: float, is_: float, ip: float, modes: FloatArray, ratios: FloatArray) -> float:
    """Fill ``ratios[n] = P(n) / P(n - 1)`` for n >= 1, and return ln P(0); the mean must be above 0.

    `modes` are those of `averaging.modes_of`.
    """
    n_modes = modes.shape[0]
    # of each mode: q, the factors of its two series, and the sums of these times P(n - j) / P(n)
    parts = np.empty((n_modes, 5))
    first = -ip
    for k in range(n_modes):
        speckle, number, coherent = modes[k, 0] * is_, modes[k, 1], modes[k, 2] * ic
        a = 1.0 + speckle
        parts[k, 0] = speckle / a
        parts[k, 1] = number * speckle / a
        parts[k, 2] = coherent / (a * a)
        parts[k, 3] = parts[k, 4] = 1.0
        first -= number * math.log1p(speckle) + coherent / a
    for n in range(ratios.size - 1):
        value = ip
        for k in range(n_modes):
            value += parts[k, 1] * parts[k, 3] + parts[k, 2] * parts[k, 4]
        ratio = value / (n + 1)
        ratios[n + 1] = ratio
        for k in range(n_modes):
            step = parts[k, 0] / ratio
            parts[k, 3] = 1.0 + step * parts[k, 3]
            parts[k, 4] = parts[k, 3] + step * parts[k, 4]
    return first


def log_density(n_max: int, ic: float, is_: float, ip: float = 0.0) -> FloatArray:
    """Return ln P(n) for n = 0 .. n_max.

    Parameters
    ----------
    n_max : int
    ic, is_, ip : float
        Coherent, speckle and steady intensity, counts a bin.

    Returns
    -------
    ndarray of float64, shape (n_max + 1,)

    Raises
    ------
    ConfigError
        An intensity below 0 or not a number.
    """
    if not all(math.isfinite(value) and value >= 0 for value in (ic, is_, ip)):
        raise ConfigError(f"Intensities must be at least 0, not {ic}, {is_}, {ip}.")
    if ic + is_ + ip == 0:
        return np.append(0.0, np.full(n_max, -np.inf))
    ratios = np.empty(n_max + 1)
    first = fill_ratios(ic, is_, ip, WHOLE, ratios)
    with np.errstate(divide="ignore"):
        return first + np.append(0.0, np.cumsum(np.log(ratios[1:])))
