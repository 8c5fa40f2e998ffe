"""Moments as logs and streams write them: always UTC."""

from __future__ import annotations

import datetime
import re

__all__ = ["unix_of"]

_COMPACT = re.compile(r"(\d{8})[-_T ]?(\d{4}(?:\d{2})?)(\.\d+)?Z?")
_UNIX = re.compile(r"\d{9,10}(\.\d+)?")
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?\s*(Z|UTC|[-+]\d\d:?\d\d)?", re.I)
_FIRST_UNIX, _LAST_UNIX = 9.0e8, 4.2e9
"""1998 to 2103: other numbers are no moments of these cameras."""


def unix_of(stored: object) -> float | None:
    """Return the unix second of a moment, or None where `stored` is none.

    Understood are ``20201007063000`` (with fraction, or a ``-``, ``_`` or ``T`` between date and time, or without
    seconds), ``2020-10-07 06:30:00`` and other ISO 8601 forms, and unix seconds of 9 or 10 digits. Without an offset
    written to it a moment is UTC; with one it is converted.

    Parameters
    ----------
    stored : str, int or float
    """
    if isinstance(stored, bool) or not isinstance(stored, (str, int, float)):
        return None
    text = stored.strip() if isinstance(stored, str) else f"{stored:.6f}".rstrip("0").rstrip(".")
    if _UNIX.fullmatch(text):
        return _plausible(float(text))
    compact = _COMPACT.fullmatch(text)
    if compact:
        day, clock, fraction = compact.groups()
        return _parsed(f"{day} {clock.ljust(6, '0')}", "%Y%m%d %H%M%S", fraction)
    if _ISO.fullmatch(text):
        return _iso(text)
    return None


def _iso(text: str) -> float | None:
    plain = re.sub(r"\s*(Z|UTC)$", "+00:00", text, flags=re.I).replace(" ", "T", 1)
    offset = re.search(r"([-+]\d\d):?(\d\d)$", plain[10:])
    zone = f"{offset[1]}{offset[2]}" if offset else "+0000"
    clock = plain[: 10 + offset.start()] if offset else plain
    whole, _, digits = clock.partition(".")
    return _parsed(
        f"{whole if len(whole) > 16 else whole + ':00'} {zone}",
        "%Y-%m-%dT%H:%M:%S %z",
        f".{digits}" if digits else None,
    )


def _parsed(text: str, form: str, fraction: str | None) -> float | None:
    try:
        moment = datetime.datetime.strptime(text, form)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return _plausible(moment.timestamp() + (float(fraction) if fraction else 0.0))


def _plausible(unix: float) -> float | None:
    return unix if _FIRST_UNIX <= unix < _LAST_UNIX else None
