"""Fits one pixel of a solution once more, by other models: what a person does who looks at a pixel and disagrees."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from pipeline_core.errors import ConfigError
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal.compute import feedlines, line_fits, r_of_lines
from pipeline_core.wavecal.curvefit import fit_curves
from pipeline_core.wavecal.population import learn_population
from pipeline_core.wavecal.reasons import judge, main_causes, pareto_of
from pipeline_core.wavecal.settings import CURVE_MODELS, LINE_MODELS, WavecalSettings
from pipeline_core.wavecal.solution import Solution

__all__ = ["refit_pixel"]

Record = TypeVar("Record")


def refit_pixel(
    solution: Solution,
    pixel: tuple[int, int],
    *,
    line_models: Sequence[str] = LINE_MODELS,
    curve_models: Sequence[str] = CURVE_MODELS,
) -> Solution:
    """Return the solution with one pixel fitted anew; all others are as they were.

    The pixel's histograms are those of the solution. What its curve may lean on is learnt from all pixels. The
    solution's `refits` tell what was done, and its id is another one.

    Parameters
    ----------
    solution : Solution
    pixel : (x, y)
    line_models : sequence of str
        Of `LINE_MODELS`. With one of the models of two Gaussians alone, every line is fitted by two.
    curve_models : sequence of str
        Of `CURVE_MODELS`.

    Raises
    ------
    ConfigError
        If the pixel is outside the array, a model not known, or the settings of the solution are not known.
    """
    x, y = pixel
    ncols, nrows = solution.shape
    if not (0 <= x < ncols and 0 <= y < nrows):
        raise ConfigError(f"Pixel ({x}, {y}) is outside the array of {ncols} x {nrows} pixels.")
    p = x * nrows + y
    settings = _settings(solution, line_models, curve_models)
    histograms = _row(solution.histograms, p)
    lines = line_fits(histograms, settings)
    curves = _curve(solution, p, lines, settings)
    r, r_error = r_of_lines(lines, curves)
    verdict = judge(solution.wavelengths_nm, histograms, lines, curves)
    all_lines, all_curves = (
        _with_row(solution.lines, p, lines),
        _with_row(solution.curves, p, curves),
    )
    flags = solution.flags.ravel().copy()
    flags[p] = verdict.flags[0]
    reasons = list(solution.reasons)
    reasons[p] = verdict.reasons[0]
    return dataclasses.replace(
        solution,
        lines=all_lines,
        curves=all_curves,
        resolving_power=_put(solution.resolving_power, p, r),
        resolving_power_error=_put(solution.resolving_power_error, p, r_error),
        flags=flags.reshape(solution.shape),
        reasons=tuple(reasons),
        pareto=pareto_of(main_causes(flags, all_lines, all_curves)),
        refits=(*solution.refits, _sentence(pixel, line_models, curve_models)),
        solution_id="",
    )


def _settings(
    solution: Solution, line_models: Sequence[str], curve_models: Sequence[str]
) -> WavecalSettings:
    """Return the settings that the solution was made with, but for the models."""
    try:
        values: dict[str, Any] = json.loads(solution.settings)
        made_with = WavecalSettings.from_mapping(values)
    except (ValueError, AttributeError, ConfigError) as error:
        raise ConfigError(
            f"Solution {solution.solution_id} does not tell the settings it was made with ({error}), so that no pixel "
            "can be fitted again. Make the solution anew."
        ) from error
    return dataclasses.replace(
        made_with, line_models=tuple(line_models), curve_models=tuple(curve_models)
    )


def _curve(solution: Solution, p: int, lines: Any, settings: WavecalSettings) -> Any:
    """Fit the curve of the pixel with what the others have in common."""
    energies = HC_EV_NM / solution.wavelengths_nm
    feedline = feedlines(solution.beammap)
    prior = learn_population(
        solution.lines.centre_deg,
        solution.lines.centre_error,
        solution.lines.ok,
        energies,
        feedline=feedline,
        models=WavecalSettings.from_mapping(json.loads(solution.settings)).curve_models,
    )
    return fit_curves(
        lines.centre_deg,
        lines.centre_error,
        lines.ok,
        energies,
        models=settings.curve_models,
        prior=prior,
        feedline=feedline[p : p + 1],
        lean=settings.prior,
    )


def _per_pixel(record: Any, n_pixel: int) -> list[str]:
    """Return the fields that have a row for every pixel."""
    names = [field.name for field in dataclasses.fields(record)]
    return [n for n in names if np.shape(getattr(record, n))[:1] == (n_pixel,)]


def _row(histograms: Any, p: int) -> Any:
    """Return the histograms of one pixel."""
    names = _per_pixel(histograms, histograms.counts.shape[0])
    rows = {name: getattr(histograms, name)[p : p + 1] for name in names if name != "edges_deg"}
    return dataclasses.replace(histograms, **rows)


def _with_row(record: Record, p: int, one: Any) -> Record:
    """Return fits of all pixels with those of one replaced."""
    values: Any = record
    n_pixel = len(values.status) if hasattr(values, "status") else len(values.kind)
    changed = {
        name: _put(getattr(values, name), p, getattr(one, name))
        for name in _per_pixel(values, n_pixel)
    }
    return dataclasses.replace(values, **changed)


def _put(array: Any, p: int, row: Any) -> Any:
    changed = array.copy()
    changed[p] = row[0]
    return changed


def _sentence(
    pixel: tuple[int, int], line_models: Sequence[str], curve_models: Sequence[str]
) -> str:
    return (
        f"Pixel ({pixel[0]}, {pixel[1]}) fitted again, lines by {' or '.join(line_models)}, "
        f"curve {' or '.join(curve_models)}."
    )
