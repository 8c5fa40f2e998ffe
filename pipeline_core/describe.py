"""Describes any file that this program reads, as plain values: for ``info`` and for the window."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline_core import schema
from pipeline_core.beammap import Beammap, camera_name, read_beammap
from pipeline_core.cached_observation import CachedObservation
from pipeline_core.counts_only import CountsOnly
from pipeline_core.errors import InputFormatError, OlderLayoutError
from pipeline_core.flags import BEAMMAP_CODES, FLAGS
from pipeline_core.hdf5 import (
    attribute,
    attribute_names,
    open_readonly,
    read_header,
    reading,
    refuse_special,
)
from pipeline_core.health import Check, check_health
from pipeline_core.imgfile import Frame
from pipeline_core.masks import MASK_FLAGS
from pipeline_core.nightlogs.finding import looks_like_log
from pipeline_core.obsfile import ObsFile
from pipeline_core.older.describe import describe_origin, made_from, origin_values
from pipeline_core.older.observation import OlderObservation
from pipeline_core.rawdescribe import describe_raw
from pipeline_core.rawobservation import RawObservation
from pipeline_core.streamnames import is_stream_name

__all__ = [
    "Check",
    "Description",
    "HeaderRow",
    "HistoryRow",
    "describe_file",
    "describe_observation",
]

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


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
        "start": (_utc(obs.start_unix), ""),
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
        facts["wavelength calibration"] = (_wavecal(obs), "")
    if not isinstance(obs, CountsOnly) and obs.flatcal is not None:
        facts["flat field"] = (_flatcal(obs), "")
    if not isinstance(obs, CountsOnly) and obs.pixel_masks:
        facts["bad pixels"] = (_masked_pixels(obs), "")
    if not isinstance(obs, CountsOnly) and obs.time_masks:
        facts["masked times"] = (_masked_times(obs), "")
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
    return HistoryRow(_utc(action.time), action.action, action.detail, action.undone)


def describe_file(
    path: Path | str, beammap: Beammap | Path | str | None = None
) -> dict[str, object]:
    """Return what a file is and what is in it. Recognised by content where it can be.

    Parameters
    ----------
    path : path
    beammap : Beammap or path, optional
        For frames of a camera that is not known.

    Raises
    ------
    InputFormatError
        If it is none of the files that this program reads.
    """
    path = Path(path)
    refuse_special(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_HDF5_MAGIC))
    except OSError as error:
        raise InputFormatError(
            f"{path} cannot be read: {error.strerror}. Check the path."
        ) from error
    if head == _HDF5_MAGIC:
        describe = _SOLUTIONS.get(_format(path))
        return describe(path) if describe is not None else _describe_photons(path)
    if path.suffix.lower() == ".bin":
        return describe_raw(path)
    if path.suffix.lower() == ".img":
        return _describe_frame(path, beammap)
    if is_stream_name(path.name) or head.startswith(b"SIMPLE  ="):
        return _describe_stream(path)
    if looks_like_log(path):
        return _describe_log(path)
    try:
        return _describe_beammap(path)
    except InputFormatError as error:
        raise InputFormatError(
            f"{path} is neither a photon file, nor a raw .bin file, nor a .img frame, nor a datastream, nor a "
            f"log, nor a beam map. As a beam map: {error}"
        ) from error


def _utc(unix: float) -> str:
    try:
        moment = datetime.datetime.fromtimestamp(unix, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return f"no date: {unix:g} s"
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _format(path: Path) -> object:
    h5 = open_readonly(path)
    try:
        with reading(path):
            return attribute(h5.root, "format")
    finally:
        h5.close()


# what is imported in these, photons do not need


def _describe_solution(path: Path) -> dict[str, object]:
    from pipeline_core.wavecal.describe import describe_solution
    from pipeline_core.wavecal.solution import load_solution

    return describe_solution(load_solution(path), path)


def _describe_flat(path: Path) -> dict[str, object]:
    from pipeline_core.flatcal.describe import describe_solution
    from pipeline_core.flatcal.solution import load_solution

    return describe_solution(load_solution(path), path)


def _describe_bad_pixels(path: Path) -> dict[str, object]:
    from pipeline_core.badpixels.describe import describe_bad_pixels
    from pipeline_core.badpixels.solution import load_bad_pixels

    return describe_bad_pixels(load_bad_pixels(path), path)


def _describe_time_mask(path: Path) -> dict[str, object]:
    from pipeline_core.timemask.describe import describe_time_mask
    from pipeline_core.timemask.solution import load_time_mask

    return describe_time_mask(load_time_mask(path), path)


def _describe_stream(path: Path) -> dict[str, object]:
    from pipeline_core.streamdescribe import describe_stream

    return describe_stream(path)


def _describe_log(path: Path) -> dict[str, object]:
    from pipeline_core.streamdescribe import describe_log

    return describe_log(path)


_SOLUTIONS: dict[object, Callable[[Path], dict[str, object]]] = {
    schema.WAVECAL_FORMAT: _describe_solution,
    schema.FLATCAL_FORMAT: _describe_flat,
    schema.BADPIXELS_FORMAT: _describe_bad_pixels,
    schema.TIMEMASK_FORMAT: _describe_time_mask,
}


def _describe_photons(path: Path) -> dict[str, object]:
    try:
        obs = ObsFile(path)
    except OlderLayoutError:
        obs = OlderObservation(path)
    with obs:
        dropped = (
            "end_of_frame",
            "outside_array",
            "outside_window",
            "without_header",
            "spare_bytes",
            "skipped_bytes",
            "resyncs",
        )
        ncols, nrows = obs.shape
        open_s = obs.open_time()
        older = obs.kind == "older"
        return {
            "file": str(path),
            "kind": "photon file of an older program" if older else "photon file",
            "file id": "none" if older else obs.file_id,
            "written by": "an older program" if older else f"quicklook {obs.software_version}",
            **({"made from": describe_origin(obs.origin)} if obs.origin else {}),
            "camera": f"{obs.camera}, {ncols} columns x {nrows} rows",
            "start": f"{_utc(obs.start_unix)} ({obs.start_unix})",
            "exposure (s)": obs.exposure_s,
            "time with data (s)": round(open_s, 6),
            "photons": obs.n_photons,
            "mean rate (counts/s with data)": _mean_rate(obs),
            "baseline": obs.baseline,
            "pixels by flag": _pixels_by_flag(obs),
            "raw files": len(obs.sources),
            "words left out": {
                name: sum(getattr(s, name) for s in obs.sources) for name in dropped
            },
            "photons whose times were repaired": _moved(obs),
            "packets lost by board": {b: n for b, n in obs.lost_packets.items() if n},
            "gaps (s)": [f"{a / 1e6:.3f} to {b / 1e6:.3f}" for a, b in obs.gaps_us.tolist()],
            "wavelength calibration": _wavecal(obs),
            "flat field": _flatcal(obs),
            "bad pixels": _masked_pixels(obs),
            "masked times": _masked_times(obs),
            "sidecar": obs.sidecar_words,
            "history": [
                f"{_utc(a.time)} {a.action}: {a.detail}{' (undone)' if a.undone else ''}"
                for a in obs.history
            ],
            "health": _health_lines(obs),
        }


def _moved(obs: ObsFile) -> int | str:
    """Say how many photons the firmware of 2017 had told 0.5 ms too early."""
    return "not looked for" if obs.moved_photons is None else obs.moved_photons


def _wavecal(obs: ObsFile) -> str:
    """Say which wavelength solution is in use, and for how many pixels."""
    wavecal = obs.wavecal
    if wavecal is None:
        return "none: phases in degrees"
    if not obs.has_phases:
        number = int(np.count_nonzero(wavecal.stored))
        return (
            f"stored for ever in the place of phases by an older program ({wavecal.source}): {number} of "
            f"{wavecal.kind.size} pixels"
        )
    lines = ", ".join(f"{line:g}" for line in wavecal.wavelengths_nm)
    number = int(np.count_nonzero(wavecal.calibrated))
    return (
        f"solution {wavecal.solution_id} ({Path(wavecal.source).name}; {lines} nm): {number} of "
        f"{wavecal.kind.size} pixels"
    )


def _flatcal(obs: ObsFile) -> str:
    """Say which flat field is in use, and for how many pixels."""
    flat = obs.flatcal
    if flat is None:
        stored = "stored for ever with the photons by an older program"
        return stored if obs.has_weights else "none: photons count as one"
    forced = f"; forced, made with wavelength solution {flat.wavecal_id}" if flat.forced else ""
    low, high = flat.edges_nm[[0, -1]]
    return (
        f"solution {flat.solution_id} ({Path(flat.source).name}; {low:g} to {high:g} nm): "
        f"{int(np.count_nonzero(flat.weighted))} of {flat.flags.size} pixels{forced}"
    )


def _mean_rate(obs: ObsFile) -> float | None:
    """Return counts per second of the whole array, masked times left out."""
    live = obs.open_time()
    number = int(obs.count_image().sum()) if obs.masked_us.size else obs.n_photons
    return round(number / live, 3) if live else None


def _masked_pixels(obs: ObsFile) -> str:
    """Say how many masks of pixels are attached, and what they mark."""
    masks = obs.pixel_masks
    if not masks:
        return "no mask"
    number = int(np.count_nonzero(obs.flags & np.uint32(MASK_FLAGS)))
    ids = ", ".join(mask.solution_id or mask.source for mask in masks)
    return f"{number} of {obs.flags.size} pixels, by {_number(masks, 'mask')} ({ids})"


def _masked_times(obs: ObsFile) -> str:
    """Say how many time masks are attached, and how long they last."""
    masks = obs.time_masks
    if not masks:
        return "no mask"
    seconds = float(np.diff(obs.masked_us, axis=1).sum()) / 1e6
    ids = ", ".join(mask.solution_id or mask.source for mask in masks)
    return f"{seconds:.6f} s, by {_number(masks, 'mask')} ({ids})"


def _number(items: Sequence[object], name: str) -> str:
    return f"{len(items)} {name}{'' if len(items) == 1 else 's'}"


def _pixels_by_flag(obs: ObsFile | CountsOnly) -> dict[str, int]:
    number = {f.name: int(np.count_nonzero(obs.flags & np.uint32(1 << f.bit))) for f in FLAGS}
    return {name: count for name, count in number.items() if count}


def _health_lines(obs: ObsFile | CountsOnly) -> list[str]:
    return [f"{check.name}: {check.state}. {check.sentence}" for check in check_health(obs)]


def _describe_frame(path: Path, beammap: Beammap | Path | str | None) -> dict[str, object]:
    with Frame(path, beammap) as frame:
        ncols, nrows = frame.shape
        counts = frame.count_image()
        x, y = np.unravel_index(int(counts.argmax()), counts.shape)
        return {
            "file": str(path),
            "kind": ".img frame (counts of one second)",
            "camera": f"{frame.camera}, {ncols} columns x {nrows} rows",
            "start": f"{_utc(frame.start_unix)} ({frame.start_unix})",
            "exposure (s)": frame.exposure_s,
            "counts": frame.n_photons,
            "brightest pixel": f"({x}, {y}) with {counts[x, y]} counts",
            "beam map": frame.beammap.source,
            "pixels by flag": _pixels_by_flag(frame),
            "health": _health_lines(frame),
        }


def _describe_beammap(path: Path) -> dict[str, object]:
    beammap = read_beammap(path)
    ncols, nrows = beammap.shape
    counts = np.bincount(beammap.code[beammap.mapped], minlength=len(BEAMMAP_CODES))
    return {
        "file": str(path),
        "kind": "beam map",
        "camera": f"{camera_name(beammap.shape)}, {ncols} columns x {nrows} rows",
        "resonators": int(np.count_nonzero(beammap.mapped)),
        "pixels without resonator": int(np.count_nonzero(~beammap.mapped)),
        "resIDs that occur more than once": beammap.duplicate_res_ids(),
        "pixels by flag": {
            name: int(k) for name, k in zip(BEAMMAP_CODES, counts, strict=True) if k
        },
    }
