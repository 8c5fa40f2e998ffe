"""Simulated streams of photon times of a whole array with bursts whose truth is known: for the search for cosmic rays.

Counts in bins of 10 us. The array's rate drifts and its speckles boil (slowly, against 10 us); a burst is a number of
photons at times that decay exponentially, as phonons do in the chip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BIN_US = 10
GAP_S = (20.03, 20.76)


@dataclass(frozen=True)
class Stream:
    """How one stream is made: rate of the array (counts/s), length, bursts with so many photons (log-uniform)."""

    rate_cps: float
    seed: int
    seconds: float = 60.0
    bursts: int = 60
    photons: tuple[float, float] = (10.0, 1000.0)
    decay_us: tuple[float, float] = (5.0, 30.0)
    drift: float = 0.3
    gap: bool = True


@dataclass(frozen=True)
class Truth:
    """`counts` (uint16) in bins; for each burst its `start_us`, number of `photons` and `times_us` of each of them."""

    stream: Stream
    counts: np.ndarray
    start_us: np.ndarray
    photons: np.ndarray
    times_us: list[np.ndarray]


def observe(stream: Stream) -> Truth:
    """Make a stream."""
    rng = np.random.default_rng(stream.seed)
    n = round(stream.seconds * 1e6 / BIN_US)
    t = (np.arange(n) + 0.5) * BIN_US / 1e6
    slow = 1 + stream.drift * np.sin(2 * np.pi * t / 7.3 + rng.uniform(0, 6.28))
    # speckles: steps of 2 ms, correlated over 20 ms
    steps = rng.standard_normal(round(stream.seconds * 500) + 11)
    boil = np.convolve(steps, np.ones(10) / np.sqrt(10), "valid")
    level = slow * np.clip(1 + 0.05 * boil[(t * 500).astype(int)], 0.1, None)
    mean = stream.rate_cps * BIN_US / 1e6 * level
    if stream.gap:
        mean[(t > GAP_S[0]) & (t < GAP_S[1])] = 0.0  # no packets
    counts = rng.poisson(mean)
    start = rng.uniform(0, stream.seconds * 1e6 - 1000, stream.bursts)
    if stream.gap:  # nothing comes without packets
        start = start[(start < 1e6 * GAP_S[0] - 1000) | (start > 1e6 * GAP_S[1])]
    start.sort()
    low, high = np.log(stream.photons)
    photons = np.round(np.exp(rng.uniform(low, high, start.size))).astype(int)
    times = []
    for begin, number in zip(start, photons, strict=True):
        decay = rng.uniform(*stream.decay_us)
        times.append(begin + rng.exponential(decay, number))
        np.add.at(counts, (times[-1] // BIN_US).astype(int), 1)
    return Truth(stream, counts.astype(np.uint16), start, photons, times)


def gaps_us(stream: Stream) -> np.ndarray:
    """Times without packets, as a photon file would tell them."""
    return np.array([[round(t * 1e6) for t in GAP_S]] if stream.gap else [], np.int64).reshape(
        -1, 2
    )


def compare(truth: Truth, intervals_us: np.ndarray) -> dict[str, np.ndarray | int | float]:
    """Which bursts were found, how much of each is masked, and how many intervals hold none."""
    found = np.zeros(truth.photons.size, bool)
    masked = np.zeros(truth.photons.size)
    hit = np.zeros(len(intervals_us), bool)
    for k, times in enumerate(truth.times_us):
        inside = np.zeros(times.size, bool)
        for j, (a, b) in enumerate(intervals_us):
            here = (times >= a) & (times < b)
            inside |= here
            hit[j] |= here.any()
        masked[k] = inside.mean()
        found[k] = inside.any()
    return {"found": found, "masked": masked, "false": int((~hit).sum())}
