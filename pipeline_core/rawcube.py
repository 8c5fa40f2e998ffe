"""The x, y, phase cube of raw files: counted without a conversion, written as FITS or NPZ."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core import __version__
from pipeline_core._jit import kernel
from pipeline_core.errors import ConfigError
from pipeline_core.products import Images, save_images
from pipeline_core.progress import Progress, silent
from pipeline_core.rawsummary import RawSummary, each_packets, photon_ranges, sorted_files
from pipeline_core.rawwords import (
    COORDINATE_MASK,
    FAKE_PHOTON,
    PHASE_DEG_PER_COUNT,
    X_SHIFT,
    Y_SHIFT,
    phase_counts,
    swap_bytes,
)
from pipeline_core.targets import check_target
from pipeline_core.utc import utc_iso

__all__ = ["CUBE_FORMATS", "PhaseAxis", "PhaseCube", "count_phase_cube", "export_phase_cube"]

CUBE_FORMATS = (".fits", ".npz")

MAX_CUBE_BYTES = 1 << 30


@dataclass(frozen=True)
class PhaseAxis:
    """Bins of phase: `low` to `high` in steps of `width`, all in degrees; bins are half-open.

    Raises
    ------
    ConfigError
        If that is not a whole number of bins.
    """

    low: float = -230.0
    high: float = 10.0
    width: float = 2.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.low, self.high, self.width)):
            raise ConfigError("Phases must be finite numbers of degrees.")
        if not (self.low < self.high and self.width > 0):
            raise ConfigError(
                f"Phases from {self.low:g} to {self.high:g} deg in bins of {self.width:g} deg: the range must not be "
                "empty, and bins must be wider than 0."
            )
        bins = (self.high - self.low) / self.width
        if abs(bins - round(bins)) > 1e-6 * bins:
            raise ConfigError(
                f"Phases from {self.low:g} to {self.high:g} deg are {bins:g} bins of {self.width:g} deg. Choose a "
                "range that is a whole number of bins."
            )

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return round((self.high - self.low) / self.width)

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """Edges of the bins (deg), one more than there are bins."""
        edges: npt.NDArray[np.float64] = self.low + self.width * np.arange(self.n_bins + 1.0)
        return edges


@kernel
def _count_cube(
    words: npt.NDArray[np.uint64],
    begin: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    low: float,
    width: float,
    cube: npt.NDArray[np.int32],
    left_out: npt.NDArray[np.int64],
) -> None:
    """Add the photons of packets to a cube [phase, y, x]; `left_out` counts those outside the array or the phases."""
    fake = np.uint64(FAKE_PHOTON)
    n_bins, nrows, ncols = cube.shape
    for p in range(begin.size):
        for i in range(begin[p], end[p]):
            word = swap_bytes(words[i])
            if word == fake:
                continue
            x = np.int64(word >> np.uint64(X_SHIFT))
            y = np.int64((word >> np.uint64(Y_SHIFT)) & np.uint64(COORDINATE_MASK))
            if x >= ncols or y >= nrows:
                left_out[0] += 1
                continue
            k = np.int64(np.floor((phase_counts(word) * PHASE_DEG_PER_COUNT - low) / width))
            if 0 <= k < n_bins:
                cube[k, y, x] += 1
            else:
                left_out[1] += 1


@dataclass(frozen=True, eq=False)
class PhaseCube:
    """Photons of raw files by pixel and phase.

    Attributes
    ----------
    counts : ndarray of int32, shape (ncols, nrows, n_bins)
    axis : PhaseAxis
    outside_array, outside_phases : int
        Photons that are not in it.
    """

    counts: npt.NDArray[np.int32]
    axis: PhaseAxis
    outside_array: int
    outside_phases: int


def count_phase_cube(
    paths: Sequence[Path], shape: tuple[int, int], axis: PhaseAxis, progress: Progress = silent
) -> PhaseCube:
    """Count the photons of raw files by pixel and phase. All photons with a packet header count, whatever its time.

    Parameters
    ----------
    paths : sequence of Path
        Any number of files; memory is that of the cube.
    shape : (ncols, nrows)
    axis : PhaseAxis
    progress : Progress
        Called every slab; may cancel.

    Raises
    ------
    ConfigError
        If the cube would be larger than 1 GiB, or no file is given.
    InputFormatError
        If a file cannot be read.
    """
    ncols, nrows = shape
    if 4 * ncols * nrows * axis.n_bins > MAX_CUBE_BYTES:
        raise ConfigError(
            f"A cube of {ncols} x {nrows} pixels and {axis.n_bins} phases would take more than "
            f"{MAX_CUBE_BYTES / 1e9:.1f} GB. Choose wider bins, fewer phases, or the array's shape."
        )
    cube = np.zeros((axis.n_bins, nrows, ncols), np.int32)
    left_out = np.zeros(2, np.int64)
    for _, slab, found in each_packets(sorted_files(paths), progress, "counting photons"):
        begin, end = photon_ranges(found)
        _count_cube(slab.words, begin, end, axis.low, axis.width, cube, left_out)
    return PhaseCube(cube.transpose(2, 1, 0), axis, int(left_out[0]), int(left_out[1]))


def export_phase_cube(
    path: Path,
    cube: PhaseCube,
    summary: RawSummary,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> None:
    """Write a cube: axes x, y, phase (NAXIS1, 2, 3 of FITS), phases with their bins' middles as coordinates.

    Parameters
    ----------
    path : path
        ``.fits`` or ``.npz`` (array [x, y, phase], and ``about`` as JSON).
    cube : PhaseCube
    summary : RawSummary
        Of the same files.
    overwrite : bool
        Whether an existing file may be replaced. Files of data never are.
    progress : Progress
        May cancel.

    Raises
    ------
    ConfigError
        Unknown ending.
    OutputError
        Cannot be written, exists already, or holds data.
    """
    sources = [file.path for file in summary.files]
    check_target(path, CUBE_FORMATS, sources)
    axis = cube.axis
    facts = {
        "CTYPE3": ("PHASE", "of the photons' pulses"),
        "CUNIT3": ("deg", ""),
        "CRPIX3": (1.0, "first bin"),
        "CRVAL3": (axis.low + axis.width / 2, "[deg] middle of the first bin"),
        "CDELT3": (axis.width, "[deg] width of a bin"),
        "PHASELOW": (axis.low, "[deg] lower edge of the first bin"),
        "PHASEUP": (axis.high, "[deg] upper edge of the last bin, excluded"),
        "KIND": ("raw counts", "not converted; no beam map is applied"),
        "CREATOR": (f"quicklook {__version__}", "software"),
        "DATE": (utc_iso(time.time()), "UTC, written"),
        "DATE-OBS": (_iso(summary.first_unix), "UTC, earliest packet"),
        "DATE-END": (_iso(summary.last_unix), "UTC, latest packet"),
        "NFILES": (len(sources), "raw files"),
        "RAWFIRST": (sources[0].name, "first raw file"),
        "RAWLAST": (sources[-1].name, "last raw file"),
        "NPHOTONS": (int(cube.counts.sum(dtype=np.int64)), "photons in the cube"),
        "OUTARRAY": (cube.outside_array, "photons outside the array"),
        "OUTPHASE": (cube.outside_phases, "photons outside the phases"),
        "SKIPPED": (summary.total("skipped_bytes"), "[byte] damaged, in the raw files"),
        "LOSTPACK": (
            sum(board.lost for board in summary.boards.values()),
            "packets lost, by frame counters",
        ),
        "SETTINGS": (
            json.dumps({"low": axis.low, "high": axis.high, "width": axis.width}),
            "phases, JSON",
        ),
    }
    product = Images({"counts": ("count", cube.counts)}, facts)
    save_images(path, product, overwrite=overwrite, sources=sources, progress=progress)


def _iso(unix: float | None) -> str | None:
    return None if unix is None else utc_iso(unix)
