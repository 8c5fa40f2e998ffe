"""What the processes that do a night's tasks tell, and whether they shall stop: small files in a folder that all see.

Files work alike for processes of this machine and for workers on others, and none that is killed can lock them.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.errors import OperationCancelled, OutputError
from pipeline_core.progress import Progress

__all__ = ["Board", "Report", "remove_boards"]

_PREFIX = "at-work-"
_ORDER, _GO_ON, _STOP = "order", "go on", "stop"
_DONE = ".done"
_LOOK_EVERY_S = 0.1
_REPORT_EVERY_S = 0.25


@dataclass(frozen=True)
class Report:
    """How far a task is: `part` from 0 to 1 of it, and the `stage` it is in."""

    part: float
    stage: str


class Board:
    """The folder of one run of a night. It travels to other processes as it is.

    Parameters
    ----------
    folder : path
        In the database; it need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def new(cls, database: Path) -> Board:
        """Return the board of a new run, which is there at once.

        Raises
        ------
        OutputError
            If the database cannot be written.
        """
        board = cls(database / f"{_PREFIX}{uuid.uuid4().hex[:12]}")
        try:
            board.folder.mkdir(parents=True)
            (board.folder / _ORDER).write_text(_GO_ON, encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"Cannot write in folder {database}: {error.strerror}. Change its permissions, or choose another "
                "database."
            ) from error
        return board

    def close(self) -> None:
        """Take the board away; whoever still works for it stops."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        """Tell all tasks to stop."""
        with suppress(OSError):
            # written over and not replaced: network disks look again at what they open, not at what is in a folder
            (self.folder / _ORDER).write_text(_STOP, encoding="utf-8")

    def stopped(self) -> bool:
        """Tell whether the tasks shall stop, as they shall when the board is gone."""
        try:
            return (self.folder / _ORDER).read_text(encoding="utf-8") == _STOP
        except FileNotFoundError:
            return True
        except OSError:
            return False  # a disk that does not answer for a moment

    def reporter(self, key: str) -> Progress:
        """Return the progress of the task of a key; it raises `OperationCancelled` when the tasks shall stop."""
        path = self.folder / key
        next_look = next_report = 0.0
        last_stage = ""

        def report(done: int, total: int, stage: str = "") -> None:
            nonlocal next_look, next_report, last_stage
            now = time.monotonic()
            if now < next_look and stage == last_stage:
                return
            next_look = now + _LOOK_EVERY_S
            if self.stopped():
                raise OperationCancelled
            if now >= next_report or stage != last_stage:
                next_report = now + _REPORT_EVERY_S
                last_stage = stage
                _write(path, [done / total if total else 0.0, stage])

        return report

    def note_done(self, key: str, text: str) -> None:
        """Note that the task of a key is done, and what is to be said of it: it must not be done again.

        A cluster begins a task anew whose result was lost with its worker, even if others have used its files by then.
        """
        _write(self.folder / f"{key}{_DONE}", text)

    def text_of(self, key: str) -> str | None:
        """Return what is to be said of the task of a key that is done; None if it is not."""
        try:
            return str(json.loads((self.folder / f"{key}{_DONE}").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def report_of(self, key: str) -> Report | None:
        """Return what the task of a key said last; None if it has said nothing."""
        try:
            part, stage = json.loads((self.folder / key).read_text(encoding="utf-8"))
            return Report(min(max(float(part), 0.0), 1.0), str(stage))
        except (OSError, ValueError, TypeError):
            return None


def remove_boards(database: Path) -> None:
    """Remove what earlier runs have left; nobody else may be at work in this database."""
    for folder in database.glob(f"{_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _write(path: Path, value: object) -> None:
    """Write a small file whole. A disk that refuses costs a report, not the task."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        part.write_text(json.dumps(value), encoding="utf-8")
        part.replace(path)
