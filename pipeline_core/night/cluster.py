"""Workers on other machines: a `dask.distributed` cluster that does the tasks of a night.

A task takes paths and plain settings and gives back a sentence; files travel over the disk that all machines share.

If a worker dies, the scheduler gives its task to another one, as often as its setting
``distributed.scheduler.allowed-failures`` says (3, unless changed); then the task has failed. A task that raised an
error is not tried again: it would raise it again. Files are written aside and renamed, so that it does no harm if a
worker that was only cut off finishes its task as well.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core import __version__
from pipeline_core.errors import ClusterError
from pipeline_core.night.board import Board
from pipeline_core.night.settings import NightSettings
from pipeline_core.night.workers import Workers

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["cluster_workers"]

_ANSWER_S = 10


@contextmanager
def cluster_workers(address: str, settings: NightSettings) -> Iterator[Workers]:
    """Give the workers of a cluster, after a look at whether they can do a night.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.
    settings : NightSettings
        Whose folders all workers must see.

    Raises
    ------
    ClusterError
        `distributed` is not installed, the scheduler does not answer, it has no workers, or these have several threads,
        another version of this software, or other disks.
    """
    client = _client(address)
    try:
        threads = _threads(client, address)
        _check_workers(client, threads, settings)

        def make(board: Board) -> Executor:
            executor: Executor = client.get_executor(pure=False, retries=0)
            return executor

        yield Workers(make, len(threads))
    finally:
        with suppress(Exception):  # a scheduler that is gone cannot be said goodbye to
            client.close(timeout=_ANSWER_S)


def _client(address: str) -> Client:
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise ClusterError(
            "A cluster needs the package distributed: install it with pip install 'quicklook[cluster]', here and on "
            "all workers, or leave --scheduler out to use this machine."
        ) from error
    try:
        return Client(address, timeout=_ANSWER_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError, RuntimeError) as error:
        raise ClusterError(
            f"No scheduler answers at {address!r} ({type(error).__name__}). Start one with 'dask scheduler', and give "
            "the address that it prints, such as tcp://10.0.0.1:8786."
        ) from error


def _threads(client: Client, address: str) -> dict[str, int]:
    """Return the threads of each worker."""
    threads: dict[str, int] = client.nthreads()
    if not threads:
        raise ClusterError(
            f"The scheduler at {address} has no workers. Start some with 'dask worker {address} --nthreads 1'."
        )
    return threads


def _check_workers(client: Client, threads: Mapping[str, int], settings: NightSettings) -> None:
    """Ask every worker whether it can do the tasks; tells of all that cannot.

    Raises
    ------
    ClusterError
        If any cannot.
    """
    folders = [settings.database, settings.work, settings.out]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex
    marks = [folder / f".{token}" for folder in dict.fromkeys(folders)]
    raw = {str(path): path.stat().st_mtime_ns for path in (settings.data, settings.beammap)}
    try:
        for mark in marks:
            mark.write_text(token, encoding="utf-8")
        answers = client.run(_look, [str(mark) for mark in marks], token, raw, on_error="return")
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)
    lines = []
    for worker, answer in answers.items():
        lines += [f"Worker {worker} {text}" for text in _faults(answer, threads.get(worker, 1))]
    if lines:
        raise ClusterError("\n".join(lines))


def _look(marks: list[str], token: str, raw: dict[str, int]) -> dict[str, Any]:
    """Tell what a worker has and sees. Runs on the worker."""
    unseen = []
    for mark in map(Path, marks):
        try:
            seen = mark.read_text(encoding="utf-8") == token
        except OSError:
            seen = False
        if not seen:
            unseen.append(str(mark.parent))
    for name, changed in raw.items():
        try:
            seen = Path(name).stat().st_mtime_ns == changed
        except OSError:
            seen = False
        if not seen:
            unseen.append(name)
    return {"version": __version__, "unseen": unseen}


def _faults(answer: Any, threads: int) -> list[str]:
    """Return what is wrong with a worker."""
    if isinstance(answer, BaseException):
        if isinstance(answer, ModuleNotFoundError):
            return [f"has no {answer.name}: install quicklook {__version__} there"]
        return [f"does not answer: {answer!r}. Restart it."]
    found = []
    if answer["version"] != __version__:
        found.append(
            f"has pipeline_core {answer['version']}, not {__version__}: install the same everywhere."
        )
    if threads != 1:
        found.append(
            f"has {threads} threads, of which HDF5 can use one: start it with --nthreads 1, and as many workers as "
            "there are processors (--nworkers)."
        )
    if answer["unseen"]:
        places = ", ".join(answer["unseen"])
        found.append(
            f"does not see {places} as this machine does: put it on a disk that all machines share, by the same path."
        )
    return found
