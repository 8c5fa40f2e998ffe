"""The file of a night, ``pipeline.yml``: read as plain data, and every mistake in it told at once, with its line."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from pipeline_core.beammap_search import BEAMMAP_ENDING, find_beammap_path
from pipeline_core.convert import MAX_DURATION_S
from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import BeammapNeededError, ConfigError, InputFormatError
from pipeline_core.flags import flag_bits
from pipeline_core.night.stack_settings import STACK_KEYS, stack_of
from pipeline_core.night.tuples import with_lists
from pipeline_core.speckle.settings import SpeckleSettings
from pipeline_core.stacking.settings import StackSettings

__all__ = ["PAGES", "PRODUCTS", "Laser", "NightSettings", "Window", "load_night", "read_night"]

PAGES = (
    *("energysolution", "histogramfits", "rhistogram", "centerhist", "rvsf", "fitparameters"),
    *("resolutionimage", "summary"),
)
"""Pages of a wavelength calibration that can be asked for."""

PRODUCTS = ("image", "cube", "stack", "speckle")

_TIMES = {"inputs", "wavecal", "dark", "flatcal"}

_Value = TypeVar("_Value")


@dataclass(frozen=True, order=True)
class Window:
    """Raw seconds ``start <= second < stop`` (unix)."""

    start: int
    stop: int

    @property
    def seconds(self) -> int:
        """How many."""
        return self.stop - self.start


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
    speckle : SpeckleSettings or None
        Of maps of each target.
        How the targets are brought together if `dithered`; offsets in their order.
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
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputFormatError(f"{path} cannot be read: {error}. Check the path.") from error
    return read_night(text, path)


def read_night(text: str, path: Path) -> NightSettings:
    """Return what the text of a night's file means; `path` is where it stands, or shall stand.

    Raises
    ------
    InputFormatError, ConfigError
        As `load_night` does.
    """
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InputFormatError(f"{path} is not plain YAML: {error}") from error
    return _Reader(path, text).night(root)


class _Reader:
    """Turns nodes into settings, and collects what is wrong."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._folder = path.absolute().parent
        self._problems: list[tuple[int, str]] = []

    def night(self, root: yaml.Node | None) -> NightSettings:
        known = {
            *("inputs", "paths", "beammap", "ncpu", "outputs", "wavecal", "dark", "flatcal"),
            *("badpixels", "cosmics", "products"),
        }
        top = self._mapping(root, known, "the file")
        paths = self._mapping(top.get("paths"), {"data", "database", "out", "work"}, "paths")
        for name in _TIMES & set(top):
            top[name] = with_lists(top[name], self._text)
        for name in ("inputs", "paths"):
            if name not in top:
                self._problem(root, f"'{name}' is missing")
        for name in ("data", "database", "out"):
            if "paths" in top and name not in paths:
                self._problem(top["paths"], f"'{name}' is missing in paths")
        data = self._existing(paths.get("data"), "data", Path.is_dir, "folder")
        beammap = self._beammap(top.get("beammap"), data if "data" in paths else None)
        dithered, targets = self._targets(top.get("inputs"))
        outputs = self._mapping(top.get("outputs"), {"wavecalplots"}, "outputs")
        products = self._mapping(top.get("products"), set(PRODUCTS), "products")
        database = self._place(paths.get("database"))
        values: dict[str, Any] = {
            "source": self._path,
            "targets": targets,
            "dithered": dithered,
            "data": data,
            "database": database,
            "out": self._place(paths.get("out")),
            "work": self._place(paths.get("work")) if "work" in paths else database,
            "beammap": beammap,
            "wavecal": self._lasers(top.get("wavecal")),
            "dark": self._window(top["dark"], "dark") if "dark" in top else None,
            "flatcal": self._windows(top.get("flatcal")),
            "badpixels": self._truth(top.get("badpixels"), "badpixels", usual=True),
            "cosmics": self._truth(top.get("cosmics"), "cosmics", usual=False),
            "wavecalplots": self._pages(outputs.get("wavecalplots")),
            "image": self._truth(products.get("image"), "image", usual=True),
            "cube": self._cube(products["cube"]) if "cube" in products else None,
            "stack": self._stack(products.get("stack"), dithered, len(targets), "flatcal" in top),
            "speckle": self._speckle(products["speckle"]) if "speckle" in products else None,
            "ncpu": self._number(top.get("ncpu"), "ncpu", 1, 1024, _processors()),
        }
        if values["flatcal"] and not values["wavecal"]:
            self._problem(
                top["flatcal"], "a flat field needs a 'wavecal': weights depend on wavelength"
            )
        if self._problems:
            lines = [f"{self._path}, line {line}: {text}." for line, text in sorted(self._problems)]
            raise ConfigError("\n".join(lines))
        return NightSettings(**values)

    # --- parts -----------------------------------------------------------------------------------

    def _beammap(self, node: yaml.Node | None, data: Path | None) -> Path:
        """Return the beam map that is named, or the only one that belongs to the raw files."""
        if node is not None:
            return self._existing(node, "beammap", Path.is_file, "file")
        if data is None:
            self._problem(None, "'beammap' is missing")
            return self._folder
        try:
            return find_beammap_path(data / "any.bin")
        except BeammapNeededError as error:
            found = sorted(data.rglob(f"*{BEAMMAP_ENDING}"))
            if len(found) == 1:
                return found[0]
            why = str(error).removeprefix(f"{data / 'any.bin'} ").rstrip(".")
            self._problem(None, f"'beammap' is missing; without it, {data} {why}")
            return data

    def _targets(self, node: yaml.Node | None) -> tuple[bool, dict[str, Window]]:
        if node is None:
            return False, {}
        values = self._mapping(node, None, "inputs")
        dithered = self._truth(values.pop("dithered", None), "dithered", usual=False)
        targets = {}
        for name, one in values.items():
            if not name.replace("-", "").replace("_", "").isalnum():
                self._problem(
                    one,
                    f"'{name}': names are of letters, digits, - and _, as files are named by them",
                )
            window = self._window(one, name)
            if window is not None:
                targets[name] = window
        if not values:
            self._problem(
                node, "inputs names no observation, such as 'pos1: [1602050420, 1602050450]'"
            )
        return dithered, targets

    def _lasers(self, node: yaml.Node | None) -> tuple[Laser, ...]:
        found = []
        for one in self._list(node, "wavecal"):
            parts = self._plain(one)
            if not (isinstance(parts, list) and len(parts) == 3):
                self._problem(one, "a laser is [start, stop, wavelength in nm]")
                continue
            assert isinstance(one, yaml.SequenceNode)
            window = self._between(one, parts[0], parts[1], "wavecal")
            nm = self._number(one.value[2], "wavelength", 100, 30_000, 0.0)
            if window is not None and nm:
                found.append(Laser(window, float(nm)))
        if node is not None and len({laser.wavelength_nm for laser in found}) < 2:
            self._problem(node, "a wavelength calibration needs at least two lasers")
        return tuple(found)

    def _windows(self, node: yaml.Node | None) -> tuple[Window, ...]:
        if node is None:
            return ()
        parts = self._plain(node)
        if isinstance(parts, list) and parts and not any(isinstance(part, list) for part in parts):
            window = self._window(node, "flatcal")
            return () if window is None else (window,)
        windows = [self._window(one, "flatcal") for one in self._list(node, "flatcal")]
        return tuple(window for window in windows if window is not None)

    def _window(self, node: yaml.Node, what: str) -> Window | None:
        parts = self._plain(node)
        if not (isinstance(parts, list) and len(parts) == 2):
            self._problem(node, f"{what} is [start, stop] in unix seconds, not {parts!r}")
            return None
        return self._between(node, parts[0], parts[1], what)

    def _between(self, node: yaml.Node, start: Any, stop: Any, what: str) -> Window | None:
        whole = all(
            isinstance(value, int) and not isinstance(value, bool) for value in (start, stop)
        )
        if not whole or not 0 <= start < stop < 2**31:
            self._problem(node, f"{what}: {start!r} to {stop!r} is no range of unix seconds")
            return None
        if stop - start > MAX_DURATION_S:
            self._problem(
                node,
                f"{what} lasts {stop - start} s, more than {MAX_DURATION_S} s: cut it in parts",
            )
            return None
        return Window(start, stop)

    def _pages(self, node: yaml.Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        found = self._plain(node)
        names = found.replace(",", " ").split() if isinstance(found, str) else found
        if not isinstance(names, list):
            self._problem(node, f"wavecalplots is a list of {', '.join(PAGES)}")
            return ()
        unknown = [str(name) for name in names if name not in PAGES]
        if unknown:
            self._problem(
                node, f"there is no page {', '.join(unknown)}; choose of {', '.join(PAGES)}"
            )
        return tuple(name for name in names if name in PAGES)

    def _cube(self, node: yaml.Node) -> CubeSettings | None:
        allowed = {
            *("time_bin_s", "edges_nm", "energy_bin_ev", "wavelength_bin_nm", "min_wavelength"),
            *("max_wavelength", "weighted", "rates", "extrapolated"),
        }
        given = self._mapping(node, allowed, "cube")
        values = {name: self._plain(one) for name, one in given.items()}
        if isinstance(values.get("edges_nm"), list):
            values["edges_nm"] = tuple(values["edges_nm"])
        try:
            settings = CubeSettings(**values)
            settings.wavelength_edges()
        except (ConfigError, TypeError, ValueError) as error:
            self._problem(node, f"cube: {str(error).rstrip('.')}")
            return None
        return settings

    def _stack(
        self, node: yaml.Node | None, dithered: bool, n: int, flat: bool
    ) -> StackSettings | None:
        if not dithered:
            if node is not None:
                self._problem(node, "a stack is of inputs that are 'dithered: true'")
            return None
        given = self._mapping(node, STACK_KEYS, "stack")
        try:
            plain = {name: self._plain(one) for name, one in given.items()}
            return stack_of(plain, n, flat, self._folder)
        except (InputFormatError, ConfigError, TypeError, ValueError) as error:
            self._problem(node, f"stack: {str(error).rstrip('.')}")
            return None

    def _speckle(self, node: yaml.Node) -> SpeckleSettings | None:
        given = self._mapping(node, None, "speckle")
        plain = {name: self._plain(one) for name, one in given.items()}
        names = plain.get("exclude")
        try:
            if names is not None:
                words = [names] if isinstance(names, str) else list(names)
                plain["exclude"] = flag_bits(map(str, words))
            return SpeckleSettings.from_mapping(plain)
        except (ConfigError, TypeError, ValueError) as error:
            self._problem(node, str(error).rstrip("."))
            return None

    # --- values ----------------------------------------------------------------------------------

    def _problem(self, node: yaml.Node | None, text: str) -> None:
        self._problems.append((1 if node is None else node.start_mark.line + 1, text))

    def _plain(self, node: yaml.Node) -> Any:
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_object(node, deep=True)
        except yaml.YAMLError as error:
            self._problem(node, f"this is no plain value: {getattr(error, 'problem', error)}")
            return None

    def _mapping(
        self, node: yaml.Node | None, known: set[str] | None, what: str
    ) -> dict[str, yaml.Node]:
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, f"{what} must hold lines of the form 'name: value'")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if known is not None and name not in known:
                self._problem(
                    key, f"'{name}' is not known in {what}; there are {', '.join(sorted(known))}"
                )
            elif name in found:
                self._problem(key, f"'{name}' stands twice")
            else:
                found[name] = value
        return found

    def _list(self, node: yaml.Node | None, what: str) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._problem(node, f"{what} must be a list")
            return []
        return list(node.value)

    def _truth(self, node: yaml.Node | None, what: str, *, usual: bool) -> bool:
        if node is None:
            return usual
        value = self._plain(node)
        if not isinstance(value, bool):
            self._problem(node, f"{what} is true or false, not {value!r}")
            return usual
        return value

    def _number(
        self, node: yaml.Node | None, what: str, low: float, high: float, usual: _Value
    ) -> float | _Value:
        if node is None:
            return usual
        value = self._plain(node)
        whole = isinstance(usual, int)
        kind = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            number = "whole number" if whole else "number"
            self._problem(node, f"{what} is a {number} from {low:g} to {high:g}, not {value!r}")
            return usual
        return value

    def _place(self, node: yaml.Node | None) -> Path:
        """Return a path: relative ones are meant from the folder of the file."""
        if node is None:
            return self._folder
        value = self._plain(node)
        if not isinstance(value, str) or not value:
            self._problem(node, f"a path is text, not {value!r}")
            return self._folder
        return self._folder / Path(value).expanduser()

    def _existing(
        self, node: yaml.Node | None, what: str, there: Callable[[Path], bool], kind: str
    ) -> Path:
        path = self._place(node)
        if node is not None and not there(path):
            self._problem(node, f"{what}: there is no {kind} {path}")
        return path
