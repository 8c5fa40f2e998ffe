"""Brings photon files of older programs into ours: `convert_older` is what window and command line call.

Photons, weights and wavelengths are taken over bit for bit; what the older file does not tell stays unknown. The older
file is only read.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core import schema
from pipeline_core.atomic import write_aside, written_back
from pipeline_core.beammap import NO_RES_ID, Beammap
from pipeline_core.convert import DEAD_TIME_US, MAX_DURATION_S, refuse_to_orphan
from pipeline_core.earlyticks import FIRMWARE_REPAIRED
from pipeline_core.errors import ConfigError, InputFormatError, OutputError
from pipeline_core.flags import BEAMMAP_CODES, PixelFlag, beammap_code_to_flags
from pipeline_core.hdf5 import open_readonly, read_array, reading
from pipeline_core.older.flagbits import flags_of
from pipeline_core.older.header import OlderHeader, read_header
from pipeline_core.older.layouts import Layout, layout_of
from pipeline_core.older.rows import OlderRows
from pipeline_core.photon_writer import Columns, PhotonFileContent, write_photon_file
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.targets import check_room

__all__ = ["OlderSummary", "convert_older", "is_older", "older_layout"]

_NO_TONE = BEAMMAP_CODES.index("beammap.noDacTone")
_DUPLICATE = np.uint32(PixelFlag["beammap_duplicatePixel"])
_ONE = np.float32(1).view(np.uint32)
_BYTES_A_PHOTON = 14
_UNIX_NAME = re.compile(r"\d{9,10}")
_LONGEST_PHASE_DEG = 230.0


@dataclass(frozen=True)
class OlderSummary:
    """What was taken over.

    Attributes
    ----------
    path : Path
    layout : str
        'V0' to 'V5'.
    n_photons : int
    nowhere : int
        Photons of resonators that the beam map does not mention: left out.
    wavelength_calibrated : bool
        Whether wavelengths had taken the place of phases.
    has_weights : bool
    moved : int
        Photons whose times, which 2017's firmware had told 0.5 ms too early, were repaired.
    doubts : tuple of str
        Sentences about what is not certain, or not known.
    seconds : float
        It took.
    """

    path: Path
    layout: str
    n_photons: int
    nowhere: int
    wavelength_calibrated: bool
    has_weights: bool
    moved: int
    doubts: tuple[str, ...]
    seconds: float

    def lines(self) -> tuple[str, ...]:
        """Return the summary for people."""
        found = [
            f"{self.n_photons:,} photons of layout {self.layout} in {self.path.name} ({self.seconds:.1f} s)"
        ]
        if self.wavelength_calibrated:
            found.append("they have wavelengths for ever: phases are not known any more")
        if self.has_weights:
            found.append("they have weights")
        if self.moved:
            found.append(
                f"times of {self.moved:,} photons, told too early by the firmware, repaired"
            )
        if self.doubts:
            found.append("what is not certain is told in Header, history and health")
        return tuple(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before trusting the result."""
        if not self.nowhere:
            return ()
        return (
            f"{self.nowhere:,} photons of resonators that the beam map does not mention were left out.",
        )


def older_layout(path: Path) -> str:
    """Return the name of the layout of a file of an older program, '' if it is none. Told by its content.

    Raises
    ------
    InputFormatError
        If it is no HDF5 file, or damaged.
    """
    with _opened(path) as (_, layout):
        return "" if layout is None else layout.name


def is_older(path: Path) -> bool:
    """Tell whether a file is a photon file of an older program; False also for what cannot be read."""
    try:
        return bool(older_layout(path))
    except InputFormatError:
        return False


def convert_older(
    path: Path,
    out: Path,
    *,
    baseline: str = schema.UNKNOWN_BASELINE,
    overwrite: bool = False,
    progress: Progress = silent,
) -> OlderSummary:
    """Write a photon file with the photons of an older one.

    Parameters
    ----------
    path : path
        Layout V0 to V5.
    out : path
        ``*.h5``.
    baseline : str
        What its phases hold, if somebody knows: one of `schema.BASELINE_MODES`. The file does not tell.
    overwrite : bool
        Whether an existing `out` may be replaced.
    progress : Progress
        May cancel; nothing is left then.

    Raises
    ------
    InputFormatError
        If the file is damaged, none of these layouts, or holds no photon of any pixel of its beam map.
    OutputError
        If the result cannot be written.
    ConfigError
        Impossible settings.
    """
    begun = time.perf_counter()
    _check_settings(path, out, baseline)
    refuse_to_orphan(out)
    with _opened(path) as (h5, layout):
        if layout is None:
            raise InputFormatError(
                f"{path} is no photon file of an older program. Choose another file."
            )
        header = read_header(h5, layout)
        older = _read_map(h5, path, layout, header)
        rows = OlderRows(h5, layout, older.beammap)
        check_room(out, _BYTES_A_PHOTON * rows.n_rows, "this conversion")
        rows.count(part_of(progress, 0.0, 0.4))
        if not rows.counts.any():
            raise InputFormatError(
                f"{path} holds {rows.n_rows:,} photons, but none of a pixel of its beam map: nothing can be shown."
            )
        maker = _Maker(path, layout, header, older, rows)
        with write_aside(out, replace=overwrite, mode=0o444) as part, written_back(part):
            maker.write(part, baseline, progress)
    return OlderSummary(
        path=out,
        layout=layout.name,
        n_photons=int(rows.counts.sum()),
        nowhere=rows.nowhere,
        wavelength_calibrated=bool(np.isfinite(maker.stored_nm).any()),
        has_weights=maker.has_weights,
        moved=rows.moved,
        doubts=tuple(maker.doubts),
        seconds=time.perf_counter() - begun,
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[tables.File, Layout | None]]:
    """Open an older file; whatever fails names it."""
    h5 = open_readonly(path, with_indexes=True)
    try:
        with reading(path):
            yield h5, layout_of(h5)
    finally:
        h5.close()


class _Maker:
    """Writes the photon file of one older file."""

    def __init__(
        self, path: Path, layout: Layout, header: OlderHeader, older: _OlderMap, rows: OlderRows
    ) -> None:
        self._path, self._layout, self._header = path, layout, header
        self._rows = rows
        self.doubts = list(older.doubts)
        self.has_weights = rows.has_weights
        order = older.beammap.photon_order()
        self._counts = np.empty(order.size, np.int64)
        self._counts[order] = rows.counts
        self._limits = np.empty((order.size, 2))
        self._limits[order] = rows.limits
        shape = older.beammap.shape
        self.stored_nm = self._stored_nm().reshape(*shape, 2)
        stored = np.isfinite(self.stored_nm).all(axis=2)
        self._flags, doubts = flags_of(
            layout.name,
            older.flags,
            header.flag_names,
            self._counts.reshape(shape),
            header.start,
            calibrated=bool(stored.any()),
        )
        self.doubts += doubts
        self._flags[older.duplicate] |= _DUPLICATE
        self._beammap = _with_codes(older.beammap, self._flags)
        if header.wavelength_calibrated is False and stored.any():
            self.doubts.append("The header says phases, but what is stored are wavelengths.")

    def _stored_nm(self) -> npt.NDArray[np.float64]:
        """Return the shortest and longest wavelength of pixels that hold any; NaN where there are phases."""
        stored = self._limits[:, 1] > _LONGEST_PHASE_DEG
        return np.where(stored[:, None], self._limits, np.nan)

    def write(self, part: Path, baseline: str, progress: Progress) -> None:
        """Write everything."""
        content = self._content(baseline)
        blocks = self._columns(content, part_of(progress, 0.4, 0.98))
        write_photon_file(part, content, blocks, part_of(progress, 0.4, 0.98))

    def _content(self, baseline: str) -> PhotonFileContent:
        start, exposure_s = self._when()
        dead_time_us = self._header.dead_time_us
        if dead_time_us is None:
            self.doubts.append(f"No dead time is told: {DEAD_TIME_US:g} us, the instrument's.")
        if "baseline" in self._layout.columns:
            baseline = "keep"
        elif baseline == schema.UNKNOWN_BASELINE:
            self.doubts.append("Whether phases include baselines is not told.")
        return PhotonFileContent(
            beammap=self._beammap,
            counts=self._rows.counts,
            start=start,
            exposure_s=exposure_s,
            baseline_mode=baseline,
            baseline_median=0,
            gaps_us=np.empty((0, 2), np.int64),
            sources=np.empty(0, schema.SOURCE_DTYPE),
            boards=np.empty(0, schema.BOARD_DTYPE),
            data_dir=self._header.data_dir,
            settings={"older file": str(self._path.absolute()), "layout": self._layout.name},
            dead_time_us=DEAD_TIME_US if dead_time_us is None else dead_time_us,
            flags=self._flags,
            stored_nm=self.stored_nm if np.isfinite(self.stored_nm).any() else None,
            has_weights=self.has_weights,
            origin={
                "file": str(self._path.absolute()),
                "layout": self._layout.name,
                "wavecal": self._header.wavecal,
                "flatcal": self._header.flatcal,
                "target": self._header.target,
                "photons without a pixel": self._rows.nowhere,
                "doubts": self.doubts,
                "header": dict(self._header.values),
            },
        )

    def _when(self) -> tuple[int, int]:
        """Return start and exposure in whole seconds; the latter covers every photon."""
        start = self._header.start
        if start is None:
            named = _UNIX_NAME.fullmatch(self._path.stem)
            start = int(self._path.stem) if named else 0
            self.doubts.append(
                "When it was taken is not stored: the start is from the name of the file."
                if named
                else "When it was taken is not known."
            )
        told = self._header.exposure_s
        seconds = self._rows.last_us // 1_000_000 + 1
        if told is None:
            self.doubts.append("How long it was exposed is not stored: up to its last photon.")
        elif seconds > told:
            self.doubts.append(
                f"The header says {told:g} s, but there are photons of {seconds} s: all are kept."
            )
        exposure_s = max(seconds, math.ceil(told or 0))
        if exposure_s > MAX_DURATION_S:
            self.doubts.append(f"The header says {told:g} s, more than times can hold.")
            exposure_s = seconds
        self.doubts.append("Gaps in the data are not stored: none are known.")
        return start, min(exposure_s, MAX_DURATION_S)

    def _columns(self, content: PhotonFileContent, progress: Progress) -> Iterator[Columns]:
        """Yield the columns of the photon table, in its order."""
        res_id = self._beammap.res_id.ravel()[self._beammap.photon_order()]
        n_columns = 6 if content.baseline_mode == "keep" else 5
        arrival = self._layout.name in ("V0", "V1") and 0 < content.start < FIRMWARE_REPAIRED
        for block in self._rows.blocks(progress, 1_000_000 * content.exposure_s * arrival):
            n_rows = int(block.starts[-1])
            columns = np.empty((n_columns, n_rows), np.uint32)
            pixels = slice(block.first_pixel, block.first_pixel + block.starts.size - 1)
            columns[0] = np.repeat(res_id[pixels], np.diff(block.starts))
            columns[1] = block.columns["time"]
            for place, key in enumerate(("value", "spec_weight", "noise_weight", "baseline"), 2):
                if place < n_columns:
                    found = block.columns.get(key)
                    columns[place] = _ONE if found is None else found.view(np.uint32)
            yield Columns(columns)


@dataclass(frozen=True, eq=False)
class _OlderMap:
    """Beam map of an older file: resonators (codes are not known yet), flag numbers as stored, and what is doubtful."""

    beammap: Beammap
    flags: npt.NDArray[np.int64]
    duplicate: npt.NDArray[np.bool_]
    doubts: tuple[str, ...]


def _read_map(h5: tables.File, path: Path, layout: Layout, header: OlderHeader) -> _OlderMap:
    """Read which resonator sits at which pixel."""
    if not layout.map or not layout.flag:
        raise InputFormatError(
            f"{path} has no beam map, so that its photons have no place. Convert the raw files again."
        )
    ids, flags = read_array(h5, layout.map), read_array(h5, layout.flag)
    if (
        ids.ndim != 2
        or ids.shape != flags.shape
        or not ids.size
        or not np.issubdtype(ids.dtype, np.integer)
        or not np.issubdtype(flags.dtype, np.integer)
    ):
        raise InputFormatError(
            f"{path} is damaged: its beam map has the shape {ids.shape}, its flags {flags.shape}. Copy it again."
        )
    res_id = ids.astype(np.int64)
    doubts = []
    absent = (res_id < 0) | (res_id >= NO_RES_ID)
    zero = res_id == 0
    if np.count_nonzero(zero) > 1:
        # programs of 2019 and later wrote 0 where the map mentions no resonator
        first = np.zeros(zero.shape, bool)
        first.flat[np.flatnonzero(zero)[0]] = True
        absent |= zero & ~first
        doubts.append(
            f"{np.count_nonzero(zero)} pixels have resonator 0, which also stands for none: photons of it are at the "
            "first of them."
        )
    res_id = np.where(absent, NO_RES_ID, res_id)
    _, back, number = np.unique(res_id, return_inverse=True, return_counts=True)
    duplicate = (number[back].reshape(res_id.shape) > 1) & ~absent
    if duplicate.any():
        doubts.append(
            f"{np.count_nonzero(duplicate)} pixels share their resonators with others: all photons of one are at the "
            "first of its pixels."
        )
    source = header.beammap or str(path)
    nothing = np.full(res_id.shape, np.nan)
    beammap = Beammap(res_id.astype(np.uint32), np.zeros(res_id.shape, np.uint8), nothing, source)
    return _OlderMap(beammap, flags.astype(np.int64), duplicate, tuple(doubts))


def _with_codes(beammap: Beammap, flags: npt.NDArray[np.uint32]) -> Beammap:
    """Return a beam map with the codes that the flags tell; noDacTone where they tell nothing."""
    code = np.full(beammap.shape, _NO_TONE, np.uint8)
    for number in reversed(range(len(BEAMMAP_CODES))):
        code[(flags & beammap_code_to_flags(number)) > 0] = number
    return Beammap(beammap.res_id, code, beammap.frequency_mhz, beammap.source)


def _check_settings(path: Path, out: Path, baseline: str) -> None:
    if out.suffix != ".h5" or out.name.endswith(schema.SIDECAR_ENDING):
        raise ConfigError(
            f"{out}: the name of a photon file must end in .h5, not in {schema.SIDECAR_ENDING}."
        )
    if baseline not in (*schema.BASELINE_MODES, schema.UNKNOWN_BASELINE) or baseline == "keep":
        raise ConfigError(f"baseline must be ignore or subtract-median, not {baseline!r}.")
    if out.exists() and out.samefile(path):
        raise OutputError(f"{out} is the older file itself. Choose another name.")
