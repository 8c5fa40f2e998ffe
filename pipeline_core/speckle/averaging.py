"""What a bin of finite width makes of speckles: they are averaged over it.

The field of the speckles decorrelates as ``exp(-|t| / tau)``. The intensity averaged over a bin then has the cumulants
``k_n = (n-1)! (Is^n tr K^n + n Ic Is^(n-1) <1|K^(n-1)|1>)`` with K the kernel of that correlation on the bin (the light
is a sum of independent modified Ricians, one an eigenvalue of K). A single modified Rician with a steady part that has
the same first three cumulants stands for it: its Is is about the largest eigenvalue's part, and what is averaged out
looks like steady light.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pipeline_core._jit import kernel

__all__ = ["NO_AVERAGING", "Averaging", "averaging", "effective_intensities", "variance_factor"]

_SERIES_BELOW = 3e-3


class Averaging(NamedTuple):
    """Parts of the cumulants that are left: of second order in Is^2 and Ic Is, of third order in Is^3 and Ic Is^2."""

    speckle2: float
    mixed2: float
    speckle3: float
    mixed3: float


NO_AVERAGING = Averaging(1.0, 1.0, 1.0, 1.0)


def variance_factor(x: float) -> float:
    """Return which part of the variance is left in bins of x decorrelation times: ``2 (x - 1 + exp(-x)) / x^2``."""
    if x < _SERIES_BELOW:
        return 1.0 - x / 3.0 + x * x / 12.0
    if math.isinf(x):
        return 0.0
    return 2.0 * (x + math.expm1(-x)) / (x * x)


def averaging(bin_s: float, tau_s: float | None) -> Averaging:
    """Return what bins of a width leave of the cumulants of speckles with a decorrelation time; None: everything."""
    if tau_s is None or bin_s == 0.0:
        return NO_AVERAGING
    x = bin_s / tau_s
    if x < _SERIES_BELOW:
        speckle3, mixed3 = 1.0 - x + 0.6 * x * x, 1.0 - 2.0 * x / 3.0 + 17.0 * x * x / 60.0
    else:
        one, two = math.exp(-x), math.exp(-2.0 * x)
        first = (1.0 - two * (1.0 + 2.0 * x)) / 4.0
        second = (1.0 - two * (1.0 + 2.0 * x + 2.0 * x * x)) / 4.0
        speckle3 = 6.0 * (x * first - second) / x**3
        mixed3 = (4.0 * x + 1.0 - two - 8.0 * (1.0 - one) + 2.0 * x * one) / x**3
    return Averaging(variance_factor(2.0 * x), variance_factor(x), speckle3, mixed3)


@kernel
def effective_intensities(
    ic: float, is_: float, ip: float, left: Averaging
) -> tuple[float, float, float]:
    """Return the intensities (Ic, Is, Ip) without averaging that give the cumulants which those given have with it."""
    if left.speckle2 == 1.0 or is_ <= 0.0:
        return ic, is_, ip
    variance = left.speckle2 * is_ * is_ + 2.0 * ic * is_ * left.mixed2
    third = is_ * is_ * (left.speckle3 * is_ + 3.0 * ic * left.mixed3)  # half of the cumulant
    # root of Is^3 - 3 variance Is + 2 third between 0 and sqrt(variance)
    root = math.sqrt(variance)
    sine = min(third / (variance * root), 1.0)
    speckle = 2.0 * root * math.sin(math.asin(sine) / 3.0)
    coherent = max((variance - speckle * speckle) / (2.0 * speckle), 0.0)
    return coherent, speckle, max(ip + ic + is_ - coherent - speckle, 0.0)
