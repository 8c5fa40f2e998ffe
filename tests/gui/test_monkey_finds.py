"""What random actions have found, each as a test of its own."""

from __future__ import annotations

from gui_actions import click_pixel, move_to, plot_counts, wait_for_plots

from pipeline_core.regions import Rectangle
from quicklook import theme
from quicklook.main_window import MainWindow
from quicklook.qt import Qt, QtCore, QtWidgets


def test_a_plot_in_a_window_of_its_own_is_asked_for_without_a_file(qtbot, window):
    buttons = window.card.light_curve.findChildren(QtWidgets.QToolButton)
    [out] = [b for b in buttons if "window of its own" in b.toolTip()]
    qtbot.mouseClick(out, Qt.MouseButton.LeftButton)
    assert window.plot_windows.windows == ()
    assert "Needs photons" in window.messages.text


def test_undo_is_offered_as_soon_as_there_is_something_to_undo(opened):
    undo, remove = (opened.actions_by_name[name] for name in ("undo", "remove_region"))
    assert not undo.isEnabled()
    opened.regions.add(Rectangle(1, 1, 3, 2))
    assert undo.isEnabled()
    assert remove.isEnabled()
    opened.regions.undo()
    assert not undo.isEnabled()
    assert not remove.isEnabled()


def test_a_span_that_is_pushed_together_goes_back_to_the_time_range(qtbot, opened):
    timeline = opened.timeline
    qtbot.waitUntil(lambda: timeline.survey is not None)
    timeline.span.setRegion((4.5, 5.5))  # beyond the end: an empty span there
    assert timeline.span.getRegion() == (4.0, 4.0)
    qtbot.waitUntil(lambda: timeline.span.getRegion() == (0.0, 4.0), timeout=2000)
    assert opened.session.time_range == (0.0, 4.0)


def test_regions_of_a_window_that_is_gone_do_not_follow_the_looks(qtbot, settings):
    other = MainWindow(settings)
    other.regions.add(Rectangle(1, 1, 3, 2))
    other.show()
    other.stop_and_close()
    other.deleteLater()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    theme.use("dark")
    theme.use("light")  # pytest-qt fails the test if a slot raises
    assert other.regions is not None  # Python still holds it


def test_what_was_typed_just_before_closing_asks_for_nothing(qtbot, opened):
    opened.session.set_pixel((3, 2))
    wait_for_plots(qtbot, opened, (3, 2))
    opened.controls.times.start.setValue(1.5)  # announced a moment later
    opened.close()
    qtbot.waitUntil(lambda: opened.session.time_range == (1.5, 4.0), timeout=2000)
    assert opened.reads.jobs == ()


def test_what_is_said_of_pixels_never_widens_the_window(qtbot, opened):
    width, narrowest = opened.width(), opened.minimumSizeHint().width()
    opened.controls.times.set_range(0.125, 3.75)
    opened.session.set_time_range(0.125, 3.75)
    opened.session.set_band(-120.5, -30.2)
    plot_counts(qtbot, opened)
    click_pixel(qtbot, opened, 3, 2)
    wait_for_plots(qtbot, opened, (3, 2))
    move_to(opened, 4, 2)
    qtbot.waitUntil(lambda: opened.status.hovered_text.startswith("under mouse: (4, 2)"))
    qtbot.wait(30)
    assert opened.width() == width
    assert opened.minimumSizeHint().width() <= max(narrowest, width)
    active = opened.status._active
    assert active.width() >= active.sizeHint().width()  # nothing of the active pixel is cut
