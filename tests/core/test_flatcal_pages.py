"""Pages of a flat field: that they are there, whole, of the right number, and say the right things."""

import re
import zlib

import numpy as np
import pytest
from flat_fields import draw, inputs_of, lamp, responses, settings

from pipeline_core.errors import ConfigError, OperationCancelled, OutputError
from pipeline_core.flatcal import book, bookparts, outputs
from pipeline_core.flatcal.compute import solve
from pipeline_core.flatfield import FlatCalibration
from pipeline_core.pdfpages import Canvas, PdfPages, polyline, segments


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(1)
    response = responses(10, rng)
    response[3] = 0
    spectra, _ = draw(response, lamp(), rng)
    return solve(spectra, settings(), inputs_of(10))


def read_pdf(path):
    """Return the objects by number, and the decoded streams of pages, by a reader that shares no code."""
    data = path.read_bytes()
    assert data.startswith(b"%PDF-1.4")
    assert data.endswith(b"%%EOF\n")
    at = int(re.search(rb"startxref\n(\d+)\n", data).group(1))
    assert data[at : at + 4] == b"xref"
    count = int(re.match(rb"xref\n0 (\d+)\n", data[at:]).group(1))
    rows = data[at:].split(b"\n")[3 : 2 + count]
    objects = {}
    for number, row in enumerate(rows, 1):
        place = int(row[:10])
        assert data[place:].startswith(b"%d 0 obj\n" % number)
        objects[number] = data[place : data.index(b"endobj", place)]
    pages = [o for o in objects.values() if b"/Type /Page " in o]
    texts = []
    for page in pages:
        content = objects[int(re.search(rb"/Contents (\d+)", page).group(1))]
        length = int(re.search(rb"/Length (\d+)", content).group(1))
        begin = content.index(b"stream\n") + 7
        texts.append(zlib.decompress(content[begin : begin + length]).decode("latin-1"))
    return objects, texts


def test_a_document_is_well_formed(tmp_path):
    pages = PdfPages((200.0, 100.0), "A (title) \\ with marks")
    pages.add_form("F", Canvas().line(0, 0, 5, 5), 10, 10)
    pages.add_palette("p", np.array([[0, 0, 0], [255, 0, 0]], np.uint8))
    for _ in range(3):
        canvas = Canvas().text(1, 2, "x (y) \\ µ", 7, "right").use("F", 3, 4)
        pages.add_page(canvas.use("I", 0, 0, 5, 6), [("I", np.eye(3, dtype=np.uint8), "p")])
    objects, texts = read_pdf(pages.save(tmp_path / "a.pdf"))
    assert len(texts) == 3
    assert "(x \\(y\\) \\\\ µ) Tj" in texts[0]
    assert any(b"/Width 3 /Height 3" in o and b"<000000ff0000>" in o for o in objects.values())
    assert not list(tmp_path.glob("*.part"))


def test_lines():
    x = np.array([0.0, 1, 2, 3, 4])
    assert polyline(x[:2], x[:2] / 4) == "0.0 0.0 m 1.0 0.25 l S"
    broken = polyline(x, np.array([0, 1, np.nan, 3, 4]))
    assert broken == "0.0 0.0 m 1.0 1.0 l S\n3.0 3.0 m 4.0 4.0 l S"
    assert segments(x[:2], x[:2], x[:2], np.array([5, np.nan])) == "0.0 0.0 m 0.0 5.0 l S"
    assert segments(*[np.array([np.nan])] * 4) == ""


def test_ticks_and_round_numbers():
    assert bookparts.ticks(700, 1500) == [800, 1000, 1200, 1400]
    assert bookparts.ticks(0.5, 2.0) == [0.5, 1.0, 1.5, 2.0]
    assert [bookparts.nice_top(v) for v in (0, 1, 7.2, 101, 0.013)] == [1, 1, 8, 150, 0.015]
    palette = bookparts.hot_palette()
    assert palette.shape == (256, 3)
    assert palette[255].tolist() == [34, 34, 34]
    assert palette[254].tolist() == [255, 255, 255]


def test_the_book_has_every_pixel_with_weights(result, tmp_path):
    _, texts = read_pdf(book.write_pixel_book(result.combined, tmp_path / "b.pdf"))
    assert len(texts) == 3  # nine pixels, four a page
    together = "\n".join(texts)
    found = re.findall(r"\(pixel \\\((\d+), 0\\\)", together)
    assert sorted(map(int, found)) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert "page 3 of 3" in texts[-1]
    assert "no wavelength solution" in together
    counts = result.combined.counts[0, 0].sum()
    assert f"{counts:.0f} counts" in together
    _, one = read_pdf(book.write_pixel_book(result.chunks[1], tmp_path / "c.pdf", pixels=[(4, 0)]))
    assert len(one) == 1
    assert "chunk 2" in one[0]


def test_weights_are_drawn_where_they_are(result, tmp_path):
    """The first and the last point of a pixel's line."""
    solution = result.combined
    _, texts = read_pdf(book.write_pixel_book(solution, tmp_path / "b.pdf", pixels=[(0, 0)]))
    line = next(
        row for row in texts[0].split("\n") if row.count(" m ") == 1 and row.count(" l ") > 90
    )
    points = np.array(re.findall(r"([\d.]+) ([\d.]+) [ml]", line), float)
    nm, weights = solution.wavelengths_nm, solution.weights[0, 0]
    x = 70 + 144 * (nm - 700) / 800
    np.testing.assert_allclose(points[:, 0], x, atol=0.01)
    rise = 104 * (weights - 0.5) / 1.5
    np.testing.assert_allclose(points[:, 1] - points[0, 1], rise - rise[0], atol=0.02)


def test_maps_are_the_right_way_round(tmp_path):
    """Row 0 at the bottom, column 0 on the left."""
    values = np.array([[0.0, 1.0, np.nan], [2.0, 3.0, 4.0]])  # [x, y]: two columns, three rows
    cells = bookparts.draw_map(Canvas(), "I", values, (0.0, 4.0), (0, 0), "v")
    assert cells.tolist() == [[255, 254], [64, 190], [0, 127]]


def test_pages_by_wavelength(result, tmp_path):
    objects, texts = read_pdf(book.write_slice_pages(result.combined, tmp_path / "s.pdf"))
    assert len(texts) == 16  # 94 bins, six a page
    assert texts[0].count("weight) Tj") == 6
    assert "700.0 to" in texts[0]
    images = [o for o in objects.values() if b"/Subtype /Image /Width 10 /Height 1 " in o]
    assert len(images) == 2 * 94


def test_mask_pages(result, tmp_path):
    objects, texts = read_pdf(book.write_mask_pages(result.combined, tmp_path / "m.pdf"))
    assert len(texts) == 8
    assert "has no counts here." in texts[0]
    image = next(o for o in objects.values() if b"/Subtype /Image" in o)
    begin = image.index(b"stream\n") + 7
    cells = np.frombuffer(zlib.decompress(image[begin:].split(b"\nendstream")[0]), np.uint8)
    assert cells.tolist() == [5, 5, 5, 2, 5, 5, 5, 5, 5, 5]  # pixel 3 has no counts


def test_names_of_pages(result, tmp_path):
    base = tmp_path / "Soln.h5"
    assert outputs.write_pages(result, base, "none") == []
    names = [p.name for p in outputs.write_pages(result, base, "summary")]
    assert names == ["Soln__wvlSlices.pdf", "Soln__mask.pdf", *outputs.summary_names(base)]
    everything = {p.name for p in outputs.write_pages(result, base, "all")}
    for index in ("", 1, 2, 3, 4, 5, 6):
        expected = {f"Soln{index}{end}" for end in (".pdf", "__wvlSlices.pdf", "__mask.pdf")}
        assert expected <= everything
    assert all((tmp_path / name).stat().st_size > 500 for name in everything)
    with pytest.raises(ConfigError, match="choose of none, summary, all"):
        outputs.write_pages(result, base, "some")


def test_the_summary_page(result):
    pytest.importorskip("matplotlib")
    from pipeline_core.flatcal.plots import summary

    figure = summary(result.combined)
    titles = [axes.get_title() for axes in figure.axes]
    assert any("weight" in title for title in titles)
    picture = figure.axes[0].images[0].get_array()
    assert picture.shape == (1, 10)  # row, column
    means = [
        np.nanmean(w) if np.isfinite(w).any() else np.nan for w in result.combined.weights[:, 0]
    ]
    np.testing.assert_allclose(np.ma.filled(picture.astype(float)[0], np.nan), means)


def test_the_book_of_applied_weights(tmp_path):
    flat = FlatCalibration(
        solution_id="abc",
        source="s.h5",
        settings="{}",
        wavecal_id="w",
        wavecal_source="w.h5",
        camera="c",
        baseline="ignore",
        forced=False,
        edges_nm=np.array([700.0, 900, 1500]),
        energies_ev=np.array([1.55, 1.1]),
        weights=np.array([[[1.0, 2.0], [np.nan, np.nan]], [[0.5, 7.0], [1, 1]]]),
        errors=np.full((2, 2, 2), 0.1),
        covered=np.array([[[0, 2], [0, 0]], [[0, 2], [0, 2]]]),
        flags=np.zeros((2, 2)),
    )
    path = book.write_applied_book(tmp_path / "Soln.h5", flat)
    assert path.name == "SolnFlatCalSolnPlotsPerPixel.pdf"
    _, texts = read_pdf(path)
    assert re.findall(r"pixel \\\((\d), (\d)\\\)", texts[0]) == [("0", "0"), ("1", "0"), ("1", "1")]


def test_solutions_are_written_all_or_none(result, tmp_path):
    base = tmp_path / "F.h5"

    def stop(done, total, stage=""):
        if done == 2:
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        outputs.save_result(result, base, stop)
    assert not list(tmp_path.iterdir())
    paths = outputs.save_result(result, base)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    kept = {path: path.read_bytes() for path in paths}
    with pytest.raises(OutputError):
        outputs.save_result(result, base)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
