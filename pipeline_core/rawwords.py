"""Layout of the 64-bit big-endian words that the readout writes: one file owns these bits.

Everything that packs or unpacks a word (the simulator, the converter, `parsebin`) uses the constants and
helpers here. Phases are fix18_15 radians, baselines fix17_14 radians, both two's complement.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import inline

__all__ = [
    "BASELINE_DEG_PER_COUNT",
    "BYTES_PER_WORD",
    "COUNTER_WRAP_S",
    "FAKE_PHOTON",
    "MAX_PHOTONS_PER_PACKET",
    "PHASE_DEG_PER_COUNT",
    "TICKS_PER_SECOND",
    "US_PER_TICK",
    "baseline_counts",
    "degrees_to_phase_counts",
    "header_word",
    "is_header",
    "pack_header",
    "pack_photon",
    "phase_counts",
    "photon_time_us",
    "photon_word",
    "pixel_bits",
    "swap_bytes",
]

BYTES_PER_WORD = 8

# Header: start (8 bits, 0xFF) | board (8) | frame (12) | timestamp (36, units of 0.5 ms)
HEADER_MARK = 0xFF
BOARD_SHIFT = 48
FRAME_SHIFT = 36
FRAME_MASK = 0xFFF
TIMESTAMP_MASK = (1 << 36) - 1
TICKS_PER_SECOND = 2000
US_PER_TICK = 500
COUNTER_WRAP_S = 1 << 20
"""The boards' second counter starts again after this many seconds (12.136 days)."""

# Photon: x (10) | y (10) | time in us after the header (9) | phase (18, signed) | baseline (17, signed)
X_SHIFT = 54
Y_SHIFT = 44
TIME_SHIFT = 35
PHASE_SHIFT = 17
TIME_MASK = 0x1FF
PHASE_BITS = 18
BASELINE_BITS = 17
PIXEL_BITS = 20
COORDINATE_MASK = 0x3FF

PHASE_DEG_PER_COUNT = math.degrees(1.0) / 2**15
BASELINE_DEG_PER_COUNT = math.degrees(1.0) / 2**14

FAKE_PHOTON = 2**63 - 1
"""End-of-frame marker: x = 511, y = 1023, time = 511, phase = baseline = -1 counts."""

MAX_PHOTONS_PER_PACKET = 100
"""The firmware ends a frame at this many photons or at the next 0.5 ms tick."""

_BYTES = np.uint64(0x00FF00FF00FF00FF)
_PAIRS = np.uint64(0x0000FFFF0000FFFF)


@inline
def swap_bytes(word: np.uint64) -> np.uint64:
    """Turn a big-endian word that was read as little-endian (or back); compiles to one instruction."""
    word = ((word >> np.uint64(8)) & _BYTES) | ((word & _BYTES) << np.uint64(8))
    word = ((word >> np.uint64(16)) & _PAIRS) | ((word & _PAIRS) << np.uint64(16))
    return (word >> np.uint64(32)) | (word << np.uint64(32))


@inline
def is_header(word: np.uint64) -> bool:
    """Tell a header from a photon: a photon could only look like one at x >= 1020."""
    return (word >> np.uint64(56)) == np.uint64(HEADER_MARK)


@inline
def pixel_bits(word: np.uint64) -> np.int64:
    """Return ``x << 10 | y`` of a photon word: the index into a look-up table of 2**20 entries."""
    return np.int64(word >> np.uint64(Y_SHIFT))


@inline
def photon_time_us(word: np.uint64) -> np.int64:
    """Return the microseconds after the packet's header time, 0..511 (nominally below 500)."""
    return np.int64((word >> np.uint64(TIME_SHIFT)) & np.uint64(TIME_MASK))


@inline
def phase_counts(word: np.uint64) -> np.int64:
    """Return the signed 18-bit phase in counts; degrees = counts * `PHASE_DEG_PER_COUNT`."""
    # shift up to the sign bit of a 64-bit integer, then down again: extends the sign
    return np.int64(word << np.uint64(29)) >> np.int64(46)


@inline
def baseline_counts(word: np.uint64) -> np.int64:
    """Return the signed 17-bit baseline in counts; degrees = counts * `BASELINE_DEG_PER_COUNT`."""
    return np.int64(word << np.uint64(47)) >> np.int64(47)


@inline
def header_word(board: int, frame: int, ticks: int) -> np.uint64:
    """Pack a header; `ticks` in units of 0.5 ms since the beginning of the year (UTC)."""
    return (
        (np.uint64(HEADER_MARK) << np.uint64(56))
        | (np.uint64(board) << np.uint64(BOARD_SHIFT))
        | ((np.uint64(frame) & np.uint64(FRAME_MASK)) << np.uint64(FRAME_SHIFT))
        | (np.uint64(ticks) & np.uint64(TIMESTAMP_MASK))
    )


@inline
def photon_word(x: int, y: int, time_us: int, phase: int, baseline: int) -> np.uint64:
    """Pack a photon; `phase` and `baseline` in counts, must be in range (see `clip_counts`)."""
    return (
        (np.uint64(x) << np.uint64(X_SHIFT))
        | (np.uint64(y) << np.uint64(Y_SHIFT))
        | (np.uint64(time_us) << np.uint64(TIME_SHIFT))
        | ((np.uint64(phase) & np.uint64((1 << PHASE_BITS) - 1)) << np.uint64(PHASE_SHIFT))
        | (np.uint64(baseline) & np.uint64((1 << BASELINE_BITS) - 1))
    )


def degrees_to_phase_counts(phase_deg: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Round phases in degrees to counts, clipped to the 18 bits that the firmware has."""
    counts = np.rint(np.asarray(phase_deg, float) / PHASE_DEG_PER_COUNT)
    limit = 1 << (PHASE_BITS - 1)
    return np.clip(counts, -limit, limit - 1).astype(np.int64)


def pack_header(
    board: npt.ArrayLike, frame: npt.ArrayLike, ticks: npt.ArrayLike
) -> npt.NDArray[np.uint64]:
    """Pack headers from arrays (native byte order; store them as ``'>u8'``).

    Parameters
    ----------
    board, frame, ticks : array_like of int
        Board number 0..255, frame counter (taken modulo 4096), time stamp in 0.5 ms.
    """
    fields = (np.asarray(a).astype(np.int64).astype(np.uint64) for a in (board, frame, ticks))
    b, f, t = fields
    return (
        (np.uint64(HEADER_MARK) << np.uint64(56))
        | (b << np.uint64(BOARD_SHIFT))
        | ((f & np.uint64(FRAME_MASK)) << np.uint64(FRAME_SHIFT))
        | (t & np.uint64(TIMESTAMP_MASK))
    )


def pack_photon(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    time_us: npt.ArrayLike,
    phase: npt.ArrayLike,
    baseline: npt.ArrayLike = 0,
) -> npt.NDArray[np.uint64]:
    """Pack photons from arrays (native byte order; store them as ``'>u8'``).

    Parameters
    ----------
    x, y : array_like of int
        Column and row, 0..1023.
    time_us : array_like of int
        Microseconds after the header, 0..511.
    phase, baseline : array_like of int
        Signed counts of 18 and 17 bits.
    """
    fields = (
        np.asarray(a).astype(np.int64).astype(np.uint64) for a in (x, y, time_us, phase, baseline)
    )
    px, py, pt, ph, bl = fields
    return (
        (px << np.uint64(X_SHIFT))
        | (py << np.uint64(Y_SHIFT))
        | (pt << np.uint64(TIME_SHIFT))
        | ((ph & np.uint64((1 << PHASE_BITS) - 1)) << np.uint64(PHASE_SHIFT))
        | (bl & np.uint64((1 << BASELINE_BITS) - 1))
    )
