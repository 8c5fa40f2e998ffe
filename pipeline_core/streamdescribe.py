"""Datastreams and logs in words and plain values: for ``info``, and for the window's details."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline_core.nightlogs.dithers import DitherLog, read_dither_logs
from pipeline_core.nightlogs.finding import kind_of_log
from pipeline_core.nightlogs.observing import ObservingLog, read_observing_log
from pipeline_core.streams import Stream
from pipeline_core.utc import utc_words

__all__ = ["describe_log", "describe_stream", "stream_facts"]

_STATE = ("target", "laser", "flipper", "filter", "observatory", "instrument", "wavecal", "comment")
_LOG_KEYS = ("target", "filter", "laser", "flipper")


def describe_stream(path: Path) -> dict[str, object]:
    """Return what is in a datastream; all frames are read.

    Raises
    ------
    InputFormatError
        If it is none.
    """
    with Stream(path) as stream:
        ncols, nrows = stream.shape
        image = np.nan_to_num(stream.count_image())
        x, y = np.unravel_index(int(image.argmax()), image.shape)
        return {
            "file": str(path),
            "kind": "datastream (frames of counts)",
            "camera": f"{stream.camera}, {ncols} columns x {nrows} rows",
            **stream_facts(stream),
            "sum of all frames": stream.n_photons,
            "brightest pixel of the sum": f"({x}, {y}) with {image[x, y]:.10g}",
            **_state(stream),
            "beam map": stream.beammap.source,
            "warnings": list(stream.doubts),
        }


def stream_facts(stream: Stream) -> dict[str, object]:
    """Return what the headers of all frames tell together."""
    starts = stream.starts_unix[np.isfinite(stream.starts_unix)]
    exposures = stream.exposures_s[np.isfinite(stream.exposures_s)]
    first = utc_words(float(starts.min()), fraction=3) if starts.size else "unknown"
    last = utc_words(float(starts.max()), fraction=3) if starts.size else "unknown"
    limits = sorted({stream.wavelengths_nm(number) for number in range(stream.n_frames)}, key=str)
    return {
        "frames": stream.n_frames,
        "first frame": first,
        "last frame": last,
        "exposure of a frame (s)": _span(exposures),
        "exposures together (s)": round(float(exposures.sum()), 6),
        "unit": stream.unit,
        "wavelengths (nm)": ", ".join(_limits(*one) for one in limits),
    }


def describe_log(path: Path) -> dict[str, object]:
    """Return what is in an observing log or a dither log.

    Raises
    ------
    InputFormatError
        If it is neither.
    """
    kind = kind_of_log(path)
    if kind == "dither" or (kind is None and "dither" in path.name.lower()):
        return _describe_dithers(path, read_dither_logs(path))
    return _describe_observing(path, read_observing_log(path))


def _describe_observing(path: Path, log: ObservingLog) -> dict[str, object]:
    return {
        "file": str(path),
        "kind": "observing log",
        "entries": len(log.entries),
        "first entry": log.entries[0].utc,
        "last entry": log.entries[-1].utc,
        **{
            f"{key} (values)": _shortened(
                dict.fromkeys(e.text(key) for e in log.entries if e.text(key))
            )
            for key in _LOG_KEYS
        },
        "lines that could not be used": len(log.bad_lines),
        "the first of them": [str(bad) for bad in log.bad_lines[:5]],
    }


def _describe_dithers(path: Path, dithers: tuple[DitherLog, ...]) -> dict[str, object]:
    return {
        "file": str(path),
        "kind": "dither log",
        "dithers": [
            {
                "positions": len(dither.positions),
                "start": utc_words(dither.start),
                "stop": utc_words(dither.stop),
                "unit of x and y": dither.unit,
                "x": [position.x for position in dither.positions],
                "y": [position.y for position in dither.positions],
                **({"title": dither.title} if dither.title else {}),
                **{key: str(value) for key, value in dither.settings.items()},
            }
            for dither in dithers
        ],
    }


def _state(stream: Stream) -> dict[str, str]:
    """Return the different values of what the headers say of the instrument, frame by frame."""
    found: dict[str, dict[str, None]] = {key: {} for key in _STATE}
    for number in range(stream.n_frames):
        cards = {card.key.lower(): card.value for card in stream.header(number)}
        for key in _STATE:
            if cards.get(key):
                found[key][cards[key]] = None
    return {key: _shortened(values) for key, values in found.items() if values}


def _shortened(values: dict[str, None]) -> str:
    most = 12
    told = list(values)
    return ", ".join(told[:most]) + (f", ... ({len(told)})" if len(told) > most else "")


def _span(exposures: np.ndarray) -> str:
    if not exposures.size:
        return "unknown"
    low, high = float(exposures.min()), float(exposures.max())
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _limits(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "all"
    return f"{'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}".strip()
