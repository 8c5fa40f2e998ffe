"""What the pages of a solution show, as plain arrays: no drawing here. `plots` draws it.

Pixels are numbered ``x * nrows + y``; lines ascend in wavelength.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.utc import utc_words
from pipeline_core.wavecal.curves import CURVE_KINDS, energy_ev
from pipeline_core.wavecal.linefit import STATUS, dark_spectra
from pipeline_core.wavecal.models import COMPONENTS, MODEL_NAMES, PARAMETERS, evaluate

if TYPE_CHECKING:
    from pipeline_core.wavecal.solution import Solution

__all__ = [
    "COMPONENT_NAMES",
    "CurveFacts",
    "Facts",
    "LineFacts",
    "curve_facts",
    "line_facts",
    "running_median",
    "summary_blocks",
]

COMPONENT_NAMES = dict(
    zip(COMPONENTS, ("line", "second peak", "noise tail", "floor", "background"), strict=True)
)
_STATUS_WORDS = {
    "no_photons": "no photons",
    "few_photons": "too few photons",
    "no_line": "no line here",
    "doubled": "two peaks",
    "bad_fit": "the model does not fit",
    "below_edge": "below the trigger edge",
    "hot": "too hot",
    "not_converged": "the fit did not converge",
}

_COLOUR_RANGE = 0.9  # the last tenth of viridis is too light for white paper
_MARGIN = 0.12  # of the distance between the outermost lines
_MIN_SHOWN_DEG = 10.0
_MOST_MEDIANS = 400
_FEWEST = 5  # values for a median
_MOST_ROWS = 6  # of reasons and files on the summary page
_LEAST_TAIL = 0.01  # counts per degree
_CURVE_POINTS = 1000

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Facts:
    """Arrays of a solution, (n_pixel,) or (n_pixel, n_line) unless noted; pixels that are not selected are not good.

    Attributes
    ----------
    shape : (ncols, nrows)
    wavelengths, energies, colour_scale : ndarray, shape (n_line,)
        nm; eV; place of the line's colour between 0 and 1.
    chosen, calibrated, good_lines : ndarray of bool
        Chosen: of the feedline that was asked for.
    selection : str
        What the titles say of the selection.
    """

    shape: tuple[int, int]
    wavelengths: FloatArray
    energies: FloatArray
    colour_scale: FloatArray
    res_id: npt.NDArray[np.uint32]
    chosen: BoolArray
    calibrated: BoolArray
    good_lines: BoolArray
    r: FloatArray
    centre: FloatArray
    centre_error: FloatArray
    sigma: FloatArray
    solution: Solution
    selection: str = ""

    @classmethod
    def of(cls, solution: Solution, feedline: int | None = None) -> Facts:
        """Collect the arrays; of one feedline (resID // 10000), or of all."""
        res_id = solution.res_id.ravel()
        chosen = np.ones(res_id.size, bool) if feedline is None else res_id // 10_000 == feedline
        wavelengths = np.asarray(solution.wavelengths_nm, float)
        energies = HC_EV_NM / wavelengths
        span = energies[0] - energies[-1]
        scale = (energies - energies[-1]) / span if span > 0 else np.full(energies.size, 0.5)
        fits = solution.lines
        return cls(
            shape=solution.shape,
            wavelengths=wavelengths,
            energies=energies,
            colour_scale=_COLOUR_RANGE * scale,
            res_id=res_id,
            chosen=chosen,
            calibrated=solution.calibrated.ravel() & chosen,
            good_lines=(fits.status == STATUS.index("ok")) & chosen[:, None],
            r=solution.resolving_power,
            centre=fits.centre_deg,
            centre_error=fits.centre_error,
            sigma=fits.sigma_deg,
            solution=solution,
            selection="" if feedline is None else f", feedline {feedline}",
        )

    # ---- one pixel

    def number(self, pixel: tuple[int, int]) -> int:
        """Return the number of a pixel.

        Raises
        ------
        ConfigError
            If it is outside the array.
        """
        x, y = pixel
        ncols, nrows = self.shape
        if not (0 <= x < ncols and 0 <= y < nrows):
            raise ConfigError(
                f"Plots: pixel ({x}, {y}) is outside the array of {ncols} x {nrows} pixels."
            )
        return x * nrows + y

    def typical_pixel(self) -> tuple[int, int]:
        """Return the calibrated pixel whose median R is the array's; without any, the one with most good lines."""
        r = self.pixel_r()
        if np.isfinite(r).any():
            p = int(np.nanargmin(np.abs(r - np.nanmedian(r))))
        else:
            p = int(np.argmax(self.good_lines.sum(1)))
        x, y = divmod(p, self.shape[1])
        return x, y

    def title(self, p: int, curve: bool = True) -> str:
        """Return ``arctan, pixel (x, y), resID n``."""
        x, y = divmod(p, self.shape[1])
        kind = CURVE_KINDS[self.solution.curves.kind[p]]
        name = f"{kind.replace('_', ' ')} curve, " if curve and kind != "none" else ""
        text = f"{name}pixel ({x}, {y}), resID {self.res_id[p]}"
        return text[0].upper() + text[1:]

    def condition(self, p: int) -> str:
        """Return why the pixel is not calibrated, or that it is."""
        return self.solution.reasons[p] or "Calibrated."

    def energy_slope(self, p: int, phase: float) -> float:
        """Return ``d energy / d phase`` of the fitted curve in eV a degree."""
        low, high = self.energy(p, np.array([phase - 0.01, phase + 0.01]))
        return float(high - low) / 0.02

    def energy(self, p: int, phase: FloatArray) -> FloatArray:
        """Return the fitted curve of a pixel in eV; NaN without one."""
        curves = self.solution.curves
        if curves.kind[p] == 0:
            return np.full(phase.shape, np.nan)
        valid = curves.valid_phase_deg[p]
        return energy_ev(curves.kind[p], curves.coefficients[p], valid, phase)

    def valid_phase(self, p: int) -> tuple[float, float]:
        """Return between which phases the curve is not extrapolated."""
        low, high = self.solution.curves.valid_phase_deg[p]
        return float(low), float(high)

    def phase_limits(self, p: int) -> tuple[float, float]:
        """Return from where to where a curve is drawn."""
        centre = self.centre[p, self.good_lines[p]]
        ends = np.concatenate([centre, self.solution.curves.valid_phase_deg[p]])
        ends = ends[np.isfinite(ends)]
        if not ends.size:
            return -150.0, -20.0
        margin = max(_MARGIN * float(np.ptp(ends)), 2.0)
        return float(ends.min()) - margin, min(float(ends.max()) + margin, 0.0)

    def histogram_limits(self, p: int) -> tuple[float, float]:
        """Return the phases between which a pixel's histograms have something to show."""
        counts, edges = self.solution.counts[p].sum(0), self.solution.edges_deg
        cumulated = np.cumsum(counts) / max(counts.sum(), 1)
        if not counts.any():
            return -150.0, 0.0
        low = float(edges[np.searchsorted(cumulated, 0.002)])
        return low - _MIN_SHOWN_DEG, 0.0

    # ---- the array

    @property
    def bin_deg(self) -> float:
        """Width of the histograms' bins."""
        edges = self.solution.edges_deg
        return float(edges[1] - edges[0])

    def pixel_r(self) -> FloatArray:
        """Return the median over the good lines of calibrated pixels, else NaN."""
        kept = np.where(self.good_lines & self.calibrated[:, None], self.r, np.nan)
        result = np.full(kept.shape[0], np.nan)
        some = np.isfinite(kept).any(1)
        result[some] = np.nanmedian(kept[some], 1)
        return result

    def highest_r(self) -> float:
        """Return where axes of R end: outliers may stick out."""
        kept = self.r[self.good_lines & self.calibrated[:, None]]
        kept = kept[np.isfinite(kept)]
        return float(np.ceil(np.percentile(kept, 99.5))) if kept.size else 10.0

    def r_against_frequency(self) -> tuple[FloatArray, FloatArray, bool]:
        """Return frequency in GHz (or, where none is known, resID), median R, and whether it is the frequency."""
        r = self.pixel_r()
        _, first, times = np.unique(self.res_id, return_index=True, return_counts=True)
        unique = np.zeros(r.size, bool)
        unique[first[times == 1]] = True
        frequency = np.asarray(self.solution.frequency_mhz, float).ravel() / 1000
        known = bool(np.isfinite(frequency).any())
        x = frequency if known else self.res_id.astype(float)
        kept = unique & np.isfinite(r) & np.isfinite(x)
        return x[kept], r[kept], known

    def parameter_panels(self) -> list[tuple[str, FloatArray]]:
        """Return label and values of what `plots.fitparameters` shows."""
        values = np.moveaxis(self.solution.lines.parameters, -1, 0)
        of = dict(zip(PARAMETERS, values, strict=True))
        # far below one count there is no tail, and its slope says nothing
        none = ~(of["tail_per_deg"] > _LEAST_TAIL)
        of["tail_per_deg"] = np.where(none, np.nan, of["tail_per_deg"])
        of["tail_slope_per_deg"] = np.where(none, np.nan, of["tail_slope_per_deg"])
        with np.errstate(divide="ignore", invalid="ignore"):
            return [
                ("log10 tail at the edge [counts per degree]", np.log10(of["tail_per_deg"])),
                ("tail slope [1 per degree]", of["tail_slope_per_deg"]),
                ("log10 photons in the line", np.log10(of["n_signal"])),
                ("line sigma [degrees]", of["sigma_deg"]),
            ]


@dataclass(frozen=True, eq=False)
class LineFacts:
    """One panel of `plots.histogramfits`: counts per bin, fitted ones (None without a fit), components, words."""

    edges: FloatArray
    counts: npt.NDArray[np.uint32]
    expected: FloatArray | None
    components: FloatArray
    good: bool
    text: str


def line_facts(facts: Facts, p: int, j: int) -> LineFacts:
    """Collect what is known of a line of a pixel."""
    solution = facts.solution
    fits, edges = solution.lines, solution.edges_deg
    counts = solution.counts[p, j]
    model = int(fits.model[p, j])
    good = bool(facts.good_lines[p, j])
    expected, components = None, np.zeros((len(COMPONENTS), counts.size))
    words = [f"{int(counts.sum())} photons"]
    if counts.any():
        found, parts = evaluate(model, fits.parameters[p, j], edges, _dark(solution, p, j))
        if np.isfinite(found).all():
            expected, components = found, parts
    if model:
        words.append(f"center {fits.centre_deg[p, j]:.2f} ± {fits.centre_error[p, j]:.2f}°")
        words.append(f"sigma {fits.sigma_deg[p, j]:.2f}°")
    if good and np.isfinite(facts.r[p, j]):
        words.append(f"R = {facts.r[p, j]:.1f}")
    if not good:
        words.append(_STATUS_WORDS[STATUS[int(fits.status[p, j])]])
    words.insert(0, MODEL_NAMES[model].replace("_", " + ") if model else "tail only")
    return LineFacts(edges, counts, expected, components, good, "\n".join(words))


def _dark(solution: Solution, p: int, j: int) -> FloatArray | None:
    """Return what was expected of the dark of a line, (2, n_bin)."""
    histograms, fits = solution.histograms, solution.lines
    softness = fits.parameters[p, j, PARAMETERS.index("softness_deg")]
    if histograms.background is None or not np.isfinite(fits.edge_deg[p] + softness):
        return None
    one = slice(j, j + 1)
    edge = float(fits.edge_deg[p])
    found = dark_spectra(
        histograms.background[p, one],
        histograms.background_scale[p, one],
        solution.edges_deg,
        edge,
        float(softness),
    )
    return np.asarray(found[0])


@dataclass(frozen=True, eq=False)
class CurveFacts:
    """The curve of a pixel and the lines that it goes through.

    Attributes
    ----------
    phase, energy : ndarray, shape (n,)
        Degrees, eV, as far as the curve is drawn; NaN without one.
    inside : ndarray of bool, shape (n,)
        Where it is not extrapolated.
    line : ndarray of int
        Numbers of the good lines; the following have one value for each.
    used : ndarray of bool
        Whether the curve rests on the line.
    centre, centre_error, line_energy : ndarray
        Degrees, degrees, eV.
    residual, residual_error : ndarray
        Curve minus line, in percent of the energy.
    """

    phase: FloatArray
    energy: FloatArray
    inside: BoolArray
    line: npt.NDArray[np.intp]
    used: BoolArray
    centre: FloatArray
    centre_error: FloatArray
    line_energy: FloatArray
    residual: FloatArray
    residual_error: FloatArray


def curve_facts(facts: Facts, p: int) -> CurveFacts:
    """Collect what is known of the curve of a pixel."""
    line = np.flatnonzero(facts.good_lines[p])
    centre, error, energy = facts.centre[p, line], facts.centre_error[p, line], facts.energies[line]
    low, high = facts.phase_limits(p)
    phase = np.linspace(low, high, _CURVE_POINTS)
    valid = facts.valid_phase(p)
    slope = np.array([abs(facts.energy_slope(p, c)) for c in centre.tolist()])
    return CurveFacts(
        phase=phase,
        energy=facts.energy(p, phase),
        inside=(phase >= valid[0]) & (phase <= valid[1]),
        line=line,
        used=facts.solution.curves.used[p, line],
        centre=centre,
        centre_error=error,
        line_energy=energy,
        residual=100 * (facts.energy(p, centre) / energy - 1),
        residual_error=100 * slope * error / energy,
    )


def running_median(x: FloatArray, y: FloatArray, window: float) -> tuple[FloatArray, FloatArray]:
    """Return places along `x` and the median of `y` within ``window / 2`` of each, NaN where it has few."""
    order = np.argsort(x)
    x, y = x[order], y[order]
    at = np.linspace(x[0], x[-1], _MOST_MEDIANS) if x.size > _MOST_MEDIANS else x
    low = np.searchsorted(x, at - window / 2, side="left")
    high = np.searchsorted(x, at + window / 2, side="right")
    medians = [
        np.median(y[a:b]) if b - a >= _FEWEST else np.nan for a, b in zip(low, high, strict=True)
    ]
    return at, np.array(medians)


def summary_blocks(facts: Facts) -> list[tuple[str, list[str]]]:
    """Return headings and lines of text of the summary page: what came out, and of what it was made."""
    solution = facts.solution
    return [
        ("Line fits", _line_lines(facts)),
        ("Calibration curves", _curve_lines(facts)),
        (
            "Pixels without calibration",
            [f"{n:>6}  {text}" for text, n in solution.pareto[:_MOST_ROWS]],
        ),
        ("Laser files", _input_lines(facts)),
        ("Solution", _identity_lines(facts)),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else f"{part} of 0"


def _line_lines(facts: Facts) -> list[str]:
    fits = facts.solution.lines
    lit = (facts.solution.counts.sum(2) > 0) & facts.chosen[:, None]
    mapped = facts.chosen & (facts.solution.code.ravel() == 0)
    good = facts.good_lines
    n_line = facts.wavelengths.size
    lines = [
        f"laser lines                {n_line}",
        f"good fits                  {_share(int(good.sum()), int(facts.chosen.sum()) * n_line)}",
        f"  of those with photons    {_share(int((good & lit).sum()), int(lit.sum()))}",
        f"  of beam-mapped pixels    {_share(int(good[mapped].sum()), int(mapped.sum()) * n_line)}",
        f"pixels, all lines good     {_share(int(good.all(1).sum()), int(facts.chosen.sum()))}",
    ]
    for number, name in enumerate(MODEL_NAMES[1:], 1):
        n = int((good & (fits.model == number)).sum())
        lines.append(f"  {name:<24} {_share(n, int(good.sum()))}")
    return lines


def _curve_lines(facts: Facts) -> list[str]:
    curves = facts.solution.curves
    calibrated = facts.calibrated
    lit = facts.solution.counts.any((1, 2)) & facts.chosen
    mapped = facts.chosen & (facts.solution.code.ravel() == 0)
    lines = [
        f"calibrated pixels          {_share(int(calibrated.sum()), int(facts.chosen.sum()))}",
        f"  of those with photons    {_share(int((calibrated & lit).sum()), int(lit.sum()))}",
        f"  of beam-mapped pixels    {_share(int((calibrated & mapped).sum()), int(mapped.sum()))}",
    ]
    for number, name in enumerate(CURVE_KINDS[1:], 1):
        n = int((calibrated & (curves.kind == number)).sum())
        if n:
            lines.append(f"  {name:<24} {_share(n, int(calibrated.sum()))}")
    n = int((calibrated & curves.prior_assisted).sum())
    lines.append(f"  lean on their feedline   {_share(n, int(calibrated.sum()))}")
    r = facts.pixel_r()
    r = r[np.isfinite(r)]
    if r.size:
        low, middle, high = np.percentile(r, [16, 50, 84])
        lines.append(f"median R                   {middle:.2f} (68 %: {low:.2f} to {high:.2f})")
    return lines


def _input_lines(facts: Facts) -> list[str]:
    lines = []
    inputs = facts.solution.inputs
    for one in inputs[:_MOST_ROWS]:
        name = "background" if np.isnan(one.wavelength_nm) else f"{one.wavelength_nm:g} nm"
        size = f"{one.exposure_s:g} s, {one.n_photons / 1e6:.1f} M photons"
        lines.append(f"{name:<11} {one.path.name}, {size}")
    if len(inputs) > _MOST_ROWS:
        lines.append(f"and {len(inputs) - _MOST_ROWS} more")
    return lines or ["not known"]


def _identity_lines(facts: Facts) -> list[str]:
    solution = facts.solution
    ncols, nrows = facts.shape
    return [
        f"id {solution.solution_id}",
        f"{solution.camera}, {ncols} x {nrows} pixels, baseline {solution.baseline}",
        f"made {utc_words(solution.created_unix)} with version {solution.software}",
    ]
