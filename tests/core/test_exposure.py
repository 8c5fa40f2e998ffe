import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.exposure import blind_intervals, live_time_us

intervals = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=6)
times = st.lists(st.integers(0, 80), max_size=8).map(sorted)
edges = st.lists(st.integers(0, 100), min_size=2, max_size=8, unique=True).map(sorted)


@given(intervals, times, st.integers(0, 12), edges)
def test_equals_counting_microseconds(gaps, photons, dead_time, edge_list):
    gaps_us = np.array([(a, a + n) for a, n in gaps], np.int64).reshape(-1, 2)
    alive = np.ones(200, bool)
    for a, b in gaps_us:
        alive[a:b] = False
    for t in photons:
        alive[t : t + dead_time] = False
    blind = blind_intervals(gaps_us, np.array(photons, np.uint32), dead_time)
    assert (np.diff(blind.ravel()) > 0).all()  # disjoint, ascending, none empty
    mine = live_time_us(np.array(edge_list), blind)
    expected = [alive[a:b].sum() for a, b in itertools.pairwise(edge_list)]
    np.testing.assert_allclose(mine, expected, atol=1e-9)


def test_nothing_blind():
    blind = blind_intervals(np.empty((0, 2), np.int64))
    assert blind.shape == (0, 2)
    assert live_time_us(np.array([0, 5, 7]), blind).tolist() == [5, 2]
