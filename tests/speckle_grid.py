"""The whole grid of speckles: (Ic, Is, Ip, tau, bin width, exposure, dead time). Run by ``speckle_truth.py --full``.

There are as many light curves of each place as fit into some seconds: some have hundreds of counts a bin, which take
long. The table says how many.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

from speckle_cases import Case, Runs, coverage, table

PLACE_SECONDS = 3.0
"""Of one core, by a rough estimate."""

FULL_GRID = tuple(
    Case(ic, is_, ip, tau, fraction * tau, length * tau, dead, with_ip=ip > 0, runs=0)
    for (ic, is_), ip, tau, fraction, length, dead in itertools.product(
        ((30, 10), (300, 100), (100, 100), (100, 300), (10, 300), (1000, 30), (1500, 500)),
        (0.0, 50.0),
        (0.03, 0.1, 1.0),
        (0.1, 0.3, 1.0),
        (300, 3000),
        (0.0, 10.0),
    )
)


def fit_seconds(case: Case) -> float:
    """Guess how long a fit takes: by the largest count, and photons that may have been lost beside each."""
    largest = (math.sqrt(case.ic) + math.sqrt(8 * case.is_)) ** 2 * case.bin_s + 5
    mean = case.true.sum() * case.bin_s
    lost = mean * mean * 1e-6 * case.dead_us / case.bin_s
    a_count = 6e-8 + (1.2e-7 + 3e-9 * (lost + 12 * math.sqrt(lost)) if case.dead_us else 0.0)
    return (70 if case.with_ip else 20) * largest * a_count


def resamples_of(case: Case) -> int:
    """None where a single fit takes long."""
    return 40 if fit_seconds(case) < 0.005 else 0


def runs_of(case: Case) -> int:
    """As many light curves as fit into the time, 12 to 60: shares of the scatter are known to 0.3 to 0.13."""
    photons = case.true.sum() * case.seconds
    simulated = 2 * (1e-8 * photons + 4e-6 * case.seconds / case.tau)
    a_run = simulated + (3 + resamples_of(case)) * fit_seconds(case) + 0.005
    return min(max(int(PLACE_SECONDS / a_run), 12), 60)


def full_table() -> Iterator[str]:
    """The whole grid. No intervals where a single fit takes long."""

    def cells(case: Case, runs: Runs, plain: Runs) -> list[str]:
        n_free = 2 + case.with_ip
        share = [f"{value:+.2f}" for value in runs.share(case.true)[:n_free]] + ["-"] * (3 - n_free)
        held = [coverage(runs, k) for k in range(3)]
        off = f"{plain.share(case.true)[1]:+.2f}"
        return [str(case.runs), *share, *held, off, runs.bound]

    head = "runs | Ic bias/scatter | Is | Ip | 68 % hold Ic | Is | Ip | Is bias/scatter, not corrected | at bound %"
    cases = tuple(
        replace(case, runs=runs_of(case), resamples=resamples_of(case)) for case in FULL_GRID
    )
    yield from table(head, cells, cases, 1000, plain=True)
