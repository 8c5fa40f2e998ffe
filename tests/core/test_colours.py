from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pipeline_core.colours import COLOUR_MAPS, DEFAULT_MAP, colour_table, picture_table
from pipeline_core.display import FLAGGED_INDEX, N_COLOURS, NAN_INDEX, SATURATED_INDEX
from pipeline_core.errors import ConfigError

# full deuteranopia in linear RGB: Machado, Oliveira & Fernandes 2009, IEEE TVCG 15, 1291, table for severity 1.0
DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)


def linear_rgb(table):
    """Undo the gamma of sRGB (IEC 61966-2-1)."""
    part = table / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lightness(rgb):
    """CIE 1976 L* of linear sRGB."""
    y = np.clip(rgb @ [0.2126, 0.7152, 0.0722], 0, 1)
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, y * (29 / 3) ** 3)


def falls(table):
    """Return the deepest fall of lightness from one colour to a later one, in L*, for both kinds of vision."""
    seen = linear_rgb(table)
    return [
        float((np.maximum.accumulate(light) - light).max())
        for light in (lightness(seen), lightness(np.clip(seen @ DEUTERANOPIA.T, 0, 1)))
    ]


def test_the_default_map_is_safe():
    assert COLOUR_MAPS[DEFAULT_MAP].safe
    assert next(iter(COLOUR_MAPS)) == DEFAULT_MAP


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_maps_called_safe_get_lighter_throughout_for_the_colour_blind_too(name):
    deepest = max(falls(colour_table(name)))
    # 8-bit colours are rounded: half a step of L* is not seen
    assert (deepest < 0.5) == COLOUR_MAPS[name].safe


@pytest.mark.parametrize("name", ["cividis", "viridis", "inferno", "magma", "plasma", "turbo"])
def test_maps_with_a_published_table_are_like_it(name):
    (package,) = find_spec("pyqtgraph").submodule_search_locations  # its tables, without Qt
    lines = (Path(package) / "colors" / "maps" / f"{name}.csv").read_text().splitlines()
    published = 255 * np.array([line.split(",")[:3] for line in lines if line[:1].isdigit()], float)
    assert published.shape == (256, 3)
    assert np.abs(colour_table(name).astype(int) - published).max() <= 6


def test_simple_maps_have_the_colours_that_their_names_promise():
    assert colour_table("grey")[[0, 51, 255]].tolist() == [[0] * 3, [51] * 3, [255] * 3]
    assert colour_table("b", n=5)[1:4].tolist() == [[0, 0, 255], [255, 0, 0], [255, 255, 0]]
    red, green, blue = colour_table("night").astype(int).T
    assert (red >= 2 * green).all()
    assert (red >= 2 * blue).all()


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_inverted_maps_run_backwards(name):
    table = colour_table(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert np.array_equal(colour_table(name, inverted=True), table[::-1])
    assert not np.array_equal(table, table[::-1])


def test_a_picture_has_colours_of_its_own_for_pixels_without_brightness():
    table = picture_table("grey", missing="#010203", flagged="#040506", saturated="#070809")
    assert table.shape == (256, 3)
    assert table[0].tolist() == [0, 0, 0]
    assert table[N_COLOURS - 1].tolist() == [255, 255, 255]
    assert table[NAN_INDEX].tolist() == [1, 2, 3]
    assert table[FLAGGED_INDEX].tolist() == [4, 5, 6]
    assert table[SATURATED_INDEX].tolist() == [7, 8, 9]
    assert picture_table("grey", inverted=True)[0].tolist() == [255, 255, 255]


def test_unknown_maps_and_colours_are_refused():
    with pytest.raises(ConfigError, match="cividis, viridis"):
        colour_table("jet")
    for colour in ("red", "#12345", "#1234567"):
        with pytest.raises(ConfigError, match="#rrggbb"):
            picture_table(missing=colour)
