"""What benchmarks share: the machine, cache states, plain reads and writes, and a table of ratios."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

PYTHON = sys.executable


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} x {model}, {memory:.0f} GiB, Python {platform.python_version()}, "
        f"load before: {load:.1f}"
    )


def evict(paths: list[Path]) -> None:
    """Put files out of the page cache."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def warm(paths: list[Path]) -> None:
    for path in paths:
        plain_read([path])


def plain_read(paths: list[Path]) -> float:
    """Seconds to read files one after the other into one buffer."""
    buffer = bytearray(1 << 22)
    begun = time.perf_counter()
    for path in paths:
        with path.open("rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass
    return time.perf_counter() - begun


def plain_write(path: Path, size: int, *, read_back: bool = False) -> float:
    """Seconds to write and sync a file of `size` bytes that do not compress, and to read it after that if asked to."""
    block = os.urandom(1 << 22)
    begun = time.perf_counter()
    with path.open("wb", buffering=0) as stream:
        left = size
        while left > 0:
            left -= stream.write(block[: min(left, len(block))])
        os.fsync(stream.fileno())
    elapsed = time.perf_counter() - begun
    if read_back:
        elapsed += plain_read([path])
    path.unlink()
    return elapsed


def run_child(code: str, *arguments: str) -> tuple[float, float, str]:
    """Run Python code in a process of its own: wall s, CPU s (all threads), what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    done = subprocess.run(
        [PYTHON, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, done.stdout


def touch_memory(gigabytes: float = 2.5) -> None:
    """Let a process touch memory and end.

    A virtual machine may get its free memory only when it is first touched, and give it back after some idle seconds;
    that costs 2 ns a byte and has nothing to do with what is measured.
    """
    code = "import sys, numpy; numpy.full(int(float(sys.argv[1]) * 1e9) // 8, 1.0)"
    subprocess.run([PYTHON, "-c", code, str(gigabytes)], check=True)


def rest() -> None:
    """Bring the machine into the same state before each measurement: disk idle, memory at hand."""
    os.sync()
    time.sleep(3)  # a virtual disk allows bursts, then slows down
    touch_memory()


def show(name: str, values: list[float], unit: str, scale: float = 1.0) -> None:
    """Print minimum, median and maximum of a figure."""
    low, middle, high = (scale * f(values) for f in (min, statistics.median, max))
    print(f"{name:<52} {middle:10.3f} {unit:<10} ({low:.3f} .. {high:.3f})")


def simulated(folder: Path, seconds: int, rate_cps: float) -> tuple[Path, Path, int]:
    """Return the folder of raw files, the beam map and the first second; simulate them if absent."""
    from pipeline_core.simulate import SimulationSettings, simulate

    beammap = folder / "beammap.bmap"
    settings = SimulationSettings(kind="flat", seconds=seconds, rate_cps=rate_cps, seed=1)
    if not beammap.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"simulating {seconds} s into {folder} ...", flush=True)
        simulate(settings, folder)
    return folder, beammap, settings.start
