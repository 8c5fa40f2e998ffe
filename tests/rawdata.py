"""Dumb tools for tests: raw files word by word, and readers that share no code with the fast ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FAKE = 2**63 - 1


def header(board: int, frame: int, ticks: int) -> int:
    return (0xFF << 56) | (board << 48) | ((frame % 4096) << 36) | (ticks % 2**36)


def photon(x: int, y: int, time_us: int, phase: int = -1000, baseline: int = 0) -> int:
    return (x << 54) | (y << 44) | (time_us << 35) | ((phase % 2**18) << 17) | (baseline % 2**17)


def write_words(path: Path, words: list[int], tail: bytes = b"") -> Path:
    path.write_bytes(np.array(words, ">u8").tobytes() + tail)
    return path


@dataclass
class DumbPhotons:
    """What a bit-by-bit reader finds in a list of raw files."""

    kept: dict[tuple[int, int], list[tuple[int, int, int]]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1


def dumb_read(paths: list[Path], start: int, duration: int, shape, year_start: int) -> DumbPhotons:
    """Read words one by one with Python integers; headers count from `year_start`, without wraps."""
    found = DumbPhotons()
    base = None
    previous = None
    for path in paths:
        second = int(path.stem)
        if previous is not None and second != previous + 1:
            base = None
        previous = second
        data = path.read_bytes()
        for at in range(0, len(data) - 7, 8):
            word = int.from_bytes(data[at : at + 8], "big")
            if word >> 56 == 0xFF:
                base = (word & (2**36 - 1)) * 500 + (year_start - start) * 1_000_000
                continue
            if word == FAKE:
                found.drop("end_of_frame")
                continue
            x, y = word >> 54, (word >> 44) & 0x3FF
            time = (word >> 35) & 0x1FF
            phase = (word >> 17) & 0x3FFFF
            phase -= 2**18 if phase >= 2**17 else 0
            baseline = word & 0x1FFFF
            baseline -= 2**17 if baseline >= 2**16 else 0
            if x >= shape[0] or y >= shape[1]:
                found.drop("outside_array")
            elif base is None:
                found.drop("without_header")
            elif not 0 <= base + time < duration * 1_000_000:
                found.drop("outside_window")
            else:
                found.kept.setdefault((x, y), []).append((base + time, phase, baseline))
    return found


def phase_degrees(counts: int) -> np.float32:
    return np.float32(counts * math.degrees(1) / 2**15)


def read_rows_plainly(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the photon table and its index with plain PyTables."""
    import tables

    with tables.open_file(str(path)) as h5:
        return (
            h5.root.Photons.PhotonTable.read(),
            h5.root.Photons.PixelIndex.start.read(),
            h5.root.Photons.PixelIndex.stop.read(),
        )
