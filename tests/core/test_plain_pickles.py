"""Plain values out of pickles: the same as pickle would give, and nothing that does anything."""

import collections
import contextlib
import datetime
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_core.older.pickles import NotPlainError, plain_value

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.lists(inner, min_size=4, max_size=6).map(tuple)
        | st.dictionaries(st.text(), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(VALUES, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_come_back(value, protocol):
    data = pickle.dumps(value, protocol)
    assume_bytes = protocol >= 3 or not _has_bytes(value)
    if assume_bytes:  # the oldest protocols call a function to make bytes
        assert plain_value(data) == value


def _has_bytes(value):
    if isinstance(value, dict):
        return any(map(_has_bytes, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_bytes, value))
    return isinstance(value, bytes)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_sets_and_shared_values(protocol):
    names = ("a", "b")
    shared = [names, names, {"x": names}]
    assert plain_value(pickle.dumps(shared, protocol)) == shared
    if protocol >= 4:
        assert plain_value(pickle.dumps({1, 2}, protocol)) == {1, 2}
        assert plain_value(pickle.dumps(frozenset((1, 2)), protocol)) == frozenset((1, 2))


class Trap:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        Trap(),
        [1, Trap()],
        {"a": Trap()},
        len,
        datetime.datetime(2020, 1, 1),
        np.float64(3.0),
        collections.OrderedDict(),
    ],
)
def test_anything_else_is_refused(protocol, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotPlainError):
        plain_value(pickle.dumps(value, protocol))
    assert not list(tmp_path.iterdir())


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_whatever_the_bytes_there_is_one_error(data):
    with contextlib.suppress(NotPlainError):
        plain_value(data)


@settings(max_examples=200)
@given(VALUES, st.integers(0, 5), st.data())
def test_damaged_pickles_too(value, protocol, data):
    whole = bytearray(pickle.dumps(value, protocol))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotPlainError):
        plain_value(bytes(whole))


def test_too_long_ones_are_not_looked_at():
    with pytest.raises(NotPlainError, match="too long"):
        plain_value(pickle.dumps("x" * (1 << 20), 4))


def test_values_that_hold_themselves_are_refused():
    endless = []
    endless.append(endless)
    laughs = ["ha"]
    for _ in range(40):
        laughs = [laughs, laughs]
    for value in (endless, laughs):
        with pytest.raises(NotPlainError, match="too large"):
            plain_value(pickle.dumps(value, 4))
