"""The quick search for bad pixels against the plain one, to the last bit: light curves, slices."""

import badpixels_plain as plain
import numpy as np
import pytest

from pipeline_core.badpixels import compute, flicker
from pipeline_core.badpixels.compute import Counts, solve
from pipeline_core.badpixels.flicker import flickering
from pipeline_core.badpixels.methods import DEAD, HOT, judge
from pipeline_core.badpixels.settings import BadPixelSettings
from pipeline_core.beammap import Beammap

KINDS = ("noise", "jumps", "few", "holes", "dark end")


def made(kind, seed, n_bins, shape):
    """Counts and pixels that are read."""
    rng = np.random.default_rng(seed)
    level = 0.4 if kind == "few" else 60.0
    mean = np.ones((n_bins, 1, 1)) * level * np.exp(0.15 * rng.standard_normal(shape))
    mean *= (1 + 0.4 * np.sin(np.arange(n_bins) / 3))[:, None, None]
    mean[:, 1, 2] *= 30
    mean[:, 3, 1] = 0
    mean[:, 2, 6] *= 0.02
    if kind in ("jumps", "few"):
        mean[n_bins // 4 : n_bins // 2, 2, 4] *= 25
        mean[n_bins // 3 :, 5, 7] = 0
        mean[: n_bins // 3, 4, 3] *= 9
        mean[-1, 4, 4] *= 40
    if kind == "dark end":
        mean[:, :, 5:] = 0
    read = rng.random(shape) > {"holes": 0.75}.get(kind, 0.05)
    return rng.poisson(mean), read


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("n_bins", "shape", "at_once"), [(5, (7, 11), 5), (23, (11, 8), 700), (150, (6, 9), 1 << 14)]
)
def test_light_curves_are_compared_where_neighbours_change_only(
    kind, n_bins, shape, at_once, monkeypatch
):
    monkeypatch.setattr(flicker, "_AT_ONCE", at_once)
    n_unstable = 0
    for seed in range(4):
        cube, read = made(kind, seed, n_bins, shape)
        lit = read & cube.any(axis=0)
        calm = lit & (cube.sum(axis=0) < 10 * np.median(cube.sum(axis=0)))
        found = flickering(cube, lit, 2.5, 0.2, 2.5, neighbours=calm)
        unstable, share, deviation = plain.flickering(cube, lit, 2.5, 0.2, 2.5, lit & calm)
        np.testing.assert_array_equal(found.unstable, unstable)
        np.testing.assert_array_equal(found.share, share)
        np.testing.assert_array_equal(found.deviation, deviation[:, unstable].T)
        n_unstable += np.count_nonzero(unstable & calm)
    assert n_unstable > 0 or kind != "jumps"


@pytest.mark.parametrize("kind", ["noise", "jumps", "few"])
@pytest.mark.parametrize(("n_bins", "n_slices"), [(24, 4), (50, 3), (400, 2)])
def test_slices_without_a_jump_need_not_be_judged(kind, n_bins, n_slices, monkeypatch):
    cube, read = made(kind, 7, n_bins, (9, 10))
    edges = np.arange(n_bins + 1) * 250_000
    rng = np.random.default_rng(1)
    counts = Counts(cube, edges, 0.25 * rng.uniform(0.5, 1, n_bins), read)
    settings = BadPixelSettings(slice_s=edges[-1] / 1e6 / n_slices, n_sigma=2.5)
    judged = []

    def noted(counts, *others):
        judged.append(counts)
        return judge(counts, *others)

    monkeypatch.setattr(compute, "judge", noted)
    kept = []
    bits_of = compute._bits
    monkeypatch.setattr(compute, "_bits", lambda *given: kept.append(given) or bits_of(*given))
    solve(counts, settings, Beammap.design((9, 10), 1))
    whole, kinds, _ = kept[0]
    bins = compute._slices(counts, settings)
    usable = read & (whole != DEAD)
    limits = (settings.n_sigma, settings.flicker_share, settings.fwhm)
    unstable, _, deviation = plain.flickering(cube, usable, *limits, usable & (whole != HOT))
    expected = plain.kinds_of_slices(counts, bins, settings, whole, unstable, deviation)
    np.testing.assert_array_equal(kinds, expected)
    jumps = [np.abs(deviation[a:b].sum(axis=0) / np.sqrt(b - a)) > 5 for a, b in bins]
    assert len(judged) == 1 + sum((one & unstable).any() for one in jumps)
    if kind == "jumps":
        assert (kinds != whole).any()
