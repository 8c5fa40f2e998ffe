"""Moments in words and for FITS, whatever the time zone."""

import time

import pytest

from pipeline_core.utc import utc_iso, utc_words

MIDNIGHT = 1602115200


@pytest.fixture(params=["Pacific/Honolulu", "Asia/Kolkata"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_zone_of_this_computer_has_no_say(zone):
    assert utc_words(MIDNIGHT + 10) == "2020-10-08 00:00:10 UTC"
    assert utc_iso(MIDNIGHT) == "2020-10-08T00:00:00.000000"


@pytest.mark.parametrize(
    ("fraction", "words"),
    [
        (0, "00:00:10 UTC"),
        (1, "00:00:10.7 UTC"),
        (3, "00:00:10.700 UTC"),
        (6, "00:00:10.700000 UTC"),
    ],
)
def test_fractions_of_a_second_survive_floats(fraction, words):
    assert utc_words(MIDNIGHT + 10.7, fraction=fraction) == f"2020-10-08 {words}"
    assert utc_iso(MIDNIGHT + 10.7) == "2020-10-08T00:00:10.700000"


def test_fractions_are_cut():
    assert utc_words(MIDNIGHT + 10.999, fraction=2) == "2020-10-08 00:00:10.99 UTC"
    assert utc_words(MIDNIGHT - 0.25) == "2020-10-07 23:59:59 UTC"


@pytest.mark.parametrize("unix", [1e20, 7e13, float("inf"), float("nan")])
def test_what_is_in_no_calendar_is_said_to_be_so(unix):
    assert utc_words(unix) == f"no date: {unix:g} s"
    with pytest.raises((ValueError, OverflowError)):
        utc_iso(unix)
