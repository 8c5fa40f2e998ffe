"""Wavelength calibration of 10 000 pixels x 5 lasers x 4000 photons: seconds a stage, pixels/s, memory.

Run as ``python tests/benchmarks/bench_wavecal.py [FOLDER] [--dark]``; the photon files are simulated into FOLDER once.
Goals: 20 s for all stages, 2 GB. With ``--dark`` a dark as long as the exposures belongs to all lasers.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from yardsticks import evict, machine, plain_read, rest, run_child, show, warm

from pipeline_core.simulate import SimulationSettings
from pipeline_core.simulate.settings import LASERS_NM, LightSettings

RATE_CPS, SECONDS = 400.0, 10
_START = 1602050400

_RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from bench_wavecal import run_once
run_once(sys.argv[2], *sys.argv[3:])
"""


def laser_files(folder: Path) -> list[Path]:
    """Return the photon files of the lasers; simulate those that are absent."""
    paths = []
    for k, nm in enumerate(LASERS_NM):
        path = folder / f"laser_{nm:g}.h5"
        paths.append(path)
        if path.exists():
            continue
        settings = SimulationSettings(
            kind="laser",
            seconds=SECONDS,
            rate_cps=RATE_CPS,
            seed=1,
            start=_START + 100 * k,
            wavelength_nm=nm,
        )
        _photons(settings, path)
    return paths


def dark_file(folder: Path) -> Path:
    """Return the photon file of the dark that belongs to the lasers; simulate it if it is absent."""
    path = folder / "dark.h5"
    if not path.exists():
        closed = LightSettings(background_cps=0.0)  # the lasers see no sky either
        start = _START + 100 * len(LASERS_NM)
        _photons(
            SimulationSettings(kind="dark", seconds=SECONDS, seed=1, start=start, light=closed),
            path,
        )
    return path


def _photons(settings: SimulationSettings, path: Path) -> None:
    """Simulate and convert."""
    from pipeline_core.convert import ConvertSettings, convert
    from pipeline_core.simulate import simulate

    print(f"simulating {path.name} ...", flush=True)
    raw = path.with_suffix(".raw")
    made = simulate(settings, raw)
    convert(ConvertSettings(raw, settings.start, SECONDS, made.beammap_path, path))
    for piece in made.bin_paths:
        piece.unlink()


class Stages:
    """A progress that notes when each stage was last heard of."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._before = time.perf_counter()

    def __call__(self, done: int, total: int, stage: str = "") -> None:
        now = time.perf_counter()
        self.seconds[stage.split(" at ")[0]] += now - self._before
        self._before = now


def run_once(out: str, *paths: str) -> None:
    """Calibrate in this process and print what it took; stages by what the progress was told. A sixth file: a dark."""
    from pipeline_core.wavecal.compute import run
    from pipeline_core.wavecal.settings import Laser, WavecalSettings
    from pipeline_core.wavecal.solution import load_solution

    dark = Path(paths[len(LASERS_NM)]) if len(paths) > len(LASERS_NM) else None
    lasers = [Laser(nm, Path(p), dark) for nm, p in zip(LASERS_NM, paths, strict=False)]
    stages = Stages()
    begun = time.perf_counter()
    solution = run(WavecalSettings(tuple(lasers)), stages)
    ran = time.perf_counter()
    solution.save(Path(out), overwrite=True)
    saved = time.perf_counter()
    load_solution(Path(out))
    loaded = time.perf_counter()
    for name, seconds in stages.seconds.items():
        print(f"stage {name or 'other'}\t{seconds}")
    print(f"all stages\t{ran - begun}")
    print(f"save\t{saved - ran}")
    print(f"load\t{loaded - saved}")
    print(f"memory\t{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}")
    print(f"pixels\t{solution.res_id.size}")


def measure(paths: list[Path], out: Path) -> dict[str, float]:
    """Run in a process of its own."""
    here = str(Path(__file__).parent)
    wall, cpu, text = run_child(_RUN, here, str(out), *map(str, paths))
    rows = (line.rsplit("\t", 1) for line in text.splitlines() if "\t" in line)
    return {**{name: float(value) for name, value in rows}, "wall": wall, "cpu": cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(tempfile.gettempdir()) / "quicklook-bench-wavecal"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--dark", action="store_true")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    paths = laser_files(args.folder)
    if args.dark:
        paths.append(dark_file(args.folder))
    print(machine())
    size = sum(path.stat().st_size for path in paths)
    print(f"{len(paths)} files, {size / 1e6:.0f} MB")
    out = args.folder / "solution.h5"
    measure(paths, out)  # compiles the kernels
    for state, prepare in (("warm", warm), ("cold", evict)):
        runs, reads = [], []
        for _ in range(args.repeat):
            rest()
            prepare(paths)
            reads.append(plain_read(paths))
            prepare(paths)
            runs.append(measure(paths, out))
        print(f"-- {state}")
        for name in runs[0]:
            if name.startswith(("stage ", "save", "load")):
                show(name, [r.get(name, 0.0) for r in runs], "s")
        show("all stages (goal 20)", [r["all stages"] for r in runs], "s")
        show("whole process, start-up and saving included", [r["wall"] for r in runs], "s")
        show("processor time", [r["cpu"] for r in runs], "s")
        show("pixels a second", [r["pixels"] / r["all stages"] for r in runs], "1/s")
        show("yardstick: plain read of the same bytes", reads, "s")
        show("ratio", [r["all stages"] / t for r, t in zip(runs, reads, strict=True)], "")
        show("memory (goal 2)", [r["memory"] for r in runs], "GB")


if __name__ == "__main__":
    main()
