"""What of the window can be written to files, and how it is written.

The GUI thread takes a `State`, offers `export_choices`, and calls `prepare`, which takes everything
that is on the screen into a value. `write` then runs in a worker, so that a file is what was seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.progress import Progress, silent
from pipeline_core.utc import utc_words
from quicklook import palette, theme
from quicklook.pictures import PICTURE_ENDINGS, Figure, Picture, draw, draw_window
from quicklook.qt import QtWidgets
from quicklook.requests import (
    CountsResult,
    HistogramRequest,
    LightCurveRequest,
    PlotResult,
    Request,
)

if TYPE_CHECKING:
    from quicklook.file_facts import FileFacts
    from quicklook.speckle_store import MapImage
    from quicklook.views.image_pane import ImagePane
    from quicklook.views.plot_pane import PlotPane

__all__ = [
    "DataExport",
    "ExportItem",
    "PictureExport",
    "State",
    "export_choices",
    "prepare",
    "suggest_path",
    "with_ending",
    "write",
]

DATA_ENDINGS = (".fits", ".csv", ".npz")
_FILTERS = {
    ".fits": "FITS (*.fits)",
    ".csv": "Text, comma-separated (*.csv)",
    ".npz": "NumPy (*.npz)",
    ".png": "Picture (*.png)",
    ".svg": "Vector picture (*.svg)",
    ".pdf": "PDF (*.pdf)",
}
_MAP_EXPORT = "pipeline_core.speckle.mapexport"
IMAGE, REGIONS, WINDOW = "image", "regions", "window"


@dataclass(frozen=True, eq=False)
class State:
    """What is on the screen.

    Attributes
    ----------
    facts : FileFacts or None
        Of the open file.
    image : ImagePane
    plots : sequence of PlotPane
        Those that are shown.
    regions : sequence of (name, shape label, RegionStatistics)
        The table of regions, of the counts on the screen.
    window : widget
    """

    facts: FileFacts | None
    image: ImagePane
    plots: Sequence[PlotPane] = ()
    regions: Sequence[tuple[str, str, Any]] = ()
    window: QtWidgets.QWidget | None = None


@dataclass(frozen=True)
class ExportItem:
    """One thing that can be exported.

    Attributes
    ----------
    what : str
        'image', 'regions', 'window', or the name of a plot's pane.
    title : str
        For a menu.
    endings : tuple of str
        Of the files that can be written.
    why_not : str
        Why it cannot be exported now; '' if it can.
    """

    what: str
    title: str
    endings: tuple[str, ...]
    why_not: str = ""

    @property
    def filters(self) -> str:
        """For a file dialog: one filter a format."""
        return ";;".join(_FILTERS[ending] for ending in self.endings)


@dataclass(frozen=True, eq=False)
class DataExport:
    """Numbers to be written by a worker that has the file open.

    Attributes
    ----------
    path : path
    token : int
        Which open file.
    call : str
        Function of `module`.
    arguments, settings : tuple, mapping
        Its arguments after the observation, and those by name.
    """

    path: Path
    token: int
    call: str
    arguments: tuple[Any, ...]
    settings: Mapping[str, Any]
    overwrite: bool = False
    module: str = "pipeline_core.export"


@dataclass(frozen=True, eq=False)
class PictureExport:
    """A picture to be written by any worker."""

    path: Path
    picture: Picture
    sources: tuple[Path, ...] = field(default_factory=tuple)
    overwrite: bool = False


def export_choices(state: State) -> list[ExportItem]:
    """Return everything that can be exported, also what cannot be now, with the reason."""
    no_file = "" if state.facts is not None else "Open a file first."
    everything = DATA_ENDINGS + PICTURE_ENDINGS
    shown = _map_shown(state)
    growing = shown is not None and shown.maps is None
    not_yet = "Wait until the speckle maps are finished." if growing else ""
    if state.image.kind == "preview":
        not_yet = "This is a preview: wait until all photons are counted."
    items = [ExportItem(IMAGE, "Image", everything, no_file or not_yet)]
    for pane in state.plots:
        nothing = "" if pane.shown is not None else "Click a pixel first."
        # the numbers of a file that was closed cannot tell any more where they came from
        endings = everything if pane.is_at_home else PICTURE_ENDINGS
        why_not = nothing or ("" if not pane.is_at_home else no_file)
        items.append(ExportItem(pane.name, pane.title, endings, why_not))
    none = "" if state.regions else "Draw a region on a Raw Counts image first."
    items.append(
        ExportItem(REGIONS, "Table of Regions", (".csv", ".fits", ".npz"), no_file or none)
    )
    items.append(ExportItem(WINDOW, "Picture of the Window", (".png",)))
    return items


# --- names ---------------------------------------------------------------------------------------


def suggest_path(item: ExportItem, state: State, folder: Path) -> Path:
    """Return a path that says what is in it, such as ``1602050400_raw-counts_0-10s.fits``."""
    parts = [Path(_file_name(state, item)).stem or "quicklook"]
    request: Request | None = None
    if item.what == IMAGE:
        counts, shown = _counts_shown(state), _map_shown(state)
        parts.append(shown.name if shown else counts.title if counts else "flags")
        request = counts.request if counts else None
    elif item.what in (REGIONS, WINDOW):
        parts.append(item.what)
        counts = _counts_shown(state)
        request = counts.request if counts and item.what == REGIONS else None
    else:
        pane = _pane(item, state)
        parts.append(pane.title)
        if pane.shown is not None:
            request = pane.shown.request
            parts.append(_short(pane.shown))
    if request is not None:
        parts.append(f"{request.start_s:g}-{request.stop_s:g}s")
        parts.append(_band(request, state.facts.unit if state.facts else ""))
    name = "_".join(re.sub(r"[^\w.+-]+", "-", part).rstrip("-").lower() for part in parts if part)
    return folder / f"{name}{item.endings[0]}"


def with_ending(path: Path, item: ExportItem, chosen_filter: str = "") -> Path:
    """Return a path with an ending that the item knows: the one typed, else that of the chosen filter."""
    if path.suffix.lower() in item.endings:
        return path
    fitting = [ending for ending in item.endings if _FILTERS[ending] == chosen_filter]
    return path.with_name(path.name + (fitting or item.endings)[0])


def _band(request: Request, unit: str) -> str:
    low, high = request.low, request.high
    if low is None:
        return "" if high is None else f"below{high:g}{unit}"
    return f"from{low:g}{unit}" if high is None else f"{low:g}to{high:g}{unit}"


def _short(result: PlotResult) -> str:
    pixels = result.request.pixels
    if len(pixels) == 1:
        return f"x{pixels[0][0]}-y{pixels[0][1]}"
    return result.request.label.split("(")[0]


# --- what is on the screen -----------------------------------------------------------------------


def prepare(
    item: ExportItem, state: State, path: Path, *, overwrite: bool = False, on_white: bool = True
) -> DataExport | PictureExport:
    """Take what is on the screen, to be written to `path` by `write`.

    Parameters
    ----------
    item : ExportItem
        One of `export_choices`, without `why_not`.
    state : State
    path : path
        With one of the item's endings.
    overwrite : bool
        Whether an existing file may be replaced.
    on_white : bool
        Pictures in the colours of the light theme, whatever the theme on the screen.
    """
    ending = path.suffix.lower()
    if ending in DATA_ENDINGS:
        return _data(item, state, path, overwrite)
    if item.what == WINDOW:
        assert state.window is not None
        picture = draw_window(state.window)
    elif item.what == IMAGE:
        picture = draw(_figure_of_image(item, state), ending, on_white=on_white)
    else:
        picture = draw(_figure_of_plot(item, state), ending, on_white=on_white)
    sources = (state.facts.path, *state.facts.paths) if state.facts else ()
    return PictureExport(path, picture, sources, overwrite)


def write(
    export: DataExport | PictureExport, handle: Any = None, *, progress: Progress = silent
) -> Path:
    """Write what was prepared, in a worker; returns the path.

    Parameters
    ----------
    export : DataExport or PictureExport
    handle : ObsFile or Frame
        The open file of a `DataExport`'s token.
    progress : Progress
        May cancel.

    Raises
    ------
    OutputError
        Cannot be written, exists already, or holds data.
    ConfigError
        Unknown ending.
    """
    if isinstance(export, PictureExport):
        return export.picture.save(export.path, export.sources, export.overwrite, progress=progress)
    function: Callable[..., None] = getattr(import_module(export.module), export.call)
    progress(0, 1, "writing")
    function(
        export.path,
        handle,
        *export.arguments,
        **export.settings,
        overwrite=export.overwrite,
        progress=progress,
    )
    return export.path


def _data(item: ExportItem, state: State, path: Path, overwrite: bool) -> DataExport:
    facts = state.facts
    assert facts is not None
    counts, shown = _counts_shown(state), _map_shown(state)
    if item.what == IMAGE and shown is not None:
        of_map = (shown.maps, shown.name, shown.step)
        return DataExport(path, facts.token, "export_map", of_map, {}, overwrite, _MAP_EXPORT)
    if item.what == IMAGE and counts is None:
        return DataExport(path, facts.token, "export_flags", (), {}, overwrite)
    if item.what in (IMAGE, REGIONS):
        assert counts is not None
        request: Request = counts.request
        first: Any
        settings: dict[str, Any] = {"band": (request.low, request.high)}
        if item.what == IMAGE:
            call, first = "export_image", counts.image
            settings["display"] = _display(state.image)
            settings["variance"] = counts.variance
        else:
            rows = [
                {"region": name, "shape": label} | vars(found)
                for name, label, found in state.regions
            ]
            call, first = "export_regions", rows
            settings["weighted"] = request.weighted
        arguments = (first, request.start_s, request.stop_s)
        return DataExport(path, request.token, call, arguments, settings, overwrite)
    pane = _pane(item, state)
    assert pane.shown is not None
    return _plot_data(pane.shown, getattr(pane, "per", "bin"), path, overwrite)


def _plot_data(result: PlotResult, per: str, path: Path, overwrite: bool) -> DataExport:
    request = result.request
    settings: dict[str, Any] = {"band": (request.low, request.high), "label": request.label}
    arguments: tuple[Any, ...] = (result.data, request.start_s, request.stop_s)
    if isinstance(request, LightCurveRequest):
        call, arguments = "export_light_curve", (result.data,)
    elif isinstance(request, HistogramRequest):
        call = "export_intensity_histogram"
    else:
        call = "export_spectrum"
        settings["per"] = per
    return DataExport(path, request.token, call, arguments, settings, overwrite)


def _counts_shown(state: State) -> CountsResult | None:
    """Return the counts on the screen, None if the flags are shown."""
    return state.image.counts if state.image.kind == "raw_counts" else None


def _map_shown(state: State) -> MapImage | None:
    """Return the speckle map on the screen, if there is one."""
    return state.image.map if state.image.kind == "speckles" else None


def _display(image: ImagePane) -> dict[str, object]:
    """Return how the image is drawn."""
    settings = image.display
    levels = image.scale.levels if image.scale is not None else (None, None)
    return {
        "low": levels[0],
        "high": levels[1],
        "stretch": settings.stretch,
        "colour_map": settings.colour_map or theme.current().image_map,
        "inverted": settings.inverted,
    }


def _pane(item: ExportItem, state: State) -> PlotPane:
    return next(pane for pane in state.plots if pane.name == item.what)


# --- figures -------------------------------------------------------------------------------------


def _figure_of_image(item: ExportItem, state: State) -> Figure:
    image = state.image
    title = f"{image.heading}, {_file_name(state, item)}"
    lines = (image.detail, *_origin(state))
    counts, shown = _counts_shown(state), _map_shown(state)
    if shown is not None:
        label = f"{shown.title} [{shown.unit}]" if shown.unit else shown.title
        return Figure(title, lines, image.view, image.colour_bar, label, restyle=image.view.restyle)
    if counts is not None:
        bar, label = image.colour_bar, f"{counts.what} per pixel"
        return Figure(title, lines, image.view, bar, label, restyle=image.view.restyle)

    def restyle() -> None:
        image.view.restyle()
        image.redraw()

    return Figure(title, lines, image.view, legend=lambda: _flag_legend(state), restyle=restyle)


def _origin(state: State) -> tuple[str, ...]:
    if state.facts is None:
        return ()
    return (f"{state.facts.camera}, start of the file {utc_words(state.facts.start_unix)}",)


def _flag_legend(state: State) -> list[tuple[str, str]]:
    categories = state.facts.flag_image.categories if state.facts else ()
    return [
        (palette.flag_colour(found.label, k), f"{found.label}: {found.count:,}")
        for k, found in enumerate(categories)
    ]


def _figure_of_plot(item: ExportItem, state: State) -> Figure:
    pane = _pane(item, state)

    def restyle() -> None:
        pane.plot.restyle()
        pane.restyle()

    title = f"{pane.heading}, {_file_name(state, item)}"
    lines = tuple(line for line in (pane.detail, pane.figures.text()) if line)
    return Figure(title, lines, pane.plot, restyle=restyle)


def _file_name(state: State, item: ExportItem) -> str:
    """Return the name of the file that something is of: a plot may be of one that was closed."""
    home = next((pane.home for pane in state.plots if pane.name == item.what), None)
    if home is not None:
        return home.path.name
    return state.facts.path.name if state.facts else ""
