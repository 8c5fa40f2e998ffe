"""Datastreams: axes, times, units, one frame at a time, and files that are not whole or something else."""

import gzip
import io
import json

import numpy as np
import pytest
from astropy.io import fits
from stream_files import START, counts_of, of_2018, of_2020, stream_of, write_stream

from pipeline_core import open_observation
from pipeline_core.beammap import Beammap
from pipeline_core.cli import main
from pipeline_core.counts_only import NO_BEAMMAP
from pipeline_core.describe_file import describe_file
from pipeline_core.describe_observation import describe_observation
from pipeline_core.errors import (
    BeammapNeededError,
    ConfigError,
    InputFormatError,
    OperationCancelled,
)
from pipeline_core.streams import Stream


@pytest.fixture(autouse=True)
def no_beammap_from_outside(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)


@pytest.mark.parametrize("name", ["stream1602115230.fits", "stream1602115230.fits.gz"])
def test_frames_are_x_y(tmp_path, name):
    path = stream_of(tmp_path, name=name)
    with Stream(path) as stream:
        assert stream.shape == (7, 4)
        assert stream.n_frames == 5
        for number in (4, 0, 2):
            frame = stream.frame(number)
            assert frame.dtype == np.int64
            np.testing.assert_array_equal(frame, counts_of(number))
            assert frame[6, 1] == 610 + number


def test_agrees_with_astropy_for_every_type(tmp_path):
    rng = np.random.default_rng(3)
    for dtype in ("u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"):
        frame = rng.integers(0, 200, (5, 3)).astype(dtype)
        path = write_stream(tmp_path / f"stream1602115230{dtype}.fits", [frame], [{}], dtype)
        with Stream(path) as stream, fits.open(path) as hdus:
            np.testing.assert_array_equal(stream.frame(0), hdus[1].data.T)
            assert stream.frame(0).dtype == (np.float64 if dtype[0] == "f" else np.int64)


def test_blank_and_nan_are_nan(tmp_path):
    hdu = fits.ImageHDU(np.array([[1, -1], [3, 4], [5, 6]], np.int16))
    hdu.header["BLANK"] = -1
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    with Stream(path) as stream:
        np.testing.assert_array_equal(stream.frame(0), [[1, 3, 5], [np.nan, 4, 6]])
    frame = np.array([[1.5, np.nan, 2.0]])
    with Stream(write_stream(tmp_path / "b.fits", [frame], [{}], "f4")) as stream:
        np.testing.assert_array_equal(stream.frame(0), frame)


def test_times_of_2020_are_utc_with_fractions_and_cross_midnight(tmp_path):
    with Stream(stream_of(tmp_path, n=65, shape=(3, 2))) as stream:
        np.testing.assert_allclose(stream.starts_unix, START + np.arange(65) / 2, atol=1e-6)
        np.testing.assert_array_equal(stream.exposures_s, 0.5)
        assert stream.start_unix == START
        assert stream.exposure_s == pytest.approx(32.5)
        assert stream.doubts == ()
        assert stream.unit == "counts"


def test_times_of_2018(tmp_path):
    with Stream(stream_of(tmp_path, headers=of_2018)) as stream:
        np.testing.assert_array_equal(stream.starts_unix, START + 10 * np.arange(5))
        assert stream.exposure_s == 50
        assert stream.text(3, "imgname") == "3.img"


def test_headers_of_a_frame(tmp_path):
    with Stream(stream_of(tmp_path)) as stream:
        cards = {card.key: card.value for card in stream.header(3)}
        assert cards["FILTER"] == "H"
        assert cards["DITHER_HOME" if "DITHER_HOME" in cards else "dither_home"] == "[0.1, -0.2]"
        assert stream.text(0, "device_orientation") == "-43.24"
        assert stream.text(0, "nothing") == ""
        assert stream.wavelengths_nm(0) == (900.0, None)
        assert stream.wavelengths_nm(1) == (None, None)
        assert {card.key: card.value for card in stream.primary}[
            "FILENAME"
        ] == "stream1602115230.fits.gz"


def test_sums_are_of_frames_that_began_in_the_range(tmp_path):
    with Stream(stream_of(tmp_path)) as stream:
        frames = [counts_of(k) for k in range(5)]
        np.testing.assert_array_equal(stream.count_image(), sum(frames))
        np.testing.assert_array_equal(stream.count_image(0, 2.5), sum(frames))
        np.testing.assert_array_equal(stream.count_image(0.5, 1.5), frames[1] + frames[2])
        np.testing.assert_array_equal(stream.count_image(0.5, 1.51), sum(frames[1:4]))
        assert stream.open_time() == 2.5
        assert stream.open_time(0.5, 1.5) == 1.0
        assert stream.live_time((0, 0), 0.5, 1.5) == 1.0
        assert stream.n_photons == sum(frames).sum()
        with pytest.raises(ConfigError, match="no frame began within"):
            stream.count_image(0.1, 0.2)
        with pytest.raises(ConfigError, match="without phases"):
            stream.count_image(min_phase=-100)
        for number in (-1, 5):
            with pytest.raises(ConfigError, match="frames 0 to 4"):
                stream.frame(number)


def test_rates_are_multiplied_by_their_exposures(tmp_path):
    frames = [counts_of(0) + 0.5, counts_of(1) + 0.5]
    headers = [
        of_2020(k) | {"exptime": 2.0 + k, "BUNIT": "count / s".replace(" ", "")} for k in (0, 1)
    ]
    with Stream(write_stream(tmp_path / "stream1602115230.fits", frames, headers, "f8")) as stream:
        assert stream.unit == "counts/s"
        np.testing.assert_allclose(stream.count_image(), 2 * frames[0] + 3 * frames[1])


def test_what_headers_do_not_tell_is_unknown(tmp_path):
    headers = [{"exptime": 4}, {"exptime": "soon"}, {"exptime": -1, "utc": "never"}]
    frames = [counts_of(k) for k in range(3)]
    with Stream(write_stream(tmp_path / "stream1602115230.fits", frames, headers)) as stream:
        assert np.isnan(stream.starts_unix).all()
        np.testing.assert_array_equal(stream.exposures_s, [4, np.nan, np.nan])
        assert stream.start_unix == 1602115230 - 4
        assert stream.exposure_s == 4
        assert "3 of 3 frames do not tell when they began." in stream.doubts
        assert "2 of 3 frames do not tell how long they were exposed." in stream.doubts
    with Stream(write_stream(tmp_path / "dark.fits", frames[:1], [{}])) as stream:
        assert stream.unit == "unknown"
        assert stream.start_unix == 0


def test_a_clock_that_is_not_utc_is_noticed(tmp_path):
    late = [of_2020(k, START + 10 * 3600) for k in range(2)]
    frames = [counts_of(k) for k in range(2)]
    with Stream(write_stream(tmp_path / "stream1602115230.fits", frames, late)) as stream:
        assert "-10.0 h before the second in the file's name" in stream.doubts[0]


def test_frames_out_of_order_are_noticed(tmp_path):
    headers = [of_2020(4), of_2020(0)]
    with Stream(write_stream(tmp_path / "s.fits", [counts_of(0)] * 2, headers)) as stream:
        assert stream.doubts == ("Frames are not in the order of time.",)
        assert stream.start_unix == START


def in_padding(length, whole):
    """Tell whether 3 frames of 7 x 4 cut there end in the zeros after a frame, where nothing is missing."""
    unit = (whole - 2880) // 3
    return length > 2880 and (length - 2880 - 1) % unit >= unit - 2880 + 7 * 4 * 4 - 1


@pytest.mark.parametrize("packed", [False, True])
def test_every_cut_shows_what_is_whole_or_says_why_not(tmp_path, packed):
    data = stream_of(tmp_path, n=3, name="stream1602115230.fits").read_bytes()
    path = tmp_path / ("cut.fits.gz" if packed else "cut.fits")
    if packed:
        data = gzip.compress(data)
    for length in range(0, len(data), max(len(data) // 60, 1)):
        path.write_bytes(data[:length])
        try:
            with Stream(path) as stream:
                assert 1 <= stream.n_frames <= 3
                if packed or not in_padding(length, len(data)):
                    assert "still being written, or was cut off" in stream.doubts[0]
                for number in range(stream.n_frames):
                    np.testing.assert_array_equal(stream.frame(number), counts_of(number))
        except InputFormatError as error:
            message = str(error)
            assert "cut.fits" in message
            assert any(
                word in message
                for word in ("still being written", "no FITS file", "cannot be unpacked")
            )


def test_the_last_frame_needs_no_padding(tmp_path):
    path = stream_of(tmp_path, n=2, name="stream1602115230.fits")
    data = path.read_bytes()
    end = len(data) - 2880 + 7 * 4 * 4
    path.write_bytes(data[:end])
    with Stream(path) as stream:
        assert (stream.n_frames, stream.incomplete) == (2, "")
        np.testing.assert_array_equal(stream.frame(1), counts_of(1))
    path.write_bytes(data[: end - 1])
    with Stream(path) as stream:
        assert stream.n_frames == 1
        assert "cut off" in stream.incomplete


def test_only_the_frame_asked_for_is_read(tmp_path, monkeypatch):
    path = stream_of(tmp_path, n=40, shape=(60, 50), name="stream1602115230.fits")
    with Stream(path) as stream:
        read = []
        plain = stream._stream

        class Counting(io.RawIOBase):
            def seek(self, *where):
                return plain.seek(*where)

            def read(self, n=-1):
                read.append(n)
                return plain.read(n)

            def close(self):
                plain.close()

        monkeypatch.setattr(stream, "_stream", Counting())
        np.testing.assert_array_equal(stream.frame(30), counts_of(30, (60, 50)))
        assert read == [60 * 50 * 4]


def test_a_file_cut_while_it_is_open(tmp_path):
    path = stream_of(tmp_path, shape=(60, 50), name="stream1602115230.fits")
    with Stream(path) as stream:
        with path.open("r+b") as file:
            file.truncate(4000)
        with pytest.raises(InputFormatError, match="shorter since it was opened"):
            stream.frame(4)


def a_table(path):
    fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])]).writeto(path)


def a_cube(path):
    fits.PrimaryHDU(np.zeros((2, 3, 4), np.int16)).writeto(path)


def an_empty_one(path):
    fits.PrimaryHDU().writeto(path)


def two_sizes(path):
    images = [fits.ImageHDU(np.zeros(s, np.int16)) for s in ((2, 3), (3, 2))]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (a_table, "holds table, where images of two axes are needed"),
        (a_cube, "holds array of 3 axes"),
        (an_empty_one, "holds no data"),
        (two_sizes, r"different sizes \(2 x 3, 3 x 2\)"),
        (lambda path: path.write_bytes(b"hello"), "no FITS file"),
        (lambda path: path.write_bytes(b""), "no FITS file"),
        (lambda path: path.write_bytes(gzip.compress(b"hello")), "no FITS file"),
        (lambda path: path.write_bytes(b"\x1f\x8bxxxxxxxx"), "cannot be unpacked"),
        (lambda path: path.write_bytes(b"SIMPLE  =" + b" " * 8000), "still being written"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "No such file"),
    ],
)
def test_what_is_no_stream_is_named(tmp_path, write, message):
    path = tmp_path / "stream1602115230.fits"
    write(path)
    with pytest.raises(InputFormatError, match=rf"stream1602115230\.fits.*{message}"):
        open_observation(path)


def test_a_picture_in_the_first_unit_is_a_frame(tmp_path):
    path = tmp_path / "t1602115230.fits"
    fits.PrimaryHDU(counts_of(9).T.astype(np.int32)).writeto(path)
    with Stream(path) as stream:
        np.testing.assert_array_equal(stream.frame(0), counts_of(9))


def test_other_units_are_passed_over_and_named(tmp_path):
    path = stream_of(tmp_path, n=2, name="stream1602115230.fits")
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])]))
        hdus.append(fits.ImageHDU(counts_of(2).T.astype(np.int32)))
    with Stream(path) as stream:
        assert stream.n_frames == 3
        assert stream.doubts[0] == "Passed over, being no frames: table."
        np.testing.assert_array_equal(stream.frame(2), counts_of(2))


def test_flags_beside_an_image_that_was_exported_are_no_frame(tmp_path, capsys):
    path, out = stream_of(tmp_path), tmp_path / "sum.fits"
    assert main(["image", str(path), "--out", str(out)]) == 0
    assert fits.info(out, output=False)[1][1] == "FLAGS"
    with Stream(path) as before, Stream(out) as stream:
        assert stream.n_frames == 1
        assert stream.doubts[0] == "Passed over, being no frames: image FLAGS."
        np.testing.assert_array_equal(stream.count_image(), before.count_image())


def test_pixels_without_a_value_are_no_failure(tmp_path, capsys):
    path, out = tmp_path / "stream1602115230.fits", tmp_path / "sum.fits"
    values = counts_of(3).T.astype(np.float32)
    values[1, 2] = np.nan
    fits.PrimaryHDU(values).writeto(path)
    assert main(["image", str(path), "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == np.nansum(values)
    assert found["brightest pixel (counts)"] == np.nanmax(values)


def test_opening_can_be_cancelled(tmp_path):
    path = stream_of(tmp_path)

    def cancel(*_):
        raise OperationCancelled

    with pytest.raises(OperationCancelled):
        Stream(path, progress=cancel)


def test_beam_maps(tmp_path):
    path = stream_of(tmp_path)
    (tmp_path / "other.bmap").write_text("0 0 0 0\n1 0 0 1\n")
    with Stream(path) as stream:
        assert stream.beammap.source == NO_BEAMMAP
    lines = "".join(f"{4 * x + y} {int(x == 2)} {x} {y}\n" for x in range(7) for y in range(4))
    (tmp_path / "other.bmap").write_text(lines)
    with Stream(path) as stream:
        assert stream.beammap.source != NO_BEAMMAP
        assert len(set(stream.flags[[0, 2], 1].tolist())) == 2
        assert (stream.count_image(exclude=int(stream.flags[2, 1])) == 0).all(axis=1).tolist() == [
            k == 2 for k in range(7)
        ]
    other = Beammap(
        np.zeros((2, 2), np.uint32), np.zeros((2, 2), np.uint8), np.zeros((2, 2)), "mine"
    )
    with pytest.raises(BeammapNeededError, match="7 x 4 pixels; the beam map mine has 2 x 2"):
        Stream(path, other)


def test_it_opens_like_any_observation_and_has_no_photons(tmp_path):
    path = stream_of(tmp_path)
    with open_observation(path) as stream:
        assert stream.kind == "stream"
        assert not stream.has_photons
        with pytest.raises(InputFormatError, match="a datastream holds counts only"):
            stream.light_curve((0, 0))
        described = describe_observation(stream)
        header = {row.key: row.value for row in described.header}
        assert header["frames"] == "5"
        assert header["first frame"] == "2020-10-07 23:59:30.000 UTC"
        assert {check.name: check.state for check in described.health}["raw files"] == "unknown"


def test_info_tells_what_streams_and_logs_are(tmp_path, capsys):
    path = stream_of(tmp_path)
    told = describe_file(path)
    assert told["kind"] == "datastream (frames of counts)"
    assert told["frames"] == 5
    assert told["filter"] == "J, H"
    assert told["wavelengths (nm)"] == "900 to, all"
    assert told["sum of all frames"] == sum(counts_of(k).sum() for k in range(5))
    assert told["brightest pixel of the sum"] == "(6, 3) with 3160"
    log = tmp_path / "obslog_202010072300.json"
    log.write_text('{"utc": "20201007230000", "target": "a", "filter": "J"}\noops\n')
    dither = tmp_path / "ditherStack_1.cfg"
    dither.write_text(
        "startTimes=[1508660120]\nstopTimes=[1508660150]\nxPos=[0]\nyPos=[1]\ntarget='b'\n"
    )
    assert main(["info", "--json", str(log)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["entries"], told["target (values)"]) == ("observing log", 1, "a")
    assert told["lines that could not be used"] == 1
    assert describe_file(dither)["dithers"][0]["target"] == "b"
    assert main(["info", str(path)]) == 0
    assert "5" in capsys.readouterr().out


def test_info_of_a_wrong_file_fails_with_one_line(tmp_path, capsys):
    path = tmp_path / "stream1602115230.fits"
    an_empty_one(path)
    assert main(["info", str(path)]) == 1
    assert "no datastream" in capsys.readouterr().err


def test_a_frame_range_is_exported_as_an_image(tmp_path, capsys):
    path, out = stream_of(tmp_path), tmp_path / "sum.fits"
    assert main(["image", str(path), "--start", "0.5", "--stop", "1.5", "--out", str(out)]) == 0
    with fits.open(out) as hdus:
        np.testing.assert_array_equal(hdus[0].data.T, counts_of(1) + counts_of(2))
        assert hdus[0].header["EXPTIME"] == 1.0
    assert json.dumps(str(path)) not in capsys.readouterr().err
