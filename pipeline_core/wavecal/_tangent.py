"""The tangent as arithmetic alone: loops over photons call it, and the compiler does several photons at once."""

from __future__ import annotations

import math

from pipeline_core._jit import kernel

__all__ = ["tangent"]

_QUARTER, _HALF = math.pi / 4, math.pi / 2
_HALF_REST = 6.123233995736766e-17
"""What pi / 2 is larger than its double."""


@kernel
def tangent(angle: float) -> float:
    """Return the tangent of an angle between -135 and 135 degrees, given in radians: to a few units in the last place.

    Lambert's continued fraction ``z / (1 - z^2 / (3 - z^2 / (5 - ...)))`` up to 17, as a quotient of polynomials:
    within 45 degrees it differs from the tangent by less than 1e-18 of it. Beyond, ``tan z = 1 / tan(pi / 2 - z)``.
    """
    size = abs(angle)
    far = size > _QUARTER
    z = (_HALF - size) + _HALF_REST if far else size
    w = z * z
    above = z * (34459425.0 - w * (4729725.0 - w * (135135.0 - w * (990.0 - w))))
    below = 34459425.0 - w * (16216200.0 - w * (945945.0 - w * (13860.0 - w * 45.0)))
    size = (below if far else above) / (above if far else below)
    return -size if angle < 0.0 else size
