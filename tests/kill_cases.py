"""Programs that are killed: what they do, and what must be true of the files afterwards.

Each case prepares a folder, has an `act` (done in a forked child, which is killed) and tells the `state` of what is on
the disk: before or after, nothing between. The next run must work, and tidy up.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import tables

from pipeline_core import ObsFile
from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.packing import pack, unpack
from pipeline_core.sidecar import load_sidecar

START = 1602050400


@dataclasses.dataclass(frozen=True)
class Night:
    """Good files that cases copy: raw files, photon file with sidecar, solutions, a packed file."""

    folder: Path
    raw: Path
    photons: Path
    sidecar: Path
    packed: Path
    wavecal: Path
    badpixels: Path
    timemask: Path
    content: str


def write_night(folder: Path) -> Night:
    """Make them; takes a few seconds."""
    from fuzz_cases import write_originals

    files = write_originals(folder).files
    photons = files["photons"]
    raw = folder / "raw"
    raw.mkdir()
    for path in photons.parent.glob("*.bin"):
        os.link(path, raw / path.name)
    _convert(raw)
    content = content_of(raw / "o.h5")
    return Night(
        folder,
        raw,
        photons,
        files["sidecar"],
        pack(photons, folder / "all.packed.h5"),
        files["wavecal"],
        files["badpixels"],
        files["timemask"],
        content,
    )


def content_of(path: Path) -> str:
    """Hash of everything in a photon file but its random id, and the header, which names folders."""
    digest = hashlib.sha256()
    with tables.open_file(str(path)) as h5:
        for node in h5.walk_nodes("/", "Leaf"):
            if node._v_pathname != "/header/header":
                digest.update(node._v_pathname.encode() + node.read().tobytes())
    return digest.hexdigest()


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Killed:
    """One way to write files.

    `prepare(night, folder)` fills an empty folder; `act(folder)` is killed in the middle; `state(night, folder)` says
    'before' or 'after', or raises AssertionError; `names` are all that may be there when a run has ended in peace.
    """

    name: str
    prepare: Callable[[Night, Path], None]
    act: Callable[[Path], object]
    state: Callable[[Night, Path], str]
    names: tuple[str, ...]


# --- conversion ----------------------------------------------------------------------------------


def _raw(night: Night, folder: Path) -> None:
    for path in night.raw.glob("*.bin"):
        os.link(path, folder / path.name)


def _convert(folder: Path, overwrite: bool = False) -> None:
    beammap = Beammap.design((4, 3))
    out = folder / "o.h5"
    settings = ConvertSettings(folder, START, 2, beammap, out, overwrite=overwrite)
    convert(settings)


def _converted(night: Night, folder: Path) -> str:
    out = folder / "o.h5"
    if not out.exists():
        return "before"
    with ObsFile(out) as obs:
        assert obs.count_image().sum() == obs.n_photons > 0
    assert content_of(out) == night.content, "another content"
    assert out.stat().st_mode & 0o222 == 0, "can be written to"
    return "after"


def _raw_and_older(night: Night, folder: Path) -> None:
    _raw(night, folder)
    shutil.copy(night.photons, folder / "o.h5")
    (folder / "before.sha").write_text(sha(folder / "o.h5"))


def _converted_anew(night: Night, folder: Path) -> str:
    if sha(folder / "o.h5") == (folder / "before.sha").read_text():
        return "before"
    return _converted(night, folder)


# --- sidecars ------------------------------------------------------------------------------------


def _bare(night: Night, folder: Path) -> None:
    shutil.copy(night.photons, folder / "o.h5")


def _calibrated(night: Night, folder: Path) -> None:
    _bare(night, folder)
    shutil.copy(night.sidecar, folder / "o.cal.h5")


def _sidecar_state(before: int) -> Callable[[Night, Path], str]:
    def state(night: Night, folder: Path) -> str:
        """Photons untouched; the sidecar has as many actions not undone as before, or another number."""
        assert sha(folder / "o.h5") == sha(night.photons), "photons changed"
        with ObsFile(folder / "o.h5") as obs:
            found = load_sidecar(folder / "o.cal.h5", obs.file_id)
            obs.photons((1, 1))
        standing = sum(not action.undone for action in found.history)
        assert abs(standing - before) <= 1, "more than one action"
        return "before" if standing == before else "after"

    return state


def _edit(what: Callable[[ObsFile], object]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        with ObsFile(folder / "o.h5", "write") as obs:
            what(obs)

    return act


# --- packing -------------------------------------------------------------------------------------


def _packed_state(night: Night, folder: Path) -> str:
    assert sha(folder / "o.h5") == sha(night.photons), "photons changed"
    out = folder / "o.packed.h5"
    if not out.exists():
        return "before"
    with ObsFile(out) as obs:
        assert len(obs.history) == len(load_sidecar(night.sidecar, obs.file_id).history)
    return "after"


def _only_packed(night: Night, folder: Path) -> None:
    os.link(night.packed, folder / "all.packed.h5")


def _unpacked_state(night: Night, folder: Path) -> str:
    photons, sidecar = folder / night.photons.name, folder / night.sidecar.name
    if sidecar.exists():
        assert sha(sidecar) == sha(night.sidecar), "another sidecar"
    if not photons.exists():
        return "before"
    assert sidecar.exists(), "photons without their calibration"
    assert sha(photons) == sha(night.photons), "other photons"
    return "after"


def cases(night: Night) -> dict[str, Killed]:
    """All of them by name."""
    wavecal, badpixels, timemask = night.wavecal, night.badpixels, night.timemask
    both = ("o.cal.h5", "o.h5")
    raws = tuple(sorted(path.name for path in night.raw.glob("*.bin")))
    with ObsFile(night.photons) as obs:
        number = sum(not action.undone for action in obs.history)

    def sidecar(
        name: str,
        prepare: Callable[[Night, Path], None],
        before: int,
        what: Callable[[Any], object],
    ) -> Killed:
        return Killed(name, prepare, _edit(what), _sidecar_state(before), both)

    found = (
        Killed("convert", _raw, _convert, _converted, (*raws, "o.h5")),
        Killed(
            "convert again",
            _raw_and_older,
            lambda folder: _convert(folder, overwrite=True),
            _converted_anew,
            (*raws, "before.sha", "o.h5"),
        ),
        sidecar("first annotation", _bare, 0, lambda obs: obs.annotate("x")),
        sidecar("annotate", _calibrated, number, lambda obs: obs.annotate("x")),
        sidecar("apply", _bare, 0, lambda obs: obs.apply_wavecal(wavecal)),
        sidecar("bad pixels", _bare, 0, lambda obs: obs.apply_badpixels(badpixels)),
        sidecar("time mask", _bare, 0, lambda obs: obs.apply_timemask(timemask)),
        sidecar("undo", _calibrated, number, lambda obs: obs.undo()),
        Killed(
            "pack",
            _calibrated,
            lambda folder: pack(folder / "o.h5"),
            _packed_state,
            ("o.cal.h5", "o.h5", "o.packed.h5"),
        ),
        Killed(
            "unpack",
            _only_packed,
            lambda folder: unpack(folder / "all.packed.h5"),
            _unpacked_state,
            tuple(sorted(("all.packed.h5", night.photons.name, night.sidecar.name))),
        ),
    )
    return {one.name: one for one in found}


# --- killing -------------------------------------------------------------------------------------


def duration_s(case: Killed, night: Night, folder: Path) -> float:
    """Return how long a child takes that is not killed."""
    _prepare(case, night, folder)
    started = time.monotonic()
    assert _in_child(case, folder, lambda: None, lambda _: None) == 0
    return time.monotonic() - started


def kill_at_time(case: Killed, night: Night, folder: Path, delay_s: float) -> str:
    """Kill a child after a while, look at the files, and let the next run do it; returns the state that was found."""
    _prepare(case, night, folder)

    def wait_and_kill(child: int) -> None:
        time.sleep(delay_s)
        os.kill(child, signal.SIGKILL)

    _in_child(case, folder, lambda: None, wait_and_kill)
    return _judge(case, night, folder)


_SOURCES = (
    "atomic.py",
    "sidecar.py",
    "locks.py",
    "packing.py",
    "packed_file.py",
    "convert.py",
    "photon_writer.py",
)


def kill_at_line(case: Killed, night: Night, folder: Path, line: int) -> str:
    """Kill a child before it runs so many lines of what writes files."""
    _prepare(case, night, folder)
    left = [line]

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.endswith(_SOURCES):
            return None
        if event == "line":
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    _in_child(case, folder, lambda: sys.settrace(trace), lambda _: None)
    return _judge(case, night, folder)


def lines_of(case: Killed, night: Night, folder: Path) -> int:
    """Return how many lines of what writes files a child runs that is not killed."""
    _prepare(case, night, folder)
    read, write = os.pipe()
    count = [0]

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.endswith(_SOURCES):
            return None
        count[0] += event == "line"
        return trace

    def tell() -> None:
        sys.settrace(None)
        os.write(write, str(count[0]).encode())

    assert _in_child(case, folder, lambda: sys.settrace(trace), lambda _: None, tell) == 0
    os.close(write)
    with os.fdopen(read) as stream:
        return int(stream.read())


def _prepare(case: Killed, night: Night, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    case.prepare(night, folder)


def _in_child(
    case: Killed,
    folder: Path,
    begin: Callable[[], object],
    meanwhile: Callable[[int], object],
    end: Callable[[], object] = lambda: None,
) -> int:
    """Fork, act, and return how the child ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            begin()
            case.act(folder)
            end()
            code = 0
        finally:
            os._exit(code)
    meanwhile(child)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _judge(case: Killed, night: Night, folder: Path) -> str:
    """Look at the files; then let the next run do it, unless it is done, and look whether it has tidied up."""
    found = case.state(night, folder)
    if found == "before":
        case.act(folder)
        assert case.state(night, folder) == "after", "the next run did nothing"
        names = tuple(sorted(path.name for path in folder.iterdir()))
        assert names == tuple(sorted(case.names)), f"left over: {set(names) ^ set(case.names)}"
    return found


def random_moments(seed: int, number: int) -> list[float]:
    """Shares of the duration, a fifth of them after its end."""
    rng = random.Random(seed)
    return [rng.uniform(0.0, 1.2) for _ in range(number)]
