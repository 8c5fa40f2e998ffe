"""A whole night from raw files to cubes: `run PIPELINE.yml`, beside reading and writing the same bytes.

Run as ``python tests/benchmarks/bench_night.py [FOLDER] [--photons 5e8]``. Five lasers, a dark, a flat and 20
exposures of 10 s of 80 x 125 pixels are simulated once (4 GB, some minutes) and reduced to weighted spectral cubes in
an empty database; a second run has nothing to do. FOLDER may be deleted after.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from yardsticks import evict, machine, plain_read, plain_write, rest, run_child

from pipeline_core.simulate import SimulationSettings, simulate
from pipeline_core.simulate.settings import LASERS_NM, LightSettings

START = 1602050400
LASER_S, DARK_S, FLAT_S, EXPOSURE_S, EXPOSURES = 10, 10, 20, 10, 20

CHILD = """
import json, resource, sys, time
from pipeline_core.cli import main
begun = time.perf_counter()
code = main(["run", sys.argv[1], "--quiet", *sys.argv[2:]])
wall = time.perf_counter() - begun
own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print()
print(json.dumps({
    "code": code, "wall": wall, "cpu": own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime,
    "peak_gb": others.ru_maxrss / 1e6}))
"""


def prepare(folder: Path, n_photons: float) -> Path:
    """Simulate the night once, and write its pipeline file."""
    raw = folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    scale = n_photons / 5e8
    second = START
    lasers = []
    observations: list[tuple[str, int, float, float | None]] = [
        *(("laser", LASER_S, 400 * scale, nm) for nm in LASERS_NM),
        ("dark", DARK_S, 100, None),
        ("flat", FLAT_S, 350 * scale, None),
        ("sky", EXPOSURES * EXPOSURE_S, 115 * scale, None),
    ]
    ranges = {}
    for kind, seconds, rate, nm in observations:
        begun, second = second, second + seconds + 1
        if nm is not None:
            lasers.append([begun, begun + seconds, nm])
        ranges[kind] = (begun, begun + seconds)
        if (raw / f"{begun + seconds - 1}.bin").exists():
            continue
        part = folder / "part"
        light: dict[str, object] = {} if nm is None else {"wavelength_nm": nm}
        if kind == "dark":
            # the lasers come without the sky's background, and so must their dark
            light["light"] = LightSettings(background_cps=0.0)
        simulate(
            SimulationSettings(
                kind=kind, seconds=seconds, rate_cps=rate, seed=7, start=begun, **light
            ),
            part,
        )
        for path in part.glob("*.bin"):
            path.replace(raw / path.name)
        (part / "beammap.bmap").replace(folder / "beammap.bmap")
        shutil.rmtree(part)
    sky = ranges["sky"][0]
    targets = [
        f"  exposure{k}: [{sky + k * EXPOSURE_S}, {sky + (k + 1) * EXPOSURE_S}]"
        for k in range(EXPOSURES)
    ]
    pipeline = folder / "pipeline.yml"
    pipeline.write_text(
        "\n".join(
            [
                "inputs:",
                *targets,
                "paths: {data: raw, database: db, out: out}",
                "beammap: beammap.bmap",
                "wavecal:",
                *(f"  - {list(laser)}" for laser in lasers),
                f"dark: {list(ranges['dark'])}",
                f"flatcal: {list(ranges['flat'])}",
                "products:",
                "  cube: {energy_bin_ev: 0.1, weighted: true, rates: true}",
                "",
            ]
        )
    )
    return pipeline


def run(pipeline: Path, *options: str) -> dict[str, float]:
    """Run the night in a process of its own, and return its figures."""
    found: dict[str, float] = json.loads(
        run_child(CHILD, str(pipeline), *options)[2].splitlines()[-1]
    )
    return found


def size_of(*folders: Path) -> int:
    """Return the bytes of all files below."""
    return sum(path.stat().st_size for one in folders for path in one.rglob("*") if path.is_file())


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(tempfile.gettempdir()) / "quicklook-night"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--photons", type=float, default=5e8)
    parser.add_argument("--prepare", action="store_true", help="simulate only")
    args = parser.parse_args()
    begun = time.perf_counter()
    pipeline = prepare(args.folder, args.photons)
    print(machine())
    print(f"simulated in {time.perf_counter() - begun:.0f} s")
    if args.prepare:
        return
    raw = sorted((args.folder / "raw").glob("*.bin"))
    made = args.folder / "db", args.folder / "out"
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)
    evict(raw)
    rest()
    reading = plain_read(raw)
    evict(raw)
    rest()
    first = run(pipeline)
    n_raw, n_made = sum(path.stat().st_size for path in raw), size_of(*made)
    rest()
    writing = plain_write(args.folder / "yardstick.tmp", n_made)
    second = run(pipeline)
    words = n_raw / 8
    print(f"raw {n_raw / 1e9:.2f} GB, made {n_made / 1e9:.2f} GB; exit code {first['code']}")
    print(f"first run      {first['wall']:8.1f} s, CPU {first['cpu']:8.1f} s")
    print(f"photon words/s {words / first['wall'] / 1e6:8.2f} million")
    print(f"read of .bin   {reading:8.1f} s; run / read {first['wall'] / reading:.1f}")
    plain = reading + writing
    print(f"read and write {plain:8.1f} s; run / both (goal 4) {first['wall'] / plain:.2f}")
    print(f"peak memory of a process (goal 2) {first['peak_gb']:.2f} GB")
    print(f"second run (goal 4 s) {second['wall']:8.2f} s")


if __name__ == "__main__":
    main()
