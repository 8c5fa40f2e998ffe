"""Reads from a photon file of 10^8 photons: single pixels, and exact count images of time windows.

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(tempfile.gettempdir()) / "quicklook-bench"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rate", type=float, default=1200.0)
    args = parser.parse_args()
    folder, beammap, start = simulated(args.folder, args.seconds, args.rate)
    path = folder / "read.h5"
    if not path.exists():
        convert(ConvertSettings(folder, start, args.seconds, beammap, path))
    print(machine())
    rng = np.random.default_rng(2)
    size = path.stat().st_size
    with ObsFile(path) as obs:
        print(f"{obs.n_photons / 1e6:.0f} million photons, {size / 1e6:.0f} MB")
        counts = obs.count_image()
        pixels = [tuple(int(v) for v in p) for p in np.argwhere(counts > counts.mean() / 2)]
        chosen = [pixels[k] for k in rng.integers(0, len(pixels), 300)]
        print(f"photons a pixel: {statistics.median(int(counts[p]) for p in chosen):.0f}")
        obs.photons(pixels[0])  # loads the kernels
        warm([path])
        blocks = [block_read(path, int(rng.integers(0, size - 262_144))) for _ in chosen]
        times = [timed(obs.photons, pixel) for pixel in chosen]
        show("one pixel, warm (goal 1)", times, "ms", 1e3)
        show("yardstick: 256 KiB read, warm", blocks, "ms", 1e3)
        print(
            f"{'ratio of medians':<52} {statistics.median(times) / statistics.median(blocks):10.3f}"
        )
        times, blocks = [], []
        for pixel in chosen[:100]:
            evict([path])
            times.append(timed(obs.photons, pixel))
            evict([path])
            blocks.append(block_read(path, int(rng.integers(0, size - 262_144))))
        show("one pixel, cold (goal 3)", times, "ms", 1e3)
        show("yardstick: 256 KiB read, cold", blocks, "ms", 1e3)
        print(
            f"{'ratio of medians':<52} {statistics.median(times) / statistics.median(blocks):10.3f}"
        )
        obs.count_image(0.1, 0.2)
    for state, prepare in (("warm", warm), ("cold", evict)):
        times, reads = [], []
        for _ in range(9):
            a, b = sorted(rng.uniform(0, args.seconds, 2))
            prepare([path])
            reads.append(plain_read([path]))
            prepare([path])
            with ObsFile(path) as obs:  # opened anew: nothing is remembered
                times.append(timed(obs.count_image, a, b))
        show(f"exact count image of a time window, {state} (goal 400)", times, "ms", 1e3)
        show(f"yardstick: plain read of the whole file, {state}", reads, "ms", 1e3)
        print(
            f"{'ratio of medians':<52} {statistics.median(times) / statistics.median(reads):10.3f}"
        )


if __name__ == "__main__":
    main()
