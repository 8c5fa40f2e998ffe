"""How much a night will write into each folder, and whether the disks have room: asked before anything runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.beammap import read_beammap
from pipeline_core.convert import space_for
from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import OutputError
from pipeline_core.night.ledger import Ledger
from pipeline_core.night.plan import Plan, Task
from pipeline_core.stacking.settings import StackSettings

__all__ = ["Room", "check_rooms", "rooms_of", "task_bytes"]

_BYTES_A_PIXEL = {
    "wavecal": 1000,
    "flatcal": 2500,
    "badpixels": 200,
    "cosmics": 50,
    "attach": 3000,
    "image": 60,
    "pages": 400,
    "speckle": 400,
}
"""Of the results of tasks, rounded up from files of 10 000 pixels."""

_SMALLEST = 500_000
"""Bytes: a file has a header and room that it does not use."""

_MARGIN = 10 << 20

_FRAMES_ASIDE = 4
"""A stack may be this much larger than its frames, where their offsets are not known yet."""


@dataclass(frozen=True)
class Room:
    """What a night needs in one of its folders.

    Attributes
    ----------
    name : str
        As in `paths` of the night's file.
    folder : Path
    needed, free : int
        Bytes: at most needed; free on its disk.
    disk : int
        The same number for folders on the same disk.
    """

    name: str
    folder: Path
    needed: int
    free: int
    disk: int


def rooms_of(plan: Plan) -> list[Room]:
    """Return what the tasks that are not done yet will write.

    Raises
    ------
    OutputError
        If a folder cannot be written.
    """
    settings = plan.settings
    folders = {"database": settings.database, "work": settings.work, "out": settings.out}
    if settings.work == settings.database:
        del folders["work"]
    n_pixel = read_beammap(settings.beammap).code.size
    ledger = Ledger(settings.database)
    needed = dict.fromkeys(folders, 0)
    scratch = [0]
    for task in plan.tasks:
        if not ledger.holds(task):
            needed[_folder_of(task, folders)] += task_bytes(plan, task, n_pixel)
            if task.kind == "convert":
                scratch.append(int(space_for(task.n_bytes)[1]))
    needed["work" if "work" in folders else "database"] += sum(sorted(scratch)[-settings.ncpu :])
    found = []
    for name, folder in folders.items():
        place = _existing(folder)
        if not os.access(place, os.W_OK):
            raise OutputError(
                f"{name}: folder {place} cannot be written. Change its permissions, or choose another folder."
            )
        found.append(
            Room(name, folder, needed[name], shutil.disk_usage(place).free, place.stat().st_dev)
        )
    return found


def check_rooms(rooms: Sequence[Room]) -> None:
    """Refuse a night that does not fit.

    Raises
    ------
    OutputError
        Every disk that has too little room, a line each.
    """
    lines = []
    for disk in dict.fromkeys(room.disk for room in rooms):
        there = [room for room in rooms if room.disk == disk and room.needed]
        needed = sum(room.needed for room in there) + _MARGIN
        if there and there[0].free < needed:
            parts = ", ".join(f"{one.name} {one.folder} {one.needed / 1e9:.3g} GB" for one in there)
            names = " or ".join(f"'{one.name}'" for one in there)
            lines.append(
                f"The disk has {there[0].free / 1e9:.3g} GB free, the night may need {needed / 1e9:.3g} GB of it: "
                f"{parts}. Free some space, or move {names} in 'paths' to another disk."
            )
    if lines:
        raise OutputError("\n".join(lines))


def task_bytes(plan: Plan, task: Task, n_pixel: int) -> int:
    """Return how many bytes a task will write at most."""
    if task.kind == "convert":
        return int(space_for(task.n_bytes)[0]) + _SMALLEST
    if task.kind == "cube":
        cube = dict(task.arguments["cube"])
        if "edges_nm" in cube:
            cube["edges_nm"] = tuple(cube["edges_nm"])
        size = CubeSettings(**cube).size((n_pixel, 1), _seconds(plan, task))[2]
        return size + _SMALLEST
    if task.kind == "stack":
        size = StackSettings.from_dict(task.arguments["stack"]).size((n_pixel, 1))[2]
        return _FRAMES_ASIDE * size + _SMALLEST
    lasers = len(task.arguments.get("lasers", ())) or 1
    a_pixel = _BYTES_A_PIXEL.get(task.kind, max(_BYTES_A_PIXEL.values()))
    return (n_pixel * a_pixel * lasers + _SMALLEST) * max(len(task.outputs), 1)


def _seconds(plan: Plan, task: Task) -> float:
    """Return how long the observation is that a product is made of."""
    while task.kind != "convert":
        task = plan.task(task.needs[0])
    return float(task.arguments["duration"])


def _folder_of(task: Task, folders: dict[str, Path]) -> str:
    """Return the name of the folder that a task writes into: the innermost that holds its file."""
    path = task.outputs[0]
    inside = [name for name, folder in folders.items() if path.is_relative_to(folder)]
    return max(inside, key=lambda name: len(folders[name].parts), default="database")


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above that is there already."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
