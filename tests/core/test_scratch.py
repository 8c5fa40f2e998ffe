"""Scratch files: what was written is what is read, whatever the file system can do."""

import errno
import fcntl
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_core.errors import OutputError
from pipeline_core.photonruns import RunStore
from pipeline_core.scratch import BLOCK, ScratchFile, page_aligned


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
