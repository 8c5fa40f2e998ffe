import os

import numpy as np
import pytest
from rawdata import write_words

from pipeline_core import binfile
from pipeline_core.binfile import BinFolder, scan_folder, stream_slabs
from pipeline_core.errors import InputFormatError


def make_files(folder, sizes):
    rng = np.random.default_rng(1)
    words = {}
    for k, size in enumerate(sizes):
        second = 1602050400 + k
        words[second] = rng.integers(0, 2**62, size).tolist()
        write_words(folder / f"{second}.bin", words[second])
    return words


def collect(slabs):
    """Put the words of each second together again, and see where files begin and end."""
    found, opened, spare = {}, [], {}
    for slab in slabs:
        for segment in slab.segments:
            if segment.opens_file:
                opened.append(segment.second)
            part = slab.words[segment.first : segment.stop].byteswap().tolist()
            found.setdefault(segment.second, []).extend(part)
            spare[segment.second] = spare.get(segment.second, 0) + segment.spare_bytes
    return found, opened, spare


@pytest.mark.parametrize("slab_words", [7, 512, 1000, 1024, 5000])
@pytest.mark.parametrize("cached", [True, False])
def test_every_word_comes_once_and_in_order(tmp_path, monkeypatch, slab_words, cached):
    if not cached:
        monkeypatch.setattr(binfile._RawFile, "_is_cached", lambda _: False)
    words = make_files(tmp_path, [0, 5, 3000, 512, 1, 1024])
    folder = scan_folder(tmp_path)
    if not cached and slab_words % 512:
        slab_words = -(-slab_words // 512) * 512
    found, opened, spare = collect(stream_slabs(folder, folder.seconds, slab_words))
    assert opened == sorted(words)
    assert {k: v for k, v in found.items() if v} == {k: v for k, v in words.items() if v}
    assert not any(spare.values())


@pytest.mark.parametrize("cached", [True, False])
def test_spare_bytes(tmp_path, monkeypatch, cached):
    if not cached:
        monkeypatch.setattr(binfile._RawFile, "_is_cached", lambda _: False)
    write_words(tmp_path / "1602050400.bin", [1, 2, 3], tail=b"abcde")
    write_words(tmp_path / "1602050401.bin", [4], tail=b"")
    folder = scan_folder(tmp_path)
    found, _, spare = collect(stream_slabs(folder, folder.seconds, 512))
    assert spare == {1602050400: 5, 1602050401: 0}
    assert found[1602050401] == [4]
    assert found[1602050400] == [1, 2, 3]


def test_slabs_stay_valid_as_long_as_promised(tmp_path):
    words = make_files(tmp_path, [4000])
    folder = scan_folder(tmp_path)
    held, seen = [], []
    for slab in stream_slabs(folder, folder.seconds, 100):
        held.append(slab)
        if len(held) > binfile.SLABS_HELD:
            oldest = held.pop(0)
            segment = oldest.segments[0]
            seen += oldest.words[segment.first : segment.stop].byteswap().tolist()
    assert seen == words[1602050400][: len(seen)]
    assert len(seen) > 3000


def test_file_systems_that_do_not_read_past_the_cache(tmp_path, monkeypatch):
    words = make_files(tmp_path, [3000])
    monkeypatch.setattr(binfile._RawFile, "_is_cached", lambda _: False)
    real = os.preadv

    def refuse(fd, buffers, offset, flags=0):
        if os.get_blocking(fd) and fd in direct and offset == 0:
            raise OSError(22, "Invalid argument")
        return real(fd, buffers, offset, flags)

    direct = set()
    real_open = os.open

    def remember(path, flags, *args, **options):
        fd = real_open(path, flags, *args, **options)
        (direct.add if flags & getattr(os, "O_DIRECT", 0) else direct.discard)(fd)
        return fd

    monkeypatch.setattr(binfile.os, "open", remember)
    monkeypatch.setattr(binfile.os, "preadv", refuse)
    folder = scan_folder(tmp_path)
    found, _, _ = collect(stream_slabs(folder, folder.seconds, 1024))
    assert found == words


def test_other_files_in_the_folder_are_ignored(tmp_path):
    for name in ("QUIT", "log.txt", "1602050400.img", "x1602050400.bin", "1602050400.bin.part"):
        (tmp_path / name).touch()
    for second in (1602050403, 1602050399, 1602050401):
        (tmp_path / f"{second}.bin").touch()
    folder = scan_folder(tmp_path)
    assert folder.seconds == (1602050399, 1602050401, 1602050403)
    assert folder.covering(1602050401, 1) == (1602050401, 1602050403)
    assert folder.covering(1602050400, 2) == (1602050399, 1602050401, 1602050403)
    with pytest.raises(InputFormatError, match=r"no \.bin file between 1602050404 and 1602050405"):
        folder.covering(1602050404, 2)


def test_a_file_that_vanishes(tmp_path):
    make_files(tmp_path, [10])
    folder = BinFolder(tmp_path, (1602050400, 1602050499))
    with pytest.raises(InputFormatError, match=r"1602050499\.bin cannot be read"):
        list(stream_slabs(folder, folder.seconds, 100))


def test_a_file_of_which_only_the_beginning_is_cached_is_read_past_the_cache(tmp_path, monkeypatch):
    path = tmp_path / "1602050400.bin"
    path.write_bytes(bytes(1 << 20))
    read = os.preadv

    def beginning_only(descriptor, buffers, at, flags=0):
        if flags and at >= 4096:
            raise BlockingIOError
        return read(descriptor, buffers, at, flags)

    monkeypatch.setattr(os, "preadv", beginning_only)
    file = binfile._RawFile(path)
    cached = file._is_cached()
    file.close()
    assert not cached
