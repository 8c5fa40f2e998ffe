"""A progress says that kernels are compiled, whichever thread does it."""

from __future__ import annotations

import threading

import flat_files
import numba
import numpy as np
import pytest
from observations import make_observation

from pipeline_core.badpixels.compute import find_bad_pixels
from pipeline_core.compile_progress import telling_of_compilation
from pipeline_core.errors import OperationCancelled
from pipeline_core.flatcal import compute as flatcal
from pipeline_core.night.steps import do
from pipeline_core.progress import COMPILING
from pipeline_core.timemask.compute import find_bursts

pytestmark = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="nothing is compiled where numba is switched off"
)


def new_kernel():
    @numba.njit(nogil=True)
    def add_one(x):
        return x + 1

    return add_one


def test_the_thread_that_compiles_says_so_and_goes_on_with_its_own_stages():
    kernel, said = new_kernel(), []
    with telling_of_compilation(lambda *state: said.append(state)) as report:
        report(3, 10, "fitting")
        kernel(1)
        report(4, 10, "fitting")
        kernel(2)  # is there already
    assert said == [(3, 10, "fitting"), (3, 10, COMPILING), (4, 10, "fitting")]
    new_kernel()(1)  # afterwards nothing is told any more
    assert len(said) == 3


def test_what_another_thread_compiles_is_said_by_the_reports_of_the_one_that_waits():
    inside, go_on, said = threading.Event(), threading.Event(), []

    @numba.extending.overload(slow_to_compile)
    def _(x):
        inside.set()
        assert go_on.wait(60)
        return lambda x: x

    @numba.njit
    def kernel(x):
        return slow_to_compile(x)

    with telling_of_compilation(lambda *state: said.append(state)) as report:
        other = threading.Thread(target=kernel, args=(1,))
        other.start()
        try:
            assert inside.wait(60)
            report(3, 10, "fitting")
        finally:
            go_on.set()
            other.join()
        report(4, 10, "fitting")
    assert said == [(3, 10, COMPILING), (4, 10, "fitting")]


def slow_to_compile(x):
    """Stand for something that takes its time to compile."""


def test_a_cancel_does_not_break_numba_and_is_heard_at_the_next_report():
    def cancel(done, total, stage=""):
        raise OperationCancelled

    kernel = new_kernel()
    with telling_of_compilation(cancel) as report:
        assert kernel(1) == 2
        with pytest.raises(OperationCancelled):
            report(1, 2)


def make_flat(folder, progress):
    flatcal.run(flat_files.settings(flat_files.night(folder)), progress)


def look_for_bursts(folder, progress):
    path, _ = make_observation(folder, np.full((4, 3), 50.0))
    find_bursts(path, progress=progress)


def find_bad_ones(folder, progress):
    path, _ = make_observation(folder, np.full((4, 3), 50.0))
    find_bad_pixels(path, progress=progress)


def do_a_task_of_a_night(folder, progress):
    path, _ = make_observation(folder, np.full((4, 3), 50.0))
    do("image", {"photons": str(path), "weighted": False}, (folder / "image.fits",), progress)


@pytest.mark.parametrize("work", [make_flat, look_for_bursts, find_bad_ones, do_a_task_of_a_night])
def test_work_says_when_it_compiles(tmp_path, work):
    said = []

    def progress(done, total, stage=""):
        said.append(stage)
        if len(said) == 1:
            new_kernel()(1)

    work(tmp_path, progress)
    assert said[1] == COMPILING
