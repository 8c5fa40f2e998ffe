"""Photon files in which wavelengths have taken the place of phases: brought in from older programs, which did that.

The column of phases then holds nm. A "curve" of the kind `calibration.STORED` says so: it gives back what is stored, so
that windows, images, cubes and spectra work as with any other calibration. The phases are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline_core.calibration import STORED, WAVECAL_FLAGS, WavelengthCalibration

if TYPE_CHECKING:
    from pipeline_core.photon_file import PhotonFile

__all__ = ["stored_calibration"]


def stored_calibration(file: PhotonFile) -> WavelengthCalibration | None:
    """Return the calibration that an older program applied for ever; None if the photons of a file have phases."""
    limits = file.stored_nm
    if limits is None:
        return None
    stored = np.asarray(np.isfinite(limits).all(axis=2))
    # half-open: the longest wavelength is inside
    valid = np.stack([limits[..., 0], np.nextafter(limits[..., 1], np.inf)], axis=2)
    shape = file.shape
    return WavelengthCalibration(
        solution_id=f"stored-{file.file_id}",
        source=str(file.origin.get("wavecal") or "an older program"),
        settings="{}",
        camera=file.camera,
        baseline=file.baseline,
        wavelengths_nm=(),
        kind=np.where(stored, STORED, 0),
        coefficients=np.zeros((*shape, 3)),
        covariance=np.zeros((*shape, 3, 3)),
        valid_phase_deg=np.where(stored[..., None], valid, 0.0),
        flags=file.flags & np.uint32(WAVECAL_FLAGS),
    )
