"""Likelihood of counts in bins: modified Rician, averaged over the bin, seen by a detector with dead time.

Dead time. While a pixel is alive it records with the rate I, so that n photons in a bin of width w have the
likelihood ``I^n exp(-I (w - n t0))`` whatever their times: a bin of n photons is a bin of width ``w - n t0`` without
dead time. With P the probabilities without dead time and ``e = n t0 / w`` that is ``sum_j C(n+j, j) e^j P(n+j)``: the
n recorded ones and any number j of those that were lost. All terms are positive; nothing is expanded. (A dead time that
begins in a bin and ends in the next one is counted in the first.)

Averaging: the light of a bin is a sum of modes, see `averaging`; their densities are in the likelihood as they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.errors import ConfigError
from pipeline_core.speckle.averaging import WHOLE, Averaging, averaging, modes_of
from pipeline_core.speckle.density import fill_ratios

__all__ = [
    "BinModel",
    "bin_model",
    "count_probabilities",
    "fill_log_probabilities",
    "histogram_log_likelihood",
    "log_likelihood",
    "scratch_size",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SMALLEST_TERM = 1e-13
_LARGE = 1e200


class BinModel(NamedTuple):
    """What a bin is: its width in s, dead time over width, what averaging leaves, and the modes of the light in it."""

    width_s: float
    dead: float
    left: Averaging
    modes: FloatArray


def bin_model(
    bin_s: float, *, tau_s: float | None = None, dead_time_us: float = 0.0, other_cps: float = 0.0
) -> BinModel:
    """Return what a bin is.

    Parameters
    ----------
    bin_s : float
    tau_s : float, optional
        Decorrelation time of the field; default: speckles are not averaged.
    dead_time_us : float
        After each recorded photon.
    other_cps : float
        Photons recorded outside the chosen wavelengths: their dead time shortens the bin by its mean.

    Raises
    ------
    ConfigError
        If dead time leaves nothing of a bin.
    """
    dead_s = dead_time_us * 1e-6
    width_s = bin_s * (1.0 - other_cps * dead_s)
    if not width_s > 0:
        raise ConfigError(
            f"A bin of {bin_s} s with a dead time of {dead_time_us} us holds nothing."
        )
    modes = WHOLE if tau_s is None else modes_of(bin_s / tau_s)
    return BinModel(width_s, dead_s / width_s, averaging(bin_s, tau_s), modes)


@kernel
def scratch_size(n_max: int, dead: float) -> int:
    """Return how many ratios are needed for counts up to n_max, with those that may have been lost."""
    lost = 1.5 * n_max * n_max * dead
    extra = 0 if dead == 0.0 else int(lost + 12.0 * math.sqrt(lost)) + 12
    return n_max + extra + 2


@kernel
def _gain(n: int, share: float, ratios: FloatArray) -> float:
    """Return ``ln sum_j C(n+j, j) share^j P(n+j) / P(n)``."""
    total, term, shift = 1.0, 1.0, 0.0
    for j in range(1, ratios.size - n):
        factor = share * (n + j) / j * ratios[n + j]
        term *= factor
        total += term
        if term < _SMALLEST_TERM * total and factor < 1.0:
            break
        if total > _LARGE:
            term /= _LARGE
            total /= _LARGE
            shift += math.log(_LARGE)
    return math.log(total) + shift


@kernel
def log_likelihood(
    occurrences: IntArray, ic: float, is_: float, ip: float, model: BinModel, ratios: FloatArray
) -> float:
    """Return the log-likelihood of a histogram of counts, but for what does not depend on the intensities.

    Parameters
    ----------
    occurrences : ndarray of int64, shape (n_max + 1,)
        Number of bins with 0, 1, 2, ... counts.
    ic, is_, ip : float
        Counts/s, at least 0, not all 0.
    model : BinModel
    ratios : ndarray of float64
        Scratch, `scratch_size` long.
    """
    width = model.width_s
    first = fill_ratios(ic * width, is_ * width, ip * width, model.modes, ratios)
    total = 0.0
    reach = 0  # bins with at least n counts
    for n in range(occurrences.size - 1, 0, -1):
        reach += occurrences[n]
        total += reach * math.log(ratios[n])
        if occurrences[n] and model.dead > 0.0:
            total += occurrences[n] * _gain(n, min(n * model.dead, 1.0), ratios)
    return total + first * (reach + occurrences[0])


@kernel
def fill_log_probabilities(
    ic: float, is_: float, ip: float, model: BinModel, ratios: FloatArray, out: FloatArray
) -> None:
    """Fill ln P of 0, 1, 2, ... recorded counts, with the factors that `log_likelihood` leaves out.

    With dead time, that is the room for n photons that are at least t0 apart: ``(w - (n-1) t0)^n``. As dead times of
    earlier bins are left out, the sum over all n is 1 but for terms of second order in ``I t0``.
    """
    width = model.width_s
    value = fill_ratios(ic * width, is_ * width, ip * width, model.modes, ratios)
    out[0] = value
    for n in range(1, out.size):
        value += math.log(ratios[n])
        out[n] = value
        if model.dead > 0.0:
            dead = n * model.dead
            out[n] = -np.inf
            if dead < 1.0:
                room = math.log(1.0 - dead + model.dead)
                out[n] = value + n * room + _gain(n, dead, ratios)


def histogram_log_likelihood(
    occurrences: npt.ArrayLike, ic: float, is_: float, ip: float, model: BinModel
) -> float:
    """Return the log-likelihood of a histogram of counts; intensities in counts/s. See `log_likelihood`.

    Raises
    ------
    ConfigError
        An intensity below 0 or not a number; no bins.
    """
    found = np.ascontiguousarray(occurrences, np.int64)
    if found.ndim != 1 or not found.sum():
        raise ConfigError("A histogram of counts needs at least one bin.")
    _check(ic, is_, ip)
    last = int(np.flatnonzero(found)[-1])
    if ic + is_ + ip == 0:
        return 0.0 if last == 0 else -math.inf
    ratios = np.empty(scratch_size(last, model.dead))
    return log_likelihood(found[: last + 1], ic, is_, ip, model, ratios)


def count_probabilities(
    n_max: int, ic: float, is_: float, ip: float, model: BinModel
) -> FloatArray:
    """Return the probability of 0 .. n_max recorded counts in a bin; intensities in counts/s.

    Raises
    ------
    ConfigError
        An intensity below 0 or not a number.
    """
    _check(ic, is_, ip)
    out = np.zeros(n_max + 1)
    if ic + is_ + ip == 0:
        out[0] = 1.0
        return out
    fill_log_probabilities(ic, is_, ip, model, np.empty(scratch_size(n_max, model.dead)), out)
    return np.exp(out)


def _check(ic: float, is_: float, ip: float) -> None:
    if not all(math.isfinite(value) and value >= 0 for value in (ic, is_, ip)):
        raise ConfigError(f"Intensities must be at least 0 counts/s, not {ic}, {is_}, {ip}.")
