from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from wavecal_nights import true_solution

from pipeline_core.errors import ConfigError, OutputError
from pipeline_core.wavecal import plots
from pipeline_core.wavecal.plotfacts import Facts, line_facts, running_median, summary_blocks

pytestmark = pytest.mark.timeout(600)  # kernels may have to be compiled first


@pytest.fixture(scope="module")
def solution():
    return true_solution()


@pytest.fixture(scope="module")
def nothing(solution):
    """The same array without a single calibrated pixel."""
    flags = np.ones(solution.shape, np.uint32)
    lines = dataclasses.replace(solution.lines, status=np.full(solution.lines.status.shape, 3))
    return dataclasses.replace(solution, flags=flags, lines=lines, solution_id="")


def draw(name, solution, pixel=(1, 2)):
    one = ("energysolution", "histogramfits")
    return plots.PAGES[name](solution, pixel) if name in one else plots.PAGES[name](solution)


def texts(figure):
    from matplotlib.text import Text

    return [t.get_text() for t in figure.findobj(Text)]


@pytest.mark.parametrize("name", plots.PAGES)
@pytest.mark.parametrize("which", ["solution", "nothing"])
def test_every_page_can_be_drawn_also_when_nothing_is_calibrated(name, which, request, tmp_path):
    page = draw(name, request.getfixturevalue(which))
    page.savefig(tmp_path / "page.png", dpi=40)
    assert (tmp_path / "page.png").stat().st_size > 2000


def test_eight_pages_have_the_names_of_the_guide():
    assert set(plots.PAGES) == {
        *("energysolution", "histogramfits", "rhistogram", "centerhist"),
        *("rvsf", "fitparameters", "resolutionimage", "summary"),
    }


def test_histograms_of_r_count_the_good_lines_of_calibrated_pixels(solution):
    axes = plots.rhistogram(solution).axes[0]
    drawn = [sum(step.get_data().values) for step in axes.patches]
    good = solution.lines.ok & solution.calibrated.ravel()[:, None]
    highest = np.ceil(np.percentile(solution.resolving_power[good], 99.5))
    expected = [
        sum(r <= 1.1 * highest for r in solution.resolving_power[good[:, j], j]) for j in range(5)
    ]
    assert drawn == expected
    assert min(drawn) > 100
    middle = np.median(solution.resolving_power[good[:, 0], 0])
    assert f"808 nm, median R = {middle:.1f}" in texts(plots.rhistogram(solution))


def test_maps_show_column_x_to_the_right_and_row_y_upwards(solution):
    ncols, nrows = solution.shape
    assert ncols != nrows
    axes = plots.resolutionimage(solution, 2).axes[0]
    shown = axes.images[0].get_array()
    x, y = np.argwhere(solution.calibrated & solution.lines.ok[:, 2].reshape(solution.shape))[3]
    assert shown.shape == (nrows, ncols)
    assert shown[y, x] == solution.resolving_power[x * nrows + y, 2]
    assert axes.images[0].origin == "lower"
    dark_x, dark_y = np.argwhere(~solution.calibrated)[5]
    assert np.ma.getmaskarray(shown)[dark_y, dark_x] or np.isnan(shown[dark_y, dark_x])


def test_fitted_counts_add_up_to_the_photons_of_a_good_line(solution):
    facts = Facts.of(solution)
    p = facts.number(facts.typical_pixel())
    line = line_facts(facts, p, 1)
    assert line.good
    assert line.expected.sum() == pytest.approx(line.counts.sum(), rel=0.02)
    assert line.components.sum(0) == pytest.approx(line.expected)
    assert f"{line.counts.sum()} photons" in line.text


def test_rejected_lines_say_why_in_words(solution):
    facts = Facts.of(solution)
    p, j = np.argwhere(~solution.lines.ok & (solution.counts.sum(2) == 0))[0]
    assert "no photons" in line_facts(facts, p, j).text
    assert line_facts(facts, p, j).expected is None


def test_energysolution_tells_the_reason_of_a_pixel_without_calibration(solution):
    pixel = tuple(np.argwhere(~solution.calibrated)[0].tolist())
    joined = " ".join(texts(plots.energysolution(solution, pixel)))
    assert solution.reason(pixel) in joined.replace("\n", " ")
    assert "accepted" not in joined
    good = tuple(np.argwhere(solution.calibrated)[0].tolist())
    assert "fit accepted" in texts(plots.energysolution(solution, good))


def test_a_feedline_alone_leaves_the_others_out(solution):
    facts = Facts.of(solution, 2)
    own = solution.res_id.ravel() // 10_000 == 2
    assert np.array_equal(facts.calibrated, solution.calibrated.ravel() & own)
    assert not facts.good_lines[~own].any()
    assert facts.good_lines[own].any()
    assert any("feedline 2" in t for t in texts(plots.summary(solution, 2)))


def test_summary_counts_what_a_hand_counts(solution):
    blocks = dict(summary_blocks(Facts.of(solution)))
    n = solution.calibrated.sum()
    mapped = (solution.code == 0).sum()
    total = solution.calibrated.size
    both = sum(
        bool(solution.calibrated[x, y] and solution.code[x, y] == 0)
        for x in range(solution.shape[0])
        for y in range(solution.shape[1])
    )
    curves = blocks["Calibration curves"]
    assert curves[0].endswith(f"{n} of {total} ({100 * n / total:.1f} %)")
    assert curves[2].endswith(f"{both} of {mapped} ({100 * both / mapped:.1f} %)")
    assert blocks["Pixels without calibration"] == [f"{total - n:>6}  {solution.pareto[0][0]}"]
    assert "laser_980.h5" in blocks["Laser files"][2]
    assert (
        sum(f"{f.wavelength_nm:g} nm" in " ".join(blocks["Laser files"]) for f in solution.inputs)
        == 5
    )


def test_r_is_drawn_against_frequency_where_it_is_known(solution):
    frequency = np.full(solution.shape, np.nan)
    frequency[2:] = np.linspace(4000, 8000, frequency[2:].size).reshape(frequency[2:].shape)
    known = dataclasses.replace(solution, frequency_mhz=frequency)
    x, r, is_frequency = Facts.of(known).r_against_frequency()
    assert is_frequency
    p = np.flatnonzero(solution.calibrated.ravel() & np.isfinite(frequency.ravel()))
    assert x == pytest.approx(frequency.ravel()[p] / 1000)
    kept = np.where(solution.lines.ok, solution.resolving_power, np.nan)[p]
    assert r == pytest.approx([np.median(row[np.isfinite(row)]) for row in kept])
    assert plots.rvsf(known).axes[0].get_xlabel() == "resonance frequency [GHz]"
    assert "no frequencies" in plots.rvsf(solution).axes[0].get_xlabel()


def test_resonators_that_stand_twice_are_not_drawn_against_frequency(solution):
    good = np.argwhere(solution.calibrated)
    res_id = solution.res_id.copy()
    res_id[tuple(good[0])] = res_id[tuple(good[1])]
    twice = dataclasses.replace(solution, res_id=res_id)
    assert Facts.of(twice).r_against_frequency()[0].size == len(good) - 2


def test_running_median_is_that_of_a_loop():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 3, 150), rng.normal(5, 1, 150)
    x[:30] += 10  # a gap
    at, found = running_median(x, y, 0.4)
    for place, value in zip(at, found, strict=True):
        near = y[np.abs(x - place) <= 0.2]
        assert np.isnan(value) if near.size < 5 else value == pytest.approx(np.median(near))
    assert np.isfinite(found).sum() > 100


def with_lines(solution, wavelengths):
    """The solution with its lines repeated or left out."""
    n = len(wavelengths)
    pick = np.arange(n) % 5
    changed = {}
    for part in ("lines", "histograms"):
        value = getattr(solution, part)
        fields = {
            f.name: getattr(value, f.name)[:, pick]
            for f in dataclasses.fields(value)
            if np.ndim(getattr(value, f.name)) >= 2
        }
        changed[part] = dataclasses.replace(value, **fields)
    curves = dataclasses.replace(solution.curves, used=solution.curves.used[:, pick])
    return dataclasses.replace(
        solution,
        wavelengths_nm=np.array(wavelengths),
        resolving_power=solution.resolving_power[:, pick],
        resolving_power_error=solution.resolving_power_error[:, pick],
        curves=curves,
        **changed,
    )


@pytest.mark.parametrize("n", [1, 12])
def test_one_line_and_many_lines_can_be_drawn(solution, n, tmp_path):
    some = with_lines(solution, np.linspace(800, 1400, n))
    for name in plots.PAGES:
        draw(name, some, Facts.of(some).typical_pixel()).savefig(tmp_path / "page.png", dpi=40)
    labels = [a.get_ylabel() for a in plots.rhistogram(some).axes]
    assert ("wavelength [nm]" in labels) == (n >= 10)
    assert len(plots.histogramfits(some, (1, 2)).axes) == n


def test_colours_of_lines_go_by_energy(solution):
    scale = Facts.of(solution).colour_scale
    energy = 1 / np.array([808.0, 920.0, 980.0, 1120.0, 1310.0])
    expected = (energy - energy[-1]) / (energy[0] - energy[-1])
    assert scale / scale[0] == pytest.approx(expected)


def test_write_plots_writes_what_was_asked_for_and_nothing_else(solution, tmp_path):
    paths = plots.write_plots(solution, tmp_path / "new", ["summary", "rvsf"])
    assert [p.name for p in paths] == ["summary.pdf", "rvsf.pdf"]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["rvsf.pdf", "summary.pdf"]
    pages = [len(re.findall(rb"/Type /Page\b", p.read_bytes())) for p in paths]
    assert pages == [2, 1]
    png = plots.write_plots(solution, tmp_path, ["energysolution"], fmt="png")[0]
    assert png.read_bytes().startswith(b"\x89PNG")


def test_wrong_names_formats_and_pixels_are_refused_by_name(solution, tmp_path):
    with pytest.raises(ConfigError, match="'rvsfx' is not known; choose of energysolution"):
        plots.write_plots(solution, tmp_path, ["rvsfx"])
    with pytest.raises(ConfigError, match="'gif' is not known; choose pdf"):
        plots.write_plots(solution, tmp_path, fmt="gif")
    with pytest.raises(ConfigError, match=r"pixel \(40, 0\) is outside the array of 40 x 10"):
        plots.write_plots(solution, tmp_path, ["energysolution"], pixel=(40, 0))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_an_error_with_its_name(solution, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match=r"Cannot write in folder .*taken: Not a directory"):
        plots.write_plots(solution, tmp_path / "taken", ["rvsf"], fmt="png")


def test_own_style_of_a_user_is_neither_used_nor_changed(solution):
    with mpl.rc_context({"font.size": 31.0, "axes.labelcolor": "red"}):
        label = plots.rvsf(solution).axes[0].xaxis.label
        assert (label.get_size(), label.get_color()) == (9, "black")
        assert (mpl.rcParams["font.size"], mpl.rcParams["axes.labelcolor"]) == (31.0, "red")


def test_matplotlib_is_loaded_by_the_pages_alone():
    code = (
        "import sys, pipeline_core.wavecal.solution, pipeline_core.wavecal.plotfacts, pipeline_core.cli; "
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
