"""Hold masks against simulated truth: bad pixels, bursts, dead time. The tables in BADPIXELS_TRUTH.md.

Run as ``python tests/badpixels_truth.py [--write]``; without ``--write`` the tables are only printed. Seeds, fields and
classes are in this file, `badpixel_fields`, `burst_streams` and `dead_time`; `SEEDS` belong to no other test, and no
threshold was chosen by them. They were looked at once: a first table showed cold pixels that were missed side by side,
whose rule was mended.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import burst_streams
import dead_time
from badpixel_fields import KINDS, SHAPE, Field, Truth, observe

from pipeline_core.badpixels.compute import Counts, solve
from pipeline_core.badpixels.methods import judge
from pipeline_core.badpixels.settings import METHODS, BadPixelSettings
from pipeline_core.beammap import Beammap
from pipeline_core.masks import PIXEL_KINDS
from pipeline_core.timemask.compute import bursts_of
from pipeline_core.timemask.settings import BurstSettings

SEEDS = (20190901, 20190902, 20190903, 20190904)
"""The second of them has a feedline that is off."""

SECONDS = (2.0, 20.0, 120.0)
BINS = 20
THRESHOLDS = (4.0, 3.5, 3.0, 2.5, 2.0)
RATES_CPS = (1e4, 1e5, 1e6, 3e6)
PIXEL_RATES_CPS = (100.0, 500.0, 1000.0, 2500.0, 5000.0)
_REPORT = Path(__file__).parent / "BADPIXELS_TRUTH.md"


class Tally:
    """Numbers of pixels (found, of so many) by class."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}

    def add(self, name: str, found: np.ndarray, of: np.ndarray) -> None:
        pair = self.counts.setdefault(name, [0, 0])
        pair[0] += int((found & of).sum())
        pair[1] += int(of.sum())

    def percent(self, name: str, digits: int = 2) -> str:
        found, total = self.counts[name]
        return f"{100 * found / total:.{digits}f} ({found} of {total})" if total else "-"

    def plain(self, name: str) -> str:
        found, total = self.counts[name]
        return f"{found} of {total}" if total else "-"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def field_of(kind: str, seconds: float, seed: int) -> Truth:
    return observe(Field(kind, seed, seconds, BINS, feedline_off=seed == SEEDS[1]))


def marks(truth: Truth) -> np.ndarray:
    """Flags (x, y) that a user gets who changes nothing but the length of the slices."""
    edges = np.round(truth.edges_s * 1e6).astype(np.int64)
    counts = Counts(truth.cube, edges, np.diff(truth.edges_s), ~truth.unread)
    settings = BadPixelSettings(slice_s=truth.field.seconds / 4)
    found = solve(counts, settings, Beammap.design(SHAPE))
    flags = np.zeros(SHAPE, np.uint32)
    x, y = found.pixels.T
    flags[x, y] = found.flags | np.bitwise_or.reduce(found.slice_flags, axis=1, initial=0)
    return flags


def tally(kind: str, seconds: float) -> Tally:
    """Judge the fields of one kind, all seeds together."""
    result = Tally()
    for seed in SEEDS:
        truth = field_of(kind, seconds, seed)
        flags = marks(truth)
        is_ = {name: (flags & np.uint32(bit)) > 0 for name, bit in PIXEL_KINDS.items()}
        bright = truth.expected >= 5 * truth.base
        result.add("hot", is_["hot"], truth.hot & ~truth.core)
        result.add("five", is_["hot"], truth.hot & bright & ~truth.core)
        result.add("ten", is_["hot"], truth.hot & ~bright & ~truth.core)
        result.add("under", is_["hot"], truth.hot & truth.core)
        result.add("dead", is_["dead"], truth.dead)
        result.add("cold", is_["cold"] | is_["dead"], truth.cold)
        result.add("flicker", is_["unstable"], truth.flicker)
        result.add("false", flags > 0, truth.good)
        result.add("eaten", flags > 0, truth.good & truth.core)
    return result


def pixel_tables() -> list[str]:
    lines = [
        "| field | s | hot % | of them 5 x % | of them 10 sigma % | dead % | good flagged % | in cores of stars | "
        "hot under cores | cold | flickering |",
        "|---|--:|" + "--:|" * 9,
    ]
    for kind in KINDS:
        for seconds in SECONDS:
            t = tally(kind, seconds)
            values = [t.percent(k) for k in ("hot", "five", "ten", "dead")]
            values += [t.percent("false", 3)]
            values += [t.plain(k) for k in ("eaten", "under", "cold", "flicker")]
            lines.append(f"| {kind} | {seconds:g} | " + " | ".join(values) + " |")
            say(lines[-1])
    return lines


def method_table() -> list[str]:
    """The image as a whole, 20 s, by each method with its default settings."""
    lines = [
        "| method | field | hot % | dead % | good flagged % | in cores of stars |",
        "|---|---|" + "--:|" * 4,
    ]
    for method in METHODS:
        for kind in KINDS:
            t = Tally()
            for seed in SEEDS:
                truth = field_of(kind, 20.0, seed)
                settings = BadPixelSettings(method=method)
                found = judge(truth.cube.sum(axis=0), 20.0, ~truth.unread, settings).kind
                t.add("hot", found == 1, truth.hot & ~truth.core)
                t.add("dead", found == 3, truth.dead)
                t.add("false", found > 0, truth.good)
                t.add("eaten", found > 0, truth.good & truth.core)
            values = [t.percent("hot"), t.percent("dead")]
            values += [t.percent("false", 3), t.plain("eaten")]
            lines.append(f"| {method} | {kind} | " + " | ".join(values) + " |")
            say(lines[-1])
    return lines


def photon_sigma_table() -> list[str]:
    """The strictest reading of the goal: hot by 10 to 30 sigma of photon noise alone."""
    lines = ["| field | " + " | ".join(f"{s:g} s" for s in SECONDS) + " |"]
    lines.append("|---|" + "--:|" * len(SECONDS))
    for kind in KINDS:
        cells = []
        for seconds in SECONDS:
            t = Tally()
            for seed in SEEDS:
                truth = observe(Field(kind, seed, seconds, BINS, photon_sigma=True))
                image = truth.cube.sum(axis=0)
                found = judge(image, seconds, ~truth.unread, BadPixelSettings()).kind
                t.add("hot", found == 1, truth.hot & ~truth.core)
            cells.append(t.percent("hot"))
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
        say(lines[-1])
    return lines


def threshold_table() -> list[str]:
    """What a lower threshold finds among speckles, and what it costs: the image as a whole."""
    lines = ["| s | " + " | ".join(f"{n:g} sigma" for n in THRESHOLDS) + " |"]
    lines.append("|--:|" + "--:|" * len(THRESHOLDS))
    for seconds in SECONDS:
        cells = []
        for n_sigma in THRESHOLDS:
            t = Tally()
            for seed in SEEDS:
                truth = field_of("speckles", seconds, seed)
                settings = BadPixelSettings(n_sigma=n_sigma)
                found = judge(truth.cube.sum(axis=0), seconds, ~truth.unread, settings).kind
                t.add("hot", found == 1, truth.hot & ~truth.core)
                t.add("false", found == 1, truth.good)
            cells.append(f"{t.percent('hot').split()[0]}, {t.percent('false', 3).split()[0]}")
        lines.append(f"| {seconds:g} | " + " | ".join(cells) + " |")
        say(lines[-1])
    return lines


def burst_table() -> list[str]:
    classes = ((10, 20), (20, 40), (40, 80), (80, 160), (160, 1001))
    lines = [
        "| counts/s of the array | in 20 us | "
        + " | ".join(f"{a}-{b - 1} photons" for a, b in classes)
        + " | their photons masked % | false | masked s of 60 |",
        "|--:|--:|" + "--:|" * (len(classes) + 3),
    ]
    for rate in RATES_CPS:
        found, photons, share, false, masked = [], [], [], 0, 0.0
        for seed in SEEDS:
            truth = burst_streams.observe(burst_streams.Stream(rate, seed))
            gaps = burst_streams.gaps_us(truth.stream)
            bursts = bursts_of(truth.counts, BurstSettings(), gaps_us=gaps)
            intervals = np.array([(b.start_us, b.stop_us) for b in bursts]).reshape(-1, 2)
            result = burst_streams.compare(truth, intervals)
            found.append(result["found"])
            share.append(result["masked"])
            photons.append(truth.photons)
            false += result["false"]
            masked += float(np.diff(intervals, axis=1).sum()) / 1e6 / len(SEEDS)
        hit, size, part = (np.concatenate(v) for v in (found, photons, share))
        cells = [
            f"{int(hit[(size >= a) & (size < b)].sum())} of {int(((size >= a) & (size < b)).sum())}"
            for a, b in classes
        ]
        whole = 100 * float((part * size)[hit].sum() / size[hit].sum())
        lines.append(
            f"| {rate:g} | {rate * 2e-5:g} | "
            + " | ".join(cells)
            + f" | {whole:.2f} | {false} | {masked:.4f} |"
        )
        say(lines[-1])
    return lines


def dead_time_table() -> list[str]:
    lines = [
        "| counts/s a pixel | recovered / true | +- | uncorrected / true | dead share % | pull sigma |",
        "|--:|" + "--:|" * 5,
    ]
    for k, rate in enumerate(PIXEL_RATES_CPS):
        with tempfile.TemporaryDirectory() as folder:
            r = dead_time.recover(Path(folder), rate, SEEDS[0] + k, seconds=8)
        lines.append(
            f"| {rate:g} | {r.ratio:.5f} | {r.error:.5f} | {r.uncorrected:.5f} | {100 * r.dead_share:.3f} | "
            f"{r.pull:.3f} |"
        )
        say(lines[-1])
    return lines


HEAD = """# Masks and dead time against simulated truth

Written by `python tests/badpixels_truth.py --write`. The fields, streams and arrays, and what belongs to which class,
are in `badpixel_fields.py`, `burst_streams.py` and `dead_time.py`. Default settings throughout. Seeds: {seeds};
thresholds were chosen by others. (A first table was looked at: cold pixels side by side excused each other; mended.)

## Bad pixels

Fields of 80 x 125 pixels, 10 % of them not read out (in one of four a feedline besides), sensitivities scattered by
15 %, noise triggers of 15 counts/s scattered by a factor of 1.65. Planted: 1 % hot, 1 % dead, 0.5 % cold (5 % of the
counts), 0.5 % flickering (for 15 to 50 % of the time 6 to 30 times too bright, or silent). Half of the hot pixels
have 5 to 50 times, half 10 to 30 sigma more than the median of the good pixels around (than what their own light
warrants, if that is more). Sigma is what good pixels scatter by there in this exposure: photons, sensitivity and noise
triggers, not the structure of the image. Counts are flagged "hot" only if they are called so; a good pixel counts as
flagged with any flag, in any slice of time. "speckles" boil in 5 s: at 2 s they are frozen, in full contrast.

Goals: hot and dead at least 99 %, good flagged at most 0.1 %, stars and speckles not eaten.

In an earlier state, with every image taken to be as sharp as a star, 98.5 to 98.8 % of the hot pixels behind the
coronagraph were found, 88.5, 94.4 and 98.1 % among speckles, and 0.126 % of the good pixels were flagged among frozen
ones.

"""

TEXT_THRESHOLDS = """
## Why not all hot pixels among speckles

A hot pixel of 10 to 30 sigma of what good pixels scatter by may be no brighter than a speckle that the pixels around it
allow. Below: hot pixels found and good ones called hot, in %, in the image as a whole, when the threshold is lowered.
Frozen speckles (2 s) reach 99 % at none; when they have boiled for long enough, all is met.

"""

TEXT_METHODS = """
## The methods, on the image as a whole of 20 s

"""

TEXT_PHOTONS = """
## Hot by 10 to 30 sigma of photon noise alone

The strictest reading of "10 sigma in the exposure", for the record: with 15 % between good pixels, an excess of 10
photon sigma (3 % where there are 100,000 counts) is no anomaly of a pixel before a flat is applied. Hot pixels found,
in %.

"""

TEXT_BURSTS = """
## Bursts

Streams of 60 s with 60 bursts and a gap; the array's rate drifts by 30 %, speckles move it by 5 %. Photons of a burst
come with a decay time of 5 to 30 us. Expected by chance: 0.01 false ones a stream.

"""

TEXT_DEAD = """
## Dead time

Raw files of 20 x 30 ideal pixels under a laser (rates within a factor of two), 8 s, 10 us dead after each photon;
converted, then `obs.rate_image()`. Mean over pixels. Goal: within 0.002.

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write BADPIXELS_TRUTH.md")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="All-NaN slice")
    text = HEAD.format(seeds=", ".join(str(seed) for seed in SEEDS))
    text += "\n".join(pixel_tables()) + "\n"
    text += TEXT_THRESHOLDS + "\n".join(threshold_table()) + "\n"
    text += TEXT_METHODS + "\n".join(method_table()) + "\n"
    text += TEXT_PHOTONS + "\n".join(photon_sigma_table()) + "\n"
    text += TEXT_BURSTS + "\n".join(burst_table()) + "\n"
    text += TEXT_DEAD + "\n".join(dead_time_table()) + "\n"
    if args.write:
        _REPORT.write_text(text)


if __name__ == "__main__":
    main()
