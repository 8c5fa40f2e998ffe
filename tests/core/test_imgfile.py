"""Monitor frames: x-major counts of one second, and what cannot be had from them."""

import struct

import numpy as np
import pytest
from rawdata import FAKE, dumb_read, header, photon, write_words

from pipeline_core import open_observation
from pipeline_core.beammap import Beammap
from pipeline_core.errors import BeammapNeededError, ConfigError, InputFormatError, PipelineError
from pipeline_core.flags import PixelFlag
from pipeline_core.imgfile import NO_BEAMMAP, Frame
from pipeline_core.observation import open_photons

START = 1602050400
YEAR = 1577836800


@pytest.fixture(autouse=True)
def no_beammap_from_outside(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def write_frame(path, shape, value):
    """Write a frame as the monitor does: for every x, for every y, two bytes, the low one first."""
    with path.open("wb") as stream:
        for x in range(shape[0]):
            for y in range(shape[1]):
                stream.write(struct.pack("<H", value(x, y)))
    return path


@pytest.mark.parametrize(
    ("camera", "shape", "size"),
    [("DARKNESS", (80, 125), 20_000), ("MEC", (140, 146), 40_880)],
)
def test_frames_of_both_cameras_are_x_major_and_little_endian(folder, camera, shape, size):
    path = write_frame(folder / f"{START}.img", shape, lambda x, y: 300 * x + y)
    assert path.stat().st_size == size
    with open_observation(path) as frame:
        assert (frame.kind, frame.has_photons) == ("frame", False)
        assert (frame.camera, frame.shape) == (camera, shape)
        assert (frame.start_unix, frame.exposure_s) == (START, 1.0)
        x, y = np.indices(shape)
        np.testing.assert_array_equal(frame.count_image(), 300 * x + y)
        assert frame.n_photons == (300 * x + y).sum()
        assert frame.beammap.source == NO_BEAMMAP
        assert not frame.flags.any()
        assert not frame.beammap.mapped.any()


def test_a_frame_agrees_with_the_raw_file_of_its_second(folder):
    shape = (4, 3)
    words = []
    for k in range(200):
        words.append(header(5, k, (START - YEAR) * 2000 + 10 * k))
        words += [photon(x, y, k) for x in range(4) for y in range(3) if k < 20 * x + 3 * y]
        words += [FAKE, *([photon(700, 5, 1)] if k % 20 == 0 else [])]
    raw = write_words(folder / f"{START}.bin", words)
    kept = dumb_read([raw], START, 1, shape, YEAR).kept
    img = write_frame(folder / f"{START}.img", shape, lambda x, y: len(kept.get((x, y), ())))
    Beammap.design(shape).write(folder / "map.bmap")
    with open_observation(raw) as obs, open_observation(img) as frame:
        np.testing.assert_array_equal(frame.count_image(), obs.count_image())
        np.testing.assert_array_equal(frame.flags, obs.flags)
        np.testing.assert_array_equal(frame.beammap.res_id, obs.beammap.res_id)
        assert frame.start_unix == obs.start_unix
        assert frame.exposure_s == obs.exposure_s
        assert frame.n_photons == obs.n_photons > 0


def test_only_the_whole_second_can_be_had(folder):
    frame = Frame(write_frame(folder / f"{START}.img", (80, 125), lambda x, y: x))
    for window in ((), (0,), (0.0, 1.0), (None, 1)):
        assert frame.count_image(*window).sum() == frame.n_photons
    for window in ((0.5, 1.0), (0.0, 0.5), (0.0, 2.0), (None, 0.0)):
        with pytest.raises(ConfigError, match="whole second"):
            frame.count_image(*window)
        with pytest.raises(ConfigError, match="whole second"):
            frame.open_time(*window)
        with pytest.raises(ConfigError, match="whole second"):
            frame.live_time(None, *window)
    with pytest.raises(ConfigError, match="leave the band open"):
        frame.count_image(min_phase=-90.0)
    assert frame.count_image(min_phase=None, max_phase=None).sum() == frame.n_photons
    assert frame.open_time() == 1.0
    assert frame.live_time((3, 4)) == 1.0
    np.testing.assert_array_equal(frame.live_time(dead_time=False), np.ones((80, 125)))


def test_an_image_that_was_handed_out_may_be_changed(folder):
    frame = Frame(write_frame(folder / f"{START}.img", (80, 125), lambda x, y: 7))
    frame.count_image()[:] = 0
    assert frame.count_image().sum() == 70_000


@pytest.mark.parametrize(
    "name", ["photons", "light_curve", "intensity_histogram", "spectrum", "survey", "annotate"]
)
def test_what_needs_photons_says_where_they_are(folder, name):
    frame = Frame(write_frame(folder / f"{START}.img", (80, 125), lambda x, y: x))
    with pytest.raises(
        PipelineError, match=r"holds counts only.* Open the \.bin or \.h5"
    ) as caught:
        getattr(frame, name)((0, 0), 0.01)
    assert f"{START}.img" in str(caught.value)


def test_who_needs_photons_is_not_given_a_frame(folder):
    path = write_frame(folder / f"{START}.img", (80, 125), lambda x, y: x)
    with pytest.raises(InputFormatError, match="holds counts only"):
        open_photons(path)


def test_flags_come_from_a_beam_map_that_fits(folder):
    design = Beammap.design((80, 125))
    codes = np.zeros((80, 125), np.uint8)
    codes[5, 100] = 1
    Beammap(design.res_id, codes, design.frequency_mhz).write(folder / "map.bmap")
    path = write_frame(folder / f"{START}.img", (80, 125), lambda x, y: 2)
    frame = Frame(path)
    assert frame.flags[5, 100] == PixelFlag.beammap_noDacTone
    assert np.count_nonzero(frame.flags == PixelFlag.beammap_good) == 9_999
    assert frame.count_image(exclude=PixelFlag.beammap_noDacTone).sum() == 2 * 9_999
    # one that is found by itself and does not fit, or is spoilt, is not needed
    Beammap.design((140, 146)).write(folder / "map.bmap")
    assert Frame(path).beammap.source == NO_BEAMMAP
    (folder / "map.bmap").write_text("spoilt")
    assert not Frame(path).flags.any()
    # one that was asked for is
    with pytest.raises(InputFormatError, match="line 1"):
        Frame(path, folder / "map.bmap")
    for shape in ((140, 146), (125, 80)):
        with pytest.raises(BeammapNeededError, match="of the same camera"):
            Frame(path, Beammap.design(shape))


def test_other_sizes_need_a_beam_map_that_fits(folder):
    path = write_frame(folder / f"{START}.img", (4, 3), lambda x, y: 10 * x + y)
    with pytest.raises(BeammapNeededError, match=r"12 pixels \(24 bytes\).*10,000 \(DARKNESS\)"):
        open_observation(path)
    with pytest.raises(BeammapNeededError, match="5 x 3 pixels"):
        open_observation(path, beammap=Beammap.design((5, 3)))
    with open_observation(path, beammap=Beammap.design((4, 3))) as frame:
        x, y = np.indices((4, 3))
        np.testing.assert_array_equal(frame.count_image(), 10 * x + y)
        assert frame.camera == "unknown"


@pytest.mark.parametrize("size", [0, 1, 19_999, 2 * 1024 * 1024 + 2])
def test_impossible_sizes_are_named_with_the_known_ones(folder, size):
    path = folder / f"{START}.img"
    path.write_bytes(bytes(size))
    with pytest.raises(InputFormatError) as caught:
        open_observation(path)
    for part in (str(path), f"{size:,} bytes", "20,000 bytes (DARKNESS", "40,880 bytes (MEC"):
        assert part in str(caught.value)


def test_the_name_must_tell_the_second(folder):
    path = write_frame(folder / "latest.img", (80, 125), lambda x, y: x)
    with pytest.raises(InputFormatError, match=r"latest\.img.*unix second.*Rename"):
        open_observation(path)


def test_a_missing_file_is_named(folder):
    with pytest.raises(InputFormatError, match=r"5\.img cannot be read: No such file"):
        open_observation(folder / "1602050405.img")
