"""A time range of a night as the entries of its file, `pipeline.yml`: inputs, wavecal, dark, flatcal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_core.nightvalues import LogSpan

__all__ = ["night_entries"]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


def night_entries(spans: Iterable[LogSpan], start: float, stop: float) -> str:
    """Return YAML for what the logs say of [start, stop), unix seconds; '' if no whole second is left.

    Each span gives one entry of the whole seconds that it shares with the range. Where there are dithers, their
    positions are the inputs; where nothing is known, the range itself is one. A laser whose wavelength its name does
    not tell gets a comment in the place of an entry.
    """
    by_kind: dict[str, list[tuple[LogSpan, int, int]]] = {}
    for span in spans:
        first, last = math.ceil(max(span.start, start)), math.floor(min(span.stop, stop))
        if last > first:
            by_kind.setdefault(span.kind, []).append((span, first, last))
    lines = _inputs(by_kind)
    lines += _wavecal(by_kind.get("laser", []))
    dark = by_kind.get("dark", [])
    if dark:
        lines.append(f"dark: [{dark[0][1]}, {dark[0][2]}]")
        lines += [f"# another dark: [{first}, {last}]" for _, first, last in dark[1:]]
    if flats := by_kind.get("flat", []):
        lines += ["flatcal:", *(f"  - [{first}, {last}]" for _, first, last in flats)]
    first, last = math.ceil(start), math.floor(stop)
    if not lines and last > first:
        lines = ["inputs:", f"  range1: [{first}, {last}]"]
    return "".join(f"{line}\n" for line in lines)


def _inputs(by_kind: dict[str, list[tuple[LogSpan, int, int]]]) -> list[str]:
    dithers = by_kind.get("dither", [])
    if dithers:
        lines = [f"  pos{n}: [{first}, {last}]" for n, (_, first, last) in enumerate(dithers, 1)]
        return ["inputs:", "  dithered: true", *lines]
    names: set[str] = set()
    lines = []
    for span, first, last in by_kind.get("target", []):
        name = _name(span.label, names)
        lines.append(f"  {name}: [{first}, {last}]")
    return ["inputs:", *lines] if lines else []


def _name(label: str, taken: set[str]) -> str:
    """Return a name of letters, digits, - and _, which no other input has and YAML takes for a text."""
    stem = _NOT_IN_NAMES.sub("_", label).strip("_-") or "target"
    if not stem[0].isalpha() or stem.lower() in (
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
        "dithered",
    ):
        stem = f"target_{stem}"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name)
    return name


def _wavecal(lasers: list[tuple[LogSpan, int, int]]) -> list[str]:
    lines, known = [], False
    for span, first, last in lasers:
        if span.wavelength_nm is None:
            lines.append(f"  # {span.label}: [{first}, {last}, wavelength in nm]")
        else:
            known = True
            lines.append(f"  - [{first}, {last}, {span.wavelength_nm:g}]")
    if not lines:
        return []
    return ["wavecal:" if known else "# wavecal:", *lines]
