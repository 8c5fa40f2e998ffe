"""What a person looks at in a solution, and fits again by hand; truth beside it."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
from wavecal_nights import laser_histograms, night_beammap
from wavecal_pixels import LINES_NM, Recipe, observe

from pipeline_core.errors import ConfigError
from pipeline_core.flags import PixelFlag
from pipeline_core.wavecal import compute
from pipeline_core.wavecal.browse import (
    array_map,
    centre_histogram,
    map_names,
    pixel_page,
    solution_facts,
)
from pipeline_core.wavecal.curves import CURVE_KINDS
from pipeline_core.wavecal.linefit import STATUS
from pipeline_core.wavecal.models import MODEL_NAMES
from pipeline_core.wavecal.plots import centerhist
from pipeline_core.wavecal.reasons import main_causes, pareto_of
from pipeline_core.wavecal.refit import refit_pixel
from pipeline_core.wavecal.settings import Laser, WavecalSettings
from pipeline_core.wavecal.solution import Solution, load_solution

BAD = int(PixelFlag["wavecal_bad"])


@pytest.fixture(scope="module")
def watched():
    return []


@pytest.fixture(scope="module")
def night():
    return observe(Recipe("arctan", 1000, 200, 5))


@pytest.fixture(scope="module")
def solution(night, watched) -> Solution:
    lasers = tuple(Laser(nm, f"laser_{nm:g}.h5") for nm in LINES_NM.tolist())
    return compute.solve(
        laser_histograms(night),
        night_beammap(night),
        WavecalSettings(lasers),
        watch=lambda *block: watched.append(block),
    )


def a_pixel(solution, wanted):
    return divmod(int(np.flatnonzero(wanted)[0]), solution.shape[1])


def test_every_pixel_is_told_once_while_lines_are_fitted(solution, watched):
    firsts = [first for first, _ in watched]
    assert firsts == sorted(firsts)
    told = np.concatenate([r for _, r in watched])
    assert told.shape == solution.lines.status.shape[:1]
    good = solution.calibrated.ravel() & solution.lines.ok.all(1)
    # a first guess: phase is not quite proportional to energy
    ratio = told[good] / np.median(solution.resolving_power[good], 1)
    assert 0.8 < np.median(ratio) < 1.6
    assert np.corrcoef(told[good], np.median(solution.resolving_power[good], 1))[0, 1] > 0.7
    assert np.isnan(told[solution.counts.sum((1, 2)) == 0]).all()


def test_maps_have_the_values_of_the_solution_at_x_and_y(solution):
    ncols, nrows = solution.shape
    assert ncols != nrows
    names = dict(map_names(tuple(solution.wavelengths_nm.tolist())))
    assert names["r:1"] == f"R at {LINES_NM[1]:g} nm"
    good = solution.calibrated
    for name, values in (
        ("r:1", solution.resolving_power),
        ("centre:1", solution.lines.centre_deg),
        ("sigma:1", solution.lines.sigma_deg),
    ):
        found = array_map(solution, name).values
        for x in range(ncols):
            for y in range(nrows):
                p = x * nrows + y
                fine = good[x, y] and solution.lines.ok[p, 1]
                if fine:
                    assert found[x, y] == values[p, 1]
                else:
                    assert math.isnan(found[x, y])
    x, y = a_pixel(solution, good.ravel() & solution.lines.ok.all(1))
    r = solution.resolving_power[x * nrows + y]
    assert array_map(solution, "r").values[x, y] == pytest.approx(np.median(r))
    with pytest.raises(KeyError):
        array_map(solution, "nothing")


def test_reasons_are_a_map_whose_numbers_are_the_pareto_table(solution):
    found = array_map(solution, "reason")
    names = [name for name, _ in found.categories]
    number = {name: k for k, name in enumerate(names)}
    np.testing.assert_array_equal(found.values == number["calibrated"], solution.calibrated)
    counted = {name: n for name, n in found.categories if name != "calibrated"}
    assert counted == dict(solution.pareto)
    for k, (_, n) in enumerate(found.categories):
        assert np.count_nonzero(found.values == k) == n


def test_flags_and_curves_are_maps_of_categories(solution):
    flags = array_map(solution, "flags")
    of_bad = [k for k, (name, _) in enumerate(flags.categories) if "bad" in name.split(" + ")]
    np.testing.assert_array_equal(np.isin(flags.values, of_bad), (solution.flags & BAD) != 0)
    curves = array_map(solution, "curve")
    assert sum(n for name, n in curves.categories if name != "none") == solution.calibrated.sum()


def test_the_histogram_of_centres_is_that_of_the_page(solution):
    found = centre_histogram(solution)
    for k in range(LINES_NM.size):
        use = solution.lines.ok[:, k] & solution.calibrated.ravel()
        centres = solution.lines.centre_deg[use, k]
        inside = (centres >= found.edges[0]) & (centres <= found.edges[-1])
        assert found.counts[k].sum() == np.count_nonzero(inside)
        assert found.medians[k] == np.median(centres)
    labels = [text.get_text() for text in centerhist(solution).axes[0].get_legend().get_texts()]
    assert len(labels) == found.counts.shape[0]


def test_a_pixels_page_is_that_of_its_numbers(solution):
    nrows = solution.shape[1]
    x, y = a_pixel(solution, solution.calibrated.ravel() & solution.curves.used.all(1))
    p = x * nrows + y
    page = pixel_page(solution, (x, y))
    assert page.calibrated
    assert page.condition == "Calibrated."
    assert page.res_id == solution.res_id[x, y]
    assert page.curve_kind == CURVE_KINDS[solution.curves.kind[p]].replace("_", " ")
    np.testing.assert_array_equal(page.curve.centre, solution.lines.centre_deg[p])
    np.testing.assert_allclose(
        page.curve.line_energy * (1 + page.curve.residual / 100),
        solution.curves.energy_ev(solution.lines.centre_deg)[p],
    )
    for j, line in enumerate(page.lines):
        np.testing.assert_array_equal(line.counts, solution.counts[p, j])
    raw = int(solution.histograms.n_raw[p].sum())
    assert f"{raw:,} photons" in page.cuts
    bad = a_pixel(solution, ~solution.calibrated.ravel())
    assert pixel_page(solution, bad).condition == solution.reason(bad)
    assert "wavecal.bad" in pixel_page(solution, bad).flags
    with pytest.raises(ConfigError):
        pixel_page(solution, (0, nrows))


def test_facts_count_what_there_is(solution):
    facts = solution_facts(solution)
    assert facts.n_calibrated == solution.calibrated.sum()
    assert facts.n_lit >= facts.n_calibrated
    assert 3 < facts.median_r < 12


# ---- once more by hand


def test_a_pixel_fitted_again_by_the_same_models_is_as_it_was(solution):
    pixel = a_pixel(solution, solution.calibrated.ravel() & solution.curves.used.all(1))
    p = pixel[0] * solution.shape[1] + pixel[1]
    again = refit_pixel(solution, pixel)
    np.testing.assert_array_equal(again.lines.centre_deg, solution.lines.centre_deg)
    np.testing.assert_allclose(
        again.curves.coefficients[p], solution.curves.coefficients[p], rtol=1e-9
    )
    np.testing.assert_array_equal(again.flags, solution.flags)
    assert again.reasons == solution.reasons
    assert again.pareto == solution.pareto


def test_a_pixel_fitted_again_by_other_models_has_them_and_no_other_pixel_changes(
    solution, tmp_path
):
    pixel = a_pixel(solution, solution.calibrated.ravel() & solution.curves.used.all(1))
    p = pixel[0] * solution.shape[1] + pixel[1]
    again = refit_pixel(
        solution, pixel, line_models=("gauss_gauss_tail",), curve_models=("quadratic",)
    )
    assert CURVE_KINDS[again.curves.kind[p]] == "quadratic"
    assert all(MODEL_NAMES[m] == "gauss_gauss_tail" for m in again.lines.model[p])
    others = np.arange(again.curves.kind.size) != p
    for name in ("coefficients", "covariance", "valid_phase_deg", "kind"):
        np.testing.assert_array_equal(
            getattr(again.curves, name)[others], getattr(solution.curves, name)[others]
        )
    np.testing.assert_array_equal(again.resolving_power[others], solution.resolving_power[others])
    assert again.solution_id != solution.solution_id
    assert f"({pixel[0]}, {pixel[1]})" in again.refits[0]
    assert "quadratic" in again.refits[0]
    kept = load_solution(again.save(tmp_path / "again.h5"))
    assert kept.refits == again.refits
    assert kept.solution_id == again.solution_id


def test_the_table_of_reasons_follows_a_pixel_that_is_lost(solution):
    pixel = a_pixel(solution, solution.calibrated.ravel() & solution.curves.used.all(1))
    p = pixel[0] * solution.shape[1] + pixel[1]
    strict = dataclasses.replace(
        solution,
        settings=WavecalSettings(
            tuple(Laser(nm, f"laser_{nm:g}.h5") for nm in LINES_NM.tolist()), min_photons=10**6
        ).to_json(),
    )
    again = refit_pixel(strict, pixel)
    assert not again.calibrated.ravel()[p]
    assert "photons" in again.reason(pixel)
    assert sum(n for _, n in again.pareto) == 1 + sum(n for _, n in solution.pareto)


def test_what_cannot_be_fitted_again_is_refused_with_the_reason(solution):
    with pytest.raises(ConfigError, match="outside the array"):
        refit_pixel(solution, (solution.shape[0], 0))
    with pytest.raises(ConfigError, match="made with"):
        refit_pixel(dataclasses.replace(solution, settings="{}"), (0, 0))
    with pytest.raises(ConfigError, match="spline"):
        refit_pixel(solution, (0, 0), curve_models=("spline",))


def test_the_main_cause_is_what_is_wrong_with_most_of_the_lines():
    ok, few, no_line, doubled = (
        STATUS.index(s) for s in ("ok", "few_photons", "no_line", "doubled")
    )
    status = np.array(
        [
            [no_line, no_line, few, ok],
            [few, no_line, ok, ok],  # of equal ones the first of STATUS
            [ok, ok, doubled, ok],  # fine lines that do not lie on the curve
            [no_line, no_line, no_line, no_line],  # not bad: no cause
            [doubled, doubled, ok, ok],  # the curve itself is wrong
        ]
    )
    used = (status == ok) & (np.arange(5) != 2)[:, None]
    bad = np.full(5, BAD, np.uint32)
    bad[3] = 0
    bad[4] |= np.uint32(PixelFlag["wavecal_not_monotonic"])
    causes = main_causes(bad, SimpleNamespace(status=status), SimpleNamespace(used=used))
    assert causes.tolist() == [
        "no line found",
        "too few photons",
        "a line contradicts the others",
        "",
        "larger energies do not give larger pulses",
    ]
    assert dict(pareto_of(np.array(["a", "", "b", "a"]))) == {"a": 2, "b": 1}
