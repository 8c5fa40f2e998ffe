"""Counts with flat-field weights in the window: image, plots, regions, files and scripts."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from flat_files import night, settings
from window_rig import all_read, open_path, real_window

from pipeline_core import ObsFile
from pipeline_core.flatcal.compute import run
from pipeline_core.flatcal.outputs import save_result
from pipeline_core.regions import Rectangle, ring
from quicklook.exports import IMAGE, REGIONS, State, export_choices, prepare, write
from quicklook.python_snippets import image_snippet, plot_snippet, regions_snippet
from quicklook.tasks import OpenFiles

pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first

PIXEL, WITHOUT = (2, 1), (0, 0)


@pytest.fixture(scope="module")
def solution(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flats")
    base = folder / "Flat.h5"
    save_result(run(settings(night(folder))), base)
    return base


@pytest.fixture
def path(tmp_path, solution):
    path = night(tmp_path, "sky", seed=8)
    with ObsFile(path, mode="write") as obs:
        obs.apply_flatcal(solution)
    return path


@pytest.fixture
def real(qtbot, settings):
    with real_window(qtbot, settings) as window:
        yield window


def rest(qtbot, window):
    qtbot.wait(30)
    qtbot.waitUntil(lambda: all_read(window), timeout=20_000)
    qtbot.wait(30)


def weighted(qtbot, window, path):
    """Open a file and look at its weighted counts, and at a pixel."""
    open_path(qtbot, window, path)
    window.actions_by_name["choose_counts"].trigger()
    window.session.set_pixel(PIXEL)
    rest(qtbot, window)
    assert window.image.heading == "Raw Counts"
    window.actions_by_name["weighted"].trigger()
    rest(qtbot, window)
    return window.image.counts


def test_image_and_plots_are_those_of_the_core(qtbot, real, path):
    counts = weighted(qtbot, real, path)
    assert real.controls.weights.isChecked()
    with ObsFile(path) as obs:
        image, variance = obs.weighted_image()
        raw = obs.count_image()
        curve = obs.light_curve(PIXEL, real.session.bin_s, weighted=True)
        spectrum = obs.spectrum(PIXEL, weighted=True)
    np.testing.assert_array_equal(counts.image, image)
    np.testing.assert_array_equal(counts.variance, variance)
    assert not np.allclose(image[PIXEL], raw[PIXEL], rtol=1e-3)
    assert np.isnan(image[WITHOUT])
    assert real.image.heading == "Weighted Counts"
    assert real.image.colour_bar.label.startswith("Weighted counts per pixel")
    value, unit = real.image.value_at(PIXEL)
    assert value == f"{image[PIXEL]:,.1f} ± {np.sqrt(variance[PIXEL]):,.1f}"
    assert unit.startswith("weighted counts in 0 to 2 s")
    assert real.image.value_at(WITHOUT) == ("no weights", "")
    panes = {pane.kind: pane for pane in real.card.panes}
    np.testing.assert_array_equal(panes["light_curve"].shown.data.rate_cps, curve.rate_cps)
    np.testing.assert_array_equal(panes["spectrum"].shown.data.values, spectrum.values)
    assert panes["light_curve"].heading == "Light curve, weighted"
    assert panes["spectrum"].heading == "Spectrum, weighted"
    assert panes["spectrum"].plot.getAxis("left").labelText == "Weighted counts per bin"
    assert "Σw²" in panes["light_curve"].detail
    assert not panes["histogram"].shown.request.weighted
    assert real.controls.hint.text() == ""


def test_a_pixel_without_weights_says_so(qtbot, real, path):
    weighted(qtbot, real, path)
    real.session.set_pixel(WITHOUT)
    rest(qtbot, real)
    panes = {pane.kind: pane for pane in real.card.panes}
    assert "no" in panes["spectrum"].message
    assert "weights" in panes["light_curve"].message
    assert panes["histogram"].shown is not None


def test_without_a_flat_the_choice_says_why_not(qtbot, real, path, tmp_path):
    weighted(qtbot, real, path)
    open_path(qtbot, real, night(tmp_path, "plain", seed=9))
    assert not real.controls.weights.isEnabled()
    assert not real.controls.weights.isChecked()
    assert "No flat field" in real.controls.weights.toolTip()
    assert not real.session.weighted
    assert not real.actions_by_name["weighted"].isEnabled()
    with pytest.raises(ValueError, match="No flat field"):
        real.session.set_weighted(True)


def test_undoing_the_flat_takes_the_weights_out_of_sight(qtbot, real, path):
    weighted(qtbot, real, path)
    with qtbot.waitSignal(real.fileOpened, timeout=20_000):
        real.actions_by_name["undo_flatcal"].trigger()
    rest(qtbot, real)
    assert not real.session.weighted
    real.actions_by_name["choose_counts"].trigger()
    rest(qtbot, real)
    assert real.image.counts.variance is None
    assert real.image.heading == "Raw Counts"


def test_regions_have_the_errors_of_weights(qtbot, real, path):
    counts = weighted(qtbot, real, path)
    shape = Rectangle(1, 1, 1, 1)
    real.regions.add(shape)
    rest(qtbot, real)
    found = next(iter(real.region_table.statistics.values()))
    mask = shape.mask(counts.image.shape)
    assert found.sum == pytest.approx(np.nansum(counts.image[mask]))
    around = ring(mask) & counts.good & np.isfinite(counts.image)
    n = np.count_nonzero(mask & np.isfinite(counts.image))
    squared = np.nansum(counts.variance[mask])
    assert around.any()
    squared += n**2 * counts.variance[around].sum() / np.count_nonzero(around) ** 2
    assert found.net_error == pytest.approx(np.sqrt(squared))


def test_files_and_scripts_have_the_weights(qtbot, real, path, tmp_path, capsys):
    counts = weighted(qtbot, real, path)
    shape = Rectangle(1, 1, 1, 1)
    real.regions.add(shape)
    rest(qtbot, real)
    facts = real.session.file
    rows = [("A", "rectangle", next(iter(real.region_table.statistics.values())))]
    state = State(facts, real.image, real.card.panes, rows, real)
    choices = {item.what: item for item in export_choices(state)}
    files = OpenFiles()
    try:
        token = files.open((path,)).token
        for what in (IMAGE, REGIONS):
            export = prepare(choices[what], state, tmp_path / f"{what}.fits")
            object.__setattr__(export, "token", token)
            write(export, files.handle(token))
    finally:
        files.close_others(0)
    with fits.open(tmp_path / "image.fits") as hdus:
        np.testing.assert_array_equal(hdus[0].data.T, counts.image)
        np.testing.assert_array_equal(hdus["VARIANCE"].data.T, counts.variance)
        assert "weighted" in str(hdus[0].header)
    with fits.open(tmp_path / "regions.fits") as hdus:
        assert hdus[1].data["net_error"][0] == rows[0][2].net_error

    def names(script):
        found = {}
        exec(compile(script, "snippet.py", "exec"), found)
        assert capsys.readouterr().out.strip()
        return found

    np.testing.assert_array_equal(
        names(image_snippet(facts, counts.request))["image"], counts.image
    )
    sums = names(regions_snippet(facts, counts.request, [("A", shape)]))["sums"]
    assert sums == {"A": pytest.approx(rows[0][2].sum)}
    for pane in real.card.panes:
        script = plot_snippet(facts, pane.shown.request)
        assert ("weighted=True" in script) == (pane.kind != "histogram")
        assert ("--weighted" in script) == (pane.kind != "histogram")
        names(script)
