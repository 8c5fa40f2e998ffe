"""Copied scripts: run, they give the very arrays that are on the screen."""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from rawdata import header, photon, write_words

from pipeline_core.beammap import Beammap
from pipeline_core.cli import main
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.regions import Circle, PixelSet, Rectangle
from quicklook.python_snippets import (
    flags_snippet,
    image_snippet,
    plot_snippet,
    regions_snippet,
)
from quicklook.requests import (
    CountsRequest,
    HistogramRequest,
    LightCurveRequest,
    PhaseRequest,
    SpectrumRequest,
)
from quicklook.tasks import OpenFiles

START = 1602050400
TICKS = (START - 1577836800) * 2000
SHAPE = (5, 3)
SPAN = (0.1, 0.7000010000000001)
BAND = (-151.50000000000003, -40.1)
MANY = tuple((x, y) for x in range(5) for y in range(3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A second of a 5 x 3 array: raw, photon file and frame."""
    folder = tmp_path_factory.mktemp("snippets")
    rng = np.random.default_rng(6)
    words = []
    counts = np.zeros(SHAPE, "<u2")
    for k in range(2000):
        words.append(header(5, k % 4096, TICKS + k))
        for x, y in np.ndindex(SHAPE):
            if rng.random() < 0.02 * (1 + 3 * x + y):
                words.append(photon(x, y, int(rng.integers(500)), -int(rng.integers(9e3, 9e4))))
                counts[x, y] += 1
    write_words(folder / f"{START}.bin", words)
    beammap = Beammap.design(SHAPE, feedlines=1)
    beammap.write(folder / "array.bmap")
    convert(ConvertSettings(folder, START, 1, beammap, folder / f"{START}.h5"))
    (folder / f"{START}.img").write_bytes(counts.tobytes())
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))


@pytest.fixture
def files():
    opened = OpenFiles()
    yield opened
    opened.close_others(0)


@pytest.fixture
def facts(folder, files):
    return files.open((folder / f"{START}.h5",))


def run(script, capsys):
    """Run a script as a person would, and return its variables."""
    names = {}
    exec(compile(script, "snippet.py", "exec"), names)
    assert capsys.readouterr().out.strip()  # it shows something
    return names


def counts_request(facts, band=(None, None), span=SPAN):
    return CountsRequest("image", facts.token, *span, *band)


@pytest.mark.parametrize("band", [(None, None), BAND, (None, BAND[1]), (BAND[0], None)])
def test_the_image_is_the_one_on_the_screen(facts, files, capsys, band):
    request = counts_request(facts, band)
    shown = files.read(request)
    found = run(image_snippet(facts, request), capsys)["image"]
    assert shown.image.sum() > 0
    np.testing.assert_array_equal(found, shown.image)


def test_flags_are_those_on_the_screen(facts, capsys):
    np.testing.assert_array_equal(run(flags_snippet(facts), capsys)["flags"], facts.flags)


@pytest.mark.parametrize("pixels", [((3, 2),), MANY], ids=["pixel", "region"])
@pytest.mark.parametrize("band", [(None, None), BAND])
def test_every_plot_is_the_one_on_the_screen(facts, files, capsys, pixels, band):
    arrays = {
        LightCurveRequest: ("curve", ("edges_s", "counts", "rate_cps", "rate_error_cps")),
        HistogramRequest: ("histogram", ("occurrences", "poisson")),
        SpectrumRequest: ("spectrum", ("edges", "counts", "errors")),
    }
    for kind, (variable, names) in arrays.items():
        request = kind("p", facts.token, *SPAN, *band, pixels, "Region 1\nwith a break", 0.0123)
        shown = files.read(request).data
        script = plot_snippet(facts, request)
        found = run(script, capsys)[variable]
        assert found.pixels == shown.pixels
        for name in names:
            np.testing.assert_array_equal(getattr(found, name), getattr(shown, name))
        assert shown.mean_rate_cps > 0 if variable == "curve" else True
        assert max(map(len, script.splitlines())) < 260


def test_the_density_of_a_spectrum_is_made_too(facts, files, capsys):
    request = PhaseRequest("p", facts.token, *SPAN, *BAND, ((3, 2),), "Pixel (3, 2)")
    shown = files.read(SpectrumRequest(**vars(request))).data
    found = run(plot_snippet(facts, request, per="deg"), capsys)
    np.testing.assert_array_equal(found["spectrum"].counts, shown.counts)
    np.testing.assert_array_equal(found["density"], shown.density("deg")[0])


def test_sums_of_regions_are_those_on_the_screen(facts, files, capsys):
    request = counts_request(facts, BAND)
    image = files.read(request).image
    regions = [
        ("Region 1", Rectangle(0, 1, 3, 2)),
        ('it\'s "2"', Circle(3.25, 1.0, 1.4142135623730951)),
        ("a long name of many words " * 6, PixelSet(MANY[::2] * 3)),
    ]
    found = run(regions_snippet(facts, request, regions), capsys)["sums"]
    assert found == {name: image[shape.mask(SHAPE)].sum() for name, shape in regions}
    assert run(regions_snippet(facts, request, []), capsys)["sums"] == {}


@pytest.mark.parametrize(
    "name", ["it's.h5", 'a "b".h5', "back\\slash\\n.h5", "nächte ☆.h5", "a\nb.h5"]
)
def test_no_letter_of_a_path_breaks_the_script(folder, files, tmp_path, capsys, name):
    path = tmp_path / name
    shutil.copy(folder / f"{START}.h5", path)
    facts = files.open((path,))
    request = counts_request(facts)
    found = run(image_snippet(facts, request), capsys)["image"]
    np.testing.assert_array_equal(found, files.read(request).image)


def test_relative_paths_are_made_absolute(folder, files, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(folder)
    facts = files.open((Path(f"{START}.h5"),))
    script = image_snippet(facts, counts_request(facts))
    monkeypatch.chdir(tmp_path)
    assert run(script, capsys)["image"].sum() > 0


@pytest.mark.parametrize("ending", ["bin", "img"])
def test_raw_files_and_frames_open_as_they_did(folder, files, tmp_path, capsys, ending):
    alone = tmp_path / f"{START}.{ending}"
    shutil.copy(folder / alone.name, alone)
    beammap = folder / "array.bmap"
    facts = files.open((alone,), beammap)
    request = counts_request(facts, span=(0.0, 1.0))
    found = run(image_snippet(facts, request, beammap), capsys)["image"]
    np.testing.assert_array_equal(found, files.read(request).image)


def command_in(script):
    (line,) = [
        line for line in script.splitlines() if "pipeline_core image" in line or " --pixel " in line
    ]
    return shlex.split(line.split(": ", 1)[1])


def test_the_command_in_the_comment_gives_the_same(facts, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    request = counts_request(facts)
    words = command_in(image_snippet(facts, request))
    assert words[:3] == ["python", "-m", "pipeline_core"]
    assert main([*words[3:-1], "image.npz"]) == 0
    with np.load("image.npz") as arrays:
        np.testing.assert_array_equal(arrays["image"], files.read(request).image)
    request = LightCurveRequest("p", facts.token, *SPAN, None, None, ((3, 2),), "", 0.0123)
    words = command_in(plot_snippet(facts, request))
    assert main([*words[3:-1], "curve.npz"]) == 0
    with np.load("curve.npz") as arrays:
        np.testing.assert_array_equal(arrays["counts"], files.read(request).data.counts)


def test_no_command_is_told_where_there_is_none(facts):
    assert "command" not in image_snippet(facts, counts_request(facts, BAND))
    request = HistogramRequest("p", facts.token, *SPAN, None, None, ((3, 2),))
    assert "command" not in plot_snippet(facts, request)
    request = SpectrumRequest("p", facts.token, *SPAN, None, None, MANY)
    assert "command" not in plot_snippet(facts, request)


def test_the_script_says_what_it_is_of(facts):
    script = image_snippet(facts, counts_request(facts, BAND))
    assert f"{START}.h5" in script
    assert facts.file_id in script
    assert (
        f"stop={SPAN[1]!r}, min_phase={BAND[0]!r}, max_phase={BAND[1]!r}" in script
    )  # every digit
    assert "phase -151.5 to -40.1 deg" in script
    assert "0.1 to 0.700001 s" in script
