"""Whether a window tells the truth: everything on the screen against the session and an independent count."""

from __future__ import annotations

import gc
import multiprocessing
import threading
import time
from pathlib import Path

import numpy as np
from monkey_files import MonkeyFiles, Truth

from pipeline_core import ObsFile
from quicklook.main_window import MainWindow
from quicklook.qt import QtCore, QtWidgets
from quicklook.views.image_pane import FLAGS, RAW_COUNTS
from quicklook.views.plot_window import PlotWindow
from quicklook.views.region_layer import RegionItem

__all__ = ["check", "grown", "is_settled", "leftovers", "settle", "size"]


def is_settled(window: MainWindow) -> bool:
    """Whether nothing is under way any more."""
    lanes = (window.reads, window.chores, window.jobs)
    timers = (
        window.controls.times._settle,
        window.controls.band._settle,
        window.timeline._settle,
        window.image._view_settled,
    )
    busy = window.broker.turns.busy or window.speckling._turns.busy
    busy = busy or any(lane.jobs for lane in lanes)
    return not busy and not any(timer.isActive() for timer in timers)


def settle(window: MainWindow, wait_s: float = 20.0) -> None:
    """Serve events until nothing is under way."""
    application = QtWidgets.QApplication.instance()
    end = time.monotonic() + wait_s
    quiet = 0
    while quiet < 3:
        application.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
        quiet = quiet + 1 if is_settled(window) else 0
        lanes = {
            lane.objectName(): lane.jobs for lane in (window.reads, window.chores, window.jobs)
        }
        assert time.monotonic() < end, f"still under way after {wait_s} s: {lanes}"
        time.sleep(0.001)


def check(window: MainWindow, files: MonkeyFiles) -> None:
    """Fail with what is not true."""
    _check_image(window, files)
    _check_hint(window)
    _check_ranges(window)
    _check_status(window)
    _check_target(window)
    _check_regions(window)
    _check_timeline(window, files)
    _check_actions(window)
    for pane in window.card.panes:
        if pane.isVisible():
            _check_plot(window, pane, window.session.target, window.session.bin_s, files)
    for plot_window in window.plot_windows.windows:
        _check_plot_window(window, plot_window, files)
    facts = window.session.file
    title = "quicklook" if facts is None else f"{facts.path.name} - quicklook"
    assert window.windowTitle() == title
    assert QtWidgets.QApplication.activeModalWidget() is None


def _truth(window: MainWindow, files: MonkeyFiles) -> Truth | None:
    """Return what is known of the open file; None: nothing (a result of a conversion is like its source)."""
    facts = window.session.file
    if facts is None:
        return None
    truth = files.truths.get(facts.path)
    if truth is not None and len(facts.paths) == 1 and facts.path.suffix == ".bin":
        return truth.before(1_000_000)
    if truth is not None and facts.masked_s > 0:
        with ObsFile(facts.path) as obs:
            return truth.without(obs.masked_us.tolist())
    return truth


# --- image -------------------------------------------------------------------------------------------


def _check_image(window: MainWindow, files: MonkeyFiles) -> None:
    image, facts = window.image, window.session.file
    if facts is None:
        assert image.kind == ""
        return
    assert not image._busy.isVisible()
    if image.message:
        whole = _is_whole(window)
        frame_cut = not facts.has_photons and not whole
        assert frame_cut or facts.path in files.broken, f"image says: {image.message}"
        return
    picture = image.view.picture.image
    assert picture.shape == facts.shape[::-1]
    assert image.view.marker.pixel == window.session.pixel
    if image.kind == FLAGS:
        np.testing.assert_array_equal(image.array, facts.flags)
        np.testing.assert_array_equal(picture, facts.flag_image.index.T)
        return
    assert image.kind == RAW_COUNTS
    assert image.counts is not None
    assert image.array is image.counts.image
    request = image.counts.request
    assert request.token == facts.token, "counts of a file that is no longer open"
    truth = _truth(window, files)
    if truth is not None:
        counted = truth.image(request.start_s, request.stop_s, request.low, request.high)
        np.testing.assert_array_equal(image.array, counted)


def _is_whole(window: MainWindow) -> bool:
    """Whether everything in the file is looked at."""
    session = window.session
    everything = (0.0, session.file.exposure_s)
    return session.time_range == everything and session.band == (None, None)


def _check_hint(window: MainWindow) -> None:
    session, image, controls = window.session, window.image, window.controls
    wanted = False
    if session.file is not None:
        same = (image.kind == RAW_COUNTS) == controls.wants_counts
        if same and controls.wants_counts:
            request = image.counts.request
            shown = (request.start_s, request.stop_s, request.low, request.high)
            same = shown == (*session.time_range, *session.band)
        wanted = not same
    assert controls.hint.text().startswith("Press Plot Image") == wanted


def _check_ranges(window: MainWindow) -> None:
    session, controls = window.session, window.controls
    if session.file is None:
        return
    assert controls.times.range == session.time_range
    assert controls.chosen_band == session.band
    for boxes in (controls.times, controls.band):
        start, stop = boxes.range
        assert boxes.limits[0] <= start < stop <= boxes.limits[1]
        for box, value in ((boxes.start, start), (boxes.stop, stop)):
            assert abs(box.value() - value) <= 0.51 * 10.0 ** -box.decimals()
    assert abs(window.card.bin_ms.value() - 1e3 * session.bin_s) < 1e-6


def _check_status(window: MainWindow) -> None:
    facts, pixel = window.session.file, window.session.pixel
    text = window.status.active_text
    if facts is None or pixel is None:
        assert text == "Active Pixel: none"
        return
    assert text.startswith(f"Active Pixel ({pixel[0]}, {pixel[1]})")
    if window.image.kind == RAW_COUNTS and not window.image.message:
        assert f"|   {int(window.image.array[pixel]):,} counts in" in text, text


# --- what is looked at -------------------------------------------------------------------------------


def _check_target(window: MainWindow) -> None:
    session, selected = window.session, window.regions.selected
    target = session.target
    if session.file is not None and window.region_table.plot.isChecked() and selected is not None:
        inside = {tuple(p) for p in np.argwhere(selected.shape.mask(session.file.shape)).tolist()}
        if inside:
            assert target is not None
            assert set(target.pixels) == inside
            assert selected.name in target.label
            return
    if session.pixel is None:
        assert target is None
    else:
        assert target is not None
        assert target.pixels == (session.pixel,)


def _check_regions(window: MainWindow) -> None:
    numbers = {region.number for region in window.regions.regions}
    assert set(window.image.layer.items) == numbers
    on_screen = [i for i in window.image.view.scene().items() if isinstance(i, RegionItem)]
    assert len(on_screen) == len(numbers), "outlines of regions that are gone"
    table = window.region_table
    assert table.table.rowCount() == len(numbers)
    if window.image.kind == RAW_COUNTS and not window.image.message:
        for region in window.regions.regions:
            found = table.statistics.get(region.number)
            mask = region.shape.mask(window.image.array.shape)
            assert (found is not None) == bool(mask.any())
            if found is not None:
                assert found.sum == window.image.array[mask].sum()


def _check_timeline(window: MainWindow, files: MonkeyFiles) -> None:
    pane, facts = window.timeline, window.session.file
    if facts is None or not facts.has_photons:
        assert pane.message
        return
    if pane.message:
        assert facts.path in files.broken, f"time line says: {pane.message}"
        return
    truth = _truth(window, files)
    if truth is not None:
        assert pane.survey.counts.sum() == truth.time_us.size
    np.testing.assert_allclose(pane.span.getRegion(), window.session.time_range, atol=1e-9)


def _check_actions(window: MainWindow) -> None:
    act, facts, regions = window.actions_by_name, window.session.file, window.regions
    photons = facts is not None and facts.has_photons
    wanted = {
        "reload": facts is not None,
        "light_curve": photons,
        "undo": regions.can_undo,
        "remove_region": facts is not None and bool(regions.regions),
        "export_light_curve": photons and window.session.pixel is not None,
        "next_hot": facts is not None and window.image.kind == RAW_COUNTS,
    }
    said = {name: act[name].isEnabled() for name in wanted}
    assert said == wanted


# --- plots -------------------------------------------------------------------------------------------


def _check_plot(window: MainWindow, pane, target, bin_s, files: MonkeyFiles) -> None:
    session, facts = window.session, window.session.file
    assert not pane._busy.isVisible()
    assert not pane._veil.isVisible()
    there = facts is not None and facts.has_photons and target is not None
    if there:
        there = all(x < facts.shape[0] and y < facts.shape[1] for x, y in target.pixels)
    if not there:
        assert pane.shown is None
        assert pane.message
        assert pane.message != "Reading…"
        return
    if pane.message:
        assert facts.path in files.broken, f"{pane.name} says: {pane.message}"
        return
    request = pane.shown.request
    shown = (request.token, request.start_s, request.stop_s, request.low, request.high)
    assert shown == (facts.token, *session.time_range, *session.band), f"{pane.name} is stale"
    assert (request.pixels, request.label) == (target.pixels, target.label), f"{pane.name} is stale"
    assert not pane.uses_bin or request.bin_s == bin_s, f"{pane.name} is stale"
    assert request.label in pane.detail
    _check_counts(pane, _truth(window, files))


def _check_counts(pane, truth: Truth | None) -> None:
    if truth is None:
        return
    request, data = pane.shown.request, pane.shown.data
    image = truth.image(request.start_s, request.stop_s, request.low, request.high)
    wanted = sum(int(image[pixel]) for pixel in request.pixels)
    if pane.kind == "histogram":
        return  # leaves out the last, shorter bin
    assert int(data.counts.sum()) == wanted, f"{pane.name} of {request}"


def _check_plot_window(window: MainWindow, plot_window: PlotWindow, files: MonkeyFiles) -> None:
    assert plot_window.isVisible()
    pane, facts = plot_window.pane, window.session.file
    if facts is not None and facts.path == pane.home.path:
        target = window.session.target if plot_window.follow.isChecked() else pane.target
        _check_plot(window, pane, target, pane.home.bin_s, files)
        assert not plot_window.note.isVisible()
    else:
        assert plot_window.note.isVisible()
        assert pane.home.path.name in plot_window.note.text()
        if pane.shown is not None and len(files.truths) and pane.home.path in files.truths:
            assert pane.message == ""


# --- what is left ------------------------------------------------------------------------------------


def leftovers() -> dict[str, int]:
    """Count what must not grow."""
    application = QtWidgets.QApplication.instance()
    application.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    gc.collect()
    application.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    objects = gc.get_objects()
    threads = [t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)]
    lanes = [o for o in objects if type(o) is QtCore.QThread and o.isRunning()]
    return {
        "threads": len(threads) + len(lanes),
        "processes": len(multiprocessing.active_children()),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "widgets": len(application.allWidgets()),
        "plot windows": sum(type(o) is PlotWindow for o in objects),
        "outlines of regions": sum(type(o) is RegionItem for o in objects),
    }


def size(window: MainWindow) -> dict[str, int]:
    """Count what a window holds, without regions, small windows and plots in windows of their own."""
    window.plot_windows.close_all()
    window.regions.clear()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    small = [o for d in window.findChildren(QtWidgets.QDialog) for o in (d, *_below(d))]
    ids = {id(o) for o in small}  # good as long as `small` holds them
    return {
        "objects": sum(id(o) not in ids for o in _below(window)),
        "items of the image": len(window.image.view.scene().items()),
    }


def _below(parent: QtCore.QObject) -> list[QtCore.QObject]:
    return parent.findChildren(QtCore.QObject)


def grown(before: dict[str, int], now: dict[str, int], slack: dict[str, int]) -> list[str]:
    """Return what is more than it was."""
    return [
        f"{name}: {before[name]} -> {now[name]}"
        for name in before
        if now[name] > before[name] + slack.get(name, 0)
    ]
