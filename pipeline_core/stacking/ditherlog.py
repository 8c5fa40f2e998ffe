"""Offsets of a dither from its log: where the beam stood, and from when to when; which log belongs to some frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.nightlogs.dithers import read_dither_logs
from pipeline_core.nightlogs.finding import find_logs
from pipeline_core.observation import open_photons
from pipeline_core.progress import Progress, silent
from pipeline_core.stacking.frames import middle_of
from pipeline_core.stacking.offsets import Matrix, Offsets, scale_matrix
from pipeline_core.stacking.products_read import PRODUCT_ENDINGS, read_product

__all__ = ["log_of", "middle_of_file", "offsets_in_log", "offsets_of_files", "offsets_of_log"]


def offsets_of_log(path: Path, scale: Matrix | None) -> Offsets:
    """Read the positions of all dithers in a log; frames are recognised by their times.

    Parameters
    ----------
    path : path
        See `nightlogs.dithers`.
    scale : matrix or None
        Pixels per unit of the log, as `Offsets` has them. None: the log is in pixels.

    Raises
    ------
    InputFormatError
        It is no dither log.
    ConfigError
        It is in units of the mirror, and nobody says what these are in pixels.
    """
    dithers = read_dither_logs(path)
    if scale is None and any(dither.unit != "pixel" for dither in dithers):
        raise ConfigError(
            f"{path} has positions of the mirror (conex): give pixels per unit, which calibration of the dither told."
        )
    positions = sorted(one for dither in dithers for one in dither.positions)
    return Offsets(
        tuple((one.x, one.y) for one in positions),
        scale_matrix(1.0) if scale is None else scale,
        tuple((one.start, one.stop) for one in positions),
    )


def offsets_in_log(
    path: Path, scale: Matrix | None, frames: Sequence[Path], progress: Progress = silent
) -> tuple[Offsets, npt.NDArray[np.float64]]:
    """Return `offsets_of_log`, and what they are for whole files: pixels from the first, as stacking them finds it.

    Parameters
    ----------
    path, scale
        As of `offsets_of_log`.
    frames : sequence of path
        Photon files, images or cubes; only their times are read.
    progress : Progress
        May cancel.

    Returns
    -------
    offsets : Offsets
    pixels : ndarray of float64, shape (n, 2)

    Raises
    ------
    ConfigError
        The dither was at no position in the middle of a file.
    PipelineError
        A file cannot be read.
    """
    offsets = offsets_of_log(path, scale)
    return offsets, offsets_of_files(offsets, frames, progress)


def offsets_of_files(
    offsets: Offsets, frames: Sequence[Path], progress: Progress = silent
) -> npt.NDArray[np.float64]:
    """Return the offsets of whole files from the first, whose times tell which positions they are.

    Parameters, result and errors as of `offsets_in_log`.
    """
    middles = []
    for number, frame in enumerate(frames):
        progress(number, len(frames), f"looking at {frame.name}")
        middles.append(middle_of_file(frame))
    return offsets.of_frames([frame.name for frame in frames], middles)


def log_of(frame: Path, progress: Progress = silent) -> Path | None:
    """Return the dither log beside a file (see `find_logs`) with a position in the middle of it; None without any.

    Raises
    ------
    PipelineError
        The file cannot be read.
    """
    middle = middle_of_file(frame)
    if math.isnan(middle):
        return None
    for path in find_logs(frame, progress).dithers:
        try:
            dithers = read_dither_logs(path)
        except InputFormatError:
            continue  # what only looks like one
        if any(dither.index_at(middle) is not None for dither in dithers):
            return path
    return None


def middle_of_file(path: Path) -> float:
    """Return the unix second of the middle of a file that can be a frame, as `middle_unix` has it; NaN if unknown.

    Raises
    ------
    PipelineError
        It cannot be read.
    """
    if path.suffix.lower() in PRODUCT_ENDINGS:
        return middle_of(read_product(path).facts)
    with open_photons(path) as obs:
        return float(obs.start_unix) + 0.5 * obs.exposure_s
