"""Cubes of 10^8 photons: counting them, and writing them, beside plain reads and writes of as many bytes.

Run as ``python tests/benchmarks/bench_cube.py [FOLDER]``. Goals: 20 bins of wavelength 1 s, 1000 frames 2 s, warm. The
files are those of ``bench_flatcal.py``, which simulates and calibrates them once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from bench_flatcal import make_files
from yardsticks import machine, plain_read, plain_write, run_child, show

_REPEATS = 5

_WRITE = """
import json, sys, time
from pipeline_core import ObsFile
from pipeline_core.cube_products import write_cube
from pipeline_core.cube_settings import CubeSettings
from pathlib import Path
with ObsFile(sys.argv[1]) as obs:
    begun = time.perf_counter()
    write_cube(Path(sys.argv[2]), obs, CubeSettings(**json.loads(sys.argv[3])), overwrite=True)
    elapsed = time.perf_counter() - begun
status = Path("/proc/self/status").read_text()  # ru_maxrss is the parent's where that is larger
print(elapsed, float(status.split("VmHWM:")[1].split()[0]) / 1e3)
"""


def counting(path: Path, name: str, edges_us: np.ndarray, edges_nm: np.ndarray | None) -> None:
    """Count all photons in bins, in memory; kernels are compiled and the file is warm."""
    from pipeline_core import ObsFile

    times, reads = [], []
    for number in range(_REPEATS + 1):
        read = plain_read([path])
        with ObsFile(path) as obs:  # opened anew: nothing is remembered
            thresholds = obs.band_phases(edges_nm)
            begun = time.perf_counter()
            values, _, _ = obs.cube_slab(edges_us, thresholds)
            elapsed = time.perf_counter() - begun
            if edges_nm is None and int(values.sum()) != obs.n_photons:
                raise AssertionError(f"{values.sum()} of {obs.n_photons} photons are in the cube")
        if number:  # the first one loads the kernels
            times.append(elapsed)
            reads.append(read)
    show(f"{name}: counting, warm", times, "s")
    show("yardstick: plain read of the file, warm", reads, "s")
    print(f"{'ratio of medians':<52} {np.median(times) / np.median(reads):10.2f}")


def writing(path: Path, name: str, settings: str, out: Path) -> None:
    """The whole of ``write_cube``, in processes of their own: FITS with variances, exposures and flags, synced."""
    times, peaks, yardsticks = [], [], []
    for number in range(_REPEATS + 1):
        read = plain_read([path])
        seconds, peak = (
            float(v) for v in run_child(_WRITE, str(path), str(out), settings)[2].split()
        )
        size = out.stat().st_size
        out.unlink()
        if number:
            times.append(seconds)
            peaks.append(peak)
            yardsticks.append(read + plain_write(out, size))
    show(f"{name}: written ({size / 1e6:.0f} MB)", times, "s")
    show("yardstick: plain read and synced write, warm", yardsticks, "s")
    print(f"{'ratio of medians':<52} {np.median(times) / np.median(yardsticks):10.2f}")
    show("peak memory", peaks, "MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(tempfile.gettempdir()) / "quicklook-bench-flatcal"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    path = make_files(parser.parse_args().folder)
    print(machine())
    from pipeline_core import ObsFile

    with ObsFile(path) as obs:
        span_us = round(obs.exposure_s * 1e6)
        print(f"{obs.n_photons / 1e6:.0f} million photons, {path.stat().st_size / 1e6:.0f} MB")
    whole = np.array([0, span_us])
    frames = np.linspace(0, span_us, 1001).astype(np.int64)
    bands = np.linspace(800.0, 1350.0, 21)
    counting(path, "20 bins of wavelength (goal 1)", whole, bands)
    counting(path, "1000 frames (goal 2)", frames, None)
    out = path.with_name("cube.fits")
    writing(path, "20 bins", json.dumps({"edges_nm": bands.tolist()}), out)
    writing(path, "1000 frames", json.dumps({"time_bin_s": span_us / 1e9}), out)


if __name__ == "__main__":
    main()
