"""Calibrate simulated nights and hold the result against truth: the table in WAVECAL_TRUTH.md.

Run as ``python tests/wavecal_truth.py [--write]``; without ``--write`` the table is only printed. Seeds and classes are
in this file and in `wavecal_pixels`, and were there before the method: `SEED` belongs to no other test.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from wavecal_bounds import centre_bound, energy_bound
from wavecal_darks import with_dark
from wavecal_figures import PROBES_NM, Median, Outcome, accuracy, counting, true_phases
from wavecal_independent import independent_figures
from wavecal_nights import laser_histograms, night_beammap
from wavecal_pixels import LINES_NM, Night, Recipe, observe

from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal.curves import phase_deg
from pipeline_core.wavecal.solution import Solution

SEED = 20180401
N_PIXELS = {100: 8000, 300: 8000, 1000: 8000, 4000: 6000, 30_000: 1500}
FAMILIES = {"arctan": True, "quadratic": True, "exponential": False}
"""Response families, and whether they are among the curves that are fitted."""

STRESS = {
    "wings: 10 % of a line's photons in a low tail": {"wing": 0.1},
    "floor: 2 % of a line's photons anywhere": {"floor": 0.02},
    "drift: every exposure shifted by 0.3 degrees (1 sigma)": {"drift_deg": 0.3},
}
THERMAL = 0.5
"""Thermal photons a photon of the line, where there are darks."""
DARKS = (0.2, 1.0, 5.0, None)
"""Lengths of darks over those of the exposures; None: no dark is given."""
DARK_PHOTONS = (300, 1000, 4000)
_REPORT = Path(__file__).parent / "WAVECAL_TRUTH.md"


@dataclass(frozen=True)
class Cell:
    """One row of the tables."""

    recipe: Recipe
    counts: dict[str, tuple[int, int]]
    figures: dict[str, Any]


def calibrate(night: Night) -> Outcome:
    """Calibrate with the settings of a user who has none."""
    from pipeline_core.wavecal.compute import solve
    from pipeline_core.wavecal.settings import Laser, WavecalSettings

    settings = WavecalSettings(tuple(Laser(nm, Path(f"{nm:g}.h5")) for nm in LINES_NM.tolist()))
    counts = laser_histograms(night, settings.max_rate_cps)
    return outcome(night, solve(counts, night_beammap(night), settings))


def outcome(night: Night, solution: Solution) -> Outcome:
    """Collect what the figures need, with the bounds of the curves that were chosen."""
    lines, curves = solution.lines, solution.curves
    phases = true_phases(night)
    low, high = curves.valid_phase_deg[:, :1], curves.valid_phase_deg[:, 1:]

    def phase_of(coefficients: np.ndarray, energy: np.ndarray) -> np.ndarray:
        # everywhere on the curve itself, not on its tangents
        wide = np.full((curves.n_pixel, 2), [-400.0, 100.0])
        return phase_deg(curves.kind, coefficients, wide, energy)

    bound = energy_bound(
        phase_of,
        np.nan_to_num(curves.coefficients),
        curves.n_free.astype(int),
        curves.used,
        centre_bound(night),
        HC_EV_NM / LINES_NM,
        HC_EV_NM / PROBES_NM,
    )
    return Outcome(
        good=solution.calibrated.ravel(),
        used=curves.used,
        centre_deg=lines.centre_deg,
        centre_error=lines.centre_error,
        sigma_deg=lines.sigma_deg,
        r=solution.resolving_power,
        energy_ev=curves.energy_ev(phases),
        energy_error=curves.energy_error_ev(phases),
        marked=(phases < low) | (phases >= high),
        energy_bound=bound,
    )


def run_cell(recipe: Recipe) -> Cell:
    """Simulate, calibrate, compare."""
    night = observe(recipe)
    result = calibrate(night)
    return Cell(recipe, counting(night, result), accuracy(night, result))


@dataclass(frozen=True)
class DarkCell:
    """One row of the table of darks; shares in percent of the lines of calibratable pixels."""

    cell: Cell
    length: float | None
    two: float
    bad_fit: float
    low_p: float


def run_dark_cell(night: Night, length: float | None) -> DarkCell:
    """Add thermal light, calibrate with a dark or without, compare."""
    from pipeline_core.wavecal.compute import solve
    from pipeline_core.wavecal.linefit import STATUS
    from pipeline_core.wavecal.settings import Laser, WavecalSettings

    settings = WavecalSettings(tuple(Laser(nm, Path(f"{nm:g}.h5")) for nm in LINES_NM.tolist()))
    histograms, _ = with_dark(night, THERMAL, length or 1.0, night.recipe.seed + 1)
    if length is None:
        histograms = replace(histograms, background=None)
    solution = solve(histograms, night_beammap(night), settings)
    result = outcome(night, solution)
    cell = Cell(night.recipe, counting(night, result), accuracy(night, result))
    lines, kept = solution.lines, night.calibratable()
    return DarkCell(
        cell,
        length,
        two=100 * float((lines.model[kept] > 1).mean()),
        bad_fit=100 * float((lines.status[kept] == STATUS.index("bad_fit")).mean()),
        low_p=100 * float((lines.p_value[lines.ok & kept[:, None]] < 0.05).mean()),
    )


# ---- the tables --------------------------------------------------------------------------------------


def percent(pair: tuple[int, int], digits: int = 2) -> str:
    """Return ``99.53 (of 1035)``."""
    good, total = pair
    return f"{100 * good / total:.{digits}f}" if total else "-"


def median(value: Median, digits: int = 3) -> str:
    """Return ``+0.004 ± 0.002``, in percent."""
    return f"{100 * value.value:+.{digits}f} ± {100 * value.error:.{digits}f}"


def counting_table(cells: list[Cell]) -> list[str]:
    """Who passes as good, in percent of the class."""
    head = "| response | photons | calibratable | good | dead | noise only | doubled | hot | line off |"
    rows = [head, "|---|" + "--:|" * 8]
    for cell in cells:
        c = cell.counts
        values = [percent(c[k]) for k in ("calibratable", "dead", "noise", "doubled", "hot", "off")]
        rows.append(
            f"| {cell.recipe.family} | {cell.recipe.photons} | {c['calibratable'][1]} | "
            + " | ".join(values)
            + " |"
        )
    return rows


def accuracy_table(cells: list[Cell]) -> list[str]:
    """How well, of calibratable pixels that are good; energies at five lines and three places between."""
    head = (
        "| response | photons | bias at lines % | scatter % | / bound | bias between % | scatter % | / bound | "
        "sigma % | R % | pull centers | pull at lines | pull between |"
    )
    rows = [head, "|---|" + "--:|" * 12]
    for cell in cells:
        f = cell.figures
        values = []
        for place in ("lines", "between"):
            values += [
                median(f[f"bias {place}"]),
                f"{100 * f[f'scatter {place}']:.3f}",
                f"{f[f'bound {place}']:.2f}",
            ]
        values += [median(f["bias sigma"], 2), median(f["bias R"], 2), f"{f['pull centres']:.2f}"]
        values += [f"{f['pull lines']:.2f}", f"{f['pull between']:.2f}"]
        rows.append(
            f"| {cell.recipe.family} | {cell.recipe.photons} | " + " | ".join(values) + " |"
        )
    return rows


def outside_table(cells: list[Cell]) -> list[str]:
    """Outside the lines: bias, whether it is marked, whether twice the error covers the truth."""
    places = ("750 nm", "1450 nm")
    head = "| response | photons | " + " | ".join(
        f"bias {p} % | marked % | within 2 errors %" for p in places
    )
    rows = [head + " |", "|---|" + "--:|" * 7]
    for cell in cells:
        f = cell.figures
        values = []
        for p in places:
            values += [
                median(f[f"bias {p}"], 2),
                f"{100 * f[f'marked {p}']:.1f}",
                f"{100 * f[f'covered {p}']:.1f}",
            ]
        rows.append(
            f"| {cell.recipe.family} | {cell.recipe.photons} | " + " | ".join(values) + " |"
        )
    return rows


def dark_table(cells: list[DarkCell]) -> list[str]:
    """What darks of different lengths do for lines on thermal light."""
    head = (
        "| photons | dark | good % | noise passes % | doubled passes % | two Gaussians % | bad fit % | p < 5 % | "
        "bias at lines % | scatter % | sigma % | pull centers | pull at lines |"
    )
    rows = [head, "|---|" + "--:|" * 12]
    for one in cells:
        c, f = one.cell.counts, one.cell.figures
        values = [percent(c[k]) for k in ("calibratable", "noise", "doubled")]
        values += [f"{one.two:.2f}", f"{one.bad_fit:.2f}", f"{one.low_p:.1f}"]
        values += [median(f["bias lines"]), f"{100 * f['scatter lines']:.3f}"]
        values += [median(f["bias sigma"], 2), f"{f['pull centres']:.2f}", f"{f['pull lines']:.2f}"]
        length = "none" if one.length is None else f"{one.length:g}"
        rows.append(f"| {one.cell.recipe.photons} | {length} | " + " | ".join(values) + " |")
    return rows


# ---- the goals ---------------------------------------------------------------------------------------


def verdict(value: float, error: float, limit: float) -> str:
    """Judge a figure whose absolute value must not exceed a limit, knowing its error."""
    if not np.isfinite(value):
        return "no figure"
    if abs(value) <= limit:
        return "met"
    return "not met" if abs(value) - 2 * error > limit else "unresolved"


def share_verdict(
    pair: tuple[int, int], least: float | None = None, most: float | None = None
) -> str:
    """Judge a share exactly: a share is what it is."""
    good, total = pair
    if not total:
        return "no figure"
    share = good / total
    return (
        "met"
        if (least is None or share >= least) and (most is None or share <= most)
        else "not met"
    )


def goals(cells: list[Cell]) -> list[tuple[str, Cell, str, str]]:
    """Return (goal, cell, figure, verdict) of every goal in every row to which it applies."""
    found = []
    for cell in cells:
        c, f, n = cell.counts, cell.figures, cell.recipe.photons
        fitted = FAMILIES[cell.recipe.family]

        def add(goal: str, figure: str, judged: str, cell: Cell = cell) -> None:
            found.append((goal, cell, figure, judged))

        least = {300: 0.95, 4000: 0.995}.get(n)
        if least:
            pair = c["calibratable"]
            goal = f"calibrated >= {100 * least:g} % of the calibratable, {n} photons"
            add(goal, percent(pair), share_verdict(pair, least=least))
        for name in ("dead", "noise", "doubled"):
            goal = f"{name}: at most 0.5 % pass as good"
            add(goal, percent(c[name]), share_verdict(c[name], most=0.005))
        for place in ("lines", "between"):
            m = f[f"bias {place}"]
            limit = 1e-4 if fitted else 1e-3
            if fitted or place == "between":
                kind = "fitted family" if fitted else "other family"
                goal = f"{kind}: median bias <= {100 * limit:g} %, {place}"
                add(goal, median(m), verdict(m.value, m.error, limit))
            if fitted:
                add(
                    f"scatter <= 1.1 x bound, {place}",
                    f"{f[f'bound {place}']:.2f}",
                    _below(f[f"bound {place}"]),
                )
                pull = f[f"pull {place}"]
                add(f"pull width 0.9 to 1.1, {place}", f"{pull:.2f}", _near_one(pull))
        add(
            "pull width 0.9 to 1.1, centers",
            f"{f['pull centres']:.2f}",
            _near_one(f["pull centres"]),
        )
        for name, limit in (("sigma", 0.005), ("R", 0.01)):
            m = f[f"bias {name}"]
            add(
                f"median {name} within {100 * limit:g} %",
                median(m, 2),
                verdict(m.value, m.error, limit),
            )
        for place in ("750 nm", "1450 nm"):
            marked, covered = f[f"marked {place}"], f[f"covered {place}"]
            judged = "met" if marked == 1 and covered >= 0.95 else "not met"
            figure = f"{100 * marked:.2f} % marked, {100 * covered:.1f} % covered"
            add(f"outside ({place}): marked, and 2 errors cover 95 %", figure, judged)
    return found


def _below(ratio: float) -> str:
    return "met" if ratio <= 1.1 else "not met"


def _near_one(pull: float) -> str:
    return "met" if 0.9 <= pull <= 1.1 else "not met"


def goal_table(cells: list[Cell]) -> list[str]:
    """One row a goal: in how many rows it is met, and every row in which it is not."""
    by_goal: dict[str, list[tuple[Cell, str, str]]] = {}
    for goal, cell, figure, judged in goals(cells):
        by_goal.setdefault(goal, []).append((cell, figure, judged))
    rows = ["| goal | met | where not |", "|---|--:|---|"]
    for goal, cases in by_goal.items():
        met = sum(judged == "met" for *_, judged in cases)
        missed = [
            f"{cell.recipe.family} {cell.recipe.photons}: {figure} ({judged})"
            for cell, figure, judged in cases
            if judged != "met"
        ]
        rows.append(f"| {goal} | {met} of {len(cases)} | {'; '.join(missed) or '-'} |")
    return rows


# ---- the report --------------------------------------------------------------------------------------

_INTRODUCTION = """# Wavelength calibration against truth

Made by `tests/wavecal_truth.py`; do not edit. Simulated photon by photon (`tests/wavecal_pixels.py`): R 3 to 12, 0.1 to
3 noise triggers per photon of the line in an exponential tail, soft trigger edges from -35 to -20 degrees, pile-up, 4 %
low gain, dead, noise-only, doubled and hot pixels, one feedline of five off. Lines at 808, 920, 980, 1120, 1310 nm. An
exposure lasts until so many photons of the line have passed the cuts.

- **calibratable**: one peak, not hot, and at least 3 lines with half of the line beyond the edge and all photons asked
  for. From truth, before any fit.
- **doubled**: a second peak with at least 20 % of what is seen, at least 2 sigma away, in at least 3 visible lines.
- **bias**: median over pixels of E / E_true - 1 for a photon with the true mean phase of a wavelength, the worst of the
  wavelengths of that column, with its standard error. Between: 875, 1050, 1200 nm.
- **/ bound**: width of (E - E_true) / Cramer-Rao bound of the curve that was chosen, with the true line model, the edge
  known, and the photons after cuts; the worst wavelength.
- **pull**: width of (value - truth) / quoted error, the one furthest from 1. Widths are by quartiles.
- Accuracy is that of calibratable pixels that are good, energies of those whose curves rest on all five lines.
- **unresolved**: beyond the limit, but by less than two standard errors.

Families: *arctan* phase = -2 atan(k E); *quadratic* E = e0 + e1 |phase| + e2 phase^2; *exponential*
phase = -A (1 - exp(-E / E0)), which nobody fits.
"""


_DARKS = """
## With thermal light and a dark (arctan)
Half a thermal photon for every photon of the line, exponential towards tall pulses with a scale of 15 to 40 degrees
(`tests/wavecal_darks.py`). **dark**: its length over that of the lasers' exposures. Two Gaussians, bad fit, p < 5 %:
of the lines of calibratable pixels.
"""


def report(
    cells: list[Cell],
    stress: list[tuple[str, Cell]],
    darks: list[DarkCell],
    independent: list[str],
) -> str:
    """Return the whole text."""
    parts = [_INTRODUCTION, "## Goals", *goal_table(cells)]
    parts += ["", "## Who passes as good (percent of the class)", *counting_table(cells)]
    parts += ["", "## Accuracy", *accuracy_table(cells)]
    parts += ["", "## Outside the lines", *outside_table(cells)]
    parts += ["", "## Beyond the promise: what no model describes (arctan)"]
    for name, cell in stress:
        parts += ["", f"### {name}", *counting_table([cell]), "", *accuracy_table([cell])]
    parts += [_DARKS, *dark_table(darks)]
    parts += ["", "## An independent simulator", *independent]
    return "\n".join(parts) + "\n"


def say(*lines: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write WAVECAL_TRUTH.md")
    parser.add_argument("--photons", type=int, nargs="*", default=list(N_PIXELS))
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--shrink", type=int, default=1, help="divide the number of pixels")
    parser.add_argument("--no-stress", action="store_true")
    parser.add_argument("--no-darks", action="store_true")
    args = parser.parse_args()
    cells = []
    for k, family in enumerate(FAMILIES):
        for n in args.photons:
            if family in args.families:
                cells.append(run_cell(Recipe(family, n, N_PIXELS[n] // args.shrink, SEED + 10 * k)))
                say(*counting_table(cells)[-1:], *accuracy_table(cells)[-1:])
    stress = []
    for name, changes in {} if args.no_stress else STRESS.items():
        recipe = Recipe("arctan", 4000, 2000 // args.shrink, SEED + 100, **changes)
        stress.append((name, run_cell(recipe)))
    darks = []
    for n in [] if args.no_darks else DARK_PHOTONS:
        night = observe(Recipe("arctan", n, 3000 // args.shrink, SEED + 200))
        for length in DARKS:
            darks.append(run_dark_cell(night, length))
            say(*dark_table(darks)[-1:])
    text = report(cells, stress, darks, independent_figures())
    say(text)
    if args.write:
        _REPORT.write_text(text)


if __name__ == "__main__":
    main()
