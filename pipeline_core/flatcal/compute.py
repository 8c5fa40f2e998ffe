"""The flat field of an array, from photon files to solutions: who is called when, and with what.

`run` is what the command line and the window call; `solve` begins with spectra. The mathematics is in `fit`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.calibration import WavelengthCalibration
from pipeline_core.compile_progress import telling_of_compilation
from pipeline_core.errors import CalibrationError
from pipeline_core.flags import PixelFlag
from pipeline_core.flatcal.binflags import MASKED, bin_bit
from pipeline_core.flatcal.fit import (
    Reference,
    Weights,
    chunk_weights,
    combined_weights,
    kept_chunks,
    make_reference,
)
from pipeline_core.flatcal.settings import FlatcalSettings
from pipeline_core.flatcal.solution import FlatSolution
from pipeline_core.flatcal.spectra import FlatSpectra, Inputs, check_inputs, load_spectra
from pipeline_core.progress import Progress, part_of, silent

__all__ = ["FlatResult", "run", "solve"]

FloatArray = npt.NDArray[np.float64]

_UNCERTAIN = 0.3
_LARGE = 2.0
_INF = np.uint32(PixelFlag["flatcal_inf_weight"])


@dataclass(frozen=True, eq=False)
class FlatResult:
    """The combined solution, which is what one normally applies, one of each chunk that was kept, and the wavecal."""

    combined: FlatSolution
    chunks: tuple[FlatSolution, ...]
    wavecal: WavelengthCalibration | None = None


def run(settings: FlatcalSettings, progress: Progress = silent) -> FlatResult:
    """Make the flat field of the settings' photon files.

    Parameters
    ----------
    settings : FlatcalSettings
    progress : Progress
        May cancel.

    Raises
    ------
    ConfigError
        If an input cannot be used: all are opened before any work starts.
    CalibrationError
        If no chunk passes the cut on count rates, or no pixel has photons.
    InputFormatError
        If a file proves damaged later on.
    """
    inputs = check_inputs(settings)
    with telling_of_compilation(progress) as report:
        spectra = load_spectra(settings, inputs, part_of(report, 0.0, 0.7))
        return solve(spectra, settings, inputs, part_of(report, 0.7, 1.0))


def solve(
    spectra: FlatSpectra,
    settings: FlatcalSettings,
    inputs: Inputs,
    progress: Progress = silent,
) -> FlatResult:
    """Turn spectra into solutions.

    Parameters
    ----------
    spectra : FlatSpectra
    settings : FlatcalSettings
    inputs : Inputs
        Where the spectra come from; kept in the solutions.
    progress : Progress
        May cancel.

    Raises
    ------
    CalibrationError
        See `run`.
    """
    if not spectra.kept.any():
        raise CalibrationError(
            f"Flat field: the median pixel counts {np.nanmin(spectra.median_cps):.4g} /s or more in every chunk, above "
            f"the cut of {settings.rate_cutoff_cps:g}. Use a fainter flat, or raise countRateCutoff."
            if np.isfinite(spectra.median_cps).any()
            else "Flat field: there are no photons in the range. Check files, range and wavelength calibration."
        )
    progress(0, 1, "reference")
    reference = make_reference(spectra, np.ones(spectra.calibrated.size, bool))
    if not reference.number:
        raise CalibrationError(
            "Flat field: no calibrated pixel has photons in the range. Check files, range and wavelength calibration."
        )
    kept = kept_chunks(spectra, reference, settings.trim_fraction)
    fitting = part_of(progress, 0.1, 0.7)
    weights = combined_weights(
        spectra, reference, kept, settings.counts_a_knot, fitting, smooth=not settings.is_laser
    )
    about = _About(spectra, settings, inputs, reference)
    combined = about.combined(weights, kept)
    chunks = []
    numbers = np.flatnonzero(spectra.kept)
    for k in numbers:
        progress(700 + int(300 * (k / numbers.size)), 1000, "weights of chunks")
        chunks.append(about.chunk(int(k), combined.solution_id))
    progress(1000, 1000, "weights of chunks")
    return FlatResult(combined, tuple(chunks), inputs.wavecal)


class _About:
    """What all solutions of a run have in common."""

    def __init__(
        self,
        spectra: FlatSpectra,
        settings: FlatcalSettings,
        inputs: Inputs,
        reference: Reference,
    ) -> None:
        self._spectra, self._settings, self._inputs = spectra, settings, inputs
        self._reference = reference
        self._created = time.time()

    def combined(self, found: Weights, kept: npt.NDArray[np.bool_]) -> FlatSolution:
        """Return the solution of all chunks."""
        spectra = self._spectra
        flags = self._bin_flags(found.weights, found.errors, found.counts, fitted=True)
        live = spectra.live_s.mean(axis=2)
        return self._solution(
            found.weights,
            found.errors,
            found.counts,
            flags,
            index=0,
            run_id="",
            live_s=(live * kept).sum(axis=1),
            n_knots=found.n_knots,
            knots=found.knots,
            information=found.information,
            common=found.common,
        )

    def chunk(self, k: int, run_id: str) -> FlatSolution:
        """Return the solution of one chunk (from 0)."""
        spectra = self._spectra
        found = chunk_weights(spectra, self._reference, k)
        flags = self._bin_flags(found.weights, found.errors, found.counts, fitted=False)
        n_pixel = spectra.calibrated.size
        return self._solution(
            found.weights,
            found.errors,
            found.counts,
            flags,
            index=k + 1,
            run_id=run_id,
            live_s=spectra.live_s[:, k].mean(axis=1),
            n_knots=np.zeros(n_pixel, np.int64),
            knots=np.zeros((n_pixel, 1), np.int64),
            information=np.zeros((n_pixel, 2, 1)),
            common=np.zeros(n_pixel),
        )

    def _bin_flags(
        self, weights: FloatArray, errors: FloatArray, counts: FloatArray, *, fitted: bool
    ) -> npt.NDArray[np.uint8]:
        spectra = self._spectra
        flags = np.zeros(weights.shape, np.uint8)
        none = np.logical_not(np.isfinite(weights))
        empty = self._reference.rates_cps[spectra.kept].sum(axis=0) <= 0
        flags[~spectra.calibrated] |= bin_bit("not_calibrated")
        flags[:, empty] |= bin_bit("no_reference")
        known = flags != 0
        flags[none & ~known & (counts == 0)] |= bin_bit("no_counts")
        if fitted:
            whole = np.all(none, axis=1, keepdims=True)
            flags[none & ~known & (counts > 0) & whole] |= bin_bit("fit_failed")
            flags[none & ~known & (counts > 0) & ~whole] |= bin_bit("insensitive")
        else:
            flags[none & ~known & (counts > 0)] |= bin_bit("fit_failed")
        flags[~spectra.inside & spectra.calibrated[:, None]] |= bin_bit("outside_wavecal")
        with np.errstate(invalid="ignore"):
            flags[errors > _UNCERTAIN * weights] |= bin_bit("uncertain")
            flags[weights >= _LARGE] |= bin_bit("large_weight")
        return flags

    def _solution(
        self,
        weights: FloatArray,
        errors: FloatArray,
        counts: FloatArray,
        bin_flags: npt.NDArray[np.uint8],
        *,
        index: int,
        run_id: str,
        live_s: FloatArray,
        n_knots: npt.NDArray[np.int64],
        knots: npt.NDArray[np.int64],
        information: FloatArray,
        common: FloatArray,
    ) -> FlatSolution:
        inputs, spectra = self._inputs, self._spectra
        shape = inputs.beammap.shape
        masked = ((bin_flags & MASKED) != 0).any(axis=1)
        wavecal = inputs.wavecal
        cube = (*shape, weights.shape[1])
        return FlatSolution(
            camera=inputs.camera,
            baseline=inputs.baseline,
            kind="laser" if self._settings.is_laser else "white",
            index=index,
            run_id=run_id,
            res_id=inputs.beammap.res_id,
            code=inputs.beammap.code,
            wavecal_id="" if wavecal is None else wavecal.solution_id,
            wavecal_source="" if wavecal is None else wavecal.source,
            edges_nm=spectra.edges_nm,
            energies_ev=spectra.energies_ev,
            weights=weights.reshape(cube),
            errors=errors.reshape(cube),
            counts=counts.reshape(cube),
            bin_flags=bin_flags.reshape(cube),
            flags=np.where(masked, _INF, 0).astype(np.uint32).reshape(shape),
            live_s=live_s.reshape(shape),
            reference=self._reference.pixels.reshape(shape),
            reference_cps=self._reference.rates_cps[spectra.kept].mean(axis=0),
            reference_variance=self._reference.variance,
            n_knots=n_knots.reshape(shape),
            knots=knots.reshape(*shape, -1),
            information=information.reshape(*shape, 2, -1),
            common=common.reshape(shape),
            inputs=inputs.files,
            settings=self._settings.to_json(),
            warnings=inputs.warnings,
            created_unix=self._created,
        )
