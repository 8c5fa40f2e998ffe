"""Images and cubes that this software wrote, read again: FITS and NPZ."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from pipeline_core.errors import InputFormatError
from pipeline_core.fits_facts import Facts

__all__ = ["PRODUCT_ENDINGS", "CountedPhotons", "read_product"]

PRODUCT_ENDINGS = (".fits", ".npz")

_VALUES = ("image", "weighted", "cube")
_KEPT = (
    *("INSTRUME", "TIMESYS", "DATE-OBS", "DATE-END", "MJD-OBS", "MJD-END", "FILEID", "PHOTFILE"),
    *(
        "UNIXSTR",
        "TSTART",
        "TSTOP",
        "WAVECAL",
        "FLATCAL",
        "PHASEMIN",
        "PHASEMAX",
        "WAVEMIN",
        "WAVEMAX",
        "BASELINE",
    ),
)

Arrays = Mapping[str, npt.NDArray[Any]]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CountedPhotons:
    """An image or spectral cube.

    Attributes
    ----------
    values, variances : ndarray of float64, shape (ncols, nrows, n_band)
    is_rate : bool
        Whether they are per second alive already.
    live_s : ndarray of float64, shape (ncols, nrows)
        Time alive; of an image without it, the time with data.
    flags : ndarray of uint32, shape (ncols, nrows)
    edges_nm : ndarray of float64 or None
    camera : str
    facts : mapping of keyword to (value, comment)
    """

    values: FloatArray
    variances: FloatArray
    is_rate: bool
    live_s: FloatArray
    flags: npt.NDArray[np.uint32]
    edges_nm: FloatArray | None
    camera: str
    facts: Facts


def read_product(path: Path) -> CountedPhotons:
    """Read an image or cube of ``image`` or ``cube``.

    Raises
    ------
    InputFormatError
        It cannot be read, is not of this software, or has an axis of time.
    """
    read = _read_fits if path.suffix.lower() == ".fits" else _read_npz
    try:
        arrays, about, unit = read(path)
        return _understood(path, arrays, about, unit)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputFormatError(
            f"{path} is no image or cube of this software: {error}. Give what 'image' or 'cube' wrote, or photon "
            "files."
        ) from error


def _read_fits(path: Path) -> tuple[Arrays, Mapping[str, Any], str]:
    with fits.open(path, memmap=False) as hdus:
        if hdus[0].data is None:
            raise ValueError("the first array is empty")
        arrays = {"image": hdus[0].data.T}
        arrays |= {hdu.name.lower(): hdu.data.T for hdu in hdus[1:] if hdu.is_image}
        if "BANDS" in hdus:
            bands = hdus["BANDS"].data
            arrays["wavelength_edges_nm"] = np.append(bands["low"], bands["high"][-1])
        return arrays, dict(hdus[0].header), str(hdus[0].header.get("BUNIT", ""))


def _read_npz(path: Path) -> tuple[Arrays, Mapping[str, Any], str]:
    with np.load(path, allow_pickle=False) as npz:
        arrays = {name: npz[name] for name in npz.files}
    about = json.loads(str(arrays.pop("about")))
    name = next(name for name in _VALUES if name in arrays)
    if "unit" in arrays:
        return arrays, about, str(arrays.pop("unit"))
    return arrays, about, json.loads(str(arrays["units"]))[name]


def _understood(path: Path, arrays: Arrays, about: Mapping[str, Any], unit: str) -> CountedPhotons:
    name = next((name for name in _VALUES if name in arrays), None)
    if name is None:
        raise ValueError("there is no image or cube in it")
    if unit not in ("count", "count/s"):
        raise ValueError(f"its unit is {unit!r}, neither count nor count/s")
    values = np.asarray(arrays[name], np.float64)
    live = next((arrays[key] for key in ("live", "live_s") if key in arrays), None)
    if values.ndim not in (2, 3) or (live is not None and live.ndim != 2):
        raise InputFormatError(
            f"{path} has an axis of time. Stack images or spectral cubes: leave the bins of time out."
        )
    values = values.reshape(*values.shape[:2], -1)
    variances = np.asarray(arrays.get("variance", values), np.float64).reshape(values.shape)
    if live is None:
        live = np.full(values.shape[:2], float(about["EXPTIME"]))
    flags = np.asarray(arrays.get("flags", np.zeros(values.shape[:2])))
    facts = {key: (about[key], "") for key in _KEPT if key in about}
    edges = arrays.get("wavelength_edges_nm")
    return CountedPhotons(
        values,
        variances,
        unit == "count/s",
        np.asarray(live, np.float64),
        flags.astype(np.int64).astype(np.uint32),
        None if edges is None else np.asarray(edges, np.float64),
        str(about.get("INSTRUME", "")),
        facts,
    )
