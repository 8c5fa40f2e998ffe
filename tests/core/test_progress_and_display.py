import warnings

import numpy as np
import pytest

from pipeline_core.display import percentile_levels
from pipeline_core.errors import ConfigError, OperationCancelled, PipelineError
from pipeline_core.progress import part_of, silent


def test_parts_fill_their_share_of_the_parent():
    told = []
    parent = lambda done, total, stage="": told.append((done / total, stage))  # noqa: E731
    part = part_of(parent, 0.2, 0.6, "reading")
    part(0, 4)
    part(1, 4)
    part(4, 4, "done")
    part(0, 0)
    assert told == [(0.2, "reading"), (0.3, "reading"), (0.6, "done"), (0.6, "reading")]
    silent(1, 2)


def test_cancelling_is_no_pipeline_error():
    assert not issubclass(OperationCancelled, PipelineError)


def test_levels_ignore_hot_and_flagged_pixels():
    rng = np.random.default_rng(1)
    image = rng.poisson(100, (80, 125))
    good = np.ones(image.shape, bool)
    clean = percentile_levels(image, good)
    image[3, 4] = 1_000_000
    assert percentile_levels(image, good)[1] == pytest.approx(clean[1], rel=0.01)
    image[:, :60] = 10**6
    good[:, :60] = False
    assert percentile_levels(image, good)[1] < 150


@pytest.mark.parametrize("fill", [0, 7, np.nan, -3.5])
def test_levels_of_constant_and_empty_images(fill):
    image = np.full((3, 2), fill)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = percentile_levels(image, np.zeros((3, 2), bool))
    assert low < high


def test_levels_of_impossible_percentages():
    with pytest.raises(ConfigError):
        percentile_levels(np.zeros((2, 2)), np.ones((2, 2), bool), 60, 40)
