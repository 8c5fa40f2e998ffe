"""A datastream in the window: frames by slider, keys and play, headers, and the log of the second on the screen."""

import json
import time

import numpy as np
import pytest
from stream_files import START, counts_of, of_2020, stream_of, utc, write_stream
from window_rig import at_rest, marked, open_path, real_window

from quicklook import file_listing
from quicklook.qt import Qt, QtWidgets
from quicklook.widgets.drop_target import reason_to_refuse


@pytest.fixture(autouse=True)
def no_beammap_from_outside(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)


@pytest.fixture
def folder(tmp_path):
    """A stream of 80 frames of 0.5 s across midnight, an observing log and a dither log."""
    place = tmp_path / "night"
    place.mkdir()
    stream_of(place, n=80, shape=(9, 5))
    entries = [
        (-60, "HR 8799", "J", "focus done"),
        (20, "HR 8799", "J", "wind"),
        (32, "51 Eri", "H", ""),
    ]
    (place / "obslog_202010072300.json").write_text(
        "".join(
            json.dumps(
                {
                    "utc": utc(START + after),
                    "target": target,
                    "filter": name,
                    "laser": "off",
                    "flipper": "image",
                    "comment": comment,
                    "airmass": 1.25,
                }
            )
            + "\n"
            for after, target, name, comment in entries
        )
        + "oops\n"
    )
    (place / "MEC.dither.log").write_text(
        f"starts=[{START + 5}, {START + 20}]\nends=[{START + 15}, {START + 40}]\n"
        "path=[(0.0, 0.1), (-0.25, 0.5)]\n"
    )
    return place


@pytest.fixture
def window(qtbot, settings, folder):
    with real_window(qtbot, settings) as shown:
        open_path(qtbot, shown, folder / "stream1602115230.fits.gz")
        at_rest(qtbot, shown)
        yield shown


def shown_frame(window):
    image = window.image.counts.image
    number = int(image[0, 0])
    np.testing.assert_array_equal(image, counts_of(number, (9, 5)))
    return number


def test_a_stream_shows_its_first_frame_at_once(window):
    assert shown_frame(window) == 0
    assert window.image.kind == "raw_counts"
    assert window.image.array.shape == (9, 5)
    assert window.frame_bar.isVisible()
    assert window.frame_bar.number.text() == "1 of 80"
    assert window.frame_bar.when.text() == "2020-10-07 23:59:30.0 UTC   |   exposure 0.5 s"
    assert window.bottom.currentWidget() is window.header
    assert window.strip.value("Photons") == "80 frames of counts"
    assert window.controls.hint.text() == ""


def test_slider_number_and_keys_step(qtbot, window):
    window.frame_bar.slider.setValue(7)
    at_rest(qtbot, window)
    assert shown_frame(window) == 7
    assert window.frame_bar.number.value() == 8
    window.frame_bar.number.setValue(21)
    at_rest(qtbot, window)
    assert shown_frame(window) == 20
    assert window.frame_bar.slider.value() == 20
    act = window.actions_by_name
    for name, frame in (("forward", 21), ("back", 20), ("last", 79), ("first", 0), ("back", 0)):
        assert act[f"time_{name}"].isEnabled()
        act[f"time_{name}"].trigger()
        at_rest(qtbot, window)
        assert shown_frame(window) == frame
    window.frame_bar.steps["forward"].click()
    at_rest(qtbot, window)
    assert shown_frame(window) == 1


def test_the_value_of_a_pixel_is_of_the_frame(qtbot, window):
    window.frame_bar.slider.setValue(3)
    window.session.set_pixel((4, 2))
    at_rest(qtbot, window)
    assert "423 counts in frame 4 of 80" in window.status.active_text


def test_only_the_newest_frame_is_drawn_after_a_drag(qtbot, window):
    for value in range(5, 60):
        window.frame_bar.slider.setValue(value)
    at_rest(qtbot, window)
    assert shown_frame(window) == 59
    assert window.header.detail.startswith("frame 60,")


def test_playing_goes_on_to_the_end_and_stops(qtbot, window):
    play = window.actions_by_name["play_frames"]
    window.frame_bar.slider.setValue(77)
    window.frame_bar._clock.setInterval(1)
    play.trigger()
    assert window.frame_bar.is_playing
    qtbot.waitUntil(lambda: not window.frame_bar.is_playing, timeout=5000)
    at_rest(qtbot, window)
    assert shown_frame(window) == 79
    assert not play.isChecked()
    play.trigger()
    assert window.frame_bar.frame == 0  # from the beginning again
    play.trigger()
    assert not window.frame_bar.is_playing


def test_headers_follow_the_frame(qtbot, window):
    def value(key):
        table = window.header.table
        found = {
            table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount())
        }
        return found[key]

    assert value("FILTER") == "J"
    assert value("TARGET") == "HR 8799"
    window.frame_bar.slider.setValue(10)
    at_rest(qtbot, window)
    assert value("FILTER") == "H"
    assert value("UTCSTART") == of_2020(10)["utcstart"]
    last = window.header.table.rowCount() - 1
    assert window.header.table.item(0, 0).text() == "UTCSTART"
    assert window.header.table.item(last, 0).text() in ("PCOUNT", "GCOUNT", "NAXIS2")


def test_what_needs_photons_says_why_it_is_dead(window):
    for pane in window.card.panes:
        assert "A datastream holds frames of counts: no times of photons, no phases" in pane.message
    assert "A datastream holds frames" in window.timeline.message
    for boxes in (window.controls.times, window.controls.band):
        assert not boxes.isVisible()
        assert "A datastream holds frames" in boxes.start.toolTip()
    action = window.actions_by_name["export_light_curve"]
    assert not action.isEnabled()
    assert "of a file with photons" in action.toolTip()


def test_stretches_act_on_frames(qtbot, window):
    before = window.image.scale
    window.actions_by_name["next_stretch"].trigger()
    at_rest(qtbot, window)
    assert window.image.scale != before
    window.actions_by_name["choose_flags"].trigger()
    assert window.image.kind == "flags"
    window.frame_bar.slider.setValue(2)
    at_rest(qtbot, window)
    assert window.image.kind == "flags"
    window.actions_by_name["choose_counts"].trigger()
    at_rest(qtbot, window)
    assert shown_frame(window) == 2


def test_the_frame_on_the_screen_is_exported_and_scripted(qtbot, window, tmp_path):
    window.frame_bar.slider.setValue(9)
    at_rest(qtbot, window)
    request = window.image.counts.request
    assert (request.start_s, request.stop_s, request.frame) == (4.5, 5.0, 9)
    window.actions_by_name["copy_python"].trigger()
    script = QtWidgets.QApplication.clipboard().text()
    assert "image = obs.frame(9)" in script
    values = {}
    exec(compile(script, "script", "exec"), values)
    np.testing.assert_array_equal(values["image"], counts_of(9, (9, 5)))


def test_another_file_hides_the_frames(qtbot, window, folder):
    path = folder / "1602115200.img"
    path.write_bytes(np.zeros(80 * 125, "<u2").tobytes())
    open_path(qtbot, window, path)
    at_rest(qtbot, window)
    assert not window.frame_bar.isVisible()
    assert window.session.frame is None
    assert "Headers of frames will be here" in window.header.message
    assert not window.actions_by_name["play_frames"].isEnabled()
    assert "Only for datastreams" in window.actions_by_name["play_frames"].toolTip()
    assert ".img frame holds one picture" in window.timeline.message


def test_a_file_that_is_cut_off_shows_what_is_whole_and_says_so(qtbot, window, folder):
    path = stream_of(folder, n=3, name="stream1602115240.fits")
    path.write_bytes(path.read_bytes()[:-2880])
    open_path(qtbot, window, path)
    at_rest(qtbot, window)
    assert window.frame_bar.number.text() == "1 of 2"
    assert "still being written, or was cut off" in window.messages.text


def test_frames_without_times_say_so(qtbot, window, folder):
    frames = [counts_of(k, (9, 5)) + 0.5 for k in range(2)]
    path = write_stream(folder / "flat1.fits", frames, [{}, {}], "f4")
    open_path(qtbot, window, path)
    at_rest(qtbot, window)
    assert window.frame_bar.when.text() == "time unknown   |   exposure unknown"
    window.session.set_pixel((4, 2))
    assert "420.5 (unit unknown) in frame 1 of 2" in window.status.active_text
    assert "second on the screen is not known" in window.log.detail


def test_streams_are_listed_and_may_be_dropped(folder):
    entries = {entry.title: entry for entry in file_listing.scan(folder).files}
    entry = entries["stream1602115230.fits.gz"]
    assert (entry.kind, entry.start_unix) == ("stream", 1602115230)
    assert reason_to_refuse([folder / "stream1602115230.fits.gz"]) == ""
    assert "datastream" in reason_to_refuse([folder / "x.tif"])


# --- the log ---------------------------------------------------------------------------------------


def test_the_log_is_found_and_shows_the_entry_before_the_frame(qtbot, window):
    window.actions_by_name["show_log"].trigger()
    assert window.bottom.currentWidget() is window.log
    assert marked(window) == ("2020-10-07 23:58:30", "HR 8799", "J", "focus done")
    assert "Before 2020-10-07 23:59:30 UTC, 60.0 s earlier" in window.log.detail
    assert "1 lines could not be used, the first: obslog_202010072300.json, line 4" in (
        window.log.detail
    )
    assert window.log.table.rowCount() == 3
    window.frame_bar.slider.setValue(39)
    assert marked(window)[0] == "2020-10-07 23:58:30"
    window.frame_bar.slider.setValue(40)
    assert marked(window) == ("2020-10-07 23:59:50", "HR 8799", "J", "wind")
    window.frame_bar.slider.setValue(64)
    assert marked(window) == ("2020-10-08 00:00:02", "51 Eri", "H", "")
    at_rest(qtbot, window)


def test_everything_an_entry_says_is_listed(qtbot, window):
    def values():
        table = window.log.values
        return {
            table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount())
        }

    assert values()["airmass"] == "1.25"
    assert values()["from"] == "obslog_202010072300.json, line 1"
    window.log.table.selectRow(2)
    assert values()["target"] == "51 Eri"
    at_rest(qtbot, window)


def test_the_dither_position_is_told(qtbot, window):
    assert window.log.dither.text() == ""
    window.frame_bar.slider.setValue(12)
    assert window.log.dither.text() == "dither position 1 of 2: (0, 0.1) conex units"
    window.frame_bar.slider.setValue(32)
    assert window.log.dither.text() == "between dither positions"
    at_rest(qtbot, window)


def test_a_log_chosen_by_hand_stays_until_the_ones_beside_are_wanted(
    qtbot, window, tmp_path, monkeypatch
):
    other = tmp_path / "elsewhere.log"
    other.write_text("2020-10-07 23:59:00 from elsewhere\n")
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getOpenFileNames", lambda *_a, **_k: ([str(other)], "")
    )
    window.actions_by_name["open_log"].trigger()
    at_rest(qtbot, window)
    assert marked(window)[3] == "from elsewhere"
    assert window.log.automatic.isVisible()
    open_path(qtbot, window, window.session.file.path)
    at_rest(qtbot, window)
    window.log_control.show_panel()
    assert marked(window)[3] == "from elsewhere"
    qtbot.mouseClick(window.log.automatic, Qt.MouseButton.LeftButton)
    at_rest(qtbot, window)
    assert marked(window)[3] == "focus done"
    assert not window.log.automatic.isVisible()


def test_a_wrong_log_says_why_and_cancel_changes_nothing(qtbot, window, tmp_path, monkeypatch):
    window.log_control.open_paths((tmp_path / "missing.json",))
    at_rest(qtbot, window)
    assert "missing.json cannot be read" in window.log.message
    monkeypatch.setattr(QtWidgets.QFileDialog, "getOpenFileNames", lambda *_a, **_k: ([], ""))
    window.log_control.choose()
    at_rest(qtbot, window)
    assert "missing.json cannot be read" in window.log.message


def test_no_log_explains_how_to_get_one(qtbot, settings, tmp_path):
    with real_window(qtbot, settings) as window:
        assert "Open an observation" in window.log.message
        path = stream_of(tmp_path, n=2)
        open_path(qtbot, window, path)
        at_rest(qtbot, window)
        assert f"No observing log was found in {tmp_path}" in window.log.message
        assert "obslog_*.json" in window.log.message
        assert "Ctrl+L" in window.log.message


def test_a_log_that_begins_later_says_when(qtbot, settings, tmp_path):
    (tmp_path / "obslog.json").write_text('{"utc": "20201008000500", "target": "late"}\n')
    with real_window(qtbot, settings) as window:
        open_path(qtbot, window, stream_of(tmp_path, n=2))
        at_rest(qtbot, window)
        assert "the log begins at 2020-10-08 00:05:00 UTC" in window.log.detail
        assert marked(window) is None
        assert window.log.table.rowCount() == 1


def test_the_time_zone_of_this_computer_has_no_say(qtbot, window, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Honolulu")
    time.tzset()
    try:
        window.frame_bar.slider.setValue(40)
        assert window.frame_bar.when.text().startswith("2020-10-07 23:59:50.0 UTC")
        assert marked(window)[0] == "2020-10-07 23:59:50"
        at_rest(qtbot, window)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_logs_that_cannot_be_read_are_named(qtbot, settings, tmp_path):
    (tmp_path / "obslog_1.json").write_text('{"utc": "20201007235000", "target": "a"}\n')
    (tmp_path / "obslog_2.json").write_text("broken\n")
    with real_window(qtbot, settings) as window:
        open_path(qtbot, window, stream_of(tmp_path, n=2))
        at_rest(qtbot, window)
        assert marked(window)[1] == "a"
        assert "not read" in window.log.detail
        assert "obslog_2.json is no observing log" in window.log.detail
