"""Masks on a photon file of many photons: finding bad pixels and bursts, and what masked times cost the reads.

Run as ``python tests/benchmarks/bench_masks.py [FOLDER] [--seconds S]``; the data are simulated and converted into
FOLDER once. Every time stands beside a plain read of the same file in the same run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from yardsticks import machine, plain_read, show, simulated, warm

from pipeline_core import ObsFile
from pipeline_core.badpixels.compute import find_bad_pixels, read_counts, solve
from pipeline_core.badpixels.settings import BadPixelSettings
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.photon_reader import load_kernels
from pipeline_core.timemask.compute import find_bursts

N_MASKED = 300


def timed(function, *arguments, **options):
    begun = time.perf_counter()
    result = function(*arguments, **options)
    return time.perf_counter() - begun, result


def prepared(folder: Path, seconds: int) -> Path:
    raw, beammap, start = simulated(folder, seconds, 150.0)
    out = folder / "obs.h5"
    if not out.exists():
        convert(ConvertSettings(raw, start, seconds, beammap, out))
    return out


def finding(path: Path, repeat: int) -> None:
    reads, bursts, counts, judged, spent_by_all = [], [], [], [], []
    for _ in range(repeat):
        reads.append(plain_read([path]))
        with ObsFile(path) as obs:
            bursts.append(timed(find_bursts, obs)[0])
        with ObsFile(path) as obs:
            spent, found = timed(read_counts, obs, BadPixelSettings())
            counts.append(spent)
            judged.append(timed(solve, found, BadPixelSettings(), obs.beammap)[0])
        begun = time.process_time()
        find_bad_pixels(path).save(path.with_name("bad-pixels.h5"), overwrite=True)
        spent_by_all.append(time.process_time() - begun)
    show("yardstick: plain read, warm", reads, "s")
    show("bursts found, from the file", bursts, "s")
    show("bad pixels: counting", counts, "s")
    show("bad pixels: judging image, slices and light curves", judged, "s")
    show("bad pixels, opened to saved: processor time", spent_by_all, "s")
    print(f"{'bursts / plain read':<52} {np.median(bursts) / np.median(reads):10.2f}")


def reading(path: Path, repeat: int) -> None:
    """Images of a window that is on no grid, with and without masked times."""
    sidecar = path.with_suffix(".cal.h5")
    sidecar.unlink(missing_ok=True)
    rng = np.random.default_rng(1)
    with ObsFile(path, mode="write") as obs:
        stop = obs.exposure_s
        from pipeline_core.timemask.solution import MaskedTimes

        begin = np.sort(rng.integers(0, int(stop * 1e6) - 200, N_MASKED))
        intervals = np.column_stack((begin, begin + 150))
        obs.apply_timemask(
            MaskedTimes(intervals, np.zeros(N_MASKED), ("test",) * N_MASKED, file_id=obs.file_id)
        )
    for surveyed in (False, True):
        times: dict[bool, list[float]] = {False: [], True: []}
        for masks in (False, True):
            with ObsFile(path, time_masks=masks) as obs:
                if surveyed:
                    obs.survey()
                for k in range(repeat):
                    times[masks].append(timed(obs.count_image, 0.1234 + 0.01 * k, stop - 0.2)[0])
        where = "times in memory" if surveyed else "from the file"
        show(f"image, {where}", times[False], "ms", 1e3)
        show(f"image, {where}, {N_MASKED} masked times", times[True], "ms", 1e3)
        print(f"{'ratio':<52} {np.median(times[True]) / np.median(times[False]):10.2f}")
    pixels: dict[bool, list[float]] = {False: [], True: []}
    for masks in (False, True):
        with ObsFile(path, time_masks=masks) as obs:
            lit = np.argwhere(obs.recorded_counts > 1000)
            for pixel in lit[rng.integers(0, len(lit), 100)].tolist():
                obs._pixels.clear()
                pixels[masks].append(timed(obs.photons, tuple(pixel))[0])
    show("photons of a pixel", pixels[False], "ms", 1e3)
    show(f"photons of a pixel, {N_MASKED} masked times", pixels[True], "ms", 1e3)
    sidecar.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where the data are, or will be")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="bench-masks-"))
    path = prepared(folder, args.seconds)
    load_kernels()
    print(machine())
    with ObsFile(path) as obs:
        print(
            f"{obs.n_photons:,} photons in {obs.exposure_s:g} s, {path.stat().st_size / 1e6:.0f} MB"
        )
        find_bursts(obs)  # compiles
        counts = read_counts(obs, BadPixelSettings())
        solve(counts, BadPixelSettings(slice_s=None), obs.beammap)
        obs.count_image(0.1, 0.2)
    warm([path])
    finding(path, args.repeat)
    reading(path, args.repeat)


if __name__ == "__main__":
    main()
