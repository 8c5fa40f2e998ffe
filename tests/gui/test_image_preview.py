"""While the counts of a long file are read, the image shows those that its summaries tell, and says so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_obs import FakeObs
from window_rig import all_read

from pipeline_core.previews import PreviewImage
from quicklook.exports import IMAGE, State, export_choices
from quicklook.requests import CountsRequest, CountsResult
from quicklook.views import image_preview
from quicklook.views.image_preview import ImagePreview

PIXEL = (3, 4)


class LongObs(FakeObs):
    """The preview of every pixel is too large by a quarter of a photon, and is not kept waiting by the gate."""

    def preview_image(self, start=None, stop=None, **band):
        self.asked.append(("preview_image", (start, stop)))
        image = np.zeros(self.shape)
        for pixel in np.ndindex(self.shape):
            image[pixel] = self.photons_of(pixel, start, stop, **band)[0].size + 0.25
        return PreviewImage(image, False)


@pytest.fixture
def observations(monkeypatch):
    monkeypatch.setattr(image_preview, "_FROM_PHOTONS", 1)
    return {Path("night.h5"): LongObs("night.h5")}


@pytest.fixture
def obs(observations):
    return observations[Path("night.h5")]


@pytest.fixture
def headings(opened, qtbot):
    """Every heading that the image has had."""
    qtbot.waitUntil(lambda: all_read(opened))
    found = []
    opened.image.shownChanged.connect(lambda: found.append(opened.image.heading))
    return found


def rest(qtbot, window):
    qtbot.waitUntil(lambda: all_read(window))
    qtbot.wait(30)


def test_a_preview_stands_in_until_the_photons_are_counted(qtbot, opened, obs, headings):
    window = opened
    obs.gate.clear()
    window.actions_by_name["choose_counts"].trigger()
    qtbot.waitUntil(lambda: window.image.heading == "Raw Counts (preview)")
    number = obs.times[PIXEL].size
    assert window.image.waits
    assert window.image.value_at(PIXEL)[0] == f"about {number}"
    assert window.controls.hint.text() == ""
    (item,) = [i for i in export_choices(state_of(window)) if i.what == IMAGE]
    assert item.why_not == "This is a preview: wait until all photons are counted."
    obs.gate.set()
    rest(qtbot, window)
    assert headings == ["Raw Counts (preview)", "Raw Counts"]
    assert not window.image.waits
    assert window.image.value_at(PIXEL)[0] == f"{number}"
    np.testing.assert_array_equal(window.image.array, obs.count_image())
    (item,) = [i for i in export_choices(state_of(window)) if i.what == IMAGE]
    assert not item.why_not


def state_of(window):
    return State(window.session.file, window.image, ())


def test_what_comes_soon_does_not_flicker(qtbot, opened, obs, headings):
    opened.actions_by_name["choose_counts"].trigger()
    rest(qtbot, opened)
    assert ("preview_image", (0.0, 4.0)) in obs.asked
    assert headings == ["Raw Counts"]


def test_of_a_file_of_few_photons_none_is_asked(qtbot, opened, obs, headings, monkeypatch):
    monkeypatch.setattr(image_preview, "_FROM_PHOTONS", obs.n_photons + 1)
    opened.actions_by_name["choose_counts"].trigger()
    rest(qtbot, opened)
    assert not [name for name, _ in obs.asked if name == "preview_image"]
    assert headings == ["Raw Counts"]


def test_where_summaries_cannot_tell_it_the_old_image_stays(qtbot, opened, obs, headings):
    obs.preview_image = lambda *_args, **_band: None
    obs.gate.clear()
    opened.actions_by_name["choose_counts"].trigger()
    qtbot.wait(image_preview.PATIENCE_MS + 100)
    assert opened.image.waits
    assert opened.image.heading == "Beam Flag Image"
    obs.gate.set()
    rest(qtbot, opened)
    assert headings == ["Raw Counts"]


def test_stopped_it_stays_and_the_controls_say_that_more_was_asked(qtbot, opened, obs, headings):
    obs.gate.clear()
    opened.actions_by_name["choose_counts"].trigger()
    qtbot.waitUntil(lambda: opened.image.heading == "Raw Counts (preview)")
    opened.image.stop_reading()
    obs.gate.set()
    rest(qtbot, opened)
    assert opened.image.heading == "Raw Counts (preview)"
    assert opened.controls.hint.text()
    opened.actions_by_name["choose_flags"].trigger()
    qtbot.wait(30)
    assert opened.image.heading == "Beam Flag Image"


@pytest.fixture
def at_any_number(monkeypatch):
    monkeypatch.setattr(image_preview, "_FROM_PHOTONS", 1)


def test_that_of_an_earlier_request_is_not_shown(qapp, at_any_number):
    shown = []
    preview = ImagePreview(shown.append)
    facts = SimpleNamespace(n_photons=1)
    first, second = (
        preview.request_for(CountsRequest("image", 1, 0.0, stop), facts) for stop in (4.0, 1.0)
    )
    preview.want()
    empty = np.zeros((2, 3)), np.ones((2, 3), bool), np.ones((2, 3), bool), 1.0
    preview.show_result(CountsResult(first, *empty, exact=False))
    assert shown == []
    answer = CountsResult(second, *empty, exact=False)
    preview.show_result(answer)
    assert shown == [answer]
    preview.forget()
    preview.show_result(answer)
    assert shown == [answer]


def test_of_weights_and_frames_there_is_none(qapp, at_any_number):
    preview = ImagePreview(lambda _: None)
    facts = SimpleNamespace(n_photons=1)
    for more in ({"weighted": True}, {"frame": 2}):
        assert preview.request_for(CountsRequest("image", 1, 0.0, 4.0, **more), facts) is None
