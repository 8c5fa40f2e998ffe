"""Speckle maps of 10 000 pixels x 30 s at 10 ms, about 10^8 photons, beside a plain read of the file.

Run as ``python tests/benchmarks/bench_speckle.py [FOLDER]``; the first run simulates and converts into the folder (some
minutes, 0.6 GB). Goals on 2 cores, photons read included: Ic and Is 8 s, with Ip 30 s, bootstrap of a pixel 1 s.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from yardsticks import machine, plain_read, run_child, show

_SECONDS = 30
_RATE_CPS = 330.0
_REPEATS = 3

_MAP = """
import sys, time
from pipeline_core.speckle.compute import compute_maps
from pipeline_core.speckle.settings import SpeckleSettings
settings = SpeckleSettings(with_ip=sys.argv[2] == "ip")
begun = time.perf_counter()
maps = compute_maps(sys.argv[1], settings)
print(time.perf_counter() - begun, maps.status_counts()["ok"] + maps.status_counts()["at_bound"])
"""

_PIXEL = """
import sys, time
from pipeline_core import ObsFile
from pipeline_core.speckle.settings import SpeckleSettings
from pipeline_core.speckle.study import study_pixel
settings = SpeckleSettings(with_ip=sys.argv[2] == "ip", tau_s=0.1, bootstrap=200)
with ObsFile(sys.argv[1]) as obs:
    study_pixel(obs, (0, 0), settings)
    begun = time.perf_counter()
    study_pixel(obs, (40, 62), settings, bin_free=sys.argv[3] == "bin-free")
    print(time.perf_counter() - begun)
"""


def observation(folder: Path) -> Path:
    """Return the photon file; simulate and convert it if it is not there."""
    from pipeline_core.convert import ConvertSettings, convert
    from pipeline_core.simulate import ArraySettings, LightSettings, SimulationSettings, simulate

    out = folder / "speckles.h5"
    if out.exists():
        return out
    folder.mkdir(parents=True, exist_ok=True)
    print(f"simulating {_SECONDS} s into {folder} ...", flush=True)
    light = LightSettings(ic_cps=0.75 * _RATE_CPS, is_cps=0.25 * _RATE_CPS, ip_cps=0.0, tau_s=0.1)
    array = ArraySettings.ideal(edge_deg=(-15.0, -15.0))
    settings = SimulationSettings(
        kind="speckle", seconds=_SECONDS, seed=4, array=array, light=light
    )
    summary = simulate(settings, folder)
    convert(ConvertSettings(folder, summary.start, _SECONDS, summary.beammap_path, out))
    for path in summary.bin_paths:
        path.unlink()
    return out


def maps(path: Path, name: str, kind: str) -> None:
    """Whole maps, in processes of their own; kernels are compiled and the file is warm."""
    walls, cpus, reads = [], [], []
    for number in range(_REPEATS + 1):
        read = plain_read([path])
        _, cpu, printed = run_child(_MAP, str(path), kind)
        wall, fitted = printed.split()
        if number:  # the first one compiles
            walls.append(float(wall))
            cpus.append(cpu)
            reads.append(read)
    show(f"{name}: {fitted} pixels", walls, "s")
    show("the same, CPU with the start of the process", cpus, "s")
    show("yardstick: plain read of the file, warm", reads, "s")
    print(f"{'ratio of medians':<52} {statistics.median(walls) / statistics.median(reads):10.2f}")


def pixel(path: Path, name: str, *arguments: str) -> None:
    """One pixel with 200 resamples of a block bootstrap."""
    times = [float(run_child(_PIXEL, str(path), *arguments)[2]) for _ in range(_REPEATS + 1)][1:]
    show(name, times, "s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    usual = Path(tempfile.gettempdir()) / "quicklook-bench-speckle"
    parser.add_argument("folder", nargs="?", type=Path, default=usual)
    path = observation(parser.parse_args().folder)
    print(machine())
    maps(path, "Ic, Is, tau measured", "two")
    maps(path, "Ic, Is, Ip and companion test", "ip")
    pixel(path, "one pixel with bootstrap", "two", "binned")
    pixel(path, "one pixel with Ip and bootstrap", "ip", "binned")
    pixel(path, "the same with the fit without bins", "ip", "bin-free")


if __name__ == "__main__":
    main()
