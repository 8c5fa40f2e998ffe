"""Start and stop can never make an empty window, whatever is typed."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from quicklook.qt import Qt
from quicklook.widgets.range_boxes import RangeBoxes


@pytest.fixture
def boxes(qtbot):
    boxes = RangeBoxes("Time", "s", decimals=3, step=1.0)
    qtbot.addWidget(boxes)
    boxes.set_limits(0.0, 10.0)
    return boxes


def type_into(qtbot, box, text):
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


def test_whole_exposure_at_first(boxes):
    assert boxes.range == (0.0, 10.0)


def test_fractions_are_typed(qtbot, boxes):
    type_into(qtbot, boxes.start, "1.25")
    type_into(qtbot, boxes.stop, "2.5")
    with qtbot.waitSignal(boxes.rangeChanged) as signal:
        pass
    assert signal.args == [(1.25, 2.5)]


def test_start_beyond_stop_takes_the_stop_along(qtbot, boxes):
    type_into(qtbot, boxes.stop, "3")
    type_into(qtbot, boxes.start, "1")
    type_into(qtbot, boxes.start, "5")
    assert boxes.range == (5.0, 7.0)
    assert boxes.stop.value() == 7.0


def test_stop_before_start_takes_the_start_along(qtbot, boxes):
    type_into(qtbot, boxes.start, "5")
    type_into(qtbot, boxes.stop, "7")
    type_into(qtbot, boxes.stop, "4")
    assert boxes.range == (2.0, 4.0)


def test_beyond_the_exposure_is_not_accepted(qtbot, boxes):
    type_into(qtbot, boxes.start, "99")
    assert boxes.range[0] < boxes.range[1] <= 10.0


@pytest.mark.parametrize(
    ("box", "text", "value", "note"),
    [
        ("stop", "12.5", 10.0, "Stop moved to 10 s, the end of the file"),
        ("stop", "20", 10.0, "Stop moved to 10 s, the end of the file"),
        ("start", "12.5", 9.999, "Start moved to 9.999 s: the file ends at 10 s"),
        ("start", "-3", 0.0, "Start moved to 0 s, where the file starts"),
        ("start", "2", 2.0, ""),
    ],
)
def test_every_typed_number_is_taken_whole_and_clamped_aloud(qtbot, boxes, box, text, value, note):
    notes = [""]
    boxes.noted.connect(notes.append)
    type_into(qtbot, getattr(boxes, box), text)
    assert getattr(boxes, box).value() == value
    assert notes[-1] == note


def test_what_moves_along_is_said(qtbot, boxes):
    notes = []
    type_into(qtbot, boxes.stop, "3")
    boxes.noted.connect(notes.append)
    type_into(qtbot, boxes.start, "5")
    assert notes[-1] == "Stop moved along to 8 s"
    assert "0 to 9.999 s" in boxes.start.toolTip()


def test_exposure_with_more_digits_than_the_box(boxes):
    boxes.set_limits(0.0, 3.0004567)
    assert boxes.range == (0.0, 3.0004567)
    boxes.stop.setValue(2.0)
    boxes.stop.setValue(99.0)
    assert boxes.range == (0.0, 3.0004567)


def test_quick_changes_are_announced_once(qtbot, boxes):
    seen = []
    boxes.rangeChanged.connect(seen.append)
    for value in (1.0, 2.0, 3.0):
        boxes.start.setValue(value)
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == [(3.0, 10.0)]


def walk(boxes, steps):
    """The ranges after each step button."""
    seen = []
    boxes.stepped.connect(seen.append)
    for step in steps:
        boxes.step_buttons[step].click()
    boxes.stepped.disconnect(seen.append)
    return seen


def test_thirty_steps_of_ten_seconds_cover_the_file_exactly_once(boxes):
    boxes.set_limits(0.0, 300.0)
    boxes.step.setValue(10.0)
    seen = walk(boxes, ["first", *["forward"] * 29])
    assert seen == [(10.0 * k, 10.0 * (k + 1)) for k in range(30)]
    assert walk(boxes, ["forward"]) == []  # that was the end
    assert walk(boxes, ["back"] * 29) == seen[-2::-1]


def test_last_step_is_the_rest_of_the_file(boxes):
    boxes.set_limits(0.0, 10.7504567)
    boxes.step.setValue(0.3)
    forward = walk(boxes, ["first", *["forward"] * 35])
    assert forward[-1] == (10.5, 10.7504567)
    assert walk(boxes, ["first", "last"])[-1] == forward[-1]
    starts, stops = zip(*forward, strict=True)
    assert starts[1:] == stops[:-1]


def test_steps_from_the_whole_file_begin_at_its_ends(boxes):
    assert walk(boxes, ["forward"]) == [(0.0, 1.0)]
    boxes.set_limits(0.0, 10.0)
    assert walk(boxes, ["back"]) == [(9.0, 10.0)]


def test_negative_limits_as_phases_have_them(qtbot, boxes):
    boxes.set_quantity("Phase", "deg")
    boxes.set_limits(-180.5, -18.0)
    type_into(qtbot, boxes.start, "-90.25")
    assert boxes.range == (-90.25, -18.0)
    assert boxes.start.text() == "-90.250 °"
    boxes.step.setValue(10.0)
    assert walk(boxes, ["first", "forward"]) == [(-180.5, -170.5), (-170.5, -160.5)]


def test_better_limits_keep_what_was_chosen(boxes):
    boxes.set_limits(-230.0, 230.0)
    boxes.widen_limits(-120.0, -10.0)
    assert boxes.range == (-120.0, -10.0)
    boxes.set_range(-90.0, -50.0)
    boxes.widen_limits(-100.0, 0.0)
    assert boxes.range == (-90.0, -50.0)
    boxes.widen_limits(-80.0, 0.0)
    assert boxes.range == (-80.0, -50.0)


def test_better_limits_do_not_disturb_who_is_typing(qtbot, boxes):
    boxes.show()
    boxes.activateWindow()
    boxes.set_limits(-230.0, 230.0)
    boxes.start.setFocus()
    qtbot.waitUntil(boxes.start.hasFocus)
    boxes.start.selectAll()
    qtbot.keyClicks(boxes.start, "-6")
    boxes.widen_limits(-120.0, -10.0)
    qtbot.keyClicks(boxes.start, "5.5")
    qtbot.keyClick(boxes.start, Qt.Key.Key_Return)
    assert boxes.limits == (-120.0, -10.0)
    assert boxes.range == (-65.5, -10.0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    exposure=st.floats(0.001, 5000),
    steps=st.lists(st.tuples(st.booleans(), st.floats(-10, 6000)), max_size=12),
)
@example(exposure=1.1875, steps=[(True, 2.0)])  # the box rounds up beyond the exposure
@example(exposure=1.0005, steps=[(True, 2.0)])
def test_never_empty(boxes, exposure, steps):
    boxes.set_limits(0.0, exposure)
    for is_start, value in steps:
        (boxes.start if is_start else boxes.stop).setValue(value)
        start_s, stop_s = boxes.range
        assert 0 <= start_s < stop_s <= exposure


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@example(low=0.0, width=2.0, steps=[0.001, "back", (False, 0.0), "back"])
@example(low=0.0, width=400.0004, steps=[400.0, "last"])
@given(
    low=st.floats(-200, 200),
    width=st.floats(0.002, 400),
    steps=st.lists(
        st.one_of(
            st.sampled_from(["first", "back", "forward", "last"]),
            st.tuples(st.booleans(), st.floats(-300, 700)),
            st.floats(0.0005, 500),
        ),
        max_size=14,
    ),
)
def test_never_empty_with_any_limits_and_steps(boxes, low, width, steps):
    boxes.set_limits(low, low + width)
    for step in steps:
        if isinstance(step, str):
            boxes.go(step)
        elif isinstance(step, float):
            boxes.step.setValue(step)
        else:
            (boxes.start if step[0] else boxes.stop).setValue(step[1])
        start, stop = boxes.range
        assert low <= start < stop <= low + width
