import numpy as np
import pytest
from line_histograms import EDGES, draw_lines

from pipeline_core.wavecal.linefit import STATUS, fit_lines

OK = STATUS.index("ok")


@pytest.fixture(scope="module")
def clean():
    return draw_lines(np.random.default_rng(11), n_pixel=120, photons=1000)


@pytest.fixture(scope="module")
def clean_fits(clean):
    return fit_lines(clean.counts, EDGES)


def test_centres_and_widths_are_the_true_ones_within_their_errors(clean, clean_fits):
    good = clean_fits.ok
    assert good.mean() > 0.97
    centre_pull = ((clean_fits.centre_deg - clean.centre) / clean_fits.centre_error)[good]
    sigma_pull = ((clean_fits.sigma_deg - clean.sigma) / clean_fits.sigma_error)[good]
    for pull in (centre_pull, sigma_pull):
        assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
        assert pull.std() == pytest.approx(1, abs=0.1)
    assert np.median(clean_fits.sigma_deg[good] / clean.sigma[good]) == pytest.approx(1, abs=0.005)
