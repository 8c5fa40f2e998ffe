"""A wavelength solution: everything that a calibration run found, in one value and one file without pickles."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core import __version__
from pipeline_core.beammap import Beammap
from pipeline_core.errors import ConfigError
from pipeline_core.flags import PixelFlag
from pipeline_core.records import read_record
from pipeline_core.solution_files import GROUP, WAVECAL, opened, written
from pipeline_core.wavecal.curves import Curves
from pipeline_core.wavecal.histograms import LaserHistograms
from pipeline_core.wavecal.linefit import LineFits
from pipeline_core.wavecal.settings import InputFile

__all__ = ["Solution", "load_solution"]

_PARTS = {"histograms": LaserHistograms, "lines": LineFits, "curves": Curves}
_BAD = int(PixelFlag["wavecal_bad"])

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Solution:
    """A wavelength calibration of an array. Arrays are read-only.

    Detector arrays are [x, y]; flattened pixels are ``x * nrows + y``; lines ascend in wavelength.

    Attributes
    ----------
    camera, baseline : str
        Of the photon files.
    res_id : ndarray of uint32, shape (ncols, nrows)
        The beam map's: what pixels of other observations are found by.
    code : ndarray of uint8, shape (ncols, nrows)
        The beam map's codes.
    frequency_mhz : ndarray of float64, shape (ncols, nrows)
        Resonance frequencies; NaN where unknown.
    wavelengths_nm : ndarray of float64, shape (n_line,)
    histograms : LaserHistograms
    lines : LineFits
    curves : Curves
    resolving_power, resolving_power_error : ndarray of float64, shape (n_pixel, n_line)
        E / FWHM; NaN where there is none.
    flags : ndarray of uint32, shape (ncols, nrows)
        Bits ``wavecal.*`` of `pipeline_core.flags`.
    reasons : tuple of str
        For each pixel what is wrong with it, in a sentence; '' where nothing is.
    pareto : tuple of (str, int)
        Reasons and how many pixels have them, most frequent first.
    inputs : tuple of InputFile
        The photon files, lasers first.
    settings : str
        JSON of `WavecalSettings`.
    created_unix : float
    software : str
        Version that made it.
    refits : tuple of str
        What was done by hand since then, one sentence a step.
    solution_id : str
        Tells solutions apart: a hash of curves, flags, settings and inputs. Made here where it is not given.
    """

    camera: str
    baseline: str
    res_id: npt.NDArray[np.uint32]
    code: npt.NDArray[np.uint8]
    frequency_mhz: FloatArray
    wavelengths_nm: FloatArray
    histograms: LaserHistograms
    lines: LineFits
    curves: Curves
    resolving_power: FloatArray
    resolving_power_error: FloatArray
    flags: npt.NDArray[np.uint32]
    reasons: tuple[str, ...]
    pareto: tuple[tuple[str, int], ...] = ()
    inputs: tuple[InputFile, ...] = ()
    settings: str = "{}"
    created_unix: float = 0.0
    software: str = __version__
    refits: tuple[str, ...] = ()
    solution_id: str = ""

    def __post_init__(self) -> None:
        shape = np.shape(self.res_id)
        if len(shape) != 2:
            raise ConfigError(f"Wavelength solution: res_id must be [x, y], not of shape {shape}.")
        lines = (shape[0] * shape[1], np.size(self.wavelengths_nm))
        for name, dtype, wanted in (
            ("res_id", np.uint32, shape),
            ("code", np.uint8, shape),
            ("frequency_mhz", np.float64, shape),
            ("flags", np.uint32, shape),
            ("wavelengths_nm", np.float64, lines[1:]),
            ("resolving_power", np.float64, lines),
            ("resolving_power_error", np.float64, lines),
        ):
            array = np.array(getattr(self, name), dtype)
            if array.shape != wanted:
                raise ConfigError(
                    f"Wavelength solution: {name} has shape {array.shape}, not {wanted}."
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if not (len(self.reasons) == self.curves.kind.size == lines[0]):
            raise ConfigError(f"Wavelength solution: not all parts have {lines[0]} pixels.")
        self._check_parts(*lines)
        object.__setattr__(self, "reasons", tuple(self.reasons))
        object.__setattr__(self, "refits", tuple(self.refits))
        object.__setattr__(self, "pareto", tuple((str(a), int(n)) for a, n in self.pareto))
        inputs = tuple(_input(one) for one in self.inputs)
        object.__setattr__(self, "inputs", inputs)
        if not self.solution_id:
            object.__setattr__(self, "solution_id", self._content_hash()[:16])

    def _check_parts(self, n: int, n_line: int) -> None:
        """Refuse parts that are not of `n` pixels and, where they have them, `n_line` lines."""
        exact = {
            "coefficients": (n, 3),
            "covariance": (n, 3, 3),
            "valid_phase_deg": (n, 2),
            "edge_deg": (n,),
            "double_significance": (n,),
            "double_share": (n,),
        }
        for part, common in (
            (self.curves, (n,)),
            (self.lines, (n, n_line)),
            (self.histograms, (n, n_line)),
        ):
            for field in dataclasses.fields(part):
                shape = np.shape(getattr(part, field.name))
                wanted = exact.get(field.name, (*common, *shape[len(common) :]))
                if shape and field.name != "edges_deg" and shape != wanted:
                    raise ConfigError(
                        f"Wavelength solution: {field.name} has shape {shape}, not {wanted}."
                    )

    @property
    def shape(self) -> tuple[int, int]:
        """(ncols, nrows)."""
        ncols, nrows = self.res_id.shape
        return ncols, nrows

    @property
    def beammap(self) -> Beammap:
        """What the photon files said of their pixels."""
        return Beammap(self.res_id, self.code, self.frequency_mhz, f"solution {self.solution_id}")

    @property
    def edges_deg(self) -> FloatArray:
        """Edges of the phase bins."""
        return self.histograms.edges_deg

    @property
    def counts(self) -> npt.NDArray[np.uint32]:
        """Phase histograms (n_pixel, n_line, n_bin)."""
        return self.histograms.counts

    @property
    def calibrated(self) -> npt.NDArray[np.bool_]:
        """Which pixels have a curve that may be used; shape (ncols, nrows)."""
        usable = (self.curves.kind > 0).reshape(self.shape)
        found: npt.NDArray[np.bool_] = usable & ((self.flags & np.uint32(_BAD)) == 0)
        return found

    def reason(self, pixel: tuple[int, int]) -> str:
        """Return what is wrong with a pixel, '' if nothing is."""
        x, y = pixel
        return self.reasons[x * self.shape[1] + y]

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the solution file (``.h5``): whole, or not at all.

        Raises
        ------
        OutputError
            If it exists already and may not be overwritten, or cannot be written.
        """
        path = Path(path).expanduser()
        with written(path, WAVECAL, self, overwrite=overwrite):
            pass
        return path

    def _content_hash(self) -> str:
        digest = hashlib.sha256()
        for array in (
            self.res_id,
            self.wavelengths_nm,
            self.flags,
            self.curves.kind,
            self.curves.coefficients,
            self.curves.valid_phase_deg,
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
        ids = [one.content_hash for one in self.inputs]
        digest.update(json.dumps([self.camera, self.baseline, self.settings, ids]).encode())
        return digest.hexdigest()


def _input(one: InputFile | dict[str, Any]) -> InputFile:
    """Return an input as it is, or from what was stored."""
    if isinstance(one, InputFile):
        return one
    return InputFile(**{**one, "path": Path(one["path"])})


def load_solution(path: Path | str) -> Solution:
    """Read a solution file.

    Raises
    ------
    InputFormatError
        Missing, damaged, or no solution.
    SchemaVersionError
        If a newer version wrote it.
    """
    with opened(Path(path).expanduser(), WAVECAL) as h5:
        return read_record(h5, GROUP, Solution, _PARTS)
