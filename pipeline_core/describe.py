"""Describes any file that this program reads, as plain values: for ``info`` and for the window."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np

from pipeline_core import rawkernels
from pipeline_core.beammap import camera_name, read_beammap
from pipeline_core.binfile import read_words
from pipeline_core.errors import InputFormatError
from pipeline_core.flags import BEAMMAP_CODES, FLAGS
from pipeline_core.obsfile import ObsFile
from pipeline_core.rawwords import TICKS_PER_SECOND

__all__ = ["describe_file"]

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def describe_file(path: Path | str) -> dict[str, object]:
    """Return what a file is and what is in it. Recognised by content where it can be.

    Raises
    ------
    InputFormatError
        If it is none of the files that this program reads.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_HDF5_MAGIC))
    except OSError as error:
        raise InputFormatError(
            f"{path} cannot be read: {error.strerror}. Check the path."
        ) from error
    if head == _HDF5_MAGIC:
        return _describe_photons(path)
    if path.suffix == ".bin":
        return _describe_raw(path)
    try:
        return _describe_beammap(path)
    except InputFormatError as error:
        raise InputFormatError(
            f"{path} is neither a photon file, nor a raw .bin file, nor a beam map. As a beam map: {error}"
        ) from error


def _utc(unix: float) -> str:
    moment = datetime.datetime.fromtimestamp(unix, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _describe_photons(path: Path) -> dict[str, object]:
    with ObsFile(path) as obs:
        dropped = (
            "end_of_frame",
            "outside_array",
            "outside_window",
            "without_header",
            "spare_bytes",
        )
        flagged = {
            flag.name: int(np.count_nonzero(obs.flags & np.uint32(1 << flag.bit)))
            for flag in FLAGS
            if (obs.flags & np.uint32(1 << flag.bit)).any()
        }
        ncols, nrows = obs.shape
        open_s = obs.open_time()
        return {
            "file": str(path),
            "kind": "photon file",
            "file id": obs.file_id,
            "written by": f"quicklook {obs.software_version}",
            "camera": f"{obs.camera}, {ncols} columns x {nrows} rows",
            "start": f"{_utc(obs.start_unix)} ({obs.start_unix})",
            "exposure (s)": obs.exposure_s,
            "time with data (s)": round(open_s, 6),
            "photons": obs.n_photons,
            "mean rate (counts/s with data)": round(obs.n_photons / open_s, 3) if open_s else None,
            "baseline": obs.baseline,
            "pixels by flag": flagged,
            "raw files": len(obs.sources),
            "words left out": {
                name: sum(getattr(s, name) for s in obs.sources) for name in dropped
            },
            "packets lost by board": {b: n for b, n in obs.lost_packets.items() if n},
            "gaps (s)": [f"{a / 1e6:.3f} to {b / 1e6:.3f}" for a, b in obs.gaps_us.tolist()],
            "wavelength calibration": "none: phases in degrees",
            "flat field": "none",
            "sidecar": str(obs.sidecar) if obs.sidecar.exists() else "none",
            "history": [
                f"{_utc(a.time)} {a.action}: {a.detail}{' (undone)' if a.undone else ''}"
                for a in obs.history
            ],
        }


def _describe_raw(path: Path) -> dict[str, object]:
    words = read_words(path).view(np.uint64)
    n = rawkernels.count_headers(words)
    index, ticks = np.empty(n, np.int64), np.empty(n, np.int64)
    board, frame = np.empty(n, np.uint8), np.empty(n, np.uint16)
    rawkernels.find_packets(words, 0, index, ticks, board, frame)
    found: dict[str, object] = {
        "file": str(path),
        "kind": "raw .bin file",
        "words": int(words.size),
        "packets": int(n),
        "photon words (end-of-frame markers included)": int(words.size - n),
    }
    if n:
        boards, packets = np.unique(board, return_counts=True)
        found["packets by board"] = {int(b): int(k) for b, k in zip(boards, packets, strict=True)}
        span = (ticks.max() - ticks.min() + 1) / TICKS_PER_SECOND
        found["time span by the boards' clocks (s)"] = float(span)
    return found


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
