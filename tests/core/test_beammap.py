import dataclasses

import numpy as np
import pytest

from pipeline_core.beammap import NO_RES_ID, Beammap, parse_shape, read_beammap
from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.flags import PixelFlag


def text_map(tmp_path, text):
    path = tmp_path / "a.bmap"
    path.write_text(text)
    return path


def test_reads_columns_in_the_order_resid_flag_x_y(tmp_path):
    beammap = read_beammap(text_map(tmp_path, "10007 2 1 0\n10001 0 2 4\n"), (3, 5))
    assert beammap.shape == (3, 5)
    assert beammap.res_id[1, 0] == 10007
    assert beammap.code[1, 0] == 2
    assert beammap.res_id[2, 4] == 10001
    assert beammap.mapped.sum() == 2
    assert beammap.res_id[0, 0] == NO_RES_ID
    assert beammap.flags[0, 0] == PixelFlag.beammap_noDacTone
    assert beammap.flags[1, 0] == PixelFlag.beammap_failed
    assert beammap.flags[2, 4] == PixelFlag.beammap_good


def test_fifth_column_comments_and_fractional_format(tmp_path):
    text = "# made by hand\n5 0 1.00000 0.00000 4123.5\n\n6 1 0 0 5000 # no tone\n"
    beammap = read_beammap(text_map(tmp_path, text), (2, 1))
    assert beammap.frequency_mhz.tolist() == [[5000.0], [4123.5]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 0 0 nan\n", "line 1: y is not a whole number"),
        ("1 0 0 0\n2 0 0.5 0\n", "line 2: x is not"),
        ("1 0 0 0\n2 0 -1 0\n", "line 2: x is not"),
        ("1 0 0 0\n2 8 1 0\n", "line 2: flag is not a code"),
        ("1 0 0 0\n2 0 0 0\n", "line 2: a second resonator at the same pixel"),
        ("1 0 0 0\n2 0 7 0\n", "outside the 2 x 2 array"),
        ("1 0 0\n", "line 1: '1 0 0' is not"),
        ("one 0 0 0\n", "line 1"),
        ("", "holds no pixel"),
        ("4294967295 0 0 0\n", "resID is not below"),
        ("1 0 5000 0\n", "above 1023"),
    ],
)
def test_bad_maps_are_refused_with_line_and_cause(tmp_path, text, said):
    path = text_map(tmp_path, text)
    with pytest.raises(InputFormatError) as caught:
        read_beammap(path, (2, 2))
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputFormatError, match="cannot be read"):
        read_beammap(tmp_path / "none.bmap")
    (tmp_path / "b.bmap").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputFormatError, match="not a text file"):
        read_beammap(tmp_path / "b.bmap")


@pytest.mark.parametrize("shape", [(80, 125), (140, 146), (10, 7), (100, 100)])
def test_design_map_round_trip_and_guessed_shape(tmp_path, shape):
    design = Beammap.design(shape)
    path = tmp_path / "design.bmap"
    design.write(path)
    again = read_beammap(path)
    assert again.shape == shape
    np.testing.assert_array_equal(again.res_id, design.res_id)
    assert again.content_hash() == design.content_hash()
    assert np.unique(design.res_id).size == shape[0] * shape[1]


def test_design_feedlines_are_cut_in_y_for_darkness_and_in_x_for_mec():
    darkness = Beammap.design((80, 125)).res_id // 10_000
    assert (darkness == darkness[:1]).all()
    assert darkness[0, 0] == 1
    assert darkness[0, 124] == 5
    mec = Beammap.design((140, 146)).res_id // 10_000
    assert (mec == mec[:, :1]).all()
    assert mec[139, 0] == 10


def test_photon_order_is_by_resid_then_pixel():
    base = Beammap.design((2, 3))
    res_id = np.array([[9, 5, 5], [1, NO_RES_ID, 5]], np.uint32)
    beammap = dataclasses.replace(base, res_id=res_id)
    # flat index x * 3 + y: resID 1 at 3; 5 at 1, 2, 5; 9 at 0; none at 4
    assert beammap.photon_order().tolist() == [3, 1, 2, 5, 0, 4]
    assert beammap.duplicate_res_ids() == 1


def test_arrays_are_copies_and_cannot_be_changed():
    res_id = np.zeros((2, 3), np.uint32)
    beammap = Beammap(res_id, np.zeros((2, 3)), np.full((2, 3), np.nan))
    res_id[0, 0] = 5
    assert beammap.res_id[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        beammap.res_id[0, 0] = 1
    with pytest.raises(ConfigError):
        Beammap(res_id, np.zeros((3, 2)), np.full((2, 3), np.nan))


def test_shapes():
    assert parse_shape("80x125") == (80, 125)
    assert parse_shape("mec") == (140, 146)
    for bad in ("80", "0x5", "axb", "2000x5"):
        with pytest.raises(ConfigError):
            parse_shape(bad)


def test_maps_of_others(shared_data):
    darkness = read_beammap(shared_data / "darkness_like.bmap")
    assert darkness.shape == (80, 125)
    assert np.bincount(darkness.code.ravel())[0] == 8302
    truth = np.load(shared_data / "truth_1602050400.npz")
    np.testing.assert_array_equal(darkness.res_id[truth["x"], truth["y"]], truth["resid"])
    mec = read_beammap(shared_data / "mec_20181218.bmap")
    assert mec.shape == (140, 146)
    assert np.bincount(mec.code.ravel()).tolist() == [8085, 8176, 4032, 44, 2, 101]
