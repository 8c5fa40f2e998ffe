"""Peak memory of stacks, each in a process of its own: many frames of many bands, and what a fine grid takes.

    python tests/benchmarks/bench_stack_memory.py FOLDER [--frames 20 100 400] [--bands 20] [--shape 140x146]

FOLDER gets a cube and the stacks (some hundred MB), and the frames that wait on disk meanwhile. A stack whose memory
grows with the number of frames shows it in the last column.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from pathlib import Path

import numpy as np

from pipeline_core.beammap import parse_shape
from pipeline_core.errors import PipelineError
from pipeline_core.stacking.offsets import Offsets
from pipeline_core.stacking.settings import StackSettings
from pipeline_core.stacking.stack import write_stack


def cube(folder, shape, n_band):
    """Write a cube as this software does, of random counts."""
    rng = np.random.default_rng(1)
    path = folder / "frame.npz"
    counts = rng.poisson(30.0, (*shape, n_band))
    np.savez(
        path,
        cube=counts,
        variance=counts.astype(float),
        live_s=np.full(shape, 10.0),
        flags=np.zeros(shape, np.uint32),
        wavelength_edges_nm=np.linspace(700, 1500, n_band + 1),
        about=json.dumps({"INSTRUME": "none", "EXPTIME": 10.0}),
        unit="count",
    )
    return path


def _stack(out, frame, n, changes, queue):
    rng = np.random.default_rng(2)
    offsets = Offsets(tuple(map(tuple, rng.uniform(-8, 8, (n, 2)))))
    begun = time.perf_counter()
    try:
        settings = StackSettings(register="dither", offsets=offsets, **changes)
        summary = write_stack(out, [frame] * n, settings, overwrite=True)
        text = f"{summary.shape[0]} x {summary.shape[1]} x {summary.n_band}"
    except PipelineError as error:
        text = f"refused: {error}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    queue.put((time.perf_counter() - begun, peak, text))


def measured(*given):
    """Seconds, peak bytes, and a sentence, of one stack in a process of its own."""
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=_stack, args=(*given, queue))
    process.start()
    process.join()
    return queue.get() if not queue.empty() else (0.0, 0, "failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, nargs="+", default=[20, 100, 400])
    parser.add_argument("--bands", type=int, default=20)
    parser.add_argument("--shape", default="140x146")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    frame = cube(args.folder, parse_shape(args.shape), args.bands)
    print(f"{args.shape}, {args.bands} bands")
    ways = [{}, {"method": "median"}, {"weights": "variance"}, {"upsample": 6}]
    ways += [{"method": "median", "upsample": 6}, {"method": "drizzle", "upsample": 2}]
    for changes in ways:
        for n in args.frames:
            seconds, peak, text = measured(args.folder / "stack.fits", frame, n, changes)
            print(f"{changes!s:>42} {n:>5} frames {seconds:8.1f} s {peak / 1e9:6.2f} GB  {text}")


if __name__ == "__main__":
    main()
