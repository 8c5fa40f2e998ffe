"""Light of the speckles' truth tables: simulate and fit one place of a grid, in processes; the lines of a table."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from pipeline_core.simulate.speckles import speckle_photons
from pipeline_core.speckle.binning import BinnedPixel, TimeBins
from pipeline_core.speckle.correlation import decorrelation
from pipeline_core.speckle.pixelfit import measure, pixel_work
from pipeline_core.speckle.resampling import bootstrap_of, sample_intervals
from pipeline_core.speckle.settings import SpeckleSettings
from pipeline_core.speckle.status import PixelStatus

SEED = 20261129
PROCESSES = 2
_NOTHING_CLOSED = np.zeros((0, 2))


@dataclass(frozen=True)
class Case:
    """One place of the grid: counts/s, s, us; `runs` independent light curves."""

    ic: float
    is_: float
    ip: float = 0.0
    tau: float = 0.1
    bin_s: float = 0.01
    seconds: float = 300.0
    dead_us: float = 10.0
    with_ip: bool = False
    runs: int = 60
    resamples: int | None = None
    """Of each run's bootstrap; None: what the table says."""

    @property
    def true(self) -> np.ndarray:
        return np.array([self.ic, self.is_, self.ip])

    @property
    def words(self) -> list[str]:
        values = self.ic, self.is_, self.ip, 1e3 * self.tau, 1e3 * self.bin_s, self.seconds
        return [f"{value:g}" for value in (*values, self.dead_us)]


HEAD = "Ic | Is | Ip | tau ms | bin ms | s | dead us"


@dataclass(frozen=True)
class Runs:
    """Fits of all runs of a case: values, errors of two kinds, whether intervals hold the truth, p-values."""

    values: np.ndarray
    hessian: np.ndarray
    blocks: np.ndarray
    inside: np.ndarray
    at_bound: np.ndarray
    p_values: np.ndarray
    companion: np.ndarray
    naive_companion: np.ndarray
    taus: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        return self.values.mean(axis=0)

    @property
    def scatter(self) -> np.ndarray:
        scatter = self.values.std(axis=0, ddof=1)
        return np.where(scatter > 0, scatter, np.nan)

    def bias(self, true: np.ndarray) -> np.ndarray:
        return self.mean - true

    def share(self, true: np.ndarray) -> np.ndarray:
        return self.bias(true) / self.scatter

    @property
    def bias_error(self) -> np.ndarray:
        return self.scatter / np.sqrt(self.values.shape[0])

    @property
    def bound(self) -> str:
        return f"{100 * self.at_bound.mean():.0f}"


def photons_of(case: Case, rng: np.random.Generator) -> np.ndarray:
    return speckle_photons(
        rng,
        ic_cps=case.ic,
        is_cps=case.is_,
        ip_cps=case.ip,
        tau_s=case.tau,
        seconds=case.seconds,
        dead_time_us=case.dead_us,
    )


def binned(case: Case, times: np.ndarray) -> tuple[BinnedPixel, TimeBins]:
    n_bins = round(case.seconds / case.bin_s)
    counts = np.bincount((times / case.bin_s).astype(np.int64), minlength=n_bins)[:n_bins]
    bins = TimeBins(0, round(case.bin_s * 1e6), n_bins, _NOTHING_CLOSED)
    return BinnedPixel((0, 0), counts.astype(np.int64), int(counts.sum())), bins


def fits_of(case: Case, seed: int, corrected: bool, resamples: int) -> Runs:
    """Simulate and fit. The same seed gives the same photons, corrected or not."""
    rng = np.random.default_rng((SEED, seed))
    settings = SpeckleSettings(
        bin_s=case.bin_s,
        with_ip=case.with_ip,
        correct_bin_width=corrected,
        correct_dead_time=corrected,
    )
    rows: list[tuple[object, ...]] = []
    for k in range(case.runs):
        one, bins = binned(case, photons_of(case, rng))
        work = pixel_work(bins, settings, case.dead_us, case.tau)
        found = measure(one, work)
        inside = np.full(3, np.nan)
        if resamples:
            samples = bootstrap_of(one, work, resamples, seed + k, found=found)
            low, high = sample_intervals(samples, found.values).T
            inside = np.where(np.isnan(low), np.nan, (case.true >= low) & (case.true <= high))
        naive = replace(found, blocks=found.hessian).companion_p  # as if bins were independent
        tau = decorrelation(one.counts, bins.used, case.bin_s, case.dead_us).tau_s
        at_bound = found.status == PixelStatus.AT_BOUND
        row = (found.values, found.hessian_errors, found.block_errors, inside, at_bound)
        rows.append((*row, found.p_value, found.companion_p, naive, tau))
    return Runs(*(np.array(column, np.float64) for column in zip(*rows, strict=True)))


# ---- cells ------------------------------------------------------------------------------------------


def in_percent(case: Case, runs: Runs, k: int) -> str:
    value, error = (100 * one[k] / case.true[k] for one in (runs.bias(case.true), runs.bias_error))
    return f"{value:+.1f} ± {error:.1f}"


def coverage(runs: Runs, k: int) -> str:
    known = runs.inside[np.isfinite(runs.inside[:, k]), k]
    return f"{100 * known.mean():.0f}" if known.size else "-"


def below(p_values: np.ndarray, limit: float) -> str:
    known = p_values[np.isfinite(p_values)]
    return f"{100 * (known < limit).mean():.1f} %" if known.size else "-"


# ---- tables -----------------------------------------------------------------------------------------

Cells = Callable[[Case, Runs, "Runs | None"], list[str]]


def _both(job: tuple[Case, int], plain: bool, resamples: int) -> tuple[Runs, Runs | None]:
    """Fit one case with and without corrections, in a process of its own."""
    case, seed = job
    bare = fits_of(case, seed, False, 0) if plain else None
    several = resamples if case.resamples is None else case.resamples
    return fits_of(case, seed, True, several), bare


def table(
    head: str,
    cells: Cells,
    cases: tuple[Case, ...],
    first_seed: int,
    *,
    plain: bool = False,
    resamples: int = 0,
) -> Iterator[str]:
    """Yield the lines of a table; head and cells go on after the case's own columns."""
    yield f"| {HEAD} | {head} |"
    yield "|--:" * (8 + head.count("|")) + "|"
    jobs = [(case, first_seed + k) for k, case in enumerate(cases)]
    with get_context("spawn").Pool(PROCESSES) as pool:
        found = pool.imap(partial(_both, plain=plain, resamples=resamples), jobs)
        for case, (runs, bare) in zip(cases, found, strict=True):
            yield "| " + " | ".join((*case.words, *cells(case, runs, bare))) + " |"


def pair(values: np.ndarray, form: str) -> list[str]:
    """Of Ic and Is."""
    return [format(value, form) for value in values[:2]]


# ---- reports ----------------------------------------------------------------------------------------

_PREFACE = (
    "Written by `tests/speckle_truth.py`. Light curves are simulated as `I = |sqrt(Ic) + z|^2 + Ip`, z a complex "
    "Ornstein-Uhlenbeck process with exact steps, Poisson photons, non-paralysable dead time; seed {seed} and all "
    "cases stand in the script and were there before these figures; methods were chosen on other seeds. Intensities "
    "are counts/s; errors behind ± are those of the mean over the runs. 68 % intervals are the central part of "
    "resamples of blocks of 5 to 20 tau."
)


def write_tables(
    sections: Sequence[tuple[str, Callable[[], Iterator[str]]]], report: Path | None
) -> None:
    """Make and print tables; write them to a file, in which what was said by hand about the figures stays."""
    begun = time.perf_counter()
    text = ["# Speckle statistics against known truth", "", _PREFACE.format(seed=SEED)]
    for title, made in sections:
        text += ["", f"## {title}", "", (made.__doc__ or "").strip(), ""]
        say("", f"## {title}")
        for line in made():
            say(line)
            text.append(line)
    minutes = (time.perf_counter() - begun) / 60
    text += ["", f"Made in {minutes:.0f} minutes by {PROCESSES} processes.", ""]
    if report is None:
        return
    mark = "\n## What the figures say\n"
    known = report.read_text() if report.exists() else ""
    notes = mark + known.split(mark, 1)[1] if mark in known else ""
    report.write_text("\n".join(text) + notes)
    say(f"{report} was written")


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
