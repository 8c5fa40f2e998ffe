"""Header, history and health of whatever can be opened."""

import shutil
import struct
import time

import numpy as np
import pytest
import tables
from rawdata import FAKE, header, photon, write_words

from pipeline_core import open_observation
from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.describe_file import describe_file
from pipeline_core.describe_observation import Description, describe_observation
from pipeline_core.errors import InputFormatError
from pipeline_core.obsfile import ObsFile

START = 1602050400
TICKS = (START - 1577836800) * 2000
SHAPE = (5, 3)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)


def second(words_a_packet=(), lose=(), packets=200, late=0):
    """Packets every 5 ms in which every pixel has one photon; counters `lose` never arrive."""
    words = []
    for k in range(packets):
        if k in lose:
            continue
        words.append(header(5, late + k, TICKS + 10 * k + 10 * late))
        words += [photon(x, y, k) for x in range(SHAPE[0]) for y in range(SHAPE[1])]
        words += [*words_a_packet, FAKE]
    return words


def make(folder, words, *, duration=1, beammap=None, tail=b"", name="o.h5"):
    folder.mkdir(exist_ok=True)
    write_words(folder / f"{START}.bin", words, tail)
    beammap = beammap or Beammap.design(SHAPE)
    convert(ConvertSettings(folder, START, duration, beammap, folder / name))
    return folder / name


def health(path):
    with ObsFile(path) as obs:
        return {check.name: check for check in describe_observation(obs).health}


def test_a_sound_observation_is_good_throughout(tmp_path):
    found = health(make(tmp_path / "a", second()))
    assert {check.state for check in found.values()} == {"good"}
    assert "Each of the 3,000 photons belongs" in found["photon index"].sentence
    assert "all pixels" in found["photon times"].sentence
    assert "0 of 15 pixels" in found["silent pixels"].sentence
    assert "all 15 pixels" in found["beam map"].sentence
    assert "200 end-of-frame markers" in found["words left out"].sentence
    assert "has 200 counts/s" in found["saturation"].sentence


@pytest.mark.parametrize(
    ("words", "tail", "state", "part"),
    [
        (second([photon(700, 5, 1)] * 4), b"", "bad", "800 outside the array. Is the beam map"),
        ([*second(), *[photon(700, 5, 1)] * 31], b"", "warning", "31 outside the array"),
        ([*second(), *[photon(700, 5, 1)] * 30], b"", "good", "30 outside the array"),
        ([*[photon(1, 1, 1)] * 40, *second()], b"", "warning", "40 without a packet header"),
        (second(), b"abc", "warning", "3 bytes that make up no word"),
    ],
)
def test_words_left_out_are_weighed(tmp_path, words, tail, state, part):
    check = health(make(tmp_path / "a", words, tail=tail))["words left out"]
    assert check.state == state
    assert part in check.sentence


@pytest.mark.parametrize(
    ("lose", "state", "share"),
    [((50,), "warning", "1 of 200 (0.50%)"), (range(90, 110), "bad", "20 of 200 (10.00%)")],
)
def test_lost_packets_are_told_by_board(tmp_path, lose, state, share):
    check = health(make(tmp_path / "a", second(lose=set(lose))))["lost packets"]
    assert check.state == state
    assert share in check.sentence
    assert f"board 5: {len(lose)}" in check.sentence


def test_gaps_and_missing_seconds_are_named(tmp_path):
    found = health(make(tmp_path / "a", second(), duration=3))
    assert found["time with data"].state == "bad"  # more than half is missing
    assert "2.00" in found["time with data"].sentence
    assert found["raw files"].state == "warning"
    assert f"No file for 2 of 3 s: {START + 1}-{START + 2}." in found["raw files"].sentence
    found = health(make(tmp_path / "b", [*second(), *second(late=280)], duration=3))
    assert found["time with data"].state == "warning"
    assert "0.996-1.400, 2.396-3.000" in found["time with data"].sentence


def test_pixels_that_are_silent_absent_twice_or_too_bright(tmp_path):
    design = Beammap.design(SHAPE)
    res_id, code = design.res_id.copy(), design.code.copy()
    res_id[0, 1] = 2**32 - 1
    res_id[3, 2] = res_id[3, 1]
    code[0, 1] = code[4, 2] = 1
    words = [
        w
        for w in second([photon(2, 1, k % 500) for k in range(13)])
        if w >> 56 == 0xFF
        or w == FAKE
        or (w >> 54, (w >> 44) & 1023) not in {(1, 0), (1, 1), (4, 2)}
    ]
    found = health(make(tmp_path / "a", words, beammap=Beammap(res_id, code, design.frequency_mhz)))
    assert found["silent pixels"].state == "good"
    assert "2 of 13 pixels" in found["silent pixels"].sentence
    assert found["resonator ids"].state == "warning"
    assert found["resonator ids"].sentence.startswith("1 ")
    assert found["beam map"].state == "warning"
    assert "1 of 15 pixels" in found["beam map"].sentence
    assert found["saturation"].state == "warning"
    assert found["saturation"].sentence.startswith("1 pixels reach or exceed 2,500")
    assert "(2, 1), has 2,800" in found["saturation"].sentence
    silent = [w for w in words if w >> 56 == 0xFF or w == FAKE or w >> 54 != 0]
    assert health(make(tmp_path / "b", silent))["silent pixels"].state == "warning"


def test_photons_after_the_end_are_bad(tmp_path):
    path = make(tmp_path / "a", [*second(), *second(late=200)], duration=2)
    path.chmod(0o600)
    with tables.open_file(str(path), "a") as h5:
        h5.root._v_attrs.exposure = np.int64(1)
    check = health(path)["photon times"]
    assert check.state == "bad"
    assert "after the end at 1 s" in check.sentence


def test_a_table_with_other_photons_than_were_kept_is_bad(tmp_path):
    path = make(tmp_path / "a", second())
    path.chmod(0o600)
    with tables.open_file(str(path), "a") as h5:
        h5.root.mkid.sources.modify_column(colname="kept", column=[2999])
    check = health(path)["photon index"]
    assert check.state == "bad"
    assert "2,999" in check.sentence


def test_what_a_file_does_not_tell_is_unknown(tmp_path):
    path = make(tmp_path / "a", second())
    path.chmod(0o600)
    with tables.open_file(str(path), "a") as h5:
        h5.root.mkid.sources.remove_rows(0, None)
        h5.root.mkid.boards.remove_rows(0, None)
    found = health(path)
    for name in ("raw files", "lost packets", "words left out"):
        assert found[name].state == "unknown"


def test_every_key_of_the_file_is_in_the_header(tmp_path):
    path = make(tmp_path / "a", second())
    with ObsFile(path) as obs:
        description = describe_observation(obs)
    assert isinstance(description, Description)
    assert (description.path, description.kind) == (path, "photons")
    rows = {(row.group, row.key): row for row in description.header}
    assert len(rows) == len(description.header)
    with tables.open_file(str(path)) as h5:
        for name in h5.root._v_attrs._f_list("all"):
            assert ("file attributes", name) in rows
        for name in h5.root.header.header.colnames:
            assert ("/header/header", name) in rows
        file_id = h5.root._v_attrs.file_id
    assert rows["file attributes", "file_id"].value == file_id
    assert rows["file attributes", "dead_time"][2:] == ("10", "us")
    assert rows["/header/header", "startTime"][2:] == (str(START), "unix s")
    assert rows["/header/header", "wvlBinEnd"][2:] == ("1500", "nm")
    assert rows["/header/header", "energyBinWidth"][2:] == ("0.1", "eV")
    assert rows["/header/header", "isWvlCalibrated"].value == "no"
    assert rows["/header/header", "metadata"].value.startswith("flags: - wavecal.bad - ")
    assert rows["conversion", "bin_dir"].value == str(tmp_path / "a")
    assert rows["observation", "start"].value == "2020-10-07 06:00:00 UTC"
    assert rows["observation", "photons"].value == "3,000"
    for row in description.header:
        assert row.value.isprintable()


def test_an_impossible_start_is_shown_as_it_is(tmp_path):
    path = make(tmp_path / "a", second())
    path.chmod(0o600)
    with tables.open_file(str(path), "a") as h5:
        h5.root._v_attrs.start = np.int64(2**46)
    with ObsFile(path) as obs:
        rows = {(row.group, row.key): row for row in describe_observation(obs).header}
    assert rows["observation", "start"].value == "no date: 7.03687e+13 s"


def test_the_history_tells_utc_and_what_was_undone(tmp_path):
    path = make(tmp_path / "a", second())
    with ObsFile(path, mode="write") as obs:
        obs.annotate("first").annotate("second").undo()
        history = describe_observation(obs).history
        check = {c.name: c for c in describe_observation(obs).health}["sidecar"]
    assert [row.action for row in history] == ["convert", "annotate", "annotate"]
    assert [row.undone for row in history] == [False, False, True]
    assert history[0].utc == "unknown"
    assert history[1].utc[:10] == time.strftime("%Y-%m-%d", time.gmtime())
    assert history[1].utc.endswith(" UTC")
    assert (check.state, check.sentence) == ("good", "o.cal.h5 fits the photon file (2 actions).")


def test_a_file_that_was_replaced_is_noticed(tmp_path):
    path = make(tmp_path / "a", second())
    other = make(tmp_path / "b", second())
    with ObsFile(path) as obs:
        path.unlink()
        shutil.copy(other, path)
        with pytest.raises(InputFormatError, match="was replaced"):
            describe_observation(obs)


def test_raw_seconds_and_frames_have_the_same_parts(tmp_path):
    folder = tmp_path / "a"
    make(folder, second())
    Beammap.design(SHAPE).write(folder / "map.bmap")
    with open_observation(folder / f"{START}.bin") as raw:
        of_raw = describe_observation(raw)
    img = folder / f"{START}.img"
    img.write_bytes(struct.pack("<15H", *range(15)))
    with open_observation(img) as frame:
        of_frame = describe_observation(frame)
    with ObsFile(folder / "o.h5") as obs:
        of_photons = describe_observation(obs)
    assert (of_raw.kind, of_frame.kind) == ("raw", "frame")
    assert of_raw.path == folder / f"{START}.bin"
    names = [check.name for check in of_photons.health]
    assert [check.name for check in of_raw.health] == names
    assert [check.name for check in of_frame.health] == names
    same = {c for c in of_raw.health if c.name != "sidecar"}
    assert same == {c for c in of_photons.health if c.name != "sidecar"}
    frame_states = {check.name: check.state for check in of_frame.health}
    assert frame_states["photon times"] == frame_states["lost packets"] == "unknown"
    assert frame_states["silent pixels"] == frame_states["beam map"] == "good"
    assert of_frame.history == ()
    assert {row.key: row.value for row in of_frame.header}["counts"] == str(sum(range(15)))


def test_a_frame_without_a_beam_map_says_so(tmp_path):
    img = tmp_path / f"{START}.img"
    img.write_bytes(bytes(20_000))
    with open_observation(img) as frame:
        found = describe_observation(frame)
    states = {check.name: check.state for check in found.health}
    assert states["resonator ids"] == states["beam map"] == "unknown"
    assert states["silent pixels"] == "warning"
    assert {row.key: row.value for row in found.header}["beam map"] == "no beam map"


def test_info_describes_frames_and_health(tmp_path):
    img = tmp_path / f"{START}.img"
    counts = np.zeros((80, 125), "<u2")
    counts[7, 100] = 65_535
    img.write_bytes(counts.tobytes())
    found = describe_file(img)
    assert found["kind"] == ".img frame (counts of one second)"
    assert found["camera"] == "DARKNESS, 80 columns x 125 rows"
    assert found["counts"] == 65_535
    assert found["brightest pixel"] == "(7, 100) with 65535 counts"
    found = describe_file(make(tmp_path / "a", second()))
    assert found["health"][0].startswith("photon index: good. ")
    with pytest.raises(InputFormatError, match="is a folder"):
        describe_file(tmp_path)
