"""Scratch files: what was written is what is read, whatever the file system can do."""

import errno
import fcntl
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_core import scratch as scratch_module
from pipeline_core.errors import OutputError
from pipeline_core.photonruns import RunStore
from pipeline_core.scratch import BLOCK, ScratchFile, page_aligned, pages_used_again


def filled(values):
    array = page_aligned(len(values), np.asarray(values).dtype.type)
    array[: len(values)] = values
    return array


@pytest.fixture
def scratch(tmp_path):
    opened = ScratchFile(tmp_path)
    yield opened
    opened.close()


def test_memory_is_whole_pages():
    for count in (1, 511, 512, 513, 5000):
        array = page_aligned(count, np.uint64)
        assert array.size >= count
        assert array.nbytes % BLOCK == 0
        assert array.ctypes.data % BLOCK == 0
    assert page_aligned(0, np.int32).size == 0


@pytest.fixture
def no_spare(monkeypatch):
    monkeypatch.setattr(scratch_module, "_reuse", scratch_module._Reuse())


def places_of(*counts):
    arrays = [page_aligned(count, np.uint64) for count in counts]
    for k, array in enumerate(arrays):
        array[:] = k
    assert [int(array[0]) for array in arrays] == list(range(len(arrays)))  # none lies in another
    return [array.ctypes.data for array in arrays]


def test_the_next_work_takes_over_the_memory_and_nothing_else_does(no_spare):
    with pages_used_again():
        first = places_of(100, 2_000_000)
        third = page_aligned(100, np.int32)
        assert third.ctypes.data not in first
        assert third.ctypes.data % BLOCK == 0
    outside = page_aligned(100, np.uint64)
    assert outside.nbytes == BLOCK
    with pages_used_again():
        again = places_of(50, 90, 1_900_000, 100)
    assert {*first, third.ctypes.data} < set(again)  # and one that is fresh
    assert outside.ctypes.data not in again


def test_memory_goes_back_when_the_last_of_several_works_has_ended(no_spare):
    with pages_used_again():
        first = places_of(100)
        with pages_used_again():
            second = places_of(100)
        assert second != first
        assert places_of(100)[0] not in first + second
    with pages_used_again():
        assert set(first + second) < set(places_of(100, 100, 100))


def test_after_an_error_memory_is_not_used_again(no_spare):
    with pytest.raises(ValueError, match="x"), pages_used_again():
        with pages_used_again():
            places_of(100)
        raise ValueError("x")
    with pytest.raises(ValueError, match="x"), pages_used_again(), pages_used_again():
        places_of(100)
        raise ValueError("x")
    assert scratch_module._reuse.spare == []
    with pages_used_again():
        places_of(100)
    assert len(scratch_module._reuse.spare) == 1


def test_no_more_than_so_much_is_kept(no_spare, monkeypatch):
    monkeypatch.setattr(scratch_module, "_KEPT_BYTES", 3 * scratch_module._PIECE)
    with pages_used_again():
        places_of(*[100] * 5)
    assert len(scratch_module._reuse.spare) == 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=5), st.data())
def test_parts_come_back_as_they_were(tmp_path_factory, sizes, data):
    scratch = ScratchFile(tmp_path_factory.mktemp("scratch"))
    rng = np.random.default_rng(4)
    kept = []
    try:
        for k, size in enumerate(sizes):
            dtype = np.uint64 if k % 2 else np.int32
            values = rng.integers(0, 2**31, size).astype(dtype)
            kept.append((scratch.append(filled(values), size), values))
        for place, values in kept:
            first = data.draw(st.integers(0, values.size))
            stop = data.draw(st.integers(first, values.size))
            found = scratch.read(place, first, stop, values.dtype.type)
            np.testing.assert_array_equal(found, values[first:stop])
    finally:
        scratch.close()


def test_it_has_no_name(scratch, tmp_path):
    scratch.append(filled(np.arange(10)), 10)
    assert not list(tmp_path.iterdir())


def test_a_file_system_with_other_blocks_is_used_through_its_cache(scratch, monkeypatch):
    write = os.pwrite

    def choosy(descriptor, view, at):
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return write(descriptor, view, at)

    monkeypatch.setattr(os, "pwrite", choosy)
    values = np.arange(3000)
    place = scratch.append(filled(values), values.size)
    np.testing.assert_array_equal(scratch.read(place, 700, 2900, np.int64), values[700:2900])


def test_a_full_disk_is_told(scratch, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OutputError, match=r"Scratch space in .* No space left"):
        scratch.append(filled(np.arange(10)), 10)


def test_lost_space_is_told(scratch, monkeypatch):
    place = scratch.append(filled(np.arange(10)), 10)
    os.ftruncate(scratch._descriptor, 0)
    with pytest.raises(OutputError, match="was lost"):
        scratch.read(place, 0, 10, np.int64)

    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(OutputError, match="was lost"):
        scratch.read(place, 0, 10, np.int64)


def test_memory_of_runs_that_were_spilled_is_used_again(tmp_path):
    def run(store, n):
        room = store.room(n)
        room.photons[:n] = np.arange(n)
        store.add(np.array([0, n // 2, n]), room)
        return room.photons

    with RunStore(2, tmp_path, 2 * BLOCK) as store:
        first, second = run(store, 500), run(store, 500)
        third = run(store, 500)  # the first two take all the memory
        assert third is not first
        assert third is not second
        assert run(store, 400) is third
        larger = run(store, 600)
        assert larger is not third
        assert store.counts().tolist() == [250 + 250 + 250 + 200 + 300] * 2
        merged = np.concatenate([batch.photons.copy() for batch in store.batches(64)])
    sizes = (500, 500, 500, 400, 600)
    low = [np.arange(n // 2) for n in sizes]
    high = [np.arange(n // 2, n) for n in sizes]
    np.testing.assert_array_equal(merged, np.concatenate(low + high))
