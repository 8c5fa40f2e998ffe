"""Simulated raw files through the window: convert in the background, open, click, compare."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from gui_actions import click_pixel, plot_counts, wait_for_plots
from loop_probe import LoopProbe
from window_rig import real_window

from pipeline_core import ObsFile
from pipeline_core.simulate import SimulationSettings, simulate
from quicklook import preparation
from quicklook.background_tasks import ConvertForm
from quicklook.preparation import Preparation
from quicklook.qt import Qt, QtWidgets

SECONDS = 3


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    settings = SimulationSettings(kind="sky", seconds=SECONDS, shape=(10, 7), rate_cps=200, seed=4)
    return simulate(settings, tmp_path_factory.mktemp("night"))


@pytest.fixture
def form(night, tmp_path):
    return ConvertForm(
        bin_dir=str(night.folder),
        start=night.start,
        duration=SECONDS,
        beammap=str(night.beammap_path),
        out=str(tmp_path / "out" / "night.h5"),
    )


@pytest.fixture
def real(qtbot, settings, form):
    Path(form.out).parent.mkdir()
    with real_window(qtbot, settings) as window:
        yield window


def test_convert_dialog_to_clicked_pixel(qtbot, real, form, night):
    real.actions_by_name["convert"].trigger()
    dialog = real.conversion.dialog
    dialog.set_form(form)
    qtbot.waitUntil(dialog.convert.isEnabled, timeout=5000)
    with qtbot.waitSignal(real.fileOpened, timeout=60_000):
        qtbot.mouseClick(dialog.convert, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(real.job_bar.isVisible)
    qtbot.waitUntil(lambda: not real.job_bar.isVisible())
    assert "photons in night.h5" in real.messages.text
    with ObsFile(form.out) as obs:
        image, photons = obs.count_image(), obs.photons(pixel=(7, 2))
        np.testing.assert_array_equal(real.session.file.flags, obs.flags)
    qtbot.wait(50)
    plot_counts(qtbot, real)
    np.testing.assert_array_equal(real.image.array, image)
    click_pixel(qtbot, real, 7, 2)
    wait_for_plots(qtbot, real, (7, 2))
    counts = np.histogram(photons["time"] / 1e6, np.arange(301) / 100)[0]
    np.testing.assert_array_equal(real.card.light_curve.shown.data.counts, counts)
    spectrum = real.card.spectrum
    assert spectrum.bars.getData()[1].sum() == photons.size > 0
    np.testing.assert_allclose(
        real.card.histogram.bars.getData()[1], np.bincount(counts) / counts.size
    )


def start_slow_conversion(qtbot, real, form, monkeypatch):
    """Start a conversion whose child works for ten seconds, and wait until it does."""
    import child_work

    import quicklook.conversion as conversion
    from quicklook.child_process import run_in_child

    folder = str(Path(form.out).parent)

    def slow(form, *, progress):
        return run_in_child(child_work.work_politely, folder, progress=progress)

    monkeypatch.setattr(conversion, "convert_in_child", slow)
    job = real.conversion.start(form)
    qtbot.waitUntil(lambda: bool(list(Path(folder).glob("*.part"))), timeout=10_000)
    return job


def test_cancel_in_the_job_bar(qtbot, real, form, monkeypatch):
    job = start_slow_conversion(qtbot, real, form, monkeypatch)
    asked = time.monotonic()
    qtbot.mouseClick(real.job_bar.row(job.id).cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "was cancelled" in real.messages.text)
    assert time.monotonic() - asked < 0.5
    qtbot.waitUntil(lambda: not real.job_bar.isVisible())
    assert list(Path(form.out).parent.iterdir()) == []


def test_cancel_of_a_deaf_conversion_leaves_nothing(qtbot, real, form, monkeypatch):
    import child_work

    from quicklook import background_tasks

    monkeypatch.setattr(background_tasks, "convert", child_work.convert_deafly)
    folder = Path(form.out).parent
    real.conversion.start(form)
    qtbot.waitUntil(lambda: bool(list(folder.glob("*.part"))), timeout=10_000)
    asked = time.monotonic()
    real.jobs.cancel_all()
    qtbot.waitUntil(lambda: "was cancelled" in real.messages.text)
    assert time.monotonic() - asked < 0.6
    assert list(folder.iterdir()) == []


def test_closing_while_converting_asks(qtbot, real, form, monkeypatch):
    start_slow_conversion(qtbot, real, form, monkeypatch)
    assert not real.close()
    assert "Not finished" in real.messages.text
    qtbot.mouseClick(real.messages.button("Keep working"), Qt.MouseButton.LeftButton)
    assert real.messages.text == ""
    assert real.isVisible()
    assert not real.close()
    qtbot.mouseClick(real.messages.button("Stop it and exit"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not real.isVisible(), timeout=5000)
    assert list(Path(form.out).parent.iterdir()) == []


def test_failed_conversion_names_file_cause_and_remedy(qtbot, real, form, night):
    bad = Path(form.out).parent / "bad.bmap"
    bad.write_text("1 0 0 0\n2 0 zero 1\n")
    real.conversion.start(ConvertForm(**{**form.__dict__, "beammap": str(bad)}))
    qtbot.waitUntil(lambda: real.messages.kind == "error", timeout=20_000)
    for words in ("night.h5 was not written", "bad.bmap, line 2", "Correct or remove"):
        assert words in real.messages.text
    assert not Path(form.out).exists()


def test_the_event_loop_is_served_while_converting(qtbot, real, form):
    probe = LoopProbe()
    qtbot.wait(300)
    probe.start()
    with qtbot.waitSignal(real.fileOpened, timeout=60_000):
        real.conversion.start(form)
    probe.stop()
    # generous, since tests share the machine; benchmarks/bench_window.py measures the real figure
    assert probe.percentile_ms(99) < 100


def test_a_file_that_is_none(qtbot, real, tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("no photons here")
    real.open_file(text)
    qtbot.waitUntil(lambda: real.messages.kind == "error", timeout=10_000)
    assert "text.h5" in real.messages.text
    real.open_file(tmp_path / "absent.h5")
    qtbot.waitUntil(lambda: "absent.h5" in real.messages.text, timeout=10_000)


def test_window_has_no_modal_question(real):
    assert QtWidgets.QApplication.activeModalWidget() is None


def test_the_core_is_prepared_once_for_each_state_of_its_sources(
    qtbot, real, tmp_path, monkeypatch
):
    real.preparation.start_if_needed()
    assert real.job_bar.isVisible()
    qtbot.waitUntil(lambda: not real.job_bar.isVisible(), timeout=60_000)
    Preparation(real.jobs, real).start_if_needed()  # a later start, whatever its preferences
    assert real.jobs.jobs == ()
    new = tmp_path / "new_kernel.py"
    new.touch()
    found = preparation.package_sources()
    monkeypatch.setattr(preparation, "package_sources", lambda: [*found, new])
    monkeypatch.setattr(preparation, "rehearse_in_child", lambda *, progress: None)
    Preparation(real.jobs, real).start_if_needed()  # after an update that kept its version
    assert [job.key for job in real.jobs.jobs] == [preparation.PREPARE]
