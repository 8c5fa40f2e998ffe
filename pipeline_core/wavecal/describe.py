"""Describes a wavelength solution as plain values: for ``info``, for ``wavecal`` and for the window."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_core.flags import FLAGS
from pipeline_core.utc import utc_words
from pipeline_core.wavecal.curves import CURVE_KINDS
from pipeline_core.wavecal.solution import Solution

__all__ = ["describe_solution"]


def describe_solution(solution: Solution, path: Path | str) -> dict[str, object]:
    """Return what a solution is made of, and how good it is.

    Parameters
    ----------
    solution : Solution
    path : path
        Where it is kept.
    """
    ncols, nrows = solution.shape
    calibrated = solution.calibrated
    number, total = int(calibrated.sum()), calibrated.size
    seen = solution.histograms.n_negative.any(axis=1).reshape(solution.shape)
    kinds = np.bincount(solution.curves.kind[calibrated.ravel()], minlength=len(CURVE_KINDS))
    bits = [(f.name, int(np.count_nonzero(solution.flags & np.uint32(1 << f.bit)))) for f in FLAGS]
    return {
        "file": str(path),
        "kind": "wavelength solution",
        "solution id": solution.solution_id,
        "made": f"{utc_words(solution.created_unix)} by quicklook {solution.software}",
        "camera": f"{solution.camera}, {ncols} columns x {nrows} rows",
        "baseline": solution.baseline,
        "pixels calibrated": f"{number} of {total} ({number / max(total, 1):.1%})",
        "pixels with photons that are calibrated": _share(calibrated & seen, seen),
        "pixels by curve": {
            name: int(n) for name, n in zip(CURVE_KINDS, kinds, strict=True) if n and name != "none"
        },
        "lines": _lines(solution),
        "pixels by flag": {name: count for name, count in bits if count},
        "reasons": dict(solution.pareto),
        **({"changed by hand": list(solution.refits)} if solution.refits else {}),
        "inputs": [
            f"{_role(one.wavelength_nm)}: {one.path} ({one.exposure_s:g} s, {one.n_photons} photons, id {one.file_id})"
            for one in solution.inputs
        ],
        "settings": {
            name: value
            for name, value in _settings(solution).items()
            if name not in ("lasers", "background")
        },
    }


def _share(some: Any, of: Any) -> str:
    number, total = int(np.count_nonzero(some)), int(np.count_nonzero(of))
    return f"{number} of {total} ({number / max(total, 1):.1%})"


def _lines(solution: Solution) -> dict[str, str]:
    """Return for each line in how many pixels it is good, and its medians there."""
    good = solution.calibrated.ravel()
    lines = {}
    for k, wavelength in enumerate(solution.wavelengths_nm):
        use = good & solution.lines.ok[:, k]
        name = f"{wavelength:g} nm"
        if not use.any():
            lines[name] = "good in no pixel"
            continue
        r = solution.resolving_power[use, k]
        r = r[np.isfinite(r)]
        median_r = float(np.median(r)) if r.size else math.nan
        centre = float(np.median(solution.lines.centre_deg[use, k]))
        lines[name] = (
            f"good in {int(use.sum())} pixels, median centre {centre:.1f} deg, median R {median_r:.2f}"
        )
    return lines


def _role(wavelength_nm: float) -> str:
    return "background" if math.isnan(wavelength_nm) else f"{wavelength_nm:g} nm"


def _settings(solution: Solution) -> dict[str, Any]:
    try:
        values = json.loads(solution.settings)
    except ValueError:
        values = None
    return values if isinstance(values, dict) else {}
