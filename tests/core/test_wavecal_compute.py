from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from wavecal_nights import laser_histograms, night_beammap
from wavecal_pixels import CLASSES, LINES_NM, Night, Recipe, observe

from pipeline_core.errors import InputFormatError, OperationCancelled
from pipeline_core.flags import PixelFlag
from pipeline_core.simulate.response import draw_response, energy_to_phase, phase_to_energy
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal import compute
from pipeline_core.wavecal.curvefit import fit_curves
from pipeline_core.wavecal.frequencies import read_frequencies
from pipeline_core.wavecal.linefit import STATUS
from pipeline_core.wavecal.reasons import judge
from pipeline_core.wavecal.resolving_power import FWHM_PER_SIGMA, resolving_power
from pipeline_core.wavecal.settings import Laser, WavecalSettings
from pipeline_core.wavecal.solution import Solution

LINES_EV = HC_EV_NM / LINES_NM
CODE = {name: number for number, name in enumerate(STATUS)}


def settings(**changes) -> WavecalSettings:
    return WavecalSettings(tuple(Laser(nm, Path(f"{nm:g}.h5")) for nm in LINES_NM), **changes)


@pytest.fixture(scope="module")
def night() -> Night:
    return observe(Recipe("arctan", 2000, 400, 17))


@pytest.fixture(scope="module")
def solution(night: Night) -> Solution:
    return compute.solve(laser_histograms(night), night_beammap(night), settings())


def test_a_night_is_calibrated_and_what_cannot_be_is_not(night: Night, solution: Solution) -> None:
    good = solution.calibrated.ravel()
    assert good[night.calibratable()].mean() > 0.95
    for name in ("dead", "noise", "hot", "off"):
        assert not good[night.kind == CLASSES.index(name)].any()
    kept = good & night.calibratable()
    energy = solution.curves.energy_ev(night.centre_deg)[kept]
    assert np.abs(np.median(energy / LINES_EV - 1, 0)).max() < 1e-3
    off = (solution.resolving_power / night.resolution() - 1)[kept]
    assert np.abs(np.nanmedian(off, 0)).max() < 0.02
    assert np.isnan(solution.resolving_power[~solution.lines.ok]).all()


def test_every_pixel_that_is_not_calibrated_has_a_sentence_and_is_counted_once(
    solution: Solution,
) -> None:
    good = solution.calibrated.ravel()
    assert all(reason for reason, fine in zip(solution.reasons, good, strict=True) if not fine)
    perfect = good & solution.curves.used.all(1)
    assert perfect.any()
    assert not any(reason for reason, fine in zip(solution.reasons, perfect, strict=True) if fine)
    assert sum(n for _, n in solution.pareto) == np.count_nonzero(~good)
    counts = [n for _, n in solution.pareto]
    assert counts == sorted(counts, reverse=True)


def test_the_result_does_not_depend_on_the_order_in_which_threads_finish(
    night: Night, solution: Solution
) -> None:
    again = compute.solve(laser_histograms(night), night_beammap(night), settings())
    np.testing.assert_array_equal(again.curves.coefficients, solution.curves.coefficients)
    np.testing.assert_array_equal(again.flags, solution.flags)
    assert again.reasons == solution.reasons


def test_a_solution_remembers_where_it_comes_from(night: Night, solution: Solution) -> None:
    assert solution.shape == night.shape
    assert WavecalSettings.from_mapping(_plain(solution.settings)) == settings()
    np.testing.assert_array_equal(solution.res_id.ravel(), night.res_id)


def _plain(text: str) -> dict[str, object]:
    import json

    return json.loads(text)


def test_lines_with_fewer_photons_than_the_settings_want_are_not_used(night: Night) -> None:
    strict = compute.solve(
        laser_histograms(night), night_beammap(night), settings(min_photons=10**6)
    )
    assert not strict.calibrated.any()
    assert CODE["few_photons"] in strict.lines.status
    assert not strict.lines.ok.any()


def test_a_calibration_can_be_cancelled_at_any_report(night: Night) -> None:
    stages: list[str] = []

    def note(done: int, total: int, stage: str = "") -> None:
        stages.append(stage)

    some = laser_histograms(night)
    compute.solve(some, night_beammap(night), settings(), note)
    assert {"fit lines", "fit curves", "judge pixels"} <= set(stages)
    for target in (1, len(stages) // 2, len(stages) - 1):
        seen = 0

        def stop(done: int, total: int, stage: str = "", target: int = target) -> None:
            nonlocal seen
            seen += 1
            if seen == target:
                raise OperationCancelled

        with pytest.raises(OperationCancelled):
            compute.solve(some, night_beammap(night), settings(), stop)


def test_a_second_pass_keeps_lines_only_where_the_curve_predicts_them(
    night: Night, solution: Solution, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = solution.lines.status.copy()
    pixels = np.flatnonzero(solution.calibrated.ravel() & solution.curves.used.all(1))[:2]
    hidden[pixels, 2] = CODE["no_line"]
    lines = dataclasses.replace(solution.lines, status=hidden)

    def fitted(shift_deg):
        def fit(histograms, settings, pixels, guess, progress):
            rows = {
                f.name: np.array(getattr(solution.lines, f.name)[pixels])
                for f in dataclasses.fields(solution.lines)
            }
            rows["centre_deg"] = rows["centre_deg"] + shift_deg
            return dataclasses.replace(solution.lines, **rows)

        return fit

    args = (laser_histograms(night), lines, solution.curves, LINES_NM, settings(), lambda *_: None)
    monkeypatch.setattr(compute, "line_fits", fitted(0.0))
    found = compute._second_pass(*args)
    assert np.all(found.status[pixels, 2] == CODE["ok"])
    np.testing.assert_array_equal(found.centre_deg[pixels, 2], solution.lines.centre_deg[pixels, 2])
    monkeypatch.setattr(compute, "line_fits", fitted(15.0))
    assert np.all(compute._second_pass(*args).status[pixels, 2] == CODE["no_line"])


# ---- resolving power


def test_r_is_energy_over_full_width_through_the_true_curve_and_its_error_is_its_scatter() -> None:
    rng = np.random.default_rng(3)
    for family in ("arctan", "quadratic"):
        n = 400
        coefficients = draw_response(family, np.full(n, -90.0), False, rng)
        centre = energy_to_phase(family, coefficients[:, :, None], LINES_EV)
        slope = (energy_to_phase(family, coefficients[:, :, None], LINES_EV + 1e-4) - centre) / 1e-4
        sigma = -slope * LINES_EV / (FWHM_PER_SIGMA * (3.0 if family == "arctan" else 6.0))
        half = sigma * FWHM_PER_SIGMA / 2
        high, low = (
            phase_to_energy(family, coefficients[:, :, None], centre + side * half)
            for side in (-1, 1)
        )
        wanted = LINES_EV / (high - low)
        error = np.full(centre.shape, 0.02)
        curves = fit_curves(centre, error, np.ones(centre.shape, bool), LINES_EV)
        r, _ = resolving_power(curves, centre, error, sigma, 0.01 * sigma)
        np.testing.assert_allclose(r, wanted, rtol=0.002)
        drawn = sigma * (1 + 0.01 * rng.standard_normal(sigma.shape))
        scattered, r_error = resolving_power(curves, centre, error, drawn, 0.01 * sigma)
        np.testing.assert_allclose(scattered.std(0), np.median(r_error, 0), rtol=0.12)


# ---- verdicts


def facts(status, **changes):
    """One pixel of `status` a line, on an arctangent through five lines, with histograms that say 1234 photons."""
    centre = -2 * np.degrees(np.arctan(0.686 * LINES_EV))[None]
    status = np.array([[CODE[name] for name in status]], np.uint8)
    values = {
        "centre_deg": centre,
        "visible": np.full((1, 5), 0.38),
        "worst_residual": np.full((1, 5), 7.0),
    }
    values |= {name: np.asarray(value)[None] for name, value in changes.items()}
    ok = status == 0
    lines = SimpleNamespace(status=status, ok=ok, **values)
    curves = fit_curves(values["centre_deg"], np.full((1, 5), 0.05), ok, LINES_EV)
    histograms = SimpleNamespace(
        n_negative=np.array([[1234, 1234, 1000, 40, 1]]), rate_cps=np.full((1, 5), 2300.0)
    )
    return LINES_NM, histograms, lines, curves


def flags_of(verdicts) -> set[str]:
    return {flag.name for flag in PixelFlag if verdicts.flags[0] & flag}


def test_a_perfect_pixel_has_neither_flag_nor_reason() -> None:
    verdicts = judge(*facts(["ok"] * 5))
    assert flags_of(verdicts) == set()
    assert verdicts.reasons == ("",)
    assert verdicts.pareto == ()


@pytest.mark.parametrize(
    ("status", "sentence", "cause"),
    [
        (["no_photons"] * 5, "All lines: no photons.", "no photons"),
        (["no_line"] * 5, "All lines: no line found among 1 to 1234 photons.", "no line found"),
        (["doubled"] * 5, "All lines: two peaks.", "two peaks"),
        (["hot"] * 5, "All lines: hot, 2300 counts a second.", "hot"),
        (
            ["ok", "ok", "below_edge", "below_edge", "few_photons"],
            "980, 1120 nm: 62 % of the line is below the trigger edge; 1310 nm: only 1 photon; "
            "2 of 5 lines are not enough.",
            "lines below the trigger edge",
        ),
        (
            ["ok", "bad_fit", "bad_fit", "bad_fit", "not_converged"],
            "920, 980, 1120 nm: the line has another shape (off by 7 sigma in one place); "
            "1310 nm: the line fit did not converge; 1 of 5 lines is not enough.",
            "the line has another shape",
        ),
    ],
)
def test_a_pixel_without_enough_lines_says_why(status, sentence, cause) -> None:
    verdicts = judge(*facts(status))
    assert verdicts.reasons == (sentence,)
    assert verdicts.pareto == ((cause, 1),)
    names = {"wavecal_bad", "wavecal_not_enough_histogram_fits", "wavecal_histogram_fit_problems"}
    none = set() if "ok" in status else {"wavecal_no_histograms"}
    assert flags_of(verdicts) - {"wavecal_linear"} == names | none


def test_a_calibrated_pixel_with_a_doubtful_line_says_so_but_is_good() -> None:
    verdicts = judge(*facts(["ok", "ok", "ok", "ok", "below_edge"]))
    assert flags_of(verdicts) == {"wavecal_histogram_fit_problems"}
    assert verdicts.reasons == (
        "1310 nm: 62 % of the line is below the trigger edge; calibrated with the other 4.",
    )
    assert verdicts.pareto == ()


def test_a_line_that_contradicts_the_others_is_named_with_its_distance() -> None:
    centre = -2 * np.degrees(np.arctan(0.686 * LINES_EV))
    centre[2] *= 1.05
    verdicts = judge(*facts(["ok"] * 5, centre_deg=centre))
    assert flags_of(verdicts) == {"wavecal_histogram_fit_problems"}
    assert verdicts.reasons[0].startswith("980 nm: contradicts the other lines (off by +")


def test_pulses_in_the_wrong_order_and_lines_on_no_curve_are_bad() -> None:
    centre = -2 * np.degrees(np.arctan(0.686 * LINES_EV))
    turned = judge(*facts(["ok"] * 5, centre_deg=centre[::-1]))
    assert flags_of(turned) == {"wavecal_bad", "wavecal_not_monotonic"}
    assert turned.reasons == ("Larger energies do not give larger pulses.",)
    bent = centre + np.array([-9.0, 3.2, 1.5, 6.0, -2.0])
    crooked = judge(*facts(["ok"] * 5, centre_deg=bent))
    assert {"wavecal_bad", "wavecal_failed_validation"} <= flags_of(crooked)
    assert crooked.reasons[0].startswith("The lines do not lie on one curve (")


def test_with_two_lasers_a_pixel_is_calibrated_and_flagged() -> None:
    wavelengths, histograms, lines, _ = facts(["ok"] * 5)
    keep = [0, 4]
    two = SimpleNamespace(**{name: array[:, keep] for name, array in vars(lines).items()})
    curves = fit_curves(two.centre_deg, np.full((1, 2), 0.05), two.ok, LINES_EV[keep])
    verdicts = judge(wavelengths[keep], histograms, two, curves)
    assert "wavecal_not_enough_histogram_fits" in flags_of(verdicts)
    assert "wavecal_bad" not in flags_of(verdicts)


# ---- frequencies


@pytest.mark.parametrize("columns", [3, 9])
def test_frequencies_are_found_by_resonator_in_either_form(tmp_path: Path, columns: int) -> None:
    path = tmp_path / "sweep.txt"
    place = 1 if columns == 3 else 4
    rows = []
    for res_id, hertz in ((10003, 4.5e9), (10001, 5.25e9), (10002, 0.0)):
        row = [7.0] * columns
        row[0], row[place] = res_id, hertz
        rows.append(" ".join(f"{value:.1f}" for value in row))
    path.write_text("# resID f\n" + "\n".join(rows) + "\n")
    res_id = np.array([[10001, 10002, 10003], [10004, 2**32 - 1, 10001]], np.uint32)
    expected = [[5250.0, np.nan, 4500.0], [np.nan, np.nan, 5250.0]]
    np.testing.assert_array_equal(read_frequencies(path, res_id), expected)


@pytest.mark.parametrize("text", ["1 2\n", "1 2 3\n4 5\n", "a b c\n", ""])
def test_other_files_of_frequencies_are_refused_with_their_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sweep.txt"
    path.write_text(text)
    with pytest.raises(InputFormatError, match=r"sweep\.txt"):
        read_frequencies(path, np.zeros((2, 3), np.uint32))
    with pytest.raises(InputFormatError, match=r"absent\.txt"):
        read_frequencies(tmp_path / "absent.txt", np.zeros((2, 3), np.uint32))
