"""The pages of flat-field solutions as PDF: every pixel's weights, weights and masks by wavelength.

Drawn without a plotting library (`pdfpages`), because there are thousands of panels; `plots` has the summary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.calibration import WavelengthCalibration
from pipeline_core.flatcal.binflags import BIN_FLAGS, first_reason
from pipeline_core.flatcal.bookparts import (
    BLUE,
    DARK,
    GREY,
    LETTER,
    LIGHT,
    RED,
    Panel,
    Scale,
    draw_colour_bar,
    draw_map,
    hot_palette,
    nice_top,
)
from pipeline_core.flatcal.solution import FlatSolution
from pipeline_core.flatfield import FlatCalibration
from pipeline_core.pdfpages import Canvas, PdfPages, polyline, segments
from pipeline_core.progress import Progress, silent
from pipeline_core.spectral_bins import HC_EV_NM

__all__ = [
    "write_applied_book",
    "write_mask_pages",
    "write_pixel_book",
    "write_slice_pages",
]

FloatArray = npt.NDArray[np.float64]

_WEIGHT_LIMITS = (0.5, 2.0)
_ROWS = 4
_MASK_COLOURS = np.array(
    [
        (190, 190, 190),
        (90, 90, 90),
        (228, 26, 28),
        (255, 127, 0),
        (152, 78, 163),
        (237, 248, 233),
    ],
    np.uint8,
)
"""Of each masking reason, and at last of bins with a weight."""


def write_pixel_book(
    solution: FlatSolution,
    path: Path,
    wavecal: WavelengthCalibration | None = None,
    pixels: Sequence[tuple[int, int]] | None = None,
    progress: Progress = silent,
) -> Path:
    """Write a book with one row a pixel: its weights with errors, the spectrum of the flat, its wavelength solution.

    Parameters
    ----------
    solution : FlatSolution
    path : Path
        Replaced where it exists.
    wavecal : WavelengthCalibration, optional
        That of the flat; without it, the third panel says so.
    pixels : sequence of (x, y), optional
        Default: all that have weights.
    progress : Progress
        May cancel.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    chosen = np.argwhere(solution.weighted) if pixels is None else np.asarray(pixels, int)
    what = "combined" if solution.index == 0 else f"chunk {solution.index}"
    title = f"Flat field {solution.solution_id}, {what}: weights of {len(chosen)} pixels"
    book = PdfPages(LETTER, title)
    row = _Rows(book, solution, wavecal)
    n_pages = max(-(-len(chosen) // _ROWS), 1)
    for page in range(n_pages):
        if page % 16 == 0:
            progress(page, n_pages, f"book of {path.stem}")
        canvas = Canvas()
        _head(canvas, title, page + 1, n_pages)
        for k, (x, y) in enumerate(chosen[page * _ROWS : (page + 1) * _ROWS].tolist()):
            row.draw(canvas, (x, y), 792 - 36 - 178 * (k + 1) + 38)
        book.add_page(canvas)
    progress(n_pages, n_pages, f"book of {path.stem}")
    return book.save(path)


def _head(canvas: Canvas, title: str, page: int, n_pages: int) -> None:
    canvas.fill(DARK).text(40, 768, title, 9)
    canvas.fill(GREY).text(572, 768, f"page {page} of {n_pages}", 7, "right")


class _Rows:
    """Draws one pixel's row of three panels."""

    def __init__(
        self, book: PdfPages, solution: FlatSolution, wavecal: WavelengthCalibration | None
    ) -> None:
        self._solution, self._wavecal = solution, wavecal
        low, high = float(solution.edges_nm[0]), float(solution.edges_nm[-1])
        nm = Scale(low, high)
        size = (144.0, 104.0)
        self._weights = Panel(book, "PW", size, nm, Scale(*_WEIGHT_LIMITS), "nm", "weight")
        self._counts = Panel(book, "PC", size, nm, None, "nm", "counts")
        self._phases = _phase_scale(wavecal)
        energies = Scale(*np.round(HC_EV_NM / np.array([high, low]) + [-0.05, 0.05], 2).tolist())
        self._curve = Panel(book, "PE", size, self._phases, energies, "phase (deg)", "energy (eV)")

    def draw(self, canvas: Canvas, pixel: tuple[int, int], y: float) -> None:
        """Draw the row of a pixel with its panels' lower edge at `y`."""
        solution = self._solution
        x0, step = 70.0, 186.0
        counts = float(solution.counts[pixel].sum())
        canvas.fill(DARK).text(
            x0 - 30,
            y + 112,
            f"pixel ({pixel[0]}, {pixel[1]})   resID {solution.res_id[pixel]}   {counts:.0f} counts   "
            f"{solution.live_s[pixel]:.2f} s alive",
            7.5,
        )
        self._draw_weights(canvas, pixel, x0, y)
        self._draw_spectrum(canvas, pixel, x0 + step, y)
        self._draw_curve(canvas, pixel, x0 + 2 * step, y)

    def _draw_weights(self, canvas: Canvas, pixel: tuple[int, int], x: float, y: float) -> None:
        panel, solution = self._weights, self._solution
        panel.place(canvas, x, y)
        nm = solution.wavelengths_nm
        weights, errors = solution.weights[pixel], solution.errors[pixel]
        px = panel.x(nm) + x
        low, high = (panel.y(weights + sign * errors) + y for sign in (-1, 1))
        canvas.stroke(LIGHT, 0.5).raw(segments(px, low, px, high))
        inside = (weights >= _WEIGHT_LIMITS[0]) & (weights <= _WEIGHT_LIMITS[1])
        if solution.n_knots[pixel]:
            canvas.stroke(BLUE, 0.9).raw(
                polyline(px, np.where(inside, panel.y(weights) + y, np.nan))
            )
        else:
            at = np.where(inside, panel.y(weights) + y, np.nan)
            canvas.stroke(BLUE, 1.4).raw(segments(px - 0.7, at, px + 0.7, at))
        # beyond the panel: a mark at its edge
        for beyond, edge in ((weights > _WEIGHT_LIMITS[1], 1), (weights < _WEIGHT_LIMITS[0], 0)):
            if beyond.any():
                at = np.full(px.size, y + panel.size[1] * edge)
                marks = np.where(beyond, px, np.nan)
                canvas.stroke(RED, 1.2).raw(segments(marks, at - 2, marks, at + 2))

    def _draw_spectrum(self, canvas: Canvas, pixel: tuple[int, int], x: float, y: float) -> None:
        panel, solution = self._counts, self._solution
        counts = solution.counts[pixel]
        top = nice_top(float(counts.max(initial=1.0)))
        panel.place(canvas, x, y, y_scale=Scale(0.0, top))
        edges = panel.x(np.repeat(solution.edges_nm, 2)[1:-1]) + x
        heights = Scale(0.0, top).place(np.repeat(counts, 2), panel.size[1]) + y
        if solution.kind == "laser":
            at = panel.x(solution.wavelengths_nm) + x
            bars = Scale(0.0, top).place(counts, panel.size[1]) + y
            canvas.stroke(BLUE, 2.0).raw(segments(at, np.full(at.size, y), at, bars))
            return
        canvas.stroke(BLUE, 0.7).raw(polyline(edges, heights))

    def _draw_curve(self, canvas: Canvas, pixel: tuple[int, int], x: float, y: float) -> None:
        panel, wavecal = self._curve, self._wavecal
        panel.place(canvas, x, y)
        if wavecal is None or not wavecal.calibrated[pixel]:
            canvas.fill(RED).text(x + 72, y + 50, "no wavelength solution", 7, "centre")
            return
        phases = np.linspace(self._phases.low, self._phases.high, 41).astype(np.float32)
        low, high = wavecal.valid_phase_deg[pixel]
        for values, colour in (
            (phases, LIGHT),
            (np.linspace(low, high, 31).astype(np.float32)[:-1], BLUE),
        ):
            energies = HC_EV_NM / wavecal.wavelengths(pixel, values).astype(np.float64)
            at = panel.x(values.astype(np.float64)) + x
            shown = np.where(panel.y_scale_holds(energies), panel.y(energies) + y, np.nan)
            canvas.stroke(colour, 1.0).raw(polyline(at, shown))


def _phase_scale(wavecal: WavelengthCalibration | None) -> Scale:
    """Return the range of phases in which the array's curves are valid, with some room."""
    if wavecal is None or not wavecal.calibrated.any():
        return Scale(-150.0, 0.0)
    valid = wavecal.valid_phase_deg[wavecal.calibrated]
    low, high = np.percentile(valid[:, 0], 2), np.percentile(valid[:, 1], 98)
    return Scale(10 * float(np.floor(low / 10 - 2)), 10 * float(np.ceil(min(high / 10 + 2, 0))))


def write_slice_pages(solution: FlatSolution, path: Path, progress: Progress = silent) -> Path:
    """Write a map of the weights beside one of the flat's counts for every bin of wavelength.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    book = PdfPages(LETTER, f"Flat field {solution.solution_id}: weights and counts by wavelength")
    book.add_palette("hot", hot_palette())
    draw_colour_bar(book)
    n_bin = solution.energies_ev.size
    per_page = 6
    n_pages = -(-n_bin // per_page)
    for page in range(n_pages):
        progress(page, n_pages, f"pages of {path.stem}")
        canvas = Canvas()
        _head(
            canvas,
            f"Flat field {solution.solution_id}: weights, and counts of the flat",
            page + 1,
            n_pages,
        )
        images: list[tuple[str, npt.NDArray[np.uint8], str]] = []
        for k, b in enumerate(range(page * per_page, min((page + 1) * per_page, n_bin))):
            x, y = 40 + 280 * (k % 2), 792 - 42 - 242 * (k // 2 + 1)
            canvas.fill(DARK).text(x, y + 222, f"{_range(solution, b)}", 8)
            counts = solution.counts[..., b]
            top = max(float(counts.mean() + 3 * counts.std()), 1.0)
            for place, values, limits, name in (
                (0, solution.weights[..., b], _WEIGHT_LIMITS, "weight"),
                (1, np.where(counts > 0, counts, np.nan), (0.0, top), "counts"),
            ):
                cells = draw_map(canvas, f"I{k}{place}", values, limits, (x + 133 * place, y), name)
                images.append((f"I{k}{place}", cells, "hot"))
        book.add_page(canvas, images)
    progress(n_pages, n_pages, f"pages of {path.stem}")
    return book.save(path)


def write_mask_pages(solution: FlatSolution, path: Path, progress: Progress = silent) -> Path:
    """Write a map of the pixels without weight, coloured by reason, for every bin of wavelength.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    book = PdfPages(LETTER, f"Flat field {solution.solution_id}: masks by wavelength")
    book.add_palette("reasons", _MASK_COLOURS)
    reasons = [flag for flag in BIN_FLAGS if flag.masks]
    n_bin = solution.energies_ev.size
    n_pages = -(-n_bin // 12)
    reason = first_reason(np.where(solution.masked, solution.bin_flags, 0).astype(np.uint8))
    cells = np.where(reason < 0, len(reasons), reason).astype(np.uint8)
    for page in range(n_pages):
        progress(page, n_pages, f"pages of {path.stem}")
        canvas = Canvas()
        title = f"Flat field {solution.solution_id}: pixels without weight"
        _head(canvas, title, page + 1, n_pages)
        images = []
        for k, b in enumerate(range(page * 12, min((page + 1) * 12, n_bin))):
            x, y = 40 + 138 * (k % 4), 792 - 55 - 218 * (k // 4 + 1)
            masked = int((reason[..., b] >= 0).sum())
            canvas.fill(DARK).text(x, y + 200, f"{_range(solution, b)}: {masked}", 6.5)
            part = cells[..., b].T[::-1]
            scale = min(120 / part.shape[1], 190 / part.shape[0])
            wide, high = part.shape[1] * scale, part.shape[0] * scale
            canvas.use(f"I{k}", x, y + 195 - high, wide, high)
            canvas.stroke(GREY, 0.4).box(x, y + 195 - high, wide, high)
            images.append((f"I{k}", part, "reasons"))
        _legend(canvas, [flag.sentence for flag in reasons])
        book.add_page(canvas, images)
    progress(n_pages, n_pages, f"pages of {path.stem}")
    return book.save(path)


def _legend(canvas: Canvas, sentences: list[str]) -> None:
    names = [*sentences, "Has a weight."]
    for k, (name, colour) in enumerate(zip(names, _MASK_COLOURS / 255, strict=True)):
        x, y = 40 + 270 * (k % 2), 56 - 12 * (k // 2)
        canvas.fill(tuple(colour.tolist())).box(x, y, 8, 8, "f")
        canvas.stroke(GREY, 0.4).box(x, y, 8, 8)
        canvas.fill(DARK).text(x + 12, y + 1.5, name, 7)


def _range(solution: FlatSolution, b: int) -> str:
    """Return the wavelengths of a bin."""
    if solution.kind == "laser":
        return f"laser {solution.wavelengths_nm[b]:.1f} nm"
    return f"{solution.edges_nm[b]:.1f} to {solution.edges_nm[b + 1]:.1f} nm"


def write_applied_book(base: Path, flat: FlatCalibration, progress: Progress = silent) -> Path:
    """Write the weights that photons get, pixel by pixel, as ``<base>FlatCalSolnPlotsPerPixel.pdf``; return its path.

    Parameters
    ----------
    base : Path
        The solution, or the base name.
    flat : FlatCalibration
    progress : Progress
        May cancel.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = base.with_name(base.name.removesuffix(".h5") + "FlatCalSolnPlotsPerPixel.pdf")
    chosen = np.argwhere(flat.weighted)
    title = f"Applied weights of flat field {flat.solution_id}: {len(chosen)} pixels"
    book = PdfPages(LETTER, title)
    nm = Scale(float(flat.edges_nm[0]), float(flat.edges_nm[-1]))
    panel = Panel(book, "PA", (222.0, 118.0), nm, Scale(0.0, 5.0), "nm", "weight")
    middles = HC_EV_NM / flat.energies_ev
    fine = np.linspace(nm.low, nm.high, 81)[:-1].astype(np.float32)
    n_pages = max(-(-len(chosen) // 8), 1)
    for page in range(n_pages):
        if page % 16 == 0:
            progress(page, n_pages, f"book of {path.stem}")
        canvas = Canvas()
        _head(canvas, title, page + 1, n_pages)
        for k, pixel in enumerate(chosen[page * 8 : (page + 1) * 8].tolist()):
            x, y = 70 + 276 * (k % 2), 792 - 40 - 174 * (k // 2 + 1) + 30
            where = (pixel[0], pixel[1])
            canvas.fill(DARK).text(x - 30, y + 125, f"pixel ({where[0]}, {where[1]})", 7.5)
            panel.place(canvas, x, y)
            px = panel.x(middles) + x
            weights, errors = flat.weights[where].astype(float), flat.errors[where].astype(float)
            low, high = (panel.y(np.clip(weights + s * errors, 0, 5)) + y for s in (-1, 1))
            canvas.stroke(LIGHT, 0.5).raw(segments(px, low, px, high))
            at = panel.y(np.clip(weights, 0, 5)) + y
            canvas.stroke(GREY, 1.4).raw(segments(px - 0.7, at, px + 0.7, at))
            applied = panel.y(np.clip(flat.weights_of(where, fine), 0, 5).astype(float)) + y
            canvas.stroke(BLUE, 0.8).raw(polyline(panel.x(fine.astype(float)) + x, applied))
        book.add_page(canvas)
    progress(n_pages, n_pages, f"book of {path.stem}")
    return book.save(path)
