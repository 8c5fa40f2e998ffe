"""Writes photon files in the layout of 2019 to 2021 (V3c), for scripts that people have: `export_darkness2019`.

What is attached is worked into the photons, as programs of that time did: wavelengths take the place of phases, weights
are multiplied in. The observation itself stays as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core import schema
from pipeline_core.atomic import write_aside
from pipeline_core.errors import ConfigError
from pipeline_core.flags import FLAG_NAMES, V3C_FLAG_NAMES
from pipeline_core.hdf5 import FILTERS, writing
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress, silent
from pipeline_core.targets import check_room

__all__ = ["LAYOUTS", "ExportSummary", "export_darkness2019"]

LAYOUTS = ("darkness2019",)

_CHUNK_ROWS = 65536
_ROWS_AT_ONCE = 1 << 20
_BYTES_A_PHOTON = 12


@dataclass(frozen=True)
class ExportSummary:
    """What was written; `wavelength_pixels` and `weighted_pixels` are those whose calibration was worked in.

    `masked_s` [s] is how much of the time is left out: the layout cannot tell it, rates have to allow for it.
    """

    path: Path
    n_photons: int
    wavelength_pixels: int
    weighted_pixels: int
    masked_s: float


def export_darkness2019(
    obs: ObsFile,
    out: Path,
    *,
    indexed: bool = False,
    progress: Progress = silent,
) -> ExportSummary:
    """Write an observation in layout V3c.

    Photons are sorted by resonator and time. In pixels that have wavelengths, these (nm) are written in the place of
    phases, outside the valid range too; the others keep their phases (deg) and are flagged. ``SpecWeight`` holds the
    weights, 1 where there are none. Masked times are left out, as in every read.

    Parameters
    ----------
    obs : ObsFile
    out : path
        ``*.h5``; must not exist: it might be the only copy of somebody's data.
    indexed : bool
        Whether to make PyTables indexes of the columns, which queries of that time are slow without.
    progress : Progress
        May cancel.

    Raises
    ------
    ConfigError
        If `out` is no ``*.h5``.
    OutputError
        If it cannot be written, or exists already.
    """
    if out.suffix != ".h5" or out.name.endswith(schema.SIDECAR_ENDING):
        raise ConfigError(
            f"{out}: the name of a photon file must end in .h5, not in {schema.SIDECAR_ENDING}."
        )
    check_room(out, _BYTES_A_PHOTON * obs.n_photons, "this export")
    with (
        write_aside(out, replace=False) as part,
        writing(part, "MKID Photon File") as h5,
    ):
        _write_frame(h5, obs)
        n_photons = _write_photons(h5, obs, progress)
        if indexed:
            progress(n_photons, n_photons, "making indexes")
            for name in ("ResID", "Time", "Wavelength"):
                h5.root.Photons.PhotonTable.colinstances[name].create_index(
                    optlevel=6, kind="ultralight", filters=FILTERS
                )
    return ExportSummary(
        out,
        n_photons,
        0 if obs.wavecal is None else int(np.count_nonzero(obs.wavecal.calibrated)),
        int(np.count_nonzero(obs.weighted)) if obs.is_flat_calibrated else 0,
        float(np.diff(obs.masked_us, axis=1).sum()) / 1e6,
    )


def _write_frame(h5: tables.File, obs: ObsFile) -> None:
    """Write beam map and header."""
    h5.create_group("/", "Photons", "Photon Information")
    h5.create_group("/", "BeamMap", "Beammap Information")
    h5.create_array("/BeamMap", "Map", obs.beammap.res_id.astype(np.int64), "resID map")
    h5.create_array("/BeamMap", "Flag", obs.flags.astype(np.int64), "flag map")
    later = int(np.bitwise_or.reduce(obs.flags, axis=None)) >> len(V3C_FLAG_NAMES)
    names = FLAG_NAMES if later else V3C_FLAG_NAMES
    row = np.zeros(1, schema.header_dtype())
    row["beammapFile"] = _text(obs.beammap.source)
    row["dataDir"] = _text(str(obs.path.absolute()))
    row["energyBinWidth"], row["wvlBinStart"], row["wvlBinEnd"] = 0.1, 700.0, 1500.0
    row["startTime"], row["expTime"] = obs.start_unix, math.ceil(obs.exposure_s)
    row["isWvlCalibrated"] = obs.is_wavelength_calibrated
    row["isFlatCalibrated"] = obs.is_flat_calibrated
    row["isBadPixMasked"] = bool(obs.pixel_masks)
    row["wvlCalFile"] = _text("" if obs.wavecal is None else obs.wavecal.source)
    row["fltCalFile"] = _text("" if obs.flatcal is None else obs.flatcal.source)
    row["target"] = _text(str(obs.origin.get("target", "")))
    row["metadata"] = "flags:\n" + "".join(f"- {name}\n" for name in names)
    h5.create_group("/", "header", "Header")
    table = h5.create_table(
        "/header", "header", row.dtype, "Header", filters=FILTERS, chunkshape=1, expectedrows=1
    )
    table.append(row)


def _text(value: str) -> bytes:
    return value.encode()[: schema.HEADER_STRING].decode(errors="ignore").encode()


def _write_photons(h5: tables.File, obs: ObsFile, progress: Progress) -> int:
    """Write all photons, pixel by pixel in the order of the file; return how many."""
    dtype = schema.photon_dtype()
    table = h5.create_table(
        "/Photons",
        "PhotonTable",
        dtype,
        "Photon Datatable",
        filters=FILTERS,
        chunkshape=_CHUNK_ROWS,
        expectedrows=max(obs.n_photons, 1),
    )
    calibrated = None if obs.wavecal is None else obs.wavecal.calibrated
    waiting: list[npt.NDArray[np.void]] = []
    held = written = 0
    for flat in obs.beammap.photon_order():
        x, y = divmod(int(flat), obs.shape[1])
        photons = obs.photons((x, y))
        rows = np.empty(photons.size, dtype)
        rows["ResID"], rows["Time"] = obs.beammap.res_id[x, y], photons["time"]
        has_wavelengths = calibrated is not None and bool(calibrated[x, y])
        rows["Wavelength"] = photons["wavelength" if has_wavelengths else "phase"]
        rows["SpecWeight"] = np.where(np.isnan(photons["weight"]), 1.0, photons["weight"])
        rows["NoiseWeight"] = 1.0
        waiting.append(rows)
        held += rows.size
        if held >= _ROWS_AT_ONCE:
            progress(written, obs.n_photons, "writing photons")
            table.append(np.concatenate(waiting))
            written, held = written + held, 0
            waiting.clear()
    if held:
        table.append(np.concatenate(waiting))
    table.flush()
    return written + held
