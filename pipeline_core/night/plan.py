"""What a night needs: tasks, what each depends on, and a key that tells whether its result is there already."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline_core import __version__
from pipeline_core.binfile import BinFolder, scan_folder
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.night.hashes import HashCache
from pipeline_core.night.settings import NightSettings, Window
from pipeline_core.stacking.settings import StackSettings

__all__ = ["Plan", "Task", "make_plan"]

_KEY_LETTERS = 10


@dataclass(frozen=True)
class Task:
    """One step of a night.

    Attributes
    ----------
    name : str
        Such as ``photons 1602050420`` or ``cube pos1``.
    kind : str
        Of `steps.STEPS`.
    arguments : mapping
        Plain values for the step; paths as texts.
    needs : tuple of str
        Names of tasks that must be done before.
    outputs : tuple of Path
        Files that it makes.
    key : str
        Changes with anything that matters to the result: raw data, settings, version.
    n_bytes : int
        Of raw data that it reads.
    together : str
        Name of a task with which it is quicker, in one reading; '' if there is none.
    """

    name: str
    kind: str
    arguments: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    outputs: tuple[Path, ...] = ()
    key: str = ""
    n_bytes: int = 0
    together: str = ""


@dataclass
class Plan:
    """The tasks of a night in an order in which they can be done.

    Attributes
    ----------
    settings : NightSettings
    tasks : list of Task
    problems : list of str
        What cannot be done, such as a target without raw files; the rest can.
    """

    settings: NightSettings
    tasks: list[Task] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def task(self, name: str) -> Task:
        """Return the task of a name."""
        return next(task for task in self.tasks if task.name == name)


def make_plan(settings: NightSettings, hashes: HashCache) -> Plan:
    """Work out what a night needs.

    Raises
    ------
    InputFormatError
        If there is no raw file at all, or the beam map cannot be read.
    """
    return _Planner(settings, hashes).plan()


class _Planner:
    def __init__(self, settings: NightSettings, hashes: HashCache) -> None:
        self._settings = settings
        self._hashes = hashes
        self._plan = Plan(settings)
        self._folders = _raw_folders(settings.data)
        self._beammap = hashes.of(settings.beammap)
        self._photons: dict[Window, Task | None] = {}

    def plan(self) -> Plan:
        """Return the whole plan."""
        settings = self._settings
        self._read_all()
        wavecal = self._wavecal()
        flat = self._flatcal(wavecal)
        ready = {}
        for name, window in settings.targets.items():
            photons = self._photons_of(window, name)
            if photons is not None:
                ready[name] = self._target(name, photons, wavecal, flat)
        if settings.stack is not None:
            self._stack(settings.stack, ready, wavecal, flat)
        return self._plan

    def _read_all(self) -> None:
        """Read all raw files in one go: several at a time, up to the last."""
        settings = self._settings
        windows = [*(laser.window for laser in settings.wavecal), *settings.flatcal]
        if settings.dark is not None:
            windows.append(settings.dark)
        found = [self._raw_files(window) for window in (*windows, *settings.targets.values())]
        self._hashes.of_all(list(dict.fromkeys(path for _, paths in found for path in paths)))

    def _raw_files(self, window: Window) -> tuple[BinFolder | None, list[Path]]:
        """Return the folder that has seconds of a range, and their files; None and none where there is no such one."""
        folder = next((one for one in self._folders if _holds(one, window)), None)
        if folder is None:
            return None, []
        seconds = folder.covering(window.start, window.seconds)
        return folder, [folder.path(second) for second in seconds]

    # --- steps -----------------------------------------------------------------------------------

    def _photons_of(self, window: Window, what: str) -> Task | None:
        """Return the task that converts a range of raw seconds; None, and a problem, if there are none."""
        if window in self._photons:
            return self._photons[window]
        self._photons[window] = None
        folder, paths = self._raw_files(window)
        if folder is None:
            self._plan.problems.append(
                f"{what}: no raw file of {window.start} to {window.stop} is anywhere below {self._settings.data}."
            )
            return None
        content = self._hashes.of_all(paths)
        arguments = {
            "bin_dir": str(folder.folder),
            "start": window.start,
            "duration": window.seconds,
            "beammap": str(self._settings.beammap),
        }
        task = self._add(
            f"photons {window.start}",
            "convert",
            arguments,
            (),
            self._settings.work / "photons",
            f"{window.start}-{{key}}.h5",
            content=(*content, self._beammap),
            n_bytes=sum(path.stat().st_size for path in paths),
            leave_out=("bin_dir", "beammap"),
        )
        self._photons[window] = task
        return task

    def _wavecal(self) -> Task | None:
        settings = self._settings
        lasers = [
            (laser, self._photons_of(laser.window, f"laser {laser.wavelength_nm:g} nm"))
            for laser in settings.wavecal
        ]
        there = [(laser, task) for laser, task in lasers if task is not None]
        if len(there) < 2:
            if settings.wavecal:
                self._plan.problems.append("wavecal: fewer than two lasers have raw files.")
            return None
        dark = None if settings.dark is None else self._photons_of(settings.dark, "dark")
        arguments = {
            "lasers": [[laser.wavelength_nm, str(task.outputs[0])] for laser, task in there],
            "background": None if dark is None else str(dark.outputs[0]),
        }
        needs = [task.name for _, task in there] + ([] if dark is None else [dark.name])
        wavecal = self._add(
            "wavelength calibration",
            "wavecal",
            arguments,
            needs,
            settings.database / "wavecal",
            f"{there[0][0].window.start}-{{key}}.h5",
        )
        if settings.wavecalplots:
            pages = {"solution": str(wavecal.outputs[0]), "pages": list(settings.wavecalplots)}
            outputs = [settings.out / "wavecal" / f"{page}.pdf" for page in settings.wavecalplots]
            self._product("pages of the wavelength calibration", "pages", pages, [wavecal], outputs)
        return wavecal

    def _flatcal(self, wavecal: Task | None) -> Task | None:
        settings = self._settings
        if not settings.flatcal or wavecal is None:
            return None
        found = [self._photons_of(window, "flatcal") for window in settings.flatcal]
        flats = [task for task in found if task is not None]
        if not flats:
            return None
        seconds = max(window.seconds for window in settings.flatcal)
        arguments = {
            "flats": [str(task.outputs[0]) for task in flats],
            "wavecal": str(wavecal.outputs[0]),
            "exp_time_s": float(seconds),
            "int_time_s": max(float(seconds) / 6, 1.0),
        }
        needs = [task.name for task in flats] + [wavecal.name]
        return self._add(
            "flat field",
            "flatcal",
            arguments,
            needs,
            settings.database / "flatcal",
            f"{settings.flatcal[0].start}-{{key}}.h5",
        )

    def _target(self, name: str, photons: Task, wavecal: Task | None, flat: Task | None) -> Task:
        """Add what becomes of one observation of the sky; returns the task after which its photons are calibrated."""
        settings = self._settings
        masks = []
        for wanted, kind in ((settings.badpixels, "badpixels"), (settings.cosmics, "cosmics")):
            if wanted:
                masks.append(
                    self._add(
                        f"{kind} {name}",
                        kind,
                        {"photons": str(photons.outputs[0])},
                        [photons.name],
                        settings.database / kind,
                        f"{photons.outputs[0].stem}-{{key}}.h5",
                    )
                )
        parts = [task for task in (wavecal, flat, *masks) if task is not None]
        arguments = {
            "photons": str(photons.outputs[0]),
            "solutions": [[task.kind, str(task.outputs[0])] for task in parts],
        }
        sidecar = photons.outputs[0].with_suffix(".cal.h5")
        needs = [photons.name, *(task.name for task in parts)]
        ready = self._with_key(
            Task(f"calibrated {name}", "attach", arguments, tuple(needs), (sidecar,))
        )
        self._plan.tasks.append(ready)
        where = settings.out / name
        file = {"photons": str(photons.outputs[0])}
        if settings.image:
            weighted = flat is not None
            outputs = [where / "image.fits"]
            self._product(f"image {name}", "image", file | {"weighted": weighted}, [ready], outputs)
        if settings.speckle is not None:
            how = {"speckle": settings.speckle.as_dict()}
            outputs = [where / "speckle.fits"]
            self._product(f"speckle {name}", "speckle", file | how, [ready], outputs)
        if settings.cube is not None:
            cube = settings.cube.as_dict()
            if (settings.cube.is_spectral and wavecal is None) or (
                settings.cube.weighted and flat is None
            ):
                self._plan.problems.append(
                    f"cube {name}: it needs {'weights' if wavecal else 'wavelengths'}, which there are none of."
                )
                return ready
            shared = settings.image and settings.cube.weighted
            self._product(
                f"cube {name}",
                "cube",
                file | {"cube": cube},
                [ready],
                [where / "cube.fits"],
                together=f"image {name}" if shared else "",
            )
        return ready

    def _stack(
        self,
        stack: StackSettings,
        ready: Mapping[str, Task],
        wavecal: Task | None,
        flat: Task | None,
    ) -> None:
        """Add the stack of a dither's positions, as far as there are photons of them."""
        photons = stack.photons
        if (photons.is_spectral and wavecal is None) or (photons.weighted and flat is None):
            self._plan.problems.append(
                f"stack: it needs {'weights' if wavecal else 'wavelengths'}, which there are none of."
            )
            return
        if not ready:
            return
        if stack.offsets is not None and not stack.offsets.times:
            names = list(self._settings.targets)
            there = tuple(stack.offsets.positions[names.index(name)] for name in ready)
            offsets = dataclasses.replace(stack.offsets, positions=there)
            stack = dataclasses.replace(stack, offsets=offsets)
        arguments = {
            "photons": [task.arguments["photons"] for task in ready.values()],
            "names": list(ready),
            "stack": stack.as_dict(),
        }
        outputs = [self._settings.out / "stack.fits"]
        self._product("stack", "stack", arguments, ready.values(), outputs)

    # --- tasks -----------------------------------------------------------------------------------

    def _product(
        self,
        name: str,
        kind: str,
        arguments: Mapping[str, Any],
        needs: Iterable[Task],
        outputs: Iterable[Path],
        *,
        together: str = "",
    ) -> None:
        """Add a task whose results have names of their own, for people."""
        names = tuple(task.name for task in needs)
        task = Task(name, kind, arguments, names, tuple(outputs), together=together)
        self._plan.tasks.append(self._with_key(task))

    def _add(
        self,
        name: str,
        kind: str,
        arguments: Mapping[str, Any],
        needs: Iterable[str],
        folder: Path,
        file_name: str,
        *,
        content: tuple[str, ...] = (),
        n_bytes: int = 0,
        leave_out: tuple[str, ...] = (),
    ) -> Task:
        """Add a task whose result is kept in the database, named by its key."""
        task = Task(name, kind, arguments, tuple(needs), (), n_bytes=n_bytes)
        task = self._with_key(task, content, leave_out)
        output = folder / file_name.format(key=task.key[:_KEY_LETTERS])
        task = dataclasses.replace(task, outputs=(output,))
        self._plan.tasks.append(task)
        return task

    def _with_key(
        self, task: Task, content: tuple[str, ...] = (), leave_out: tuple[str, ...] = ()
    ) -> Task:
        """Return a task with its key. Paths of the database hold the keys of what they are of."""
        arguments = {k: v for k, v in task.arguments.items() if k not in leave_out}
        keys = [self._plan.task(name).key for name in task.needs]
        text = json.dumps(
            [
                task.kind,
                arguments,
                keys,
                list(content),
                [p.name for p in task.outputs],
                __version__,
            ],
            sort_keys=True,
            default=str,
        )
        return dataclasses.replace(task, key=hashlib.sha256(text.encode()).hexdigest())


def _raw_folders(root: Path) -> list[BinFolder]:
    """Return every folder below a root that holds raw files.

    Raises
    ------
    InputFormatError
        If there is none.
    """
    found = []
    for folder in sorted([root, *(path for path in root.rglob("*") if path.is_dir())]):
        try:
            found.append(scan_folder(folder))
        except InputFormatError:
            continue
    if not found:
        raise InputFormatError(
            f"There is no raw file <unix second>.bin anywhere below {root}. Check 'data' in the file of the night."
        )
    return found


def _holds(folder: BinFolder, window: Window) -> bool:
    try:
        seconds = folder.covering(window.start, window.seconds)
    except (ConfigError, InputFormatError):
        return False
    return any(window.start <= second < window.stop for second in seconds)
