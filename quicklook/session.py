"""What the user is looking at: the open file, the active pixel, the time range, the exposure.

The only shared state of the window. Panes read it and listen to its signals; the main window and the
controls change it. Lives in the GUI thread.
"""

from __future__ import annotations

from quicklook.qt import QtCore, Signal
from quicklook.tasks import FileFacts

__all__ = ["Session"]


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
    binChanged
        `bin_s`.
    """

    fileChanged = Signal()  # noqa: N815
    pixelChanged = Signal()  # noqa: N815
    timeRangeChanged = Signal()  # noqa: N815
    binChanged = Signal()  # noqa: N815

    def __init__(self, bin_s: float, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._file: FileFacts | None = None
        self._pixel: tuple[int, int] | None = None
        self._time_range = (0.0, 0.0)
        self._bin_s = bin_s

    @property
    def file(self) -> FileFacts | None:
        """Facts of the open file."""
        return self._file

    @property
    def pixel(self) -> tuple[int, int] | None:
        """Active pixel (x, y) = (column, row)."""
        return self._pixel

    @property
    def time_range(self) -> tuple[float, float]:
        """Start and stop [s from the start of the observation], half-open, never empty."""
        return self._time_range

    @property
    def bin_s(self) -> float:
        """Effective exposure time of light curve and intensity histogram [s]."""
        return self._bin_s

    def set_file(self, facts: FileFacts | None) -> None:
        """Look at another file: whole time range; the active pixel stays if the file has it."""
        self._file = facts
        self._time_range = (0.0, facts.exposure_s) if facts else (0.0, 0.0)
        if self._pixel is not None and (facts is None or not _inside(self._pixel, facts.shape)):
            self._pixel = None
        self.fileChanged.emit()

    def set_pixel(self, pixel: tuple[int, int] | None) -> None:
        """Make `pixel` the active one.

        Raises
        ------
        ValueError
            If no file is open or the pixel is outside its array.
        """
        if pixel is not None and (self._file is None or not _inside(pixel, self._file.shape)):
            raise ValueError(f"Pixel {pixel} is not in the open file.")
        if pixel != self._pixel:
            self._pixel = pixel
            self.pixelChanged.emit()

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

    def set_bin_s(self, bin_s: float) -> None:
        """Set the effective exposure time [s]."""
        if bin_s != self._bin_s:
            self._bin_s = bin_s
            self.binChanged.emit()


def _inside(pixel: tuple[int, int], shape: tuple[int, int]) -> bool:
    return 0 <= pixel[0] < shape[0] and 0 <= pixel[1] < shape[1]
