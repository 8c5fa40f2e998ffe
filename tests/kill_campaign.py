"""A campaign of kills: ``python tests/kill_campaign.py [--moments 300] [--seed S] [--cases ...]``.

Programs that write files are killed (SIGKILL) at random moments, and before random lines of what writes files; see
`kill_cases`. Prints how often the files were as before and as after; anything else ends the campaign with an error.
"""

from __future__ import annotations

import argparse
import collections
import os
import sys
import tempfile
import time
from pathlib import Path

import kill_cases


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--moments", type=int, default=300, help="of each case, in time and in lines"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", nargs="+")
    args = parser.parse_args()
    started, total, wrong = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        os.environ["XDG_DATA_HOME"] = str(folder / "share")
        (folder / "night").mkdir()
        night = kill_cases.write_night(folder / "night")
        for number, case in enumerate(kill_cases.cases(night).values()):
            if args.cases and case.name not in args.cases:
                continue
            place = folder / "case"
            seconds = kill_cases.duration_s(case, night, place)
            lines = kill_cases.lines_of(case, night, place)
            counts: collections.Counter[str] = collections.Counter()
            for share in kill_cases.random_moments(args.seed + number, args.moments):
                for how, kill, moment in (
                    ("time", kill_cases.kill_at_time, share * seconds),
                    ("line", kill_cases.kill_at_line, int(share * lines)),
                ):
                    total += 1
                    try:
                        counts[f"{how}: {kill(case, night, place, moment)}"] += 1
                    except Exception as error:
                        wrong += 1
                        print(f"{case.name}, {how} {moment}: {error!r}", flush=True)
            text = ", ".join(f"{word} {count}" for word, count in sorted(counts.items()))
            print(f"{case.name:17s} {seconds * 1e3:5.0f} ms, {lines:4d} lines; {text}", flush=True)
    print(f"{total} kills, {wrong} wrong, {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
