"""A time mask: intervals with reasons, in one value and one file without pickles; tables of older tools open too."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core import __version__, schema
from pipeline_core.errors import InputFormatError
from pipeline_core.hdf5 import attribute, open_readonly, read_array, reading, tables_in
from pipeline_core.masks import TimeMask, masked_intervals
from pipeline_core.records import read_record
from pipeline_core.solution_files import GROUP, TIMEMASK, check_version, written

__all__ = ["REASONS", "MaskedTimes", "load_time_mask"]


REASONS = (
    "unknown",
    *(f"flash in r{k}" for k in range(10)),
    "merged flash",
    "cosmic ray",
    "poofing",
    "hot pixel",
    "cold pixel",
    "dead pixel",
    "manual hot pixel",
    "manual cold pixel",
    "laser not on",
    "laser not off",
    "none",
)
"""What the codes 0..21 mean in the tables of this camera's earlier tools."""


@dataclass(frozen=True, eq=False)
class MaskedTimes:
    """Times of one observation that are not to count. Arrays are copied and read-only.

    Attributes
    ----------
    intervals_us : ndarray of int64, shape (n, 2)
        Half-open, us from the start of the observation.
    codes : ndarray of uint8, shape (n,)
        Of `masks.TIME_KINDS`, or one of the codes of `REASONS`.
    reasons : tuple of str
        One an interval, in a sentence.
    camera : str
    path : str
        The photon file; '' of none.
    file_id : str
        Its id; '' if the mask does not say which observation it is of.
    start_unix : int
    exposure_s : float
    settings : str
        JSON of `BurstSettings`; '{}' of hand-drawn intervals.
    created_unix : float
    software : str
    solution_id : str
        A hash of all that matters. Made here where it is not given.
    """

    intervals_us: npt.NDArray[np.int64]
    codes: npt.NDArray[np.uint8]
    reasons: tuple[str, ...]
    camera: str = "unknown"
    path: str = ""
    file_id: str = ""
    start_unix: int = 0
    exposure_s: float = 0.0
    settings: str = "{}"
    created_unix: float = 0.0
    software: str = __version__
    solution_id: str = ""

    def __post_init__(self) -> None:
        checked = self.mask("")
        for name in ("intervals_us", "codes", "reasons"):
            object.__setattr__(self, name, getattr(checked, name))
        if not self.created_unix:
            object.__setattr__(self, "created_unix", time.time())
        if not self.solution_id:
            digest = hashlib.sha256(self.intervals_us.tobytes() + self.codes.tobytes())
            digest.update(json.dumps([self.file_id, self.settings, self.reasons]).encode())
            object.__setattr__(self, "solution_id", digest.hexdigest()[:16])

    @property
    def masked_s(self) -> float:
        """How many seconds it masks."""
        return float(np.diff(masked_intervals([self.mask("")]), axis=1).sum()) / 1e6

    def mask(self, source: str) -> TimeMask:
        """Return the intervals alone."""
        return TimeMask(
            solution_id=self.solution_id,
            source=source,
            settings=self.settings,
            intervals_us=self.intervals_us,
            codes=self.codes,
            reasons=self.reasons,
        )

    def with_interval(
        self, interval_us: tuple[int, int], reason: str, kind: str = "by hand"
    ) -> MaskedTimes:
        """Return a mask with one more interval, drawn by hand for a reason; `kind` of `masks.TIME_KINDS`.

        Raises
        ------
        ConfigError
            Without a reason, of an unknown kind, or with an impossible interval.
        """
        added = TimeMask.by_hand(interval_us, reason, kind)
        return dataclasses.replace(
            self,
            intervals_us=np.concatenate((self.intervals_us, added.intervals_us)),
            codes=np.concatenate((self.codes, added.codes)),
            reasons=(*self.reasons, *added.reasons),
            solution_id="",
        )

    def without_interval(self, number: int) -> MaskedTimes:
        """Return a mask without the interval of this number."""
        kept = np.delete(np.arange(len(self.reasons)), number)
        return dataclasses.replace(
            self,
            intervals_us=self.intervals_us[kept],
            codes=self.codes[kept],
            reasons=tuple(self.reasons[k] for k in kept),
            solution_id="",
        )

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the mask file (``.h5``): whole, or not at all. It holds a table for older tools too.

        Raises
        ------
        OutputError
            If it exists already and may not be overwritten, or cannot be written.
        """
        path = Path(path).expanduser()
        rows = np.zeros(len(self.reasons), schema.TIME_MASK_DTYPE)
        rows["tBegin"], rows["tEnd"] = self.intervals_us.T
        rows["reason"] = self.codes
        with written(path, TIMEMASK, self, overwrite=overwrite) as h5:
            where, name = schema.TIME_MASK_TABLE.rsplit("/", 1)
            h5.create_table(where or "/", name, schema.TIME_MASK_DTYPE, "us").append(rows)
        return path


def load_time_mask(path: Path | str) -> MaskedTimes:
    """Read a time mask: a file of this program, or one that holds a table of tBegin, tEnd and reason.

    Raises
    ------
    InputFormatError
        Missing, damaged, or no time mask.
    SchemaVersionError
        If a newer version wrote it.
    """
    path = Path(path).expanduser()
    h5 = open_readonly(path)
    try:
        with reading(path):
            if attribute(h5.root, "format") != schema.TIMEMASK_FORMAT:
                return _foreign(h5, path)
            check_version(h5, path, TIMEMASK)
            return read_record(h5, GROUP, MaskedTimes)
    finally:
        h5.close()


def _foreign(h5: tables.File, path: Path) -> MaskedTimes:
    """Read the only time-mask table of a file."""
    found = [node for node in tables_in(h5) if _is_time_mask(node)]
    if len(found) != 1:
        what = "has several time masks, one a pixel" if found else "is no time mask"
        raise InputFormatError(
            f"{path} {what}. Choose a file that 'timemask' wrote, or one with a single table of tBegin, tEnd and "
            "reason."
        )
    rows = read_array(h5, found[0]._v_pathname)
    begin, end = rows["tBegin"].astype(np.int64), rows["tEnd"].astype(np.int64)
    some = end > begin
    codes = rows["reason"][some].astype(np.uint8)
    return MaskedTimes(
        intervals_us=np.column_stack((begin, end))[some],
        codes=codes,
        reasons=tuple(_meaning(int(code)) for code in codes),
        path=str(path),
    )


def _meaning(code: int) -> str:
    return f"{REASONS[code] if code < len(REASONS) else f'reason {code}'}.".capitalize()


def _is_time_mask(node: tables.Table) -> bool:
    return {"tBegin", "tEnd", "reason"} <= set(node.colnames)
