"""Counts outside masked times, of all pixels of a photon file at once.

What `PhotonFile.count_window` and `survey` give, less the photons of masked times. Arrays are [x, y].
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline_core.chunkcodec import CHUNK_ROWS
from pipeline_core.mask_kernels import count_pieces, count_pieces_of_times, pieces_of_bins
from pipeline_core.photon_file import PhotonFile
from pipeline_core.photon_kernels import ChunkOfRows, count_in_limits
from pipeline_core.photon_reader import SCAN_THREADS
from pipeline_core.progress import Progress, silent

__all__ = ["count_outside", "counts_inside"]

_NO_LIMITS = np.zeros((0, 2))


def count_outside(
    file: PhotonFile,
    window_us: tuple[int, int],
    masked_us: npt.NDArray[np.int64],
    limits_deg: npt.NDArray[np.float64] | None,
    progress: Progress = silent,
) -> npt.NDArray[np.int64]:
    """Count each pixel's photons in a half-open window that lie in no masked interval.

    Parameters
    ----------
    file : PhotonFile
    window_us : (start, stop)
    masked_us : ndarray of int64, shape (n, 2)
        Disjoint and ascending.
    limits_deg : ndarray of float64, shape (ncols, nrows, 2), optional
        ``low <= phase < high`` of each pixel; default: any phase.
    progress : Progress
        May cancel.

    Returns
    -------
    ndarray of int64, shape (ncols, nrows)
    """
    if limits_deg is None:
        every = file.count_window(*window_us, (-np.inf, np.inf), progress)
        return every - counts_inside(file, np.array(window_us), masked_us, progress)[0]
    limits = np.ascontiguousarray(limits_deg.reshape(-1, 2)[file.order])
    pieces, bins = pieces_of_bins(masked_us, np.array(window_us))
    every_of = [np.zeros(file.order.size, np.int64) for _ in range(SCAN_THREADS)]
    inside_of = [np.zeros((file.order.size, 1), np.int64) for _ in range(SCAN_THREADS)]
    scratch = [np.empty(CHUNK_ROWS, np.uint32) for _ in range(SCAN_THREADS)]

    def count(thread: int, chunk: ChunkOfRows) -> None:
        count_in_limits(*chunk, *window_us, limits, scratch[thread], every_of[thread])
        count_pieces(*chunk, pieces, bins, limits, scratch[thread], inside_of[thread])

    file.each_chunk(count, progress, "counting photons")
    counts = np.sum(every_of, axis=0) - np.sum(inside_of, axis=0)[:, 0]
    return _image(file, counts[:, None])[0]


def counts_inside(
    file: PhotonFile,
    edges_us: npt.NDArray[np.int64],
    masked_us: npt.NDArray[np.int64],
    progress: Progress = silent,
) -> npt.NDArray[np.int64]:
    """Count each pixel's photons in masked intervals, in each bin of time.

    Returns
    -------
    ndarray of int64, shape (n_bins, ncols, nrows)
    """
    pieces, bins = pieces_of_bins(masked_us, edges_us)
    counts = [np.zeros((file.order.size, edges_us.size - 1), np.int64) for _ in range(SCAN_THREADS)]
    times = file.times_in_memory
    if times is not None:
        count_pieces_of_times(times, file.stops, pieces, bins, counts[0])
    elif pieces.size:
        scratch = [np.empty(CHUNK_ROWS, np.uint32) for _ in range(SCAN_THREADS)]

        def count(thread: int, chunk: ChunkOfRows) -> None:
            count_pieces(*chunk, pieces, bins, _NO_LIMITS, scratch[thread], counts[thread])

        file.each_chunk(count, progress, "leaving out masked times")
    return _image(file, np.sum(counts, axis=0))


def _image(file: PhotonFile, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Turn counts in the order of the file (n_pixels, n) into images (n, ncols, nrows)."""
    images = np.empty(counts.shape[::-1], np.int64)
    images[:, file.order] = counts.T
    return images.reshape(-1, *file.shape)
