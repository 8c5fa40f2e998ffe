"""The wavelength calibration of an array, from photon files to a `Solution`: who is called when, and with what.

`run` is what the command line and the window call; `solve` begins with histograms. The mathematics is next door.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import NO_RES_ID, Beammap, camera_name
from pipeline_core.compile_progress import telling_of_compilation
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal.curvefit import fit_curves
from pipeline_core.wavecal.curves import Curves
from pipeline_core.wavecal.frequencies import read_frequencies
from pipeline_core.wavecal.histograms import LaserHistograms, make_histograms
from pipeline_core.wavecal.linefit import STATUS, LineFits, Watch, fit_lines
from pipeline_core.wavecal.population import learn_population
from pipeline_core.wavecal.reasons import judge
from pipeline_core.wavecal.resolving_power import FWHM_PER_SIGMA, resolving_power
from pipeline_core.wavecal.settings import Inputs, WavecalSettings
from pipeline_core.wavecal.solution import Solution

__all__ = ["RWatch", "feedlines", "line_fits", "r_of_lines", "run", "solve"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_OK, _FEW = STATUS.index("ok"), STATUS.index("few_photons")
_SECOND_CHANCE = tuple(STATUS.index(name) for name in ("no_line", "bad_fit", "not_converged"))
_PLAUSIBLE_R = (1.0, 50.0)
_AGREES = 5.0
"""Sigma between a line found in the second pass and its prediction."""


RWatch = Callable[[int, FloatArray], None]
"""Called with the number of a block's first pixel and a first guess of R of its pixels, (n,); NaN: no line."""


def run(
    settings: WavecalSettings, progress: Progress = silent, watch: RWatch | None = None
) -> Solution:
    """Calibrate an array from the photon files of its lasers.

    Parameters
    ----------
    settings : WavecalSettings
    progress : Progress
        May cancel.
    watch : callable, optional
        Told of the pixels while their lines are fitted: see `RWatch`. Not more than something to look at: R as if
        phase were proportional to energy, also of lines that are rejected later on.

    Raises
    ------
    ConfigError
        If an input cannot be used: all are opened before any work starts.
    InputFormatError
        If a file proves damaged later on.
    """
    inputs = settings.check_inputs()
    if settings.frequencies is not None:
        read_frequencies(settings.frequencies, inputs.beammap.res_id)
    with telling_of_compilation(progress) as report:
        histograms = make_histograms(settings, part_of(report, 0.0, 0.5))
        rest = part_of(report, 0.5, 1.0)
        return solve(histograms, inputs.beammap, settings, rest, inputs=inputs, watch=watch)


def solve(
    histograms: LaserHistograms,
    beammap: Beammap,
    settings: WavecalSettings,
    progress: Progress = silent,
    *,
    inputs: Inputs | None = None,
    watch: RWatch | None = None,
) -> Solution:
    """Calibrate an array from its histograms: lines, curves, lines again where a curve can help, verdicts.

    Parameters
    ----------
    histograms : LaserHistograms
        Lines in the order of the settings.
    beammap : Beammap
    settings : WavecalSettings
    progress : Progress
        May cancel.
    inputs : Inputs, optional
        Where the histograms come from; kept in the solution.
    watch : callable, optional
        As for `run`.
    """
    wavelengths = np.array(settings.wavelengths_nm)
    frequency = beammap.frequency_mhz
    if settings.frequencies is not None:
        frequency = read_frequencies(settings.frequencies, beammap.res_id)
    lines = line_fits(
        histograms,
        settings,
        progress=part_of(progress, 0.0, 0.8),
        watch=None if watch is None else _guessed_r(watch),
    )
    feedline = feedlines(beammap)
    curves = _fit_curves(lines, wavelengths, feedline, settings, part_of(progress, 0.8, 0.86))
    again = _second_pass(
        histograms, lines, curves, wavelengths, settings, part_of(progress, 0.86, 0.94)
    )
    if again is not lines:
        lines = again
        curves = _fit_curves(lines, wavelengths, feedline, settings, part_of(progress, 0.94, 0.98))
    progress(980, 1000, "judge pixels")
    r, r_error = r_of_lines(lines, curves)
    verdicts = judge(wavelengths, histograms, lines, curves)
    progress(1000, 1000, "judge pixels")
    return Solution(
        camera=inputs.camera if inputs else camera_name(beammap.shape),
        baseline=inputs.baseline if inputs else "ignore",
        res_id=beammap.res_id,
        code=beammap.code,
        frequency_mhz=frequency,
        wavelengths_nm=wavelengths,
        histograms=histograms,
        lines=lines,
        curves=curves,
        resolving_power=r,
        resolving_power_error=r_error,
        flags=verdicts.flags.reshape(beammap.shape),
        reasons=verdicts.reasons,
        pareto=verdicts.pareto,
        inputs=inputs.files if inputs else (),
        settings=settings.to_json(),
        created_unix=time.time(),
    )


def line_fits(
    histograms: LaserHistograms,
    settings: WavecalSettings,
    pixels: npt.NDArray[np.intp] | slice = slice(None),
    guess_deg: FloatArray | None = None,
    progress: Progress = silent,
    watch: Watch | None = None,
) -> LineFits:
    """Fit the lines of some pixels; those with too few photons for the settings say so."""
    dark = histograms.background
    fits = fit_lines(
        histograms.counts[pixels],
        histograms.edges_deg,
        background=None if dark is None else dark[pixels],
        background_scale=None if dark is None else histograms.background_scale[pixels],
        guess_deg=guess_deg,
        hot=histograms.hot[pixels],
        models=settings.line_models,
        progress=progress,
        watch=watch,
    )
    few = fits.ok & (histograms.n_negative[pixels] < settings.min_photons)
    return dataclasses.replace(fits, status=np.where(few, _FEW, fits.status).astype(np.uint8))


def _guessed_r(watch: RWatch) -> Watch:
    """Return what turns centres and sigmas into a first guess of R: the median of a pixel's lines."""

    def tell(first: int, centre_deg: FloatArray, sigma_deg: FloatArray) -> None:
        r = np.abs(centre_deg) / (FWHM_PER_SIGMA * sigma_deg)
        with np.errstate(invalid="ignore"):
            r = np.where((r > _PLAUSIBLE_R[0]) & (r < _PLAUSIBLE_R[1]), r, np.nan)
        guess = np.full(len(r), np.nan)
        some = np.isfinite(r).any(1)
        guess[some] = np.nanmedian(r[some], 1)
        watch(first, guess)

    return tell


def _fit_curves(
    lines: LineFits,
    wavelengths_nm: FloatArray,
    feedline: npt.NDArray[np.int64],
    settings: WavecalSettings,
    progress: Progress,
) -> Curves:
    """Learn what the array's pixels have in common, then fit them."""
    energies = HC_EV_NM / wavelengths_nm
    points = (lines.centre_deg, lines.centre_error, lines.ok, energies)
    progress(0, 1, "fit curves")
    models = settings.curve_models
    prior = learn_population(*points, feedline=feedline, models=models)
    return fit_curves(
        *points,
        models=models,
        prior=prior,
        feedline=feedline,
        lean=settings.prior,
        progress=progress,
    )


def _second_pass(
    histograms: LaserHistograms,
    lines: LineFits,
    curves: Curves,
    wavelengths_nm: FloatArray,
    settings: WavecalSettings,
    progress: Progress,
) -> LineFits:
    """Fit lines that failed once more, beginning where the pixel's curve predicts them; keep those found there.

    Returns `lines` itself if nothing was gained.
    """
    predicted = curves.phase_deg(HC_EV_NM / wavelengths_nm)
    with np.errstate(invalid="ignore"):
        hopeful = np.isin(lines.status, _SECOND_CHANCE) & (predicted < lines.edge_deg[:, None])
    hopeful &= histograms.n_negative >= settings.min_photons
    pixels = np.flatnonzero(hopeful.any(1))
    if not pixels.size:
        return lines
    new = line_fits(
        histograms, settings, pixels, np.where(hopeful, predicted, np.nan)[pixels], progress
    )
    slope = np.abs(_slope(curves, wavelengths_nm)[pixels])
    doubt = np.hypot(new.centre_error, slope * curves.energy_error_ev(predicted)[pixels])
    doubt = np.hypot(doubt, curves.scatter_deg)
    with np.errstate(invalid="ignore"):
        found = (
            new.ok
            & hopeful[pixels]
            & (np.abs(new.centre_deg - predicted[pixels]) < _AGREES * doubt)
        )
    return _with_lines(lines, new, pixels, found) if found.any() else lines


def _slope(curves: Curves, wavelengths_nm: FloatArray) -> FloatArray:
    """Return d phase / d energy at the lines, (n_pixel, n_line)."""
    energies, step = HC_EV_NM / wavelengths_nm, 1e-4
    return (curves.phase_deg(energies + step) - curves.phase_deg(energies - step)) / (2 * step)


def _with_lines(
    lines: LineFits, new: LineFits, pixels: npt.NDArray[np.intp], found: BoolArray
) -> LineFits:
    """Return the fits with some lines replaced; `found` (len(pixels), n_line)."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(lines):
        array = getattr(lines, field.name)
        if array.ndim < 2:
            continue  # of the pixel as a whole
        array = array.copy()
        rows, columns = np.nonzero(found)
        array[pixels[rows], columns] = getattr(new, field.name)[rows, columns]
        changed[field.name] = array
    return dataclasses.replace(lines, **changed)


def r_of_lines(lines: LineFits, curves: Curves) -> tuple[FloatArray, FloatArray]:
    """Return R and its error of good lines."""

    def good(array: FloatArray) -> FloatArray:
        return np.where(lines.ok, array, np.nan)

    return resolving_power(
        curves,
        good(lines.centre_deg),
        good(lines.centre_error),
        good(lines.sigma_deg),
        good(lines.sigma_error),
    )


def feedlines(beammap: Beammap) -> npt.NDArray[np.int64]:
    """Return the feedline of each pixel, -1 for those without resonator."""
    res_id = beammap.res_id.ravel().astype(np.int64)
    return np.where(res_id == NO_RES_ID, -1, res_id // 10_000)
