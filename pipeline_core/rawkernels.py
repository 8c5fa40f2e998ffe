"""The loops over raw words: find packets, date them, count and sort their photons by pixel.

Photons are sorted by counting (stable, so arrival order within a pixel is kept): one pass counts the photons of each
pixel, a second one puts every photon in its place as one packed word ``time << 32 | phase``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.rawwords import (
    BOARD_SHIFT,
    COUNTER_WRAP_S,
    FAKE_PHOTON,
    FRAME_MASK,
    FRAME_SHIFT,
    HEADER_MARK,
    TICKS_PER_SECOND,
    TIME_MASK,
    TIMESTAMP_MASK,
    US_PER_TICK,
    baseline_counts,
    phase_counts,
    photon_time_us,
    pixel_bits,
    swap_bytes,
)

__all__ = [
    "END_OF_FRAME",
    "KEPT",
    "N_TALLIES",
    "OUTSIDE_ARRAY",
    "OUTSIDE_WINDOW",
    "UNDATED",
    "WITHOUT_HEADER",
    "count_photons",
    "date_packets",
    "find_packets",
    "follow_frames",
    "place_photons",
]

# what becomes of a photon word
KEPT, END_OF_FRAME, OUTSIDE_ARRAY, OUTSIDE_WINDOW, WITHOUT_HEADER = range(5)
N_TALLIES = 5

UNDATED = np.int64(-(2**62))
"""Time of a packet that has none: words before the first header."""

_WRAP_TICKS = COUNTER_WRAP_S * TICKS_PER_SECOND


@kernel
def find_packets(
    words: npt.NDArray[np.uint64],
    first: int,
    index: npt.NDArray[np.int64],
    ticks: npt.NDArray[np.int64],
    board: npt.NDArray[np.uint8],
    frame: npt.NDArray[np.uint16],
) -> int:
    """Record position, time stamp (0.5 ms), board and frame of every header; return how many there are.

    `first` is the position of ``words[0]`` in the slab. Headers for which the arrays have no room are only counted.
    """
    n = 0
    for i in range(words.size):
        if (words[i] & np.uint64(0xFF)) == np.uint64(HEADER_MARK):
            if n < index.size:
                word = swap_bytes(words[i])
                index[n] = first + i
                ticks[n] = np.int64(word & np.uint64(TIMESTAMP_MASK))
                board[n] = np.uint8((word >> np.uint64(BOARD_SHIFT)) & np.uint64(0xFF))
                frame[n] = np.uint16((word >> np.uint64(FRAME_SHIFT)) & np.uint64(FRAME_MASK))
            n += 1
    return n


@kernel
def date_packets(
    ticks: npt.NDArray[np.int64],
    file_second: int,
    year_starts: npt.NDArray[np.int64],
    start: int,
    time_us: npt.NDArray[np.int64],
) -> None:
    """Turn header time stamps into microseconds from unix second `start`.

    A stamp counts from the beginning of a year and its seconds start again at 2**20. Which year and how often it
    started again is settled by the file: the packet is dated as near to the file's second as possible. Candidates
    are at least 21 hours apart, so files may be wrong by hours.

    Parameters
    ----------
    ticks : ndarray of int64
        Header time stamps, 0.5 ms.
    file_second, start : int
        Unix seconds of the file and of the beginning of the observation.
    year_starts : ndarray of int64
        Unix seconds of the candidate years' beginnings.
    time_us : ndarray of int64
        Receives the times.
    """
    for i in range(ticks.size):
        best = np.int64(0)
        best_distance = np.int64(2**62)
        for year in year_starts:
            # in ticks relative to the file's second
            offset = ticks[i] + (year - file_second) * TICKS_PER_SECOND
            wraps = (-offset + _WRAP_TICKS // 2) // _WRAP_TICKS
            offset += max(wraps, np.int64(0)) * _WRAP_TICKS
            if abs(offset) < best_distance:
                best_distance = abs(offset)
                best = offset
        time_us[i] = (best + (file_second - start) * TICKS_PER_SECOND) * US_PER_TICK


@kernel
def follow_frames(
    board: npt.NDArray[np.uint8],
    frame: npt.NDArray[np.uint16],
    time_us: npt.NDArray[np.int64],
    exposure_us: int,
    last_frame: npt.NDArray[np.int64],
    newest_us: npt.NDArray[np.int64],
    packets: npt.NDArray[np.int64],
    lost: npt.NDArray[np.int64],
    seen: npt.NDArray[np.bool_],
) -> None:
    """Count packets and lost packets of each board inside the window, and mark the ticks seen.

    A board numbers its packets modulo 4096 and sends about one a tick. A large step that does not go forward in
    time is a packet that came late: it had been counted as lost. Over a long silence, as many rounds of 4096 are
    added as bring the number of packets nearest to that of ticks.

    Parameters
    ----------
    board, frame, time_us : ndarrays
        Of each packet, in arrival order.
    exposure_us : int
        Length of the window.
    last_frame, newest_us : ndarrays of int64, shape (256,)
        Newest frame of each board so far (-1 for none) and its time. Updated in place.
    packets, lost : ndarrays of int64, shape (256,)
        Updated in place.
    seen : ndarray of bool
        One a tick of 0.5 ms of the window: was there a packet of any board? Updated in place; may be empty.
    """
    frames = FRAME_MASK + 1
    for i in range(board.size):
        b = board[i]
        f = np.int64(frame[i])
        inside = 0 <= time_us[i] < exposure_us
        if inside:
            packets[b] += 1
            if seen.size:
                seen[time_us[i] // US_PER_TICK] = True
        if last_frame[b] < 0:
            last_frame[b] = f
            newest_us[b] = time_us[i]
            continue
        step = (f - last_frame[b]) & FRAME_MASK
        silent_ticks = (time_us[i] - newest_us[b]) // US_PER_TICK
        if step > FRAME_MASK // 2 and silent_ticks <= 0:
            if inside and lost[b] > 0:
                lost[b] -= 1
            continue
        step += max((silent_ticks - step + frames // 2) // frames, 0) * frames
        if inside and step > 1:
            lost[b] += step - 1
        last_frame[b] = f
        newest_us[b] = max(newest_us[b], time_us[i])


@kernel
def count_photons(
    words: npt.NDArray[np.uint64],
    begin: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    time_us: npt.NDArray[np.int64],
    exposure_us: int,
    rank_of_pixel: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
    tallies: npt.NDArray[np.int64],
) -> None:
    """Count the photons of each pixel and what becomes of every photon word.

    Parameters
    ----------
    words : ndarray of uint64
        A slab, big-endian as in the file.
    begin, end : ndarray of int64, shape (n_packets,)
        The photon words of each packet: ``words[begin[p] : end[p]]``. A packet that began in an earlier slab
        or file has words here without a header.
    time_us : ndarray of int64, shape (n_packets,)
        Time of each packet; `UNDATED` for words without header.
    exposure_us : int
        Photons at ``0 <= time < exposure_us`` are kept.
    rank_of_pixel : ndarray of int32, shape (2**20,)
        ``x << 10 | y`` -> place of the pixel in the photon file; the number of pixels where there is none.
    counts : ndarray of int64, shape (n_pixels + 1,)
        Kept photons of each pixel, added to; the last entry takes those without a pixel.
    tallies : ndarray of int64, shape (N_TALLIES,)
        Updated in place.
    """
    nowhere = counts.size - 1
    fake = np.uint64(FAKE_PHOTON)
    for p in range(time_us.size):
        t0 = time_us[p]
        if t0 >= 0 and t0 + TIME_MASK < exposure_us:
            for i in range(begin[p], end[p]):
                counts[rank_of_pixel[pixel_bits(swap_bytes(words[i]))]] += 1
            continue
        for i in range(begin[p], end[p]):
            word = swap_bytes(words[i])
            rank = rank_of_pixel[pixel_bits(word)]
            if word == fake:
                tallies[END_OF_FRAME] += 1
            elif rank == nowhere:
                tallies[OUTSIDE_ARRAY] += 1
            elif t0 == UNDATED:
                tallies[WITHOUT_HEADER] += 1
            elif 0 <= t0 + photon_time_us(word) < exposure_us:
                counts[rank] += 1
            else:
                tallies[OUTSIDE_WINDOW] += 1


@kernel
def place_photons(
    words: npt.NDArray[np.uint64],
    begin: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    time_us: npt.NDArray[np.int64],
    exposure_us: int,
    rank_of_pixel: npt.NDArray[np.int32],
    cursor: npt.NDArray[np.int64],
    baseline_mode: int,
    packed: npt.NDArray[np.uint64],
    baseline: npt.NDArray[np.int32],
    baseline_histogram: npt.NDArray[np.int64],
    tallies: npt.NDArray[np.int64],
) -> None:
    """Put every kept photon in its place: `packed` is sorted by pixel, in arrival order within one.

    Parameters
    ----------
    words, begin, end, time_us, exposure_us, rank_of_pixel
        As for `count_photons`.
    cursor : ndarray of int64, shape (n_pixels + 1,)
        Where the next photon of each pixel goes; advanced in place. The last entry is for those without a
        pixel, which are written behind all others and are worth nothing.
    baseline_mode : int
        0 ignores the baseline, 1 keeps it in `baseline`, 2 adds it to the phase (in phase counts, twice
        the baseline's) and counts it in `baseline_histogram`.
    packed : ndarray of uint64, shape (at least all photon words,)
        ``time << 32 | phase counts (int32)``.
    baseline : ndarray of int32
        Baseline counts in the same places (mode 1; else empty).
    baseline_histogram : ndarray of int64, shape (2**17,)
        Counts of baseline + 2**16 of the kept photons (mode 2; else empty).
    tallies : ndarray of int64, shape (N_TALLIES,)
        END_OF_FRAME and OUTSIDE_ARRAY of the packets that `count_photons` took in its fast loop are added.
    """
    nowhere = cursor.size - 1
    fake = np.uint64(FAKE_PHOTON)
    low = np.uint64(0xFFFFFFFF)
    for p in range(time_us.size):
        t0 = time_us[p]
        whole = t0 >= 0 and t0 + TIME_MASK < exposure_us
        if not whole and (t0 + TIME_MASK < 0 or t0 >= exposure_us):
            continue
        for i in range(begin[p], end[p]):
            word = swap_bytes(words[i])
            rank = rank_of_pixel[pixel_bits(word)]
            time = t0 + photon_time_us(word)
            if not whole and (rank == nowhere or time < 0 or time >= exposure_us):
                continue
            if rank == nowhere:
                tallies[END_OF_FRAME if word == fake else OUTSIDE_ARRAY] += 1
                continue
            phase = phase_counts(word)
            at = cursor[rank]
            cursor[rank] = at + 1
            if baseline_mode:
                level = baseline_counts(word)
                if baseline_mode == 1:
                    baseline[at] = level
                else:
                    baseline_histogram[level + 65536] += 1
                    phase += 2 * level
            packed[at] = (np.uint64(time) << np.uint64(32)) | (np.uint64(phase) & low)
