"""What the user is looking at: the open file, the active pixel, ranges, the exposure, the regions.

The only shared state of the window. Panes read it and listen to its signals; the main window and the
controls change it. Lives in the GUI thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from quicklook.file_facts import FileFacts
from quicklook.qt import QtCore, Signal

__all__ = ["Band", "Session", "Target", "inside"]

Pixel = tuple[int, int]
Band = tuple[float | None, float | None]
"""(low, high) of phase [deg] or wavelength [nm], half-open; None: open end."""


@dataclass(frozen=True)
class Target:
    """What the plots are of: the active pixel, or the pixels of a region, summed."""

    label: str
    pixels: tuple[Pixel, ...]


class Session(QtCore.QObject):
    """State of one window; emits a signal when a part of it has really changed.

    Signals
    -------
    fileChanged
        Another file, or none: `file` and everything below was reset.
    pixelChanged
        `pixel`, also None.
    timeRangeChanged
        `time_range`.
    bandChanged
        `band`.
    binChanged
        `bin_s`.
    weightedChanged
        `weighted`.
    targetChanged
        `target`.
    frameChanged
        `frame`, of the same file.
    """

    fileChanged = Signal()  # noqa: N815
    pixelChanged = Signal()  # noqa: N815
    timeRangeChanged = Signal()  # noqa: N815
    bandChanged = Signal()  # noqa: N815
    binChanged = Signal()  # noqa: N815
    weightedChanged = Signal()  # noqa: N815
    targetChanged = Signal()  # noqa: N815
    frameChanged = Signal()  # noqa: N815

    def __init__(self, bin_s: float, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._file: FileFacts | None = None
        self._pixel: Pixel | None = None
        self._time_range = (0.0, 0.0)
        self._band: Band = (None, None)
        self._bin_s = bin_s
        self._weighted = False
        self._target: Target | None = None
        self._frame: int | None = None

    @property
    def file(self) -> FileFacts | None:
        """Facts of the open file."""
        return self._file

    @property
    def pixel(self) -> Pixel | None:
        """Active pixel (x, y) = (column, row)."""
        return self._pixel

    @property
    def time_range(self) -> tuple[float, float]:
        """Start and stop [s from the start of the observation], half-open, never empty."""
        return self._time_range

    @property
    def band(self) -> Band:
        """Low and high end in the file's quantity [deg or nm], half-open, None where open."""
        return self._band

    @property
    def bin_s(self) -> float:
        """Effective exposure time of light curve and intensity histogram [s]."""
        return self._bin_s

    @property
    def weighted(self) -> bool:
        """Whether photons count with their flat-field weights."""
        return self._weighted

    @property
    def target(self) -> Target | None:
        """What the plots show: the active pixel unless a region was chosen."""
        return self._target

    @property
    def frame(self) -> int | None:
        """Number of the frame of a datastream, from 0; None for everything else."""
        return self._frame

    def set_file(self, facts: FileFacts | None) -> None:
        """Look at another file: whole ranges; the active pixel stays if the file has it."""
        self._file = facts
        self._time_range = (0.0, facts.exposure_s) if facts else (0.0, 0.0)
        self._band = (None, None)
        self._frame = None if facts is None or facts.frames is None else 0
        self._weighted = self._weighted and facts is not None and facts.flat_calibrated
        if self._pixel is not None and (facts is None or not inside(self._pixel, facts.shape)):
            self._pixel = None
        self._target = None if self._pixel is None else _of_pixel(self._pixel)
        self.fileChanged.emit()

    def set_pixel(self, pixel: Pixel | None) -> None:
        """Make `pixel` the active one, and what the plots show.

        Raises
        ------
        ValueError
            If no file is open or the pixel is outside its array.
        """
        if pixel is not None and (self._file is None or not inside(pixel, self._file.shape)):
            raise ValueError(f"Pixel {pixel} is not in the open file.")
        changed = pixel != self._pixel
        self._pixel = pixel
        if changed:
            self.pixelChanged.emit()
        self.set_target(None)

    def set_target(self, target: Target | None) -> None:
        """Let the plots show a region's pixels; None: the active pixel again."""
        if target is None and self._pixel is not None:
            target = _of_pixel(self._pixel)
        if target != self._target:
            self._target = target
            self.targetChanged.emit()

    def set_time_range(self, start_s: float, stop_s: float) -> None:
        """Look at [start_s, stop_s).

        Raises
        ------
        ValueError
            If the range is empty.
        """
        if not start_s < stop_s:
            raise ValueError(f"Time range {start_s}-{stop_s} s is empty.")
        if (start_s, stop_s) != self._time_range:
            self._time_range = (start_s, stop_s)
            self.timeRangeChanged.emit()

    def set_band(self, low: float | None, high: float | None) -> None:
        """Look at [low, high) of phase or wavelength; None: open.

        Raises
        ------
        ValueError
            If the band is empty.
        """
        if low is not None and high is not None and not low < high:
            raise ValueError(f"Band {low}-{high} is empty.")
        if (low, high) != self._band:
            self._band = (low, high)
            self.bandChanged.emit()

    def set_frame(self, number: int) -> None:
        """Look at another frame of a datastream.

        Raises
        ------
        ValueError
            If no datastream is open, or it has no such frame.
        """
        frames = None if self._file is None else self._file.frames
        if frames is None or not 0 <= number < frames.number:
            raise ValueError(f"The open file has no frame {number}.")
        if number != self._frame:
            self._frame = number
            self.frameChanged.emit()

    def set_bin_s(self, bin_s: float) -> None:
        """Set the effective exposure time [s]."""
        if bin_s != self._bin_s:
            self._bin_s = bin_s
            self.binChanged.emit()

    def set_weighted(self, weighted: bool) -> None:
        """Count photons with their flat-field weights, or plainly.

        Raises
        ------
        ValueError
            If the photons of the open file have no weights.
        """
        if weighted and (self._file is None or not self._file.flat_calibrated):
            raise ValueError("No flat field is attached.")
        if weighted != self._weighted:
            self._weighted = weighted
            self.weightedChanged.emit()


def inside(pixel: Pixel, shape: tuple[int, int]) -> bool:
    """Return whether an array has a pixel."""
    return 0 <= pixel[0] < shape[0] and 0 <= pixel[1] < shape[1]


def _of_pixel(pixel: Pixel) -> Target:
    return Target(f"Pixel ({pixel[0]}, {pixel[1]})", (pixel,))
