"""What `parsebin` and `info` tell about raw files: against words read one by one, and the truths of others' files."""

import json

import numpy as np
import pytest
from astropy.io import fits
from rawdata import FAKE, header, photon, write_words

from pipeline_core import binfile, rawsummary
from pipeline_core.beammap import Beammap
from pipeline_core.cli import main
from pipeline_core.convert import DROP_REASONS, ConvertSettings, convert
from pipeline_core.errors import ConfigError
from pipeline_core.obsfile import ObsFile
from pipeline_core.rawcube import PhaseAxis, count_phase_cube
from pipeline_core.rawsummary import summarise_raw

START = 1602050400
TICKS = (START - 1577836800) * 2000


def random_words(rng, second, n=400, shape=(80, 125)):
    words = [photon(1, 2, 3)] if rng.random() < 0.5 else []
    for k in range(n):
        board = 112 + k % 3
        words.append(header(board, k // 3, TICKS + (second - START) * 2000 + 5 * (k // 3)))
        for _ in range(int(rng.integers(0, 30))):
            x, y = rng.integers(0, shape).tolist() if rng.random() < 0.999 else (900, 17)
            words.append(photon(x, y, int(rng.integers(500)), int(rng.integers(-120_000, 9000))))
        if rng.random() < 0.5:
            words.append(FAKE)
    return words


def dumb_count(paths, shape, edges):
    """Count words one by one: totals, photons by coordinates and by phase."""
    totals = dict.fromkeys(("packets", "photons", "end_of_frame", "without_header"), 0)
    image, cube = np.zeros((1024, 1024), int), np.zeros((*shape, len(edges) - 1), int)
    boards, headed = {}, False
    for path in paths:
        data = path.read_bytes()
        for at in range(0, len(data) - 7, 8):
            word = int.from_bytes(data[at : at + 8], "big")
            if word >> 56 == 0xFF:
                totals["packets"] += 1
                headed, board = True, word >> 48 & 0xFF
                continue
            if word == FAKE:
                totals["end_of_frame"] += 1
                continue
            if not headed:
                totals["without_header"] += 1
                continue
            totals["photons"] += 1
            boards[board] = boards.get(board, 0) + 1
            x, y, phase = word >> 54, word >> 44 & 0x3FF, word >> 17 & 0x3FFFF
            phase -= 2**18 if phase >= 2**17 else 0
            image[x, y] += 1
            k = np.searchsorted(edges, np.degrees(phase / 2**15), side="right") - 1
            if x < shape[0] and y < shape[1] and 0 <= k < len(edges) - 1:
                cube[x, y, k] += 1
        headed = False  # what is at the beginning of the next file is told from its first header on
    return totals, image, boards, cube


@pytest.mark.parametrize("slab_words", [100, 5000, 1 << 20])
def test_equals_words_read_one_by_one(tmp_path, monkeypatch, slab_words):
    real = binfile.stream_files
    monkeypatch.setattr(rawsummary, "stream_files", lambda files: real(files, slab_words))
    rng = np.random.default_rng(2)
    paths = [
        write_words(tmp_path / f"{START + k}.bin", random_words(rng, START + k)) for k in range(3)
    ]
    totals, image, boards, cube = dumb_count(paths, (80, 125), PhaseAxis(-200.0, 0.0, 4.0).edges)
    summary = summarise_raw(paths[::-1])
    assert [file.second for file in summary.files] == [START, START + 1, START + 2]
    assert {name: summary.total(name) for name in totals} == totals
    np.testing.assert_array_equal(summary.counts, image)
    assert {number: board.photons for number, board in summary.boards.items()} == boards
    assert summary.told_shape() == (80, 125)
    assert summary.outside((80, 125)) == image[900, 17] > 0
    assert summary.coordinates() == ((0, 900), (0, 124))
    assert summary.brightest() == (*np.unravel_index(image.argmax(), image.shape), image.max())
    made = count_phase_cube(paths, (80, 125), PhaseAxis(-200.0, 0.0, 4.0))
    np.testing.assert_array_equal(made.counts, cube)
    inside = totals["photons"] - made.outside_array
    assert made.outside_array == image[900, 17]
    assert made.outside_phases == inside - cube.sum() > 0


def test_bytes_are_accounted_for_as_a_conversion_does(tmp_path):
    rng = np.random.default_rng(3)
    data = np.array(random_words(rng, START, 1900), ">u8").tobytes()
    path = tmp_path / f"{START}.bin"
    path.write_bytes(data[:20_003] + data[21_111:60_000] + bytes(9000) + data[66_000:] + b"xy")
    (file,) = summarise_raw([path]).files
    words = file.packets + file.photons + file.end_of_frame + file.without_header
    assert 8 * words + file.spare_bytes + file.skipped_bytes == file.n_bytes == path.stat().st_size
    assert file.resyncs == 1
    assert file.skipped_bytes > 9000
    out = tmp_path / "o.h5"
    convert(ConvertSettings(tmp_path, START, 1, Beammap.design((80, 125)), out))
    with ObsFile(out) as obs:
        (source,) = obs.sources
    assert source.packets == file.packets
    assert (source.skipped_bytes, source.resyncs) == (file.skipped_bytes, file.resyncs)
    assert source.kept + sum(getattr(source, r) for r in DROP_REASONS) == words - file.packets


def test_clocks_losses_and_doubles(tmp_path):
    words = []
    for k in range(400):
        if k != 100:
            words += [header(7, k, TICKS + k - 20), photon(1, 1, 5)]
        words += [header(9, k, TICKS + k - 2000 * 86_400), photon(2, 1, 5)]
    (tmp_path / "again").mkdir()
    paths = [
        write_words(tmp_path / f"{START}.bin", words),
        write_words(tmp_path / "again" / f"{START}.bin", words[:400]),
        write_words(tmp_path / "copy of last.bin", words[:40]),
        write_words(tmp_path / f"{START + 1}.bin", []),
    ]
    summary = summarise_raw(paths)
    assert summary.boards[7].lost == 1
    assert summary.boards[9].lost == 0
    first = summary.files[0] if summary.files[0].packets > 500 else summary.files[1]
    assert (first.first_s, first.last_s) == (-0.01, pytest.approx(379 / 2000))
    assert (first.earlier, first.later) == (20 + 400, 0)
    unnamed = summary.files[-1]
    assert (unnamed.second, unnamed.packets) == (None, 20)
    said = " ".join(summary.warnings())
    assert "Board 9: its clock is -86,400.0 s" in said
    assert "Board 7" not in said
    assert f"such as {START}" in said
    assert f"{START + 1}.bin holds no packet (0 bytes)" in said
    assert summary.first_unix == START - 0.01


def test_shapes_that_photons_tell(tmp_path):
    def told(*pixels):
        words = [header(1, 0, TICKS), *(photon(x, y, 1) for x, y in pixels)]
        return summarise_raw([write_words(tmp_path / f"{START}.bin", words)]).told_shape()

    assert told() is None
    assert told((79, 124)) == (80, 125)
    assert told((80, 3)) == (140, 146)
    assert told((3, 200), (9, 1)) == (10, 201)


def run(*arguments):
    return main([str(argument) for argument in ("parsebin", *arguments)])


def test_the_command(tmp_path, capsys):
    rng = np.random.default_rng(4)
    path = write_words(tmp_path / f"{START}.bin", random_words(rng, START), b"abc")
    out = tmp_path / "cube.fits"
    assert run(path, "--cube", out, "--phase", -200, 0, "--bin-deg", 4, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    totals, _, _, cube = dumb_count([path], (80, 125), PhaseAxis(-200.0, 0.0, 4.0).edges)
    assert found["photons"] == totals["photons"]
    assert found["left out"]["bytes at ends of files that make up no word"] == 3
    assert found["by file"][0]["packets"] == found["packets"] == 400
    assert found["boards"]["112"]["lost"] == 0
    assert found["cube"]["photons"] == cube.sum()
    with fits.open(out) as hdus:
        head = hdus[0].header
        np.testing.assert_array_equal(hdus[0].data.transpose(2, 1, 0), cube)
    axis = [head[key] for key in ("CTYPE3", "CUNIT3", "CRPIX3", "CRVAL3", "CDELT3", "BUNIT")]
    assert axis == ["PHASE", "deg", 1.0, -198.0, 4.0, "count"]
    assert (head["NPHOTONS"], head["RAWFIRST"]) == (cube.sum(), path.name)
    assert run(tmp_path, "--cube", tmp_path / "c.npz", "--shape", "10x20") == 0
    printed = capsys.readouterr().out
    assert "10 columns x 20 rows" in printed
    with np.load(tmp_path / "c.npz") as arrays:
        assert arrays["counts"].shape == (10, 20, 120)
    Beammap.design((4, 3)).write(tmp_path / "m.bmap")
    assert run(path, "--beammap", tmp_path / "m.bmap") == 0
    assert "4 columns x 3 rows" in capsys.readouterr().out


def test_what_is_refused(tmp_path, capsys):
    path = write_words(tmp_path / f"{START}.bin", random_words(np.random.default_rng(5), START))
    empty = write_words(tmp_path / "empty.bin", [])
    before = path.read_bytes()
    out = tmp_path / "cube.fits"
    for arguments, part in (
        ((tmp_path / "none.bin",), "none.bin cannot be read"),
        ((path, "--cube", tmp_path / "c.csv"), ".csv"),
        ((path, "--cube", path), ".bin"),
        ((path, "--cube", out, "--phase", 0, -10), "must not be empty"),
        ((path, "--cube", out, "--bin-deg", 7), "whole number of bins"),
        ((path, "--cube", out, "--bin-deg", "nan"), "finite"),
        ((path, "--cube", out, "--shape", "1024x1024", "--bin-deg", 0.1), "Choose wider bins"),
        ((empty, "--cube", out), "hold no photon"),
    ):
        assert run(*arguments) == 1, arguments
        assert part in capsys.readouterr().err
    assert run(empty) == 0
    assert "holds no packet" in capsys.readouterr().out
    assert not out.exists()
    out.write_text("precious")
    assert run(path, "--cube", out) == 1
    assert out.read_text() == "precious"
    assert path.read_bytes() == before
    with pytest.raises(ConfigError, match="No raw file"):
        summarise_raw([])


def test_info_tells_the_damage(tmp_path, capsys):
    data = np.array(random_words(np.random.default_rng(6), START), ">u8").tobytes()
    path = tmp_path / f"{START}.bin"
    path.write_bytes(data[:9001] + data[12_000:])
    assert main(["info", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    skipped = found["left out"]["bytes skipped as damaged"]
    assert skipped > 0
    assert found["resynchronisations"] == 1
    left = found["left out"]["bytes at the end that make up no word"]
    assert 8 * found["words"] + skipped + left == path.stat().st_size
    assert "could not be told to be words" in found["warnings"][0]


class TestFilesOfOthers:
    @pytest.mark.parametrize(
        ("second", "inside", "packets"),
        [(START, 1_432_056, 20_027), (START + 20, 1_465_733, 23_349)],
    )
    def test_truths(self, shared_data, tmp_path, second, inside, packets):
        path = shared_data / "bin" / f"{second}.bin"
        summary = summarise_raw([path])
        (file,) = summary.files
        truth = np.load(shared_data / f"truth_{second}.npz")
        written = truth["photons_signal"] + truth["photons_background"]
        np.testing.assert_array_equal(summary.counts[truth["x"], truth["y"]], written)
        assert file.photons - summary.outside((80, 125)) == inside
        assert summary.told_shape() == (80, 125)
        assert set(summary.boards) == {112, *range(114, 123)}
        assert sum(board.lost for board in summary.boards.values()) == 0
        assert (file.packets, file.without_header, file.skipped_bytes) == (packets, 0, 0)
        cube = count_phase_cube([path], (80, 125), PhaseAxis())
        np.testing.assert_array_equal(cube.counts.sum(axis=2), summary.counts[:80, :125])
        assert summary.warnings() == ()
