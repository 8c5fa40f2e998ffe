"""What the readout's dashboard would have written beside simulated raw files: datastreams and an observing log.

Their counts are read back from the ``.bin`` files, so they agree with them to the photon.
"""

from __future__ import annotations

import gzip
import io
import json
import warnings
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from pipeline_core.atomic import write_aside
from pipeline_core.progress import Progress, silent
from pipeline_core.rawsummary import summarise_raw
from pipeline_core.simulate.run import SimulatedObservation, SimulationSummary

__all__ = ["DashboardFiles", "write_dashboard"]

_BLOCK_S = 60
"""Frames of one second in a datastream file."""
_COMPRESSION = 6
_COMMENTS = {
    "laser": "wavelength calibration",
    "dark": "dark, shutter closed",
    "flat": "lamp",
    "sky": "simulated star",
    "speckle": "simulated speckles",
}


@dataclass(frozen=True)
class DashboardFiles:
    """What was written."""

    streams: tuple[Path, ...]
    obslog: Path


def write_dashboard(
    made: SimulationSummary, folder: Path, progress: Progress = silent, *, replace: bool = False
) -> DashboardFiles:
    """Write a datastream a minute, with one frame a second, and an observing log with one entry an observation.

    Parameters
    ----------
    made : SimulationSummary
        Of `simulate`; its raw files must be there.
    folder : path
        Exists.
    progress : Progress
        Told of seconds; may cancel.
    replace : bool
        Whether files of the same names may be replaced.

    Raises
    ------
    OutputError
        A file cannot be written, or is there already.
    """
    logged = [_logged(observation) for observation in made.observations]
    seconds = range(made.start, made.start + made.seconds)
    streams = []
    for first in seconds[::_BLOCK_S]:
        block = seconds[first - made.start :][:_BLOCK_S]
        units: list[Any] = [fits.PrimaryHDU()]
        for second in block:
            progress(second - made.start, made.seconds, "writing datastreams")
            units.append(_frame(made, second, logged))
        path = folder / f"stream{block[-1] + 1}.fits.gz"
        units[0].header["FILENAME"] = path.name
        _save(path, units, replace=replace)
        streams.append(path)
    obslog = folder / f"obslog_{_utc(made.start)[:12]}.json"
    with write_aside(obslog, replace=replace) as part:
        part.write_text("".join(json.dumps(entry) + "\n" for entry in logged), encoding="utf-8")
    return DashboardFiles(tuple(streams), obslog)


def _logged(observation: SimulatedObservation) -> dict[str, Any]:
    laser = observation.wavelength_nm
    return {
        "utc": _utc(observation.start),
        "target": observation.name,
        "laser": "off" if laser is None else f"{laser:g} nm",
        "flipper": "image" if observation.kind in ("sky", "speckle") else "calibration",
        "filter": "open",
        "observatory": "simulated",
        "comment": _COMMENTS[observation.kind],
    }


def _frame(made: SimulationSummary, second: int, logged: list[dict[str, Any]]) -> fits.ImageHDU:
    path = made.folder / f"{second}.bin"
    ncols, nrows = made.shape
    counts = summarise_raw([path]).counts[:ncols, :nrows] if path.exists() else np.zeros(made.shape)
    unit = fits.ImageHDU(np.ascontiguousarray(counts.T.astype(np.int32)))
    state = next(entry for entry in reversed(logged) if entry["utc"] <= _utc(second))
    header = {**state, "utcstart": _utc(second), "utc": _utc(second + 1), "exptime": 1.0}
    header |= {"wmin": "NaN", "wmax": "NaN"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)  # long names: HIERARCH cards
        for key, value in header.items():
            unit.header[key] = value
    return unit


def _save(path: Path, units: list[Any], *, replace: bool) -> None:
    plain = io.BytesIO()
    fits.HDUList(units).writeto(plain)
    with write_aside(path, replace=replace) as part:
        # no time inside: equal seeds give equal bytes
        part.write_bytes(gzip.compress(plain.getvalue(), _COMPRESSION, mtime=0))


def _utc(second: int) -> str:
    return f"{datetime.fromtimestamp(second, timezone.utc):%Y%m%d%H%M%S}"
