import numpy as np
import pytest
import tables
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline_core.chunkcodec import (
    CHUNK_ROWS,
    DAMAGED,
    FOREIGN,
    NEED_MORE,
    decode_prefix,
    encode_chunk,
    encoded_bound,
    row_value,
)
from pipeline_core.photon_writer import encoder_works

FILTERS = tables.Filters(complevel=1, complib="blosc:lz4", shuffle=True)


def encode(columns):
    row_bytes = 4 * columns.shape[0]
    out = np.empty(encoded_bound(row_bytes), np.uint8)
    planes = np.full(row_bytes * CHUNK_ROWS, 0x5A, np.uint8)
    whole = columns.shape[1] == CHUNK_ROWS
    constant = whole & (columns == columns[:, :1]).all(axis=1)
    return out[: encode_chunk(columns, constant, planes, out)].copy()


def read_with_pytables(chunk, n_columns):
    """The referee: PyTables' own decoder."""
    dtype = np.dtype([(f"c{k}", "<u4") for k in range(n_columns)])
    with tables.open_file("t.h5", "w", driver="H5FD_CORE", driver_core_backing_store=0) as h5:
        table = h5.create_table("/", "t", dtype, filters=FILTERS, chunkshape=CHUNK_ROWS)
        table.truncate(CHUNK_ROWS)
        table.write_chunk((0,), chunk)
        rows = table.read()
    return np.array([rows[name] for name in dtype.names])


def columns_like(kind, seed, n_columns):
    rng = np.random.default_rng(seed)
    columns = np.zeros((n_columns, CHUNK_ROWS), np.uint32)
    for k in range(n_columns):
        choice = (kind + k) % 6
        if choice == 0:
            columns[k] = rng.integers(0, 2**32, CHUNK_ROWS, np.uint32)
        elif choice == 1:
            columns[k] = np.repeat(rng.integers(0, 2**32, CHUNK_ROWS // 64, np.uint32), 64)
        elif choice == 2:
            columns[k] = rng.integers(0, 2**32)
        elif choice == 3:
            columns[k] = np.sort(rng.integers(0, 2**24, CHUNK_ROWS, np.uint32))
        elif choice == 4:
            lengths = rng.geometric(0.05, CHUNK_ROWS)
            columns[k] = np.repeat(rng.integers(0, 2**9, CHUNK_ROWS), lengths)[:CHUNK_ROWS]
        # choice 5: zeros
    return columns


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.integers(0, 2**32 - 1), st.integers(1, 6))
@example(5, 0, 1)  # nothing but zeros: the last 12 bytes must still be literals
@example(1, 9, 2)  # a constant column at the end
@example(0, 9, 4)  # constant columns in the middle
def test_pytables_reads_what_the_encoder_writes(kind, seed, n_columns):
    columns = columns_like(kind, seed, n_columns)
    np.testing.assert_array_equal(read_with_pytables(encode(columns), n_columns), columns)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 5), st.integers(0, 2**32 - 1), st.integers(1, 6), st.data())
def test_decoder_returns_the_columns(kind, seed, n_columns, data):
    columns = columns_like(kind, seed, n_columns)
    planes = np.full(4 * n_columns * CHUNK_ROWS, 0xAA, np.uint8)
    wanted = data.draw(st.integers(1, n_columns))
    block = decode_prefix(encode(columns), 4 * n_columns, 4 * wanted, planes)
    assert block == CHUNK_ROWS
    for row in (0, 1, 12_345, CHUNK_ROWS - 1):
        for column in range(wanted):
            assert row_value(planes, block, 4 * n_columns, column, row) == columns[column, row]
    assert (planes[4 * wanted * CHUNK_ROWS :] == 0xAA).all()  # nothing beyond what was asked for


def test_rows_beyond_those_given_are_zero():
    columns = np.full((2, 10), 7, np.uint32)
    rows = read_with_pytables(encode(columns), 2)
    assert (rows[:, :10] == 7).all()
    assert not rows[:, 10:].any()


@pytest.mark.parametrize("row_bytes", [20, 24])
def test_chunks_of_pytables_itself_are_decoded(row_bytes):
    n_columns = row_bytes // 4
    columns = columns_like(3, 5, n_columns)
    dtype = np.dtype([(f"c{k}", "<u4") for k in range(n_columns)])
    with tables.open_file("t.h5", "w", driver="H5FD_CORE", driver_core_backing_store=0) as h5:
        table = h5.create_table("/", "t", dtype, filters=FILTERS, chunkshape=CHUNK_ROWS)
        rows = np.zeros(CHUNK_ROWS, dtype)
        for k, name in enumerate(dtype.names):
            rows[name] = columns[k]
        table.append(rows)
        table.flush()
        chunk = np.frombuffer(table.read_chunk((0,)), np.uint8)
    planes = np.empty(row_bytes * CHUNK_ROWS, np.uint8)
    block = decode_prefix(chunk, row_bytes, row_bytes, planes)
    assert 0 < block < CHUNK_ROWS  # several blocks
    for row in range(0, CHUNK_ROWS, 997):
        for column in range(n_columns):
            assert row_value(planes, block, row_bytes, column, row) == columns[column, row]


def test_a_part_of_a_chunk_asks_for_more():
    chunk = encode(columns_like(0, 1, 3))
    planes = np.empty(12 * CHUNK_ROWS, np.uint8)
    for size in (0, 10, 19, 23, 1000, chunk.size - 1):
        assert decode_prefix(chunk[:size], 12, 12, planes) == NEED_MORE


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_damage_never_reads_or_writes_out_of_bounds(seed, n_changes):
    rng = np.random.default_rng(seed)
    chunk = DAMAGED_SOURCE.copy()
    where = rng.integers(0, chunk.size, n_changes)
    if seed % 2:
        where[: n_changes // 2] %= 200  # header and first tokens
    chunk[where] = rng.integers(0, 256, n_changes)
    chunk = chunk[: rng.integers(1, chunk.size + 1)] if seed % 3 == 0 else chunk
    planes = np.full(12 * CHUNK_ROWS + 64, 0xAA, np.uint8)
    result = decode_prefix(chunk, 12, 12, planes[:-64])
    assert result > 0 or result in (NEED_MORE, DAMAGED, FOREIGN)
    assert (planes[-64:] == 0xAA).all()


DAMAGED_SOURCE = encode(columns_like(1, 3, 3))


def test_other_compressors_are_foreign():
    chunk = encode(columns_like(0, 1, 3))
    planes = np.empty(12 * CHUNK_ROWS, np.uint8)
    for flags in (0x31 | 0x04, 0x11, 0x71, 0x33):
        other = chunk.copy()
        other[2] = flags
        assert decode_prefix(other, 12, 12, planes) == FOREIGN
    assert decode_prefix(chunk, 16, 12, np.empty(16 * CHUNK_ROWS, np.uint8)) == DAMAGED


@pytest.mark.parametrize("row_bytes", [20, 24])
def test_encoder_check_passes_here(row_bytes):
    assert encoder_works(row_bytes)


def test_encoder_check_notices_a_wrong_encoder(monkeypatch):
    import pipeline_core.photon_writer as writer

    def wrong(columns, constant, planes, out):
        size = encode_chunk(columns, constant, planes, out)
        out[size // 2] ^= 1
        return size

    monkeypatch.setattr(writer, "encode_chunk", wrong)
    assert not writer.encoder_works()
