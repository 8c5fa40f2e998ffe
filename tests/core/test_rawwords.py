import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rawdata import FAKE, header, photon

from pipeline_core import rawwords
from pipeline_core._jit import kernel


@kernel
def _unpack(word):
    return (
        rawwords.pixel_bits(word),
        rawwords.photon_time_us(word),
        rawwords.phase_counts(word),
        rawwords.baseline_counts(word),
        rawwords.is_header(word),
    )


@kernel
def _swap(word):
    return rawwords.swap_bytes(word)


@kernel
def _pack(x, y, time_us, phase, baseline):
    return rawwords.photon_word(x, y, time_us, phase, baseline)


photons = st.tuples(
    st.integers(0, 1019),
    st.integers(0, 1023),
    st.integers(0, 511),
    st.integers(-(2**17), 2**17 - 1),
    st.integers(-(2**16), 2**16 - 1),
)


@given(photons)
def test_fields_of_a_photon_survive_packing(fields):
    x, y, time_us, phase, baseline = fields
    word = photon(*fields)  # plain integers, from the table of the format
    assert int(rawwords.pack_photon(*fields)) == word
    assert int(np.uint64(_pack(*fields))) == word
    assert _unpack(np.uint64(word)) == (x << 10 | y, time_us, phase, baseline, False)


@given(st.integers(0, 255), st.integers(0, 4095), st.integers(0, 2**36 - 1))
def test_headers(board, frame, ticks):
    word = header(board, frame, ticks)
    assert int(rawwords.pack_header(board, frame, ticks)) == word
    assert _unpack(np.uint64(word))[-1]


@given(st.integers(0, 2**64 - 1))
def test_byte_swap(word):
    assert int(np.uint64(_swap(np.uint64(word)))) == int.from_bytes(
        word.to_bytes(8, "little"), "big"
    )


def test_end_of_frame_marker_is_a_photon_of_pixel_511_1023():
    assert FAKE == rawwords.FAKE_PHOTON
    assert _unpack(np.uint64(FAKE)) == (511 << 10 | 1023, 511, -1, -1, False)


def test_scales():
    # fix18_15 and fix17_14 radians
    assert pytest.approx(57.29577951308232) == rawwords.PHASE_DEG_PER_COUNT * 2**15
    assert pytest.approx(57.29577951308232) == rawwords.BASELINE_DEG_PER_COUNT * 2**14
    assert rawwords.degrees_to_phase_counts(-90.0) == -51472
    np.testing.assert_array_equal(
        rawwords.degrees_to_phase_counts([-400.0, 400.0]), [-(2**17), 2**17 - 1]
    )
