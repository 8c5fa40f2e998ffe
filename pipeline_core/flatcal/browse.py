"""What a person looks at in a flat field: maps of the array by wavelength, and one pixel, as plain values.

For the window, which does no numerics; the pages on paper are `book` and `plots`. Detector arrays are [x, y].
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.arraymap import ArrayMap, categories_map
from pipeline_core.beammap import NO_RES_ID
from pipeline_core.calibration import WavelengthCalibration
from pipeline_core.errors import ConfigError, PipelineError
from pipeline_core.flatcal.binflags import BIN_FLAGS, MASKED, first_reason
from pipeline_core.flatcal.solution import FlatSolution
from pipeline_core.wavecal.apply import calibration_for, load_curves

__all__ = [
    "MAPS",
    "FlatFacts",
    "FlatPage",
    "flat_facts",
    "flat_map",
    "flat_page",
    "wavecal_of",
]

FloatArray = npt.NDArray[np.float64]

MAPS = (
    ("weight", "Weight"),
    ("error", "Error of the weight"),
    ("counts", "Counts of the flat"),
    ("reason", "Masked, by reason"),
)
"""Name and label of each map; all but counts are those of one bin of wavelength."""

_FINE = "has a weight"
_CURVE_POINTS = 400


@dataclass(frozen=True, eq=False)
class FlatFacts:
    """What a window says of a flat field beside pictures.

    Attributes
    ----------
    solution_id, what : str
        `what`: combined, or which chunk.
    shape : (ncols, nrows)
    wavelengths_nm : ndarray, shape (n_bin,)
        Where weights lie, ascending.
    n_weighted, n_pixel : int
    scatter : float
        Standard deviation over pixels of the weights in the median bin; NaN without any.
    median_error : float
        Relative, of all weights.
    wavecal : str
        The wavelength solution that it belongs to; '' for none.
    warnings : tuple of str
    """

    solution_id: str
    what: str
    shape: tuple[int, int]
    wavelengths_nm: FloatArray
    n_weighted: int
    n_pixel: int
    scatter: float
    median_error: float
    wavecal: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FlatPage:
    """Everything about one pixel.

    Attributes
    ----------
    pixel : (x, y)
    title, condition : str
        The latter says how many bins have no weight, and why.
    edges_nm : ndarray, shape (n_bin + 1,)
    wavelengths_nm, weights, errors : ndarray, shape (n_bin,)
        NaN in bins without weight.
    rates, reference : ndarray, shape (n_bin,)
        Counts per second alive of the pixel, and of the reference.
    curve_phase, curve_nm : ndarray
        The pixel's wavelength solution, in degrees and nm; empty where it is not known.
    curve_note : str
        Why it is not known.
    """

    pixel: tuple[int, int]
    title: str
    condition: str
    edges_nm: FloatArray
    wavelengths_nm: FloatArray
    weights: FloatArray
    errors: FloatArray
    rates: FloatArray
    reference: FloatArray
    curve_phase: FloatArray
    curve_nm: FloatArray
    curve_note: str


def flat_facts(solution: FlatSolution) -> FlatFacts:
    """Return what a flat field is, in a few numbers."""
    weighted = solution.weighted
    weights = solution.weights[weighted]
    middle = weights[:, weights.shape[1] // 2]
    middle = middle[np.isfinite(middle)]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = solution.errors[weighted] / weights
    relative = relative[np.isfinite(relative)]
    return FlatFacts(
        solution_id=solution.solution_id,
        what="combined" if solution.index == 0 else f"chunk {solution.index}",
        shape=solution.shape,
        wavelengths_nm=solution.wavelengths_nm,
        n_weighted=int(weighted.sum()),
        n_pixel=int(np.count_nonzero(solution.res_id != NO_RES_ID)),
        scatter=float(middle.std()) if middle.size else float("nan"),
        median_error=float(np.median(relative)) if relative.size else float("nan"),
        wavecal=solution.wavecal_source if solution.wavecal_id else "",
        warnings=solution.warnings,
    )


def flat_map(solution: FlatSolution, name: str, bin_number: int) -> ArrayMap:
    """Return a map of one bin of wavelength, by a name of `MAPS`.

    Raises
    ------
    KeyError
        If there is no such map.
    """
    label = dict(MAPS)[name]
    nm = f"{solution.wavelengths_nm[bin_number]:.0f} nm"
    if name == "weight":
        return ArrayMap(name, f"{label} at {nm}", "1", solution.weights[..., bin_number])
    if name == "error":
        return ArrayMap(name, f"{label} at {nm}", "1", solution.errors[..., bin_number])
    if name == "counts":
        counts = np.where(solution.counts.sum(axis=2) > 0, solution.counts.sum(axis=2), np.nan)
        return ArrayMap(name, label, "photons", counts)
    number = first_reason(solution.bin_flags[..., bin_number] & np.uint8(MASKED)).ravel()
    sentences = [flag.sentence.rstrip(".") for flag in BIN_FLAGS]
    words = [_FINE if k < 0 else sentences[k] for k in number.tolist()]
    return categories_map(name, f"{label}, at {nm}", words, solution.shape)


def wavecal_of(solution: FlatSolution) -> WavelengthCalibration | str:
    """Return the wavelength calibration that a flat was made with, or why it cannot be had: from its file."""
    if not solution.wavecal_id:
        return "The flat needs no wavelength solution."
    path = Path(solution.wavecal_source)
    try:
        found = load_curves(path)
        if found.solution_id != solution.wavecal_id:
            return f"{path.name} holds another wavelength solution by now."
        about = (solution.camera, solution.baseline, solution.beammap)
        return calibration_for(found, *about, str(path), "the flat")
    except PipelineError as error:
        return f"The wavelength solution cannot be read: {error}"


def flat_page(
    solution: FlatSolution, pixel: tuple[int, int], wavecal: WavelengthCalibration | str
) -> FlatPage:
    """Return everything about a pixel; `wavecal` is what `wavecal_of` gave.

    Raises
    ------
    ConfigError
        If it is outside the array.
    """
    x, y = pixel
    ncols, nrows = solution.shape
    if not (0 <= x < ncols and 0 <= y < nrows):
        raise ConfigError(f"Pixel ({x}, {y}) is outside the array of {ncols} x {nrows} pixels.")
    live = float(solution.live_s[pixel])
    rates = solution.counts[pixel] / live if live > 0 else np.zeros(solution.energies_ev.size)
    phase, nm, note = _curve(solution, pixel, wavecal)
    return FlatPage(
        pixel=pixel,
        title=f"Pixel ({x}, {y}), resID {solution.res_id[pixel]}",
        condition=_condition(solution, pixel),
        edges_nm=solution.edges_nm,
        wavelengths_nm=solution.wavelengths_nm,
        weights=solution.weights[pixel],
        errors=solution.errors[pixel],
        rates=rates,
        reference=solution.reference_cps,
        curve_phase=phase,
        curve_nm=nm,
        curve_note=note,
    )


def _condition(solution: FlatSolution, pixel: tuple[int, int]) -> str:
    """Say in how many bins the pixel has no weight, and what is to be known of the others."""
    bits = solution.bin_flags[pixel]
    total = bits.size
    parts = []
    for flag in BIN_FLAGS:
        number = int(np.count_nonzero(bits & np.uint8(1 << flag.bit)))
        if number:
            where = "all bins" if number == total else f"{number} of {total} bins"
            parts.append(f"{where}: {flag.sentence}")
    return " ".join(parts) or f"A weight in all {total} bins."


def _curve(
    solution: FlatSolution, pixel: tuple[int, int], wavecal: WavelengthCalibration | str
) -> tuple[FloatArray, FloatArray, str]:
    """Return phases and wavelengths along the pixel's curve over the flat's range."""
    nothing = np.zeros(0)
    if isinstance(wavecal, str):
        return nothing, nothing, wavecal
    if not wavecal.kind[pixel]:
        return nothing, nothing, "The pixel has no wavelength calibration."
    low, high = wavecal.valid_phase_deg[pixel]
    phase = np.linspace(float(low), float(high), _CURVE_POINTS, endpoint=False)
    nm = wavecal.wavelengths(pixel, phase.astype(np.float32)).astype(float)
    return phase, nm, ""
