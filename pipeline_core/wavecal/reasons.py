"""Verdicts on pixels: flag bits, a sentence that a person can read, and how often which reason occurs in the array.

`compute` calls it when lines and curves are fitted. Nothing here fits anything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.flags import PixelFlag
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal.curvefit import OUTLIER_P
from pipeline_core.wavecal.curves import CURVE_KINDS, Curves, energy_ev
from pipeline_core.wavecal.histograms import LaserHistograms
from pipeline_core.wavecal.linefit import STATUS, LineFits

__all__ = ["FEWEST_LINES", "Verdicts", "judge", "main_causes", "pareto_of"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

FEWEST_LINES = 3
"""A pixel needs so many lines on its curve; where there are only two lasers, both, and it is flagged."""
_LARGEST_MISFIT = 0.03
"""Of energy, at a line: a curve that is wrong by more, and significantly, is not used."""

_WRONG_ORDER, _NO_CURVE, _MISFIT = (
    "larger energies do not give larger pulses",
    "no monotonic curve passes through the lines",
    "the lines do not lie on one curve",
)
_SUMMARIES = {
    "no_photons": "no photons",
    "few_photons": "too few photons",
    "no_line": "no line found",
    "doubled": "two peaks",
    "bad_fit": "the line has another shape",
    "below_edge": "lines below the trigger edge",
    "hot": "hot",
    "not_converged": "the line fit did not converge",
}
_CONTRADICTS = "a line contradicts the others"


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What became of the pixels.

    Attributes
    ----------
    flags : ndarray of uint32, shape (n_pixel,)
        Bits ``wavecal.*``.
    reasons : tuple of str
        One for each pixel; '' where nothing is wrong.
    pareto : tuple of (str, int)
        Reasons for which pixels are not calibrated, and how many, most frequent first.
    """

    flags: npt.NDArray[np.uint32]
    reasons: tuple[str, ...]
    pareto: tuple[tuple[str, int], ...]


def judge(
    wavelengths_nm: FloatArray, histograms: LaserHistograms, lines: LineFits, curves: Curves
) -> Verdicts:
    """Judge all pixels.

    Parameters
    ----------
    wavelengths_nm : ndarray, shape (n_line,)
    histograms : LaserHistograms
    lines : LineFits
    curves : Curves
    """
    n_used = curves.used.sum(1)
    few = n_used < min(FEWEST_LINES, len(wavelengths_nm))
    misfit = _misfit(wavelengths_nm, lines, curves)
    invalid = (curves.p_value < OUTLIER_P) & (np.abs(misfit).max(1, initial=0.0) > _LARGEST_MISFIT)
    wrong_order = curves.not_monotonic & ~few
    no_curve = (curves.kind == 0) & ~few & ~wrong_order
    bad = few | wrong_order | no_curve | invalid
    bits = {
        "wavecal_bad": bad,
        "wavecal_failed_validation": invalid & ~few,
        "wavecal_failed_convergence": no_curve,
        "wavecal_not_monotonic": wrong_order,
        "wavecal_not_enough_histogram_fits": n_used < FEWEST_LINES,
        "wavecal_no_histograms": ~lines.ok.any(1),
        "wavecal_histogram_fit_problems": ~curves.used.all(1),
        "wavecal_linear": curves.kind == CURVE_KINDS.index("linear"),
        "wavecal_quadratic": np.isin(
            curves.kind, [CURVE_KINDS.index("quadratic"), CURVE_KINDS.index("energy_quadratic")]
        ),
    }
    flags = np.zeros(n_used.size, np.uint32)
    for name, where in bits.items():
        flags[where] |= np.uint32(PixelFlag[name])
    sentences = _Sentences(wavelengths_nm, histograms, lines, curves, misfit)
    reasons = [""] * n_used.size
    of_curve = _curve_causes(flags)
    for p in np.flatnonzero(bad | ~curves.used.all(1)).tolist():
        reasons[p] = sentences.of(p, str(of_curve[p]), bool(bad[p]))
    return Verdicts(flags, tuple(reasons), pareto_of(main_causes(flags, lines, curves)))


def main_causes(
    flags: npt.NDArray[np.uint32], lines: LineFits, curves: Curves
) -> npt.NDArray[np.str_]:
    """Return in a few words why each pixel is not calibrated, '' where it is; shape (n_pixel,).

    Of a pixel that has too few lines this is what is wrong with most of them; of equal ones the first of `STATUS`.
    """
    missing = ~curves.used
    counts = np.zeros((flags.size, len(STATUS)), np.int64)
    for code in range(len(STATUS)):
        counts[:, code] = (missing & (lines.status == code)).sum(1)
    contradicts = counts[:, 0] == counts.max(1)
    counts[:, 0] = 0
    words = np.array(["", *(_SUMMARIES[name] for name in STATUS[1:])])
    of_lines = np.where(contradicts, _CONTRADICTS, words[counts.argmax(1)])
    of_curve = _curve_causes(flags)
    causes = np.where(of_curve != "", of_curve, of_lines)
    return np.where(flags & np.uint32(PixelFlag["wavecal_bad"]), causes, "")


def pareto_of(causes: npt.NDArray[np.str_]) -> tuple[tuple[str, int], ...]:
    """Return causes and how many pixels have them, most frequent first."""
    return tuple(Counter(causes[causes != ""].tolist()).most_common())


def _curve_causes(flags: npt.NDArray[np.uint32]) -> npt.NDArray[np.str_]:
    """Return what is wrong with the curve of each pixel, '' where it is not the curve."""
    names = ("wavecal_not_monotonic", "wavecal_failed_convergence", "wavecal_failed_validation")
    has = [(flags & np.uint32(PixelFlag[name])) != 0 for name in names]
    return np.select(has, [_WRONG_ORDER, _NO_CURVE, _MISFIT], "")


def _misfit(wavelengths_nm: FloatArray, lines: LineFits, curves: Curves) -> FloatArray:
    """Return by what share of the energy each used line is off its curve; 0 elsewhere."""
    energies = HC_EV_NM / np.asarray(wavelengths_nm, float)
    off = curves.energy_ev(lines.centre_deg) / energies - 1
    return np.where(curves.used & np.isfinite(off), off, 0.0)


@dataclass(frozen=True, eq=False)
class _Sentences:
    """Puts the numbers of one pixel into words."""

    wavelengths_nm: FloatArray
    histograms: LaserHistograms
    lines: LineFits
    curves: Curves
    misfit: FloatArray

    def of(self, p: int, of_curve: str, bad: bool) -> str:
        """Return the sentence of a pixel: what is wrong with its curve, then line by line."""
        parts = [of_curve] if of_curve else []
        if of_curve == _MISFIT:
            j = int(np.argmax(np.abs(self.misfit[p])))
            parts = [f"{of_curve} ({self._nm(j)} is off by {100 * self.misfit[p, j]:+.1f} %)"]
        used, total = int(self.curves.used[p].sum()), len(self.wavelengths_nm)
        missing = np.flatnonzero(~self.curves.used[p])
        status = self.lines.status[p, missing]
        for code in dict.fromkeys(status.tolist()):
            alike = missing[status == code]
            names = ", ".join(f"{nm:g}" for nm in self.wavelengths_nm[alike])
            what = "all lines" if alike.size == total else f"{names} nm"
            parts.append(f"{what}: {self._lines(p, alike, STATUS[code])}")
        if missing.size and bad and not of_curve and used:
            parts.append(f"{used} of {total} lines {'is' if used == 1 else 'are'} not enough")
        elif missing.size and not bad:
            parts.append(f"calibrated with the other {used}")
        text = "; ".join(parts)
        return f"{text[:1].upper()}{text[1:]}." if text else ""

    def _nm(self, j: int) -> str:
        return f"{self.wavelengths_nm[j]:g} nm"

    def _lines(self, p: int, lines: npt.NDArray[np.intp], status: str) -> str:
        """Return what is wrong with some lines of a pixel, alike in status."""
        fits = self.lines
        if status in ("few_photons", "no_line"):
            photons = _range(self.histograms.n_negative[p, lines], "photon")
            return (
                f"only {photons}" if status == "few_photons" else f"no line found among {photons}"
            )
        if status == "hot":
            return f"hot, {_range(self.histograms.rate_cps[p, lines], 'count')} a second"
        if status == "below_edge":
            share = _range(100 * (1 - fits.visible[p, lines]))
            return f"{share} % of the line is below the trigger edge"
        if status == "bad_fit":
            worst = _range(np.abs(fits.worst_residual[p, lines]))
            return f"the line has another shape (off by {worst} sigma in one place)"
        if status == "ok":
            return f"contradicts the other lines{self._off(p, lines)}"
        return _SUMMARIES[status]

    def _off(self, p: int, lines: npt.NDArray[np.intp]) -> str:
        """Return by how much lines are off the curve that the others have, if there is one."""
        if self.curves.kind[p] == 0:
            return ""
        curve = (self.curves.kind[p], self.curves.coefficients[p], self.curves.valid_phase_deg[p])
        predicted = energy_ev(*curve, self.lines.centre_deg[p, lines])
        off = 100 * (predicted * self.wavelengths_nm[lines] / HC_EV_NM - 1)
        return " (off by " + ", ".join(f"{one:+.1f}" for one in off) + " %)"


def _range(values: npt.NDArray[Any], noun: str = "") -> str:
    """Return ``3``, or ``3 to 7``, rounded; with a noun that agrees."""
    low, high = round(float(values.min())), round(float(values.max()))
    text = f"{low}" if low == high else f"{low} to {high}"
    return f"{text} {noun}{'' if low == high == 1 else 's'}" if noun else text
