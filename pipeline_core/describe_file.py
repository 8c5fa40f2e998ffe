"""Describes any file that this program reads, as plain values: for ``info``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline_core import schema
from pipeline_core.attached_words import (
    flatcal_words,
    pixel_mask_words,
    time_mask_words,
    wavecal_words,
)
from pipeline_core.beammap import Beammap, camera_name, read_beammap
from pipeline_core.counts_only import CountsOnly
from pipeline_core.errors import InputFormatError, OlderLayoutError
from pipeline_core.flags import BEAMMAP_CODES, FLAGS
from pipeline_core.hdf5 import (
    attribute,
    open_readonly,
    reading,
    refuse_special,
)
from pipeline_core.health import check_health
from pipeline_core.imgfile import Frame
from pipeline_core.nightlogs.finding import looks_like_log
from pipeline_core.obsfile import ObsFile
from pipeline_core.older.describe import describe_origin
from pipeline_core.older.observation import OlderObservation
from pipeline_core.rawdescribe import describe_raw
from pipeline_core.streamnames import is_stream_name
from pipeline_core.utc import utc_words

__all__ = ["describe_file"]

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


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
            "start": f"{utc_words(obs.start_unix)} ({obs.start_unix})",
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
            "wavelength calibration": wavecal_words(obs),
            "flat field": flatcal_words(obs),
            "bad pixels": pixel_mask_words(obs),
            "masked times": time_mask_words(obs),
            "sidecar": obs.sidecar_words,
            "history": [
                f"{utc_words(a.time)} {a.action}: {a.detail}{' (undone)' if a.undone else ''}"
                for a in obs.history
            ],
            "health": _health_lines(obs),
        }


def _moved(obs: ObsFile) -> int | str:
    """Say how many photons the firmware of 2017 had told 0.5 ms too early."""
    return "not looked for" if obs.moved_photons is None else obs.moved_photons


def _mean_rate(obs: ObsFile) -> float | None:
    """Return counts per second of the whole array, masked times left out."""
    live = obs.open_time()
    number = int(obs.count_image().sum()) if obs.masked_us.size else obs.n_photons
    return round(number / live, 3) if live else None


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
            "start": f"{utc_words(frame.start_unix)} ({frame.start_unix})",
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
