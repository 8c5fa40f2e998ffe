"""The file of a night, ``pipeline.yml``: read as plain data, and every mistake in it told at once, with its line."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml

from pipeline_core.beammap_search import BEAMMAP_ENDING, find_beammap_path
from pipeline_core.cube_settings import CubeSettings, with_band
from pipeline_core.errors import BeammapNeededError, ConfigError, InputFormatError
from pipeline_core.flags import named_bits
from pipeline_core.night.ranges import Placed, Window, overlaps, range_problem
from pipeline_core.night.stack_settings import STACK_KEYS, stack_of
from pipeline_core.night.syntax import compose
from pipeline_core.night.tuples import with_lists
from pipeline_core.night.values import UNREADABLE, Values, is_empty, line_of
from pipeline_core.speckle.settings import SpeckleSettings
from pipeline_core.stacking.offsets import Offsets
from pipeline_core.stacking.settings import StackSettings

__all__ = ["PAGES", "PRODUCTS", "Laser", "NightSettings", "Window", "load_night", "read_night"]

PAGES = (
    *("energysolution", "histogramfits", "rhistogram", "centerhist", "rvsf", "fitparameters"),
    *("resolutionimage", "summary"),
)
"""Pages of a wavelength calibration that can be asked for."""

PRODUCTS = ("image", "cube", "stack", "speckle")

_Made = TypeVar("_Made")
_TIMES = {"inputs", "wavecal", "dark", "flatcal"}

_KINDS = {
    **dict.fromkeys(("weighted", "rates", "extrapolated", "with_ip"), "truth"),
    **dict.fromkeys(("correct_bin_width", "correct_dead_time"), "truth"),
    **dict.fromkeys(("time_bin_s", "energy_bin_ev", "wavelength_bin_nm"), "number"),
    **dict.fromkeys(("start", "stop", "dead_time_us"), "number"),
    **dict.fromkeys(("min_wavelength", "max_wavelength"), "wavelength"),
    "edges_nm": "wavelengths",
}
"""What the values of products are; the rest is looked at by the products' own settings."""

_CUBE_KEYS = (
    *("time_bin_s", "edges_nm", "energy_bin_ev", "wavelength_bin_nm", "min_wavelength"),
    *("max_wavelength", "weighted", "rates", "extrapolated"),
)
_ALONE = ("method", "register", "upsample", "pixfrac", "weights", "padding", "fewest")
"""What of a stack can be looked at by itself."""


@dataclass(frozen=True)
class Laser:
    """Raw seconds under one laser, wavelength in nm."""

    window: Window
    wavelength_nm: float


@dataclass(frozen=True)
class NightSettings:
    """What is to be made of a night.

    Attributes
    ----------
    source : Path
        The file that this was read from.
    targets : mapping of name to Window
        Observations of the sky, in the order of the file; positions of a dither if `dithered`.
    data, database, out : Path
        Where raw files are found (in any folder below), where intermediate results are kept, where products go.
    work : Path
        For what is needed on the way; default: the database.
    beammap : Path
    wavecal : tuple of Laser
        Empty: no wavelengths.
    dark : Window or None
        Taken with the lasers off.
    flatcal : tuple of Window
        White flats. Empty: no weights.
    badpixels, cosmics : bool
        Whether to look for bad pixels, and for cosmic rays.
    wavecalplots : tuple of str
        Of `PAGES`.
    image : bool
        Whether to write an image of each target.
    cube : CubeSettings or None
    stack : StackSettings or None
        How the targets are brought together if `dithered`; offsets in their order.
    speckle : SpeckleSettings or None
        Of maps of each target.
    ncpu : int
        Tasks at the same time.
    """

    source: Path
    targets: dict[str, Window]
    data: Path
    database: Path
    out: Path
    work: Path
    beammap: Path
    dithered: bool = False
    wavecal: tuple[Laser, ...] = ()
    dark: Window | None = None
    flatcal: tuple[Window, ...] = ()
    badpixels: bool = True
    cosmics: bool = False
    wavecalplots: tuple[str, ...] = ()
    image: bool = True
    cube: CubeSettings | None = None
    stack: StackSettings | None = None
    speckle: SpeckleSettings | None = None
    ncpu: int = 1


def _processors() -> int:
    return os.cpu_count() or 1


def load_night(path: Path) -> NightSettings:
    """Read a night's file.

    Raises
    ------
    InputFormatError
        If it cannot be read or is not plain YAML.
    ConfigError
        If anything in it is impossible: every mistake, a line each, with its number.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputFormatError(
            f"{path} cannot be read: {error.strerror}. Check the path and the permissions."
        ) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputFormatError(
            f"{path}, line {line}: a letter is not of UTF-8. Save the file as UTF-8 text."
        ) from error
    return read_night(text, path)


def read_night(text: str, path: Path) -> NightSettings:
    """Return what the text of a night's file means; `path` is where it stands, or shall stand.

    Raises
    ------
    InputFormatError, ConfigError
        As `load_night` does.
    """
    root, text, problems, whole = compose(text)
    reader = _Reader(path, text)
    reader.problems += problems
    try:
        settings = reader.night(root) if whole else None
    except RecursionError:
        reader.problem(None, "a value holds itself. Write it out")
        settings = None
    if settings is None or reader.problems:
        lines = [f"{path}, line {line}: {text}." for line, text in sorted(set(reader.problems))]
        raise (InputFormatError if problems else ConfigError)("\n".join(lines))
    return settings


class _Reader(Values):
    """Turns the nodes of a file into settings, and collects what is wrong."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(path.absolute().parent)
        self._path = path
        self._text = text
        self._ranges: list[Placed] = []

    def night(self, root: yaml.Node | None) -> NightSettings | None:
        """Return the settings; they count only if there are no `problems`. None if there is nothing to be read."""
        known = {
            *("inputs", "paths", "beammap", "ncpu", "outputs", "wavecal", "dark", "flatcal"),
            *("badpixels", "cosmics", "products"),
        }
        if root is None:
            self.problem(None, "the file is empty. Name at least inputs and paths")
            return None
        top = self.mapping(root, known, "the file")
        if not isinstance(root, yaml.MappingNode):
            return None
        for name in [name for name in top if name not in _TIMES and is_empty(top[name])]:
            self.problem(
                top.pop(name), f"nothing stands behind '{name}'. Fill it in, or take it out"
            )
        for name in _TIMES & set(top):
            top[name] = with_lists(top[name], self._text)
        places = ("data", "database", "out")
        paths = self.mapping(top.get("paths"), {*places, "work"}, "paths")
        for name in ("inputs", "paths"):
            if name not in _names(root):
                self.problem(root, f"'{name}' is missing. Add it")
        for name in places:
            if "paths" in top and name not in paths:
                self.problem(top["paths"], f"'{name}' is missing in paths. Add it")
        data = self.existing(paths.get("data"), "data", Path.is_dir, "folder")
        dithered, targets = self._targets(top.get("inputs"))
        outputs = self.mapping(top.get("outputs"), {"wavecalplots"}, "outputs")
        products = self.mapping(top.get("products"), set(PRODUCTS), "products")
        database = self.place(paths.get("database"))
        values: dict[str, Any] = {
            "source": self._path,
            "targets": targets,
            "dithered": dithered,
            "data": data,
            "database": database,
            "out": self.place(paths.get("out")),
            "work": self.place(paths.get("work")) if "work" in paths else database,
            "beammap": self._beammap(top.get("beammap"), data if "data" in paths else None),
            "wavecal": self._lasers(top.get("wavecal")),
            "dark": self._window(top["dark"], "dark", "dark") if "dark" in top else None,
            "flatcal": self._windows(top.get("flatcal")),
            "badpixels": self.truth(top.get("badpixels"), "badpixels", usual=True),
            "cosmics": self.truth(top.get("cosmics"), "cosmics", usual=False),
            "wavecalplots": self._pages(outputs.get("wavecalplots")),
            "image": self.truth(products.get("image"), "image", usual=True),
            "cube": self._cube(products["cube"]) if "cube" in products else None,
            "stack": self._stack(products.get("stack"), dithered, len(targets), "flatcal" in top),
            "speckle": self._speckle(products["speckle"]) if "speckle" in products else None,
            "ncpu": self.number(top.get("ncpu"), "ncpu", 1, 1024, _processors()),
        }
        if values["flatcal"] and "wavecal" not in top:
            self.problem(
                top["flatcal"],
                "a flat field needs a 'wavecal': weights depend on wavelength. Add it",
            )
        self.problems += overlaps(self._ranges, dithered=dithered)
        return NightSettings(**values)

    # --- parts -----------------------------------------------------------------------------------

    def _beammap(self, node: yaml.Node | None, data: Path | None) -> Path:
        """Return the beam map that is named, or the only one that belongs to the raw files."""
        if node is not None:
            return self.existing(node, "beammap", Path.is_file, "file")
        if data is None:
            self.problem(None, "'beammap' is missing. Name the file")
            return self.folder
        try:
            return find_beammap_path(data / "any.bin")
        except BeammapNeededError as error:
            found = sorted(data.rglob(f"*{BEAMMAP_ENDING}"))
            if len(found) == 1:
                return found[0]
            why = str(error).removeprefix(f"{data / 'any.bin'} ").rstrip(".")
            if data.is_dir():  # else that is what is wrong
                self.problem(None, f"'beammap' is missing; without it, {data} {why}")
            return data

    def _targets(self, node: yaml.Node | None) -> tuple[bool, dict[str, Window]]:
        if node is None:
            return False, {}
        values = self.mapping(node, None, "inputs")
        dithered = self._is_dithered(values.pop("dithered", None))
        targets = {}
        for name, one in values.items():
            if not name.replace("-", "").replace("_", "").isalnum():
                self.problem(
                    one,
                    f"'{name}' is no name of an observation, as files are named by it. Use letters, digits, - and _",
                )
            window = self._window(one, name, "sky")
            if window is not None:
                targets[name] = window
        if not values and (isinstance(node, yaml.MappingNode) or is_empty(node)):
            self.problem(
                node,
                "inputs names no observation. Add one, such as 'pos1: [1602050420, 1602050450]'",
            )
        return dithered, targets

    def _is_dithered(self, node: yaml.Node | None) -> bool:
        # what is neither is to be corrected, and must not make the stack wrong as well
        return self.truth(node, "dithered", usual=node is not None)

    def _lasers(self, node: yaml.Node | None) -> tuple[Laser, ...]:
        found, rows = [], self.listed(node, "wavecal")
        for one in rows:
            parts = self.plain(one)
            if parts is UNREADABLE:
                continue
            if not (isinstance(parts, list) and len(parts) == 3):
                self.problem(one, f"a laser is {parts!r}. Write [start, stop, wavelength in nm]")
                continue
            assert isinstance(one, yaml.SequenceNode)
            nm = self.wavelength(one.value[2], "wavelength")
            name = "laser" if nm is None else f"laser {nm:g} nm"
            window = self._between(one, parts[0], parts[1], name, "laser")
            if window is not None and nm:
                found.append(Laser(window, float(nm)))
        # where rows are wrong, these are what must be corrected
        few = len({laser.wavelength_nm for laser in found}) < 2 and len(found) == len(rows)
        if isinstance(node, yaml.SequenceNode) and few:
            self.problem(
                node,
                "a wavelength calibration needs two lasers at least. Add some, or take 'wavecal' out",
            )
        return tuple(found)

    def _windows(self, node: yaml.Node | None) -> tuple[Window, ...]:
        if node is None:
            return ()
        parts = self.plain(node)
        several = isinstance(parts, list) and any(isinstance(part, list) for part in parts)
        nodes = self.listed(node, "flatcal") if several else [node]
        windows = [self._window(one, "flatcal", "flat") for one in nodes]
        return tuple(window for window in windows if window is not None)

    def _window(self, node: yaml.Node, what: str, kind: str) -> Window | None:
        parts = self.plain(node)
        if parts is UNREADABLE:
            return None
        if not (isinstance(parts, list) and len(parts) == 2):
            said = "empty" if parts is None else repr(parts)
            out = ", or take the line out" if kind in ("dark", "flat") else ""
            self.problem(node, f"{what} is {said}. Write [start, stop] in unix seconds{out}")
            return None
        return self._between(node, parts[0], parts[1], what, kind)

    def _between(
        self, node: yaml.Node, start: Any, stop: Any, what: str, kind: str
    ) -> Window | None:
        problem = range_problem(start, stop)
        if problem:
            self.problem(node, f"{what}: {problem}")
            return None
        window = Window(start, stop)
        self._ranges.append(Placed(kind, what, window, line_of(node)))
        return window

    def _pages(self, node: yaml.Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        found = self.plain(node)
        if found is UNREADABLE:
            return ()
        names = found.replace(",", " ").split() if isinstance(found, str) else found
        if not isinstance(names, list):
            self.problem(node, f"wavecalplots is {found!r}. Write a list of {', '.join(PAGES)}")
            return ()
        unknown = [str(name) for name in names if name not in PAGES]
        if unknown:
            self.problem(
                node, f"there is no page {', '.join(unknown)}. Choose of {', '.join(PAGES)}"
            )
        return tuple(name for name in names if name in PAGES)

    def _values(self, node: yaml.Node | None, known: Iterable[str], what: str) -> Any:
        """Return the plain values of a product; None if one of them is wrong by itself."""
        before = len(self.problems)
        given = self.mapping(node, known, what)
        values = {
            name: self.of_kind(_KINDS.get(name, "any"), one, f"{name} of {what}")
            for name, one in given.items()
        }
        if what == "stack":
            for name in (name for name in _ALONE if name in values):
                self._try(given[name], what, partial(_stack_with, name, values[name]))
        return None if len(self.problems) > before else values

    def _try(self, node: yaml.Node | None, what: str, make: Callable[[], _Made]) -> _Made | None:
        """Return what is made, or note why it cannot be."""
        try:
            return make()
        except (InputFormatError, ConfigError, TypeError, ValueError) as error:
            text = str(error).removeprefix("Speckles: ").rstrip(".")
            self.problem(node, f"{what}: {text}")
            return None

    def _cube(self, node: yaml.Node) -> CubeSettings | None:
        values = self._values(node, _CUBE_KEYS, "cube")
        if values is None:
            return None
        if isinstance(values.get("edges_nm"), list):
            values["edges_nm"] = tuple(values["edges_nm"])

        def make() -> CubeSettings:
            settings = CubeSettings(**with_band(values))
            settings.wavelength_edges()
            return settings

        return self._try(node, "cube", make)

    def _stack(
        self, node: yaml.Node | None, dithered: bool, n: int, flat: bool
    ) -> StackSettings | None:
        if not dithered:
            if node is not None:
                self.problem(
                    node,
                    "a stack is of positions of a dither. Write 'dithered: true' in inputs, or take it out",
                )
            return None
        values = self._values(node, STACK_KEYS, "stack")
        if values is None:
            return None
        return self._try(node, "stack", lambda: stack_of(values, n, flat, self.folder))

    def _speckle(self, node: yaml.Node) -> SpeckleSettings | None:
        known = {one.name for one in dataclasses.fields(SpeckleSettings)} - {"pointing"}
        values = self._values(node, known, "speckle")
        if values is None:
            return None

        def make() -> SpeckleSettings:
            names = values.get("exclude")
            if names is not None:
                values["exclude"] = named_bits(names)
            return SpeckleSettings.from_mapping(values)

        return self._try(node, "speckle", make)


def _stack_with(name: str, value: Any) -> StackSettings:
    """Return a stack of which one thing is said; offsets are those of nothing where they are needed."""
    offsets = Offsets(((0.0, 0.0),)) if name == "register" and value != "none" else None
    return StackSettings(**{name: value}, offsets=offsets)


def _names(root: yaml.MappingNode) -> set[str]:
    """Return the names that stand in a file, whatever stands behind them."""
    return {str(key.value) for key, _ in root.value if isinstance(key, yaml.ScalarNode)}
