"""The tangent of arithmetic alone beside that of the C library."""

import math

import numpy as np
import pytest

from pipeline_core.wavecal._tangent import tangent


def test_it_is_that_of_the_library_to_a_few_units_in_the_last_place():
    angles = np.linspace(-1.5705, 1.5705, 100_001)
    found = np.array([tangent(angle) for angle in angles])
    wanted = np.array([math.tan(angle) for angle in angles])
    assert (np.abs(found - wanted) <= 4 * np.spacing(np.abs(wanted))).all()


@pytest.mark.parametrize("degrees", [0.0, 45.0, 89.99, 90.0, 100.0, 134.0])
def test_it_is_odd_and_goes_on_beyond_the_pole(degrees):
    angle = math.radians(degrees)
    assert tangent(angle) == pytest.approx(math.tan(angle), rel=1e-12)
    assert tangent(-angle) == -tangent(angle)


def test_nothing_has_no_tangent():
    assert math.isnan(tangent(math.nan))
