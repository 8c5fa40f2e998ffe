"""A campaign of spoilt files: ``python tests/fuzz_campaign.py --minutes 40 [--seed S] [--keep FOLDER] [--kinds ...]``.

A worker process opens one file after the other (see `fuzz_cases`); this one watches it, starts it anew when it ends or
hangs, keeps every file that gave what must not be, and prints counts. Half of the workers look from a thread, as the
window does. A case is made again with its kind and seed: ``--kinds photons --seed 17 --cases 1``.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import fuzz_cases

_CASES_A_WORKER = 400
_HANGS_AFTER_S = 90.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    parser.add_argument("--cases", type=int, default=10**9, help="stop after so many")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-finds"))
    parser.add_argument("--kinds", nargs="+", choices=list(fuzz_cases.CHECKS))
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return _work(*args.worker)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        return _watch(args, Path(folder))


def _watch(args: argparse.Namespace, folder: Path) -> int:
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    os.environ["XDG_DATA_HOME"] = str(folder / "share")
    os.environ.pop("MKID_BEAMMAP_PATH", None)
    (folder / "originals").mkdir()
    kinds = args.kinds or list(fuzz_cases.CHECKS)
    files = fuzz_cases.write_originals(folder / "originals").files
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    started, seed = time.monotonic(), args.seed
    last = args.seed + args.cases
    number = 0
    while time.monotonic() - started < 60 * args.minutes and seed < last:
        job = {
            "files": {kind: str(path) for kind, path in files.items()},
            "kinds": kinds,
            "first": seed,
            "stop": min(seed + _CASES_A_WORKER, last),
            "until": started + 60 * args.minutes,
            "threads": bool(number % 2),
        }
        seed = _one_worker(job, folder, args.keep, counts)
        number += 1
        shutil.rmtree(folder / "cache", ignore_errors=True)
        print(f"{(time.monotonic() - started) / 60:.1f} min, {seed - args.seed} cases", flush=True)
    return _report(counts)


def _one_worker(
    job: dict[str, object], folder: Path, keep: Path, counts: collections.Counter[tuple[str, str]]
) -> int:
    """Let a worker do its cases; return the seed of the next one."""
    place = folder / "case"
    command = [sys.executable, __file__, "--worker", json.dumps(job), str(place), str(keep)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # its errors are seen
    lines: list[str] = []
    heard = [time.monotonic()]

    def listen() -> None:
        assert worker.stdout is not None
        for line in worker.stdout:
            lines.append(line)
            heard[0] = time.monotonic()

    listener = threading.Thread(target=listen)
    listener.start()
    how = ""
    while listener.is_alive():
        listener.join(0.5)
        if time.monotonic() - heard[0] > _HANGS_AFTER_S:
            how = "hangs"
            worker.kill()
            listener.join()
    status = worker.wait()
    done = [json.loads(line) for line in lines]
    counts.update((kind, word) for kind, word, _ in done if word)
    if (
        status and not how and (not done or done[-1][1])
    ):  # it broke when it ended: an earlier file has done that
        counts["worker", f"ended with status {status}"] += 1
        print(f"the worker from seed {job['first']} ended with status {status}", flush=True)
    begun = [kind for kind, word, _ in done[-1:] if not word]
    if begun:  # it ended in the middle of a case
        how = how or f"ended with status {status}"
        (kind, _, seed) = done[-1]
        counts[kind, how] += 1
        print(f"{kind} {seed}: {how}", flush=True)
        shutil.copytree(place, keep / f"{kind.replace(' ', '-')}-{seed}", dirs_exist_ok=True)
    return (done[-1][2] if done else int(str(job["first"]))) + 1


def _work(job_text: str, place_text: str, keep_text: str) -> int:
    """Do cases, and tell of each when it begins (without a word) and ends."""
    job, place, keep = json.loads(job_text), Path(place_text), Path(keep_text)
    originals = fuzz_cases.Originals({kind: Path(path) for kind, path in job["files"].items()})

    def work() -> None:
        for seed in range(job["first"], job["stop"]):
            if time.monotonic() > job["until"]:
                return
            kind = job["kinds"][seed % len(job["kinds"])]
            print(json.dumps([kind, "", seed]), flush=True)
            word, more, done, path = fuzz_cases.run_case(originals, kind, seed, place)
            print(json.dumps([kind, word, seed]), flush=True)
            if word not in fuzz_cases.GOOD:
                target = keep / f"{kind.replace(' ', '-')}-{seed}"
                shutil.copytree(place, target, dirs_exist_ok=True)
                text = f"{kind} {seed} {path.name}\n{done}\n{word}: {more}\n"
                (target / "find.txt").write_text(text)

    if job["threads"]:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    else:
        work()
    return 0


def _report(counts: collections.Counter[tuple[str, str]]) -> int:
    kinds = sorted({kind for kind, _ in counts})
    for kind in kinds:
        words = {word: number for (one, word), number in sorted(counts.items()) if one == kind}
        print(f"{kind:14s}", ", ".join(f"{word} {number}" for word, number in words.items()))
    bad = sum(number for (_, word), number in counts.items() if word not in fuzz_cases.GOOD)
    print(f"{sum(counts.values())} cases, {bad} that must not be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
