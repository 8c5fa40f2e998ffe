"""A flat-field solution: what one chunk, or all of them together, say; one value and one file without pickles.

The file also has the nodes of the predecessor's solutions, so that older scripts find what they look for.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core import __version__
from pipeline_core.beammap import Beammap
from pipeline_core.errors import ConfigError
from pipeline_core.flatcal.binflags import MASKED
from pipeline_core.flatcal.settings import FlatInput
from pipeline_core.hdf5 import FILTERS
from pipeline_core.records import read_record
from pipeline_core.solution_files import FLATCAL, GROUP, opened, written

__all__ = ["FlatSolution", "load_solution"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FlatSolution:
    """A flat field of an array. Arrays are read-only; detector arrays are [x, y].

    Attributes
    ----------
    camera, baseline : str
        Of the photon files.
    kind : {'white', 'laser'}
    index : int
        0 for the combined solution, else the number of its chunk, from 1.
    run_id : str
        Of a chunk's solution: id of the combined one of the same run.
    res_id : ndarray of uint32, shape (ncols, nrows)
        What pixels of other observations are found by.
    code : ndarray of uint8, shape (ncols, nrows)
    wavecal_id, wavecal_source : str
        The wavelength solution that photons were sorted with; '' for none (lasers).
    edges_nm : ndarray of float64, shape (n_bin + 1,)
        Ascending.
    energies_ev : ndarray of float64, shape (n_bin,)
        Where the weights lie.
    weights, errors : ndarray of float64, shape (ncols, nrows, n_bin)
        A photon counts with its weight; errors are standard deviations. NaN where there is none.
    counts : ndarray of float64, shape (ncols, nrows, n_bin)
        Photons of the flat.
    bin_flags : ndarray of uint8, shape (ncols, nrows, n_bin)
        Bits of `binflags`.
    flags : ndarray of uint32, shape (ncols, nrows)
        Bits ``flatcal.*`` of `pipeline_core.flags`.
    live_s : ndarray of float64, shape (ncols, nrows)
        Time alive in the chunks that were used.
    reference : ndarray of bool, shape (ncols, nrows)
        Pixels whose mean is the reference.
    reference_cps, reference_variance : ndarray of float64, shape (n_bin,)
        Mean rate of these pixels, and its relative variance.
    n_knots : ndarray of int64, shape (ncols, nrows)
        Knots of each pixel's fit; 0 for ratios bin by bin.
    knots : ndarray of int64, shape (ncols, nrows, n_knot)
        Bins with a knot.
    information : ndarray of float64, shape (ncols, nrows, 2, n_knot)
        Diagonal and next diagonal of the inverse covariance of log weights at the knots.
    common : ndarray of float64, shape (ncols, nrows)
        What trimming adds to the variance of log weights in all bins alike.
    inputs : tuple of FlatInput
    settings : str
        JSON of `FlatcalSettings`.
    warnings : tuple of str
    created_unix : float
    software : str
    solution_id : str
        Tells solutions apart: a hash of weights, flags, settings and inputs. Made here where it is not given.
    """

    camera: str
    baseline: str
    kind: str
    index: int
    run_id: str
    res_id: npt.NDArray[np.uint32]
    code: npt.NDArray[np.uint8]
    wavecal_id: str
    wavecal_source: str
    edges_nm: FloatArray
    energies_ev: FloatArray
    weights: FloatArray
    errors: FloatArray
    counts: FloatArray
    bin_flags: npt.NDArray[np.uint8]
    flags: npt.NDArray[np.uint32]
    live_s: FloatArray
    reference: npt.NDArray[np.bool_]
    reference_cps: FloatArray
    reference_variance: FloatArray
    n_knots: npt.NDArray[np.int64]
    knots: npt.NDArray[np.int64]
    information: FloatArray
    common: FloatArray
    inputs: tuple[FlatInput, ...] = ()
    settings: str = "{}"
    warnings: tuple[str, ...] = ()
    created_unix: float = 0.0
    software: str = __version__
    solution_id: str = ""

    def __post_init__(self) -> None:
        shape, n_bin = np.shape(self.res_id), np.size(self.energies_ev)
        n_knot = np.shape(self.knots)[-1] if np.ndim(self.knots) else 0
        cube = (*shape, n_bin)
        for name, dtype, wanted in (
            ("res_id", np.uint32, shape),
            ("code", np.uint8, shape),
            ("edges_nm", np.float64, (n_bin + 1,)),
            ("energies_ev", np.float64, (n_bin,)),
            ("weights", np.float64, cube),
            ("errors", np.float64, cube),
            ("counts", np.float64, cube),
            ("bin_flags", np.uint8, cube),
            ("flags", np.uint32, shape),
            ("live_s", np.float64, shape),
            ("reference", np.bool_, shape),
            ("reference_cps", np.float64, (n_bin,)),
            ("reference_variance", np.float64, (n_bin,)),
            ("n_knots", np.int64, shape),
            ("knots", np.int64, (*shape, n_knot)),
            ("information", np.float64, (*shape, 2, n_knot)),
            ("common", np.float64, shape),
        ):
            array: npt.NDArray[Any] = np.array(getattr(self, name), dtype)
            if len(shape) != 2 or array.shape != wanted:
                raise ConfigError(
                    f"Flat-field solution: {name} has shape {array.shape}, not {wanted}."
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "inputs", tuple(_input(one) for one in self.inputs))
        object.__setattr__(self, "warnings", tuple(self.warnings))
        if not self.solution_id:
            object.__setattr__(self, "solution_id", self._content_hash()[:16])

    @property
    def shape(self) -> tuple[int, int]:
        """(ncols, nrows)."""
        ncols, nrows = self.res_id.shape
        return ncols, nrows

    @property
    def beammap(self) -> Beammap:
        """What the photon files said of their pixels (frequencies are not kept)."""
        nothing = np.full(self.shape, np.nan)
        return Beammap(self.res_id, self.code, nothing, f"solution {self.solution_id}")

    @property
    def wavelengths_nm(self) -> FloatArray:
        """Wavelengths at which weights lie, ascending."""
        from pipeline_core.spectral_bins import HC_EV_NM

        return HC_EV_NM / self.energies_ev

    @property
    def masked(self) -> npt.NDArray[np.bool_]:
        """Where there is no weight; shape (ncols, nrows, n_bin)."""
        masked: npt.NDArray[np.bool_] = np.isin(self.bin_flags & np.uint8(MASKED), 0, invert=True)
        return masked

    @property
    def weighted(self) -> npt.NDArray[np.bool_]:
        """Which pixels have a weight in any bin; shape (ncols, nrows)."""
        found: npt.NDArray[np.bool_] = np.logical_or.reduce(np.isfinite(self.weights), axis=2)
        return found

    def covariance(self, pixel: tuple[int, int]) -> FloatArray:
        """Return the covariance of a pixel's log weights, (n_bin, n_bin); NaN in bins without weight.

        Of a fit, bins between the same knots vary together; of ratios and lasers, only the reference's noise and
        nothing else would, and the matrix is diagonal.
        """
        n_bin = self.energies_ev.size
        relative = (self.errors[pixel] / self.weights[pixel]) ** 2
        count = int(self.n_knots[pixel])
        if count == 0:
            diagonal = np.diag(np.nan_to_num(relative))
            return np.where(np.isfinite(relative[:, None] + relative), diagonal, np.nan)
        knots = self.knots[pixel][:count].astype(float)
        main, next_one = self.information[pixel][:, :count]
        inverse = np.diag(main) + np.diag(next_one[:-1], 1) + np.diag(next_one[:-1], -1)
        hats = np.stack([np.interp(np.arange(n_bin), knots, unit) for unit in np.eye(count)], 1)
        covariance = hats @ np.linalg.inv(inverse) @ hats.T + self.common[pixel]
        number = max(int(self.reference.sum()), 1)
        covariance *= 1.0 - 1.0 / number if self.reference[pixel] else 1.0
        covariance += np.diag(self.reference_variance)
        return np.where(np.isfinite(relative[:, None] + relative), covariance, np.nan)

    def correlation(self, pixel: tuple[int, int]) -> FloatArray:
        """Return the correlation of a pixel's weights, (n_bin, n_bin)."""
        covariance = self.covariance(pixel)
        sigma = np.sqrt(np.diag(covariance))
        return covariance / (sigma[:, None] * sigma)

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the solution file (``.h5``): whole, or not at all.

        Raises
        ------
        OutputError
            If it exists already and may not be overwritten, or cannot be written.
        """
        path = Path(path).expanduser()
        with written(path, FLATCAL, self, overwrite=overwrite) as h5:
            self._write_guide(h5)
        return path

    def _write_guide(self, h5: tables.File) -> None:
        """Write the nodes of 2018: arrays are the same ones under a second name."""
        h5.create_group("/", "flatcal", "as the predecessor's files")
        for name, field in (("weights", "weights"), ("spectrum", "counts")):
            h5.create_hard_link("/flatcal", name, f"{GROUP}/{field}")
        h5.create_hard_link("/flatcal", "wavelengthBins", f"{GROUP}/edges_nm")
        masked = self.masked
        h5.create_carray("/flatcal", "flags", obj=masked, filters=FILTERS)
        h5.create_table("/flatcal", "calsoln", obj=self._rows(masked), filters=FILTERS)
        h5.create_group("/", "header")
        h5.create_hard_link("/header", "beamMap", f"{GROUP}/res_id")
        h5.create_array("/header", "nxpix", self.shape[0])
        h5.create_array("/header", "nypix", self.shape[1])

    def _rows(self, masked: npt.NDArray[np.bool_]) -> npt.NDArray[np.void]:
        """Return the predecessor's table; its pixelrow is x and its pixelcol is y."""
        n_bin = self.energies_ev.size
        dtype = [
            ("flag", "u2"),
            ("pixelcol", "u2"),
            ("pixelrow", "u2"),
            ("resid", "u4"),
            ("spectrum", "f8", (n_bin,)),
            ("weightFlags", "u2", (n_bin,)),
            ("weightUncertainties", "f8", (n_bin,)),
            ("weights", "f8", (n_bin,)),
        ]
        rows = np.zeros(self.res_id.size, dtype)
        x, y = np.indices(self.shape)
        rows["pixelrow"], rows["pixelcol"] = x.ravel(), y.ravel()
        rows["resid"] = self.res_id.ravel()
        for name, values in (
            ("spectrum", self.counts),
            ("weightFlags", masked),
            ("weightUncertainties", self.errors),
            ("weights", self.weights),
        ):
            rows[name] = values.reshape(-1, n_bin)
        rows["flag"] = masked.any(axis=2).ravel()
        return rows

    def _content_hash(self) -> str:
        digest = hashlib.sha256()
        for array in (self.res_id, self.edges_nm, self.energies_ev, self.weights, self.bin_flags):
            digest.update(np.ascontiguousarray(array).tobytes())
        ids = [one.content_hash for one in self.inputs]
        about = [self.camera, self.baseline, self.wavecal_id, self.index, self.settings, ids]
        digest.update(json.dumps(about).encode())
        return digest.hexdigest()


def _input(one: FlatInput | dict[str, Any]) -> FlatInput:
    """Return an input as it is, or from what was stored."""
    if isinstance(one, FlatInput):
        return one
    return FlatInput(**{**one, "path": Path(one["path"])})


def load_solution(path: Path | str) -> FlatSolution:
    """Read a solution file.

    Raises
    ------
    InputFormatError
        Missing, damaged, or no flat-field solution.
    SchemaVersionError
        If a newer version wrote it.
    """
    with opened(Path(path).expanduser(), FLATCAL) as h5:
        return read_record(h5, GROUP, FlatSolution)
