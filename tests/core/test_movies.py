"""Movies: every frame as it is shown by another program, against photons counted one by one."""

import stat
import sys

import numpy as np
import pytest
from observations import make_observation
from PIL import Image

from pipeline_core import ObsFile, movies
from pipeline_core.cli import main
from pipeline_core.colours import picture_table
from pipeline_core.display import FLAGGED_INDEX, NAN_INDEX
from pipeline_core.errors import CalibrationError, ConfigError, OperationCancelled, OutputError
from pipeline_core.flags import PixelFlag
from pipeline_core.movie_files import movie_encoder
from pipeline_core.movie_frames import FrameMaker, FrameStyle
from pipeline_core.movie_settings import MovieSettings
from pipeline_core.movies import write_movie
from pipeline_core.stretch import Scale

SHAPE = (5, 3)
HOT = int(PixelFlag["pixcal_hot"])
ZOOM = 6
LEFT, TOP = 10, 30


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A photon file whose rate differs from pixel to pixel, with a masked pixel and a masked time."""
    rates = 40.0 + 60.0 * np.arange(15).reshape(SHAPE)
    path, truth = make_observation(tmp_path_factory.mktemp("movie"), rates)
    with ObsFile(path, "write") as obs:
        obs.mask_pixels([(3, 2)], "by hand", "hot")
        obs.mask_time(1.0, 1.5, "clouds")
    return path, truth


@pytest.fixture
def obs(made):
    with ObsFile(made[0]) as obs:
        yield obs


def frames_of(path):
    """Frames as red, green, blue, each of shape (height, width, 3), as another program shows them."""
    with Image.open(path) as movie:
        frames = []
        for i in range(movie.n_frames):
            movie.seek(i)
            frames.append(np.asarray(movie.convert("RGB")).astype(int))
        return frames, movie.info


def colours_at(frame, zoom=ZOOM):
    """Colour of every pixel of the detector, [x, y]; each must be one colour all over."""
    height = SHAPE[1] * zoom
    image = frame[TOP : TOP + height, LEFT : LEFT + SHAPE[0] * zoom]
    found = np.zeros((*SHAPE, 3), int)
    for x in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            block = image[height - (y + 1) * zoom : height - y * zoom, x * zoom : (x + 1) * zoom]
            assert (block == block[0, 0]).all()
            found[x, y] = block[0, 0]
    return found


def test_every_frame_shows_the_counts_of_its_time_in_one_scale(made, obs, tmp_path):
    path = tmp_path / "movie.gif"
    settings = MovieSettings(0.5, limits=(100.0, 700.0), zoom=ZOOM, exclude=HOT, fps=4.0)
    summary = write_movie(path, obs, settings)
    frames, info = frames_of(path)
    assert summary.n_frames == len(frames) == settings.n_frames(2.0) == 4
    assert summary.size == frames[0].shape[1::-1]
    assert (info["duration"], info["loop"]) == (250, 0)
    table = picture_table().astype(int)
    for i, frame in enumerate(frames):
        shown = colours_at(frame)
        for x in range(SHAPE[0]):
            for y in range(SHAPE[1]):
                if i == 2:  # a masked time: no pixel was alive
                    expected = table[NAN_INDEX]
                elif (x, y) == (3, 2):
                    expected = table[FLAGGED_INDEX]
                else:
                    times = made[1][x, y][0]
                    count = np.count_nonzero((times >= 5e5 * i) & (times < 5e5 * (i + 1)))
                    rate = count / obs.live_time((x, y), 0.5 * i, 0.5 * (i + 1))
                    place = np.clip((rate - 100) / 600, 0, 1)
                    expected = table[min(int(252 * place), 251)]
                # 236 colours of the map and 252 are half a step apart
                assert np.abs(shown[x, y] - expected).max() <= 3, (i, x, y)
    # time and number are in the picture, and differ
    heads = [frame[:TOP] for frame in frames]
    assert all(head.max() > 200 for head in heads)
    assert not any((heads[0] == head).all() for head in heads[1:])
    # bar, numbers and names are the same in all
    right = LEFT + SHAPE[0] * ZOOM
    assert all((frames[0][TOP:, right:] == frame[TOP:, right:]).all() for frame in frames)


def test_what_is_written_above_each_frame(obs, tmp_path, monkeypatch):
    seen = []
    draw = FrameMaker.draw

    def note(self, image, masked, time, number):
        seen.append((time, number))
        return draw(self, image, masked, time, number)

    monkeypatch.setattr(FrameMaker, "draw", note)
    write_movie(tmp_path / "movie.gif", obs, MovieSettings(0.75, start=0.25))
    assert seen == [
        ("2020-10-07 06:00:00.250 UTC", "frame 1 of 3"),
        ("2020-10-07 06:00:01.000 UTC", "frame 2 of 3"),
        ("2020-10-07 06:00:01.750 UTC", "frame 3 of 3"),
    ]


def test_limits_are_percentiles_of_all_frames_but_of_masked_pixels(obs, tmp_path):
    settings = MovieSettings(0.25, exclude=HOT)
    summary = write_movie(tmp_path / "movie.gif", obs, settings)
    cube = obs.temporal_cube(0.25)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.where(cube.live_s > 0, cube.values / cube.live_s, np.nan)
    rates[3, 2] = np.nan
    assert summary.limits == pytest.approx(np.nanpercentile(rates, (1, 99.5)), rel=1e-9)


def test_slabs_make_the_same_movie(obs, tmp_path, monkeypatch):
    settings = MovieSettings(0.3, exclude=HOT, stretch="asinh", inverted=True, colour_map="magma")
    write_movie(tmp_path / "one.gif", obs, settings)
    monkeypatch.setattr(movies, "_SLAB_BYTES", 1)
    seen = []
    write_movie(
        tmp_path / "many.gif", obs, settings, progress=lambda done, n, _="": seen.append(done / n)
    )
    assert seen == sorted(seen)
    assert len(set(seen)) > 10
    assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "many.gif").read_bytes()


# --- MP4 -----------------------------------------------------------------------------------------

PIPE = """#!{python}
import sys
if "-encoders" in sys.argv:
    print(" V..... {codec} some words")
    sys.exit(0)
{body}
"""
KEEP = """data = sys.stdin.buffer.read()
open(sys.argv[-1], "wb").write(" ".join(sys.argv[1:-1]).encode() + b"\\n" + data)
"""


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    """Put a program of the encoder's name on the PATH."""

    def make(body=KEEP, codec="libx264"):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "ffmpeg"
        program.write_text(PIPE.format(python=sys.executable, codec=codec, body=body))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder))

    return make


def test_an_encoder_is_given_the_frames_that_a_gif_has(obs, tmp_path, encoder):
    settings = MovieSettings(0.5, zoom=7, fps=12.5)
    size = write_movie(tmp_path / "movie.gif", obs, settings).size
    assert size[0] % 2 == size[1] % 2 == 0
    encoder()
    write_movie(tmp_path / "movie.mp4", obs, settings)
    command, _, data = (tmp_path / "movie.mp4").read_bytes().partition(b"\n")
    assert f"-s {size[0]}x{size[1]} -r 12.5 " in command.decode()
    assert "-c:v libx264" in command.decode()
    found = np.frombuffer(data, np.uint8).reshape(-1, size[1], size[0], 3)
    frames, _ = frames_of(tmp_path / "movie.gif")
    np.testing.assert_array_equal(found, frames)


def test_without_an_encoder_the_remedy_is_said(obs, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert movie_encoder() is None
    with pytest.raises(OutputError, match=r"apt install ffmpeg\), or write a \.gif"):
        write_movie(tmp_path / "movie.mp4", obs, MovieSettings())
    assert not list(tmp_path.glob("movie*"))


@pytest.mark.parametrize(
    ("body", "codec", "words"),
    [
        ('sys.exit("broken pipe of mine")', "libx264", "broken pipe of mine"),
        ('sys.stdin.buffer.read()\nsys.exit("bad end")', "mpeg4", "bad end"),
        ("", "other", "none of the codecs"),
    ],
)
def test_an_encoder_that_fails_leaves_nothing(obs, tmp_path, encoder, body, codec, words):
    encoder(body, codec)
    with pytest.raises(OutputError, match=words):
        write_movie(tmp_path / "movie.mp4", obs, MovieSettings(0.002, zoom=10))
    assert not list(tmp_path.glob("movie*"))


def test_cancelling_leaves_nothing_and_no_encoder(obs, tmp_path, encoder):
    encoder()

    def cancel(done, total, stage=""):
        if stage == "drawing frames" and done > total / 2:
            raise OperationCancelled

    for name in ("movie.gif", "movie.mp4"):
        with pytest.raises(OperationCancelled):
            write_movie(tmp_path / name, obs, MovieSettings(0.1), progress=cancel)
    assert not list(tmp_path.glob("movie*"))


# --- settings and command ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"frame_s": 0.0},
        {"frame_s": float("nan")},
        {"fps": 0.0},
        {"fps": 60.0},
        {"limits": (3.0, 3.0)},
        {"limits": (0.0, float("inf"))},
        {"stretch": "histogram"},
        {"stretch": "x"},
        {"colour_map": "x"},
        {"zoom": 0},
    ],
)
def test_impossible_settings(values):
    with pytest.raises(ConfigError):
        MovieSettings(**values)


def test_what_cannot_be(made, obs, tmp_path):
    for settings, words in (
        (MovieSettings(1e-5), "more than 20,000"),
        (MovieSettings(zoom=100, limits=(0, 1), start=5.0), "Time range"),
    ):
        with pytest.raises(ConfigError, match=words):
            write_movie(tmp_path / "m.gif", obs, settings)
    with pytest.raises(ConfigError, match="too large"):
        FrameMaker((100, 3), FrameStyle(Scale((0, 1)), "grey", False, 90, "", ""))
    with pytest.raises(ConfigError, match="must end in"):
        write_movie(tmp_path / "m.avi", obs, MovieSettings())
    link = tmp_path / "link.gif"
    link.symlink_to(made[0])
    with pytest.raises(OutputError, match="holds data"):
        write_movie(link, obs, MovieSettings(), overwrite=True)
    with pytest.raises(CalibrationError):
        write_movie(tmp_path / "m.gif", obs, MovieSettings(min_wavelength=900.0))
    write_movie(tmp_path / "m.gif", obs, MovieSettings())
    with pytest.raises(OutputError, match="exists already"):
        write_movie(tmp_path / "m.gif", obs, MovieSettings())


def test_the_command(made, tmp_path, capsys):
    out = tmp_path / "m.gif"
    base = ["movie", str(made[0]), "--out", str(out), "--overwrite", "--quiet"]
    assert main([*base, "--frame-s", "0.5", "--limits", "0", "500", "--zoom", "4"]) == 0
    assert "frames: 4" in capsys.readouterr().out
    assert main([*base, "--exclude", "pixcal.hot", "--stretch", "log", "--colours", "hot"]) == 0
    for bad in (["--frame-s", "-1"], ["--limits", "5", "1"], ["--exclude", "x"], ["--fps", "0"]):
        assert main([*base, *bad]) == 1
        assert capsys.readouterr().err.count("error:") == 1
