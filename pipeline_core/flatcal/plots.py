"""The summary page of a flat field. Needs matplotlib (the extra ``plots``); only what draws imports this module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_core.atomic import write_aside
from pipeline_core.flatcal.solution import FlatSolution

__all__ = ["summary", "write_summary"]

_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "legend.fontsize": 7.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
}
_BLUE, _ORANGE = "#2166ac", "#e08214"

FloatArray = npt.NDArray[np.float64]


def summary(solution: FlatSolution) -> Figure:
    """Draw mean weights and counts over the array, and weights, scatter and errors against wavelength."""
    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = mpl.rcParams
        settings.update(_STYLE)
        figure = Figure(figsize=(8.5, 10.0), layout="constrained")
        what = "combined" if solution.index == 0 else f"chunk {solution.index}"
        number = int(solution.weighted.sum())
        figure.suptitle(
            f"Flat field {solution.solution_id} ({solution.kind}, {what}): {number} of "
            f"{solution.weighted.size} pixels have weights",
            fontsize=11,
        )
        panels = figure.subplots(2, 2, height_ratios=[1.5, 1])
        weights = _mean(solution.weights)
        low, high = _limits(weights)
        _draw_map(figure, panels[0, 0], weights, (low, high), "mean weight")
        counts = np.where(solution.counts.sum(axis=2) > 0, solution.counts.sum(axis=2), np.nan)
        _draw_map(figure, panels[0, 1], counts, (0.0, _limits(counts)[1]), "counts of the flat")
        _draw_weights(panels[1, 0], solution)
        _draw_errors(panels[1, 1], solution)
        return figure


def write_summary(solution: FlatSolution, path: Path) -> Path:
    """Write the summary page as PDF, PNG or SVG, by the path's ending.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    figure = summary(solution)
    with write_aside(path, replace=True) as part, mpl.rc_context():
        settings: Any = mpl.rcParams
        settings.update({"savefig.dpi": 200, "pdf.fonttype": 42})
        dated: Any = {"CreationDate": None} if path.suffix == ".pdf" else None
        figure.savefig(part, format=path.suffix[1:] or "pdf", metadata=dated)
    return path


def _mean(values: FloatArray) -> FloatArray:
    """Return the mean over bins that have a value; NaN where none has."""
    good = np.isfinite(values)
    number = good.sum(axis=2)
    total = np.where(good, values, 0.0).sum(axis=2)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _limits(values: FloatArray) -> tuple[float, float]:
    """Return the range of most values: cold pixels would leave no colours for the others."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, middle, high = np.percentile(known, [16, 50, 84])
    width = 3 * float(high - low) / 2 or 1.0
    return max(float(middle) - width, 0.0), float(middle) + width


def _draw_map(
    figure: Figure, axes: Axes, values: FloatArray, limits: tuple[float, float], title: str
) -> None:
    axes.set_facecolor("0.85")
    low, high = limits
    image = axes.imshow(
        np.ma.masked_invalid(values.T), origin="lower", cmap="viridis", vmin=low, vmax=high
    )
    axes.set(title=title, xlabel="column x", ylabel="row y")
    figure.colorbar(image, ax=axes, shrink=0.8, extend="both")


def _draw_weights(axes: Axes, solution: FlatSolution) -> None:
    nm = solution.wavelengths_nm
    weights = solution.weights[solution.weighted]
    axes.set(title="weights by wavelength", xlabel="wavelength [nm]", ylabel="weight")
    if not weights.size:
        return
    low, middle, high = np.array([_percentiles(column, [16, 50, 84]) for column in weights.T]).T
    axes.fill_between(nm, low, high, color=_BLUE, alpha=0.2, lw=0, label="16 to 84 % of pixels")
    axes.plot(nm, middle, color=_BLUE, lw=1.5, label="median")
    axes.axhline(1, color="0.5", lw=0.8, ls=":")
    axes.set_ylim(0, max(2.0, 1.1 * float(np.nanmax(high))))
    axes.legend(loc="lower left")


def _draw_errors(axes: Axes, solution: FlatSolution) -> None:
    nm = solution.wavelengths_nm
    weights, errors = solution.weights[solution.weighted], solution.errors[solution.weighted]
    axes.set(
        title="how far pixels differ, and how well it is known",
        xlabel="wavelength [nm]",
        ylabel="% of the weight",
    )
    if not weights.size:
        return
    bands = np.array([_percentiles(column, [16, 50, 84]) for column in weights.T]).T
    spread = 100 * (bands[2] - bands[0]) / 2 / bands[1]
    quoted = np.array([_percentiles(column, [50])[0] for column in (errors / weights).T])
    axes.plot(nm, spread, color=_BLUE, lw=1.5, label="scatter of the pixels")
    axes.plot(nm, 100 * quoted, color=_ORANGE, lw=1.5, label="error of a weight (median)")
    axes.set_ylim(0, 1.15 * float(np.nanmax(np.append(spread, 100 * quoted))))
    axes.legend(loc="best")


def _percentiles(values: FloatArray, wanted: list[float]) -> FloatArray:
    known = values[np.isfinite(values)]
    return np.percentile(known, wanted) if known.size else np.full(len(wanted), np.nan)
