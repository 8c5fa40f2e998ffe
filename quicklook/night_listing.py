"""What the night browser shows of a folder, made in a child process: rows of the table, bars of the time line."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeAlias

from pipeline_core.nightvalues import NightList
from pipeline_core.progress import Progress, silent
from quicklook.file_listing import size_text, utc_text

__all__ = ["Bar", "Listed", "NightRow", "night_bars", "night_rows", "rough", "scan"]


class NightRow(NamedTuple):
    """One row; `path` is the photon file, '' of anything else. `found` holds all its words in lower case."""

    start: float
    stop: float
    what: str
    name: str
    details: str
    path: Path | None
    found: str

    def text(self, column: int) -> str:
        """Return what stands in a column."""
        return (
            utc_text(self.start),
            utc_text(self.stop),
            f"{self.stop - self.start:,.0f}",
            self.what,
            self.name,
            self.details,
        )[column]


def night_rows(night: NightList) -> tuple[NightRow, ...]:
    """Return the rows of a night by begin. Called in a worker."""
    rows = []
    for one in night.stretches:
        details = (
            f"about {rough(one.photons_per_s)} photons/s ({size_text(one.n_bytes)}), {one.folder}"
        )
        rows.append(_row(one.start, one.stop, "raw data", f"{one.start}.bin …", details))
    for file in night.files:
        details = ", ".join(
            text
            for text in (
                f"camera {file.camera}" if file.camera else "",
                file.state,
                str(file.path.parent),
            )
            if text
        )
        rows.append(_row(file.start, file.stop, "photon file", file.path.name, details, file.path))
    for span in night.spans:
        details = f"{span.detail}{', ' if span.detail else ''}{span.source.name}, line {span.line}"
        rows.append(_row(span.start, span.stop, span.kind, span.label, details))
    return tuple(sorted(rows, key=lambda row: (row.start, row.stop, row.what)))


def rough(number: float) -> str:
    """Return a number of which two digits are known."""
    return f"{float(f'{number:.2g}'):,.0f}"


def _row(
    start: float, stop: float, what: str, name: str, details: str, path: Path | None = None
) -> NightRow:
    found = f"{what} {name} {details} {utc_text(start)} {start:.0f}".lower()
    return NightRow(start, stop, what, name, details, path, found)


class Bar(NamedTuple):
    """A span of time in a lane: unix seconds, what is written on it, and its place in `theme.series` (colour)."""

    lane: str
    start: float
    stop: float
    text: str
    colour: int


Listed: TypeAlias = "tuple[NightList, tuple[NightRow, ...], tuple[Bar, ...]]"
"""A night, its rows and its bars."""


def scan(folder: Path, *, progress: Progress = silent) -> Listed:
    """Look into a folder (in a child process), and make what the window shows of it."""
    from pipeline_core.nightlist import scan_night

    night = scan_night(folder, progress)
    return night, night_rows(night), night_bars(night)


def night_bars(night: NightList) -> tuple[Bar, ...]:
    """Return everything that has a beginning and an end; the same target has the same colour."""
    bars = [Bar("raw", one.start, one.stop, "", 0) for one in night.stretches]
    bars += [
        Bar("photons", one.start, one.stop, one.path.stem, 1 if one.attached else 0)
        for one in night.files
    ]
    colours: dict[str, int] = {}
    for span in night.spans:
        lane = "lamp" if span.kind in ("flat", "dark") else span.kind
        colour = colours.setdefault(f"{lane} {span.label}", len(colours))
        if lane == "dither":
            colour = int(span.label.partition(":")[0]) % 2
        bars.append(Bar(lane, span.start, span.stop, span.label, colour))
    return tuple(bars)
