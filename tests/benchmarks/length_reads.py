"""The reads of `bench_length`: opening, images, previews and pixels of one photon file, cold and warm."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from yardsticks import evict, plain_read, show

from pipeline_core import ObsFile
from pipeline_core.photon_reader import load_kernels
from pipeline_core.previews import preview
from pipeline_core.summaries import PHASE_EDGES_DEG

REPEATS = 20


def timed(function: Callable[..., object], *arguments: object, **options: object) -> float:
    begun = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - begun


def read_figures(path: Path) -> None:
    """Print how long reads of a photon file take."""
    rng = np.random.default_rng(3)
    load_kernels()
    print(
        f"reads of {path.name}, {path.stat().st_size / 1e9:.2f} GB; times in ms, median (min .. max)"
    )
    with ObsFile(path) as obs:
        windows = grid_windows(obs, rng)
        summary = obs._file.summary
        if summary is not None and summary.has_bands:
            preview(summary, (0, 1_000_000), np.zeros((*obs.shape, 2)))  # loads its kernel
    for state in ("warm", "cold"):
        opening, survey, on_grid = [], [], []
        for start, stop, low, high in windows:
            if state == "cold":
                evict([path])
            begun = time.perf_counter()
            with ObsFile(path) as obs:
                _ = obs.flags, obs.count_image()
                opening.append(time.perf_counter() - begun)
                on_grid.append(timed(obs.count_image, start, stop, min_phase=low, max_phase=high))
                if summary is not None:
                    survey.append(timed(obs.survey))
        show(f"open, all counts, {state} (goal 300)", opening, "ms", 1e3)
        if summary is not None:
            show(f"image of phases on edges, {state} (goal 10)", on_grid, "ms", 1e3)
            show(f"survey, {state}", survey, "ms", 1e3)
    with ObsFile(path) as obs:
        for name, image in images(obs, rng).items():
            show(name, image, "ms", 1e3)
        for photons in (1e4, 1e5):
            pixels(obs, path, photons, rng)
    passes(path, rng)


def grid_windows(obs: ObsFile, rng: np.random.Generator) -> list[tuple[float, ...]]:
    """Return windows of time and phase whose ends are edges."""
    summary = obs._file.summary
    edges = np.array([0, obs._file.exposure_us])
    if summary is not None and summary.has_bands:
        edges = summary.grid.band_edges_us
    found = []
    for _ in range(REPEATS):
        a, b = np.sort(rng.choice(edges, 2, replace=False)) / 1e6
        low, high = np.sort(rng.choice(PHASE_EDGES_DEG[1:-1], 2, replace=False))
        found.append((a, b, low, high))
    return found


def images(obs: ObsFile, rng: np.random.Generator) -> dict[str, list[float]]:
    """Time images of an open file that come from its summaries."""
    found: dict[str, list[float]] = {}
    summary = obs._file.summary
    if summary is None:
        return found
    if summary.grid.time_edges_us.size:
        pairs = [np.sort(rng.choice(summary.grid.time_edges_us, 2, False)) / 1e6 for _ in range(50)]
        found["image of a time on edges, file open (goal 10)"] = [
            timed(obs.count_image, *pair) for pair in pairs
        ]
    found["image of phases on edges, file open (goal 10)"] = [
        timed(obs.count_image, a, b, min_phase=low, max_phase=high)
        for a, b, low, high in grid_windows(obs, rng)
    ]
    shape = (*obs.shape, 2)
    previews = []
    for _ in range(REPEATS):
        limits = np.sort(rng.uniform(-150, -20, shape), axis=-1)
        a, b = np.sort(rng.integers(0, obs._file.exposure_us, 2))
        previews.append(timed(preview, summary, (int(a), int(b)), limits))
    found["preview, limits of each pixel (goal 30)"] = previews
    return found


def pixels(obs: ObsFile, path: Path, photons: float, rng: np.random.Generator) -> None:
    """Time all photons of a pixel, and its light curve and spectrum, for pixels of about so many photons."""
    counts = obs.recorded_counts
    near = np.argwhere(np.abs(counts / photons - 1) < 0.3)
    if not near.size:
        print(f"no pixel of about {photons:.0g} photons")
        return
    for state in ("warm", "cold"):
        times: dict[str, list[float]] = {"photons": [], "light curve": [], "spectrum": []}
        for k in rng.integers(0, len(near), REPEATS):
            pixel = tuple(int(v) for v in near[k])
            for name, values in times.items():
                if state == "cold":
                    evict([path])
                else:
                    obs.photons(pixel)
                obs._pixels.clear()
                obs._curves.clear()
                obs._file._reader._held = (-1, -1, 0)
                if name == "photons":
                    values.append(timed(obs.photons, pixel))
                elif name == "light curve":
                    values.append(timed(obs.light_curve, pixel))
                else:
                    values.append(timed(obs.spectrum, pixel))
        for name, values in times.items():
            goal = f" (goal {(1 if state == 'warm' else 3) * photons / 1e4:.0f})"
            show(f"{name} of {photons:.0g} photons, {state}{goal}", values, "ms", 1e3)


def passes(path: Path, rng: np.random.Generator) -> None:
    """Time exact images off the grid: passes over the file."""
    times, phases, reads = [], [], []
    for _ in range(3):
        with ObsFile(path) as obs:
            a, b = np.sort(rng.uniform(0, obs.exposure_s, 2))
            evict([path])
            times.append(timed(obs.count_image, a, b))
            evict([path])
            phases.append(timed(obs.count_image, a, b, min_phase=-100.3, max_phase=-50.1))
        evict([path])
        reads.append(plain_read([path]))
    show("exact image of a time, cold (goal 4000 at 1e9)", times, "ms", 1e3)
    show("exact image of time and phase, cold", phases, "ms", 1e3)
    show("yardstick: plain read of the file, cold", reads, "ms", 1e3)
    print(
        f"{'ratio of medians, time':<52} {statistics.median(times) / statistics.median(reads):10.3f}"
    )
