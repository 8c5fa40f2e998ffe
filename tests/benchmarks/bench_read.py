"""Reads from a photon file of 10^8 photons: single pixels, regions, the survey, and images of time windows.

Run as ``python tests/benchmarks/bench_read.py [FOLDER]``; the data are simulated and converted into FOLDER once.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from yardsticks import evict, machine, plain_read, show, simulated, warm

from pipeline_core import ObsFile
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.photon_reader import load_kernels


def timed(function, *arguments):
    begun = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begun


def block_read(path: Path, offset: int, size: int = 262_144) -> float:
    """Seconds to open a file and read 256 KiB somewhere in it."""
    begun = time.perf_counter()
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
    os.pread(descriptor, size, offset)
    os.close(descriptor)
    return time.perf_counter() - begun


def ratio(times: list[float], yardsticks: list[float]) -> None:
    print(
        f"{'ratio of medians':<52} {statistics.median(times) / statistics.median(yardsticks):10.3f}"
    )


def single_pixels(obs: ObsFile, path: Path, rng: np.random.Generator) -> None:
    size = path.stat().st_size
    counts = obs.count_image()
    pixels = [tuple(int(v) for v in p) for p in np.argwhere(counts > counts.mean() / 2)]
    chosen = [pixels[k] for k in rng.integers(0, len(pixels), 300)]
    print(f"photons a pixel: {statistics.median(int(counts[p]) for p in chosen):.0f}")
    for state, prepare, goal in (("warm", warm, 1), ("cold", evict, 3)):
        times, blocks = [], []
        prepare([path])
        for pixel in chosen if state == "warm" else chosen[:100]:
            if state == "cold":
                evict([path])
            obs._pixels.clear()  # each is read from the file
            times.append(timed(obs.photons, pixel))
            if state == "cold":
                evict([path])
            blocks.append(block_read(path, int(rng.integers(0, size - 262_144))))
        show(f"one pixel, {state} (goal {goal})", times, "ms", 1e3)
        show(f"yardstick: 256 KiB read, {state}", blocks, "ms", 1e3)
        ratio(times, blocks)


def three_plots(obs: ObsFile, region: list[tuple[int, int]]) -> None:
    """What the window shows of a region, with bins of 10 ms."""
    obs.light_curve(region, 0.01)
    obs.intensity_histogram(region, 0.01)
    obs.spectrum(region)


def plain_numpy(times: np.ndarray, phases: np.ndarray) -> None:
    """The same counts with NumPy from photons in memory, without dead time."""
    for _ in range(2):
        np.bincount(np.bincount(times // 10_000))
    degrees = np.floor(phases).astype(np.int64)
    np.bincount(degrees - degrees.min())


def regions(obs: ObsFile, path: Path) -> None:
    """A region of 10 x 10 pixels that is dragged along x: 10 new pixels a step."""
    warm([path])
    first, steps, yardsticks = [], [], []
    for row in range(10, 60, 10):
        box = [(x, row + y) for x in range(10) for y in range(10)]
        obs._pixels.clear()
        first.append(timed(three_plots, obs, box))
        rows = obs.photons(box)
        times, phases = rows["time"].copy(), rows["phase"].copy()
        for dx in range(1, 20):
            steps.append(timed(three_plots, obs, [(x + dx, y) for x, y in box]))
        yardsticks += [timed(plain_numpy, times, phases) for _ in range(3)]
    show("three plots of 100 pixels, first time, warm", first, "ms", 1e3)
    show("three plots of 100 pixels, drag step (goal 60)", steps, "ms", 1e3)
    show("yardstick: NumPy on their photons in memory", yardsticks, "ms", 1e3)
    ratio(steps, yardsticks)


def surveys(path: Path, rng: np.random.Generator) -> None:
    """A survey, and then images of whole seconds."""
    times, reads = [], []
    for _ in range(5):
        warm([path])
        reads.append(plain_read([path]))
        with ObsFile(path) as obs:
            times.append(timed(obs.survey))
    show("survey of the whole file, warm", times, "ms", 1e3)
    show("yardstick: plain read of the whole file, warm", reads, "ms", 1e3)
    ratio(times, reads)
    with ObsFile(path) as obs:
        grid = np.round(obs.survey().edges_s, 6)
        windows = [np.sort(rng.choice(grid[1:], 2, replace=False)) for _ in range(100)]
        times = [timed(obs.count_image, *window) for window in windows]
        image = obs.count_image()
        copies = [timed(np.subtract, image, image) for _ in windows]
    show("image on the survey's grid (goal 2)", times, "ms", 1e3)
    show("yardstick: difference of two images in memory", copies, "ms", 1e3)
    ratio(times, copies)


def exact_images(path: Path, seconds: int, rng: np.random.Generator) -> None:
    for state, prepare in (("warm", warm), ("cold", evict)):
        times, reads = [], []
        for _ in range(9):
            a, b = sorted(rng.uniform(0, seconds, 2))
            prepare([path])
            reads.append(plain_read([path]))
            prepare([path])
            with ObsFile(path) as obs:  # opened anew: nothing is remembered
                times.append(timed(obs.count_image, a, b))
        show(f"exact count image of a time window, {state} (goal 400)", times, "ms", 1e3)
        show(f"yardstick: plain read of the whole file, {state}", reads, "ms", 1e3)
        ratio(times, reads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(tempfile.gettempdir()) / "quicklook-bench"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rate", type=float, default=1200.0)
    args = parser.parse_args()
    folder, beammap, start = simulated(args.folder, args.seconds, args.rate)
    path = folder / "obs.h5"
    if not path.exists():
        convert(ConvertSettings(folder, start, args.seconds, beammap, path))
    print(machine())
    rng = np.random.default_rng(2)
    load_kernels()
    with ObsFile(path) as obs:
        print(f"{obs.n_photons / 1e6:.0f} million photons, {path.stat().st_size / 1e6:.0f} MB")
        single_pixels(obs, path, rng)
        regions(obs, path)
    surveys(path, rng)
    exact_images(path, args.seconds, rng)


if __name__ == "__main__":
    main()
