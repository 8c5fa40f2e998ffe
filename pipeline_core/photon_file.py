"""What is stored in a photon file: read once, checked, handed out as values and photons.

`ObsFile` is the face that people use; it has one of these inside. Times are integer microseconds here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tables

from pipeline_core import schema
from pipeline_core.beammap import Beammap
from pipeline_core.binning import make_sense
from pipeline_core.chunk_places import read_places
from pipeline_core.errors import (
    ConfigError,
    InputFormatError,
    OlderLayoutError,
    SchemaVersionError,
)
from pipeline_core.hdf5 import (
    attribute,
    attribute_names,
    has_node,
    open_readonly,
    plain_group,
    plain_node,
    read_array,
    read_rows,
    reading,
)
from pipeline_core.photon_kernels import ChunkOfRows
from pipeline_core.photon_reader import (
    BASELINE,
    NOISE_WEIGHT,
    PHASE,
    SPEC_WEIGHT,
    TIME,
    PhotonReader,
)
from pipeline_core.progress import Progress, silent
from pipeline_core.selection import Pixel
from pipeline_core.summaries import Summary

__all__ = ["PhotonFile", "Source"]

_PHOTON = [("time", "u4"), ("phase", "f4"), ("wavelength", "f4"), ("weight", "f4")]
_LARGEST = {"start": 1e18, "exposure": 200_000.0, "dead_time": 1e6}
"""Of the attributes that are numbers: unix s, s, us."""
_ATTRIBUTES = ("file_id", "camera", "start", "exposure", "baseline", "dead_time")
_NODES = (
    schema.PHOTON_TABLE,
    schema.INDEX_START,
    schema.INDEX_STOP,
    schema.BEAMMAP_MAP,
    schema.BEAMMAP_FLAG,
    f"{schema.MKID}/pixels",
)


@dataclass(frozen=True)
class Source:
    """What became of the words of one raw file (`second`: unix, in its name).

    ``8 * (packets + all words) + spare_bytes + skipped_bytes`` is the size of the file. Photon files of the first weeks
    do not tell the last two, which are 0 then.
    """

    second: int
    packets: int
    kept: int
    end_of_frame: int
    outside_array: int
    outside_window: int
    without_header: int
    spare_bytes: int
    skipped_bytes: int = 0
    resyncs: int = 0


class PhotonFile:
    """An open photon file ("mkid-photons"). Opened for reading only; use from one thread.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    file_id, camera, baseline, software_version : str
    start_unix, exposure_us, n_photons : int
    dead_time_us : float
    flags : ndarray of uint32, shape (ncols, nrows)
    stored_nm : ndarray of float64, shape (ncols, nrows, 2), or None
        Shortest and longest wavelength of the pixels whose photons have wavelengths in the place of phases; NaN in the
        others. None: all have phases.
    has_weights : bool
        Whether photons have weights of their own, which an older program gave them.

    Raises
    ------
    InputFormatError
        Missing, damaged, or no photon file; the message says which and what to do.
    SchemaVersionError
        Written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._reader: PhotonReader | None = None
        self._h5 = open_readonly(self.path)
        try:
            with reading(path):
                self._check_kind()
                self._read_facts()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the file; may be called twice."""
        if self._reader is not None:
            self._reader.close()
        if self._h5.isopen:
            self._h5.close()

    def _check_kind(self) -> None:
        root = self._h5.root
        if attribute(root, "format") != schema.FORMAT:
            raise _not_ours(self.path, self._h5)
        version = attribute(root, "version")
        if version not in schema.READABLE_VERSIONS:
            raise SchemaVersionError(
                f"{self.path} has photon-file version {version}; this program knows {schema.VERSION}. "
                "Update the program."
            )
        missing = [name for name in _NODES if not has_node(self._h5, name)]
        missing += [name for name in _ATTRIBUTES if name not in attribute_names(root)]
        if missing:
            raise InputFormatError(
                f"{self.path} is damaged: it has no {', '.join(missing)}. Convert the raw files again."
            )

    def _read_facts(self) -> None:
        h5, root = self._h5, self._h5.root
        self.file_id = str(attribute(root, "file_id"))
        self.camera = str(attribute(root, "camera"))
        self.start_unix = int(self._number("start"))
        self.exposure_us = round(self._number("exposure") * 1e6)
        self.baseline = str(attribute(root, "baseline"))
        self.software_version = str(attribute(root, "software_version"))
        self.dead_time_us = self._number("dead_time")
        self.has_weights = attribute(plain_group(h5, schema.MKID), "weights") == "stored"
        self.stored_nm = self._stored_nm()
        self._table = plain_node(h5, schema.PHOTON_TABLE)
        if self._table.dtype != schema.photon_dtype(with_baseline=self.has_baseline):
            raise InputFormatError(
                f"{self.path} is damaged: its photon table has other columns than format {schema.FORMAT}. Convert the "
                "raw files again."
            )
        self.n_photons = int(self._table.nrows)
        whole = np.dtype(np.int64)
        self._start_row = read_rows(h5, schema.INDEX_START, whole)
        self._stop_row = read_rows(h5, schema.INDEX_STOP, whole)
        self.flags = read_rows(h5, schema.BEAMMAP_FLAG, whole).astype(np.uint32)
        self._check_index()
        # pixels without photons may stand anywhere among equal rows
        order = np.lexsort((self._stop_row.ravel(), self._start_row.ravel()))
        self._order: npt.NDArray[np.int64] = order.astype(np.int64)
        places = read_places(h5, self._table)
        stops = self._stop_row.ravel()[self._order]
        self._reader = PhotonReader(self.path, self._table, stops, places)

    def _stored_nm(self) -> npt.NDArray[np.float64] | None:
        if not has_node(self._h5, schema.STORED_NM):
            return None
        limits: npt.NDArray[np.float64] = read_array(self._h5, schema.STORED_NM)
        flags = plain_node(self._h5, schema.BEAMMAP_FLAG)
        if limits.shape != (*flags.shape, 2) or limits.dtype != np.float64:
            raise InputFormatError(
                f"{self.path} is damaged: its ranges of wavelengths do not fit its pixels. Bring it in again."
            )
        return limits

    def _number(self, name: str) -> float:
        value = attribute(self._h5.root, name)
        if not isinstance(value, (int, float)) or not 0 <= value <= _LARGEST[name]:
            raise InputFormatError(
                f"{self.path} is damaged: its attribute {name} is no number, or an impossible one. Convert the raw "
                "files again."
            )
        return value

    def _check_index(self) -> None:
        """Refuse an index that does not fit the table: reads would go astray."""
        start, stop = self._start_row, self._stop_row
        a, b = np.sort(start, axis=None), np.sort(stop, axis=None)
        fits = (
            start.shape == stop.shape == self.flags.shape
            and start.ndim == 2
            and start.size > 0
            and bool((start <= stop).all())
            and int(a[0]) == 0
            and bool((b[:-1] == a[1:]).all())
            and int(b[-1]) == self.n_photons
        )
        if not fits:
            raise InputFormatError(
                f"{self.path} is damaged: its pixel index does not fit its {self.n_photons} photons. Convert the raw "
                "files again."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(ncols, nrows)."""
        ncols, nrows = self.flags.shape
        return ncols, nrows

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """All photons of every pixel, from the index alone; shape (ncols, nrows)."""
        counts: npt.NDArray[np.int64] = self._stop_row - self._start_row
        return counts

    @property
    def has_baseline(self) -> bool:
        """Whether each photon's baseline was kept."""
        return self.baseline == "keep"

    @property
    def photon_dtype(self) -> list[tuple[str, str]]:
        """Fields of the photons that `photons` returns."""
        return [*_PHOTON, ("baseline", "f4")] if self.has_baseline else _PHOTON

    @cached_property
    def beammap(self) -> Beammap:
        """Resonator and beam-map code of every pixel."""
        with reading(self.path):
            rows = read_rows(self._h5, f"{schema.MKID}/pixels", schema.PIXEL_DTYPE)
        ncols, nrows = self.shape
        if (rows["x"] >= ncols).any() or (rows["y"] >= nrows).any():
            raise InputFormatError(
                f"{self.path} is damaged: its list of pixels has some outside the array. Convert the raw files again."
            )
        res_id = np.zeros(self.shape, np.uint32)
        code = np.zeros(self.shape, np.uint8)
        frequency = np.full(self.shape, np.nan)
        x, y = rows["x"], rows["y"]
        res_id[x, y], code[x, y], frequency[x, y] = rows["resID"], rows["code"], rows["frequency"]
        return Beammap(res_id, code, frequency, str(self.path))

    @cached_property
    def origin(self) -> dict[str, Any]:
        """What the older file said of itself from which this one was made; {} if it was made from raw files."""
        with reading(self.path):
            if not has_node(self._h5, schema.ORIGIN):
                return {}
            text = np.asarray(read_array(self._h5, schema.ORIGIN))
        try:
            found = json.loads(bytes(text.item()))
        except (ValueError, TypeError):
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def gaps_us(self) -> npt.NDArray[np.int64]:
        """Intervals without any packet, half-open, us; shape (n, 2)."""
        with reading(self.path):
            gaps: npt.NDArray[np.int64] = read_rows(self._h5, schema.GAPS, np.dtype(np.int64))
        flat = gaps.ravel()
        whole = (0, *flat, self.exposure_us)
        if gaps.shape != (flat.size // 2, 2) or (np.diff(whole) < 0).any():
            raise InputFormatError(
                f"{self.path} is damaged: its gaps are no intervals of its exposure. Convert the raw files again."
            )
        return gaps

    @cached_property
    def summary(self) -> Summary | None:
        """Count summaries, which files of many photons have."""
        self._photon_reader()
        with reading(self.path):
            return Summary.of(self._h5, self.exposure_us, self.shape)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The raw files it was made from, with what became of their words."""
        with reading(self.path):
            kinds = (schema.SOURCE_DTYPE, schema.FIRST_SOURCE_DTYPE)
            rows = read_rows(self._h5, f"{schema.MKID}/sources", *kinds)
        known = {item.name for item in fields(Source)}
        names = [name for name in rows.dtype.names or () if name in known]
        return tuple(Source(**{name: int(row[name]) for name in names}) for row in rows)

    @cached_property
    def moved_photons(self) -> int | None:
        """Photons whose times were repaired (`earlyticks`); None where none were looked for."""
        with reading(self.path):
            value = attribute(self._h5.get_node(schema.MKID), schema.MOVED_PHOTONS)
        return value if isinstance(value, int) else None

    @cached_property
    def lost_packets(self) -> dict[int, int]:
        """Packets lost on the network, by board."""
        with reading(self.path):
            rows = read_rows(self._h5, f"{schema.MKID}/boards", schema.BOARD_DTYPE)
        return {int(row["board"]): int(row["lost"]) for row in rows}

    def columns(self, pixel: Pixel) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
        """Return times (us) and phases (deg) of all photons of a pixel (inside the array), in order of time.

        Raises
        ------
        InputFormatError
            Damaged chunk, or photons that make no sense.
        """
        times, bits = self._column_bits(pixel, (TIME, PHASE))
        phases = bits.view(np.float32)
        # older programs have stored wavelengths that are no numbers: no kernel of phases sees them
        stored = self.stored_nm is not None and bool(np.isfinite(self.stored_nm[pixel]).all())
        numbers = np.zeros_like(phases) if stored else phases
        if times.size and not make_sense(times, numbers, self.exposure_us):
            raise InputFormatError(
                f"{self.path} is damaged: photons of pixel {pixel} are not in order of time, after the end at "
                f"{self.exposure_us / 1e6:g} s, or no numbers. Copy the file again, or convert the raw files again."
            )
        return times, phases

    def baselines(self, pixel: Pixel) -> npt.NDArray[np.float32]:
        """Return the baselines (deg) of all photons of a pixel, where they were kept; as `columns`."""
        return self._column_bits(pixel, (BASELINE,))[0].view(np.float32)

    def weights(self, pixel: Pixel) -> npt.NDArray[np.float32]:
        """Return the weights of all photons of a pixel that are stored with them; as `columns`."""
        spec, noise = self._column_bits(pixel, (SPEC_WEIGHT, NOISE_WEIGHT))
        product: npt.NDArray[np.float32] = spec.view(np.float32) * noise.view(np.float32)
        return product

    def first_row(self, pixel: Pixel) -> int:
        """Return where in the table a pixel's photons begin: reads in this order are quickest."""
        return int(self._start_row[pixel])

    def _column_bits(
        self, pixel: Pixel, columns: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.uint32], ...]:
        first, stop = int(self._start_row[pixel]), int(self._stop_row[pixel])
        return self._photon_reader().rows(first, stop, columns)

    def count_window(
        self,
        start_us: int,
        stop_us: int,
        phase_deg: tuple[float, float],
        progress: Progress = silent,
    ) -> npt.NDArray[np.int64]:
        """Count each pixel's photons in half-open windows of time and phase; shape (ncols, nrows).

        Where the ends are on the grid of the summaries, no photon is read.

        Raises
        ------
        InputFormatError
            Damaged chunk.
        """
        all_times = (start_us, stop_us) == (0, self.exposure_us)
        if all_times and phase_deg == (-np.inf, np.inf):
            return self.counts
        if self.summary is not None:
            with reading(self.path):
                found = self.summary.image(start_us, stop_us, phase_deg)
            if found is not None:
                return found
        counts = self._photon_reader().count_window(start_us, stop_us, phase_deg, progress)
        image = np.empty(self._stop_row.size, np.int64)
        image[self._order] = counts
        return image.reshape(self.shape)

    def each_chunk(
        self,
        work: Callable[[int, ChunkOfRows], None],
        progress: Progress = silent,
        stage: str = "reading photons",
    ) -> None:
        """Go through the whole file in threads; see `PhotonReader.each_chunk`. Pixels are in the order of `order`."""
        self._photon_reader().each_chunk(work, progress, stage)

    @property
    def times_in_memory(self) -> npt.NDArray[np.uint32] | None:
        """Times (us) of all photons in the order of the file, if a survey has kept them."""
        return self._photon_reader().times_in_memory

    @property
    def stops(self) -> npt.NDArray[np.int64]:
        """Last row + 1 of each pixel, in the order of the file."""
        return self._stop_row.ravel()[self._order]

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """Flat number ``x * nrows + y`` of each pixel in the order of the file."""
        return self._order

    def keep_times(self, progress: Progress = silent) -> None:
        """Read the times of all photons into memory, if they may be there; see `PhotonReader.keep_times`."""
        self._photon_reader().keep_times(progress)

    def survey(
        self, edges_us: npt.NDArray[np.int64], progress: Progress = silent
    ) -> tuple[npt.NDArray[np.uint32], float, float]:
        """Count each pixel's photons up to each edge, and find the lowest and the highest phase (NaN for none).

        Returns
        -------
        planes : ndarray of uint32, shape (n_edges, ncols, nrows)
            Photons with ``edges_us[0] <= time < edges_us[k]``.
        lowest, highest : float
            Degrees.

        Raises
        ------
        InputFormatError
            Damaged chunk.
        """
        counts, lowest, highest = self._photon_reader().survey(edges_us, progress)
        planes = np.zeros((edges_us.size, self._order.size), np.uint32)
        planes[1:, self._order] = np.cumsum(counts, axis=1, dtype=np.uint32, out=counts).T
        if lowest > highest:
            lowest = highest = np.nan
        return planes.reshape(edges_us.size, *self.shape), lowest, highest

    def count_bins(
        self, edges_us: npt.NDArray[np.int64], progress: Progress = silent
    ) -> npt.NDArray[np.uint32]:
        """Count each pixel's photons in bins of time; see `PhotonReader.count_bins`. Shape (ncols, nrows, n_bins)."""
        counts = self._photon_reader().count_bins(edges_us, progress)
        found = np.empty_like(counts)
        found[self._order] = counts
        return found.reshape(*self.shape, -1)

    def _photon_reader(self) -> PhotonReader:
        if self._reader is None or not self._h5.isopen:
            raise ConfigError(f"{self.path} has been closed. Open it again.")
        return self._reader


def _not_ours(path: Path, h5: tables.File) -> InputFormatError:
    """Explain what kind of HDF5 file this is, if not ours."""
    if any(has_node(h5, name) for name in ("/Photons", "/photons")):
        return OlderLayoutError(
            f"{path} was written by an older program. It can be looked at, but not changed or used for "
            "calibrations: bring it in first with 'python -m pipeline_core convert OLD.h5 --out NEW.h5'."
        )
    return InputFormatError(f"{path} is an HDF5 file, but holds no photons. Choose a photon file.")
