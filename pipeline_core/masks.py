"""What masks say about one observation: bad pixels, and times that do not count. Both are plain values.

A mask marks, or (``clears``) takes back what masks before it have marked. Any number of them may be attached; what
counts is all of them in their order. Detector arrays are [x, y]; intervals are half-open integer microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.exposure import blind_intervals
from pipeline_core.flags import FLAGS, PixelFlag, describe_flags

__all__ = [
    "MASK_FLAGS",
    "PIXEL_KINDS",
    "TIME_KINDS",
    "PixelMask",
    "PixelMasks",
    "TimeMask",
    "masked_intervals",
]

MASK_FLAGS = sum(1 << flag.bit for flag in FLAGS if flag.name.startswith("pixcal."))
"""Bits that masks of pixels set or clear."""

PIXEL_KINDS: dict[str, int] = {
    name: int(PixelFlag[f"pixcal_{name}"]) for name in ("hot", "cold", "dead", "unstable")
}
"""What may be wrong with a masked pixel, and its flag bit."""

TIME_KINDS: dict[str, int] = {
    "unknown": 0,
    "flash": 11,
    "cosmic": 12,
    "poofing": 13,
    "laser not on": 19,
    "laser not off": 20,
    "by hand": 100,
}
"""Why a time is masked, and its code in the tables of this camera's earlier tools (100: ours)."""

_Ints = npt.NDArray[np.int64]
_Bits = npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class PixelMask:
    """Marks on some pixels. Arrays are copied and read-only; pixels that are not listed are untouched.

    Attributes
    ----------
    solution_id, source, settings : str
        Of the solution: its id, the file it was read from, its settings (JSON).
    pixels : ndarray of int64, shape (n, 2)
        (x, y), each once.
    flags : ndarray of uint32, shape (n,)
        Bits of `MASK_FLAGS` that hold all through the observation.
    reasons : tuple of str
        One a pixel, in a sentence.
    edges_us : ndarray of int64, shape (k + 1,)
        Slices of time, ascending; empty where there are none.
    slice_flags : ndarray of uint32, shape (n, k)
        Bits that hold in one slice only.
    clears : bool
        Whether it takes the marks of earlier masks off its pixels; `flags` are then without meaning.
    """

    solution_id: str
    source: str
    settings: str
    pixels: _Ints
    flags: _Bits
    reasons: tuple[str, ...]
    edges_us: _Ints
    slice_flags: _Bits
    clears: bool = False

    def __post_init__(self) -> None:
        n = len(self.reasons)
        edges = np.array(self.edges_us, np.int64)
        for name, dtype, shape in (
            ("pixels", np.int64, (n, 2)),
            ("flags", np.uint32, (n,)),
            ("edges_us", np.int64, (edges.size,)),
            ("slice_flags", np.uint32, (n, max(edges.size - 1, 0))),
        ):
            array = np.array(getattr(self, name), dtype)
            if array.size == 0:  # files do not keep the shape of nothing
                array = np.zeros(shape, dtype) if 0 in shape else array
            if array.shape != shape:
                raise ConfigError(f"Bad pixels: {name} has shape {array.shape}, not {shape}.")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "reasons", tuple(str(text) for text in self.reasons))
        if np.any((self.flags | _any_slice(self.slice_flags)) & np.uint32(~MASK_FLAGS & 2**32 - 1)):
            raise ConfigError("Bad pixels: a mask may set no other flags than those of masks.")
        if np.unique(self.pixels, axis=0).shape[0] != n:
            raise ConfigError("Bad pixels: a mask names a pixel twice.")

    @classmethod
    def by_hand(
        cls, pixels: Sequence[tuple[int, int]], reason: str, kind: str = "", *, clears: bool = False
    ) -> PixelMask:
        """Return a mask of pixels (x, y) for a reason, of one of `PIXEL_KINDS`; or one that clears them.

        Raises
        ------
        ConfigError
            Without a reason, without pixels, or of an unknown kind.
        """
        reason = _checked_reason(reason)
        if not len(pixels):
            raise ConfigError("Choose at least one pixel to mask or unmask.")
        if not clears and kind not in PIXEL_KINDS:
            raise ConfigError(
                f"A pixel is {', '.join(PIXEL_KINDS)}, not {kind!r}: choose one of them."
            )
        n = len(pixels)
        return cls(
            solution_id="",
            source="by hand",
            settings="{}",
            pixels=np.array(pixels, np.int64),
            flags=np.full(n, 0 if clears else PIXEL_KINDS[kind], np.uint32),
            reasons=(f"By hand: {reason}",) * n,
            edges_us=np.zeros(0, np.int64),
            slice_flags=np.zeros((n, 0), np.uint32),
            clears=clears,
        )


class PixelMasks:
    """What masks say together, in their order.

    Parameters
    ----------
    masks : sequence of PixelMask
    shape : (ncols, nrows)

    Raises
    ------
    ConfigError
        If a mask names a pixel outside the array.
    """

    def __init__(self, masks: Sequence[PixelMask], shape: tuple[int, int]) -> None:
        self._shape = shape
        self._parts: list[tuple[PixelMask, _Ints, npt.NDArray[np.bool_]]] = []
        self._cleared: dict[int, str] = {}
        for mask in masks:
            x, y = mask.pixels.T
            if np.any((mask.pixels < 0) | (mask.pixels >= np.array(shape))):
                raise ConfigError(f"A mask of bad pixels does not fit an array of {shape} pixels.")
            flat = x * shape[1] + y
            if mask.clears:
                for _, earlier, holds in self._parts:
                    holds[np.isin(earlier, flat)] = False
                self._cleared.update(zip(flat.tolist(), mask.reasons, strict=True))
            else:
                self._parts.append((mask, flat, np.ones(flat.size, bool)))
                for pixel in flat.tolist():
                    self._cleared.pop(pixel, None)

    def flags(self, window_us: tuple[int, int] | None = None) -> _Bits:
        """Return the bits of every pixel in a range of time (default: all), those of any slice it touches included.

        Returns
        -------
        ndarray of uint32, shape (ncols, nrows)
        """
        found = np.zeros(self._shape[0] * self._shape[1], np.uint32)
        for mask, flat, holds in self._parts:
            bits = mask.flags | _any_slice(mask.slice_flags[:, _touched(mask.edges_us, window_us)])
            found[flat[holds]] |= bits[holds]
        return found.reshape(self._shape)

    def reasons(self, pixel: tuple[int, int]) -> tuple[str, ...]:
        """Return why a pixel (x, y) is marked, or why it is not any more; empty if no mask names it."""
        flat = pixel[0] * self._shape[1] + pixel[1]
        found = []
        for mask, numbers, holds in self._parts:
            for k in np.flatnonzero((numbers == flat) & holds):
                bits = int(mask.flags[k] | _any_slice(mask.slice_flags[k : k + 1])[0])
                found.append(mask.reasons[k] or describe_flags(bits))
        if not found and flat in self._cleared:
            found.append(f"Unmasked. {self._cleared[flat]}")
        return tuple(found)


@dataclass(frozen=True, eq=False)
class TimeMask:
    """Times that do not count. Arrays are copied and read-only.

    Attributes
    ----------
    solution_id, source, settings : str
        As of `PixelMask`.
    intervals_us : ndarray of int64, shape (n, 2)
        Half-open, from the start of the observation.
    codes : ndarray of uint8, shape (n,)
        Of `TIME_KINDS`.
    reasons : tuple of str
        One an interval, in a sentence.
    clears : bool
        Whether these times count again, whatever masks before it say.
    """

    solution_id: str
    source: str
    settings: str
    intervals_us: _Ints
    codes: npt.NDArray[np.uint8]
    reasons: tuple[str, ...]
    clears: bool = False

    def __post_init__(self) -> None:
        n = len(self.reasons)
        for name, dtype, shape in (
            ("intervals_us", np.int64, (n, 2)),
            ("codes", np.uint8, (n,)),
        ):
            array = np.array(getattr(self, name), dtype)
            if array.size == 0 and n == 0:
                array = np.zeros(shape, dtype)
            if array.shape != shape:
                raise ConfigError(f"Time mask: {name} has shape {array.shape}, not {shape}.")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "reasons", tuple(str(text) for text in self.reasons))
        if np.any(self.intervals_us[:, 0] >= self.intervals_us[:, 1]) or np.any(
            self.intervals_us < 0
        ):
            raise ConfigError(
                "Time mask: an interval must begin at 0 or later, and end after that."
            )

    @classmethod
    def by_hand(
        cls,
        interval_us: tuple[int, int],
        reason: str,
        kind: str = "by hand",
        *,
        clears: bool = False,
    ) -> TimeMask:
        """Return a mask of one interval for a reason, of one of `TIME_KINDS`; or one that clears it.

        Raises
        ------
        ConfigError
            Without a reason, of an unknown kind, or with an impossible interval.
        """
        if kind not in TIME_KINDS:
            raise ConfigError(
                f"A time is masked for one of {', '.join(TIME_KINDS)}, not {kind!r}: choose one of them."
            )
        return cls(
            solution_id="",
            source="by hand",
            settings="{}",
            intervals_us=np.array([interval_us], np.int64),
            codes=np.array([TIME_KINDS[kind]], np.uint8),
            reasons=(f"By hand: {_checked_reason(reason)}",),
            clears=clears,
        )


def masked_intervals(masks: Sequence[TimeMask]) -> _Ints:
    """Return the times that masks exclude together, in their order.

    Returns
    -------
    ndarray of int64, shape (n, 2)
        Disjoint half-open intervals, ascending, us.
    """
    found = np.zeros((0, 2), np.int64)
    for mask in masks:
        if mask.clears:
            found = _less(found, _union(mask.intervals_us))
        else:
            found = _union(np.concatenate((found, mask.intervals_us)))
    return found


def _union(intervals: _Ints) -> _Ints:
    return blind_intervals(intervals).astype(np.int64)


def _less(intervals: _Ints, others: _Ints) -> _Ints:
    """Return what of `intervals` is outside `others`; both disjoint and ascending."""
    if not others.size or not intervals.size:
        return intervals
    edges = np.unique(np.concatenate((intervals.ravel(), others.ravel())))
    pieces = np.column_stack((edges[:-1], edges[1:]))
    kept = _covers(intervals, pieces[:, 0]) & ~_covers(others, pieces[:, 0])
    return _union(pieces[kept])


def _covers(intervals: _Ints, times: _Ints) -> npt.NDArray[np.bool_]:
    """Tell which times lie in one of disjoint ascending intervals."""
    at = np.searchsorted(intervals[:, 0], times, side="right") - 1
    inside: npt.NDArray[np.bool_] = (at >= 0) & (times < intervals[np.maximum(at, 0), 1])
    return inside


def _touched(edges_us: _Ints, window_us: tuple[int, int] | None) -> slice:
    """Return which slices have a part of a half-open window."""
    if window_us is None or edges_us.size < 2:
        return slice(None)
    first = max(int(np.searchsorted(edges_us, window_us[0], side="right")) - 1, 0)
    return slice(first, int(np.searchsorted(edges_us, window_us[1], side="left")))


def _any_slice(flags: _Bits) -> _Bits:
    found: _Bits = np.bitwise_or.reduce(flags, axis=1, initial=0).astype(np.uint32)
    return found


def _checked_reason(reason: str) -> str:
    if not reason.strip():
        raise ConfigError("Masking by hand needs a reason: say in a few words why.")
    return reason.strip()
