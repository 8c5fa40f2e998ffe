"""Conversion of more than 71 minutes: several photon files, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline_core import convert as single
from pipeline_core.beammap import Beammap, read_beammap
from pipeline_core.binfile import scan_folder
from pipeline_core.convert import (
    ConversionSummary,
    ConvertSettings,
    check_space,
    convert,
    refuse_to_orphan,
)
from pipeline_core.errors import OutputError
from pipeline_core.progress import Progress, part_of, silent

__all__ = ["SplitSummary", "convert_parts", "parts_of"]


@dataclass(frozen=True)
class SplitSummary:
    """What conversions to several files did, in the order of time.

    Attributes
    ----------
    parts : tuple of ConversionSummary
        At least one.
    empty : tuple of (start, duration)
        Parts of which the folder has no file: nothing was written.
    """

    parts: tuple[ConversionSummary, ...]
    empty: tuple[tuple[int, int], ...] = ()

    @property
    def path(self) -> Path:
        """The first file."""
        return self.parts[0].path

    @property
    def n_photons(self) -> int:
        """Photons in all files."""
        return sum(part.n_photons for part in self.parts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be wrong with the results, each with the name of its file."""
        found = [f"{part.path.name}: {text}" for part in self.parts for text in part.warnings]
        found += [
            f"There is no raw file from {start} to {start + duration - 1}: no photon file was written for it."
            for start, duration in self.empty
        ]
        return tuple(found)

    def lines(self) -> tuple[str, ...]:
        """Return the summary for people."""
        lines = [line for part in self.parts for line in part.lines()]
        if len(self.parts) > 1:
            lines.insert(0, f"{self.n_photons:,} photons in {len(self.parts)} files")
        return tuple(lines)


def parts_of(settings: ConvertSettings) -> tuple[ConvertSettings, ...]:
    """Return the settings of each part: as few as possible, of equal whole seconds (the last one may be shorter)."""
    most = single.MAX_DURATION_S
    number = -(-settings.duration // most)
    length = -(-settings.duration // number)
    return tuple(
        replace(
            settings,
            start=settings.start + first,
            duration=min(length, settings.duration - first),
            out=settings.out.with_name(f"{settings.start + first}.h5"),
        )
        for first in range(0, settings.duration, length)
    )


def convert_parts(settings: ConvertSettings, progress: Progress = silent) -> SplitSummary:
    """Convert raw files to as many photon files as their length needs, ``<first second>.h5`` each.

    Files that are complete stay, also if a later one fails or the conversion is cancelled.

    Parameters
    ----------
    settings : ConvertSettings
        With ``split=True``.
    progress : Progress
        As for `convert`.

    Raises
    ------
    InputFormatError, OutputError
        As for `convert`. Files that exist already are found before the first one is written.
    """
    parts = parts_of(settings)
    for part in parts:
        refuse_to_orphan(part.out)
        if part.out.exists() and not part.overwrite:
            raise OutputError(
                f"{part.out} exists already. Choose another folder, or ask to overwrite it."
            )
    folder = scan_folder(settings.bin_dir)
    seconds = folder.covering(settings.start, settings.duration)
    keep = settings.baseline == "keep"
    check_space(folder, seconds, settings.out, keeps_baseline=keep, parts=len(parts))
    beammap = settings.beammap
    if not isinstance(beammap, Beammap):
        beammap = read_beammap(beammap, settings.shape)
    there = [
        part
        for part in parts
        if any(part.start <= second < part.start + part.duration for second in folder.seconds)
    ]
    reports = _reports(progress, [part.duration for part in there])
    found = tuple(
        convert(replace(part, beammap=beammap), report)
        for part, report in zip(there, reports, strict=True)
    )
    empty = tuple((part.start, part.duration) for part in parts if part not in there)
    return SplitSummary(found, empty)


def _reports(progress: Progress, lengths: list[int]) -> Iterator[Progress]:
    """Yield a progress for each part, which says which one it is."""
    done, total = 0, sum(lengths)
    for k, length in enumerate(lengths):
        yield _named(
            part_of(progress, done / total, (done + length) / total),
            f"file {k + 1} of {len(lengths)}" if len(lengths) > 1 else "",
        )
        done += length


def _named(progress: Progress, name: str) -> Progress:
    def report(done: int, total: int, stage: str = "") -> None:
        progress(done, total, ": ".join(text for text in (name, stage) if text))

    return report
