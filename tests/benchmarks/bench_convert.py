"""Conversion of 10^8 photons: CPU and wall time a photon, beside reading the input and writing the output.

Run as ``python tests/benchmarks/bench_convert.py [FOLDER] [--runs N]``; the data (1 GB) are simulated into FOLDER once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from yardsticks import (
    evict,
    machine,
    plain_read,
    plain_write,
    rest,
    run_child,
    show,
    simulated,
    warm,
)

CHILD = """
import sys, time, resource
from pathlib import Path
from pipeline_core.convert import ConvertSettings, convert
folder, beammap, start, seconds, out = sys.argv[1:]
settings = ConvertSettings(Path(folder), int(start), int(seconds), Path(beammap), Path(out))
begun, usage = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
summary = convert(settings)
wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
user, system = after.ru_utime - usage.ru_utime, after.ru_stime - usage.ru_stime
status = Path("/proc/self/status").read_text()
peak_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
print(summary.n_photons, wall, user, system, float(peak_kb) / 1e3)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(tempfile.gettempdir()) / "quicklook-bench"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rate", type=float, default=1200.0, help="counts/s a pixel")
    args = parser.parse_args()
    folder, beammap, start = simulated(args.folder, args.seconds, args.rate)
    raw = sorted(folder.glob("*.bin"))
    size = sum(path.stat().st_size for path in raw)
    print(machine())
    print(
        f"input {size / 1e6:.0f} MB in {len(raw)} files; {args.runs} runs, each in a process of its own"
    )
    for state in ("cold", "warm"):
        measure(args, folder, beammap, start, state)


def measure(args: argparse.Namespace, folder: Path, beammap: Path, start: int, state: str) -> None:
    """Convert several times with the input in or out of the page cache, and print the figures."""
    raw = sorted(folder.glob("*.bin"))
    out = folder / "bench.h5"
    prepare = evict if state == "cold" else warm
    keys = ("cpu", "system", "whole", "wall", "io", "ratio", "rss")
    figures: dict[str, list[float]] = {key: [] for key in keys}
    for _ in range(args.runs):
        out.unlink(missing_ok=True)
        prepare(raw)
        rest()
        read = plain_read(raw)
        prepare(raw)
        rest()
        arguments = (str(folder), str(beammap), str(start), str(args.seconds), str(out))
        _, whole_cpu, printed = run_child(CHILD, *arguments)
        photons, wall, user, system, rss = (float(word) for word in printed.split())
        written = out.stat().st_size
        rest()
        write = plain_write(folder / "yardstick.tmp", written)
        per_photon = 1e9 / photons
        figures["cpu"].append((user + system) * per_photon)
        figures["system"].append(system * per_photon)
        figures["whole"].append(whole_cpu * per_photon)
        figures["wall"].append(wall * per_photon)
        figures["io"].append((read + write) * per_photon)
        figures["ratio"].append(wall / (read + write))
        figures["rss"].append(rss)
    out.unlink(missing_ok=True)
    print(f"--- input {state}: {photons / 1e6:.0f} million photons -> {written / 1e6:.0f} MB")
    show("CPU of the conversion (goal 25)", figures["cpu"], "ns/photon")
    show("  of it in the operating system", figures["system"], "ns/photon")
    show("CPU of the whole process, start included", figures["whole"], "ns/photon")
    show("wall", figures["wall"], "ns/photon")
    show("yardstick: plain read + plain write and sync", figures["io"], "ns/photon")
    show("wall / yardstick (goal 2.5)", figures["ratio"], "")
    show("peak memory (goal 1500)", figures["rss"], "MB")


if __name__ == "__main__":
    main()
