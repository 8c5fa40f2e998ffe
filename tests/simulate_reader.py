"""A dumb reader of ``.bin`` folders, written from the description of the format and with nothing but NumPy."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

FAKE = np.uint64(0x7FFF_FFFF_FFFF_FFFF)


@dataclass
class Raw:
    """Photons (without markers) and packets of a folder, in the order of the files."""

    x: np.ndarray
    y: np.ndarray
    us: np.ndarray  # of the year
    phase: np.ndarray  # degrees
    baseline: np.ndarray  # counts
    board: np.ndarray
    packet: np.ndarray  # index of the photon's packet
    packet_board: np.ndarray
    packet_frame: np.ndarray
    packet_ticks: np.ndarray
    packet_file: np.ndarray  # unix second of the file's name
    packet_photons: np.ndarray
    packet_fakes: np.ndarray
    ends_with_fake: np.ndarray

    def image(self, shape, start_us=None, stop_us=None):
        """Count photons inside the array, [x, y]; times in us of the year."""
        keep = (self.x < shape[0]) & (self.y < shape[1])
        if start_us is not None:
            keep &= (self.us >= start_us) & (self.us < stop_us)
        image = np.zeros(shape, int)
        np.add.at(image, (self.x[keep], self.y[keep]), 1)
        return image

    def pixel(self, x, y):
        """Return times (us of the year, ascending) and phases of one pixel."""
        mine = np.flatnonzero((self.x == x) & (self.y == y))
        mine = mine[np.argsort(self.us[mine], kind="stable")]
        return self.us[mine], self.phase[mine]


def _signed(value, bits):
    value = value.astype(np.int64)
    return np.where(value >= 1 << (bits - 1), value - (1 << bits), value)


def read_folder(folder):
    """Read all ``<second>.bin`` of a folder."""
    paths = sorted(Path(folder).glob("*.bin"), key=lambda p: int(p.stem))
    parts = [np.fromfile(p, ">u8").astype(np.uint64) for p in paths]
    seconds = np.repeat([int(p.stem) for p in paths], [w.size for w in parts])
    words = np.concatenate(parts)
    is_header = words >> np.uint64(56) == 255
    assert is_header[0]
    headers = words[is_header]
    packet = np.cumsum(is_header) - 1
    fake = (words == FAKE) & ~is_header
    photon = ~is_header & ~fake
    ticks = (headers & np.uint64(2**36 - 1)).astype(np.int64)
    board = ((headers >> np.uint64(48)) & np.uint64(255)).astype(int)
    w, k = words[photon], packet[photon]
    us = ((w >> np.uint64(35)) & np.uint64(511)).astype(np.int64)
    last = np.append(np.flatnonzero(is_header)[1:], words.size) - 1
    return Raw(
        x=(w >> np.uint64(54)).astype(int),
        y=((w >> np.uint64(44)) & np.uint64(1023)).astype(int),
        us=ticks[k] * 500 + us,
        phase=np.degrees(_signed((w >> np.uint64(17)) & np.uint64(2**18 - 1), 18) / 2**15),
        baseline=_signed(w & np.uint64(2**17 - 1), 17),
        board=board[k],
        packet=k,
        packet_board=board,
        packet_frame=((headers >> np.uint64(36)) & np.uint64(4095)).astype(int),
        packet_ticks=ticks,
        packet_file=seconds[is_header],
        packet_photons=np.bincount(k, minlength=headers.size),
        packet_fakes=np.bincount(packet[fake], minlength=headers.size),
        ends_with_fake=fake[last],
    )
