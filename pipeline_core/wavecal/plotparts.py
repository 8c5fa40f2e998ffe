"""What the pages of a solution are drawn with: style, colours, steps, maps. `plots` arranges it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal.plotfacts import Facts

__all__ = [
    "ACCEPTED",
    "BINS",
    "COMPONENT_COLOURS",
    "REJECTED",
    "add_legend",
    "add_wavelength_scale",
    "colour",
    "draw_calibrated",
    "draw_map",
    "draw_point",
    "draw_steps",
    "say_empty",
    "styled",
]

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
ACCEPTED, REJECTED = (
    "#1b7837",
    "#c51b7d",
)  # green and magenta differ for every kind of colour vision
COMPONENT_COLOURS = ("#e08214", "#7b3294", "#c9a800", "#404040", "#1b7837")
_MANY_LINES = 10
BINS = 30
_TICKS_NM = (500, 600, 700, 800, 900, 1000, 1100, 1200, 1400, 1600, 2000, 3000)


@contextmanager
def styled() -> Iterator[None]:
    """Draw with this module's style, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = mpl.rcParams
        settings.update(_STYLE)
        yield


def draw_point(
    axes: Axes,
    facts: Facts,
    j: int,
    x: float,
    y: float,
    xerr: float | None = None,
    yerr: float | None = None,
) -> None:
    """Draw one line's point in its colour, its errors in black."""
    axes.errorbar(
        x,
        y,
        xerr=xerr,
        yerr=yerr,
        fmt="o",
        ms=6,
        mfc=colour(facts, j),
        mec="black",
        mew=0.6,
        ecolor="black",
        elinewidth=0.8,
        capsize=3,
        zorder=3,
    )


def add_wavelength_scale(axes: Axes) -> None:
    """Add the same axis in nm on the right."""

    def convert(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return HC_EV_NM / np.maximum(np.asarray(values, float), 1e-3)

    right = axes.secondary_yaxis("right", functions=(convert, convert))
    right.set_ylabel("wavelength [nm]")
    low, high = axes.get_ylim()
    right.set_yticks([w for w in _TICKS_NM if max(low, 0.1) <= HC_EV_NM / w <= high])
    right.minorticks_off()


def draw_steps(
    axes: Axes,
    facts: Facts,
    values: npt.NDArray[np.float64],
    edges: npt.NDArray[np.float64],
    median: str | None,
    density: bool = False,
) -> None:
    """Draw one histogram a line; with `median` (a format) also a dashed line there."""
    highest = 0.0
    for j, nm in enumerate(facts.wavelengths):
        column = values[:, j][np.isfinite(values[:, j])]
        label = f"{nm:g} nm"
        if column.size and median:
            middle = float(np.median(column))
            label += ", median " + median.format(middle)
            axes.axvline(middle, color=colour(facts, j), ls="--", lw=0.9)
        counts = np.histogram(column, edges)[0] / (max(column.size, 1) if density else 1)
        highest = max(highest, float(counts.max()))
        axes.stairs(counts, edges, color=colour(facts, j), lw=1.4, label=label)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.3 * highest if highest else 1))
    if not highest:
        say_empty(axes)


def draw_map(axes: Axes, facts: Facts, j: int | None, top: float) -> Any:
    """Draw R of line `j` (None: the median) at [x, y] with row 0 at the bottom; grey where there is none."""
    values = facts.pixel_r()
    if j is not None:
        values = np.where(facts.good_lines[:, j] & facts.calibrated, facts.r[:, j], np.nan)
        axes.set_title(f"{facts.wavelengths[j]:g} nm")
    axes.set_facecolor("0.85")
    return axes.imshow(
        values.reshape(facts.shape).T, origin="lower", cmap="viridis", vmin=0, vmax=top
    )


def draw_calibrated(axes: Axes, facts: Facts) -> None:
    """Draw which pixels are calibrated."""
    good = facts.calibrated.reshape(facts.shape).T
    colours = mpl.colors.ListedColormap(["0.85", ACCEPTED])
    axes.imshow(good, origin="lower", cmap=colours, vmin=0, vmax=1)
    axes.set_title(f"calibrated (green): {100 * good.mean():.1f} %")


def add_legend(figure: Figure, axes: Axes, facts: Facts) -> None:
    """Name the lines' colours: in words, or where they are many by a colour bar."""
    w = facts.wavelengths
    if w.size < _MANY_LINES:
        axes.legend(loc="best")
        return
    colours = mpl.colors.ListedColormap([colour(facts, j) for j in range(w.size)])
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, w.size), colours)
    bar = figure.colorbar(scale, ax=axes, label="wavelength [nm]")
    bar.set_ticks([j + 0.5 for j in range(w.size)], labels=[f"{v:g}" for v in w])


def colour(facts: Facts, j: int) -> Any:
    """Return the colour of a line."""
    return mpl.colormaps["viridis"](facts.colour_scale[j])


def say_empty(axes: Axes) -> None:
    """Say why there is nothing to see."""
    axes.text(
        0.5, 0.5, "no calibrated pixel", transform=axes.transAxes, ha="center", color=REJECTED
    )
