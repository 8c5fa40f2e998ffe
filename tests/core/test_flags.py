import numpy as np

from pipeline_core.flags import (
    BEAMMAP_CODES,
    FLAG_NAMES,
    FLAGS,
    PROBLEM_FLAGS,
    V3C_FLAG_NAMES,
    PixelFlag,
    beammap_code_to_flags,
    describe_flags,
    flag_names,
)


def test_bits_are_those_of_layout_v3c(shared_data):
    import tables

    with tables.open_file(str(shared_data / "layout_v3c_1602050400.h5")) as h5:
        metadata = h5.root.header.header.read()["metadata"][0].decode()
    stored = [line[2:] for line in metadata.splitlines() if line.startswith("- ")]
    assert stored == list(V3C_FLAG_NAMES)
    assert FLAG_NAMES[30:] == ("pixcal.dead",)  # 2021's, after the bits of V3c


def test_table_is_consistent():
    assert [flag.bit for flag in FLAGS] == list(range(31))
    assert len(set(FLAG_NAMES)) == 31
    assert PixelFlag.beammap_good == 2**19 == 524288
    assert all(flag.sentence.endswith(".") for flag in FLAGS)


def test_codes_become_bits_element_by_element():
    codes = np.array([[0, 1, 7], [2, 5, 0]])
    bits = beammap_code_to_flags(codes)
    assert bits.shape == (2, 3)
    for code, name in enumerate(BEAMMAP_CODES):
        assert flag_names(int(beammap_code_to_flags(code))) == (name,)
    assert bits[1, 1] == PixelFlag.beammap_double


def test_names_and_sentences():
    assert flag_names(0) == ()
    assert flag_names(0b11) == ("wavecal.bad", "wavecal.failed_validation")
    assert flag_names(1 << 31) == ("bit 31",)
    assert describe_flags(PixelFlag.pixcal_hot) == "Counts far too much."


def test_problem_flags():
    assert PROBLEM_FLAGS & PixelFlag.beammap_noDacTone
    assert not PROBLEM_FLAGS & PixelFlag.beammap_failed  # those just have no photons
    assert not PROBLEM_FLAGS & PixelFlag.wavecal_linear
