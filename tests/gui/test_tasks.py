"""The functions of the workers, without Qt: facts, requests, flag categories."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_obs import FakeObs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline_core.errors import OperationCancelled
from pipeline_core.flags import FLAG_NAMES, flag_names
from quicklook.requests import CountsRequest, LightCurveRequest, Request, SpectrumRequest
from quicklook.tasks import OpenFiles, flag_image


@pytest.fixture
def obs():
    return FakeObs()


@pytest.fixture
def files(obs):
    return OpenFiles(lambda *_: obs)


def test_facts(files, obs):
    facts = files.open((Path("night.h5"),))
    assert (facts.shape, facts.exposure_s, facts.n_photons) == ((10, 7), 4.0, obs.n_photons)
    assert facts.flag_names_at((2, 6)) == ("beammap.double", "pixcal.hot")


def test_counts(files, obs):
    facts = files.open((Path("night.h5"),))
    answer = files.read(CountsRequest("image", facts.token, 0.5, 1.5))
    assert answer.image[7, 2] == ((obs.times[7, 2] >= 0.5) & (obs.times[7, 2] < 1.5)).sum()
    assert answer.good.sum() == 67


def test_pixel(files):
    facts = files.open((Path("night.h5"),))
    answer = files.read(LightCurveRequest("p", facts.token, 0.0, 1.0, pixels=((7, 2),), bin_s=0.1))
    assert answer.data.counts.size == 10
    assert (
        files.read(SpectrumRequest("p", facts.token, 0.0, 1.0, pixels=((7, 2),))).data.unit == "deg"
    )


def test_closed_file_cancels_its_requests(files, obs):
    old = files.open((Path("night.h5"),))
    new = files.open((Path("night.h5"),))
    files.close_others(new.token)
    with pytest.raises(OperationCancelled):
        files.read(CountsRequest("image", old.token, 0.0, 1.0))


def test_unknown_request_is_a_bug(files):
    facts = files.open((Path("night.h5"),))
    with pytest.raises(TypeError):
        files.read(Request("odd", facts.token, 0.0, 1.0))


def test_cancelled_opening_opens_nothing(obs):
    def stop(done, total, stage=""):
        raise OperationCancelled

    opened = []
    files = OpenFiles(lambda *_: opened.append(obs) or obs)
    with pytest.raises(OperationCancelled):
        files.open((Path("night.h5"),), progress=stop)
    assert opened == []


def test_a_file_without_its_facts_is_closed_again(files, obs):
    del obs.camera
    with pytest.raises(AttributeError):
        files.open((Path("night.h5"),))
    assert obs.closed


@given(
    hnp.arrays(
        np.uint32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.sampled_from(
            [
                0,
                1,
                1 << 4,
                1 << 9,
                1 << 10,
                1 | (1 << 10),
                1 << 12,
                1 << 19,
                1 << 20,
                1 << 24,
                (1 << 24) | (1 << 27),
                1 << 31,
            ]
        ),
    )
)
def test_flag_image_against_a_loop(flags):
    picture = flag_image(flags)
    told = flags.copy()
    for pixel in np.ndindex(flags.shape):  # of calibrations only the verdicts are drawn
        for bit, name in enumerate(FLAG_NAMES):
            detail = name.startswith("wavecal.") and name != "wavecal.bad"
            detail |= name.startswith("flatcal.") and name != "flatcal.inf_weight"
            detail |= name == "flatcal.inf_weight" and bool(flags[pixel] & 1)
            if detail:
                told[pixel] &= ~np.uint32(1 << bit)
    assert sum(category.count for category in picture.categories) == flags.size
    for pixel in np.ndindex(flags.shape):
        category = picture.categories[picture.index[pixel]]
        assert category.bits == told[pixel]
        assert category.count == (told == told[pixel]).sum()
        expected = [n for n in flag_names(int(told[pixel])) if n != "beammap.good"]
        nothing = "good" if int(told[pixel]) else "no flag"
        assert category.label == (" + ".join(expected) or nothing)


def test_rare_combinations_share_a_colour():
    flags = (np.arange(30 * 31, dtype=np.uint32) << 14).reshape(30, 31)
    picture = flag_image(flags)
    assert len(picture.categories) == 16
    assert picture.categories[-1].label == "other combinations"
    assert sum(category.count for category in picture.categories) == 930
    assert picture.index.max() == 15


def test_tasks_are_light_and_know_no_qt():
    code = (
        "import quicklook.tasks, quicklook.background_tasks, quicklook.child_process, sys; "
        "print([m for m in ('PyQt5', 'pyqtgraph', 'tables', 'numba', 'scipy', 'astropy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_window_imports_nothing_heavy():
    code = (
        "import quicklook.launch, sys; "
        "print([m for m in ('tables', 'numba', 'scipy', 'astropy', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
