"""Why a pixel has no weight in a bin of wavelength, or a doubtful one: bits, names and sentences in one table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["BIN_FLAGS", "MASKED", "BinFlag", "bin_bit", "describe_bin", "first_reason"]


class BinFlag(NamedTuple):
    """One reason; `masks`: whether there is no weight."""

    bit: int
    name: str
    sentence: str
    masks: bool


_TABLE = (
    ("not_calibrated", "The pixel has no wavelength calibration.", True),
    ("no_reference", "The array as a whole has no counts here.", True),
    ("no_counts", "The pixel has no counts here.", True),
    ("insensitive", "The pixel sees less than a tenth of its mean response here.", True),
    ("fit_failed", "The pixel has too few counts for a weight, or the fit failed.", True),
    ("outside_wavecal", "Outside the valid range of the pixel's wavelength calibration.", False),
    ("uncertain", "The weight's error is above 30 %.", False),
    (
        "large_weight",
        "The weight is 2 or more: the pixel counts less than half of the mean.",
        False,
    ),
)

BIN_FLAGS: tuple[BinFlag, ...] = tuple(BinFlag(bit, *row) for bit, row in enumerate(_TABLE))
_BITS = {flag.name: 1 << flag.bit for flag in BIN_FLAGS}

MASKED: int = sum(1 << flag.bit for flag in BIN_FLAGS if flag.masks)
"""Bits with which there is no weight."""


def bin_bit(name: str) -> np.uint8:
    """Return the bit of a reason as a number."""
    return np.uint8(_BITS[name])


def describe_bin(bits: int) -> str:
    """Return the sentences of all bits that are set, joined."""
    return " ".join(flag.sentence for flag in BIN_FLAGS if int(bits) >> flag.bit & 1)


def first_reason(bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the number of the lowest bit that is set, -1 where none is."""
    found = np.full(bits.shape, -1, np.int64)
    for flag in reversed(BIN_FLAGS):
        found[(bits & (1 << flag.bit)) != 0] = flag.bit
    return found
