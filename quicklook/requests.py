"""What panes ask of the reads lane and what they get: frozen values, safe to hand between threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "CountsRequest",
    "CountsResult",
    "FrameHeaderRequest",
    "FrameHeaderResult",
    "HistogramRequest",
    "LightCurveRequest",
    "PhaseRequest",
    "PixelRequest",
    "PlotResult",
    "PreviewRequest",
    "Request",
    "SpectrumRequest",
    "SurveyRequest",
    "SurveyResult",
    "TimesRequest",
]


@dataclass(frozen=True)
class Request:
    """A complete snapshot of what a pane wants: nothing else is looked at while it is computed.

    Attributes
    ----------
    pane : str
        Who asked; a newer request of the same pane replaces this one.
    token : int
        Which open file.
    start_s, stop_s : float
        Time range, half-open, seconds from the start of the observation.
    low, high : float, optional
        Band, half-open, in the file's quantity: phase [deg] or wavelength [nm]. None: open end.
    weighted : bool
        Whether photons count with their flat-field weights, where the pane's kind of plot knows them.
    """

    pane: str
    token: int
    start_s: float
    stop_s: float
    low: float | None = None
    high: float | None = None
    weighted: bool = field(default=False, kw_only=True)

    @property
    def ranges(self) -> tuple[float, float, float | None, float | None]:
        """Time range and band."""
        return self.start_s, self.stop_s, self.low, self.high


@dataclass(frozen=True)
class CountsRequest(Request):
    """Counts of every pixel; of a datastream those of frame `frame`, from 0, whose time range is the frame's."""

    frame: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class PreviewRequest(CountsRequest):
    """About the same counts, within milliseconds: a `CountsResult`, or None where the file cannot tell them."""


@dataclass(frozen=True)
class FrameHeaderRequest(Request):
    """The header of frame `frame` of a datastream, from 0."""

    frame: int = field(kw_only=True)


@dataclass(frozen=True)
class SurveyRequest(Request):
    """The rate of the whole array against time."""


@dataclass(frozen=True)
class TimesRequest(Request):
    """Nothing but that the next images come quickly: the times of all photons, in memory."""


@dataclass(frozen=True)
class PixelRequest(Request):
    """Something of one pixel, or of several summed.

    Attributes
    ----------
    pixels : tuple of (x, y)
        At least one.
    label : str
        How people call them: "Pixel (3, 4)", "Region 2 (57 pixels)".
    bin_s : float
        Effective exposure time [s].
    """

    pixels: tuple[tuple[int, int], ...] = ((0, 0),)
    label: str = ""
    bin_s: float = 0.01

    @property
    def pixel(self) -> tuple[int, int]:
        """The only pixel, or the first one."""
        return self.pixels[0]


@dataclass(frozen=True)
class LightCurveRequest(PixelRequest):
    """Counts per bin against time."""


@dataclass(frozen=True)
class HistogramRequest(PixelRequest):
    """How often a bin holds 0, 1, 2, ... counts."""


@dataclass(frozen=True)
class SpectrumRequest(PixelRequest):
    """Histogram of wavelength, or of phase as long as there is no calibration."""


@dataclass(frozen=True)
class PhaseRequest(PixelRequest):
    """Histogram of phase [deg], also of a file that is calibrated."""


@dataclass(frozen=True, eq=False)
class CountsResult:
    """Counts of every pixel.

    Attributes
    ----------
    image : ndarray of int64, shape (ncols, nrows)
        If weighted, of float64, and NaN where a pixel has no weights.
    good : ndarray of bool, same shape
        Pixels without a problem flag.
    typical : ndarray of bool, same shape
        Those of `good` that do not outshine their surroundings: what contrast limits look at.
    open_s : float
        Seconds of the time range with data.
    variance : ndarray of float64, same shape, optional
        Of a weighted image: the sums of squared weights.
    unit : str
        Of the image, as the label of the colour bar says it.
    exact : bool
        Whether every photon was looked at; else it is a preview, `image` is float64, and nothing else may rest on it.
    """

    request: CountsRequest
    image: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    good: npt.NDArray[np.bool_]
    typical: npt.NDArray[np.bool_]
    open_s: float
    variance: npt.NDArray[np.float64] | None = None
    unit: str = "photons"
    exact: bool = True

    @property
    def title(self) -> str:
        """What the image is called."""
        if not self.exact:
            return "Raw Counts (preview)"
        return "Raw Counts" if self.variance is None else "Weighted Counts"

    @property
    def what(self) -> str:
        """What its pixels hold."""
        return "Counts" if self.variance is None else "Weighted counts"


@dataclass(frozen=True, eq=False)
class FrameHeaderResult:
    """Lines of a header: (key, value, comment)."""

    request: FrameHeaderRequest
    cards: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, eq=False)
class SurveyResult:
    """What the core found on a pass through the whole file (`Survey`)."""

    request: SurveyRequest
    data: Any


@dataclass(frozen=True, eq=False)
class PlotResult:
    """What the core computed (`LightCurve`, `IntensityHistogram` or `Spectrum`)."""

    request: PixelRequest
    data: Any
