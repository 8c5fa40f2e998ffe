"""Figures of merit of a calibration against truth: who is calibrated, and how well. No fit is made here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from wavecal_pixels import CLASSES, LINES_NM, Night, curve

from pipeline_core.simulate.response import HC_EV_NM

__all__ = ["BETWEEN_NM", "OUTSIDE_NM", "Median", "Outcome", "accuracy", "counting"]

BETWEEN_NM = np.array([875.0, 1050.0, 1200.0])
OUTSIDE_NM = np.array([750.0, 1450.0])
PROBES_NM = np.concatenate([LINES_NM, BETWEEN_NM, OUTSIDE_NM])
"""The figures are of photons that carry the true mean phase of these wavelengths."""

PLACES = {
    "lines": slice(0, 5),
    "between": slice(5, 8),
    "750 nm": slice(8, 9),
    "1450 nm": slice(9, 10),
}

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a calibration says; pixels and lines as in `Night`, energies and their errors in eV at `PROBES_NM`.

    `good`: calibrated; `used`: lines on which the curve rests;
    `marked`: outside the valid range; `energy_bound`: Cramer-Rao, of the curve that was used.
    """

    good: Bools
    used: Bools
    centre_deg: Floats
    centre_error: Floats
    sigma_deg: Floats
    r: Floats
    energy_ev: Floats
    energy_error: Floats
    marked: Bools
    energy_bound: Floats


@dataclass(frozen=True)
class Median:
    """A median with its standard error."""

    value: float
    error: float

    @classmethod
    def of(cls, values: Floats) -> Median:
        kept = values[np.isfinite(values)]
        if kept.size < 2:
            return cls(np.nan, np.nan)
        return cls(float(np.median(kept)), 1.2533 * width(kept) / np.sqrt(kept.size))


def width(values: Floats) -> float:
    """Standard deviation by quartiles: tails do not count."""
    kept = values[np.isfinite(values)]
    return float(np.subtract(*np.percentile(kept, [75, 25])) / 1.34898) if kept.size > 1 else np.nan


def counting(night: Night, outcome: Outcome) -> dict[str, tuple[int, int]]:
    """Return (good, all) of each class, as true before any fit."""
    kinds = {name: night.kind == CLASSES.index(name) for name in ("dead", "noise", "hot", "off")}
    groups = {"calibratable": night.calibratable(), **kinds, "doubled": night.doubled()}
    return {
        name: (int((outcome.good & group).sum()), int(group.sum()))
        for name, group in groups.items()
    }


def accuracy(night: Night, outcome: Outcome) -> dict[str, object]:
    """Return biases (`Median`, fractions), widths of pulls, ratios to the bound of good calibratable pixels."""
    kept = night.calibratable() & outcome.good
    probes_ev = HC_EV_NM / PROBES_NM
    energy = outcome.energy_ev[kept]
    error = outcome.energy_error[kept]
    off = energy / probes_ev - 1
    # in wavelength the sign turns and the error scales
    nm_pull = (HC_EV_NM / energy - PROBES_NM) / (HC_EV_NM * error / energy**2)
    used = outcome.used[kept]
    # a line of which the curve does not know is neither at nor between
    seen = used.all(1)
    figures: dict[str, object] = {"pixels": int(kept.sum())}
    for name, place in PLACES.items():
        here = off[:, place]
        figures[f"bias {name}"] = _worst_median(here[seen])
        figures[f"scatter {name}"] = max(width(column) for column in here[seen].T)
        figures[f"pull {name}"] = _furthest(width(column) for column in nm_pull[seen][:, place].T)
        bound = outcome.energy_bound[kept][seen][:, place] / probes_ev[place]
        figures[f"bound {name}"] = max(width(c) for c in (here[seen] / bound).T)
        figures[f"covered {name}"] = float((np.abs(nm_pull[:, place]) < 2).mean())
        figures[f"marked {name}"] = float(outcome.marked[kept][:, place].mean())
    off_deg = (outcome.centre_deg - night.centre_deg)[kept][used]
    figures["pull centres"] = width(off_deg / outcome.centre_error[kept][used])
    figures["bias sigma"] = Median.of((outcome.sigma_deg / night.sigma_deg - 1)[kept][used])
    figures["bias R"] = Median.of((outcome.r / night.resolution() - 1)[kept][used])
    return figures


def _worst_median(values: Floats) -> Median:
    medians = [Median.of(column) for column in values.T]
    return max(medians, key=lambda m: -1.0 if np.isnan(m.value) else abs(m.value))


def _furthest(widths) -> float:
    """Return the width that is furthest from 1."""
    return max(widths, key=lambda w: abs(np.log(w)) if w > 0 else 0.0)


def true_phases(night: Night) -> Floats:
    """Mean phases of `PROBES_NM`, (n_pixel, n_probe)."""
    return curve(night.recipe.family, night.coefficients[:, :, None], HC_EV_NM / PROBES_NM)
