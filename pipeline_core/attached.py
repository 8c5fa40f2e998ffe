"""What is attached to an observation and may change: `ObsFile`'s dealings with the sidecar.

The photon file is never written to; attaching and undoing rewrite the sidecar alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline_core.attached_masks import AttachedMasks
from pipeline_core.calibrated import CalibratedPhotons
from pipeline_core.calibration import WavelengthCalibration
from pipeline_core.errors import CalibrationError, ConfigError, InputFormatError
from pipeline_core.flatcal.apply import flat_for, load_weights, solution_paths
from pipeline_core.flatfield import FlatCalibration
from pipeline_core.packed_file import packed_of, sidecar_inside
from pipeline_core.photon_file import PhotonFile
from pipeline_core.pixel_cache import PixelCache
from pipeline_core.selection import Band, band_of
from pipeline_core.sidecar import Action, Sidecar, load_sidecar, save_sidecar, sidecar_path
from pipeline_core.stored_wavelengths import stored_calibration
from pipeline_core.wavecal.apply import calibration_for, load_curves

if TYPE_CHECKING:
    from pipeline_core.flatcal.solution import FlatSolution
    from pipeline_core.wavecal.solution import Solution

__all__ = ["Attached"]

Self = TypeVar("Self", bound="Attached")


class Attached(AttachedMasks):
    """Base of `ObsFile`: history, annotations, calibrations. Methods that change something need ``mode="write"``."""

    path: Path
    flags: npt.NDArray[np.uint32]
    _file: PhotonFile
    _pixels: PixelCache
    _writable: bool
    _sidecar: Sidecar
    _sidecar_path: Path
    _inside: Sidecar | None = None
    _calibrated: CalibratedPhotons | None
    _flat: FlatCalibration | None = None
    _saves_later = False

    @property
    def history(self) -> tuple[Action, ...]:
        """Everything that was done to this observation since its photons were recorded."""
        return self._sidecar.history

    @property
    def annotations(self) -> tuple[str, ...]:
        """Notes attached to the observation."""
        return self._sidecar.annotations

    @property
    def sidecar(self) -> Path:
        """Where what may change is kept: beside the photon file, or in the user's data folder."""
        return self._sidecar_path

    @property
    def has_phases(self) -> bool:
        """Whether all photons have phases: in files of older programs, wavelengths may have taken their place."""
        return self._file.stored_nm is None

    @property
    def sidecar_words(self) -> str:
        """Where the sidecar is that was read, in words: a path, 'inside the file' of a packed one, or 'none'."""
        if self._sidecar_path.exists():
            return str(self._sidecar_path)
        return "none" if self._inside is None else "inside the file"

    @property
    def wavecal(self) -> WavelengthCalibration | None:
        """The wavelength calibration in use: attached, or tried out."""
        return None if self._calibrated is None else self._calibrated.calibration

    @property
    def is_wavelength_calibrated(self) -> bool:
        """Whether photons have wavelengths, as far as their pixels are calibrated."""
        return self._calibrated is not None

    @property
    def flatcal(self) -> FlatCalibration | None:
        """The flat field in use: the one attached, unless a wavelength calibration that it is not of is tried out."""
        return self._flat

    @property
    def is_flat_calibrated(self) -> bool:
        """Whether photons have weights, as far as their pixels have."""
        return self._flat is not None or self._file.has_weights

    @property
    def has_weights(self) -> bool:
        """Whether an older program has given photons weights for ever; a flat field multiplies them."""
        return self._file.has_weights

    @property
    def weighted(self) -> npt.NDArray[np.bool_]:
        """Which pixels' photons have weights; shape (ncols, nrows).

        Raises
        ------
        CalibrationError
            If there are none at all.
        """
        if self._flat is None and self._file.has_weights:
            return np.ones(self._file.shape, bool)
        return self._weights().weighted

    @contextmanager
    def together(self: Self) -> Iterator[Self]:
        """Save what is changed inside once, at the end: all of it lasts, or nothing. Needs ``mode="write"``.

        An error, inside or in saving, leaves observation and sidecar as they were before.
        """
        self._check_writable()
        if self._saves_later:
            yield self
            return
        before = self._sidecar
        self._saves_later = True
        try:
            yield self
            self._saves_later = False
            if self._sidecar is not before:
                self._save(self._sidecar)
        except BaseException:
            self._sidecar = before
            self._use(before.wavecal)
            self._use_masks()
            raise
        finally:
            self._saves_later = False

    def annotate(self: Self, text: str) -> Self:
        """Attach a note; returns the observation. Needs ``mode="write"``."""
        self._save(self._sidecar.annotated(text))
        return self

    def apply_wavecal(self: Self, solution: Path | str | Solution, replace: bool = False) -> Self:
        """Attach a wavelength solution; returns the observation. Needs ``mode="write"``.

        The sidecar keeps a copy of what is needed. The same solution once more changes nothing.

        Parameters
        ----------
        solution : path or Solution
        replace : bool
            Whether it may take the place of another one; `undo` then brings that one back.

        Raises
        ------
        CalibrationError
            If it was made for another camera, other resonators or another treatment of baselines, or another one is
            attached already.
        InputFormatError
            If the file is no solution.
        OutputError, SidecarConflictError
            If the sidecar cannot be written, or another program is writing it.
        """
        self._check_writable()
        wavecal = self._calibration(solution)
        changed = self._sidecar.with_wavecal(wavecal, replace=replace)
        if changed is not self._sidecar:
            self._save(changed)
        self._use(self._sidecar.wavecal)
        return self

    def apply_flatcal(
        self: Self,
        solution: Path | str | FlatSolution,
        verbose: bool = False,
        replace: bool = False,
        force: bool = False,
    ) -> Self:
        """Attach a flat field; returns the observation. Needs ``mode="write"``.

        The sidecar keeps a copy of what is needed; weights are computed when photons are read. The same solution once
        more changes nothing.

        Parameters
        ----------
        solution : path or FlatSolution
            A solution file; or a base name, which means all ``<base><number>.h5``, averaged.
        verbose : bool
            Whether to write the book of applied weights beside the solution: ``<base>FlatCalSolnPlotsPerPixel.pdf``.
        replace : bool
            Whether it may take the place of another one; `undo` then brings that one back.
        force : bool
            Whether it may be attached over another wavelength calibration than the one it was made with. Recorded.

        Raises
        ------
        CalibrationError
            If it was made for another camera, other resonators, another treatment of baselines, or with another
            wavelength calibration; there is none; or another flat field is attached already.
        InputFormatError
            If a file is no flat-field solution.
        OutputError, SidecarConflictError
            If the sidecar or the book cannot be written, or another program is writing the sidecar.
        """
        self._check_writable()
        flat = self._flat_calibration(solution, force)
        changed = self._sidecar.with_flatcal(flat, replace=replace)
        if changed is not self._sidecar:
            self._save(changed)
        self._use(self._sidecar.wavecal)
        if verbose and isinstance(solution, (str, Path)):
            from pipeline_core.flatcal.book import (
                write_applied_book,  # here: reading needs none of it
            )

            write_applied_book(Path(solution).expanduser(), flat)
        return self

    def undo(self: Self, kind: str | None = None, *, cascade: bool = False) -> Self:
        """Take back the newest action; or the newest of a kind; or with ``'wavecal'``, ``'flatcal'`` all of its kind.

        Other kinds are ``'badpixels'``, ``'timemask'`` and ``'annotation'``. Returns the observation. Taking back the
        newest action brings back what it had replaced.

        Parameters
        ----------
        kind : str, optional
        cascade : bool
            Whether undoing a wavelength calibration also undoes the flat field that depends on it.

        Raises
        ------
        CalibrationError
            If there is nothing to take back, or a flat field depends on the wavelength calibration.
        """
        self._save(self._sidecar.undone(kind, cascade=cascade))
        self._use(self._sidecar.wavecal)
        self._use_masks()
        return self

    def try_wavecal(self: Self, solution: Path | str | Solution | None) -> Self:
        """Use a solution for reading, without attaching it; None for what is attached. Returns the observation.

        Raises
        ------
        CalibrationError, InputFormatError
            As for `apply_wavecal`.
        """
        self._use(self._sidecar.wavecal if solution is None else self._calibration(solution))
        return self

    def _load_sidecar(self) -> None:
        self._sidecar_path = sidecar_path(self.path, self._file.file_id)
        self._inside = self._sidecar_inside()
        if self._inside is not None and not self._sidecar_path.exists():
            self._sidecar = self._inside
        else:
            self._sidecar = load_sidecar(self._sidecar_path, self._file.file_id)
        self._use(self._sidecar.wavecal)
        self._use_masks()

    def _sidecar_inside(self) -> Sidecar | None:
        """Return the sidecar that a packed file brings along."""
        packed = packed_of(self.path)
        if packed is None:
            return None
        with sidecar_inside(self.path, packed) as part:
            try:
                return load_sidecar(part, self._file.file_id)
            except InputFormatError as error:
                raise InputFormatError(f"The sidecar inside {self.path}: {error}") from error

    def _use(self, wavecal: WavelengthCalibration | None) -> None:
        """Read photons with this calibration from now on, and with the flat field, if that belongs to it."""
        if wavecal is None and not self.has_phases:
            wavecal = self.wavecal or stored_calibration(self._file)
        if wavecal is not self.wavecal:
            self._calibrated = None
            if wavecal is not None:
                self._check_shape(wavecal.kind.shape)
                self._calibrated = CalibratedPhotons(wavecal, self._file, self._pixels)
        flat = self._sidecar.flatcal
        if flat is not None and not flat.forced:
            known = "" if wavecal is None else wavecal.solution_id
            if flat.wavecal_id not in ("", known):
                flat = None  # another one is being tried out
        self._flat = None if wavecal is None else flat
        self._use_flags()

    def _use_flags(self) -> None:
        """Put together what file, calibrations and masks say."""
        flags = self._file.flags
        if self._calibrated is not None:
            flags = self._calibrated.calibration.combined_flags(flags)
        if self._flat is not None:
            self._check_shape(self._flat.flags.shape)
            flags = self._flat.combined_flags(flags)
        self.flags = self._with_masks(flags)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if shape != self._file.shape:
            raise CalibrationError(
                f"{self._sidecar_path} holds a calibration of {shape} pixels, not {self._file.shape}. Move it away."
            )

    def _calibration(self, solution: Path | str | Solution) -> WavelengthCalibration:
        """Return what a solution says about this observation."""
        if not self.has_phases:
            raise CalibrationError(
                f"{self.path}: an older program has put wavelengths into the place of its phases, so no "
                "solution can be applied any more. Convert the raw files again to calibrate anew."
            )
        if isinstance(solution, (str, Path)):
            path = Path(solution).expanduser()
            source, found = str(path), load_curves(path)
        else:
            source, found = f"solution {solution.solution_id}", solution
        file = self._file
        return calibration_for(
            found, file.camera, file.baseline, file.beammap, source, str(self.path)
        )

    def _flat_calibration(
        self, solution: Path | str | FlatSolution, force: bool
    ) -> FlatCalibration:
        """Return what a flat field says about this observation."""
        if isinstance(solution, (str, Path)):
            path = Path(solution).expanduser()
            source = str(path)
            found = [load_weights(one) for one in solution_paths(path)]
        else:
            source, found = f"flat field {solution.solution_id}", [solution]
        file = self._file
        where = (file.beammap, file.camera, file.baseline, source, str(self.path))
        return flat_for(found, self._sidecar.wavecal or self.wavecal, *where, force=force)

    def _weights(self) -> FlatCalibration:
        if self._flat is None:
            raise CalibrationError(
                f"{self.path} has no flat field, so photons have no weights. Apply one first, or ask for plain counts."
            )
        return self._flat

    def _calibrated_photons(self) -> CalibratedPhotons:
        if self._calibrated is None:
            raise CalibrationError(
                f"{self.path} has no wavelength calibration, so photons cannot be chosen by wavelength. Leave the "
                "range open, or apply a wavelength solution first."
            )
        return self._calibrated

    def _band(
        self,
        min_phase: float | None,
        max_phase: float | None,
        min_wavelength: float | None,
        max_wavelength: float | None,
        extrapolated: bool,
    ) -> Band:
        """Return a band as `selection.band_of` does; there are none of phase where phases are gone."""
        band = band_of(min_phase, max_phase, min_wavelength, max_wavelength, extrapolated)
        if not self.has_phases and band.phases != (-np.inf, np.inf):
            raise CalibrationError(self._no_phases())
        return band

    def _no_phases(self) -> str:
        return (
            f"{self.path}: its phases are not known any more, since an older program has put wavelengths into their "
            "place. Choose by wavelength, or convert the raw files again."
        )

    def _check_writable(self) -> None:
        if not self._writable:
            raise ConfigError(
                f'{self.path} is open for reading. Open it with mode="write" to change it.'
            )

    def _save(self, changed: Sidecar) -> None:
        self._check_writable()
        if self._saves_later:
            self._sidecar = changed
        else:
            self._sidecar = save_sidecar(self._sidecar_path, changed, self._inside)
