"""What a person looks at in a solution: maps of the array, histograms over it, and one pixel, as plain values.

For the window, which does no numerics; the pages on paper are `plots`. Detector arrays are [x, y].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.arraymap import ArrayMap, categories_map
from pipeline_core.flags import FLAGS, flag_names
from pipeline_core.wavecal.curves import CURVE_KINDS
from pipeline_core.wavecal.plotfacts import CurveFacts, Facts, LineFacts, curve_facts, line_facts
from pipeline_core.wavecal.reasons import main_causes
from pipeline_core.wavecal.solution import Solution

__all__ = [
    "CentreHistogram",
    "PixelPage",
    "SolutionFacts",
    "array_map",
    "centre_histogram",
    "map_names",
    "pixel_page",
    "solution_facts",
]

FloatArray = npt.NDArray[np.float64]

_CALIBRATED = "calibrated"
_BINS = 130  # of a degree, from -150 to -20
_SPAN_DEG = (-150.0, -20.0)
_WAVECAL = sum(1 << flag.bit for flag in FLAGS if flag.name.startswith("wavecal."))


@dataclass(frozen=True, eq=False)
class SolutionFacts:
    """What a window says of a solution beside pictures.

    Attributes
    ----------
    solution_id, camera, made : str
    shape : (ncols, nrows)
    wavelengths_nm : tuple of float
    n_calibrated, n_lit : int
        Calibrated pixels, and pixels with photons.
    median_r : float
        NaN where there is none.
    pareto : tuple of (str, int)
        Why pixels are not calibrated, and how many.
    refits : tuple of str
    """

    solution_id: str
    camera: str
    shape: tuple[int, int]
    wavelengths_nm: tuple[float, ...]
    n_calibrated: int
    n_lit: int
    median_r: float
    pareto: tuple[tuple[str, int], ...]
    refits: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CentreHistogram:
    """How many calibrated pixels have their lines at which phase: `edges` in degrees, `counts` (n_line, n_bin).

    `rank`: places of the lines between 0 (the shortest wavelength) and 1, for colours.
    """

    wavelengths_nm: tuple[float, ...]
    edges: FloatArray
    counts: npt.NDArray[np.int64]
    medians: FloatArray
    rank: FloatArray


@dataclass(frozen=True, eq=False)
class PixelPage:
    """Everything about one pixel.

    Attributes
    ----------
    pixel : (x, y)
    res_id : int
    title, condition : str
        The latter says why the pixel is not calibrated, or that it is.
    calibrated : bool
    curve_kind : str
    flags : tuple of str
        Names of the calibration's flags that are set.
    wavelengths_nm, rank : of the lines; their places between 0 (the shortest) and 1, for colours
    span_deg : (float, float)
        Phases between which histograms have something to show.
    lines : tuple of LineFacts
    curve : CurveFacts
    median_r : float
    cuts : str
        What the cuts have taken.
    """

    pixel: tuple[int, int]
    res_id: int
    title: str
    condition: str
    calibrated: bool
    curve_kind: str
    flags: tuple[str, ...]
    wavelengths_nm: tuple[float, ...]
    rank: FloatArray
    span_deg: tuple[float, float]
    lines: tuple[LineFacts, ...]
    curve: CurveFacts
    median_r: float
    cuts: str


def solution_facts(solution: Solution) -> SolutionFacts:
    """Return what a solution is, in a few numbers."""
    r = Facts.of(solution).pixel_r()
    r = r[np.isfinite(r)]
    return SolutionFacts(
        solution_id=solution.solution_id,
        camera=solution.camera,
        shape=solution.shape,
        wavelengths_nm=tuple(solution.wavelengths_nm.tolist()),
        n_calibrated=int(solution.calibrated.sum()),
        n_lit=int(solution.histograms.n_negative.any(1).sum()),
        median_r=float(np.median(r)) if r.size else float("nan"),
        pareto=solution.pareto,
        refits=solution.refits,
    )


def map_names(wavelengths_nm: tuple[float, ...]) -> tuple[tuple[str, str], ...]:
    """Return name and label of every map of a solution with these lines, for `array_map`."""
    lines = [f"{nm:g}" for nm in wavelengths_nm]
    return (
        ("r", "Median R"),
        *((f"r:{k}", f"R at {nm} nm") for k, nm in enumerate(lines)),
        *((f"centre:{k}", f"Line center at {nm} nm") for k, nm in enumerate(lines)),
        *((f"sigma:{k}", f"Line sigma at {nm} nm") for k, nm in enumerate(lines)),
        ("reason", "Reasons"),
        ("flags", "Flags"),
        ("curve", "Kinds of curve"),
    )


def array_map(solution: Solution, name: str) -> ArrayMap:
    """Return a map by its name: one of `map_names`.

    Raises
    ------
    KeyError
        If there is no such map.
    """
    label = dict(map_names(tuple(solution.wavelengths_nm.tolist())))[name]
    if name == "reason":
        causes = main_causes(solution.flags.ravel(), solution.lines, solution.curves)
        words = [cause or _CALIBRATED for cause in causes.tolist()]
        return categories_map(name, label, words, solution.shape)
    if name == "flags":
        bits = (solution.flags.ravel() & np.uint32(_WAVECAL)).tolist()
        texts = {
            b: " + ".join(n.removeprefix("wavecal.").replace("_", " ") for n in flag_names(b))
            for b in set(bits)
        }
        return categories_map(name, label, [texts[b] or "no flag" for b in bits], solution.shape)
    if name == "curve":
        kinds = np.where(solution.calibrated.ravel(), solution.curves.kind, 0).tolist()
        return categories_map(
            name, label, [CURVE_KINDS[k].replace("_", " ") for k in kinds], solution.shape
        )
    facts = Facts.of(solution)
    if name == "r":
        return ArrayMap(name, label, "E / FWHM", facts.pixel_r().reshape(facts.shape))
    what, _, line = name.partition(":")
    of = {
        "r": (facts.r, "E / FWHM"),
        "centre": (facts.centre, "deg"),
        "sigma": (facts.sigma, "deg"),
    }
    values, unit = of[what]
    k = int(line)
    shown = np.where(facts.good_lines[:, k] & facts.calibrated, values[:, k], np.nan)
    return ArrayMap(name, label, unit, shown.reshape(facts.shape))


def centre_histogram(solution: Solution) -> CentreHistogram:
    """Return what the page `plots.centerhist` draws."""
    facts = Facts.of(solution)
    edges = np.linspace(*_SPAN_DEG, _BINS + 1)
    shown = np.where(facts.good_lines & facts.calibrated[:, None], facts.centre, np.nan)
    columns = [column[np.isfinite(column)] for column in shown.T]
    return CentreHistogram(
        wavelengths_nm=tuple(facts.wavelengths.tolist()),
        edges=edges,
        counts=np.array([np.histogram(column, edges)[0] for column in columns]),
        medians=np.array([np.median(c) if c.size else np.nan for c in columns]),
        rank=_ranks(facts),
    )


def _ranks(facts: Facts) -> FloatArray:
    return np.linspace(0.0, 1.0, facts.wavelengths.size)


def pixel_page(solution: Solution, pixel: tuple[int, int]) -> PixelPage:
    """Return everything about a pixel.

    Raises
    ------
    ConfigError
        If it is outside the array.
    """
    facts = Facts.of(solution)
    p = facts.number(pixel)
    kept = facts.r[p, facts.good_lines[p]]
    kept = kept[np.isfinite(kept)]
    return PixelPage(
        pixel=pixel,
        res_id=int(facts.res_id[p]),
        title=facts.title(p, curve=False),
        condition=facts.condition(p),
        calibrated=bool(facts.calibrated[p]),
        curve_kind=CURVE_KINDS[solution.curves.kind[p]].replace("_", " "),
        flags=flag_names(int(solution.flags[pixel]) & _WAVECAL),
        wavelengths_nm=tuple(facts.wavelengths.tolist()),
        rank=_ranks(facts),
        span_deg=facts.histogram_limits(p),
        lines=tuple(line_facts(facts, p, j) for j in range(facts.wavelengths.size)),
        curve=curve_facts(facts, p),
        median_r=float(np.median(kept)) if kept.size else float("nan"),
        cuts=_cuts(solution, p),
    )


def _cuts(solution: Solution, p: int) -> str:
    """Say what share of a pixel's photons each cut took."""
    found = solution.histograms
    raw = int(found.n_raw[p].sum())
    if not raw:
        return "No photons."
    after, negative = int(found.n_after_dt[p].sum()), int(found.n_negative[p].sum())
    hot = ", ".join(f"{nm:g}" for nm in solution.wavelengths_nm[found.hot[p]])
    text = (
        f"{raw:,} photons; {100 * (raw - after) / raw:.1f} % cut as pile-up, "
        f"{100 * (after - negative) / raw:.1f} % with a phase that is not negative"
    )
    return f"{text}; hot at {hot} nm." if hot else f"{text}."
