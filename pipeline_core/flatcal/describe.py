"""Describes a flat-field solution as plain values: for ``info``, for ``flatcal`` and for the window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_core.flatcal.binflags import BIN_FLAGS
from pipeline_core.flatcal.solution import FlatSolution
from pipeline_core.utc import utc_words

__all__ = ["describe_solution"]


def describe_solution(solution: FlatSolution, path: Path | str) -> dict[str, object]:
    """Return what a flat field is made of, and how good it is.

    Parameters
    ----------
    solution : FlatSolution
    path : path
        Where it is kept.
    """
    ncols, nrows = solution.shape
    weighted = solution.weighted
    number, total = int(weighted.sum()), weighted.size
    low, high = solution.edges_nm[[0, -1]]
    what = "combined" if solution.index == 0 else f"chunk {solution.index} of run {solution.run_id}"
    live = solution.live_s[weighted]
    return {
        "file": str(path),
        "kind": f"flat-field solution ({solution.kind}, {what})",
        "solution id": solution.solution_id,
        "made": f"{utc_words(solution.created_unix)} by quicklook {solution.software}",
        "camera": f"{solution.camera}, {ncols} columns x {nrows} rows",
        "baseline": solution.baseline,
        "wavelength calibration": f"solution {solution.wavecal_id} ({solution.wavecal_source})"
        if solution.wavecal_id
        else "none: lasers without wavelengths",
        "range": f"{low:.1f} to {high:.1f} nm in {solution.energies_ev.size} bins",
        "pixels with weights": f"{number} of {total} ({number / max(total, 1):.1%})",
        "pixels that make the reference": f"{int(solution.reference.sum())}, of which it is the mean",
        "time alive (s, median)": round(float(np.median(live)), 4) if live.size else None,
        "counts a pixel (median)": float(np.median(solution.counts.sum(axis=2)[weighted]))
        if number
        else None,
        **_weights(solution),
        "bins by flag": _bins(solution),
        "warnings": list(solution.warnings),
        "inputs": [
            f"{one.role}: {one.path} ({one.exposure_s:g} s, {one.n_photons} photons, id {one.file_id})"
            for one in solution.inputs
        ],
        "settings": {
            name: value
            for name, value in _settings(solution).items()
            if name not in ("flats", "lasers", "dark", "out")
        },
    }


def _weights(solution: FlatSolution) -> dict[str, object]:
    """Return how far pixels differ, and how well that is known."""
    weights = solution.weights[solution.weighted]
    if not weights.size:
        return {}
    with np.errstate(invalid="ignore"):
        relative = solution.errors[solution.weighted] / weights
    low, middle, high = np.nanpercentile(weights, [16, 50, 84])
    return {
        "weights (16, 50, 84 %)": f"{low:.4f}, {middle:.4f}, {high:.4f}",
        "their errors (median)": f"{100 * float(np.nanmedian(relative)):.2f} %",
    }


def _bins(solution: FlatSolution) -> dict[str, int]:
    number = {
        flag.name: int(np.count_nonzero(solution.bin_flags & np.uint8(1 << flag.bit)))
        for flag in BIN_FLAGS
    }
    return {name: count for name, count in number.items() if count}


def _settings(solution: FlatSolution) -> dict[str, Any]:
    try:
        values = json.loads(solution.settings)
    except ValueError:
        values = None
    return values if isinstance(values, dict) else {}
