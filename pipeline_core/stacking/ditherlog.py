"""Offsets of a dither from its log: where the beam stood, and from when to when."""

from __future__ import annotations

from pathlib import Path

from pipeline_core.errors import ConfigError
from pipeline_core.nightlogs.dithers import read_dither_logs
from pipeline_core.stacking.offsets import Matrix, Offsets, scale_matrix

__all__ = ["offsets_of_log"]


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
