"""Pages of speckle maps and of a pixel. Needs matplotlib (the extra ``plots``); only what draws imports this module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from pipeline_core.atomic import write_aside
from pipeline_core.errors import OutputError
from pipeline_core.speckle.contours import CONTOUR_LEVELS
from pipeline_core.speckle.result import QUANTITIES, SpeckleMaps
from pipeline_core.speckle.status import PixelStatus
from pipeline_core.speckle.study import PixelStudy

__all__ = ["draw_maps", "draw_pixel", "write_page", "write_pages"]

_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "figure.facecolor": "white",
    "savefig.dpi": 150,
}
_BLUE, _ORANGE, _GREEN = "#2166ac", "#e08214", "#1b7837"
_PAGES = (
    ("intensities", ("ic", "is", "ic_over_is", "ip", "ip_over_sigma", "companion_p")),
    ("quality", ("ic_error", "is_error", "ip_error", "p_value", "tau", "status")),
    ("counts", ("photons", "fano", "excess")),
)
"""Of maps that were made."""
_STATUS_COLOURS = ("0.85", "#4daf4a", "#ffb000", "#7570b3", "#d73027")
_UNITS = {"count/s": "counts/s", "count2/s2": "(counts/s)²", "count": "photons"}

FloatArray = npt.NDArray[np.float64]


def write_pages(maps: SpeckleMaps, folder: Path, stem: str) -> list[Path]:
    """Write a page (.png) a subject and step of time into a folder; return them.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Folder {folder} cannot be made: {error.strerror}.") from error
    written = []
    for step in range(maps.n_steps):
        for subject, names in _PAGES:
            figure = draw_maps(maps, [name for name in names if name in maps.maps], step)
            ending = f"_{step:03d}" if maps.n_steps > 1 else ""
            path = folder / f"{stem}_{subject}{ending}.png"
            written.append(write_page(figure, path))
    return written


def write_page(figure: Figure, path: Path) -> Path:
    """Write a page as PNG, PDF or SVG, by the path's ending; an older one is replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with write_aside(path, replace=True) as part, mpl.rc_context():
        settings: Any = mpl.rcParams
        settings.update(_STYLE)
        figure.savefig(part, format=path.suffix[1:] or "png")
    return path


def draw_maps(maps: SpeckleMaps, names: list[str], step: int = 0) -> Figure:
    """Draw some maps, column x to the right and row y upwards; grey is what has no value."""
    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = mpl.rcParams
        settings.update(_STYLE)
        n_rows = -(-len(names) // 3)
        ncols, nrows = maps.shape
        height = min(max(3.4 * nrows / ncols, 2.2), 5.2)
        figure = Figure(figsize=(11.0, height * n_rows + 0.6), layout="constrained")
        first, last = maps.edges_s[step], maps.edges_s[step + 1]
        figure.suptitle(
            f"{maps.facts.get('PHOTFILE', ('', ''))[0]}: {first:g} to {last:g} s, bins of "
            f"{1e3 * maps.settings.bin_s:g} ms{_tau_words(maps)}"
        )
        panels = figure.subplots(n_rows, 3, squeeze=False)
        for axes, name in zip(panels.flat, names, strict=False):
            _draw_map(figure, axes, name, maps.image(name, step))
        for axes in panels.flat[len(names) :]:
            axes.set_visible(False)
        return figure


def _tau_words(maps: SpeckleMaps) -> str:
    if np.isnan(maps.tau_s):
        return ", tau not known"
    return f", tau {1e3 * maps.tau_s:.3g} ms"


def _title(name: str) -> str:
    quantity = QUANTITIES[name]
    unit = _UNITS.get(quantity.unit, quantity.unit)
    return f"{quantity.title} [{unit}]" if unit else quantity.title


def _draw_map(figure: Figure, axes: Axes, name: str, values: FloatArray) -> None:
    axes.set_facecolor("0.85")
    axes.set(title=_title(name), xlabel="column x", ylabel="row y")
    if name == "status":
        image = axes.imshow(
            values.T, origin="lower", cmap=ListedColormap(_STATUS_COLOURS), vmin=-0.5, vmax=4.5
        )
        bar = figure.colorbar(image, ax=axes, shrink=0.8, ticks=[one.value for one in PixelStatus])
        bar.ax.set_yticklabels([one.name.lower().replace("_", " ") for one in PixelStatus])
        return
    known = values[np.isfinite(values)]
    low, high = (0.0, 1.0) if name.endswith("_p") or name == "p_value" else _limits(known)
    image = axes.imshow(
        np.ma.masked_invalid(values.T), origin="lower", cmap="viridis", vmin=low, vmax=high
    )
    figure.colorbar(image, ax=axes, shrink=0.8, extend="both" if known.size else "neither")


def _limits(known: FloatArray) -> tuple[float, float]:
    """Return the range of nearly all values: a few odd pixels would leave no colours for the others."""
    if not known.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(known, [1, 99]))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def draw_pixel(study: PixelStudy) -> Figure:
    """Draw one pixel: histogram with models, residuals, likelihood contours, autocovariance."""
    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = mpl.rcParams
        settings.update(_STYLE)
        figure = Figure(figsize=(10.0, 7.0), layout="constrained")
        figure.suptitle(f"Pixel {study.pixel}: {_fit_words(study)}")
        panels = figure.subplots(2, 2)
        _draw_histogram(panels[0, 0], study)
        _draw_residuals(panels[1, 0], study)
        _draw_contours(panels[0, 1], study)
        _draw_covariance(panels[1, 1], study)
        return figure


def _fit_words(study: PixelStudy) -> str:
    if study.fit is None:
        return study.status.name.lower().replace("_", " ")
    names = ("Ic", "Is", "Ip")[: study.settings.n_parameters]
    values, errors = study.fit.values, study.fit.block_errors
    parts = [
        f"{name} = {value:.4g} ± {error:.2g}"
        for name, value, error in zip(names, values, errors, strict=False)
    ]
    return ", ".join(parts) + f" counts/s, p-value {study.fit.p_value:.2g}"


def _draw_histogram(axes: Axes, study: PixelStudy) -> None:
    counts = np.arange(study.occurrences.size)
    axes.stairs(
        study.occurrences, np.arange(counts.size + 1) - 0.5, fill=True, color="0.8", label="bins"
    )
    styles = {
        "ml": ("maximum likelihood", _BLUE, "-"),
        "moments": ("moments", _GREEN, "--"),
        "poisson": ("Poisson", _ORANGE, ":"),
    }
    for name, (label, colour, line) in styles.items():
        if name in study.expected:
            axes.plot(counts, study.expected[name], line, color=colour, label=label)
    width = 1e3 * study.settings.bin_s
    axes.set(xlabel=f"counts in a bin of {width:g} ms", ylabel="bins", title="intensity histogram")
    axes.legend()


def _draw_residuals(axes: Axes, study: PixelStudy) -> None:
    axes.axhline(0.0, color="0.5", lw=0.8)
    axes.plot(np.arange(study.occurrences.size), study.residuals, ".", color=_BLUE)
    axes.set(
        xlabel="counts in a bin",
        ylabel="(found - fit) / √fit",
        title="residuals of the maximum-likelihood fit",
    )


def _draw_contours(axes: Axes, study: PixelStudy) -> None:
    axes.set(xlabel="Ic [counts/s]", ylabel="Is [counts/s]", title="likelihood")
    found = study.contours
    if found is None or study.fit is None:
        return
    lines = axes.contour(
        found.ic_cps, found.is_cps, found.drop.T, levels=found.levels, colors=[_BLUE], linewidths=1
    )
    words = {
        level: f"{100 * one:.3g} %" for level, one in zip(found.levels, CONTOUR_LEVELS, strict=True)
    }
    axes.clabel(lines, fmt=words)
    axes.plot(study.samples[:, 0], study.samples[:, 1], ".", color="0.6", ms=2, label="bootstrap")
    axes.plot(*study.fit.maximum[:2], "+", color=_BLUE, ms=10, label="maximum")
    axes.plot(*study.moments, "x", color=_GREEN, label="moments")
    if study.bin_free is not None:
        axes.plot(*study.bin_free.values[:2], "1", color=_ORANGE, ms=9, label="without bins")
    axes.legend()


def _draw_covariance(axes: Axes, study: PixelStudy) -> None:
    own = study.decorrelation
    shown = own.lags_s > 0
    axes.axhline(0.0, color="0.5", lw=0.8)
    axes.plot(own.lags_s[shown], own.covariance[shown], ".", color="0.4", label="light curve")
    if np.isfinite(own.tau_s):
        label = f"tau = {1e3 * own.tau_s:.3g} ± {1e3 * own.error_s:.2g} ms"
        axes.plot(own.lags_s[shown], own.fitted[shown], "-", color=_BLUE, label=label)
    axes.set(
        xscale="log",
        xlabel="lag [s]",
        ylabel="autocovariance / mean²",
        title=f"decorrelation; advised bins: {1e3 * study.advised_bin_s:.3g} ms",
    )
    axes.legend()
