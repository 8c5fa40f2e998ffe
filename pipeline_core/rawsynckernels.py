"""The loops that check headers, and look for them byte by byte where the read-out lost its place; see `rawsync`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import inline, kernel
from pipeline_core.rawwords import (
    BYTES_PER_WORD,
    COUNTER_WRAP_S,
    FRAME_MASK,
    HEADER_MARK,
    MAX_PHOTONS_PER_PACKET,
    TICKS_PER_SECOND,
)

__all__ = ["MOST_WORDS", "NEVER", "count_sound", "hides_header", "put_in_place"]

MOST_WORDS = MAX_PHOTONS_PER_PACKET + 1
"""Words of a packet behind its header: photons, and perhaps an end-of-frame marker."""

NEAR_TICKS = 30 * TICKS_PER_SECOND
"""Packets may come so early or late, by the file's name or by their board's last one."""

_ALIKE_TICKS = 2 * TICKS_PER_SECOND
_ALIKE_FRAMES = 16
_LOOK_AHEAD = 2048 * BYTES_PER_WORD  # a round of full packets of twenty boards
_LONGEST = (MOST_WORDS + 1) * BYTES_PER_WORD
_LONGEST_GAP = 3 * _LONGEST  # two headers lost in a row; beyond, nothing is trusted
_NO_BOARD = 0xFF  # no address ends so; what end-of-frame markers look like that are shifted
_ANY_BOARD = _NO_BOARD  # where the newest time of any board is kept
_MOST_TICKS = 366 * 86400 * TICKS_PER_SECOND
_WRAP_TICKS = COUNTER_WRAP_S * TICKS_PER_SECOND
NEVER = -(2**62)

# what a search finds
_FOUND, _NOTHING, _UNDECIDED = range(3)
# what is counted
_SKIPPED, _RESYNCS = range(2)


@inline
def _ticks_at(data: npt.NDArray[np.uint8], at: int) -> np.int64:
    """Return the time stamp of the header at byte `at`."""
    ticks = np.int64(data[at + 3] & np.uint8(0x0F))
    for k in range(at + 4, at + 8):
        ticks = (ticks << 8) | np.int64(data[k])
    return ticks


@inline
def _frame_at(data: npt.NDArray[np.uint8], at: int) -> np.int64:
    """Return the frame counter of the header at byte `at`."""
    return (np.int64(data[at + 2]) << 4) | np.int64(data[at + 3] >> 4)


@kernel
def _is_timely(
    board: int, ticks: np.int64, newest: npt.NDArray[np.int64], centres: npt.NDArray[np.int64]
) -> bool:
    """Tell whether a header's time (0.5 ms) is near its board's newest one, any board's newest one, or the file's."""
    if board == _NO_BOARD:
        return False
    if abs(ticks - newest[board]) <= NEAR_TICKS or abs(ticks - newest[_ANY_BOARD]) <= NEAR_TICKS:
        return True
    for centre in centres:
        # the counter of seconds may have started again any number of times
        ago = centre + NEAR_TICKS - ticks
        if ago >= 0 and ago % _WRAP_TICKS <= 2 * NEAR_TICKS:
            return True
    return False


@kernel
def _has_its_like(data: npt.NDArray[np.uint8], at: int, stop: int, at_end: bool) -> int:
    """Tell whether two headers follow that have about the time of the one at `at`, one after the other.

    Each is either the next packet of any board, or the next of the same one, by its clock and its frame counter.
    """
    if _ticks_at(data, at) >= _MOST_TICKS:
        return _NOTHING
    for _ in range(2):
        board, ticks, frame = data[at + 1], _ticks_at(data, at), _frame_at(data, at)
        if board == _NO_BOARD:
            return _NOTHING
        child = -1
        for q in range(
            at + BYTES_PER_WORD, min(at + _LOOK_AHEAD, stop - BYTES_PER_WORD) + 1, BYTES_PER_WORD
        ):
            if data[q] == HEADER_MARK:
                later = _ticks_at(data, q) - ticks
                step = (_frame_at(data, q) - frame) & FRAME_MASK
                next_of_board = (
                    data[q + 1] == board
                    and 0 <= later <= _ALIKE_TICKS
                    and 1 <= step <= _ALIKE_FRAMES
                )
                next_packet = q - at <= _LONGEST and abs(later) <= _ALIKE_TICKS
                if next_of_board or (next_packet and data[q + 1] != board):
                    child = q
                    break
        if child < 0:
            waits = not at_end and at + _LOOK_AHEAD > stop - BYTES_PER_WORD
            return _UNDECIDED if waits else _NOTHING
        at = child
    return _FOUND


@kernel
def _next_header(
    data: npt.NDArray[np.uint8],
    begin: int,
    end: int,
    stop: int,
    at_end: bool,
    place: int,
    only_timely: bool,
    newest: npt.NDArray[np.int64],
    centres: npt.NDArray[np.int64],
) -> tuple[int, int]:
    """Search bytes ``begin ... end`` for a header that can be believed, at any byte.

    One at bytes ``place`` modulo 8, where it is expected, must be timely. Others must be very near their board's newest
    one, or be followed by another one within a packet's length: among so many bytes, some look like a header. Unless
    `only_timely`, their like will do. Returns where the search ended, and what it found; `_UNDECIDED` if more bytes are
    needed than there are before `stop`.
    """
    for p in range(begin, min(end, stop - BYTES_PER_WORD + 1)):
        if data[p] != HEADER_MARK:
            continue
        board = data[p + 1]
        if board == _NO_BOARD:
            continue
        ticks = _ticks_at(data, p)
        if _is_timely(board, ticks, newest, centres):
            if p % BYTES_PER_WORD == place or abs(ticks - newest[board]) <= _ALIKE_TICKS:
                return p, _FOUND
            follows = p + BYTES_PER_WORD
            for _ in range(MOST_WORDS + 1):
                if follows + BYTES_PER_WORD > stop:
                    if not at_end:
                        return p, _UNDECIDED
                    break
                if data[follows] == HEADER_MARK and _is_timely(
                    data[follows + 1], _ticks_at(data, follows), newest, centres
                ):
                    return p, _FOUND
                follows += BYTES_PER_WORD
        if only_timely:
            continue
        alike = _has_its_like(data, p, stop, at_end)
        if alike != _NOTHING:
            return p, alike
    return max(begin, min(end, stop - BYTES_PER_WORD + 1)), _NOTHING


@kernel
def count_sound(
    index: npt.NDArray[np.int64],
    ticks: npt.NDArray[np.int64],
    board: npt.NDArray[np.uint8],
    first: int,
    stop: int,
    words_before: int,
    newest: npt.NDArray[np.int64],
    centres: npt.NDArray[np.int64],
) -> tuple[int, bool]:
    """Count the headers before anything is out of place; also whether nothing is, up to `stop`.

    `words_before` words of the packet under way lie before `first`. `newest` is updated by the headers that count.
    """
    previous = first - 1 - words_before
    for i in range(index.size):
        if index[i] - previous - 1 > MOST_WORDS:
            return i, False
        sender, now = board[i], ticks[i]
        # so nearly always, and quicker than the whole question
        near = sender != _NO_BOARD and abs(now - newest[sender]) <= NEAR_TICKS
        if not near and not _is_timely(sender, now, newest, centres):
            return i, False
        newest[sender] = newest[_ANY_BOARD] = now
        previous = index[i]
    return index.size, stop - previous - 1 <= MOST_WORDS


@kernel
def _move(data: npt.NDArray[np.uint8], begin: int, end: int, to: int) -> int:
    """Move bytes forward; return where they end."""
    if to != begin:
        for k in range(end - begin):
            data[to + k] = data[begin + k]
    return to + end - begin


@kernel
def hides_header(
    data: npt.NDArray[np.uint8],
    begin: int,
    stop: int,
    newest: npt.NDArray[np.int64],
    centres: npt.NDArray[np.int64],
) -> bool:
    """Tell whether a header stands where none should, among the last words of a file."""
    _, found = _next_header(data, begin, stop, stop, True, -1, True, newest, centres)
    return found == _FOUND


@kernel
def put_in_place(
    data: npt.NDArray[np.uint8],
    begin: int,
    stop: int,
    at_end: bool,
    headed: bool,
    lost: bool,
    words_before: int,
    newest: npt.NDArray[np.int64],
    centres: npt.NDArray[np.int64],
    counted: npt.NDArray[np.int64],
) -> tuple[int, int, bool, bool]:
    """Move the packets of a damaged stretch together, so that all of them begin at a multiple of 8 bytes.

    Parameters
    ----------
    data : ndarray of uint8
        A slab; bytes ``begin:stop`` are looked at. Changed in place.
    at_end : bool
        Whether the file ends at `stop`.
    headed : bool
        Whether a header that is believed stands at `begin`; else words of a packet that began in another file.
    lost : bool
        Whether nothing was found before `begin` that could be believed.
    words_before : int
        Words of the packet under way before `begin`, if not `headed`.
    newest, centres
        As for `_is_timely`; `newest` is updated.
    counted : ndarray of int64, shape (2,)
        Bytes that were skipped and new beginnings at another byte are added.

    Returns
    -------
    end : int
        Byte where the packets in place end; they begin at `begin`, rounded down to a multiple of 8.
    rest : int
        Byte from which on the rest must be looked at again, together with what follows.
    headed, lost : bool
        Of the rest.
    """
    to = begin - begin % BYTES_PER_WORD
    packet = begin
    r = begin + BYTES_PER_WORD if headed else begin
    run = 0 if headed else words_before
    while True:
        if lost:
            at, found = _next_header(data, r, stop, stop, at_end, -1, False, newest, centres)
            if found != _FOUND:
                rest = stop if at_end else at
                counted[_SKIPPED] += rest - packet
                return to, rest, False, True
            lost = False
            counted[_SKIPPED] += at - packet
            counted[_RESYNCS] += 1
        else:
            body = packet + BYTES_PER_WORD if headed else packet
            ends = r + BYTES_PER_WORD > stop
            if ends:
                if not at_end:
                    return to, packet, headed, False
                if not hides_header(data, body, stop, newest, centres):
                    return _move(data, packet, r, to), r, False, False
            odd = not ends and data[r] == HEADER_MARK
            if not ends and not odd and run < MOST_WORDS:
                run += 1
                r += BYTES_PER_WORD
                continue
            at, found = r, _NOTHING
            if odd:
                found = _FOUND
                if not _is_timely(data[r + 1], _ticks_at(data, r), newest, centres):
                    found = _has_its_like(data, r, stop, at_end)
            if found == _FOUND:
                to = _move(data, packet, r, to)
            elif found == _NOTHING:
                # out of place: a word between here and the last header that was believed
                limit = r + _LOOK_AHEAD
                place = packet % BYTES_PER_WORD
                for only_timely in (True, False):
                    at, found = _next_header(
                        data, body, limit, stop, at_end, place, only_timely, newest, centres
                    )
                    if found == _NOTHING and not at_end and limit > stop - BYTES_PER_WORD:
                        found = _UNDECIDED
                    if found != _NOTHING:
                        break
                if found != _UNDECIDED:
                    kept = body
                    if found == _FOUND and at % BYTES_PER_WORD == place:
                        if odd:
                            kept = r
                        elif at - packet <= _LONGEST_GAP:
                            kept = at
                    elif found == _FOUND:
                        counted[_RESYNCS] += 1
                    elif at_end and not odd and stop - packet <= _LONGEST_GAP:
                        kept = stop - (stop - packet) % BYTES_PER_WORD
                        return _move(data, packet, kept, to), kept, False, False
                    to = _move(data, packet, kept, to)
                    if found == _NOTHING:
                        lost = True
                        packet, r = kept, at
                        continue
                    counted[_SKIPPED] += at - kept
            if found == _UNDECIDED:
                return to, packet, headed, False
        packet, r, run, headed = at, at + BYTES_PER_WORD, 0, True
        newest[data[at + 1]] = newest[_ANY_BOARD] = _ticks_at(data, at)
