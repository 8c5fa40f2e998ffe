"""Small files of every kind for the monkey, and what an independent count of their photons says."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from bad_files import write_bad_files
from observations import START, make_observation

from pipeline_core.beammap import Beammap
from quicklook.background_tasks import ConvertForm

__all__ = ["MonkeyFiles", "Truth", "make_files"]

DEG_PER_COUNT = 180 / np.pi / 2**15
"""Of the instrument; written out here since the count is to be independent."""


@dataclass(frozen=True)
class Truth:
    """Every photon of an observation: pixel (x, y), time [us], phase [deg]."""

    shape: tuple[int, int]
    x: np.ndarray
    y: np.ndarray
    time_us: np.ndarray
    phase_deg: np.ndarray

    def before(self, stop_us: int) -> Truth:
        return self._only(self.time_us < stop_us)

    def without(self, masked_us: list[tuple[int, int]]) -> Truth:
        """Leave out the photons of half-open intervals."""
        keep = np.ones(self.time_us.size, bool)
        for start, stop in masked_us:
            keep &= (self.time_us < start) | (self.time_us >= stop)
        return self._only(keep)

    def _only(self, keep: np.ndarray) -> Truth:
        return Truth(
            self.shape, self.x[keep], self.y[keep], self.time_us[keep], self.phase_deg[keep]
        )

    def image(self, start_s, stop_s, low=None, high=None) -> np.ndarray:
        """Counts [x, y] with start <= time < stop and low <= phase < high."""
        seconds = self.time_us / 1e6
        keep = (seconds >= start_s) & (seconds < stop_s)
        if low is not None:
            keep &= self.phase_deg >= low
        if high is not None:
            keep &= self.phase_deg < high
        image = np.zeros(self.shape, np.int64)
        np.add.at(image, (self.x[keep], self.y[keep]), 1)
        return image


@dataclass
class MonkeyFiles:
    """`truths` by path, for what opens well; `broken`: opens well but cannot be read to its end."""

    folder: Path
    truths: dict[Path, Truth] = field(default_factory=dict)
    good: list[list[Path]] = field(default_factory=list)
    frames: list[Path] = field(default_factory=list)
    bad: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)
    forms: list[ConvertForm] = field(default_factory=list)

    def out(self, name: str) -> Path:
        """Return where exports and conversions may write."""
        return self.folder / "out" / name


def _truth(shape, photons) -> Truth:
    columns = [
        (np.full(times.size, x), np.full(times.size, y), times, phases)
        for (x, y), (times, phases) in photons.items()
    ]
    x, y, times, phases = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return Truth(shape, x, y, times, phases * DEG_PER_COUNT)


def make_files(folder: Path) -> MonkeyFiles:
    """Write everything below `folder`."""
    files = MonkeyFiles(folder)
    (folder / "out").mkdir()
    for name, shape, quiet in (
        ("wide", (10, 7), range(1200, 1500)),
        ("tall", (12, 20), range(0)),
        ("dark", (5, 3), range(0)),
    ):
        place = folder / name
        place.mkdir()
        rates = 3 * np.add.outer(np.arange(shape[0]), 2 * np.arange(shape[1])) % 41
        path, photons = make_observation(
            place, rates * (name != "dark"), seed=len(name), silent_ticks=quiet
        )
        truth = _truth(shape, photons)
        files.truths[path] = truth
        files.good.append([path])
        if name != "dark":
            _add_raw(files, place, truth)
    _add_frame(files)
    _add_bad(files)
    return files


def _add_raw(files: MonkeyFiles, place: Path, truth: Truth) -> None:
    """Let the .bin files be opened and converted."""
    beammap = place / "beammap.bmap"
    Beammap.design(truth.shape, feedlines=1).write(beammap)
    seconds = [place / f"{START}.bin", place / f"{START + 1}.bin"]
    files.good.append(seconds)
    alone = files.folder / f"{place.name}-alone"
    alone.mkdir()
    shutil.copy(beammap, alone)
    shutil.copy(seconds[0], alone)
    files.good.append([alone / f"{START}.bin"])
    files.truths[seconds[0]] = truth
    files.truths[alone / f"{START}.bin"] = truth.before(1_000_000)
    files.forms.append(
        ConvertForm(
            bin_dir=str(place),
            start=START,
            duration=2,
            beammap=str(beammap),
            out=str(files.out(f"{place.name}.h5")),
            overwrite=True,
        )
    )


def _add_frame(files: MonkeyFiles) -> None:
    path = files.folder / "frame" / f"{START}.img"
    path.parent.mkdir()
    with path.open("wb") as stream:
        for x in range(80):
            for y in range(125):
                stream.write(struct.pack("<H", (7 * x + y) % 300))
    files.frames.append(path)
    files.good.append([path])


def _add_bad(files: MonkeyFiles) -> None:
    place = files.folder / "bad"
    place.mkdir()
    for bad in write_bad_files(place):
        (files.broken if bad.reads else files.bad).append(bad.path)
