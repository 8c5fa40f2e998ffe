"""The plots of a pixel or region: the numbers on the screen, logarithmic axes, nothing stale."""

from __future__ import annotations

import numpy as np
import pytest
from fake_obs import PHASES, WAVELENGTHS, FakeObs
from plot_rig import NIGHT, PlotRig, is_current

from pipeline_core.lightcurves import LightCurve
from quicklook import theme
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets
from quicklook.requests import LightCurveRequest, PlotResult
from quicklook.session import Target
from quicklook.views.axes import TimeAxis
from quicklook.views.plots import KINDS

CARD_KINDS = ("light_curve", "histogram", "spectrum")


@pytest.fixture
def rig(qtbot):
    rig = PlotRig(qtbot)
    yield rig
    rig.close()
    theme.use("light")


@pytest.fixture
def plotted(rig):
    """Pixel (7, 2) of night1.h5, drawn."""
    rig.open()
    rig.session.set_pixel((7, 2))
    rig.wait()
    return rig


def label(pane, side):
    return pane.plot.getPlotItem().getAxis(side).labelText


def y_range(pane):
    return pane.plot.getPlotItem().viewRange()[1]


# --- what is drawn -------------------------------------------------------------------------------


def test_a_region_is_drawn_as_the_sum_of_its_pixels(plotted):
    pixels = ((3, 1), (9, 6), (5, 5))
    plotted.session.set_target(Target("Region 1 (3 pixels)", pixels))
    plotted.wait()
    obs = plotted.observations[NIGHT]
    counts = sum(np.histogram(obs.times[p], np.linspace(0, 4, 401))[0] for p in pixels)
    card = plotted.card
    np.testing.assert_allclose(card.light_curve.curve.getData()[1], counts / 0.01, rtol=1e-6)
    np.testing.assert_allclose(card.histogram.bars.getData()[1], np.bincount(counts) / 400)
    assert card.spectrum.bars.getData()[1].sum() == counts.sum()
    assert all(pane.detail.startswith("Region 1 (3 pixels)") for pane in card.panes)
    assert card.heading.text() == "Region 1 (3 pixels)"
    plotted.session.set_target(None)
    plotted.wait()
    assert card.heading.text() == "Active Pixel (7, 2)"


def test_plots_follow_the_band(plotted):
    obs = plotted.observations[NIGHT]
    plotted.session.set_band(-68.0, -63.0)
    plotted.wait()
    inside = (obs.phases[7, 2] >= -68) & (obs.phases[7, 2] < -63)
    assert 0 < inside.sum() < inside.size
    counts = np.histogram(obs.times[7, 2][inside], np.linspace(0, 4, 401))[0]
    card = plotted.card
    np.testing.assert_allclose(card.light_curve.curve.getData()[1], counts / 0.01, rtol=1e-6)
    assert card.histogram.shown.data.mean == pytest.approx(counts.mean())
    assert card.spectrum.bars.getData()[1].sum() == inside.sum()


def test_the_lines_above_the_plots_name_the_figures(rig):
    obs = rig.open()
    obs.gaps_s = [(1.0, 1.5)]
    rig.session.set_pixel((7, 2))
    rig.wait()
    n = obs.times[7, 2].size
    curve, histogram, spectrum = (pane.figures.text() for pane in rig.card.panes)
    assert f"mean {n / 3.5:.4g} ± {np.sqrt(n) / 3.5:.2g} counts/s" in curve
    assert "live 3.5 of 4 s, grey: no data" in curve
    counts = np.histogram(obs.times[7, 2], np.linspace(0, 4, 401))[0]
    assert f"variance {counts.var(ddof=1):.4g}" in histogram
    assert f"Fano {counts.var(ddof=1) / counts.mean():.3g}" in histogram
    assert f"{n} photons   mean {obs.phases[7, 2].mean():.4g} deg" in spectrum


def test_a_bright_pixel_is_shown_where_its_histogram_is(rig):
    obs = rig.open()
    rng = np.random.default_rng(2)
    obs.times[7, 2] = np.sort(rng.uniform(0, 4, 80_000))  # 200 a bin
    obs.phases[7, 2] = obs.wavelengths[7, 2] = np.full(80_000, -65.0)
    rig.session.set_pixel((7, 2))
    rig.wait()
    low, high = rig.card.histogram.plot.getPlotItem().viewRange()[0]
    counts = np.histogram(obs.times[7, 2], np.linspace(0, 4, 401))[0]
    assert (low, high) == (counts.min() - 0.5, counts.max() + 0.5)
    assert "mean 20,000 ± 71 counts/s" in rig.card.light_curve.figures.text()
    rig.session.set_pixel((5, 5))
    rig.wait()
    assert rig.card.histogram.plot.getPlotItem().viewRange()[0][0] == -0.5


def test_figures_are_in_the_title_line_where_there_is_no_room_for_a_line(plotted):
    pane = plotted.card.light_curve
    plotted.card.resize(520, 450)
    plotted.qtbot.waitUntil(lambda: not pane.figures.isVisible())
    assert pane._detail.text() == pane.figures.text()
    assert pane.detail == "Pixel (7, 2)   10 ms bins, band ±√n"
    assert pane._detail.toolTip() == f"{pane.detail}\n{pane.figures.text()}"
    plotted.card.resize(520, 900)
    plotted.qtbot.waitUntil(lambda: pane.figures.isVisible())
    assert pane._detail.text() == pane.detail
    assert plotted.card.minimumSizeHint().height() < 460  # the line is no reason to be higher


def test_the_band_of_errors_is_root_n_of_the_counts(plotted):
    pane = plotted.card.light_curve
    counts = np.histogram(plotted.observations[NIGHT].times[7, 2], np.linspace(0, 4, 401))[0]
    x0, y0, x1, y1 = pane.band._getNormalizedCoords()
    np.testing.assert_allclose(y1 - y0, 2 * np.sqrt(counts) / 0.01, rtol=1e-6)
    np.testing.assert_allclose((x0, x1), (np.arange(400) / 100, np.arange(1, 401) / 100))


def test_a_single_high_bin_among_very_many_is_drawn(plotted):
    n = 100_000
    counts = np.zeros(n, np.int64)
    counts[54_321] = 40
    live = np.full(n, 4.0 / n)
    curve = LightCurve(((7, 2),), 4.0 / n, np.linspace(0, 4, n + 1), counts, live, live)
    pane = plotted.card.light_curve
    request = pane._wanted()
    pane.show_result(PlotResult(request, curve))
    x, y = pane.curve.getData()
    assert x.size < n / 5  # it is not drawn bin by bin
    assert y.max() == pytest.approx(40 * n / 4.0)
    assert x[y.argmax()] == pytest.approx(54_321.5 * 4 / n, abs=0.005)
    assert y_range(pane)[1] > 40 * n / 4.0
    assert not pane.band.isVisible()
    assert "no error band" in pane.detail


# --- units ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("per", ["bin", "nm", "eV"])
def test_spectrum_per_unit(rig, per):
    rig.observations[NIGHT] = obs = FakeObs(NIGHT, calibrated=True)
    rig.open()
    rig.session.set_pixel((9, 6))
    rig.wait()
    pane = rig.card.spectrum
    pane.set_per(per)
    counts = np.histogram(obs.wavelengths[9, 6], WAVELENGTHS)[0]
    width = {
        "bin": np.ones(7),
        "nm": np.diff(WAVELENGTHS),
        "eV": -np.diff(1239.841984 / WAVELENGTHS),
    }[per]
    edges, drawn = pane.bars.getData()
    np.testing.assert_allclose(edges, WAVELENGTHS)
    np.testing.assert_allclose(drawn, counts / width, rtol=1e-6)
    some = counts > 0
    np.testing.assert_allclose(pane.errors.opts["top"], (np.sqrt(counts) / width)[some], rtol=1e-6)
    np.testing.assert_allclose(
        pane.errors.opts["bottom"], (np.sqrt(counts) / width)[some], rtol=1e-6
    )
    assert label(pane, "left") == f"Counts per {per}"
    assert label(pane, "bottom") == "Wavelength [nm]"
    assert pane._title.text() == "Spectrum"
    assert pane.unit.text() == f"per {per}"


def test_phases_have_no_nm_and_say_why(plotted):
    pane = plotted.card.spectrum
    actions = {action.data(): action for action in pane.unit.menu().actions()}
    for per in ("nm", "eV"):
        assert not actions[per].isEnabled()
        assert "Not wavelength-calibrated" in actions[per].toolTip()
    assert pane.unit.menu().toolTipsVisible()
    pane.set_per("nm")
    assert pane.per == "bin"
    pane.set_per("deg")
    counts = np.histogram(plotted.observations[NIGHT].phases[7, 2], PHASES)[0]
    np.testing.assert_allclose(pane.bars.getData()[1], counts / 10)
    assert label(pane, "left") == "Counts per deg"
    assert pane._title.text() == "Phase histogram"


def test_the_unit_goes_back_to_counts_if_the_next_file_has_none_like_it(rig):
    rig.observations[NIGHT] = FakeObs(NIGHT, calibrated=True)
    rig.open()
    rig.session.set_pixel((9, 6))
    rig.wait()
    rig.card.spectrum.set_per("eV")
    other = NIGHT.with_name("night2.h5")
    rig.observations[other] = FakeObs(other)
    rig.open(other)
    rig.wait()
    assert label(rig.card.spectrum, "left") == "Counts per bin"
    assert label(rig.card.spectrum, "bottom") == "Phase [deg]"


# --- logarithmic axes ----------------------------------------------------------------------------


def test_logarithmic_bars_are_logarithms_and_empty_bins_lie_on_the_axis(plotted):
    pane = plotted.card.spectrum
    pane.log.setChecked(True)
    counts = np.histogram(plotted.observations[NIGHT].phases[7, 2], PHASES)[0]
    drawn = pane.bars.getData()[1]
    np.testing.assert_allclose(drawn[counts > 0], np.log10(counts[counts > 0]), rtol=1e-6)
    assert set(drawn[counts == 0]) == {np.log10(0.5)}
    assert y_range(pane)[0] == pytest.approx(np.log10(0.5))
    assert y_range(pane)[1] > np.log10(counts.max())
    pane.log.setChecked(False)
    np.testing.assert_array_equal(pane.bars.getData()[1], counts)
    assert y_range(pane)[0] == 0


@pytest.mark.parametrize("n_photons", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_hardly_any_light_on_a_logarithmic_axis(rig, kind, n_photons):
    """No warning, no blank plot: a zero has no logarithm."""
    obs = rig.open()
    for column in (obs.times, obs.phases, obs.wavelengths):
        column[2, 3] = column[9, 6][:n_photons]
    rig.session.set_pixel((2, 3))
    pane = rig.windows.open(kind).pane
    rig.wait(pane)
    for on in (True, False, True):
        pane.log.setChecked(on)
        low, high = y_range(pane)
        assert np.isfinite((low, high)).all()
        assert high - low > 0.99  # at least a power of ten
        assert not pane.plot.grab().toImage().isNull()  # ticks are made while it paints
        (axis,) = (pane.plot.getPlotItem().getAxis("left"),)
        texts = axis.tickStrings([0.0, 1.0], 1, 1) if on else []
        assert texts == (["1", "10"] if on else [])
    assert pane.message == ""


def test_a_gap_stays_a_gap_on_a_logarithmic_axis(rig):
    obs = rig.open()
    obs.gaps_s = [(1.0, 3.0)]
    rig.session.set_pixel((9, 6))
    rig.wait()
    pane = rig.card.light_curve
    pane.log.setChecked(True)
    x, y = pane.curve.getData()
    np.testing.assert_array_equal(np.isnan(y), (x > 1) & (x < 3))
    assert np.isfinite(pane.band._getNormalizedCoords()).all()


def test_numbers_of_logarithmic_axes_are_plain(plotted):
    axis = plotted.card.spectrum.plot.getPlotItem().getAxis("left")
    assert axis.logTickStrings([-5.0, -2.0, 0.0, 3.0, 6.0], 1, 1) == [
        "1e-5",
        "0.01",
        "1",
        "1000",
        "1e6",
    ]


# --- times ---------------------------------------------------------------------------------------


def test_time_of_day(plotted):
    pane = plotted.card.light_curve
    assert label(pane, "bottom") == "Time from start [s]"
    pane.utc.setChecked(True)
    assert label(pane, "bottom") == "UTC on 2020-10-07"
    axis = pane.times
    assert axis.tickStrings([0.0, 1.0], 1, 1.0) == ["06:00:00", "06:00:01"]
    assert axis.tickStrings([0.25, 0.3], 1, 0.05) == ["06:00:00.25", "06:00:00.30"]
    pane.utc.setChecked(False)
    assert axis.tickStrings([0.0, 1.0], 1, 1.0) == ["0", "1"]


def test_time_of_day_over_midnight(qapp):
    axis = TimeAxis()
    axis.show_utc(1602115199)
    assert axis.tickStrings([0.0, 1.0], 1, 1.0) == ["23:59:59", "00:00:00"]


def drag(plot, low, high, modifier):
    """Press at x = low, move to x = high, release."""
    box = plot.getPlotItem().getViewBox()
    middle = sum(box.viewRange()[1]) / 2
    view = plot.viewport()

    def at(x):
        return plot.mapFromScene(box.mapViewToScene(QtCore.QPointF(x, middle)))

    def send(kind, x, button, buttons):
        event = QtGui.QMouseEvent(kind, QtCore.QPointF(at(x)), button, buttons, modifier)
        QtWidgets.QApplication.sendEvent(view, event)

    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    move = QtCore.QEvent.Type.MouseMove
    send(QtCore.QEvent.Type.MouseButtonPress, low, left, left)
    for part in (0.1, 0.4, 0.7, 1.0):
        send(move, low + part * (high - low), none, left)
    send(QtCore.QEvent.Type.MouseButtonRelease, high, left, none)


@pytest.mark.parametrize(("low", "high"), [(1.0, 3.0), (3.0, 1.0)])
def test_shift_and_drag_marks_a_span_of_time(plotted, low, high):
    pane = plotted.card.light_curve
    before = pane.plot.getPlotItem().viewRange()
    spans = []
    pane.timeSpanSelected.connect(lambda *span: spans.append(span))
    drag(pane.plot, low, high, Qt.KeyboardModifier.ShiftModifier)
    (span,) = spans
    assert span == pytest.approx((1.0, 3.0), abs=0.02)
    assert pane.plot.getPlotItem().viewRange() == before


def test_shift_and_drag_marks_a_band(plotted):
    pane = plotted.card.spectrum
    spans = []
    pane.bandSelected.connect(lambda *span: spans.append(span))
    drag(pane.plot, -80.0, -40.0, Qt.KeyboardModifier.ShiftModifier)
    (span,) = spans
    assert span == pytest.approx((-80.0, -40.0), abs=1)


def test_a_zoom_in_time_survives_another_pixel_and_a_double_click_undoes_it(qtbot, plotted):
    pane = plotted.card.light_curve
    pane.plot.setXRange(1.0, 2.0, padding=0)
    plotted.session.set_pixel((5, 5))
    plotted.wait()
    assert pane.plot.getPlotItem().viewRange()[0] == pytest.approx([1.0, 2.0])
    view = pane.plot.viewport()
    centre = view.rect().center()
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=centre)
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=centre)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=centre)
    assert pane.plot.getPlotItem().viewRange()[0] == pytest.approx([0.0, 4.0])


# --- never stale ---------------------------------------------------------------------------------


def test_an_old_plot_is_veiled_while_a_slow_one_is_read(plotted):
    obs = plotted.observations[NIGHT]
    obs.gate.clear()
    plotted.session.set_pixel((5, 5))
    pane = plotted.card.light_curve
    assert not pane._veil.isVisible()  # quick answers do not flicker
    plotted.qtbot.waitUntil(lambda: pane._veil.isVisible(), timeout=1000)
    obs.gate.set()
    plotted.wait()
    assert not pane._veil.isVisible()


def test_the_first_plot_says_that_it_is_being_read(rig):
    rig.open().gate.clear()
    rig.session.set_pixel((5, 5))
    assert {pane.message for pane in rig.card.panes} == {"Reading…"}


def test_another_file_takes_the_plots_away_at_once(plotted):
    other = NIGHT.with_name("night2.h5")
    plotted.observations[other] = FakeObs(other, seed=4)
    plotted.observations[other].gate.clear()
    plotted.open(other)
    for pane in plotted.card.panes:
        assert pane.shown is None
        assert pane.message == "Reading…"


def test_an_answer_about_a_closed_file_is_not_drawn(plotted):
    pane = plotted.card.light_curve
    late = pane.shown
    other = NIGHT.with_name("night2.h5")
    plotted.observations[other] = FakeObs(other, seed=4)
    plotted.open(other)
    plotted.wait()
    drawn = pane.curve.getData()[1]
    pane.show_result(late)
    assert is_current(pane)
    np.testing.assert_array_equal(pane.curve.getData()[1], drawn)


def test_a_frame_of_counts_has_no_plots(rig):
    rig.observations[NIGHT].kind = "frame"
    rig.open()
    rig.session.set_pixel((7, 2))
    for pane in rig.card.panes:
        assert (
            pane.message
            == "night1.h5 has no photons to plot. A .img frame holds one picture of counts: no times, no phases."
        )


def test_only_plots_that_use_the_exposure_time_are_read_again(plotted):
    obs = plotted.observations[NIGHT]
    obs.asked.clear()
    plotted.session.set_bin_s(0.05)
    plotted.wait()
    assert {name for name, _ in obs.asked} == {"light_curve", "intensity_histogram"}
    assert plotted.card.bin_ms.value() == 50.0


# --- looks, columns ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dark", "night"])
def test_plots_take_the_colours_of_the_theme_at_once(plotted, name):
    theme.use(name)
    colours = theme.current()
    card = plotted.card
    assert card.light_curve.curve.opts["pen"].color().name() == colours.accent
    assert card.histogram.poisson.opts["pen"].color().name() == colours.poisson
    for pane in card.panes:
        assert pane.plot.backgroundBrush().color().name() == colours.paper
        axis = pane.plot.getPlotItem().getAxis("left")
        assert axis.textPen().color().name() == colours.ink


@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_what_is_drawn(plotted, kind):
    pane = plotted.windows.open(kind).pane
    assert pane.export_columns()[1] == {}  # nothing has been read yet
    plotted.wait(pane)
    _name, columns = pane.export_columns()
    lengths = {values.size for _, values in columns.values()}
    assert len(lengths) == 1
    drawn = {"light_curve": "rate", "histogram": "frequency"}.get(kind, "counts")
    curve = pane.curve if kind == "light_curve" else pane.bars
    pane.log.setChecked(False)
    np.testing.assert_allclose(curve.getData()[1], columns[drawn][1], rtol=1e-6)


def test_requests_are_complete_snapshots(plotted):
    plotted.session.set_time_range(0.5, 2.5)
    plotted.session.set_band(-68.0, None)
    plotted.wait()
    facts = plotted.session.file
    assert plotted.card.light_curve.shown.request == LightCurveRequest(
        "light_curve",
        facts.token,
        0.5,
        2.5,
        -68.0,
        None,
        pixels=((7, 2),),
        label="Pixel (7, 2)",
        bin_s=0.01,
    )
