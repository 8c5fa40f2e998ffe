"""Conversion and reads of very long observations: memory, CPU, and wall beside plain passes over the disk.

Run as ``python tests/benchmarks/bench_length.py [FOLDER] --photons 1e9``. One second is simulated, and repeated with
its headers moved on; 10^9 photons are 8 GB raw, as much scratch space and 5 GB of result. FOLDER may be deleted after.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from length_reads import read_figures
from yardsticks import evict, machine, plain_read, plain_write, rest, run_child

from pipeline_core.rawwords import (
    BOARD_SHIFT,
    COUNTER_WRAP_S,
    FRAME_MASK,
    FRAME_SHIFT,
    HEADER_MARK,
    TICKS_PER_SECOND,
    TIMESTAMP_MASK,
    pack_header,
)

CHILD = """
import json, resource, sys, time
from pathlib import Path
from pipeline_core import convert as module
from pipeline_core.convert import ConvertSettings, convert
folder, beammap, start, seconds, out = sys.argv[1:]
settings = ConvertSettings(Path(folder), int(start), int(seconds), Path(beammap), Path(out))
def io():
    return {k: int(v) for k, v in (l.split(": ") for l in Path("/proc/self/io").read_text().splitlines())}
stages, last = {}, [time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF), "start"]
def progress(done, total, stage):
    if stage != last[2]:
        now, use = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        cpu = use.ru_utime + use.ru_stime - last[1].ru_utime - last[1].ru_stime
        stages[last[2]] = (now - last[0], cpu)
        last[:] = now, use, stage
before, begun, usage = io(), time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
summary = convert(settings, progress)
wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
progress(1, 1, "end")
status = Path("/proc/self/status").read_text()
peak_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
print(json.dumps({
    "photons": summary.n_photons, "wall": wall, "user": after.ru_utime - usage.ru_utime,
    "system": after.ru_stime - usage.ru_stime, "peak_mb": float(peak_kb) / 1e3,
    "memory": module._run_memory(8 * summary.n_photons, keeps_baseline=False),
    "lost": sum(summary.lost_packets.values()),
    "io": {k: v - before[k] for k, v in io().items()}, "stages": stages}))
"""


def template(folder: Path, rate_cps: float) -> tuple[np.ndarray, Path, int]:
    """Return the words (big-endian) of one simulated second, the beam map, and the second."""
    from pipeline_core.simulate import SimulationSettings, simulate

    one = folder / "second"
    settings = SimulationSettings(kind="flat", seconds=3, rate_cps=rate_cps, seed=1)
    if not (one / "beammap.bmap").exists():
        one.mkdir(parents=True, exist_ok=True)
        simulate(settings, one)
    return (
        np.fromfile(one / f"{settings.start + 1}.bin", ">u8"),
        one / "beammap.bmap",
        settings.start,
    )


def replicate(words: np.ndarray, second: int, seconds: int, folder: Path) -> None:
    """Write `seconds` files: the same photons, later. Frame numbers go on as if no packet was lost."""
    folder.mkdir(parents=True, exist_ok=True)
    at = np.flatnonzero((words >> np.uint64(56)) == HEADER_MARK)
    headers = words[at].astype(np.uint64)
    board = (headers >> np.uint64(BOARD_SHIFT)) & np.uint64(0xFF)
    frame = (headers >> np.uint64(FRAME_SHIFT)) & np.uint64(FRAME_MASK)
    ticks = headers & np.uint64(TIMESTAMP_MASK)
    a_second = np.bincount(board.astype(np.int64), minlength=256)[board.astype(np.int64)]
    for k in range(seconds):
        path = folder / f"{second + k}.bin"
        if path.exists() and path.stat().st_size == words.nbytes:
            continue
        later = (ticks + np.uint64(k * TICKS_PER_SECOND)) % np.uint64(
            COUNTER_WRAP_S * TICKS_PER_SECOND
        )
        words[at] = pack_header(board, frame + (k * a_second).astype(np.uint64), later)
        words.tofile(path)


def copy_ns(repeats: int = 20) -> float:
    """CPU ns that copying a raw word takes in memory now: other programs slow down both."""
    words, copy = np.ones(1 << 22, np.uint64), np.zeros(1 << 22, np.uint64)
    times = []
    for _ in range(repeats):
        begun = time.thread_time()
        np.copyto(copy, words)
        times.append((time.thread_time() - begun) * 1e9 / words.size)
    return statistics.median(times)


def conversion(folder: Path, beammap: Path, start: int, seconds: int, out: Path) -> None:
    """Convert with a cold input, and print the figures beside those of plain passes."""
    raw = sorted(folder.glob("*.bin"))
    size = sum(path.stat().st_size for path in raw)
    out.unlink(missing_ok=True)
    evict(raw)
    rest()
    read = plain_read(raw)
    evict(raw)
    rest()
    copies = [copy_ns()]
    _, _, printed = run_child(CHILD, str(folder), str(beammap), str(start), str(seconds), str(out))
    found = json.loads(printed)
    copies.append(copy_ns())
    photons, written = found["photons"], out.stat().st_size
    scratch = max(0, 8 * photons - found["memory"])
    rest()
    write = plain_write(folder / "yardstick.tmp", written)
    scratched = plain_write(folder / "yardstick.tmp", scratch, read_back=True) if scratch else 0.0
    plain = read + write + scratched
    cpu = (found["user"] + found["system"]) * 1e9 / photons
    print(f"load after: {os.getloadavg()[0]:.1f}")
    print(f"{photons / 1e6:.0f} million photons, {seconds} s, {found['lost']} packets lost")
    print(f"raw {size / 1e9:.2f} GB, scratch {scratch / 1e9:.2f} GB, result {written / 1e9:.2f} GB")
    print(
        f"CPU (goal 30)                 {cpu:8.2f} ns/photon ({found['system'] * 1e9 / photons:.2f} system)"
    )
    copied = statistics.mean(copies)
    print(f"copy of a raw word in memory  {copied:8.2f} ns; CPU / copy {cpu / copied:.1f}")
    print(
        f"wall                          {found['wall']:8.2f} s ({found['wall'] * 1e9 / photons:.2f} ns/photon)"
    )
    print(
        f"plain read + scratch + write  {plain:8.2f} s ({read:.2f} + {scratched:.2f} + {write:.2f})"
    )
    print(f"wall / plain (goal 2.5)       {found['wall'] / plain:8.2f}")
    print(f"peak memory (goal 1500)       {found['peak_mb']:8.0f} MB")
    io = found["io"]
    print(
        f"bytes asked for               read {io['rchar'] / 1e9:.2f} GB, written {io['wchar'] / 1e9:.2f} GB"
    )
    print(
        f"bytes of the disk             read {io['read_bytes'] / 1e9:.2f} GB, written {io['write_bytes'] / 1e9:.2f} GB"
    )
    for stage, (wall, used) in found["stages"].items():
        print(f"  {stage:<26} wall {wall:8.2f} s, CPU {used * 1e9 / photons:6.2f} ns/photon")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(tempfile.gettempdir()) / "quicklook-length"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--photons", type=float, default=1e8)
    parser.add_argument("--rate", type=float, default=1000.0, help="counts/s a pixel")
    parser.add_argument(
        "--no-convert", action="store_true", help="only the reads, of what is there"
    )
    parser.add_argument("--no-reads", action="store_true")
    parser.add_argument("--clean", action="store_true", help="delete FOLDER afterwards")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    words, beammap, start = template(args.folder, args.rate)
    headers = np.count_nonzero((words >> np.uint64(56)) == HEADER_MARK)
    seconds = round(args.photons / (words.size - headers))
    out = args.folder / "long.h5"
    print(machine())
    if not args.no_convert:
        raw = args.folder / "raw"
        for path in raw.glob("*.bin"):
            if int(path.stem) >= start + 1 + seconds:
                path.unlink()
        replicate(words, start + 1, seconds, raw)
        conversion(raw, beammap, start + 1, seconds, out)
    if not args.no_reads:
        read_figures(out)
    if args.clean:
        shutil.rmtree(args.folder)


if __name__ == "__main__":
    main()
