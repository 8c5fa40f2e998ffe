"""`ObsFile`: one observation, as a person would like to use it from a notebook.

Times are seconds from the start of the observation, wavelengths nm, phases degrees, intervals half-open. Detector
arrays are [x, y], shape (ncols, nrows). No flag excludes anything unless asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from pipeline_core import schema
from pipeline_core.beammap import Beammap
from pipeline_core.errors import CalibrationError, ConfigError, InputFormatError, SchemaVersionError
from pipeline_core.exposure import blind_intervals, live_time_us
from pipeline_core.hdf5 import (
    attribute,
    attribute_names,
    has_node,
    open_readonly,
    read_array,
    reading,
)
from pipeline_core.histograms import (
    IntensityHistogram,
    Spectrum,
    intensity_histogram,
    phase_histogram,
)
from pipeline_core.lightcurves import LightCurve, bin_edges_us, light_curve
from pipeline_core.photon_reader import BASELINE, PHASE, TIME, PhotonReader
from pipeline_core.progress import Progress, silent
from pipeline_core.sidecar import Action, Sidecar, load_sidecar, save_sidecar, sidecar_path

__all__ = ["ObsFile", "Source"]

Pixel = tuple[int, int]

_MODES = {"read": False, "r": False, "write": True, "w": True, "a": True}
_PHOTON = [("time", "u4"), ("phase", "f4"), ("wavelength", "f4"), ("weight", "f4")]
_NEEDED = (
    schema.PHOTON_TABLE,
    schema.INDEX_START,
    schema.INDEX_STOP,
    schema.BEAMMAP_MAP,
    schema.BEAMMAP_FLAG,
    f"{schema.MKID}/pixels",
)


@dataclass(frozen=True)
class Source:
    """What became of the words of one raw file (`second`: unix, in its name)."""

    second: int
    packets: int
    kept: int
    end_of_frame: int
    outside_array: int
    outside_window: int
    without_header: int
    spare_bytes: int


class ObsFile:
    """One photon file and its sidecar.

    Parameters
    ----------
    path : path
        A photon file ("mkid-photons").
    mode : {'read', 'write'}
        The photon file itself is never written to. ``'write'`` allows actions that change the sidecar.

    Raises
    ------
    InputFormatError
        Missing, damaged, or no photon file; the message says which and what to do.
    SchemaVersionError
        Written by a newer version.
    ConfigError
        Unknown mode.

    Notes
    -----
    To be used from the thread that made it. A context manager; `close` may be called twice.
    """

    def __init__(self, path: Path | str, mode: str = "read") -> None:
        if mode not in _MODES:
            raise ConfigError(f"mode must be 'read' or 'write', not {mode!r}.")
        self.path = Path(path).expanduser()
        self._writable = _MODES[mode]
        self._reader: PhotonReader | None = None
        self._recent: tuple[Pixel, npt.NDArray[np.void]] | None = None
        self._h5 = open_readonly(self.path)
        try:
            with reading(self.path):
                self._read_frame()
            self._sidecar_path = sidecar_path(self.path, self.file_id)
            self._sidecar = load_sidecar(self._sidecar_path, self.file_id)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ObsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        ncols, nrows = self.shape
        return f"<ObsFile {self.path.name}: {self.n_photons} photons, {ncols} x {nrows}, {self.exposure_s} s>"

    def close(self) -> None:
        """Release the file."""
        if self._reader is not None:
            self._reader.close()
        if self._h5.isopen:
            self._h5.close()

    # --- what the file says -------------------------------------------------------------------

    def _read_frame(self) -> None:
        """Read everything but photons."""
        h5, root = self._h5, self._h5.root
        if attribute(root, "format") != schema.FORMAT:
            raise _not_ours(self.path, h5)
        version = attribute(root, "version")
        if version not in schema.READABLE_VERSIONS:
            raise SchemaVersionError(
                f"{self.path} has photon-file version {version}; this program knows {schema.VERSION}. "
                "Update the program."
            )
        missing = [name for name in _NEEDED if not has_node(h5, name)]
        names = ("file_id", "camera", "start", "exposure", "baseline", "dead_time")
        missing += [name for name in names if name not in attribute_names(root)]
        if missing:
            raise InputFormatError(
                f"{self.path} is damaged: it has no {', '.join(missing)}. Convert the raw files again."
            )
        self.file_id = str(attribute(root, "file_id"))
        self.camera = str(attribute(root, "camera"))
        self.start_unix = int(attribute(root, "start") or 0)
        self.exposure_s = float(attribute(root, "exposure") or 0)
        self.baseline = str(attribute(root, "baseline"))
        self.software_version = str(attribute(root, "software_version"))
        self.dead_time_us = float(attribute(root, "dead_time") or 0)
        self._exposure_us = round(self.exposure_s * 1e6)
        self._table = h5.get_node(schema.PHOTON_TABLE)
        self.n_photons = int(self._table.nrows)
        self._start_row = read_array(h5, schema.INDEX_START)
        self._stop_row = read_array(h5, schema.INDEX_STOP)
        self.flags = read_array(h5, schema.BEAMMAP_FLAG).astype(np.uint32)
        self._check_index()

    def _check_index(self) -> None:
        """Refuse an index that does not fit the table: reads would go astray."""
        start, stop = self._start_row, self._stop_row
        order = np.argsort(start.ravel(), kind="stable")
        a, b = start.ravel()[order], stop.ravel()[order]
        fits = (
            start.shape == stop.shape == self.flags.shape
            and start.ndim == 2
            and start.size > 0
            and bool((a <= b).all())
            and int(a[0]) == 0
            and bool((np.sort(b)[:-1] == np.sort(a)[1:]).all())
            and int(b.max()) == self.n_photons
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

    @cached_property
    def beammap(self) -> Beammap:
        """Resonator and beam-map code of every pixel."""
        with reading(self.path):
            rows = read_array(self._h5, f"{schema.MKID}/pixels")
        res_id = np.zeros(self.shape, np.uint32)
        code = np.zeros(self.shape, np.uint8)
        frequency = np.full(self.shape, np.nan)
        x, y = rows["x"], rows["y"]
        res_id[x, y], code[x, y], frequency[x, y] = rows["resID"], rows["code"], rows["frequency"]
        return Beammap(res_id, code, frequency, str(self.path))

    @cached_property
    def gaps_us(self) -> npt.NDArray[np.int64]:
        """Intervals without any packet, half-open, us; shape (n, 2)."""
        with reading(self.path):
            gaps: npt.NDArray[np.int64] = read_array(self._h5, schema.GAPS)
        return gaps

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The raw files it was made from, with what became of their words."""
        with reading(self.path):
            rows = read_array(self._h5, f"{schema.MKID}/sources")
        return tuple(Source(*(int(value) for value in row.item())) for row in rows)

    @cached_property
    def lost_packets(self) -> dict[int, int]:
        """Packets lost on the network, by board."""
        with reading(self.path):
            rows = read_array(self._h5, f"{schema.MKID}/boards")
        return {int(row["board"]): int(row["lost"]) for row in rows}

    @property
    def is_wavelength_calibrated(self) -> bool:
        """Whether a wavelength solution is attached. Not yet possible: always False."""
        return False

    # --- photons ------------------------------------------------------------------------------

    def photons(
        self,
        pixel: Pixel | Sequence[Pixel],
        start: float | None = None,
        stop: float | None = None,
        min_wavelength: float | None = None,
        max_wavelength: float | None = None,
    ) -> npt.NDArray[np.void]:
        """Return the photons of one pixel or several.

        Parameters
        ----------
        pixel : (x, y) or sequence of (x, y)
        start, stop : float, optional
            Seconds from the start of the observation, ``start <= time < stop``; default: all.
        min_wavelength, max_wavelength : float, optional
            nm; need a wavelength calibration.

        Returns
        -------
        structured ndarray
            ``time`` (uint32, us), ``phase`` (float32, deg), ``wavelength`` (float32, nm, NaN without calibration),
            ``weight`` (float32); ``baseline`` (float32, deg) where it was kept; with a sequence of pixels also
            ``x``, ``y`` (uint16). In order of time within a pixel.

        Raises
        ------
        ConfigError
            Pixel outside the array, or an impossible time range.
        CalibrationError
            If a wavelength range is asked for and no calibration is attached.
        InputFormatError
            Damaged file.
        """
        if min_wavelength is not None or max_wavelength is not None:
            raise CalibrationError(
                f"{self.path} has no wavelength calibration, so photons cannot be chosen by wavelength. Leave the "
                "range open."
            )
        window = self._window(start, stop)
        if len(pixel) == 2 and not isinstance(pixel[0], Sequence):
            return self._photons_of(self._checked(cast(Pixel, pixel)), window)
        parts = []
        for one in cast("Sequence[Pixel]", pixel):
            x, y = self._checked(one)
            rows = self._photons_of((x, y), window)
            placed = np.empty(rows.size, [*rows.dtype.descr, ("x", "u2"), ("y", "u2")])
            for name in rows.dtype.names or ():
                placed[name] = rows[name]
            placed["x"], placed["y"] = x, y
            parts.append(placed)
        if parts:
            return np.concatenate(parts)
        return np.empty(0, [*self._photon_dtype(), ("x", "u2"), ("y", "u2")])

    def count_image(
        self,
        start: float | None = None,
        stop: float | None = None,
        exclude: int = 0,
        progress: Progress = silent,
    ) -> npt.NDArray[np.int64]:
        """Count the photons of every pixel: raw counts, exact.

        Parameters
        ----------
        start, stop : float, optional
            Seconds from the start of the observation, half-open; default: all.
        exclude : int
            Flag bits; pixels with any of them count 0. Nothing by default.
        progress : Progress
            Called while the file is read; may cancel.

        Returns
        -------
        ndarray of int64, shape (ncols, nrows)

        Raises
        ------
        ConfigError
            Impossible time range.
        InputFormatError
            Damaged file.
        """
        start_us, stop_us = self._window(start, stop)
        if (start_us, stop_us) == (0, self._exposure_us):
            image = self._stop_row - self._start_row
        else:
            counts = self._photon_reader().count_window(start_us, stop_us, progress)
            image = np.empty(self._stop_row.size, np.int64)
            image[self._order] = counts
            image = image.reshape(self.shape)
        if exclude:
            image = np.where(self.flags & np.uint32(exclude), 0, image)
        return image

    def light_curve(
        self,
        pixel: Pixel,
        bin_s: float = 0.01,
        start: float | None = None,
        stop: float | None = None,
    ) -> LightCurve:
        """Bin one pixel's photons in time; see `LightCurve`.

        Parameters
        ----------
        pixel : (x, y)
        bin_s : float
            Width of a bin in s; rounded to us. The last bin ends at `stop` and may be shorter.
        start, stop : float, optional
            As for `photons`.

        Raises
        ------
        ConfigError
            Pixel outside the array, impossible time range or bin.
        InputFormatError
            Damaged file.
        """
        start_us, stop_us = self._window(start, stop)
        edges = bin_edges_us(start_us, stop_us, bin_s)
        pixel = self._checked(pixel)
        times = self._all_photons(pixel)["time"]
        gaps = blind_intervals(self.gaps_us)
        blind = blind_intervals(self.gaps_us, times, self.dead_time_us)
        return light_curve(pixel, times, edges, round(bin_s * 1e6) / 1e6, gaps, blind)

    def intensity_histogram(
        self,
        pixel: Pixel,
        bin_s: float = 0.01,
        start: float | None = None,
        stop: float | None = None,
    ) -> IntensityHistogram:
        """Count how often a bin of `bin_s` held 0, 1, 2, ... photons; see `IntensityHistogram`.

        Parameters and errors as for `light_curve`.
        """
        return intensity_histogram(self.light_curve(pixel, bin_s, start, stop))

    def spectrum(
        self,
        pixel: Pixel,
        start: float | None = None,
        stop: float | None = None,
        bin_deg: float = 1.0,
    ) -> Spectrum:
        """Histogram one pixel's phases: the spectrum of a file that is not wavelength-calibrated.

        Parameters
        ----------
        pixel : (x, y)
        start, stop : float, optional
            As for `photons`.
        bin_deg : float
            Width of a bin in degrees; edges are its multiples.

        Raises
        ------
        ConfigError
            Pixel outside the array, impossible time range or bin.
        InputFormatError
            Damaged file.
        """
        pixel = self._checked(pixel)
        phases = self._photons_of(pixel, self._window(start, stop))["phase"]
        return phase_histogram(pixel, phases, bin_deg)

    def live_time(
        self,
        pixel: Pixel | None = None,
        start: float | None = None,
        stop: float | None = None,
        *,
        dead_time: bool = True,
    ) -> float | npt.NDArray[np.float64]:
        """Return how long a pixel was alive, or all of them.

        Parameters
        ----------
        pixel : (x, y), optional
            Default: all pixels.
        start, stop : float, optional
            As for `photons`.
        dead_time : bool
            Whether the dead time after each photon counts as not alive. For one pixel it is exact; for the whole
            array, photons are taken to be at least a dead time apart and away from gaps and ends.

        Returns
        -------
        float, or ndarray of float64 with shape (ncols, nrows)
            Seconds.
        """
        start_us, stop_us = self._window(start, stop)
        edges = np.array([start_us, stop_us])
        dead_time_us = self.dead_time_us if dead_time else 0.0
        if pixel is not None:
            times = self._all_photons(self._checked(pixel))["time"]
            return float(
                live_time_us(edges, blind_intervals(self.gaps_us, times, dead_time_us))[0] / 1e6
            )
        open_us = float(live_time_us(edges, blind_intervals(self.gaps_us))[0])
        if not dead_time_us:
            return np.full(self.shape, open_us / 1e6)
        dead_us = np.multiply(self.count_image(start, stop), dead_time_us, dtype=np.float64)
        return (open_us - dead_us) / 1e6

    # --- the sidecar --------------------------------------------------------------------------

    @property
    def history(self) -> tuple[Action, ...]:
        """Everything that was done to this observation since its photons were recorded."""
        return self._sidecar.history

    @property
    def annotations(self) -> tuple[str, ...]:
        """Notes attached to the observation."""
        return self._sidecar.annotations

    @property
    def sidecar(self) -> Path:
        """Where what may change is kept: beside the photon file, or in the user's data folder."""
        return self._sidecar_path

    def annotate(self, text: str) -> ObsFile:
        """Attach a note; returns the observation. Needs ``mode="write"``."""
        self._save(self._sidecar.annotated(text))
        return self

    def undo(self, kind: str | None = None) -> ObsFile:
        """Take back the newest action, or the newest of one kind; returns the observation.

        Raises
        ------
        CalibrationError
            If there is nothing to take back.
        """
        self._save(self._sidecar.undone(kind))
        return self

    def _save(self, changed: Sidecar) -> None:
        if not self._writable:
            raise ConfigError(
                f'{self.path} is open for reading. Open it with mode="write" to change it.'
            )
        self._sidecar = save_sidecar(self._sidecar_path, changed)

    # --- helpers ------------------------------------------------------------------------------

    @cached_property
    def _order(self) -> npt.NDArray[np.int64]:
        """Flat pixel indices in the order of the photon table."""
        # pixels without photons may stand anywhere among equal rows
        return np.lexsort((self._stop_row.ravel(), self._start_row.ravel())).astype(np.int64)

    def _photon_reader(self) -> PhotonReader:
        if not self._h5.isopen:
            raise ConfigError(f"{self.path} has been closed. Open it again.")
        if self._reader is None:
            self._reader = PhotonReader(self.path, self._table, self._stop_row.ravel()[self._order])
        return self._reader

    def _checked(self, pixel: Sequence[int]) -> Pixel:
        ncols, nrows = self.shape
        x, y = (int(v) for v in pixel)
        if not (0 <= x < ncols and 0 <= y < nrows):
            raise ConfigError(
                f"Pixel ({x}, {y}) is outside the array: x 0..{ncols - 1}, y 0..{nrows - 1}."
            )
        return x, y

    def _window(self, start: float | None, stop: float | None) -> tuple[int, int]:
        """Return a time range in us; it must be inside the observation and not empty."""
        begin = 0.0 if start is None else float(start)
        end = self.exposure_s if stop is None else float(stop)
        if not (np.isfinite(begin) and np.isfinite(end)):
            raise ConfigError("A time range needs numbers of seconds.")
        start_us, stop_us = round(begin * 1e6), round(end * 1e6)
        if not 0 <= start_us < stop_us <= self._exposure_us:
            raise ConfigError(
                f"Time range {begin:g} to {end:g} s: it must satisfy 0 <= start < stop <= {self.exposure_s:g} s."
            )
        return start_us, stop_us

    def _photon_dtype(self) -> list[tuple[str, str]]:
        return [*_PHOTON, ("baseline", "f4")] if self.baseline == "keep" else _PHOTON

    def _all_photons(self, pixel: Pixel) -> npt.NDArray[np.void]:
        """Return all photons of a pixel, read-only; the pixel asked for last is kept."""
        if self._recent is not None and self._recent[0] == pixel:
            return self._recent[1]
        columns = (TIME, PHASE, BASELINE) if self.baseline == "keep" else (TIME, PHASE)
        first, stop = int(self._start_row[pixel]), int(self._stop_row[pixel])
        values = self._photon_reader().rows(first, stop, columns)
        rows = np.empty(stop - first, self._photon_dtype())
        rows["time"], rows["phase"] = values[0], values[1].view(np.float32)
        rows["wavelength"], rows["weight"] = np.nan, 1.0
        if self.baseline == "keep":
            rows["baseline"] = values[2].view(np.float32)
        rows.setflags(write=False)
        self._recent = (pixel, rows)
        return rows

    def _photons_of(self, pixel: Pixel, window: tuple[int, int]) -> npt.NDArray[np.void]:
        rows = self._all_photons(pixel)
        first, stop = np.searchsorted(rows["time"], np.array(window, np.uint64))
        return rows[first:stop].copy()


def _not_ours(path: Path, h5: object) -> InputFormatError:
    """Explain what kind of HDF5 file this is, if not ours."""
    older = any(name in h5 for name in ("/Photons", "/photons"))  # type: ignore[operator]
    if older:
        return InputFormatError(
            f"{path} has the layout of an older program, which cannot be opened yet. Convert its raw .bin files with "
            "'python -m pipeline_core convert'."
        )
    return InputFormatError(f"{path} is an HDF5 file, but holds no photons. Choose a photon file.")
