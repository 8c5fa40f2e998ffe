"""Describes an open observation: its header, history and health, as rows for the window and for ``history``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline_core import schema
from pipeline_core.attached_words import (
    flatcal_words,
    pixel_mask_words,
    time_mask_words,
    wavecal_words,
)
from pipeline_core.cached_observation import CachedObservation
from pipeline_core.counts_only import CountsOnly
from pipeline_core.errors import InputFormatError
from pipeline_core.hdf5 import (
    attribute,
    attribute_names,
    open_readonly,
    read_header,
    reading,
)
from pipeline_core.health import Check, check_health
from pipeline_core.obsfile import ObsFile
from pipeline_core.older.describe import made_from, origin_values
from pipeline_core.rawobservation import RawObservation
from pipeline_core.utc import utc_words

__all__ = ["Check", "Description", "HeaderRow", "HistoryRow", "describe_observation"]

_UNITS = {
    "start": "unix s",
    "exposure": "s",
    "dead_time": "us",
    "baseline_median": "deg",
    "startTime": "unix s",
    "expTime": "s",
    "energyBinWidth": "eV",
    "wvlBinStart": "nm",
    "wvlBinEnd": "nm",
    "duration": "s",
}
_NOT_TEXT = "unknown (not a plain value)"
_LONGEST = 2000


class HeaderRow(NamedTuple):
    """One key of the header: where it stands, its name, its value as text, and the unit ('' where there is none)."""

    group: str
    key: str
    value: str
    unit: str = ""


class HistoryRow(NamedTuple):
    """One thing that was done; `utc` is 'unknown' where the file does not tell when."""

    utc: str
    action: str
    detail: str
    undone: bool = False


@dataclass(frozen=True)
class Description:
    """Everything that is known about an open observation besides its photons.

    Attributes
    ----------
    path : Path
    kind : {'photons', 'raw', 'older', 'frame', 'stream'}
    header : tuple of HeaderRow
        A summary, then every key that is stored, in groups.
    history : tuple of HistoryRow
        Oldest first.
    health : tuple of Check
    """

    path: Path
    kind: str
    header: tuple[HeaderRow, ...]
    history: tuple[HistoryRow, ...]
    health: tuple[Check, ...]


def describe_observation(obs: ObsFile | CountsOnly) -> Description:
    """Return header, history and health of an open observation.

    To be called from the thread that opened it. Takes no longer for more photons.

    Raises
    ------
    InputFormatError
        If the file has been removed, replaced or damaged since it was opened.
    """
    header = _summary(obs)
    if isinstance(obs, CountsOnly):
        history: tuple[HistoryRow, ...] = ()
    else:
        header += _stored(obs)
        history = (_made(obs), *(_done(action) for action in obs.history))
    return Description(obs.path, obs.kind, tuple(header), history, check_health(obs))


def _summary(obs: ObsFile | CountsOnly) -> list[HeaderRow]:
    ncols, nrows = obs.shape
    kinds = {
        "photons": "photon file",
        "raw": "raw .bin file",
        "older": "photon file of an older program",
        "frame": ".img frame (counts only)",
        "stream": "datastream (frames of counts)",
    }
    facts = {
        "file": (str(obs.path), ""),
        "kind": (kinds[obs.kind], ""),
        "camera": (obs.camera, ""),
        "array": (f"{ncols} columns x {nrows} rows", "pixels"),
        "start": (utc_words(obs.start_unix), ""),
        "exposure": (f"{obs.exposure_s:g}", "s"),
        "time with data": (f"{obs.open_time():g}", "s") if obs.has_photons else ("unknown", ""),
        "photons" if obs.has_photons else "counts": (f"{obs.n_photons:,}", ""),
        "beam map": (_beammap_source(obs), ""),
        "wavelength calibration": (
            "none: phases in degrees" if obs.has_photons else "none: counts only",
            "",
        ),
    }
    if not isinstance(obs, CountsOnly) and obs.wavecal is not None:
        facts["wavelength calibration"] = (wavecal_words(obs), "")
    if not isinstance(obs, CountsOnly) and obs.flatcal is not None:
        facts["flat field"] = (flatcal_words(obs), "")
    if not isinstance(obs, CountsOnly) and obs.pixel_masks:
        facts["bad pixels"] = (pixel_mask_words(obs), "")
    if not isinstance(obs, CountsOnly) and obs.time_masks:
        facts["masked times"] = (time_mask_words(obs), "")
    if obs.kind == "stream":
        del facts["time with data"]
        facts |= _frames(obs)
    if isinstance(obs, RawObservation):
        facts["raw files"] = (", ".join(path.name for path in obs.paths), "")
    return [HeaderRow("observation", key, value, unit) for key, (value, unit) in facts.items()]


def _frames(obs: ObsFile | CountsOnly) -> dict[str, tuple[str, str]]:
    """Return what the headers of a datastream's frames tell together."""
    from pipeline_core.streamdescribe import stream_facts  # astropy, which photons do not need
    from pipeline_core.streams import Stream

    told = stream_facts(obs) if isinstance(obs, Stream) else {}
    return {key: (str(value), "") for key, value in told.items()}


def _beammap_source(obs: ObsFile | CountsOnly) -> str:
    return obs.beammap.source if isinstance(obs, CountsOnly) else "kept in the photon file"


def _stored(obs: ObsFile) -> list[HeaderRow]:
    """Read every key that the photon file stores."""
    path = obs.photon_file if isinstance(obs, CachedObservation) else obs.path
    h5 = open_readonly(path.absolute())
    try:
        with reading(path):
            root = h5.root
            if attribute(root, "file_id") != obs.file_id:
                raise InputFormatError(f"{path} was replaced since it was opened. Open it again.")
            rows = [
                _row("file attributes", name, attribute(root, name))
                for name in sorted(attribute_names(root))
            ]
            header = read_header(h5)
            rows += [_row("/header/header", name, header[name]) for name in header.dtype.names]
            settings = attribute(h5.get_node(schema.MKID), "settings")
    finally:
        h5.close()
    rows += _settings(settings)
    older = [_row("older file", "not certain", doubt) for doubt in obs.origin.get("doubts", ())]
    older += [_row("older file's header", *pair) for pair in origin_values(obs.origin)]
    return older + rows


def _settings(stored: object) -> list[HeaderRow]:
    """Return what the conversion was asked to do, if it can be read."""
    try:
        values = json.loads(str(stored))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        return [HeaderRow("conversion", "settings", _NOT_TEXT)]
    return [_row("conversion", str(key), value) for key, value in sorted(values.items())]


def _row(group: str, key: str, value: Any) -> HeaderRow:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, float):
        text = f"{value:.7g}"  # some are stored as float32
    elif isinstance(value, list):
        text = ", ".join(str(item) for item in value)
    else:
        text = "none" if value is None else " ".join(str(value).split())
    if not text.isprintable():
        text = _NOT_TEXT
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... ({len(text)} characters)"
    return HeaderRow(group, key, text, _UNITS.get(key, ""))


def _made(obs: ObsFile) -> HistoryRow:
    what = made_from(obs.origin) if obs.origin else f"{len(obs.sources)} raw files"
    detail = f"from {what}, by quicklook {obs.software_version}"
    if obs.moved_photons is not None:
        detail += f"; times of {obs.moved_photons:,} photons repaired"
    if obs.kind != "photons":
        detail += ", to look at it: kept in the cache only"
    return HistoryRow("unknown", "convert", detail)


def _done(action: Any) -> HistoryRow:
    return HistoryRow(utc_words(action.time), action.action, action.detail, action.undone)
