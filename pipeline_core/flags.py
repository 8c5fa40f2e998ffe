"""What can be wrong with a pixel: number of the bit, name, and a sentence, in one table.

The bits are those of the 2020-21 photon files (layout V3c), so that older tools read our flag arrays. The
list of names is stored in every file, and whoever reads a foreign file must use the list stored there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntFlag
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError

__all__ = [
    "BEAMMAP_CODES",
    "FLAGS",
    "FLAG_NAMES",
    "PROBLEM_FLAGS",
    "V3C_FLAG_NAMES",
    "FlagDefinition",
    "PixelFlag",
    "beammap_code_to_flags",
    "describe_flags",
    "flag_bits",
    "flag_names",
    "named_bits",
]


class FlagDefinition(NamedTuple):
    """One row of the table: `bit` number, dotted `name` as stored in files, one `sentence`."""

    bit: int
    name: str
    sentence: str


_TABLE = (
    ("wavecal.bad", "No usable wavelength calibration."),
    ("wavecal.failed_validation", "The calibration curve is not physical."),
    ("wavecal.failed_convergence", "The calibration fit did not converge."),
    ("wavecal.not_monotonic", "Larger energies do not give larger pulses."),
    ("wavecal.not_enough_histogram_fits", "Too few laser lines were found."),
    ("wavecal.not_attempted", "The pixel is not in the wavelength solution."),
    ("wavecal.no_histograms", "No laser line was found."),
    ("wavecal.histogram_fit_problems", "At least one laser line is doubtful."),
    ("wavecal.linear", "Calibrated with a straight line."),
    ("wavecal.quadratic", "Calibrated with a parabola."),
    ("flatcal.inf_weight", "The flat has no counts in a band."),
    ("flatcal.zero_weight", "The flat weight is zero in a band."),
    ("flatcal.below_range", "Photons bluer than the flat's range."),
    ("flatcal.above_range", "Photons redder than the flat's range."),
    ("speccal.inf_weight", "The spectral response is undefined in a band."),
    ("speccal.lz_weight", "The spectral weight is below zero in a band."),
    ("speccal.nan_weight", "The spectral weight is not a number in a band."),
    ("speccal.below_range", "Photons bluer than the spectral calibration."),
    ("speccal.above_range", "Photons redder than the spectral calibration."),
    ("beammap.good", "Located without doubt."),
    ("beammap.noDacTone", "No read-out tone: the pixel was not read out."),
    ("beammap.failed", "The resonator could not be located."),
    ("beammap.yFailed", "Located in x, not in y."),
    ("beammap.xFailed", "Located in y, not in x."),
    ("beammap.double", "The resonator answers at several places."),
    ("beammap.wrongFeedline", "Located on another feedline's area."),
    ("beammap.duplicatePixel", "Shares its place with another resonator."),
    ("pixcal.hot", "Counts far too much."),
    ("pixcal.cold", "Counts far too little."),
    ("pixcal.unstable", "Its rate jumps."),
    ("pixcal.dead", "Counts nothing."),  # not in V3c: after its bits
)

FLAGS: tuple[FlagDefinition, ...] = tuple(
    FlagDefinition(bit, name, sentence) for bit, (name, sentence) in enumerate(_TABLE)
)
FLAG_NAMES: tuple[str, ...] = tuple(flag.name for flag in FLAGS)
V3C_FLAG_NAMES: tuple[str, ...] = FLAG_NAMES[:30]
"""Those of layout V3c, which the header of a photon file lists: later ones are never set in it, but in masks."""

# functional form: the members come from the table, so that each flag is written once
PixelFlag = IntFlag("PixelFlag", {f.name.replace(".", "_"): 1 << f.bit for f in FLAGS})  # type: ignore[misc]

_BIT = {f.name: 1 << f.bit for f in FLAGS}

BEAMMAP_CODES: tuple[str, ...] = (
    "beammap.good",
    "beammap.noDacTone",
    "beammap.failed",
    "beammap.yFailed",
    "beammap.xFailed",
    "beammap.double",
    "beammap.wrongFeedline",
    "beammap.duplicatePixel",
)
"""Flag name of each code 0..7 in a beam-map text file (codes, not bits)."""

PROBLEM_FLAGS: int = sum(
    _BIT[name]
    for name in (
        "wavecal.bad",
        "wavecal.failed_validation",
        "wavecal.failed_convergence",
        "wavecal.not_monotonic",
        "wavecal.not_enough_histogram_fits",
        "wavecal.no_histograms",
        "wavecal.not_attempted",
        "beammap.noDacTone",
        "pixcal.hot",
        "pixcal.cold",
        "pixcal.unstable",
        "pixcal.dead",
    )
)
"""Bits that make a pixel unusable. Nothing excludes them unless asked: ``exclude=PROBLEM_FLAGS``."""


def beammap_code_to_flags(codes: npt.ArrayLike) -> npt.NDArray[np.uint32]:
    """Turn beam-map codes 0..7 into flag bits, element by element (any shape)."""
    table = np.array([_BIT[name] for name in BEAMMAP_CODES], np.uint32)
    return table[np.asarray(codes, np.intp)]


def flag_names(bits: int, names: tuple[str, ...] = FLAG_NAMES) -> tuple[str, ...]:
    """Return the names of the bits that are set, lowest first; unknown bits as ``'bit 31'``."""
    value = int(bits)
    found = []
    for bit in range(value.bit_length()):
        if value >> bit & 1:
            found.append(names[bit] if bit < len(names) else f"bit {bit}")
    return tuple(found)


def flag_bits(names: Iterable[str], what: str = "exclude") -> int:
    """Return the bits of flags by name; ``problems`` stands for all of `PROBLEM_FLAGS`, ``none`` for nothing.

    Raises
    ------
    ConfigError
        There is no such flag; `what` says where it was asked for.
    """
    bits = 0
    words = {"none": 0, "problems": PROBLEM_FLAGS}
    for name in names:
        if name not in words and name not in _BIT:
            raise ConfigError(
                f"{what} {name}: there is no such flag. Choose from {', '.join((*words, *FLAG_NAMES))}."
            )
        bits |= words[name] if name in words else _BIT[name]
    return bits


def named_bits(names: object, what: str = "exclude") -> int:
    """Return the bits of flags as a configuration names them: one word, or several.

    Raises
    ------
    ConfigError
        It is neither, or there is no such flag.
    """
    words = [names] if isinstance(names, str) else names
    if not isinstance(words, Sequence):
        raise ConfigError(f"{what} {names}: write the names of flags, such as [problems].")
    return flag_bits(map(str, words), what)


def describe_flags(bits: int) -> str:
    """Return the sentences of all set bits, joined: what a person may read about a pixel."""
    value = int(bits)
    return " ".join(flag.sentence for flag in FLAGS if value >> flag.bit & 1)
