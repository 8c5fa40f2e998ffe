"""Stacks whose frames do not fit into memory: the same to the last digit, and what is too large is refused in time."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from pipeline_core.cli import main
from pipeline_core.cube_settings import CubeSettings
from pipeline_core.errors import ConfigError, OutputError
from pipeline_core.stacking import combine as combining
from pipeline_core.stacking import stack as stacking
from pipeline_core.stacking.combine import combine, make_grid
from pipeline_core.stacking.drizzling import drizzle
from pipeline_core.stacking.frames import StackFrame, counts_a_photon, image_of
from pipeline_core.stacking.memory import FRAMES_BYTES, check_frame, check_result
from pipeline_core.stacking.offsets import Offsets
from pipeline_core.stacking.settings import StackSettings
from pipeline_core.stacking.shelf import Shelf
from pipeline_core.stacking.stack import write_stack

SHAPE, N_BAND = (11, 7), 3
OFFSETS = np.array([(0, 0), (2.3, -1.2), (-0.9, 3.4), (7.7, 0.6), (1.0, 1.0)])


def random_frames():
    """Frames of any values, with gaps, as no sky would be."""
    rng = np.random.default_rng(3)
    frames = []
    for k in range(len(OFFSETS)):
        rate = rng.uniform(1, 9, (*SHAPE, N_BAND))
        rate[rng.random(rate.shape) < 0.15] = np.nan
        exposure = rng.uniform(2, 8, SHAPE)
        exposure[rng.random(SHAPE) < 0.1] = 0.0
        frames.append(StackFrame(f"f{k}", rate, rng.uniform(0.1, 1, rate.shape), exposure))
    return frames


@pytest.fixture
def shelved(tmp_path):
    shelf = Shelf(tmp_path, 0)
    yield [shelf.keep(frame) for frame in random_frames()]
    shelf.close()


def test_what_comes_back_from_the_disk_is_what_was_put_there(shelved):
    for frame, other in zip(random_frames(), shelved, strict=True):
        assert not isinstance(other, StackFrame)
        assert (other.name, other.shape, other.n_band) == (frame.name, SHAPE, N_BAND)
        assert other.usual_counts == frame.usual_counts
        np.testing.assert_array_equal(other.exposure_s, frame.exposure_s)
        both = (other, frame)
        for band in range(N_BAND):
            np.testing.assert_array_equal(*(one.band(band) for one in both))
            np.testing.assert_array_equal(*(counts_a_photon(one, band) for one in both))
        np.testing.assert_array_equal(*(image_of(one) for one in both))
        for image, bands in zip(image_of(frame), (frame.rate, frame.variance), strict=True):
            np.testing.assert_allclose(image, bands.sum(axis=2))


def test_first_frames_stay_in_memory_as_far_as_there_is_room(tmp_path):
    frames = random_frames()
    size = 8 * (2 * N_BAND + 1) * SHAPE[0] * SHAPE[1]
    shelf = Shelf(tmp_path, 3 * size)
    kept = [shelf.keep(frame) for frame in frames]
    assert [one is frame for one, frame in zip(kept, frames, strict=True)] == [True] * 3 + [
        False
    ] * 2
    assert shelf.n_bytes >= 2 * size
    assert not list(tmp_path.iterdir())  # it has no name
    shelf.close()


@pytest.mark.parametrize("weights", ["exposure", "variance", "equal"])
@pytest.mark.parametrize(("method", "upsample"), [("mean", 2), ("median", 3), ("drizzle", 2)])
def test_a_stack_from_disk_and_in_pieces_is_the_same(
    shelved, monkeypatch, method, upsample, weights
):
    settings = StackSettings(method=method, weights=weights, upsample=upsample, fewest=2)
    grid = make_grid(SHAPE, OFFSETS, settings, N_BAND)
    bring = drizzle if method == "drizzle" else combine
    expected = bring(random_frames(), OFFSETS, grid, settings)
    # room for a column of the grid, then for a few
    for room in (1, 5 * 8 * len(OFFSETS) * grid.shape[1]):
        monkeypatch.setattr(combining, "MEDIAN_BYTES", room)
        found = bring(shelved, OFFSETS, grid, settings)
        for name in ("rate", "variance", "exposure_s", "n_frames"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    assert np.isfinite(expected.rate).any()


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def cubes(tmp_path):
    """Cubes of a star on a sky, as this software writes them."""
    rng = np.random.default_rng(4)
    x, y = np.indices((20, 16))
    paths = []
    for k, (dx, dy) in enumerate(((0, 0), (3, -2), (-2, 1))):
        star = 400 * np.exp(-0.5 * ((x - 9 - dx) ** 2 + (y - 8 - dy) ** 2) / 1.4)
        counts = rng.poisson(10 + star[..., None], (20, 16, N_BAND))
        paths.append(tmp_path / f"cube{k}.npz")
        np.savez(
            paths[-1],
            cube=counts,
            live_s=np.full((20, 16), 10.0),
            wavelength_edges_nm=np.linspace(700, 1500, N_BAND + 1),
            about=json.dumps({"INSTRUME": "none", "EXPTIME": 10.0}),
            unit="count",
        )
    return paths


def arrays(path):
    with fits.open(path) as hdus:
        return {hdu.name: hdu.data.copy() for hdu in hdus}


@pytest.mark.parametrize("register", ["centroid", "correlate"])
def test_a_file_of_frames_that_waited_on_disk_is_the_same(cubes, tmp_path, monkeypatch, register):
    settings = StackSettings(register=register, method="median", weights="variance")
    write_stack(tmp_path / "memory.fits", cubes, settings)
    kept = []
    real = Shelf.keep
    monkeypatch.setattr(Shelf, "keep", lambda *given: kept.append(real(*given)) or kept[-1])
    monkeypatch.setattr(stacking, "FRAMES_BYTES", 0)
    write_stack(tmp_path / "disk.fits", cubes, settings)
    assert len(kept) == 3
    assert not any(isinstance(one, StackFrame) for one in kept)
    one, other = arrays(tmp_path / "memory.fits"), arrays(tmp_path / "disk.fits")
    assert set(one) >= {"SCI", "VARIANCE", "EXPOSURE", "NFRAMES", "FRAMES", "BANDS"}
    for name, values in one.items():
        assert values.tobytes() == other[name].tobytes(), name
    assert not list(tmp_path.glob("*.part"))


def test_frames_that_the_disk_cannot_take_are_refused_before_the_second_is_read(
    cubes, tmp_path, monkeypatch
):
    read = []
    real = stacking.load_frame
    monkeypatch.setattr(
        stacking, "load_frame", lambda path, *more: read.append(path) or real(path, *more)
    )
    monkeypatch.setattr(stacking, "FRAMES_BYTES", 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(OutputError, match="do not fit into memory"):
        write_stack(tmp_path / "out.fits", cubes, StackSettings())
    assert read == cubes[:1]


def test_what_is_too_large_is_refused_before_anything_is_read(cubes, tmp_path, monkeypatch, capsys):
    def load(*given):
        raise AssertionError("a frame was read")

    monkeypatch.setattr(stacking, "load_frame", load)
    far = Offsets(((0, 0), (3000, 0), (0, 2000)))
    for settings, words in (
        (
            StackSettings(register="dither", offsets=far, upsample=2),
            "a smaller upsample or padding",
        ),
        (StackSettings(padding=10.0, upsample=20), "20 times as fine, would take"),
        (
            StackSettings(upsample=20, photons=CubeSettings(wavelength_bin_nm=0.1)),
            "wider bins of wavelength",
        ),
    ):
        with pytest.raises(ConfigError, match=words):
            write_stack(tmp_path / "out.fits", cubes, settings)
    command = ["stack", *map(str, cubes), "--out", str(tmp_path / "out.fits"), "--padding", "10"]
    assert main([*command, "--upsample", "20"]) == 1
    assert "a stack may take 1.0 GB" in capsys.readouterr().err
    # times of a log tell which of its positions are meant only once the frames are read
    times = tuple((float(k), k + 1.0) for k in range(3))
    timed = StackSettings(
        register="dither", offsets=Offsets(far.positions, times=times), upsample=2
    )
    with pytest.raises(AssertionError, match="was read"):
        write_stack(tmp_path / "out.fits", cubes, timed)


def test_offsets_that_are_known_only_then_are_looked_at_with_all_bands():
    frames = random_frames()[:2]
    settings = StackSettings(register="dither", offsets=Offsets(((0, 0), (3000, 3000))))
    make_grid(SHAPE, settings.offsets.pixels(), settings, 1)
    with pytest.raises(ConfigError, match="in 3 bands, would take"):
        stacking.stack_frames(frames, settings)


def test_bands_of_cubes_count_as_well(cubes, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(stacking, "check_frame", lambda shape, n_band: seen.append((shape, n_band)))
    write_stack(tmp_path / "out.fits", cubes, StackSettings())
    assert seen == [((20, 16), 1), ((20, 16), N_BAND)]


def test_how_much_there_may_be():
    check_result((140, 146), 20, 1)  # MEC, as fine as it goes
    check_result((200, 200), 4, 50)
    with pytest.raises(ConfigError, match=r"in 50 bands, would take 2\.9 GB of memory"):
        check_result((190, 190), 8, 50)
    check_frame((140, 146), 400)
    with pytest.raises(ConfigError, match=r"140 x 146 pixels in 4000 bands would take 7\.8 GB"):
        check_frame((140, 146), 4000)
    assert FRAMES_BYTES < 1e9
