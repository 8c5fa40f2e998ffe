"""What a conversion of raw files did, for people and programs: every word is kept, or counted with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DROP_REASONS", "ConversionSummary", "brief_ranges"]

DROP_REASONS = ("end_of_frame", "outside_array", "outside_window", "without_header")
"""Why a photon word is no photon of the observation; columns of `schema.SOURCE_DTYPE`."""


@dataclass(frozen=True)
class ConversionSummary:
    """What a conversion did. `dropped` counts words by reason; every word is kept or in there.

    `warnings` are sentences about what may be wrong with the result.
    """

    path: Path
    n_photons: int
    dropped: dict[str, int]
    spare_bytes: int
    skipped_bytes: int
    resyncs: int
    packets: dict[int, int]
    lost_packets: dict[int, int]
    missing_seconds: tuple[int, ...]
    repaired_pixels: int
    moved_photons: int
    seconds: float
    warnings: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Return the summary for people."""
        found = [f"{self.n_photons:,} photons in {self.path.name} ({self.seconds:.1f} s)"]
        words = {
            "end_of_frame": "end-of-frame markers",
            "outside_array": "words outside the array",
            "outside_window": "photons outside the time range",
            "without_header": "photons without a packet header",
        }
        found += [
            f"{self.dropped[r]:,} {words[r]} left out" for r in DROP_REASONS if self.dropped[r]
        ]
        if self.spare_bytes:
            found.append(f"{self.spare_bytes} bytes at ends of files make up no word")
        if self.skipped_bytes:
            found.append(
                f"{self.skipped_bytes:,} bytes skipped that could not be told to be words; words began anew at another "
                f"byte {self.resyncs} times"
            )
        lost = sum(self.lost_packets.values())
        if lost:
            by_board = ", ".join(f"board {b}: {n}" for b, n in self.lost_packets.items() if n)
            found.append(f"{lost:,} packets lost on the network ({by_board})")
        if self.missing_seconds:
            found.append(
                f"no file for {len(self.missing_seconds)} s: {brief_ranges(self.missing_seconds)}"
            )
        if self.moved_photons:
            found.append(
                f"times of {self.moved_photons:,} photons repaired that the firmware had told 0.5 ms too early"
            )
        if self.repaired_pixels:
            found.append(
                f"photons of {self.repaired_pixels} pixels arrived out of order and were sorted"
            )
        return tuple(found)


def brief_ranges(seconds: tuple[int, ...]) -> str:
    """Write ascending numbers briefly: ``5-7, 9``."""
    parts: list[list[int]] = []
    for second in seconds:
        if parts and second == parts[-1][-1] + 1:
            parts[-1][1:] = [second]
        else:
            parts.append([second])
    return ", ".join("-".join(map(str, part)) for part in parts)
