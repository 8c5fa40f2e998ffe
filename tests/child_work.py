"""Functions that tests run in child processes. Importable by the child; no Qt."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

from pipeline_core.errors import InputFormatError, OperationCancelled


def add(a, b, *, progress):
    progress(1, 2, "adding")
    return a + b


def refuse(*, progress):
    raise InputFormatError("bad.bin is not whole. Copy it again.")


def bug(*, progress):
    return 1 / 0


class Unpicklable(Exception):
    def __reduce__(self):
        raise TypeError("this error stays at home")


def unpicklable_error(*, progress):
    raise Unpicklable("odd")


def unpicklable_result(*, progress):
    return lambda: None


def crash(*, progress):
    progress(1, 10, "about to crash")
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(*, progress):
    os._exit(3)


def work_politely(folder, *, progress):
    """Ten seconds of work that looks at its progress; leaves a file that it removes at the end."""
    part = Path(folder) / f"out.h5.{os.getpid()}.part"
    part.touch()
    try:
        for step in range(1000):
            progress(step, 1000, "working")
            time.sleep(0.01)
    finally:
        part.unlink()


def work_deafly(folder, *, progress):
    """Reports once, leaves a .part file, and then hears nothing."""
    (Path(folder) / f"out.h5.{os.getpid()}.part").touch()
    progress(1, 2, "deaf")
    time.sleep(60)


def ignore_the_end(*, progress):
    """Hears nothing, and does not mind being asked to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    progress(1, 2, "stubborn")
    time.sleep(60)


def be_killed(*, progress):
    """As the system does when memory runs out."""
    progress(1, 2, "about to be killed")
    os.kill(os.getpid(), signal.SIGKILL)


def finish_when_asked(*, progress, news):
    """Says what it is at, and needs a second to hand it over when it is asked to stop."""
    news("something")
    try:
        while True:
            progress(1, 2, "working")
            time.sleep(0.01)
    except OperationCancelled:
        time.sleep(1)
        return "half of it"


def convert_deafly(form, *, progress):
    """A conversion that hears nothing, with the temporary file of a real one."""
    Path(f"{form.out}.{os.getpid()}.part").touch()
    progress(1, 2, "deaf")
    time.sleep(60)


def name_of_process(*, progress):
    logging.getLogger("pipeline_core.test").info("hello from the child")
    return os.getpid(), os.nice(0), sorted(m for m in sys.modules if m.startswith("PyQt5"))


def log_from_threads(*, progress):
    """Log from four threads at once while reporting."""
    logger = logging.getLogger("pipeline_core.test")

    def chatter():
        for k in range(1000):
            logger.info("record %d %s", k, "x" * 500)

    threads = [threading.Thread(target=chatter) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        progress(1, 2, f"stage {time.monotonic()}")
    return 4000


def start_a_child(path, *, progress):
    """Have a process of its own make a file; returns its exit code."""
    child = multiprocessing.get_context("spawn").Process(target=path.touch)
    child.start()
    child.join()
    return child.exitcode


def what_the_rehearsal_leaves_out(path, *, progress):
    """Rehearse, make maps and study a pixel; returns the kernels that only the real work has called."""
    from numba.core.dispatcher import Dispatcher

    from pipeline_core.speckle.compute import compute_maps
    from pipeline_core.speckle.settings import SpeckleSettings
    from pipeline_core.speckle.study import study_pixel
    from quicklook.background_tasks import rehearse

    def called():
        modules = [one for name, one in sys.modules.items() if name.startswith("pipeline_core.")]
        kernels = {
            one
            for module in modules
            for one in vars(module).values()
            if isinstance(one, Dispatcher)
        }
        return {
            (one.__module__, one.__name__, str(signature))
            for one in kernels
            for signature in one.signatures
        }

    rehearse()
    rehearsed = called()
    for settings in (SpeckleSettings(), SpeckleSettings(with_ip=True, bootstrap=20)):
        compute_maps(path, settings)
        study_pixel(path, (3, 4), settings)
    return sorted(called() - rehearsed), len(rehearsed)
