"""The speckle maps of the open file, finished or growing, which image and window draw; those of other files wait."""

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

__all__ = ["MapImage", "Origin", "SpeckleStore", "unit_text"]

Origin = tuple[object, ...]
"""What makes a file the same one, whatever is attached to it; () for no file."""
_FILES_KEPT = 8
"""Maps of 20 000 pixels take some 5 MB, times the steps of time."""
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


@dataclass(eq=False)
class _MapSet:
    """The maps of one file, finished or growing."""

    form: SpeckleForm
    arrays: Mapping[str, npt.NDArray[np.float64]]
    basis: MapBasis | None = None
    maps: SpeckleMaps | None = None
    step: int = 0
    outdated: tuple[str, ...] = ()


def _plain(value: float, digits: int) -> str:
    """Return a number with so many digits, and with noughts instead of a power of ten: 940, not 9.4e+02."""
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text else text


class SpeckleStore(QtCore.QObject):
    """Holds the maps of the open file, and keeps those of the files before: one looks at another and comes back.

    Files are told apart by an `Origin`. Whatever is read here is of the open file.

    Signals
    -------
    changed
        There are other maps, or none any more.
    grown
        More pixels are done.
    """

    changed = Signal()
    grown = Signal()

    def __init__(self, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._origin: Origin = ()
        self._sets: dict[Origin, _MapSet] = {}

    @property
    def _present(self) -> _MapSet | None:
        return self._sets.get(self._origin)

    @property
    def form(self) -> SpeckleForm | None:
        """What the maps were, or are being, made of."""
        return None if self._present is None else self._present.form

    @property
    def maps(self) -> SpeckleMaps | None:
        """The finished maps; None while they grow."""
        return None if self._present is None else self._present.maps

    @property
    def step(self) -> int:
        """The step of time that is looked at."""
        return 0 if self._present is None else self._present.step

    @property
    def outdated(self) -> tuple[str, ...]:
        """What has changed of that on which the maps rest besides the photons."""
        return () if self._present is None else self._present.outdated

    @property
    def _arrays(self) -> Mapping[str, npt.NDArray[np.float64]]:
        return {} if self._present is None else self._present.arrays

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

    def show(self, origin: Origin) -> None:
        """Be the store of another file: there are its maps, if some were made."""
        if origin != self._origin:
            self._origin = origin
            self.changed.emit()

    def clear(self, origin: Origin) -> None:
        """Forget the maps of a file."""
        if self._sets.pop(origin, None) is not None and origin == self._origin:
            self.changed.emit()

    def start(
        self,
        origin: Origin,
        form: SpeckleForm,
        shape: tuple[int, int],
        n_steps: int,
        basis: MapBasis | None = None,
    ) -> None:
        """Begin with maps in which nothing is computed."""
        self._sets.pop(origin, None)  # the newest is the last one
        self._sets[origin] = _MapSet(form, empty_maps(form.settings, shape, n_steps), basis)
        self._forget_oldest()
        if origin == self._origin:
            self.changed.emit()

    def add(self, origin: Origin, part: MapPart) -> None:
        """Fill in some pixels."""
        for name, values in part.values.items():
            self._sets[origin].arrays[name][part.step, part.x, part.y] = values
        if origin == self._origin:
            self.grown.emit()

    def finish(self, origin: Origin, maps: SpeckleMaps) -> None:
        """Take what a computation returned."""
        one = self._sets[origin]
        one.maps, one.arrays = maps, maps.maps
        one.step = min(one.step, maps.n_steps - 1)
        if origin == self._origin:
            self.changed.emit()

    def _forget_oldest(self) -> None:
        """Keep no more than some files in memory; those that grow, and the open one, always."""
        done = [key for key, one in self._sets.items() if one.maps and key != self._origin]
        for key in done[: max(len(self._sets) - _FILES_KEPT, 0)]:
            del self._sets[key]

    def compare(self, now: MapBasis) -> None:
        """Note what the maps would rest on if they were made now."""
        one = self._present
        if one is None or one.basis is None:
            return
        outdated = one.basis.changes(now)
        if outdated != one.outdated:
            one.outdated = outdated
            self.changed.emit()

    def set_step(self, step: int) -> None:
        """Look at another step of time."""
        one = self._present
        if one is not None and 0 <= step < self.n_steps and step != one.step:
            one.step = step
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
