"""XXH64 of a file: a hash that tells contents apart by chance, as fast as memory is read; not against forgery.

The algorithm is that of xxHash (Y. Collet), seed 0. Cryptographic hashes take as long as converting does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel

__all__ = ["xxh64"]

_BLOCK = 1 << 20
_STRIPE = 32
_MASK = (1 << 64) - 1
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_KERNEL_P1, _KERNEL_P2 = np.uint64(_P1), np.uint64(_P2)


@kernel
def _add_stripes(words: npt.NDArray[np.uint64], lanes: npt.NDArray[np.uint64]) -> None:
    """Take in stripes of four words; each lane goes its own way, so that the processor does all at once."""
    up, down = np.uint64(31), np.uint64(33)
    a, b, c, d = lanes[0], lanes[1], lanes[2], lanes[3]
    for i in range(0, words.size, 4):
        a += words[i] * _KERNEL_P2
        b += words[i + 1] * _KERNEL_P2
        c += words[i + 2] * _KERNEL_P2
        d += words[i + 3] * _KERNEL_P2
        a = ((a << up) | (a >> down)) * _KERNEL_P1
        b = ((b << up) | (b >> down)) * _KERNEL_P1
        c = ((c << up) | (c >> down)) * _KERNEL_P1
        d = ((d << up) | (d >> down)) * _KERNEL_P1
    lanes[0], lanes[1], lanes[2], lanes[3] = a, b, c, d


def xxh64(path: Path, cancelled: Callable[[], bool] = lambda: False) -> str:
    """Return the XXH64 of a file's content, 16 hexadecimal digits. Releases the GIL.

    Parameters
    ----------
    path : path
    cancelled : callable
        Asked now and then; what is returned after it said so is of no use.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    lanes = np.array([(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK], np.uint64)
    block = np.empty(_BLOCK, np.uint8)
    size = filled = 0
    with path.open("rb", buffering=0) as stream:
        while not cancelled() and (count := stream.readinto(memoryview(block)[filled:])):
            size += count
            filled += count
            whole = filled - filled % _STRIPE
            _add_stripes(block[:whole].view("<u8"), lanes)
            block[: filled - whole] = block[whole:filled]
            filled -= whole
    return f"{_finished([int(lane) for lane in lanes], size, block[:filled].tobytes()):016x}"


def _finished(lanes: list[int], size: int, rest: bytes) -> int:
    """Bring the lanes together, and take in the bytes behind the last stripe."""
    found = _P5
    if size >= _STRIPE:
        turns = zip(lanes, (1, 7, 12, 18), strict=True)
        found = sum(_turned(lane, by) for lane, by in turns) & _MASK
        for lane in lanes:
            found = ((found ^ _mixed(lane)) * _P1 + _P4) & _MASK
    found = (found + size) & _MASK
    words, rest = rest[: len(rest) // 8 * 8], rest[len(rest) // 8 * 8 :]
    for at in range(0, len(words), 8):
        word = _mixed(int.from_bytes(words[at : at + 8], "little"))
        found = (_turned(found ^ word, 27) * _P1 + _P4) & _MASK
    if len(rest) >= 4:
        found ^= (int.from_bytes(rest[:4], "little") * _P1) & _MASK
        found = (_turned(found, 23) * _P2 + _P3) & _MASK
        rest = rest[4:]
    for byte in rest:
        found = (_turned(found ^ (byte * _P5 & _MASK), 11) * _P1) & _MASK
    found = ((found ^ (found >> 33)) * _P2) & _MASK
    found = ((found ^ (found >> 29)) * _P3) & _MASK
    return found ^ (found >> 32)


def _mixed(word: int) -> int:
    return _turned(word * _P2 & _MASK, 31) * _P1 & _MASK


def _turned(word: int, by: int) -> int:
    return ((word << by) | (word >> (64 - by))) & _MASK
