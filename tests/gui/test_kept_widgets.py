"""What is shown of every file keeps its widgets: making them anew took half of the time of opening one."""

from __future__ import annotations

import pytest

from quicklook import theme
from quicklook.file_facts import CalibrationState
from quicklook.qt import Qt, QtWidgets
from quicklook.widgets.calibration_strip import CalibrationStrip
from quicklook.widgets.flag_legend import FlagLegend

GOOD = ("#c2cad6", "beammap.good", 40, "Found.")
FAILED = ("#d55e00", "beammap.failed + pixcal.hot", 3, "Not found.")
DOUBLE = ("#0072b2", "beammap.double", 1, "Twice.")


@pytest.fixture(autouse=True)
def usual_theme():
    yield
    theme.use("light", 1.0)


def shown(widget, kind, name=None):
    """Texts of the labels or boxes that are to be seen, line by line."""
    children = widget.findChildren(kind) if name is None else widget.findChildren(kind, name)
    found = [one for one in children if one.isVisible() and one.text()]
    places = {one: one.mapTo(widget, one.rect().center()) for one in found}
    found.sort(key=lambda one: (places[one].y(), places[one].x()))
    return [one.text() for one in found]


def state(name, word="done", kind="done"):
    return CalibrationState(name, kind, word, f"{name} is {word}.")


def test_the_strip_shows_other_states_in_the_same_fields(qtbot):
    strip = CalibrationStrip()
    action = QtWidgets.QAction("Undo", strip)
    strip.offer({"Wavelength": [action]})
    strip.show_states((state("Beam map"),))
    qtbot.addWidget(strip)
    with qtbot.waitExposed(strip):
        strip.show()
    strip.show_states((state("Beam map"), state("Wavelength", "not done", "none"), state("Masks")))
    qtbot.wait(10)
    widgets = strip.findChildren(QtWidgets.QWidget)
    assert shown(strip, QtWidgets.QLabel, "caption") == ["Beam map", "Wavelength", "Masks"]
    (button,) = strip.findChildren(QtWidgets.QToolButton, "stateMenu")
    assert button.menu().actions() == [action]
    strip.show_states((state("Beam map"), state("Wavelength", "84% done")))
    qtbot.wait(10)
    assert strip.findChildren(QtWidgets.QWidget) == widgets
    assert shown(strip, QtWidgets.QLabel, "caption") == ["Beam map", "Wavelength"]
    assert shown(strip, QtWidgets.QLabel, "value") == ["done", "84% done"]
    assert button.toolTip().startswith("Wavelength is 84% done.")
    assert button.parentWidget().accessibleName().startswith("Wavelength: 84% done.")
    strip.show_states(())
    assert shown(strip, QtWidgets.QLabel) == []


def test_a_field_that_comes_later_stands_in_its_place(qtbot):
    strip = CalibrationStrip()
    strip.show_states((state("Beam map"), state("Masks")))
    qtbot.addWidget(strip)
    with qtbot.waitExposed(strip):
        strip.show()
    strip.show_states((state("Beam map"), state("Flat field"), state("Masks")))
    qtbot.wait(10)
    assert shown(strip, QtWidgets.QLabel, "caption") == ["Beam map", "Flat field", "Masks"]


def test_the_legend_shows_other_categories_in_the_same_rows(qtbot):
    legend = FlagLegend()
    legend.resize(220, 300)
    qtbot.addWidget(legend)
    with qtbot.waitExposed(legend):
        legend.show()
    legend.set_entries([GOOD, FAILED])
    legend.boxes[FAILED[1]].click()
    assert legend.hidden == {FAILED[1]}
    widgets = legend.findChildren(QtWidgets.QWidget)
    told = []
    legend.hiddenChanged.connect(lambda: told.append(set(legend.hidden)))
    legend.set_entries([DOUBLE])
    qtbot.wait(10)
    assert legend.findChildren(QtWidgets.QWidget) == widgets
    assert list(legend.boxes) == [DOUBLE[1]]
    assert shown(legend.widget(), QtWidgets.QCheckBox) == ["double"]
    assert shown(legend.widget(), QtWidgets.QLabel) == ["Pixels by flag", "1"]
    assert legend.boxes[DOUBLE[1]].isChecked()
    assert told == []  # nobody has ticked anything
    legend.set_entries([FAILED, GOOD, DOUBLE])
    qtbot.wait(10)
    assert shown(legend.widget(), QtWidgets.QCheckBox) == ["failed\n+ pixcal.hot", "good", "double"]
    legend.boxes[GOOD[1]].click()
    assert legend.hidden == {GOOD[1]}
    assert told == [{GOOD[1]}]


def test_a_row_has_the_colour_of_its_pixels_and_an_edge_of_the_theme(qtbot):
    legend = FlagLegend()
    legend.resize(220, 300)
    qtbot.addWidget(legend)
    legend.set_entries([FAILED])
    for name in ("light", "dark"):
        theme.use(name)
        legend.set_entries([DOUBLE])
        swatch = next(
            one for one in legend.findChildren(QtWidgets.QLabel) if one.pixmap() is not None
        )
        drawn = swatch.pixmap().toImage()
        assert drawn.pixelColor(drawn.rect().center()).name() == DOUBLE[0]
        middle_of_the_left_side = drawn.pixelColor(0, drawn.height() // 2)
        assert middle_of_the_left_side.name() == theme.current().axis
        assert drawn.pixelColor(0, 0) == Qt.GlobalColor.transparent
