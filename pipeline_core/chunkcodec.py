"""Encoder and decoder of the photon table's chunks: blosc-1 frames with shuffled LZ4 blocks.

PyTables compresses rows at about 40 ns a photon and returns whole rows only. This encoder writes the byte
planes of a row straight into one LZ4 stream (noisy planes as literals, repetitive ones as runs), and
the decoder stops after the planes that are needed. Formats: c-blosc's README_HEADER (16-byte header, block starts,
length-prefixed streams) and LZ4's block format. Anything that this decoder does not know is left to PyTables.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import inline, kernel

__all__ = [
    "CHUNK_ROWS",
    "DAMAGED",
    "FOREIGN",
    "NEED_MORE",
    "decode_prefix",
    "encode_chunk",
    "encoded_bound",
    "row_value",
]

CHUNK_ROWS = 65536

# results of `decode_prefix` below zero
NEED_MORE = -1
"""The bytes given end before the wanted columns do: read more of the chunk."""
DAMAGED = -2
"""The stream contradicts itself."""
FOREIGN = -3
"""A valid frame of a kind that is not decoded here (another compressor, split streams)."""

_HEADER = 16
_BLOCK_START = 4
_STREAM_LENGTH = 4
_FLAG_SHUFFLE = 0x01
_FLAG_STORED = 0x02
_FLAG_BITSHUFFLE = 0x04
_FLAG_DONT_SPLIT = 0x10
_CODEC_LZ4 = 1
_MAX_SPLIT_TYPESIZE = 16  # c-blosc never splits wider rows into one stream a byte
_MIN_MATCH = 4
_LAST_LITERALS = 12  # LZ4: no match may start within the last 12 bytes of a block
_SAMPLES = 256
_ONES = np.uint64(0x0101010101010101)


def encoded_bound(row_bytes: int) -> int:
    """Return the size of a buffer that any encoded chunk of `CHUNK_ROWS` rows fits in."""
    raw = CHUNK_ROWS * row_bytes
    return _HEADER + _BLOCK_START + _STREAM_LENGTH + raw + raw // 255 + 64


@inline
def _put_u32(out: npt.NDArray[np.uint8], at: int, value: int) -> None:
    for k in range(4):
        out[at + k] = np.uint8((value >> (8 * k)) & 0xFF)


@inline
def _get_u32(src: npt.NDArray[np.uint8], at: int) -> int:
    value = np.int64(0)
    for k in range(4):
        value |= np.int64(src[at + k]) << (8 * k)
    return value


@inline
def _copy_bytes(target: npt.NDArray[np.uint8], source: npt.NDArray[np.uint8]) -> None:
    """Copy bytes; a slice assignment, which looks for overlaps first, takes ten times as long."""
    for i in range(source.size):
        target[i] = source[i]


@kernel
def _put_sequence(
    out: npt.NDArray[np.uint8],
    at: int,
    literals: npt.NDArray[np.uint8],
    match: int,
) -> int:
    """Append one LZ4 sequence: `literals`, then `match` repeats of the last byte (0: no match)."""
    count = literals.size
    token_at = at
    at += 1
    high = count
    if count >= 15:
        high = 15
        rest = count - 15
        while rest >= 255:
            out[at] = 255
            at += 1
            rest -= 255
        out[at] = rest
        at += 1
    _copy_bytes(out[at : at + count], literals)
    at += count
    low = 0
    if match > 0:
        out[at] = 1  # offset 1: repeat the byte before
        out[at + 1] = 0
        at += 2
        rest = match - _MIN_MATCH
        low = rest
        if rest >= 15:
            low = 15
            rest -= 15
            while rest >= 255:
                out[at] = 255
                at += 1
                rest -= 255
            out[at] = rest
            at += 1
    out[token_at] = np.uint8((high << 4) | low)
    return at


@kernel
def _is_repetitive(words: npt.NDArray[np.uint64]) -> bool:
    """Sample the plane (as 64-bit words): do enough words repeat one byte for runs to pay?"""
    step = max(1, words.size // _SAMPLES)
    uniform = 0
    looked = 0
    for k in range(0, words.size, step):
        word = words[k]
        looked += 1
        if word == (word & np.uint64(0xFF)) * _ONES:
            uniform += 1
    return uniform * 4 > looked


@kernel
def _encode_block(
    planes: npt.NDArray[np.uint8],
    constant: npt.NDArray[np.bool_],
    out: npt.NDArray[np.uint8],
    at: int,
) -> int:
    """Write planes of `CHUNK_ROWS` bytes as one LZ4 stream from ``out[at]``; return its end.

    `constant` tells the columns (four planes each) that hold one value, whose planes need not be looked at.
    """
    rows = CHUNK_ROWS
    end = 4 * constant.size * rows
    pending = 0  # first byte that no sequence has covered yet
    for p in range(4 * constant.size):
        first = p * rows
        if constant[p // 4]:
            finish = min(first + rows, end - _LAST_LITERALS)
            at = _put_sequence(out, at, planes[pending : first + 1], finish - first - 1)
            pending = finish
            continue
        words = planes[first : first + rows].view(np.uint64)
        if not _is_repetitive(words):
            continue
        k = 0
        while k < words.size:
            word = words[k]
            if word != (word & np.uint64(0xFF)) * _ONES:
                k += 1
                continue
            stop = k + 1
            while stop < words.size and words[stop] == word:
                stop += 1
            # the first byte of the run is a literal, the rest repeats it
            start = first + 8 * k + 1
            finish = min(first + 8 * stop, end - _LAST_LITERALS)
            if finish - start >= 2 * _MIN_MATCH - 1:
                at = _put_sequence(out, at, planes[pending:start], finish - start)
                pending = finish
            k = stop
    return _put_sequence(out, at, planes[pending:end], 0)


@kernel
def _split_column(
    values: npt.NDArray[np.uint32], planes: npt.NDArray[np.uint8], first_plane: int, constant: bool
) -> None:
    """Write the four bytes of each value (little-endian) into four planes; rows beyond are zero.

    Of a constant column only those bytes that are stored as literals.
    """
    rows = CHUNK_ROWS
    for k in range(4):
        plane = planes[(first_plane + k) * rows : (first_plane + k + 1) * rows]
        shift = np.uint32(8 * k)
        if constant:
            byte = np.uint8((values[0] >> shift) & np.uint32(0xFF))
            plane[0] = byte
            plane[-_LAST_LITERALS:] = byte
            continue
        for i in range(values.size):
            plane[i] = np.uint8((values[i] >> shift) & np.uint32(0xFF))
        plane[values.size :] = 0


@kernel
def encode_chunk(
    columns: npt.NDArray[np.uint32],
    constant: npt.NDArray[np.bool_],
    planes: npt.NDArray[np.uint8],
    out: npt.NDArray[np.uint8],
) -> int:
    """Encode one chunk of 4-byte columns; rows beyond those given are zero.

    Parameters
    ----------
    columns : ndarray of uint32, shape (n_columns, n_rows), n_rows <= CHUNK_ROWS
        The bits of each column (view floats as uint32).
    constant : ndarray of bool, shape (n_columns,)
        Columns of which the first value stands for all rows of the chunk.
    planes : ndarray of uint8, shape (4 * n_columns * CHUNK_ROWS,)
        Scratch.
    out : ndarray of uint8
        At least `encoded_bound` bytes.

    Returns
    -------
    int
        Number of bytes of `out` that make up the chunk.
    """
    n_columns = columns.shape[0]
    row_bytes = 4 * n_columns
    raw = row_bytes * CHUNK_ROWS
    for c in range(n_columns):
        _split_column(columns[c], planes, 4 * c, constant[c])
    first = _HEADER + _BLOCK_START + _STREAM_LENGTH
    end = _encode_block(planes, constant, out, first)
    out[0] = 2  # blosc-1 format
    out[1] = 1  # LZ4 format
    out[2] = _FLAG_SHUFFLE | _FLAG_DONT_SPLIT | (_CODEC_LZ4 << 5)
    out[3] = row_bytes
    _put_u32(out, 4, raw)
    _put_u32(out, 8, raw)  # a single block
    _put_u32(out, 12, end)
    _put_u32(out, _HEADER, _HEADER + _BLOCK_START)
    _put_u32(out, _HEADER + _BLOCK_START, end - first)
    return end


@kernel
def _read_length(src: npt.NDArray[np.uint8], at: int, have: int, nibble: int) -> tuple[int, int]:
    """Return a length that begins with four bits of a token, and where its further bytes end (-1: beyond `have`)."""
    count = nibble
    if nibble == 15:
        byte = np.int64(255)
        while byte == 255:
            if at >= have:
                return count, -1
            byte = np.int64(src[at])
            at += 1
            count += byte
    return count, at


@kernel
def _decode_lz4(
    src: npt.NDArray[np.uint8],
    at: int,
    end: int,
    out: npt.NDArray[np.uint8],
    first: int,
    limit: int,
) -> int:
    """Decode ``src[at:end]`` into ``out[first:limit]``, stopping once `limit` is reached.

    Returns 0, NEED_MORE where `src` is shorter than `end` and runs out, or DAMAGED.
    """
    pos = first
    have = min(end, src.size)
    short = NEED_MORE if src.size < end else DAMAGED
    while pos < limit:
        if at >= have:
            return short
        token = src[at]
        at += 1
        count, at = _read_length(src, at, have, np.int64(token >> 4))
        if at < 0:
            return short
        wanted = min(count, limit - pos)
        if at + wanted > have:
            return short
        _copy_bytes(out[pos : pos + wanted], src[at : at + wanted])
        pos += wanted
        at += count
        if pos >= limit:
            return 0
        if at + 2 > have:
            return short
        offset = np.int64(src[at]) | (np.int64(src[at + 1]) << 8)
        at += 2
        if offset == 0 or offset > pos - first:
            return DAMAGED
        count, at = _read_length(src, at, have, np.int64(token & 15))
        if at < 0:
            return short
        count = min(count + _MIN_MATCH, limit - pos)
        if offset == 1:
            out[pos : pos + count] = out[pos - 1]
        elif offset >= count:
            _copy_bytes(out[pos : pos + count], out[pos - offset : pos - offset + count])
        else:
            for i in range(count):
                out[pos + i] = out[pos + i - offset]
        pos += count
    return 0


@kernel
def decode_prefix(
    src: npt.NDArray[np.uint8], row_bytes: int, wanted: int, out: npt.NDArray[np.uint8]
) -> int:
    """Decode the first `wanted` byte planes of a chunk of `CHUNK_ROWS` rows.

    Parameters
    ----------
    src : ndarray of uint8
        The chunk as stored, or its first part.
    row_bytes : int
        Bytes of a row.
    wanted : int
        How many leading byte planes to decode, 1..row_bytes.
    out : ndarray of uint8, shape (row_bytes * CHUNK_ROWS,)
        Receives plane p of all rows at ``out[p * CHUNK_ROWS : (p + 1) * CHUNK_ROWS]`` for p < wanted if the
        chunk is a single block; see the return value.

    Returns
    -------
    int
        Rows a block (planes of block b start at ``out[b * rows_a_block * row_bytes]``), or one of
        NEED_MORE, DAMAGED, FOREIGN.
    """
    raw = row_bytes * CHUNK_ROWS
    if src.size < _HEADER + _BLOCK_START:
        return NEED_MORE
    flags = src[2]
    block = _get_u32(src, 8)
    size = _get_u32(src, 12)
    if _get_u32(src, 4) != raw or block <= 0 or block > raw or size < _HEADER:
        return DAMAGED
    split_unknown = not (flags & _FLAG_DONT_SPLIT) and row_bytes <= _MAX_SPLIT_TYPESIZE
    if (
        src[3] != row_bytes
        or flags & (_FLAG_STORED | _FLAG_BITSHUFFLE)
        or not flags & _FLAG_SHUFFLE
        or (flags >> 5) != _CODEC_LZ4
        or split_unknown
        or block % row_bytes
    ):
        return FOREIGN
    n_blocks = (raw + block - 1) // block
    if src.size < _HEADER + 4 * n_blocks:
        return NEED_MORE
    for b in range(n_blocks):
        first = b * block
        length = min(block, raw - first)
        limit = first + length // row_bytes * wanted
        at = _get_u32(src, _HEADER + 4 * b)
        if at < _HEADER or at + _STREAM_LENGTH > size:
            return DAMAGED
        if at + _STREAM_LENGTH > src.size:
            return NEED_MORE
        stream = _get_u32(src, at)
        at += _STREAM_LENGTH
        if at + stream > size:
            return DAMAGED
        if stream == length:  # stored, since LZ4 did not shrink it
            if at + (limit - first) > src.size:
                return NEED_MORE
            _copy_bytes(out[first:limit], src[at : at + limit - first])
            continue
        status = _decode_lz4(src, at, at + stream, out, first, limit)
        if status < 0:
            return status
    return block // row_bytes


@inline
def row_value(
    out: npt.NDArray[np.uint8], rows_a_block: int, row_bytes: int, column: int, row: int
) -> np.uint32:
    """Return the 4 bytes of one column of one row from the planes that `decode_prefix` made."""
    b = row // rows_a_block
    first = b * rows_a_block
    rows = min(rows_a_block, CHUNK_ROWS - first)
    at = first * row_bytes + 4 * column * rows + (row - first)
    return (
        np.uint32(out[at])
        | (np.uint32(out[at + rows]) << np.uint32(8))
        | (np.uint32(out[at + 2 * rows]) << np.uint32(16))
        | (np.uint32(out[at + 3 * rows]) << np.uint32(24))
    )
