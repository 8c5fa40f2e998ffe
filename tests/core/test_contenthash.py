"""The hash of files, against what xxHash says and against the algorithm written down byte by byte."""

import numpy as np
import pytest

from pipeline_core import contenthash
from pipeline_core.contenthash import xxh64

MASK = (1 << 64) - 1
P1, P2, P3 = 11400714785074694791, 14029467366897019727, 1609587929392839161
P4, P5 = 9650029242287828579, 2870177450012600261


def dumb(data):
    def turned(x, r):
        return (x << r | x >> 64 - r) & MASK

    def number(part):
        return sum(byte << 8 * k for k, byte in enumerate(part))

    def mixed(acc, word):
        return turned((acc + word * P2) & MASK, 31) * P1 & MASK

    at = 0
    if len(data) < 32:
        found = P5
    else:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= len(data):
            for k in range(4):
                lanes[k] = mixed(lanes[k], number(data[at + 8 * k : at + 8 * k + 8]))
            at += 32
        found = sum(turned(lanes[k], (1, 7, 12, 18)[k]) for k in range(4)) & MASK
        for lane in lanes:
            found = ((found ^ mixed(0, lane)) * P1 + P4) & MASK
    found = (found + len(data)) & MASK
    while at + 8 <= len(data):
        found = (turned(found ^ mixed(0, number(data[at : at + 8])), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(data):
        found ^= number(data[at : at + 4]) * P1 & MASK
        found = (turned(found, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        found = turned(found ^ (byte * P5 & MASK), 11) * P1 & MASK
    found = (found ^ found >> 33) * P2 & MASK
    found = (found ^ found >> 29) * P3 & MASK
    return found ^ found >> 32


@pytest.mark.parametrize(
    ("data", "found"),
    [(b"", "ef46db3751d8e999"), (b"a", "d24ec4f1a98c6e5b"), (b"abc", "44bc2cf5ad770999")],
)
def test_published_values(tmp_path, data, found):
    (tmp_path / "file").write_bytes(data)
    assert xxh64(tmp_path / "file") == found


@pytest.mark.parametrize("block", [contenthash._BLOCK, 64, 96])
def test_it_is_what_the_algorithm_says(tmp_path, monkeypatch, block):
    """Of all lengths around those at which something begins, whatever is read at a time."""
    monkeypatch.setattr(contenthash, "_BLOCK", block)
    data = np.random.default_rng(3).integers(0, 256, 1000, np.uint8).tobytes()
    for size in (*range(110), 127, 128, 129, 255, 256, 999, 1000):
        (tmp_path / "file").write_bytes(data[:size])
        assert xxh64(tmp_path / "file") == f"{dumb(data[:size]):016x}"


def test_it_stops_when_it_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"some")
    assert xxh64(tmp_path / "file", lambda: True) == xxh64_of_nothing(tmp_path)


def xxh64_of_nothing(folder):
    (folder / "nothing").touch()
    return xxh64(folder / "nothing")
