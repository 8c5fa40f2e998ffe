"""Masks of an observation: bad pixels and times that do not count. `Attached`'s part for them.

Marks on pixels are flags, which exclude nothing unless asked. Masked times count in no read and in no exposure while
they are attached: ``ObsFile(path, time_masks=False)`` reads as if there were none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import CalibrationError
from pipeline_core.exposure import blind_intervals
from pipeline_core.mask_kernels import outside
from pipeline_core.masks import MASK_FLAGS, PixelMask, PixelMasks, TimeMask, masked_intervals
from pipeline_core.photon_file import PhotonFile
from pipeline_core.pixel_cache import Columns
from pipeline_core.selection import Pixel, checked_pixel, different_pixels, window_us
from pipeline_core.sidecar import Sidecar

if TYPE_CHECKING:
    from pipeline_core.badpixels.solution import BadPixels
    from pipeline_core.timemask.solution import MaskedTimes

__all__ = ["AttachedMasks"]

Self = TypeVar("Self", bound="AttachedMasks")

_PIXELS_NAMED = 5


class AttachedMasks:
    """Base of `Attached`. Methods that change something need ``mode="write"``, and return the observation."""

    path: Path
    flags: npt.NDArray[np.uint32]
    _file: PhotonFile
    _sidecar: Sidecar
    _pixel_masks: PixelMasks
    _time_masks_used: bool
    _masked_us: npt.NDArray[np.int64]

    @property
    def masked_us(self) -> npt.NDArray[np.int64]:
        """Times that do not count, us: half-open, disjoint, ascending; shape (n, 2)."""
        return self._masked_us

    @property
    def time_masks(self) -> tuple[TimeMask, ...]:
        """The time masks that are attached, oldest first."""
        return tuple(mask for _, mask in self._sidecar.time_masks)

    @property
    def pixel_masks(self) -> tuple[PixelMask, ...]:
        """The masks of bad pixels that are attached, oldest first."""
        return tuple(mask for _, mask in self._sidecar.pixel_masks)

    def flags_in(
        self, start: float | None = None, stop: float | None = None
    ) -> npt.NDArray[np.uint32]:
        """Return the flags of every pixel in a time range (s): of masks, only what holds in a slice that it touches.

        Returns
        -------
        ndarray of uint32, shape (ncols, nrows)
        """
        window = window_us(start, stop, self._file.exposure_us)
        others = self.flags & np.uint32(~MASK_FLAGS & 0xFFFFFFFF)
        others |= self._file.flags & np.uint32(MASK_FLAGS)
        found: npt.NDArray[np.uint32] = others | self._pixel_masks.flags(window)
        return found

    def mask_reasons(self, pixel: Pixel) -> tuple[str, ...]:
        """Return why a pixel (x, y) is masked, in sentences; empty if it is not."""
        return self._pixel_masks.reasons(checked_pixel(pixel, self._file.shape))

    def apply_badpixels(self: Self, mask: Path | str | BadPixels) -> Self:
        """Attach a mask of bad pixels, beside those that are attached. The same one once more changes nothing.

        Raises
        ------
        CalibrationError
            If it was made for another camera or other resonators.
        InputFormatError
            If the file is no such mask.
        OutputError, SidecarConflictError
            If the sidecar cannot be written, or another program is writing it.
        """
        from pipeline_core.badpixels.apply import mask_for
        from pipeline_core.badpixels.solution import load_bad_pixels

        self._check_writable()
        found, source = _loaded(mask, load_bad_pixels)
        file = self._file
        part = mask_for(found, file.camera, file.beammap, file.file_id, source, str(self.path))
        kinds = f"{len(part.reasons)} pixels" if part.reasons else "no pixel"
        return self._attach(part, f"{Path(source).name} (mask {part.solution_id}): {kinds}")

    def mask_pixels(
        self: Self, pixel: Pixel | Sequence[Pixel], reason: str, kind: str = "hot"
    ) -> Self:
        """Mark pixels (x, y) as bad by hand.

        Parameters
        ----------
        pixel : (x, y) or sequence of (x, y)
        reason : str
            Why, in a few words.
        kind : {'hot', 'cold', 'dead', 'unstable'}
            What is wrong with them.
        """
        pixels = different_pixels(pixel, self._file.shape)
        part = PixelMask.by_hand(pixels, reason, kind)
        return self._attach(part, f"{_names(pixels)} {kind}: {reason.strip()}")

    def unmask_pixels(self: Self, pixel: Pixel | Sequence[Pixel], reason: str) -> Self:
        """Take the marks of all masks so far off pixels (x, y), by hand, for a reason."""
        pixels = different_pixels(pixel, self._file.shape)
        part = PixelMask.by_hand(pixels, reason, clears=True)
        return self._attach(part, f"{_names(pixels)}: {reason.strip()}")

    def apply_timemask(self: Self, mask: Path | str | MaskedTimes) -> Self:
        """Attach a time mask, beside those that are attached. The same one once more changes nothing.

        Raises
        ------
        CalibrationError
            If it was made for another observation.
        InputFormatError
            If the file is no time mask.
        OutputError, SidecarConflictError
            If the sidecar cannot be written, or another program is writing it.
        """
        from pipeline_core.timemask.apply import mask_for
        from pipeline_core.timemask.solution import load_time_mask

        self._check_writable()
        found, source = _loaded(mask, load_time_mask)
        file = self._file
        part = mask_for(found, file.file_id, file.exposure_us, source, str(self.path))
        seconds = float(np.diff(masked_intervals([part]), axis=1).sum()) / 1e6
        what = f"{len(part.reasons)} intervals, {seconds:.6g} s"
        return self._attach(part, f"{Path(source).name} (mask {part.solution_id}): {what}")

    def mask_time(
        self: Self, start: float, stop: float, reason: str, kind: str = "by hand"
    ) -> Self:
        """Let the time from `start` to `stop` (s, half-open) not count, by hand, for a reason.

        `kind` is one of `masks.TIME_KINDS`.
        """
        window = window_us(start, stop, self._file.exposure_us)
        part = TimeMask.by_hand(window, reason, kind)
        return self._attach(part, f"{start:g} to {stop:g} s: {reason.strip()}")

    def unmask_time(self: Self, start: float, stop: float, reason: str) -> Self:
        """Let the time from `start` to `stop` (s, half-open) count again, whatever masks so far say."""
        window = window_us(start, stop, self._file.exposure_us)
        part = TimeMask.by_hand(window, reason, clears=True)
        return self._attach(part, f"{start:g} to {stop:g} s: {reason.strip()}")

    # --- for the classes above --------------------------------------------------------------

    def _attach(self: Self, part: PixelMask | TimeMask, detail: str) -> Self:
        self._check_writable()
        changed = self._sidecar.with_mask(part, detail)
        if changed is not self._sidecar:
            self._save(changed)
        self._use_masks()
        return self

    def _use_masks(self) -> None:
        """Let the masks of the sidecar hold from now on."""
        try:
            self._pixel_masks = PixelMasks(self.pixel_masks, self._file.shape)
        except ValueError as error:
            raise CalibrationError(f"{self.path}: {error} Move the sidecar away.") from error
        self._use_flags()
        masked = masked_intervals(self.time_masks if self._time_masks_used else ())
        if not np.array_equal(masked, self._masked_us):
            self._masked_us = masked
            self._forget()

    def _with_masks(self, flags: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Return flags [x, y] with those of the masks."""
        marks = self._pixel_masks.flags()
        return flags | marks if marks.any() else flags

    def _unmasked_columns(self, pixel: Pixel) -> Columns:
        """Return times and phases of a pixel's photons outside masked times."""
        times, phases = self._file.columns(pixel)
        if not self._masked_us.size:
            return times, phases
        keep = self._unmasked(times)
        return times[keep], phases[keep]

    def _without_masked(
        self, pixel: Pixel, column: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Return another column of a pixel's photons, as `_unmasked_columns` does times and phases."""
        if not self._masked_us.size:
            return column
        kept: npt.NDArray[np.float32] = column[self._unmasked(self._file.columns(pixel)[0])]
        return kept

    def _stored_weights(self, pixel: Pixel) -> npt.NDArray[np.float32]:
        """Return the weights that an older program gave a pixel's photons."""
        return self._without_masked(pixel, self._file.weights(pixel))

    def _unmasked(self, times: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
        keep = np.empty(times.size, bool)
        outside(times, self._masked_us, keep)
        return keep

    def _closed(self) -> npt.NDArray[np.float64]:
        """Return when nothing counts: gaps and masked times, disjoint and ascending."""
        return blind_intervals(np.concatenate((self._file.gaps_us, self._masked_us)))

    def _use_flags(self) -> None:
        raise NotImplementedError

    def _forget(self) -> None:
        raise NotImplementedError

    def _check_writable(self) -> None:
        raise NotImplementedError

    def _save(self, changed: Sidecar) -> None:
        raise NotImplementedError


_Found = TypeVar("_Found", "BadPixels", "MaskedTimes")


def _loaded(mask: Path | str | _Found, load: Callable[[Path], _Found]) -> tuple[_Found, str]:
    """Return a mask and where it is from."""
    if isinstance(mask, (str, Path)):
        path = Path(mask).expanduser()
        return load(path), str(path)
    return mask, f"mask {mask.solution_id}"


def _names(pixels: tuple[Pixel, ...]) -> str:
    named = ", ".join(f"({x}, {y})" for x, y in pixels[:_PIXELS_NAMED])
    more = f" and {len(pixels) - _PIXELS_NAMED} more" if len(pixels) > _PIXELS_NAMED else ""
    return named + more
