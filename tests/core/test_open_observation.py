"""Whatever holds an observation opens through one door, and raw seconds agree with their photon file."""

import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from rawdata import FAKE, header, photon, write_words

from pipeline_core import open_observation, rawcache, rawobservation
from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.errors import (
    BeammapNeededError,
    ConfigError,
    InputFormatError,
    OperationCancelled,
    OutputError,
    PipelineError,
)
from pipeline_core.obsfile import ObsFile

START = 1602050400
TICKS = (START - 1577836800) * 2000
SHAPE = (4, 3)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and no beam map from the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)
    return tmp_path / "cache" / "quicklook" / "raw"


def words_of(second, stray=()):
    """One packet every 10 ms; pixel (x, y) gets 10 x + y + 1 photons, an odd second twice as many on x = 3."""
    words = []
    for k in range(100):
        words.append(header(5, 100 * second + k, TICKS + 2000 * second + 20 * k))
        for x in range(4):
            many = 10 * x * (1 + second % 2 * (x == 3)) + 1
            words += [photon(x, y, k, -30_000 + 40 * k + x) for y in range(3) if k < many + y]
        words.append(FAKE)
    return words + list(stray)


@pytest.fixture
def night(tmp_path):
    """Three raw seconds, with packets of the middle one in its neighbours' files, and one beam map."""
    folder = tmp_path / "night"
    folder.mkdir()
    early = [header(7, 0, TICKS + 2000 + 10), photon(1, 2, 3), photon(1, 2, 4)]
    late = [header(7, 1, TICKS + 2000 + 1900), photon(2, 0, 5)]
    write_words(folder / f"{START}.bin", words_of(0, early))
    write_words(folder / f"{START + 1}.bin", words_of(1))
    write_words(folder / f"{START + 2}.bin", late + words_of(2), tail=b"abc")
    Beammap.design(SHAPE).write(folder / "map.bmap")
    return folder


def explicit(folder, out, start, duration, beammap=None):
    beammap = beammap or folder / "map.bmap"
    convert(ConvertSettings(folder, start, duration, beammap, out))
    return ObsFile(out)


def assert_same(one, other, pixels):
    assert one.shape == other.shape
    assert one.start_unix == other.start_unix
    assert one.exposure_s == other.exposure_s
    assert one.n_photons == other.n_photons
    assert one.sources == other.sources
    assert one.lost_packets == other.lost_packets
    np.testing.assert_array_equal(one.gaps_us, other.gaps_us)
    np.testing.assert_array_equal(one.flags, other.flags)
    np.testing.assert_array_equal(one.beammap.res_id, other.beammap.res_id)
    np.testing.assert_array_equal(one.live_time(), other.live_time())
    part = {"start": 0.1, "stop": 0.65, "min_phase": -55.0, "max_phase": -40.0}
    for window in ({}, part):
        np.testing.assert_array_equal(one.count_image(**window), other.count_image(**window))
        for pixel in pixels:
            # bytes: the wavelengths are NaN
            assert (
                one.photons(pixel, **window).tobytes() == other.photons(pixel, **window).tobytes()
            )
            np.testing.assert_array_equal(
                one.light_curve(pixel, 0.013, **window).rate_cps,
                other.light_curve(pixel, 0.013, **window).rate_cps,
            )
            np.testing.assert_array_equal(
                one.intensity_histogram(pixel, **window).occurrences,
                other.intensity_histogram(pixel, **window).occurrences,
            )
            np.testing.assert_array_equal(
                one.spectrum(pixel, **window).counts, other.spectrum(pixel, **window).counts
            )


class TestRawSeconds:
    def test_a_second_agrees_with_its_photon_file_and_has_late_packets(self, night, tmp_path):
        path = night / f"{START + 1}.bin"
        with (
            open_observation(path) as raw,
            explicit(night, tmp_path / "o.h5", START + 1, 1) as converted,
        ):
            assert_same(raw, converted, list(np.ndindex(SHAPE)))
            assert raw.path == path
            assert (raw.kind, raw.has_photons) == ("raw", True)
            assert (converted.kind, converted.has_photons) == ("photons", True)
            x, y = np.indices(SHAPE)
            expected = 10 * x * (1 + (x == 3)) + 1 + y
            expected[1, 2] += 2  # arrived early
            expected[2, 0] += 1  # arrived late
            np.testing.assert_array_equal(raw.count_image(), expected)

    def test_consecutive_files_open_as_one_observation_in_any_order(self, night, tmp_path):
        paths = [night / f"{START + k}.bin" for k in (1, 0)]
        with (
            open_observation(paths) as raw,
            explicit(night, tmp_path / "o.h5", START, 2) as converted,
        ):
            assert_same(raw, converted, [(3, 2), (0, 0)])
            assert raw.exposure_s == 2.0
            assert raw.paths == tuple(reversed(paths))
            assert raw.path == paths[1]

    @pytest.mark.parametrize("second", [START, START + 20])
    def test_files_of_others_agree_too(self, shared_data, tmp_path, second):
        beammap = shared_data / "darkness_like.bmap"
        path = shared_data / "bin" / f"{second}.bin"
        with (
            open_observation(path, beammap=beammap) as raw,
            explicit(shared_data / "bin", tmp_path / "o.h5", second, 1, beammap) as converted,
        ):
            rng = np.random.default_rng(second)
            pixels = [(int(x), int(y)) for x, y in rng.integers((80, 125), size=(20, 2))]
            assert_same(raw, converted, pixels)

    def test_the_same_second_is_converted_once(self, night, cache, monkeypatch):
        path = night / f"{START}.bin"
        with open_observation(path) as first:
            image = first.count_image()

        def never(*_):
            raise AssertionError("converted again")

        with monkeypatch.context() as patch:
            patch.setattr(rawobservation, "convert", never)
            with open_observation(path) as again:
                np.testing.assert_array_equal(again.count_image(), image)
        assert len(list(cache.iterdir())) == 1

    @pytest.mark.parametrize("changed", [f"{START}.bin", f"{START + 1}.bin", "map.bmap"])
    def test_whatever_it_was_made_from_has_changed_is_noticed(self, night, cache, changed):
        path = night / f"{START}.bin"
        open_observation(path).close()
        if changed.endswith(".bmap"):
            lines = (night / changed).read_text().splitlines()
            (night / changed).write_text("\n".join(lines).replace(" 0 ", " 2 ", 1))
        else:
            with (night / changed).open("ab") as stream:
                words = [header(9, 0, TICKS + 100), photon(0, 0, 1)]
                stream.write(np.array(words, ">u8").tobytes())
        before = len(list(cache.iterdir()))
        open_observation(path).close()
        assert (before, len(list(cache.iterdir()))) == (1, 2)

    def test_raw_files_and_their_folder_are_left_alone(self, night):
        def look():
            return {
                p: (p.stat().st_mtime_ns, p.read_bytes())
                for p in [night, *night.iterdir()]
                if p.is_file()
            } | {night: (night.stat().st_mtime_ns, sorted(p.name for p in night.iterdir()))}

        before = look()
        with open_observation(night / f"{START}.bin") as raw:
            raw.count_image(0.2, 0.4)
            with pytest.raises(ConfigError, match="no photon file"):
                raw.annotate("a note")
            with pytest.raises(ConfigError, match="no photon file"):
                raw._save(raw._sidecar)
            assert raw.history == ()
        assert look() == before

    def test_cancelling_leaves_nothing(self, night, cache):
        def cancel(done, total, stage=""):
            raise OperationCancelled

        with pytest.raises(OperationCancelled):
            open_observation(night / f"{START}.bin", progress=cancel)
        assert list(cache.iterdir()) == []
        open_observation(night / f"{START}.bin").close()  # nothing stayed locked

    def test_progress_is_passed_on(self, night):
        stages = []
        path = night / f"{START}.bin"
        open_observation(path, progress=lambda done, total, stage="": stages.append(stage)).close()
        assert "reading raw files" in stages


class TestWhichFiles:
    def test_left_out_seconds_are_refused(self, night):
        with pytest.raises(ConfigError, match=f"{START + 1}.bin"):
            open_observation([night / f"{START}.bin", night / f"{START + 2}.bin"])

    def test_a_second_that_was_never_written_is_a_gap(self, night):
        (night / f"{START + 1}.bin").unlink()
        with open_observation([night / f"{START}.bin", night / f"{START + 2}.bin"]) as raw:
            assert raw.exposure_s == 3.0
            assert raw.open_time() < 2.1

    def test_other_names_folders_and_kinds_are_refused(self, night, tmp_path):
        other = tmp_path / "other"
        other.mkdir()
        moved = shutil.copy(night / f"{START + 1}.bin", other)
        with pytest.raises(ConfigError, match="different folders"):
            open_observation([night / f"{START}.bin", moved])
        named = shutil.copy(night / f"{START}.bin", night / "hot.bin")
        with pytest.raises(InputFormatError, match=r"hot\.bin: the name .* Rename"):
            open_observation(named)
        with pytest.raises(ConfigError, match="together with other files"):
            open_observation([night / f"{START}.bin", tmp_path / "o.h5"])
        with pytest.raises(ConfigError, match="No file"):
            open_observation([])
        with pytest.raises(InputFormatError, match="is a folder"):
            open_observation(night)

    def test_content_decides_over_the_ending(self, night, tmp_path):
        explicit(night, tmp_path / "o.h5", START, 1).close()
        odd = shutil.copy(tmp_path / "o.h5", tmp_path / f"{START}.bin")
        with open_observation(str(odd)) as obs:
            assert obs.kind == "photons"


class TestBeammap:
    def test_places_are_looked_at_in_order(self, night, tmp_path, monkeypatch):
        """Argument, variable (file or folder), the file's folder, the folder above."""
        path = night / f"{START}.bin"
        places = {}
        for number, place in enumerate(("argument", "variable", "above")):
            (tmp_path / place).mkdir()
            codes = np.full(SHAPE, number + 2)
            design = Beammap.design(SHAPE)
            places[place] = tmp_path / place / "a.bmap"
            Beammap(design.res_id, codes, design.frequency_mhz).write(places[place])

        def code_of(**options):
            with open_observation(path, **options) as raw:
                return int(raw.beammap.code[2, 1])

        shutil.copy(places["above"], tmp_path / "above.bmap")
        assert code_of() == 0
        (night / "map.bmap").unlink()
        assert code_of() == 4
        monkeypatch.setenv("MKID_BEAMMAP_PATH", str(places["variable"]))
        assert code_of() == 3
        monkeypatch.setenv("MKID_BEAMMAP_PATH", str(places["variable"].parent))
        assert code_of() == 3
        assert code_of(beammap=str(places["argument"])) == 2
        assert code_of(beammap=Beammap.design(SHAPE)) == 0

    def test_none_or_several_ask_for_one(self, night, tmp_path, monkeypatch):
        path = night / f"{START}.bin"
        shutil.copy(night / "map.bmap", night / "other.bmap")
        with pytest.raises(BeammapNeededError, match=r"several: map.bmap, other.bmap") as caught:
            open_observation(path)
        assert str(path) in str(caught.value)
        for one in night.glob("*.bmap"):
            one.unlink()
        with pytest.raises(BeammapNeededError, match="none was found") as caught:
            open_observation(path)
        for part in (str(path), str(night), str(tmp_path), "MKID_BEAMMAP_PATH is not set"):
            assert part in str(caught.value)
        monkeypatch.setenv("MKID_BEAMMAP_PATH", str(tmp_path / "gone"))
        with pytest.raises(BeammapNeededError, match="gone, which does not exist"):
            open_observation(path)
        monkeypatch.setenv("MKID_BEAMMAP_PATH", str(night))
        with pytest.raises(BeammapNeededError, match="holds no"):
            open_observation(path)
        with pytest.raises(ConfigError, match="a path or a Beammap"):
            open_observation(path, beammap=5)

    def test_the_map_of_a_smaller_camera_is_refused(self, night):
        with pytest.raises(BeammapNeededError, match="2 x 3 array") as caught:
            open_observation(night / f"{START}.bin", beammap=Beammap.design((2, 3)))
        assert f"{START}.bin" in str(caught.value)

    def test_the_map_of_the_larger_camera_is_refused(self, shared_data):
        path = shared_data / "bin" / f"{START}.bin"
        with pytest.raises(BeammapNeededError, match="fill only 80 x 125"):
            open_observation(path, beammap=shared_data / "mec_20181218.bmap")

    def test_a_corner_that_is_lit_a_little_is_no_reason(self, night):
        """A handful of photons cannot tell which camera it is."""
        with open_observation(night / f"{START}.bin", beammap=Beammap.design((140, 146))) as raw:
            assert raw.n_photons < 1000


class TestCache:
    def test_oldest_go_when_there_are_too_many(self, night, cache, monkeypatch):
        monkeypatch.setattr(rawcache, "MAX_FILES", 2)
        paths = [night / f"{START + k}.bin" for k in range(3)]
        ages = {}
        for number, path in enumerate([paths[0], paths[1], paths[0], paths[2]]):
            open_observation(path).close()
            for file in cache.iterdir():  # the clock may be coarse
                if file not in ages or file.name.startswith(path.stem):
                    ages[file] = number
                os.utime(file, (1e9 + ages[file], 1e9 + ages[file]))
        kept = sorted(file.name.split("-")[0] for file in cache.iterdir())
        assert kept == [str(START), str(START + 2)]

    def test_bytes_are_bounded_but_the_newest_stays(self, night, cache, monkeypatch):
        monkeypatch.setattr(rawcache, "MAX_BYTES", 1)
        for k in range(3):
            with open_observation(night / f"{START + k}.bin") as raw:
                assert raw.count_image(0.0, 0.5).sum() > 0
        assert [file.name.split("-")[0] for file in cache.iterdir()] == [str(START + 2)]

    def test_an_open_observation_survives_its_removal(self, night, cache):
        with open_observation(night / f"{START}.bin") as raw:
            for file in cache.iterdir():
                file.unlink()
            assert raw.count_image(0.0, 0.5).sum() > 0

    def test_a_damaged_one_is_made_again(self, night, cache):
        with open_observation(night / f"{START}.bin") as raw:
            image = raw.count_image()
        (file,) = cache.iterdir()
        file.chmod(0o600)
        file.write_bytes(file.read_bytes()[:3000])
        with open_observation(night / f"{START}.bin") as raw:
            np.testing.assert_array_equal(raw.count_image(), image)

    def test_what_killed_processes_left_is_removed(self, night, cache):
        cache.mkdir(parents=True)
        old, young = cache / "1-a.h5.host.1.part", cache / "2-b.h5.host.1.part"
        for part in (old, young):
            part.write_bytes(b"half")
        os.utime(old, (1e9, 1e9))
        open_observation(night / f"{START}.bin").close()
        assert not old.exists()
        assert young.exists()

    def test_two_processes_open_the_same_second_at_once(self, night, cache):
        code = (
            "import sys, time, pipeline_core.rawobservation\n"
            "from pipeline_core import open_observation\n"
            "real = pipeline_core.rawobservation.convert\n"
            "def late(settings, progress):\n"
            "    print('ready', flush=True)\n"
            "    sys.stdin.readline()\n"
            "    real(settings, progress)\n"
            "pipeline_core.rawobservation.convert = late\n"
            "with open_observation(sys.argv[1]) as raw:\n"
            "    print(raw.count_image().sum(), flush=True)\n"
        )
        command = [sys.executable, "-c", code, str(night / f"{START}.bin")]
        both = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        for process in both:
            assert process.stdout.readline() == "ready\n"
        answers = [process.communicate("go\n", timeout=60)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert answers[0] == answers[1]
        assert [file.suffix for file in cache.iterdir()] == [".h5"]

    def test_two_threads_open_the_same_second_at_once(self, night, cache):
        sums = []

        def work():
            with open_observation(night / f"{START}.bin") as raw:
                sums.append(int(raw.count_image().sum()))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(sums)) == 1
        assert len(sums) == 4
        assert len(list(cache.iterdir())) == 1

    def test_a_folder_that_cannot_be_made_is_replaced_by_a_temporary_one(
        self, night, tmp_path, monkeypatch
    ):
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        monkeypatch.setattr(rawcache.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
        with open_observation(night / f"{START}.bin"):
            pass
        assert len(list((tmp_path / "tmp").rglob("*.h5"))) == 1
        monkeypatch.setattr(rawcache.tempfile, "gettempdir", lambda: str(tmp_path / "file"))
        with pytest.raises(OutputError, match="XDG_CACHE_HOME"):
            open_observation(night / f"{START}.bin")

    def test_a_full_disk_says_so(self, night, monkeypatch):
        usage = shutil.disk_usage(night)._replace(free=1000)
        monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
        with pytest.raises(PipelineError, match="Free some space"):
            open_observation(night / f"{START}.bin")
