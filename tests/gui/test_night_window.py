"""Pipeline > Run night: what the form writes is read back; the window shows plan, progress, results, and lives on."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from night_files import make_raw, plan_of, write_night
from window_rig import real_window

from pipeline_core.errors import ClusterError, OutputError
from pipeline_core.night import reduce as night_reduce
from pipeline_core.night import run as night_run
from pipeline_core.night.run import DONE, FAILED, LEFT_OUT, REUSED, STOPPED
from pipeline_core.night.settings import load_night
from pipeline_core.night.workers import Workers
from quicklook import night_form, night_running, night_tasks
from quicklook.dialogs.night_dialog import NightDialog
from quicklook.night_form import NightForm
from quicklook.night_tasks import TO_DO
from quicklook.qt import QtGui

pytestmark = pytest.mark.timeout(600)  # kernels may have to be compiled first

_SMALL = {"wavecal": None, "dark": None, "flatcal": None, "products": {"cube": {"time_bin_s": 1}}}
_WAIT = 240_000


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return make_raw(tmp_path_factory.mktemp("night"), seconds=1)


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


class Work:
    """Stands in for the steps, in threads: writes small files, and waits or fails as it is told to."""

    def __init__(self):
        self.failing = {}
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, kind, arguments, outputs, progress):
        while not self.go_on.wait(0.02):
            progress(1, 2, "half")
        if kind in self.failing:
            raise self.failing[kind]
        for path in outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(kind)
        return f"{kind} was done"


@pytest.fixture
def work(monkeypatch):
    """Plan and do nights in the lane's own thread: no process has to be started."""

    def do_night(path, scheduler, messenger, *, progress):
        news = messenger.news.emit
        return night_tasks.reduce(path, scheduler, progress=progress, news=news)

    work = Work()
    monkeypatch.setattr(night_run, "do", work)
    monkeypatch.setattr(night_running, "plan_in_child", night_tasks.plan)
    monkeypatch.setattr(night_running, "reduce_in_child", do_night)
    monkeypatch.setattr(
        night_reduce, "local_workers", lambda n: Workers(lambda board: ThreadPoolExecutor(n), n)
    )
    return work


def opened(qtbot, window, path):
    """The window of a night with its plan."""
    window.actions_by_name["run_night"].trigger()
    window.night.open_night(path)
    qtbot.waitUntil(lambda: not window.nights.jobs, timeout=_WAIT)
    qtbot.wait(20)
    return window.night.window


def ended(qtbot, window):
    qtbot.waitUntil(lambda: not window.nights.jobs, timeout=_WAIT)
    qtbot.wait(20)


def states(night):
    return {row.name: row.state for row in night.model.rows}


def cell(night, name, column):
    model = night.model
    k = next(k for k, row in enumerate(model.rows) if row.name == name)
    return model.data(model.index(k, column))


# --- the window ----------------------------------------------------------------------------------


def test_a_night_from_its_plan_to_its_results(qtbot, real, tmp_path, raw, monkeypatch):
    path = write_night(tmp_path, raw, **_SMALL)
    night = opened(qtbot, real, path)
    core = plan_of(path)
    assert [row.name for row in night.model.rows] == [task.name for task in core.tasks]
    assert set(states(night).values()) == {TO_DO}
    assert "Room: at most" in night.room.text()
    assert str(tmp_path / "out") in night.room.text()
    assert night.subline.text() == "5 tasks: 5 to do"
    assert (night.stage.text(), night.elapsed.text(), night.progress.value()) == ("", "", 0)
    assert "no result yet" in _tip_of(night, "image pos1")
    assert not night.report.isEnabled()
    photons = core.tasks[0]
    assert cell(night, photons.name, 5).startswith("≤ ")
    assert cell(night, "badpixels pos1", 2) == photons.name
    # it goes on when the window is closed, and is seen in the job bar
    night.start.click()
    assert night.cancel.isEnabled()
    night.close()
    assert real.job_bar.isVisible()
    ended(qtbot, real)
    assert "5 of 5 tasks are done" in real.messages.text
    real.actions_by_name["run_night"].trigger()
    assert real.night.window is night
    assert set(states(night).values()) == {DONE}
    assert night.progress.value() == 1000
    assert "done: image pos1" in night.log.toPlainText()
    size = photons.outputs[0].stat().st_size
    row = next(row for row in night.model.rows if row.name == photons.name)
    assert row.n_bytes == size
    assert row.seconds > 0
    # results
    shown = []
    monkeypatch.setattr(
        QtGui.QDesktopServices, "openUrl", staticmethod(lambda url: shown.append(url.toLocalFile()))
    )
    night.report.click()
    assert shown == [str(tmp_path / "out" / "report.html")]
    _choose(night, "image pos1")
    night.result.click()
    assert shown[-1] == str(tmp_path / "out" / "pos1" / "image.fits")
    assert "No program of this desktop opens image.fits" in night.messages.text
    with qtbot.waitSignal(real.fileOpened, timeout=30_000):
        _choose(night, "calibrated pos1")
        night.table.doubleClicked.emit(night.table.currentIndex())
    assert real.session.file.path == photons.outputs[0]
    # again: everything is there
    night.start.click()
    ended(qtbot, real)
    assert set(states(night).values()) == {REUSED}
    assert "at most 0 B needed" in night.room.text()


def _choose(night, name):
    k = next(k for k, row in enumerate(night.model.rows) if row.name == name)
    night.table.selectRow(k)


def _tip_of(night, name):
    _choose(night, name)
    assert not night.result.isEnabled()
    return night.result.toolTip()


def _cells(night, column):
    return [cell(night, row.name, column) for row in night.model.rows]


def test_a_failed_task_leaves_the_window_and_the_others_alive(qtbot, real, tmp_path, raw, work):
    night = opened(qtbot, real, write_night(tmp_path, raw, **_SMALL))
    work.failing["badpixels"] = OutputError("the disk is full")
    night.start.click()
    ended(qtbot, real)
    found = states(night)
    assert found["badpixels pos1"] == FAILED
    assert found["calibrated pos1"] == LEFT_OUT
    assert cell(night, "badpixels pos1", 6) == "the disk is full"
    assert cell(night, "calibrated pos1", 6) == "it needs: badpixels pos1"
    assert "1 of 5 tasks are done" in night.messages.text
    assert "says why the others are not" in night.messages.text
    assert cell(night, "badpixels pos1", 5).startswith("≤ ")
    assert real.messages.kind == "warning"
    work.failing.clear()
    night.start.click()
    ended(qtbot, real)
    assert set(states(night).values()) == {DONE, REUSED}


def test_progress_is_shown_and_a_cancelled_night_goes_on(qtbot, real, tmp_path, raw, work):
    night = opened(qtbot, real, write_night(tmp_path, raw))
    work.go_on.clear()
    night.start.click()
    qtbot.waitUntil(lambda: _cells(night, 3).count("running 50%") == 2, timeout=20_000)
    running = [name for name, state in states(night).items() if state == "running"]
    assert cell(night, running[0], 6) == "half"
    qtbot.waitUntil(lambda: night.progress.value() > 0, timeout=_WAIT)
    assert set(night.stage.text().split(", ")) == set(running)
    assert "2 running" in night.subline.text()
    for button in (night.start, night.open, night.edit):
        assert not button.isEnabled()
        assert "Wait" in button.toolTip()
    real.close()  # it asks first
    assert real.isVisible()
    assert "Not finished: Night pipeline.yml" in real.messages.text
    night.cancel.click()
    assert not night.cancel.isEnabled()
    ended(qtbot, real)
    found = states(night)
    assert [found[name] for name in running] == [STOPPED, STOPPED]
    assert set(found.values()) == {STOPPED, TO_DO}
    assert "what is done is kept" in night.messages.text
    work.go_on.set()
    night.start.click()
    ended(qtbot, real)
    assert set(states(night).values()) == {DONE}


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_file_that_is_saved_while_a_night_runs_is_shown_after_it(
    qtbot, real, tmp_path, raw, work, is_cancelled
):
    night = opened(qtbot, real, write_night(tmp_path, raw, **_SMALL))
    night.edit.click()
    qtbot.waitUntil(lambda: real.night.dialog is not None)
    dialog = real.night.dialog
    dialog.target.set_text(str(tmp_path / "second.yml"))
    work.go_on.clear()
    night.start.click()
    qtbot.waitUntil(lambda: "1 running" in night.subline.text(), timeout=_WAIT)
    qtbot.waitUntil(dialog.save.isEnabled)
    dialog.save.click()
    qtbot.waitUntil(lambda: "second.yml is shown here when" in night.messages.text)
    assert [job.title for job in real.nights.jobs] == ["Night pipeline.yml"]
    assert "night is running" in night.start.toolTip()
    if is_cancelled:
        night.cancel.click()  # of the night
    else:
        work.failing["badpixels"] = OutputError("the disk is full")
        work.go_on.set()
    qtbot.waitUntil(lambda: night.plan.path.name == "second.yml", timeout=_WAIT)
    log = night.log.toPlainText()
    if is_cancelled:
        assert "The night was cancelled" in log
        assert not (tmp_path / "out" / "pos1" / "image.fits").exists()
        work.go_on.set()
    else:
        assert "1 of 5 tasks are done" in log
        assert "Night pipeline.yml: 1 of 5 tasks are done" in real.messages.text
    assert night.start.isEnabled()
    assert night.headline.text() == str(tmp_path / "second.yml")


def test_what_keeps_a_night_from_running_is_said_and_the_window_lives_on(
    qtbot, real, tmp_path, raw, work, monkeypatch
):
    path = write_night(tmp_path, raw, ncpu="many", typo=1)
    night = opened(qtbot, real, path)
    assert "line" in night.messages.text
    assert "ncpu is 'many'. Write a whole number" in night.messages.text
    assert "'typo' is not known" in night.messages.text
    assert not night.start.isEnabled()
    path = write_night(tmp_path, raw, **_SMALL)
    opened(qtbot, real, path)
    assert night.start.isEnabled()
    assert not night.messages.isVisible()

    def no_cluster(address, settings):
        raise ClusterError(f"No scheduler answers at {address!r}.")

    monkeypatch.setattr(night_reduce, "cluster_workers", no_cluster)
    night.scheduler.setText(" nonsense ")
    night.start.click()
    ended(qtbot, real)
    assert "No scheduler answers at 'nonsense'" in night.messages.text
    assert "was not finished" in real.messages.text


def test_too_little_room_is_said_before_start(qtbot, real, tmp_path, raw, work):
    night = opened(qtbot, real, write_night(tmp_path, raw, **_SMALL))
    night.show_plan(dataclasses.replace(night.plan, obstacle="The disk has 0.1 GB free."))
    assert not night.start.isEnabled()
    assert night.start.toolTip() == "The disk has 0.1 GB free."
    assert "0.1 GB free" in night.problems.text()
    assert night.problems.isVisible()


# --- the form ------------------------------------------------------------------------------------

_FORM = NightForm(
    inputs=(("pos1", "1602050400", "1602050401"), ("pos_2", "10", "20")),
    dithered=True,
    lasers=(("1", "2", "808"), ("2", "3", "980.5")),
    dark=(("30", "40"),),
    flats=(("50", "60"), ("60", "70")),
    badpixels=False,
    cosmics=True,
    image=False,
    cube=True,
    cube_bins="wavelength_bin_nm",
    cube_bin="25.5",
    cube_step="0.5",
    weighted=True,
    rates=True,
    register="centroid",
    dither_log="dither.log",
    pixels_per_unit="20 -20",
    method="median",
    upsample="2",
    speckle=True,
    speckle_bin="0.02",
    with_ip=True,
    pages=("summary", "rvsf"),
    ncpu="3",
)


_LOG = "starts=[1602050400, 1602050410]\nends=[1602050410, 1602050420]\npath=[(0, 0), (1, 2)]\n"


@pytest.fixture
def form(tmp_path, raw):
    places = {"database": "db", "out": "out", "work": "work", "dither_log": "dither.log"}
    (tmp_path / "dither.log").write_text(_LOG)
    return dataclasses.replace(
        _FORM,
        data=str(raw.folder),
        beammap=str(raw.beammap_path),
        **{name: str(tmp_path / place) for name, place in places.items()},
    )


def test_what_is_filled_in_is_written_and_read_back(qtbot, real, tmp_path, form, work):
    real.actions_by_name["run_night"].trigger()
    real.night.window.new.click()
    dialog = real.night.dialog
    dialog.set_form(form)
    assert dialog.form() == form
    qtbot.waitUntil(lambda: "Choose where to save" in dialog.reason.text())
    assert not dialog.save.isEnabled()
    path = tmp_path / "made.yml"
    dialog.target.set_text(str(path))
    qtbot.waitUntil(dialog.save.isEnabled)
    dialog.save.click()
    qtbot.waitUntil(lambda: real.night.window.plan is not None, timeout=_WAIT)
    assert real.night.dialog is None
    assert night_form.read_form(path) == form
    real.night.window.edit.click()
    qtbot.waitUntil(lambda: real.night.dialog is not None)
    assert real.night.dialog.form() == form
    assert real.night.dialog.target.text() == str(path)
    found = load_night(path)
    assert [one.wavelength_nm for one in found.wavecal] == [808.0, 980.5]
    assert found.cube.wavelength_bin_nm == 25.5
    assert (found.dark.start, found.dark.stop) == (30, 40)
    assert found.ncpu == 3
    stack, speckle = found.stack, found.speckle
    assert (stack.register, stack.method, stack.upsample) == ("centroid", "median", 2)
    assert stack.offsets.pixels().tolist() == [[0, 0], [20, -40]]
    assert (speckle.bin_s, speckle.with_ip) == (0.02, True)


def test_a_file_becomes_a_form_and_the_same_settings_again(tmp_path, raw):
    products = {"cube": {"edges_nm": [700, 900, 1000], "min_wavelength": 710}}
    path = write_night(tmp_path, raw, products=products, ncpu=None)
    form = night_form.read_form(path)
    assert form.more == (("cube", "edges_nm", [700, 900, 1000]), ("cube", "min_wavelength", 710))
    same_again(path, form)


def same_again(path, form):
    """Write a form as another file, which means the same and says the same of products; return what that is."""
    before = load_night(path)
    folder = path.parent / "other"
    folder.mkdir(exist_ok=True)
    written = night_form.write_form(form, folder / "again.yml")
    assert dataclasses.replace(load_night(written), source=path) == dataclasses.replace(
        before, source=path
    )
    said, again = (yaml.safe_load(one.read_text())["products"] for one in (path, written))
    assert again == {"image": True, **said}
    return said


@pytest.mark.parametrize(
    "products",
    [
        {"stack": {"register": "none"}, "speckle": {"bin_s": 0.5}},
        {"stack": {"offsets": [[0, 0], [1, 2]], "pixels_per_unit": 2, "fewest": 2}},
        {"stack": {"offsets": [[0, 0], [1, 2]], "pixels_per_unit": [1, 2, 3, 4], "padding": 0.5}},
        {"stack": {"weights": "equal", "exclude": "none", "weighted": False, "energy_bin_ev": 0.1}},
        {"speckle": {"tau_s": 0.2, "ic_prior": [3, 1], "exclude": ["pixcal.hot"]}},
        {"speckle": {}, "cube": {}, "image": False},
        {"stack": {"method": "drizzle", "upsample": 3, "pixfrac": 0.5, "edges_nm": [800, 900]}},
    ],
)
def test_all_that_a_file_says_of_stack_and_speckles_is_kept(qtbot, tmp_path, raw, products):
    sky = next(one for one in raw.observations if one.name == "sky")
    inputs = {
        "dithered": True,
        "a": [sky.start, sky.start + 1],
        "b": [sky.start + 1, sky.start + 2],
    }
    path = write_night(tmp_path, raw, inputs=inputs, products=products)
    dialog = NightDialog()
    qtbot.addWidget(dialog)
    dialog.set_form(night_form.read_form(path))
    assert dialog.form() == night_form.read_form(path)
    assert same_again(path, dialog.form()) == products


def test_a_log_beside_the_file_is_found_from_elsewhere(tmp_path, raw):
    sky = next(one for one in raw.observations if one.name == "sky")
    inputs = {"dithered": True, "a": [sky.start, sky.start + 1]}
    (tmp_path / "dither.log").write_text(_LOG)
    products = {"stack": {"dither_log": "dither.log", "pixels_per_unit": 2}}
    path = write_night(tmp_path, raw, inputs=inputs, products=products)
    form = night_form.read_form(path)
    assert form.dither_log == str(tmp_path / "dither.log")
    assert form.pixels_per_unit == "2"
    (tmp_path / "other").mkdir()
    written = night_form.write_form(form, tmp_path / "other" / "again.yml")
    assert load_night(written).stack == load_night(path).stack


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("register", lambda box: box.setCurrentIndex(2)),
        ("method", lambda box: box.setCurrentIndex(2)),
        ("upsample", lambda line: line.setText("3")),
        ("dither_log", lambda path: path.set_text("x.log")),
        ("pixels_per_unit", lambda line: line.setText("3")),
        ("speckle", lambda box: box.setChecked(True)),
        ("speckle_bin", lambda line: line.setText("3")),
        ("with_ip", lambda box: box.setChecked(True)),
    ],
)
def test_every_change_is_looked_at(qtbot, name, change):
    dialog = NightDialog()
    qtbot.addWidget(dialog)
    qtbot.waitSignal(dialog.checkRequested, timeout=2000).wait()
    before = dialog.form()
    with qtbot.waitSignal(dialog.checkRequested, timeout=2000) as asked:
        change(getattr(dialog, name))
    assert getattr(asked.args[0], name) != getattr(before, name)


def test_what_belongs_to_a_stack_or_speckles_needs_its_tick(qtbot):
    dialog = NightDialog()
    qtbot.addWidget(dialog)
    parts = {"dithered": ("register", "method", "upsample", "dither_log", "pixels_per_unit")}
    parts["speckle"] = ("speckle_bin", "with_ip")
    for tick, names in parts.items():
        for name in names:
            assert not getattr(dialog, name).isEnabled()
            assert "first" in getattr(dialog, name).toolTip()
        getattr(dialog, tick).setChecked(True)
        for name in names:
            assert getattr(dialog, name).isEnabled()
            assert "first" not in getattr(dialog, name).toolTip()
    dialog.register.setCurrentIndex(dialog.register.findData("none"))
    assert yaml.safe_load(night_form.text_of(dialog.form()))["products"]["stack"] == {
        "register": "none"
    }
    dialog.dithered.setChecked(False)  # a stack is of a dither
    assert "stack" not in yaml.safe_load(night_form.text_of(dialog.form()))["products"]


def test_what_the_form_does_not_know_of_products_is_kept():
    kept = dataclasses.replace(_FORM, more=(("stack", "fewest", 2), ("speckle", "seed", 3)))
    products = yaml.safe_load(night_form.text_of(kept))["products"]
    assert products["stack"]["fewest"] == 2
    assert products["speckle"] == {"with_ip": True, "bin_s": 0.02, "seed": 3}


def test_the_form_says_everything_that_is_missing(tmp_path, form):
    empty = night_form.check_form(NightForm(), "")
    assert any("Add an observation" in text for text in empty.problems)
    assert any("folder of the raw files" in text for text in empty.problems)
    wrong = dataclasses.replace(
        form, inputs=(("pos 1", "5", "x"),), lasers=(("1", "2", "808"),), ncpu="0"
    )
    problems = night_form.check_form(wrong, str(tmp_path / "night.txt")).problems
    for words in (
        "no name of an observation",
        "no unix second",
        "needs two lasers",
        "ncpu",
        ".yml",
    ):
        assert any(words in text for text in problems), (words, problems)
    assert not any("line" in text for text in problems)
    twice = dataclasses.replace(form, inputs=(("a", "10", "20"), ("b", "15", "20")), dithered=True)
    (problem,) = night_form.check_form(twice, str(tmp_path / "night.yml")).problems
    assert problem.startswith("b shares the seconds 15 to 20 with a. Correct")
    assert night_form.check_form(form, str(tmp_path / "night.yml")).problems == ()


def test_rows_are_added_and_removed(qtbot, real):
    real.actions_by_name["run_night"].trigger()
    real.night.window.new.click()
    dialog = real.night.dialog
    table = dialog.dark
    table.add.click()
    assert not table.add.isEnabled()
    assert "1 only" in table.add.toolTip()
    assert table.rows() == ()
    table.table.item(0, 0).setText(" 5 ")
    assert table.rows() == (("5", ""),)
    table.table.selectRow(0)
    table.remove.click()
    assert table.table.rowCount() == 0
    assert table.add.isEnabled()
    assert not dialog.bins.isEnabled()
    assert dialog.bins.toolTip() == "Tick 'Cubes' first"
    dialog.cube.setChecked(True)
    dialog.bins.setCurrentIndex(1)
    dialog.bins.activated.emit(1)
    assert dialog.bin_width.text() == "0.1"
    dialog.cancel.click()
    assert real.night.dialog is None
