"""Exports from the window: files and pictures hold what is on the screen."""

import json
import re
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from rawdata import header, photon, write_words

from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.errors import ConfigError, OutputError
from pipeline_core.regions import Rectangle, statistics
from quicklook import exports, theme
from quicklook.qt import QtCore, QtGui, QtSvg, pg
from quicklook.region_list import RegionList
from quicklook.requests import CountsRequest
from quicklook.session import Session, Target
from quicklook.tasks import OpenFiles
from quicklook.views.image_pane import ImagePane
from quicklook.views.plots import KINDS

START = 1602050400
TICKS = (START - 1577836800) * 2000
SHAPE = (9, 5)


@pytest.fixture(scope="module")
def photon_file(tmp_path_factory):
    """One second of a 9 x 5 array."""
    folder = tmp_path_factory.mktemp("exports")
    rng = np.random.default_rng(8)
    words = []
    for k in range(2000):
        words.append(header(5, k % 4096, TICKS + k))
        words += [
            photon(x, y, int(rng.integers(500)), -int(rng.integers(9e3, 9e4)))
            for x, y in np.ndindex(SHAPE)
            if rng.random() < 0.005 * (1 + 2 * x + y)
        ]
    write_words(folder / f"{START}.bin", words)
    codes = np.zeros(SHAPE, np.uint8)
    codes[2, 1], codes[4, 1] = 1, 3
    beammap = Beammap(Beammap.design(SHAPE, feedlines=1).res_id, codes, np.full(SHAPE, np.nan))
    convert(ConvertSettings(folder, START, 1, beammap, folder / f"{START}.h5"))
    return folder / f"{START}.h5"


@pytest.fixture
def screen(qtbot, photon_file):
    """An image and the plots, answered at once."""
    files = OpenFiles()
    facts = files.open((photon_file,))
    session = Session(0.02)
    regions = RegionList()
    image = ImagePane(session, regions)
    image.resize(500, 420)
    session.set_file(facts)
    plots = {kind: pane(session) for kind, pane in KINDS.items() if kind != "phase"}
    panes = [image, *plots.values()]

    def answer(request):
        pane = next(pane for pane in panes if pane.name == request.pane)
        pane.show_result(files.read(request))

    for pane in panes:
        qtbot.addWidget(pane)
        pane.requested.connect(answer)
    for pane in plots.values():
        pane.resize(480, 260)
    for pane in panes:
        pane.show()
    qtbot.wait(20)
    yield SimpleNamespace(
        files=files,
        facts=facts,
        session=session,
        image=image,
        plots=plots,
        regions=regions,
        window=image,
    )
    files.close_others(0)
    for pane in panes:
        pane.hide()


def state_of(screen, rows=()):
    return exports.State(
        screen.facts, screen.image, tuple(screen.plots.values()), rows, screen.window
    )


def item_of(state, what):
    return next(item for item in exports.export_choices(state) if item.what == what)


def export(screen, what, path, rows=(), **options):
    state = state_of(screen, rows)
    item = item_of(state, what)
    assert not item.why_not
    prepared = exports.prepare(item, state, path, **options)
    return exports.write(prepared, screen.files.handle(screen.facts.token))


@pytest.fixture
def looked_at(screen):
    """Counts in a part of the time and of the phases, and a pixel's plots."""
    screen.session.set_time_range(0.1, 0.7)
    screen.session.set_band(-120.5, None)
    screen.image.ask_counts()
    screen.session.set_pixel((7, 3))
    return screen


# --- numbers -------------------------------------------------------------------------------------


def test_the_image_file_equals_the_screen_and_its_settings_make_it_again(looked_at, tmp_path):
    looked_at.image.set_levels((1.5, 12.0))
    export(looked_at, "image", tmp_path / "i.fits")
    shown = looked_at.image.array
    assert shown.sum() > 100
    with fits.open(tmp_path / "i.fits") as hdus:
        np.testing.assert_array_equal(hdus[0].data.T, shown)
        head = hdus[0].header
    assert (head["TSTART"], head["TSTOP"], head["PHASEMIN"]) == (0.1, 0.7, -120.5)
    assert (head["DISPLOW"], head["DISPHIGH"], head["STRETCH"]) == (1.5, 12.0, "linear")
    handle = looked_at.files.handle(looked_at.facts.token)
    again = handle.count_image(**json.loads(head["SETTINGS"]))
    np.testing.assert_array_equal(again, shown)


def test_what_is_on_the_screen_is_written_not_what_the_boxes_say(looked_at, tmp_path):
    looked_at.session.set_time_range(0.0, 0.2)  # but "Plot Image" was not pressed
    export(looked_at, "image", tmp_path / "i.npz")
    with np.load(tmp_path / "i.npz") as arrays:
        np.testing.assert_array_equal(arrays["image"], looked_at.image.array)
        assert json.loads(str(arrays["about"]))["TSTOP"] == 0.7


def test_flags_on_the_screen_are_written_as_flags(screen, tmp_path):
    export(screen, "image", tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz") as arrays:
        assert arrays.files[-1] == "flags"
        np.testing.assert_array_equal(arrays["flags"], screen.facts.flags)


@pytest.mark.parametrize("target", [None, Target("Region 1 (2 pixels)", ((7, 3), (1, 4)))])
def test_plots_are_written_as_they_are_shown(looked_at, tmp_path, target):
    looked_at.session.set_target(target)
    names = {"light_curve": "rate", "histogram": "occurrences", "spectrum": "counts"}
    for kind, column in names.items():
        shown = looked_at.plots[kind].shown
        export(looked_at, kind, tmp_path / f"{kind}.npz")
        with np.load(tmp_path / f"{kind}.npz") as arrays:
            expected = shown.data.rate_cps if column == "rate" else getattr(shown.data, column)
            np.testing.assert_array_equal(arrays[column], expected)
            about = json.loads(str(arrays["about"]))
            assert arrays["pixels"].tolist() == [list(pixel) for pixel in shown.data.pixels]
        assert about["TARGET"] == (target.label if target else "Pixel (7, 3)")
        assert about["PHASEMIN"] == -120.5
        assert len(shown.data.pixels) == (2 if target else 1)


def test_a_spectrum_per_degree_is_written_per_degree(looked_at, tmp_path):
    looked_at.plots["spectrum"].set_per("deg")
    export(looked_at, "spectrum", tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz") as arrays:
        assert json.loads(str(arrays["units"]))["density"] == "count/deg"


def test_the_table_of_regions_is_written(looked_at, tmp_path):
    counts = looked_at.image.counts
    shape = Rectangle(0, 0, 3, 2)
    found = statistics(counts.image, shape.mask(SHAPE), counts.good, counts.open_s)
    rows = [("Region 1", shape.label, found)]
    export(looked_at, "regions", tmp_path / "r.fits", rows)
    with fits.open(tmp_path / "r.fits") as hdus:
        table = hdus["REGIONS"]
        assert table.data["sum"].tolist() == [counts.image[:4, :3].sum()]
        assert table.data["region"].tolist() == ["Region 1"]
        assert table.columns["sum"].unit == "count"
        assert table.header["TSTOP"] == 0.7


def test_data_are_never_written_over_by_a_picture_either(looked_at, photon_file, tmp_path):
    original = photon_file.read_bytes()
    link = tmp_path / "i.png"
    link.symlink_to(photon_file)
    with pytest.raises(OutputError, match="holds data"):
        export(looked_at, "image", link, overwrite=True)
    assert photon_file.read_bytes() == original
    (tmp_path / "j.svg").write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        export(looked_at, "image", tmp_path / "j.svg")
    assert (tmp_path / "j.svg").read_text() == "precious"
    with pytest.raises(ConfigError, match="must end in"):
        exports.write(
            exports.PictureExport(
                tmp_path / "k.h5",
                exports.prepare(
                    item_of(state_of(looked_at), "image"), state_of(looked_at), tmp_path / "k.png"
                ).picture,
            )
        )


# --- choices and names ---------------------------------------------------------------------------


def test_what_cannot_be_exported_says_why(screen):
    why = {item.what: item.why_not for item in exports.export_choices(state_of(screen))}
    assert why["image"] == why["window"] == ""
    assert why["light_curve"] == "Click a pixel first."
    assert "region" in why["regions"]
    closed = exports.State(None, screen.image, tuple(screen.plots.values()), (), screen.window)
    why = {item.what: item.why_not for item in exports.export_choices(closed)}
    assert why["image"] == "Open a file first."
    assert why["window"] == ""


def test_names_say_what_is_in_the_file(looked_at, screen, tmp_path):
    def name(what):
        state = state_of(screen)
        return exports.suggest_path(item_of(state, what), state, tmp_path).name

    assert name("image") == f"{START}_raw-counts_0.1-0.7s_from-120.5deg.fits"
    assert name("light_curve") == f"{START}_light-curve_x7-y3_0.1-0.7s_from-120.5deg.fits"
    looked_at.session.set_target(Target("Region 1 (2 pixels)", ((7, 3), (1, 4))))
    assert name("histogram") == f"{START}_intensity-histogram_region-1_0.1-0.7s_from-120.5deg.fits"
    assert name("window") == f"{START}_window.png"
    screen.image.show_flags()
    assert name("image") == f"{START}_flags.fits"


def test_the_filter_decides_where_no_ending_was_typed(looked_at, tmp_path):
    item = item_of(state_of(looked_at), "image")
    assert item.filters.split(";;")[3] == "Picture (*.png)"
    for typed, chosen, expected in (
        ("a", "PDF (*.pdf)", "a.pdf"),
        ("a.svg", "PDF (*.pdf)", "a.svg"),
        ("a.0-4s", "", "a.0-4s.fits"),
    ):
        assert exports.with_ending(tmp_path / typed, item, chosen).name == expected


# --- pictures ------------------------------------------------------------------------------------


@pytest.fixture(params=["light", "dark", "night"])
def any_theme(request, application):
    theme.use(request.param)
    yield request.param
    theme.use("light")


def pixels_of(path):
    image = QtGui.QImage(str(path)).convertToFormat(QtGui.QImage.Format.Format_RGB32)
    assert not image.isNull()
    data = image.constBits().asarray(image.sizeInBytes())
    return np.frombuffer(bytes(data), np.uint8).reshape(image.height(), image.width(), 4)


@pytest.mark.parametrize("what", ["image", "light_curve", "histogram", "spectrum"])
def test_a_picture_is_on_white_and_sharp_in_every_theme(any_theme, looked_at, tmp_path, what):
    export(looked_at, what, tmp_path / "p.png")
    picture = pixels_of(tmp_path / "p.png")
    view = looked_at.image.view if what == "image" else looked_at.plots[what].plot
    assert picture.shape[1] >= 2 * view.width()
    assert (picture[0, 0, :3] == 255).all()
    assert (picture[:, :, :3] == 255).all(axis=2).mean() > 0.2
    assert (picture[:, :, :3].max(axis=2) < 100).sum() > 200  # dark text on it
    # the screen has its own colours again
    assert theme.current().name == any_theme
    assert view.backgroundBrush().color().name() == theme.current().paper
    axis = (view.plot if what == "image" else view.getPlotItem()).getAxis("left")
    assert axis.textPen().color().name() == theme.current().ink


def test_a_picture_may_keep_the_colours_of_the_screen(looked_at, tmp_path):
    theme.use("dark")
    try:
        export(looked_at, "spectrum", tmp_path / "p.png", on_white=False)
        paper = QtGui.QColor(theme.current().paper)
    finally:
        theme.use("light")
    blue, green, red = pixels_of(tmp_path / "p.png")[0, 0, :3]
    assert (red, green, blue) == paper.getRgb()[:3]


def texts_of(path):
    return [
        (node.text or "").strip()
        for node in ElementTree.parse(path).iter()
        if node.tag.endswith("text")
    ]


def test_svg_has_real_text_and_curves(looked_at, tmp_path):
    export(looked_at, "light_curve", tmp_path / "c.svg")
    texts = texts_of(tmp_path / "c.svg")
    assert any("Light curve" in text and f"{START}.h5" in text for text in texts)
    assert "Rate [counts/s]" in texts
    assert "Time from start [s]" in texts
    assert any("Pixel (7, 3)" in text for text in texts)
    source = (tmp_path / "c.svg").read_text()
    assert "<image" not in source
    # the curve has a point a bin, and lies in what is clipped
    clipped = re.search(
        r'<g clip-path="url\(#inside\)">(.*?)</g>\s*<g fill="none" stroke="black"', source, re.S
    )
    n_bins = looked_at.plots["light_curve"].shown.data.counts.size
    longest = max(len(re.findall(r"[ML]", d)) for d in re.findall(r' d="([^"]*)"', clipped[1]))
    assert longest >= n_bins
    assert QtSvg.QSvgRenderer(str(tmp_path / "c.svg")).isValid()


def test_svg_of_an_image_has_its_pixels_title_units_and_colour_bar(looked_at, tmp_path):
    export(looked_at, "image", tmp_path / "i.svg")
    texts = texts_of(tmp_path / "i.svg")
    assert any("Raw Counts" in text for text in texts)
    assert "Counts per pixel" in texts
    assert "x [pixel]" in texts
    assert any("0.1 to 0.7 s" in text and "-120.5" in text for text in texts)
    assert any("2020-10-07 06:00:00 UTC" in text for text in texts)
    assert 'width="9" height="5"' in (tmp_path / "i.svg").read_text()


def test_nothing_of_a_zoomed_plot_reaches_beyond_its_axes_in_svg(looked_at, tmp_path):
    plot = looked_at.plots["spectrum"].plot
    plot.setYRange(0, 1, padding=0)
    export(looked_at, "spectrum", tmp_path / "s.svg")
    source = (tmp_path / "s.svg").read_text()
    x, y, width, height = (
        float(value)
        for value in re.search(
            r'<clipPath id="inside"><rect x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"/>',
            source,
        ).groups()
    )
    box = plot.getPlotItem().getViewBox().sceneBoundingRect()
    assert (width, height) == pytest.approx((box.width(), box.height()), abs=0.01)
    assert x > 20
    assert y > 20


def test_pdf_is_one_page_of_the_figures_size_with_fonts(looked_at, tmp_path):
    export(looked_at, "histogram", tmp_path / "h.pdf")
    data = (tmp_path / "h.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert b"/Font" in data
    box = re.search(rb"/MediaBox \[0 0 (\d+\.?\d*) (\d+\.?\d*)\]", data)
    width = float(box[1])
    view = looked_at.plots["histogram"].plot
    assert width == pytest.approx(0.75 * (view.width() + 24), abs=4)


def test_the_window_is_drawn_at_twice_its_size(screen, tmp_path):
    export(screen, "window", tmp_path / "w.png")
    picture = pixels_of(tmp_path / "w.png")
    assert picture.shape[:2] == (2 * screen.window.height(), 2 * screen.window.width())


def test_drawing_leaves_the_screen_as_it_was(looked_at, tmp_path):
    looked_at.image.set_levels((2.0, 9.0))
    widgets = [looked_at.image, *looked_at.plots.values()]
    for widget in widgets:
        widget.grab()
    before = [widget.grab().toImage() for widget in widgets]
    for what in ("image", "light_curve", "histogram", "spectrum"):
        for ending in ("png", "svg", "pdf"):
            export(looked_at, what, tmp_path / f"{what}.{ending}")
    assert looked_at.image.scale.levels == (2.0, 9.0)
    assert looked_at.image.view.picture.qimage.width() == SHAPE[0]  # not the enlarged one
    after = [widget.grab().toImage() for widget in widgets]
    assert before == after


@pytest.mark.parametrize("name", ["light", "dark"])
def test_numbers_of_axes_are_not_scaled_by_a_new_theme(looked_at, name):
    for pane in looked_at.plots.values():
        for _ in range(2):
            pane.plot.restyle()
        for side in ("left", "bottom"):
            axis = pane.plot.getPlotItem().getAxis(side)
            assert axis.autoSIPrefixScale == 1.0
            assert isinstance(axis, pg.AxisItem)


def test_a_worker_can_save_a_picture(looked_at, tmp_path):
    state = state_of(looked_at)
    prepared = exports.prepare(item_of(state, "image"), state, tmp_path / "i.png")

    class Worker(QtCore.QThread):
        def run(self):
            self.path = exports.write(prepared)

    worker = Worker()
    worker.start()
    assert worker.wait(5000)
    assert worker.path == tmp_path / "i.png"
    assert pixels_of(worker.path).shape[0] > 100


def test_a_request_of_another_file_is_not_mixed_in(looked_at, tmp_path):
    state = state_of(looked_at)
    prepared = exports.prepare(item_of(state, "image"), state, tmp_path / "i.fits")
    assert prepared.token == looked_at.facts.token
    assert isinstance(looked_at.image.counts.request, CountsRequest)
