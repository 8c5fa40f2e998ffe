"""The repair of 2017's time stamps equals the plain rule, brings true times back, and is recorded."""

import functools
import itertools
import json

import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from rawdata import header, photon, write_words

from pipeline_core import binfile
from pipeline_core import convert as convert_module
from pipeline_core.beammap import Beammap
from pipeline_core.cli import main
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.describe_file import describe_file
from pipeline_core.describe_observation import describe_observation
from pipeline_core.earlyticks import FIRMWARE_REPAIRED, repair_early_ticks
from pipeline_core.obsfile import ObsFile

START = FIRMWARE_REPAIRED - 1000
YEAR_2018 = 1514764800
FAR = 10_000_000


def dumb_repair(times, exposure_us=FAR):
    """The rule, as it is written down: again and again, over whole lists."""
    times = list(times)
    while True:
        first = list(times)
        moved = False
        for i in range(1, len(first)):
            if 0 < first[i - 1] - first[i] <= 500:
                tick = times[i] // 500
                if (tick + 2) * 500 > exposure_us:
                    continue
                for j in range(i, len(times)):
                    if times[j] // 500 == tick:
                        times[j] += 500
                        moved = True
        if not moved:
            return times


def repaired(lists, exposure_us=FAR):
    """Return the lists after the fast repair, and how many photons it says it moved."""
    flat = np.array([t for times in lists for t in times], np.uint64) << np.uint64(32)
    flat |= np.arange(flat.size, dtype=np.uint64)
    starts = np.concatenate(([0], np.cumsum([len(times) for times in lists]))).astype(np.int64)
    moved = repair_early_ticks(flat, starts, exposure_us)
    assert (flat & np.uint64(0xFFFFFFFF)).tolist() == list(range(flat.size))
    times = (flat >> np.uint64(32)).astype(int).tolist()
    return [times[a:b] for a, b in itertools.pairwise(starts)], moved


def with_the_bug(rng, n, step, share):
    """Return true times of one pixel, and what the firmware told: some packets are a tick early."""
    true = np.cumsum(rng.integers(1, step, n)) + 5000
    # the packet is one of a tick; a share of them has the time of the one before
    early = rng.random(true[-1] // 500 + 1) < share
    return true.tolist(), (true - 500 * early[true // 500]).tolist()


@given(
    st.lists(st.lists(st.integers(0, 4000), max_size=25), max_size=4),
    st.sampled_from([2500, 4000, FAR]),
)
def test_equals_the_plain_rule_for_any_times(lists, exposure_us):
    got, moved = repaired(lists, exposure_us)
    expected = [dumb_repair(times, exposure_us) for times in lists]
    assert got == expected
    changes = [
        a != b for x, y in zip(lists, expected, strict=True) for a, b in zip(x, y, strict=True)
    ]
    assert moved == sum(changes)


@given(st.integers(0, 2**32), st.sampled_from([20, 120, 900]), st.sampled_from([0.02, 0.2, 0.6]))
def test_equals_the_plain_rule_for_times_of_the_firmware(seed, step, share):
    _, told = with_the_bug(np.random.default_rng(seed), 200, step, share)
    assert repaired([told]) == ([dumb_repair(told)], sum(map(int.__ne__, told, dumb_repair(told))))


def test_brings_back_true_times_where_they_went_backwards():
    true, told = with_the_bug(np.random.default_rng(1), 5000, step=20, share=0.05)
    assert any(b < a for a, b in itertools.pairwise(told))
    (got,), moved = repaired([told])
    wrong_before = sum(a != b for a, b in zip(told, true, strict=True))
    wrong_after = sum(a != b for a, b in zip(got, true, strict=True))
    assert moved > 0.8 * wrong_before
    assert wrong_after < 0.2 * wrong_before
    assert got == sorted(got)


def test_late_packets_are_no_early_ticks():
    times = [100, 5100, 900, 5200, 1000]  # some go back by 4.2 ms
    assert repaired([times]) == ([times], 0)
    assert repaired([[450, 10, 20, 510]]) == ([[450, 510, 520, 1010]], 3)


def raw_second(folder, start, year_start):
    """Ticks 1, 3 (told as 2 is) and 4 of one pixel; another one is in order."""
    tick = (start - year_start) * 2000 + 1000
    words = [
        *(header(1, 0, tick + 1), photon(0, 0, 400, -1), photon(1, 1, 410, -7)),
        *(header(1, 1, tick + 2), photon(0, 0, 300, -2), photon(0, 0, 450, -3)),
        *(header(1, 2, tick + 2), photon(0, 0, 20, -4), photon(0, 0, 310, -5)),
        *(header(1, 3, tick + 4), photon(0, 0, 5, -6), photon(1, 1, 420, -8)),
    ]
    write_words(folder / f"{start}.bin", words)


@pytest.mark.parametrize(
    ("start", "year_start", "choice", "repairs"),
    [
        (START, YEAR_2018, None, True),
        (START, YEAR_2018, False, False),
        (FIRMWARE_REPAIRED, YEAR_2018, None, False),
        (1602050400, 1577836800, True, True),
    ],
)
@pytest.mark.parametrize("slab_words", [3, 1000])
def test_conversion_repairs_before_it_sorts(
    tmp_path, monkeypatch, start, year_start, choice, repairs, slab_words
):
    sized = functools.partial(binfile.stream_slabs, slab_words=slab_words)
    monkeypatch.setattr(convert_module, "stream_slabs", sized)
    raw_second(tmp_path, start, year_start)
    out = tmp_path / "o.h5"
    settings = ConvertSettings(tmp_path, start, 1, Beammap.design((2, 2)), out, repair_times=choice)
    summary = convert(settings)
    with ObsFile(out) as obs:
        times = obs.photons((0, 0))["time"] - 500_000
        phases = np.rint(obs.photons((0, 0))["phase"] / np.degrees(1) * 2**15).astype(int)
        assert obs.photons((1, 1))["time"].tolist() == [500_910, 502_420]
        assert obs.moved_photons == (2 if repairs else None)
        made = describe_observation(obs).history[0].detail
    expected = [900, 1300, 1450, 1520, 1810, 2005]
    if not repairs:
        expected = [900, 1020, 1300, 1310, 1450, 2005]
    assert times.tolist() == expected
    assert phases.tolist() == ([-1, -2, -3, -4, -5, -6] if repairs else [-1, -4, -2, -5, -3, -6])
    assert summary.moved_photons == (2 if repairs else 0)
    assert summary.repaired_pixels == (0 if repairs else 1)
    assert any("2 photons repaired" in line for line in summary.lines()) == repairs
    assert ("times of 2 photons repaired" in made) == repairs
    assert describe_file(out)["photons whose times were repaired"] == (
        2 if repairs else "not looked for"
    )
    with tables.open_file(str(out)) as h5:
        assert json.loads(h5.root.mkid._v_attrs.settings)["repair_times"] is repairs


def test_nothing_is_moved_out_of_the_observation(tmp_path):
    tick = (START - YEAR_2018) * 2000 + 1999
    words = [header(1, 0, tick), photon(0, 0, 400), header(1, 1, tick), photon(0, 0, 20)]
    write_words(tmp_path / f"{START}.bin", words)
    out = tmp_path / "o.h5"
    summary = convert(ConvertSettings(tmp_path, START, 1, Beammap.design((2, 2)), out))
    assert (summary.n_photons, summary.moved_photons) == (2, 0)
    with ObsFile(out) as obs:
        assert obs.photons((0, 0))["time"].tolist() == [999_520, 999_900]


@pytest.mark.parametrize(("choice", "moved"), [("auto", 2), ("no", 0), ("yes", 2)])
def test_the_command_line_chooses(tmp_path, capsys, choice, moved):
    raw_second(tmp_path, START, YEAR_2018)
    Beammap.design((2, 2)).write(tmp_path / "m.bmap")
    arguments = ["convert", tmp_path, "--start", START, "--duration", 1, "--repair-times", choice]
    arguments += ["--beammap", tmp_path / "m.bmap", "--out", tmp_path / "o.h5", "--json"]
    assert main([str(argument) for argument in arguments]) == 0
    assert json.loads(capsys.readouterr().out)["photons moved by 0.5 ms"] == moved
