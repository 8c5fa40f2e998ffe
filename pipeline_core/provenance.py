"""What every export tells of its origin: file, id, settings, software version, times, pixels."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline_core import __version__
from pipeline_core.fits_facts import Columns, Facts
from pipeline_core.utc import utc_iso

if TYPE_CHECKING:
    from pipeline_core.observation import Observation

__all__ = [
    "OPEN",
    "Band",
    "facts_of",
    "pixel_columns",
    "pixel_facts",
    "sources_of",
    "window_settings",
]

Band = tuple[float | None, float | None]
OPEN: Band = (None, None)

_UNIX_EPOCH_MJD = 40587.0
_DAY_S = 86400.0
_KINDS = {
    "photons": "photon file",
    "raw": "raw file",
    "older": "file of an older program",
    "frame": "frame of the monitor",
    "stream": "datastream of the dashboard",
}


def facts_of(
    obs: Observation,
    start: float | None,
    stop: float | None,
    band: Band,
    settings: Mapping[str, object],
) -> dict[str, tuple[object, str]]:
    """Return what is true of a product of the photons between `start` and `stop` (s).

    Times are given as FITS wants them (standard 4.0, section 9): TSTART and TSTOP count from DATEREF.
    """
    first = 0.0 if start is None else start
    last = obs.exposure_s if stop is None else stop
    calibrated = obs.is_wavelength_calibrated
    limits = ("WAVEMIN", "WAVEMAX", "nm") if calibrated else ("PHASEMIN", "PHASEMAX", "deg")
    return {
        "CREATOR": (f"quicklook {__version__}", "software"),
        "DATE": (utc_iso(time.time())[:19], "UTC, when this file was made"),
        "INSTRUME": (obs.camera, "camera"),
        "TIMESYS": ("UTC", "of all times"),
        "TIMEUNIT": ("s", "of TSTART, TSTOP"),
        "DATEREF": (utc_iso(obs.start_unix), "UTC, start of the file"),
        "MJDREF": (_mjd(obs.start_unix), "the same"),
        "DATE-OBS": (utc_iso(obs.start_unix + first), "UTC, start of the time range"),
        "DATE-END": (utc_iso(obs.start_unix + last), "UTC, end of the time range"),
        "MJD-OBS": (_mjd(obs.start_unix + first), "start of the time range"),
        "MJD-END": (_mjd(obs.start_unix + last), "end of the time range"),
        "EXPTIME": (obs.open_time(start, stop), "[s] with data in the time range"),
        "TSTART": (first, "[s] time range, from the start of the file"),
        "TSTOP": (last, "[s] end of the time range, not included"),
        limits[0]: (band[0], f"[{limits[2]}] lower limit; not set: open"),
        limits[1]: (band[1], f"[{limits[2]}] upper limit, excluded; not set: open"),
        "UNIXSTR": (obs.start_unix, "[s] unix time of the start of the file"),
        "PHOTFILE": (obs.path.name, _KINDS[obs.kind]),
        "NFILES": (len(getattr(obs, "paths", (obs.path,))), "files that were read"),
        "FILEID": (obs.file_id, "id of the file"),
        "BASELINE": (obs.baseline, "what was done with baselines"),
        "WAVECAL": (_solution(obs), "wavelength solution"),
        "FLATCAL": (_flat(obs), "flat field; weights only where asked for"),
        "SETTINGS": (json.dumps(dict(settings)), "arguments, JSON"),
    }


def window_settings(
    obs: Observation, start: float | None, stop: float | None, band: Band
) -> dict[str, object]:
    """Return the arguments that choose photons, without those that choose nothing."""
    quantity = "wavelength" if obs.is_wavelength_calibrated else "phase"
    given = {
        "start": start,
        "stop": stop,
        f"min_{quantity}": band[0],
        f"max_{quantity}": band[1],
    }
    return {name: float(value) for name, value in given.items() if value is not None}


def pixel_facts(obs: Observation, pixels: Sequence[tuple[int, int]], label: str) -> Facts:
    """Return how many pixels were summed, and of a single one which it is."""
    facts: dict[str, tuple[object, str]] = {"NPIXELS": (len(pixels), "summed; see PIXELS")}
    if label:
        facts["TARGET"] = (label, "what was looked at")
    if len(pixels) == 1:
        pixel = pixels[0]
        facts |= {
            "PIXELX": (pixel[0], "column"),
            "PIXELY": (pixel[1], "row"),
            "RESID": (int(obs.beammap.res_id[pixel]), "resonator"),
            "FLAGS": (int(obs.flags[pixel]), "flag bits"),
        }
    return facts


def pixel_columns(obs: Observation, pixels: Sequence[tuple[int, int]]) -> Columns:
    """Return the pixels as a table: place, resonator, flag bits."""
    x, y = np.array(pixels, np.int64).T
    return {
        "x": ("", x),
        "y": ("", y),
        "res_id": ("", obs.beammap.res_id[x, y].astype(np.int64)),
        "flags": ("", obs.flags[x, y].astype(np.int64)),
    }


def sources_of(obs: Observation) -> tuple[Path, ...]:
    """Return the files of an observation."""
    own = (obs.path, *getattr(obs, "paths", ()))
    sidecar = getattr(obs, "sidecar", None)
    return own if sidecar is None else (*own, sidecar)


def _solution(obs: Observation) -> str:
    """Return the id of the wavelength solution in use."""
    wavecal = getattr(obs, "wavecal", None)
    if wavecal is None:
        return "applied" if obs.is_wavelength_calibrated else "none"
    return str(wavecal.solution_id)


def _flat(obs: Observation) -> str:
    """Return the id of the flat field in use."""
    flat = getattr(obs, "flatcal", None)
    return "none" if flat is None else str(flat.solution_id)


def _mjd(unix: float) -> float:
    return unix / _DAY_S + _UNIX_EPOCH_MJD
