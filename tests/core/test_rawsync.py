"""Packets are found wherever they begin; what lies between is counted; nothing false is taken for a photon."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rawdata import FAKE, header, photon, write_words

from pipeline_core import rawsync
from pipeline_core.binfile import scan_folder, stream_slabs
from pipeline_core.rawsync import PacketFinder

START = 1602050400
TICKS = (START - 1577836800) * 2000  # since 2020 began
DAY_TICKS = 86400 * 2000
DARKNESS_BOARDS = (112, 114, 115, 116, 117)


def make_packets(rng, n, *, boards=DARKNESS_BOARDS, most=100, ticks=TICKS, quiet=False):
    """Return packets as lists of words; photons look as they do, with small baselines and markers."""
    packets = []
    for k in range(n):
        board = boards[k % len(boards)]
        words = [header(board, k // len(boards), ticks + k // len(boards))]
        size = int(rng.integers(0, most + 1))
        baselines = np.zeros(size, int) if quiet else rng.integers(-300, 50, size)
        for time, baseline in zip(np.sort(rng.integers(0, 500, size)), baselines, strict=True):
            phase = int(rng.normal(-15000, 6000))
            words.append(photon(*rng.integers((80, 125)).tolist(), int(time), phase, int(baseline)))
        packets.append([*words, FAKE] if size < 100 else words)
    return packets


def to_bytes(packets):
    return np.array([word for packet in packets for word in packet], ">u8").tobytes()


def find(folder, slab_words=1 << 16):
    """Return packets (first word a header), words without one, and the counts of all files together."""
    finder, packets, orphans = PacketFinder(), [], []
    sums = dict.fromkeys(("skipped_bytes", "resyncs", "spare_bytes"), 0)
    bin_folder = scan_folder(folder)
    for slab in stream_slabs(bin_folder, bin_folder.seconds, slab_words):
        for segment in slab.segments:
            found = finder.find(slab.words, segment)
            words = slab.words[found.first : found.stop].byteswap().tolist()
            starts = [*(found.index - found.first).tolist(), len(words)]
            orphans += words[: starts[0]]
            packets += [words[a:b] for a, b in itertools.pairwise(starts)]
            for name in sums:
                sums[name] += getattr(found, name)
    return packets, orphans, sums


def size_of(packets, orphans, sums):
    n_words = len(orphans) + sum(map(len, packets))
    return 8 * n_words + sums["skipped_bytes"] + sums["spare_bytes"]


@pytest.mark.parametrize("shift", range(1, 8))
@pytest.mark.parametrize("quiet", [True, False])
def test_goes_on_at_any_byte(tmp_path, shift, quiet):
    rng = np.random.default_rng(shift)
    packets = make_packets(rng, 300, quiet=quiet)
    cut = len(to_bytes(packets[:100])) + 8 * len(packets[100]) // 2 // 8 * 8
    data = to_bytes(packets)
    # the ring went round: a few packets and some bytes are gone
    lost = len(to_bytes(packets[:107])) - cut + shift + 16
    (tmp_path / f"{START}.bin").write_bytes(data[:cut] + data[cut + lost :])
    found, orphans, sums = find(tmp_path)
    assert found == [*packets[:100], packets[100][:1], *packets[108:]]
    assert orphans == []
    assert sums["resyncs"] == 1
    assert sums["spare_bytes"] == 0
    assert size_of(found, orphans, sums) == len(data) - lost


def whereabouts(packets):
    """Return the byte at which each packet begins, and where the last one ends."""
    return np.concatenate(([0], np.cumsum([8 * len(packet) for packet in packets])))


@st.composite
def damage(draw):
    """Cuts, as (packet before which to cut at the latest, bytes off its beginning, bytes lost)."""
    n = draw(st.integers(1, 4))
    places = sorted(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n, unique=True)))
    return [
        (
            12 * place + draw(st.integers(0, 5)),
            draw(st.integers(0, 900)),
            draw(st.integers(1, 3000)),
        )
        for place in places
    ]


@given(damage(), st.integers(0, 2**32), st.booleans(), st.sampled_from([5, 40, 1000, 1 << 15]))
@example([(0, 0, 1), (17, 9, 1822), (24, 0, 1), (36, 0, 1)], 5, False, 5)
def test_whatever_is_cut_out(tmp_path_factory, cuts, seed, quiet, slab_words):
    """Every packet that is whole is found, no false word is taken for a photon, no byte is forgotten."""
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(seed)
    packets = make_packets(rng, 130, most=int(rng.choice([3, 30, 100])), quiet=quiet)
    data, starts = to_bytes(packets), whereabouts(packets)
    touched, parts, at, shift, places = set(), [], 0, 0, {0}
    for packet, into, lost in cuts:
        begin = min(int(starts[packet]) + into, len(data))
        end = begin + lost
        # a jump by whole words cannot be seen, nor one to and fro within a packet's length
        while (shift + end - begin) % 8 in places:
            end += 1
        if begin < at or end > starts[-2]:  # what comes behind the last header, nothing can tell
            continue
        parts.append(data[at:begin])
        shift += end - begin
        places.add(shift % 8)
        # the packet under way, and what is left of the one in which it goes on
        first = int(np.searchsorted(starts, begin, side="right")) - 1
        last = int(np.searchsorted(starts, end, side="left"))
        # a header right before the cut is believed only if another one follows
        touched |= set(range(max(first - 1, 0), last + 1))
        at = end
    data = b"".join([*parts, data[at:]])
    (folder / f"{START}.bin").write_bytes(data)
    found, orphans, sums = find(folder, slab_words)
    # the first bytes of a header may be lost, and others pass for them: time and photons are right nevertheless
    known = {(packet[0] % 2**36, *packet[1:]) for packet in packets}
    headers = {packet[0] for packet in packets}
    for packet, after in zip(found, [*found[1:], []], strict=True):
        # a header whose last bytes were lost may pass for one, but nothing is believed behind it
        if len(packet) == 1 or (packet[0] % 2**36, *packet[1:]) in known:
            continue
        # one case cannot be told: the word that the cut made of two photons, right behind a true header, where what
        # comes next happens to look like a header
        assert len(packet) == 2
        assert packet[0] in headers
        assert len(after) == 1
        assert after[0] not in headers
    whole = [p for k, p in enumerate(packets) if k not in touched and k < len(packets) - 1]
    assert [p for p in whole if p not in found] == []
    assert size_of(found, orphans, sums) == len(data)


@pytest.mark.parametrize("slab_words", [5, 64, 513, 5000])
def test_slabs_do_not_matter(tmp_path, slab_words):
    rng = np.random.default_rng(3)
    parts = []
    for k in range(6):
        parts += [to_bytes(make_packets(rng, 15, ticks=TICKS + 10 * k)), rng.bytes(97 * k)]
    (tmp_path / f"{START}.bin").write_bytes(b"".join(parts))
    (tmp_path / f"{START + 1}.bin").write_bytes(b"abc" + b"".join(parts)[:50_001])
    lost_header = make_packets(rng, 40, ticks=TICKS + 100)
    lost_header[20] = [*lost_header[20][:1], *[photon(3, 4, 5)] * 290]
    (tmp_path / f"{START + 2}.bin").write_bytes(to_bytes(lost_header))
    assert find(tmp_path, slab_words) == find(tmp_path)
    assert (
        lost_header[20] in find(tmp_path)[0]
    )  # too long for a packet: whoever dates its words will cut it
    assert find(tmp_path)[2]["resyncs"] >= 6


def test_sound_files_are_never_looked_at_byte_by_byte(tmp_path, monkeypatch):
    rng = np.random.default_rng(4)
    packets = make_packets(rng, 2000)
    cut = len(to_bytes(packets[:900])) - 16  # a packet is cut by the rotation of files
    (tmp_path / f"{START}.bin").write_bytes(to_bytes(packets)[:cut])
    (tmp_path / f"{START + 1}.bin").write_bytes(to_bytes(packets)[cut:])

    def refuse(*_):
        pytest.fail("looked at byte by byte")

    monkeypatch.setattr(rawsync, "put_in_place", refuse)
    found, orphans, sums = find(tmp_path, 3000)
    assert found == [*packets[:899], packets[899][:-2], *packets[900:]]
    assert orphans == packets[899][-2:]
    assert not any(sums.values())


def test_the_last_word_of_a_shifted_file_ends_between_words(tmp_path):
    packets = make_packets(np.random.default_rng(13), 60)
    cut = int(whereabouts(packets)[20])
    data = to_bytes(packets)
    (tmp_path / f"{START}.bin").write_bytes(data[:cut] + b"\x01\x02\x03" + data[cut:])
    (tmp_path / f"{START + 1}.bin").write_bytes(data)
    found, _, sums = find(tmp_path)
    # the packet before the three bytes is doubted
    assert found == [*packets[:19], packets[19][:1], *packets[20:], *packets]
    assert sums["resyncs"] == 1
    assert sums["spare_bytes"] == 0
    assert size_of(found, [], sums) == 2 * len(data) + 3


@pytest.mark.parametrize("more", [60, 250])
def test_a_last_packet_that_is_too_long(tmp_path, more):
    packets = make_packets(np.random.default_rng(12), 60)
    packets[-1] = [*packets[-1][:1], *[photon(3, 4, 5, -1000)] * (100 + more)]
    (tmp_path / f"{START}.bin").write_bytes(to_bytes(packets) + b"xyz")
    found, orphans, sums = find(tmp_path)
    if more == 60:
        assert (found, orphans, sums["skipped_bytes"]) == (packets, [], 0)
    else:  # more than two lost headers: nothing is believed
        assert found == [*packets[:-1], packets[-1][:1]]
        assert sums["skipped_bytes"] == 8 * 350 + 3


@pytest.mark.parametrize("earlier", [False, True])
def test_a_cut_before_the_last_header(tmp_path, earlier):
    """Nothing is out of place then, by number of words, but one header where none should be."""
    packets = make_packets(np.random.default_rng(11), 60, most=6)
    starts, data = whereabouts(packets), to_bytes(packets)
    cut = int(starts[-2])
    first = data[: starts[10]] + data[starts[10] + 3 : cut - 13] if earlier else data[: cut - 13]
    (tmp_path / f"{START}.bin").write_bytes(first + data[cut:])
    found, orphans, sums = find(tmp_path)
    whole = [*packets[:9], *packets[11:58]] if earlier else packets[:58]
    assert [packet for packet in found if len(packet) > 1] == [
        packet for packet in [*whole, packets[59]] if len(packet) > 1
    ]
    assert sums["resyncs"] == 1 + earlier
    assert size_of(found, orphans, sums) == len(first) + len(data) - cut


def test_a_file_that_begins_in_the_middle_of_a_word(tmp_path):
    packets = make_packets(np.random.default_rng(5), 60)
    (tmp_path / f"{START}.bin").write_bytes(to_bytes(packets[:30])[:-3])
    (tmp_path / f"{START + 1}.bin").write_bytes(to_bytes(packets[29:])[-8 * 1000 - 5 :])
    found, _, sums = find(tmp_path)
    assert sums["spare_bytes"] == 5
    assert sums["resyncs"] == 1
    assert found[-5:] == packets[-5:]
    assert 0 < sums["skipped_bytes"] < 8 * 102


@pytest.mark.parametrize("off", [-40 * DAY_TICKS, -3 * DAY_TICKS, 200_000, 60 * DAY_TICKS])
def test_wrong_clocks_are_no_damage(tmp_path, off):
    rng = np.random.default_rng(6)
    right = make_packets(rng, 400)
    wrong = make_packets(rng, 100, boards=(120,), ticks=TICKS + off)
    packets = [p for k in range(100) for p in (*right[4 * k : 4 * k + 4], wrong[k])]
    (tmp_path / f"{START}.bin").write_bytes(to_bytes(packets))
    found, orphans, sums = find(tmp_path)
    # the last of the board by itself would not be known
    assert found == packets
    assert orphans == []
    assert not any(sums.values())
    (tmp_path / f"{START}.bin").write_bytes(to_bytes(wrong))
    assert find(tmp_path)[0] == wrong


def test_many_boards_with_the_same_wrong_clock(tmp_path):
    """So many full packets lie between two of a board that it is known by the others'."""
    rng = np.random.default_rng(10)
    packets = make_packets(rng, 30, boards=tuple(range(50, 100)), ticks=TICKS + 3 * DAY_TICKS)
    packets = [[*packet[:1], *[packet[1]] * 100] for packet in packets]
    (tmp_path / f"{START}.bin").write_bytes(to_bytes(packets))
    assert find(tmp_path) == (packets, [], dict.fromkeys(find(tmp_path)[2], 0))
    right = make_packets(rng, 10)
    (tmp_path / f"{START}.bin").write_bytes(to_bytes([*right, *packets, *right]))
    assert find(tmp_path)[0] == [*right, *packets, *right]


def test_one_odd_header_does_not_spoil_its_neighbours(tmp_path):
    packets = make_packets(np.random.default_rng(7), 100)
    odd = list(packets[50])
    odd[0] ^= 1 << 34  # a flipped bit of the time
    (tmp_path / f"{START}.bin").write_bytes(to_bytes([*packets[:50], odd, *packets[51:]]))
    found, orphans, sums = find(tmp_path)
    assert found == [*packets[:50], *packets[51:]]
    assert sums == {"skipped_bytes": 8 * len(odd), "resyncs": 0, "spare_bytes": 0}
    assert orphans == []


@pytest.mark.parametrize("filler", [b"\0", b"\xff", b"\x7f\xff\xff\xff\xff\xff\xff\xff"])
@pytest.mark.parametrize("words", [512, 9000])
def test_a_stretch_of_nothing(tmp_path, filler, words):
    """As a disk leaves it that lost a sector, or a file that was longer once."""
    packets = make_packets(np.random.default_rng(8), 200)
    nothing = filler * (words * 8 // len(filler))
    data = to_bytes(packets[:100]) + nothing + to_bytes(packets[100:]) + nothing
    (tmp_path / f"{START}.bin").write_bytes(data)
    for slab_words in (700, 1 << 16):
        found, orphans, sums = find(tmp_path, slab_words)
        middle, last = packets[99][:1], packets[-1][:1]
        if filler == b"\xff" and words == 512:
            middle = packets[99]  # the next header stands where it should
        assert found == [*packets[:99], middle, *packets[100:-1], last]
        assert size_of(found, orphans, sums) == len(data)


@pytest.mark.parametrize("content", ["zeros", "noise", "ones", "text", "nothing", "one byte"])
def test_files_without_packets(tmp_path, content):
    data = {
        "zeros": bytes(300_000),
        "noise": np.random.default_rng(9).bytes(300_001),
        "ones": b"\xff" * 300_000,
        "text": b"2020-10-07 06:00:00 ring buffer overflow\n" * 5000,
        "nothing": b"",
        "one byte": b"\xff",
    }[content]
    write_words(tmp_path / f"{START}.bin", [], data)
    found, orphans, sums = find(tmp_path, 10_000)
    assert found == orphans == []
    assert sums["skipped_bytes"] + sums["spare_bytes"] == len(data)
    assert sums["resyncs"] == 0
