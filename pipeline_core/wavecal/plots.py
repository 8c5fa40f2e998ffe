"""The eight pages of a wavelength solution, each a function ``name(solution, ...) -> Figure``, and `write_plots`.

Of one pixel: `energysolution`, `histogramfits`. Of the array: `rhistogram`, `centerhist`, `rvsf`, `fitparameters`,
`resolutionimage`, `summary`. Needs matplotlib (the extra ``plots``); only the commands that draw import this module.
A line's colour is its place between the lowest and the highest energy, so that it is the same on all pages.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline_core.atomic import write_aside
from pipeline_core.errors import ConfigError
from pipeline_core.progress import Progress, silent
from pipeline_core.wavecal.plotfacts import (
    COMPONENT_NAMES,
    Facts,
    curve_facts,
    line_facts,
    running_median,
    summary_blocks,
)
from pipeline_core.wavecal.plotparts import (
    ACCEPTED,
    BINS,
    COMPONENT_COLOURS,
    REJECTED,
    add_legend,
    add_wavelength_scale,
    draw_calibrated,
    draw_map,
    draw_point,
    draw_steps,
    say_empty,
    styled,
)

if TYPE_CHECKING:
    from pipeline_core.wavecal.solution import Solution

__all__ = [
    "PAGES",
    "centerhist",
    "energysolution",
    "fitparameters",
    "histogramfits",
    "resolutionimage",
    "rhistogram",
    "rvsf",
    "summary",
    "write_plots",
]

F = TypeVar("F", bound=Callable[..., Figure])
Pixel = tuple[int, int]

_MIN_SHARE = 0.01  # components below this part of the highest bin are not drawn
_LETTER = (8.5, 11.0)
_STEP = 0.0225  # of the text on the summary page


def _page(function: F) -> F:
    """Draw with this module's style, whatever the user's own settings are."""

    @functools.wraps(function)
    def draw(*args: Any, **kwargs: Any) -> Figure:
        with styled():
            return function(*args, **kwargs)

    return cast(F, draw)


# ---- one pixel ---------------------------------------------------------------------------------------


@_page
def energysolution(solution: Solution, pixel: Pixel) -> Figure:
    """Draw the lines' phases and energies with the fitted curve of one pixel, and what is left between them."""
    facts = Facts.of(solution)
    p = facts.number(pixel)
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes, rest = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    good = bool(facts.calibrated[p])
    colour = ACCEPTED if good else REJECTED
    curve = curve_facts(facts, p)
    axes.plot(curve.phase, curve.energy, color=colour, lw=1, ls=":", label="extrapolated")
    fit = "fit accepted" if good else "fit rejected"
    axes.plot(
        curve.phase[curve.inside], curve.energy[curve.inside], color=colour, lw=1.6, label=fit
    )
    for k, j in enumerate(curve.line.tolist()):
        c = float(curve.centre[k])
        draw_point(axes, facts, j, c, curve.line_energy[k], xerr=curve.centre_error[k])
        draw_point(rest, facts, j, c, curve.residual[k], yerr=curve.residual_error[k])
    rest.axhline(0, color="0.5", lw=0.8)
    rest.set(xlabel="phase [degrees]", ylabel="residual [% of E]")
    rest.set_xlim(curve.phase[0], curve.phase[-1])
    axes.set(ylabel="energy [eV]", title=facts.title(p))
    add_wavelength_scale(axes)
    lines = [facts.condition(p), *([f"median R = {facts.pixel_r()[p]:.1f}"] if good else [])]
    axes.text(
        0.98,
        0.97,
        textwrap.fill(lines[0], 46) + "".join(f"\n{s}" for s in lines[1:]),
        transform=axes.transAxes,
        va="top",
        ha="right",
        color=colour,
    )
    axes.legend(loc="lower left")
    return figure


@_page
def histogramfits(solution: Solution, pixel: Pixel) -> Figure:
    """Draw the phase histograms of one pixel's lines with the fitted model and its components."""
    facts = Facts.of(solution)
    p = facts.number(pixel)
    n = facts.wavelengths.size
    rows = 1 if n < 3 else 2 if n <= 6 else 3
    cols = -(-n // rows)
    figure = Figure(figsize=(max(3.4 * cols, 5), 2.6 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, cols, sharex=True, squeeze=False).ravel()
    low, high = facts.histogram_limits(p)
    for j, axes in enumerate(panels):
        if j >= n:
            axes.remove()
            continue
        _draw_line(axes, facts, p, j)
        axes.set_xlim(low, high)
        if j + cols >= n:
            axes.xaxis.set_tick_params(labelbottom=True)
            axes.set_xlabel("phase [degrees]")
    figure.supylabel(f"counts per {facts.bin_deg:g} degree bin", fontsize=9)
    figure.suptitle(facts.title(p, curve=False), fontsize=10)
    _fit_legend(figure)
    return figure


def _draw_line(axes: Axes, facts: Facts, p: int, j: int) -> None:
    line = line_facts(facts, p, j)
    colour = ACCEPTED if line.good else REJECTED
    axes.stairs(line.counts, line.edges, fill=True, color="0.8")
    middle = (line.edges[1:] + line.edges[:-1]) / 2
    if line.expected is not None:
        axes.plot(middle, line.expected, color=colour, lw=1.6)
        least = _MIN_SHARE * line.expected.max()
        for shade, part in zip(COMPONENT_COLOURS, line.components, strict=True):
            if part.max() > least:
                axes.plot(middle, part, color=shade, ls="--", lw=1)
    # room above the bars for the text
    axes.set_ylim(0, max(1.0, 1.9 * float(line.counts.max(initial=0))))
    where: dict[str, Any] = {"transform": axes.transAxes, "va": "top"}
    axes.text(0.03, 0.97, f"{facts.wavelengths[j]:g} nm", fontweight="bold", **where)
    axes.text(0.03, 0.87, line.text, fontsize=7, color=colour, **where)


def _fit_legend(figure: Figure) -> None:
    """Say below all panels what the lines are."""
    names = [("fit accepted", ACCEPTED, "-"), ("fit rejected", REJECTED, "-")]
    names += [
        (name, shade, "--")
        for name, shade in zip(COMPONENT_NAMES.values(), COMPONENT_COLOURS, strict=True)
    ]
    handles = [Line2D([], [], color=shade, ls=style, label=name) for name, shade, style in names]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


# ---- the array ---------------------------------------------------------------------------------------


@_page
def rhistogram(solution: Solution, feedline: int | None = None) -> Figure:
    """Draw how many pixels have which resolving power, line by line."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    _draw_rhistogram(figure, figure.subplots(), Facts.of(solution, feedline))
    return figure


@_page
def centerhist(solution: Solution, feedline: int | None = None) -> Figure:
    """Draw how many calibrated pixels have their lines at which phase."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    _draw_centerhist(figure, figure.subplots(), Facts.of(solution, feedline))
    return figure


@_page
def rvsf(solution: Solution, feedline: int | None = None) -> Figure:
    """Draw resolving power against resonance frequency, or against resID where no frequency is known."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    _draw_rvsf(figure.subplots(), Facts.of(solution, feedline))
    return figure


@_page
def fitparameters(solution: Solution, feedline: int | None = None) -> Figure:
    """Draw the distributions of the lines' fitted parameters."""
    facts = Facts.of(solution, feedline)
    figure = Figure(figsize=(7.4, 6.6), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axes, (label, values) in zip(panels, facts.parameter_panels(), strict=True):
        kept = np.where(facts.good_lines, values, np.nan)
        inside = kept[np.isfinite(kept)]
        low, high = np.percentile(inside, [0.5, 99.5]) if inside.size else (0.0, 1.0)
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        draw_steps(axes, facts, kept, edges, None, density=True)
        axes.set(xlabel=label, ylabel="share of lines per bin")
    add_legend(figure, panels[0], facts)
    figure.suptitle(
        f"Fitted parameters of good lines{facts.selection}\n"
        "counts per degree = (line [+ second peak] + tail at edge * exp(slope * (phase - edge)) + floor) * trigger",
        fontsize=8.5,
    )
    return figure


@_page
def resolutionimage(solution: Solution, line: int | None = None) -> Figure:
    """Draw resolving power over the array: of one line (by number), or all lines and the map of calibrated pixels."""
    facts = Facts.of(solution)
    n = facts.wavelengths.size
    chosen = list(range(n + 1)) if line is None else [line]
    cols = min(3, len(chosen))
    rows = -(-len(chosen) // cols)
    ncols, nrows = facts.shape
    width = 2.3 if len(chosen) > 1 else 4.5  # of a map, inches
    figure = Figure(
        figsize=((width + 0.1) * cols + 1.4, rows * (width * nrows / ncols + 0.3) + 0.6),
        layout="compressed",
    )
    panels = figure.subplots(rows, cols, squeeze=False, sharex=True, sharey=True).ravel()
    top = facts.highest_r()
    image = None
    for axes, j in zip(panels, chosen, strict=False):
        if j == n:
            draw_calibrated(axes, facts)
        else:
            image = draw_map(axes, facts, j, top)
    for axes in panels[len(chosen) :]:
        axes.remove()
    for k, axes in enumerate(panels[: len(chosen)]):
        axes.xaxis.set_tick_params(labelbottom=k + cols >= len(chosen))
        axes.set_xlabel("column x" if k + cols >= len(chosen) else "")
        axes.set_ylabel("row y" if k % cols == 0 else "")
    if image is not None:
        ticks = np.linspace(0, top, 6)
        figure.colorbar(
            image, ax=list(panels[: len(chosen)]), label=r"R [E/$\Delta$E]", ticks=ticks, shrink=0.8
        )
    return figure


@_page
def summary(solution: Solution, feedline: int | None = None) -> Figure:
    """Draw one page for a log book: three plots, and in words what came out."""
    facts = Facts.of(solution, feedline)
    figure = Figure(figsize=_LETTER, layout="constrained")
    figure.suptitle(f"Wavelength Calibration Solution Summary{facts.selection}", fontsize=14)
    left, right = cast(Any, figure).subfigures(1, 2, width_ratios=[1.1, 1])
    first, second, third = left.subplots(3, 1)
    _draw_rvsf(first, facts)
    _draw_rhistogram(figure, second, facts)
    _draw_centerhist(figure, third, facts)
    words, below = right.subfigures(2, 1, height_ratios=[2.2, 1])
    y = 0.985
    for heading, lines in summary_blocks(facts):
        words.text(0.04, y, heading, fontweight="bold", fontsize=9, va="top")
        y -= 1.25 * _STEP
        for line in lines:
            for piece in textwrap.wrap(line, 60, subsequent_indent="    ") or [""]:
                words.text(0.04, y, piece, fontsize=7, va="top", family="DejaVu Sans Mono")
                y -= _STEP
        y -= 0.6 * _STEP
    axes = below.subplots()
    image = draw_map(axes, facts, None, facts.highest_r())
    axes.set(xlabel="column x", ylabel="row y")
    below.colorbar(image, ax=axes, label=r"median R [E/$\Delta$E]")
    return figure


def _draw_rhistogram(figure: Figure, axes: Axes, facts: Facts) -> None:
    values = np.where(facts.good_lines & facts.calibrated[:, None], facts.r, np.nan)
    edges = np.linspace(0, 1.1 * facts.highest_r(), BINS + 1)
    draw_steps(axes, facts, values, edges, "R = {:.1f}")
    axes.set(xlabel=r"R [E/$\Delta$E]", ylabel=f"pixels per {edges[1] - edges[0]:.2g}")
    add_legend(figure, axes, facts)


def _draw_centerhist(figure: Figure, axes: Axes, facts: Facts) -> None:
    values = np.where(facts.good_lines & facts.calibrated[:, None], facts.centre, np.nan)
    draw_steps(axes, facts, values, np.linspace(-150, -20, BINS + 1), "{:.1f}°")
    axes.set(xlabel="line center [degrees]", ylabel=f"pixels per {130 / BINS:.2g} degrees")
    add_legend(figure, axes, facts)


def _draw_rvsf(axes: Axes, facts: Facts) -> None:
    x, y, known = facts.r_against_frequency()
    label = "resonance frequency [GHz]" if known else "resID (no frequencies known)"
    axes.plot(x, y, ".", ms=3, color="#4393c3", alpha=0.6, mew=0, rasterized=x.size > 3000)
    if x.size:
        at, median = running_median(x, y, 0.3 if known else 300.0)
        name = "running median within 0.3 GHz" if known else "running median within 300"
        axes.plot(at, median, color="black", lw=1.2, label=name)
        axes.legend(loc="upper right")
        axes.set_ylim(0, 1.25 * float(np.percentile(y, 99.5)))
    else:
        say_empty(axes)
    axes.set(xlabel=label, ylabel=r"median R [E/$\Delta$E]")


PAGES: dict[str, Callable[..., Figure]] = {
    f.__name__: f
    for f in (
        energysolution,
        histogramfits,
        rhistogram,
        centerhist,
        rvsf,
        fitparameters,
        resolutionimage,
        summary,
    )
}
"""Function of each page by its name."""

_OF_ONE_PIXEL = ("energysolution", "histogramfits")


def write_plots(
    solution: Solution,
    folder: Path | str,
    names: Sequence[str] | None = None,
    fmt: str = "pdf",
    pixel: Pixel | None = None,
    progress: Progress = silent,
) -> list[Path]:
    """Write pages as ``<name>.<fmt>`` into a folder, which is made if missing; return their paths.

    Parameters
    ----------
    solution : Solution
    folder : path
    names : sequence of str, optional
        Keys of `PAGES`; None for all.
    fmt : {'pdf', 'png', 'svg'}
        As PDF, the summary has the maps of R as a second page.
    pixel : (x, y), optional
        For the pages of one pixel; None for the calibrated pixel whose R is the array's median.
    progress : Progress
        Called before each page; may cancel, and the pages before stay.

    Raises
    ------
    ConfigError
        If a page or a format is not known, or the pixel outside the array.
    OutputError
        If a file cannot be written.
    """
    chosen = list(PAGES) if names is None else list(names)
    unknown = [name for name in chosen if name not in PAGES]
    if unknown:
        raise ConfigError(f"Plots: page {unknown[0]!r} is not known; choose of {', '.join(PAGES)}.")
    if fmt not in ("pdf", "png", "svg"):
        raise ConfigError(f"Plots: format {fmt!r} is not known; choose pdf, png or svg.")
    where = Facts.of(solution).typical_pixel() if pixel is None else pixel
    paths = []
    for number, name in enumerate(chosen):
        progress(number, len(chosen), f"drawing {name}")
        pages = [PAGES[name](solution, where) if name in _OF_ONE_PIXEL else PAGES[name](solution)]
        if name == "summary" and fmt == "pdf":
            pages.append(resolutionimage(solution))
        paths.append(_write(pages, Path(folder) / f"{name}.{fmt}"))
    return paths


def _write(pages: Sequence[Figure], path: Path) -> Path:
    with suppress(OSError):  # what is wrong with the folder is said when writing
        path.parent.mkdir(parents=True, exist_ok=True)
    with write_aside(path, replace=True) as part, styled():
        if path.suffix == ".pdf":
            with PdfPages(part, metadata={"CreationDate": None}) as file:
                for page in pages:
                    file.savefig(page)
        else:
            pages[0].savefig(part, format=path.suffix[1:])
    return path
