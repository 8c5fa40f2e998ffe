"""What was done of a night: which tasks, with which files; kept in the database, so that nothing is done twice."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from pipeline_core.atomic import write_aside
from pipeline_core.night.plan import Task

__all__ = ["Ledger"]


class Ledger:
    """Key of a task -> its files as they were, and what was said."""

    def __init__(self, database: Path) -> None:
        self._path = database / "night.json"
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        self._entries: dict[str, Any] = found if isinstance(found, dict) else {}

    def holds(self, task: Task) -> bool:
        """Tell whether a task's files are there as it left them."""
        entry = self._entries.get(task.key)
        if not isinstance(entry, dict):
            return False
        return bool(task.outputs) and entry.get("files") == _stamps(task)

    def text(self, task: Task) -> str:
        """Return what was said of it."""
        return str(self._entries.get(task.key, {}).get("text", ""))

    def note(self, task: Task, text: str, seconds: float) -> None:
        """Note that a task was done."""
        self._entries[task.key] = {
            "task": task.name,
            "files": _stamps(task),
            "text": text,
            "seconds": round(seconds, 3),
            "done": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        }
        with write_aside(self._path, replace=True) as part:
            part.write_text(self._as_text(), encoding="utf-8")

    def _as_text(self) -> str:
        """Return JSON with a line for each task: Python is slow at finer layouts, and all wait for it after each."""
        lines = (f"{json.dumps(key)}: {json.dumps(entry)}" for key, entry in self._entries.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"


def _stamps(task: Task) -> list[list[Any]] | None:
    """Return path, size and time of change of each file of a task; None if one is missing."""
    found = []
    for path in task.outputs:
        try:
            facts = path.stat()
        except OSError:
            return None
        found.append([str(path), facts.st_size, facts.st_mtime_ns])
    return found
