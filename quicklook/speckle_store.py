"""The speckle maps of the open file, finished or growing: what the image and the window of maps draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline_core.arraymap import ArrayMap
from pipeline_core.speckle.result import QUANTITIES, MapPart, SpeckleMaps, empty_maps, why_no_value
from pipeline_core.speckle.settings import SpeckleSettings
from pipeline_core.speckle.status import PixelStatus
from quicklook.qt import QtCore, Signal
from quicklook.speckle_tasks import SpeckleForm

if TYPE_CHECKING:
    import numpy.typing as npt

    from pipeline_core.speckle.basis import MapBasis

__all__ = ["MapImage", "SpeckleStore", "unit_text"]

_UNITS = {"count/s": "counts/s", "count": "photons", "count2/s2": "(counts/s)²"}


def unit_text(unit: str) -> str:
    """Return a unit as people read it."""
    return _UNITS.get(unit, unit)


@dataclass(frozen=True, eq=False)
class MapImage:
    """One map as the image pane draws it.

    Attributes
    ----------
    name, title, unit, sentence : str
    span : str
        What it was made of.
    array : ndarray of float64, shape (ncols, nrows)
        NaN where there is no value.
    error : ndarray of float64, same shape, or None
    maps : SpeckleMaps or None
        What it is one of; None while it grows.
    settings : SpeckleSettings
    step : int
    status : ndarray of float64, same shape
        Numbers of `PixelStatus`.
    outdated : bool
        Whether it would be another one if it was made now.
    """

    name: str
    title: str
    unit: str
    sentence: str
    span: str
    array: npt.NDArray[np.float64]
    error: npt.NDArray[np.float64] | None
    maps: SpeckleMaps | None
    settings: SpeckleSettings
    step: int
    status: npt.NDArray[np.float64]
    outdated: bool

    def text_at(self, pixel: tuple[int, int]) -> tuple[str, str]:
        """Return value and unit of a pixel in words."""
        value = float(self.array[pixel])
        if np.isnan(value):
            return f"{self.title}: {why_no_value(self.name, self.status[pixel])}", ""
        text = _plain(value, 4)
        if self.error is not None and np.isfinite(self.error[pixel]):
            text += f" ± {_plain(float(self.error[pixel]), 2)}"
        return f"{self.title} = {text}", self.unit


def _plain(value: float, digits: int) -> str:
    """Return a number with so many digits, and with noughts instead of a power of ten: 940, not 9.4e+02."""
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text else text


class SpeckleStore(QtCore.QObject):
    """Holds the maps of one file.

    Signals
    -------
    changed
        There are other maps, or none any more.
    grown
        More pixels are done.

    Attributes
    ----------
    form : SpeckleForm or None
        What the maps were, or are being, made of.
    maps : SpeckleMaps or None
        None while they grow.
    step : int
        The step of time that is looked at.
    basis : MapBasis or None
        What the maps rest on besides the photons; None until the computation has told it.
    outdated : tuple of str
        What of that has changed since.
    """

    changed = Signal()
    grown = Signal()

    def __init__(self, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self.form: SpeckleForm | None = None
        self.maps: SpeckleMaps | None = None
        self.step = 0
        self.basis: MapBasis | None = None
        self.outdated: tuple[str, ...] = ()
        self._arrays: Mapping[str, npt.NDArray[np.float64]] = {}

    @property
    def path(self) -> Path | None:
        """The file that the maps are of."""
        return None if self.form is None else self.form.path

    @property
    def names(self) -> tuple[str, ...]:
        """Which maps there are."""
        return tuple(self._arrays)

    @property
    def n_steps(self) -> int:
        """How many steps of time there are."""
        return self._arrays["status"].shape[0] if self._arrays else 0

    @property
    def tau_s(self) -> float | None:
        """Decorrelation time that was used; None if there was none, or it is not known yet."""
        if self.maps is None or np.isnan(self.maps.tau_s):
            return None
        return float(self.maps.tau_s)

    def clear(self) -> None:
        """Forget the maps."""
        self.form = self.maps = self.basis = None
        self.step, self.outdated = 0, ()
        self._arrays = {}
        self.changed.emit()

    def start(
        self,
        form: SpeckleForm,
        shape: tuple[int, int],
        n_steps: int,
        basis: MapBasis | None = None,
    ) -> None:
        """Begin with maps in which nothing is computed."""
        self.form, self.maps, self.step = form, None, 0
        self.basis, self.outdated = basis, ()
        self._arrays = empty_maps(form.settings, shape, n_steps)
        self.changed.emit()

    def add(self, part: MapPart) -> None:
        """Fill in some pixels."""
        for name, values in part.values.items():
            self._arrays[name][part.step, part.x, part.y] = values
        self.grown.emit()

    def finish(self, maps: SpeckleMaps) -> None:
        """Take what a computation returned."""
        self.maps, self._arrays = maps, maps.maps
        self.step = min(self.step, maps.n_steps - 1)
        self.changed.emit()

    def compare(self, now: MapBasis) -> None:
        """Note what the maps would rest on if they were made now."""
        outdated = () if self.basis is None else self.basis.changes(now)
        if outdated != self.outdated:
            self.outdated = outdated
            self.changed.emit()

    def set_step(self, step: int) -> None:
        """Look at another step of time."""
        if 0 <= step < self.n_steps and step != self.step:
            self.step = step
            self.changed.emit()

    def n_done(self) -> int:
        """Return how many pixels are done, in the step that is looked at."""
        if not self._arrays:
            return 0
        return int(np.count_nonzero(self._arrays["status"][self.step]))

    def map_image(self, name: str) -> MapImage:
        """Return one map of the step that is looked at."""
        quantity = QUANTITIES[name]
        error = self._arrays.get(f"{name}_error")
        return MapImage(
            name=name,
            title=quantity.title,
            unit=unit_text(quantity.unit),
            sentence=quantity.sentence,
            span=self.span,
            array=self._arrays[name][self.step],
            error=None if error is None else error[self.step],
            maps=self.maps,
            settings=self.form.settings if self.form is not None else SpeckleSettings(),
            step=self.step,
            status=self._arrays["status"][self.step],
            outdated=bool(self.outdated),
        )

    def array_map(self, name: str) -> ArrayMap:
        """Return one map for the window of maps; the status as categories."""
        quantity, values = QUANTITIES[name], self._arrays[name][self.step]
        unit = unit_text(quantity.unit) or "1"
        if name != "status":
            return ArrayMap(name, quantity.title, unit, values)
        found = Counter(int(number) for number in values.flat)
        words = tuple((one.name.lower().replace("_", " "), found[one.value]) for one in PixelStatus)
        return ArrayMap(name, quantity.title, "", values, words)

    def why_no_value(self, name: str, pixel: tuple[int, int]) -> str:
        """Return in a few words why a pixel has no value in a map."""
        return why_no_value(name, self._arrays["status"][self.step][pixel])

    def map_choices(self) -> tuple[tuple[str, str], ...]:
        """Return (name, label) of every map."""
        return tuple((name, QUANTITIES[name].title) for name in self._arrays)

    @property
    def span(self) -> str:
        """What the maps were made of, in a few words."""
        if self.form is None:
            return ""
        settings = self.form.settings
        text = f"bins of {1e3 * settings.bin_s:g} ms"
        if self.maps is not None:
            start, stop = self.maps.edges_s[self.step : self.step + 2]
            text = f"{start:g} to {stop:g} s, {text}"
        low, high = settings.min_wavelength, settings.max_wavelength
        if low is not None or high is not None:
            text += f", {'…' if low is None else f'{low:g}'} to {'…' if high is None else f'{high:g}'} nm"
        return text
