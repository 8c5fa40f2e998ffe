"""The sidecar `<start>.cal.h5`: all about an observation that may change. Raw photons never do.

Always rewritten whole, under a lock and with a revision number, so that two programs cannot lose each other's
work. It holds the history, annotations, and a copy of each calibration that the history says is attached or can come
back by undoing.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tables

from pipeline_core import __version__, schema
from pipeline_core.atomic import write_aside
from pipeline_core.calibration import WavelengthCalibration
from pipeline_core.errors import (
    CalibrationError,
    ConfigError,
    InputFormatError,
    OutputError,
    SchemaVersionError,
    SidecarConflictError,
    SlotOccupiedError,
)
from pipeline_core.flatfield import FlatCalibration
from pipeline_core.hdf5 import (
    attribute,
    child_names,
    open_readonly,
    read_rows,
    reading,
    writing,
)
from pipeline_core.locks import locked
from pipeline_core.masks import PixelMask, TimeMask
from pipeline_core.records import read_record, write_record

__all__ = ["Action", "Sidecar", "load_sidecar", "save_sidecar", "sidecar_path"]

_DETAIL_BYTES = schema.HISTORY_DTYPE["detail"].itemsize
_DETAIL_CHARACTERS = _DETAIL_BYTES // 4  # of any language
_WAVECALS = "/slots/wavecal"
_FLATCALS = "/slots/flatcal"
_PIXEL_MASKS = "/slots/badpixels"
_TIME_MASKS = "/slots/timemask"
_ROW = "row_"

T = TypeVar("T")


@dataclass(frozen=True)
class Action:
    """One row of the history. `time` is unix seconds (UTC); `undone` marks what was taken back."""

    time: float
    action: str
    kind: str
    detail: str
    software: str
    undone: bool = False


@dataclass(frozen=True)
class Sidecar:
    """What the sidecar of one photon file says. Edits return a new one; `save_sidecar` makes them last.

    Attributes
    ----------
    file_id : str
        Of the photon file it belongs to.
    revision : int
        Counts the times it was saved; 0 has never been.
    history : tuple of Action
        Oldest first.
    wavecals : tuple of (int, WavelengthCalibration)
        With their rows of the history. The last one is attached; others come back if it is taken back.
    flatcals : tuple of (int, FlatCalibration)
        The same of flat fields.
    pixel_masks : tuple of (int, PixelMask)
    time_masks : tuple of (int, TimeMask)
        With their rows of the history. All of them are attached.
    """

    file_id: str
    revision: int = 0
    history: tuple[Action, ...] = ()
    wavecals: tuple[tuple[int, WavelengthCalibration], ...] = ()
    flatcals: tuple[tuple[int, FlatCalibration], ...] = ()
    pixel_masks: tuple[tuple[int, PixelMask], ...] = ()
    time_masks: tuple[tuple[int, TimeMask], ...] = ()

    @property
    def wavecal(self) -> WavelengthCalibration | None:
        """The wavelength calibration that is attached."""
        return self.wavecals[-1][1] if self.wavecals else None

    @property
    def flatcal(self) -> FlatCalibration | None:
        """The flat field that is attached."""
        return self.flatcals[-1][1] if self.flatcals else None

    @property
    def annotations(self) -> tuple[str, ...]:
        """Texts that were attached and not taken back, oldest first."""
        return tuple(a.detail for a in self.history if a.action == "annotate" and not a.undone)

    def annotated(self, text: str) -> Sidecar:
        """Return the sidecar with one more annotation.

        Raises
        ------
        ConfigError
            If the text is empty or longer than a row of the history holds.
        """
        if not text.strip():
            raise ConfigError("An annotation must not be empty.")
        if len(text.encode()) > _DETAIL_BYTES:
            raise ConfigError(
                f"An annotation may be {_DETAIL_BYTES} bytes long at most; shorten it."
            )
        return dataclasses.replace(
            self, history=(*self.history, _action("annotate", "annotation", text))
        )

    def with_wavecal(self, wavecal: WavelengthCalibration, *, replace: bool) -> Sidecar:
        """Return the sidecar with a wavelength calibration attached; the same one again changes nothing.

        Raises
        ------
        CalibrationError
            If another one is attached and is not to be replaced.
        """
        before = self.wavecal
        if before is not None and before.solution_id == wavecal.solution_id:
            return self
        if self.flatcal is not None:
            raise CalibrationError(_depends(self.flatcal, "be replaced"))
        if before is not None and not replace:
            raise SlotOccupiedError(
                f"Solution {before.solution_id} ({before.source}) is attached already; {wavecal.source} is solution "
                f"{wavecal.solution_id}. Undo the wavecal first, or ask to replace it."
            )
        detail = f"{Path(wavecal.source).name} (solution {wavecal.solution_id})"
        if before is not None:
            detail += f", in place of {Path(before.source).name} (solution {before.solution_id})"
        rows = (*self.history, _action("apply", "wavecal", detail[:_DETAIL_CHARACTERS]))
        wavecals = (*self.wavecals, (len(self.history), wavecal))
        return dataclasses.replace(self, history=rows, wavecals=wavecals)

    def with_mask(self, mask: PixelMask | TimeMask, detail: str) -> Sidecar:
        """Return the sidecar with one more mask attached; the same solution once more changes nothing."""
        pixels = isinstance(mask, PixelMask)
        slot = "pixel_masks" if pixels else "time_masks"
        before: tuple[tuple[int, PixelMask | TimeMask], ...] = getattr(self, slot)
        if mask.solution_id and any(one.solution_id == mask.solution_id for _, one in before):
            return self
        action = "unmask" if mask.clears else "apply" if mask.solution_id else "mask"
        kind = "badpixels" if pixels else "timemask"
        row = _action(action, kind, detail[:_DETAIL_CHARACTERS])
        changes: dict[str, Any] = {slot: (*before, (len(self.history), mask))}
        return dataclasses.replace(self, history=(*self.history, row), **changes)

    def with_flatcal(self, flatcal: FlatCalibration, *, replace: bool) -> Sidecar:
        """Return the sidecar with a flat field attached; the same one again changes nothing.

        Raises
        ------
        CalibrationError
            If another one is attached and is not to be replaced.
        """
        before = self.flatcal
        if before is not None and before.solution_id == flatcal.solution_id:
            return self
        if before is not None and not replace:
            raise SlotOccupiedError(
                f"Flat field {before.solution_id} ({before.source}) is attached already; {flatcal.source} is "
                f"{flatcal.solution_id}. Undo the flatcal first, or ask to replace it."
            )
        detail = f"{Path(flatcal.source).name} (solution {flatcal.solution_id})"
        if flatcal.forced:
            detail += f", forced: it was made with wavelength solution {flatcal.wavecal_id}"
        if before is not None:
            detail += f", in place of {Path(before.source).name} (solution {before.solution_id})"
        rows = (*self.history, _action("apply", "flatcal", detail[:_DETAIL_CHARACTERS]))
        flatcals = (*self.flatcals, (len(self.history), flatcal))
        return dataclasses.replace(self, history=rows, flatcals=flatcals)

    def undone(self, kind: str | None = None, *, cascade: bool = False) -> Sidecar:
        """Return the sidecar without its newest action, its newest annotation, or any ``'wavecal'`` or ``'flatcal'``.

        Taking back the newest action brings back what it had replaced.

        Parameters
        ----------
        kind : str, optional
        cascade : bool
            Whether a wavelength calibration takes the flat field that depends on it along.

        Raises
        ------
        CalibrationError
            If there is nothing to take back, or a flat field depends on it.
        """
        if kind == "wavecal" and self.wavecals and self.flatcal is not None:
            if not cascade:
                raise CalibrationError(_depends(self.flatcal, "be taken back"))
            return self.undone("flatcal").undone("wavecal")
        places = [
            place
            for place, action in enumerate(self.history)
            if not action.undone and kind in (None, action.kind)
        ]
        if not places:
            what = f"no {kind}" if kind else "nothing"
            raise CalibrationError(f"There is {what} to undo: see the history of the observation.")
        if kind not in ("wavecal", "flatcal"):
            places = places[-1:]
        rows = list(self.history)
        for place in places:
            rows[place] = dataclasses.replace(rows[place], undone=True)
        return dataclasses.replace(
            self,
            history=tuple(rows),
            wavecals=tuple(one for one in self.wavecals if one[0] not in places),
            flatcals=tuple(one for one in self.flatcals if one[0] not in places),
            pixel_masks=tuple(one for one in self.pixel_masks if one[0] not in places),
            time_masks=tuple(one for one in self.time_masks if one[0] not in places),
        )


def _depends(flatcal: FlatCalibration, what: str) -> str:
    return (
        f"The wavelength calibration cannot {what}: flat field {flatcal.solution_id} ({flatcal.source}) depends on it. "
        'Undo the flatcal first, or, to undo both, undo "wavecal" with cascade.'
    )


def _action(action: str, kind: str, detail: str) -> Action:
    return Action(time.time(), action, kind, detail, f"quicklook {__version__}")


def sidecar_path(photon_file: Path, file_id: str) -> Path:
    """Return where the sidecar of a photon file is, or would be written.

    Beside the photon file; where that folder is read-only, in the user's data folder. Of a link to a photon file that
    has no sidecar beside it, the one beside the file itself.
    """
    beside = photon_file.with_name(f"{photon_file.stem}{schema.SIDECAR_ENDING}")
    real = Path(os.path.realpath(photon_file))
    beside_real = real.with_name(f"{real.stem}{schema.SIDECAR_ENDING}")
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    elsewhere = Path(data_home) / "quicklook" / "sidecars" / f"{file_id}{schema.SIDECAR_ENDING}"
    for one in (beside, beside_real):
        if one.exists():
            return one
    if elsewhere.exists() or not os.access(photon_file.parent, os.W_OK):
        return elsewhere
    return beside


def load_sidecar(path: Path, file_id: str) -> Sidecar:
    """Read a sidecar; a missing one means that nothing was ever attached.

    Raises
    ------
    InputFormatError
        If it is no sidecar, is damaged, or belongs to another photon file.
    SchemaVersionError
        If a newer version wrote it.
    """
    if not path.exists():
        return Sidecar(file_id)
    h5 = open_readonly(path)
    try:
        with reading(path):
            if attribute(h5.root, "format") != schema.SIDECAR_FORMAT:
                raise InputFormatError(
                    f"{path} is not a sidecar of a photon file. Move it elsewhere."
                )
            version = attribute(h5.root, "version")
            if version not in schema.READABLE_SIDECAR_VERSIONS:
                raise SchemaVersionError(
                    f"{path} has sidecar version {version}; this program knows {schema.SIDECAR_VERSION}. "
                    "Update the program."
                )
            owner = attribute(h5.root, "file_id")
            if owner != file_id:
                raise InputFormatError(
                    f"{path} belongs to another photon file (id {owner}, not {file_id}): a file was replaced or "
                    "renamed. Move the sidecar away, or restore the photon file."
                )
            revision = attribute(h5.root, "revision")
            if not isinstance(revision, int) or revision < 1:
                raise InputFormatError(
                    f"{path} is damaged: its revision is no number. Restore it from a copy, or move it away."
                )
            rows = read_rows(h5, "/history", schema.HISTORY_DTYPE)
            slots: dict[str, Any] = {
                "wavecals": _read_slot(h5, _WAVECALS, WavelengthCalibration),
                "flatcals": _read_slot(h5, _FLATCALS, FlatCalibration),
                "pixel_masks": _read_slot(h5, _PIXEL_MASKS, PixelMask),
                "time_masks": _read_slot(h5, _TIME_MASKS, TimeMask),
            }
    finally:
        h5.close()
    try:
        history = tuple(
            Action(
                float(row["time"]),
                bytes(row["action"]).decode(),
                bytes(row["kind"]).decode(),
                bytes(row["detail"]).decode(),
                bytes(row["software"]).decode(),
                bool(row["undone"]),
            )
            for row in rows
        )
    except UnicodeDecodeError as error:
        raise InputFormatError(
            f"{path} is damaged: its history is no text. Restore it from a copy, or move it away."
        ) from error
    return Sidecar(file_id, revision, history, **slots)


def save_sidecar(path: Path, sidecar: Sidecar, inside: Sidecar | None = None) -> Sidecar:
    """Write a sidecar and return it with its new revision.

    Parameters
    ----------
    path : path
    sidecar : Sidecar
    inside : Sidecar, optional
        The one in a packed file: what is attached as long as there is no sidecar beside it.

    Raises
    ------
    SidecarConflictError
        If another program saved since this one was loaded, or holds the lock.
    OutputError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Folder {path.parent} cannot be created: {error.strerror}. Check its permissions."
        ) from error
    with locked(path):
        current = load_sidecar(path, sidecar.file_id)
        if inside is not None and not current.revision:
            current = inside
        if current.revision != sidecar.revision:
            raise SidecarConflictError(
                f"{path} was changed by another program (revision {current.revision}, expected {sidecar.revision}). "
                "Open the observation again and repeat the action."
            )
        saved = dataclasses.replace(sidecar, revision=sidecar.revision + 1)
        with write_aside(path, replace=True) as part:
            _write(part, saved)
    return saved


def _write(path: Path, sidecar: Sidecar) -> None:
    rows = np.zeros(len(sidecar.history), schema.HISTORY_DTYPE)
    for row, action in zip(rows, sidecar.history, strict=True):
        row["time"], row["undone"] = action.time, action.undone
        for name in ("action", "kind", "detail", "software"):
            row[name] = getattr(action, name).encode()
    with writing(path, "MKID calibration sidecar") as h5:
        attributes = h5.root._v_attrs
        attributes.format = schema.SIDECAR_FORMAT
        attributes.version = np.int64(schema.SIDECAR_VERSION)
        attributes.software_version = __version__
        attributes.file_id = sidecar.file_id
        attributes.revision = np.int64(sidecar.revision)
        h5.create_table("/", "history", schema.HISTORY_DTYPE, "one row an action").append(rows)
        h5.create_group("/", "slots", "calibrations attached")
        slots: tuple[tuple[str, Iterable[tuple[int, object]]], ...] = (
            (_WAVECALS, sidecar.wavecals),
            (_FLATCALS, sidecar.flatcals),
            (_PIXEL_MASKS, sidecar.pixel_masks),
            (_TIME_MASKS, sidecar.time_masks),
        )
        for where, kept in slots:
            h5.create_group(*where.rsplit("/", 1))
            for number, record in kept:
                write_record(h5, f"{where}/{_ROW}{number}", record)


def _read_slot(h5: tables.File, where: str, make: Callable[..., T]) -> tuple[tuple[int, T], ...]:
    """Return what is kept in a slot, with the rows of the history; earlier versions lack some slots."""
    numbers = [name.removeprefix(_ROW) for name in child_names(h5, where)]
    return tuple(
        (row, read_record(h5, f"{where}/{_ROW}{row}", make))
        for row in sorted(int(number) for number in numbers if number.isdecimal())
    )
