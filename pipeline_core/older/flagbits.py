"""What the flag numbers of older photon files mean, in the bits of today. See each function for its years.

Until November 2019 a file does not tell which meaning its numbers have, and meanings changed. What is certain: programs
dropped the photons of pixels that the beam map calls anything but good, so a pixel with photons is a good one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline_core.flags import FLAG_NAMES, PixelFlag, beammap_code_to_flags

__all__ = ["V5_FLAG_NAMES", "flags_of"]

V5_FLAG_NAMES = (
    *(
        "beammap.noDacTone",
        "beammap.failed",
        "beammap.yFailed",
        "beammap.xFailed",
        "beammap.double",
    ),
    *(
        "beammap.wrongFeedline",
        "beammap.duplicatePixel",
        "flatcal.bad",
        "flatcal.not_all_weights_valid",
    ),
    *("pixcal.hot", "pixcal.cold", "pixcal.dead", "wavecal.bad", "wavecal.failed_validation"),
    *("wavecal.failed_convergence", "wavecal.not_monotonic", "wavecal.not_enough_histogram_fits"),
    *("wavecal.not_attempted", "wavecal.no_histograms", "wavecal.histogram_fit_problems"),
    *("wavecal.linear", "wavecal.quadratic"),
)
"""Bits of layout V5, lowest first."""

_OTHER_NAMES = {
    "flatcal.bad": "flatcal.zero_weight",
    "flatcal.not_all_weights_valid": "flatcal.inf_weight",
    "flatcal.zero_eight": "flatcal.zero_weight",  # so it was spelt for some days of 2019
}
_BEAMMAP_FIRST = 7
_NEW_MEANING = 1524096000  # 2018-04-19
_GOOD = np.uint32(PixelFlag["beammap_good"])
_FAILED = np.uint32(PixelFlag["beammap_failed"])
_NO_TONE = np.uint32(PixelFlag["beammap_noDacTone"])
_WAVECAL_BAD = np.uint32(PixelFlag["wavecal_bad"])
_FLAT_BAD = np.uint32(PixelFlag["flatcal_zero_weight"])
_HOT = np.uint32(PixelFlag["pixcal_hot"])

_Flags = npt.NDArray[np.uint32]


def flags_of(
    layout: str,
    values: npt.NDArray[np.integer],
    names: Sequence[str],
    counts: npt.NDArray[np.int64],
    start: int | None,
    *,
    calibrated: bool,
) -> tuple[_Flags, tuple[str, ...]]:
    """Turn the flag numbers of a file into bits of `pipeline_core.flags`.

    Parameters
    ----------
    layout : str
        Name of the layout.
    values : ndarray of integers, shape (ncols, nrows)
        As stored.
    names : sequence of str
        The file's own list of flag names; empty if it has none.
    counts : ndarray of int64, shape (ncols, nrows)
        Photons of each pixel.
    start : int or None
        Unix second of the data.
    calibrated : bool
        Whether photons have wavelengths.

    Returns
    -------
    flags : ndarray of uint32, shape (ncols, nrows)
    doubts : tuple of str
        Sentences about what is not certain.
    """
    numbers = values.astype(np.int64)
    lit = counts > 0
    if layout == "V0":
        return np.where(numbers == 0, _GOOD, _FAILED), ()
    if names and layout != "V1":
        return _by_names(layout, numbers, tuple(names))
    if layout in ("V4", "V4b", "V5"):
        flags, doubts = _by_names(layout, numbers, V5_FLAG_NAMES)
        return flags, (*doubts, "The file has no list of flag names: the usual one was taken.")
    if layout == "V3":
        return _codes_and_bits(numbers, lit)
    return _bits_of_2018(layout, numbers, lit, start, calibrated=calibrated)


def _by_names(
    layout: str, numbers: npt.NDArray[np.int64], names: tuple[str, ...]
) -> tuple[_Flags, tuple[str, ...]]:
    """Translate bit by bit: bit i has the i-th name of the list.

    Files of 2021 (until 2022-02-08) have a list in alphabetical order, but the bits of the beam map were set by the
    usual one (`V5_FLAG_NAMES`); later steps went by the list.
    """
    doubts: list[str] = []
    listed = list(names)
    if (
        layout in ("V4", "V4b", "V5")
        and listed == sorted(listed)
        and listed[:1] == ["beammap.double"]
    ):
        listed[:_BEAMMAP_FIRST] = V5_FLAG_NAMES[:_BEAMMAP_FIRST]
        doubts.append(
            "The list of flag names is one of 2021, whose order differs from that of the bits."
        )
    flags = np.zeros(numbers.shape, np.uint32)
    unknown = []
    for bit, name in enumerate(listed):
        set_ = (numbers >> bit & 1).astype(bool)
        ours = _OTHER_NAMES.get(name, name)
        if ours in FLAG_NAMES:
            flags[set_] |= np.uint32(1 << FLAG_NAMES.index(ours))
        elif set_.any():
            unknown.append(name)
    beyond = numbers >> len(listed)
    if beyond.any():
        unknown.append(f"bits from {len(listed)} on")
    if unknown:
        doubts.append(f"Flags without a meaning here were left out: {', '.join(unknown)}.")
    if "beammap.good" not in listed:
        located = (flags & _of_beammap()) == 0
        flags[located] |= _GOOD
    return flags, tuple(doubts)


def _of_beammap() -> np.uint32:
    return np.uint32(
        sum(1 << bit for bit, name in enumerate(FLAG_NAMES) if name.startswith("beammap."))
    )


def _codes_and_bits(
    numbers: npt.NDArray[np.int64], lit: npt.NDArray[np.bool_]
) -> tuple[_Flags, tuple[str, ...]]:
    """Translate January to October 2019: beam-map codes 0 to 7, and bits 4, 8, 16 of calibrations on top of them."""
    flags = beammap_code_to_flags(numbers & 7)
    bits = np.where(
        lit, numbers, 0
    )  # without photons nothing was calibrated: a 4 is the code xFailed
    flags = np.where(lit, _GOOD, flags).astype(np.uint32)
    flags |= np.where(bits & 4, _WAVECAL_BAD, 0).astype(np.uint32)
    flags |= np.where(bits & 8, _FLAT_BAD, 0).astype(np.uint32)
    flags |= np.where(bits & 16, _HOT, 0).astype(np.uint32)
    return flags, ("Flags of 2019 were told apart by whether a pixel has photons.",)


def _bits_of_2018(
    layout: str,
    numbers: npt.NDArray[np.int64],
    lit: npt.NDArray[np.bool_],
    start: int | None,
    *,
    calibrated: bool,
) -> tuple[_Flags, tuple[str, ...]]:
    """Translate November 2017 to 2018: 1, 2 mean "failed", "no wavelengths" at first, later "no tone", "failed"."""
    newer = layout == "V2" and (
        bool((numbers >= 4).any())
        or (start is not None and start >= _NEW_MEANING)
        or (not calibrated and bool((numbers == 2).any()))
    )
    dark = ~lit
    flags = np.where(lit | (numbers == 0), _GOOD, 0).astype(np.uint32)
    if newer:
        flags[dark & (numbers & 1 > 0)] |= _NO_TONE
        flags[dark & (numbers & 2 > 0)] |= _FAILED
    else:
        flags[dark & (numbers & 3 > 0)] |= _FAILED
    # a program of 2018 wrote 2 where it meant 4
    flags[lit & (numbers & 6 > 0)] |= _WAVECAL_BAD
    flags[numbers & 8 > 0] |= _FLAT_BAD
    flags[numbers & 16 > 0] |= _HOT
    return flags, (
        "Flags of 2017 and 2018 were told apart by whether a pixel has photons; which meaning they had is not stored.",
    )
