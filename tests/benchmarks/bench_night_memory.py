"""Peak memory of each step of a night, each in a process of its own, at two lengths of the same observations.

    python tests/benchmarks/bench_night_memory.py FOLDER [--seconds 5 20] [--rate 300] [--shape 80x125]

FOLDER gets the nights (some GB), and keeps them: remove it afterwards. A step whose memory grows with the length of the
file shows it in the last column.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from pathlib import Path

import yaml

from pipeline_core.beammap import parse_shape
from pipeline_core.night.reduce import plan_night
from pipeline_core.night.settings import load_night
from pipeline_core.night.steps import do
from pipeline_core.simulate import SimulationSettings, simulate


def _step(kind, arguments, outputs, queue):
    begun = time.perf_counter()
    text = do(kind, arguments, outputs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    queue.put((time.perf_counter() - begun, peak, text))


def measured(task):
    """Seconds, peak bytes, and a sentence, of one task in a process of its own."""
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(
        target=_step, args=(task.kind, dict(task.arguments), task.outputs, queue)
    )
    process.start()
    process.join()
    return queue.get() if not queue.empty() else (0.0, 0, "failed")


def night(folder, seconds, rate, shape):
    """Simulate a night in which everything lasts so long, and return its plan."""
    raw = simulate(
        SimulationSettings(
            kind="night", seconds=seconds, rate_cps=rate, seed=2, shape=parse_shape(shape)
        ),
        folder / "raw",
    )
    by = {one.name: [one.start, one.start + one.seconds] for one in raw.observations}
    lasers = [
        [one.start, one.start + one.seconds, one.wavelength_nm]
        for one in raw.observations
        if one.wavelength_nm is not None
    ]
    values = {
        "inputs": {"sky": by["sky"]},
        "paths": {"data": str(raw.folder), "database": "db", "out": "out"},
        "beammap": str(raw.beammap_path),
        "wavecal": lasers,
        "dark": by["dark"],
        "flatcal": by["flat"],
        "cosmics": True,
        "outputs": {"wavecalplots": ["summary", "histogramfits"]},
        "products": {
            "cube": {"energy_bin_ev": 0.1, "time_bin_s": 1, "weighted": True, "rates": True}
        },
    }
    path = folder / "pipeline.yml"
    path.write_text(yaml.safe_dump(values))
    return plan_night(load_night(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=int, nargs=2, default=(5, 20))
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--shape", default="80x125")
    args = parser.parse_args()
    found = {}
    for seconds in args.seconds:
        folder = args.folder / str(seconds)
        folder.mkdir(parents=True, exist_ok=True)
        for task in night(folder, seconds, args.rate, args.shape).tasks:
            took, peak, text = measured(task)
            key = seconds, task.kind
            found[key] = max(found.get(key, 0), peak)
            print(
                f"{seconds:5d} s  {task.name:38s} {took:7.1f} s  {peak / 1e9:6.2f} GB  {text[:70]}"
            )
    short, long = args.seconds
    for (seconds, kind), peak in found.items():
        if seconds == short:
            other = found[long, kind]
            print(f"{kind:12s} {peak / 1e9:6.2f} -> {other / 1e9:6.2f} GB  x {other / peak:.2f}")


if __name__ == "__main__":
    main()
