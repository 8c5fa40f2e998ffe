"""Raw files in words and plain values: for ``info`` and ``parsebin``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pipeline_core.beammap import camera_name
from pipeline_core.rawsummary import RawSummary, summarise_raw
from pipeline_core.rawwords import TICKS_PER_SECOND
from pipeline_core.utc import utc_words

__all__ = ["describe_raw", "describe_raw_files"]

_ARRAY_ORIGIN = "of the smallest camera that holds the photons, or of all coordinates"


def describe_raw(path: Path) -> dict[str, object]:
    """Return what is in one raw file, as plain values: for ``info``.

    Raises
    ------
    InputFormatError
        If it cannot be read.
    """
    summary = summarise_raw([path])
    (file,) = summary.files
    found = summary.coordinates()
    words = file.photons + file.end_of_frame + file.without_header
    described: dict[str, object] = {
        "file": str(path),
        "kind": "raw .bin file",
        "words": file.packets + words,
        "packets": file.packets,
        "photon words (end-of-frame markers included)": words,
        "photons": file.photons,
        "range of x": "none" if found is None else f"{found[0][0]} to {found[0][1]}",
        "range of y": "none" if found is None else f"{found[1][0]} to {found[1][1]}",
        "left out": {
            "end-of-frame markers": file.end_of_frame,
            "words without a packet header": file.without_header,
            "bytes at the end that make up no word": file.spare_bytes,
            "bytes skipped as damaged": file.skipped_bytes,
        },
        "resynchronisations": file.resyncs,
    }
    if file.first_s is not None and file.last_s is not None:
        boards = summary.boards.items()
        described["packets by board"] = {number: board.packets for number, board in boards}
        described["packets lost by board"] = {
            number: board.lost for number, board in boards if board.lost
        }
        span = file.last_s - file.first_s + 1 / TICKS_PER_SECOND
        described["time span by the boards' clocks (s)"] = round(span, 4)
        if file.second is not None:
            described["first and last packet, from the second in the file's name (s)"] = (
                f"{file.first_s:+.4f} to {file.last_s:+.4f}"
            )
    return {**described, "warnings": list(summary.warnings())}


def describe_raw_files(summary: RawSummary, shape: tuple[int, int] | None) -> dict[str, object]:
    """Return what is in raw files, as plain values: for ``parsebin``. `shape` is that of the array, if it is known."""
    photons = summary.total("photons")
    told = shape or summary.told_shape()
    found, best = summary.coordinates(), summary.brightest()
    outside = 0 if told is None else summary.outside(told)
    return {
        "files": len(summary.files),
        "bytes": summary.total("n_bytes"),
        "packets": summary.total("packets"),
        "photons": photons,
        "photons/s (a file holds one second)": round(photons / len(summary.files), 1),
        "range of x": "none" if found is None else "{} to {}".format(*found[0]),
        "range of y": "none" if found is None else "{} to {}".format(*found[1]),
        "array": _array(told, shape),
        "photons inside the array": photons - outside,
        "brightest pixel": "none" if best is None else "({}, {}) with {} photons".format(*best),
        "range of phases (deg)": (
            "none" if summary.phase_deg is None else "{:.3f} to {:.3f}".format(*summary.phase_deg)
        ),
        "earliest packet": _utc(summary.first_unix),
        "latest packet": _utc(summary.last_unix),
        "left out": {
            "end-of-frame markers": summary.total("end_of_frame"),
            "photons outside the array": outside,
            "words without a packet header": summary.total("without_header"),
            "bytes at ends of files that make up no word": summary.total("spare_bytes"),
            "bytes skipped as damaged": summary.total("skipped_bytes"),
        },
        "resynchronisations": summary.total("resyncs"),
        "boards": {
            str(number): {
                "packets": board.packets,
                "lost": board.lost,
                "photons": board.photons,
                "photons/s": round(board.photons / len(summary.files), 1),
                "clock - name of file (s)": [board.first_offset_s, board.last_offset_s],
            }
            for number, board in summary.boards.items()
        },
        "by file": [{**dataclasses.asdict(file), "path": str(file.path)} for file in summary.files],
        "warnings": list(summary.warnings()),
    }


def _array(told: tuple[int, int] | None, given: tuple[int, int] | None) -> str:
    if told is None:
        return "unknown: there is no photon"
    origin = "as given" if given else f"by the photons: {_ARRAY_ORIGIN}"
    return f"{told[0]} columns x {told[1]} rows, {camera_name(told)} ({origin})"


def _utc(unix: float | None) -> str:
    if unix is None:
        return "unknown"
    return f"{utc_words(unix, fraction=6)} ({unix:.6f})"
