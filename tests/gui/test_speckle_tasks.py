"""Work of the window of speckle maps, without its window."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline_core.errors import OperationCancelled
from pipeline_core.speckle.binning import BinnedPixel, TimeBins
from pipeline_core.speckle.settings import SpeckleSettings
from quicklook.speckle_tasks import SpecklePixel, StudyRequest, study


def test_a_study_is_cancelled_within_its_bootstrap():
    counts = np.random.default_rng(20261213).poisson(4.0, 3000)
    bins = TimeBins(0, 10_000, counts.size, np.zeros((0, 2)))
    settings = SpeckleSettings(bootstrap=10_000, tau_s=0.1)
    one = BinnedPixel((3, 1), counts, int(counts.sum()))
    read = SpecklePixel(StudyRequest(1, (3, 1), settings), one, bins, None, 10.0)
    heard = []

    def cancelled(done, total, stage=""):
        heard.append(done)
        if len(heard) > 3:
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        study(read, progress=cancelled)
    assert heard[0] == 0
    assert 0 < heard[-1] < 100
