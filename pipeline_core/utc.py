"""Moments in words and as FITS writes them, always UTC: this computer's own time zone has no say."""

from __future__ import annotations

import datetime

__all__ = ["utc_iso", "utc_words"]


def utc_words(unix: float, *, fraction: int = 0) -> str:
    """Return ``2020-10-07 06:30:00 UTC``, with `fraction` digits of a second (at most 6; cut, not rounded).

    Outside the calendar it is ``no date: 7e+13 s``.
    """
    try:
        moment = _moment(unix)
    except (ValueError, OverflowError, OSError):
        return f"no date: {unix:g} s"
    digits = f".{moment.microsecond:06d}"[: 1 + fraction] if fraction else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{digits} UTC"


def utc_iso(unix: float) -> str:
    """Return ``2020-10-07T06:30:00.000000``, as FITS wants it (standard 4.0, section 9.1.1: without a time zone).

    Raises
    ------
    ValueError, OverflowError
        Outside the calendar.
    """
    return _moment(unix).replace(tzinfo=None).isoformat(timespec="microseconds")


def _moment(unix: float) -> datetime.datetime:
    # to the nearest microsecond: unix seconds of today have 0.2 us between neighbours
    return datetime.datetime.fromtimestamp(unix, datetime.timezone.utc)
