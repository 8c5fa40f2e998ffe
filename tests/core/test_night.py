"""A whole night from one file: what is read of it, what is planned, what is done, done again, and survived."""

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xxhash
import yaml
from astropy.io import fits

from pipeline_core import ObsFile
from pipeline_core.cli import main
from pipeline_core.errors import ConfigError, InputFormatError, OperationCancelled, OutputError
from pipeline_core.flags import PROBLEM_FLAGS
from pipeline_core.night import run as night_run
from pipeline_core.night import steps
from pipeline_core.night.hashes import HashCache
from pipeline_core.night.plan import make_plan
from pipeline_core.night.report import write_report
from pipeline_core.night.run import DONE, FAILED, LEFT_OUT, REUSED, local_processes, run_plan
from pipeline_core.night.settings import load_night
from pipeline_core.simulate import SimulationSettings, simulate
from pipeline_core.stacking.settings import StackSettings

SHAPE = (7, 5)
START = 1602050400


def content_hash(file):
    return xxhash.xxh3_128_hexdigest(file.read_bytes())


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Raw seconds of lasers, dark, flat and sky, in a folder of a night below the root."""
    root = tmp_path_factory.mktemp("data")
    settings = SimulationSettings(kind="night", seconds=2, rate_cps=60, seed=4, shape=SHAPE)
    return simulate(settings, root / "20201007")


@pytest.fixture
def write(raw, tmp_path):
    """Write a night's file, with changes, and return its path."""
    by = {one.name: [one.start, one.start + one.seconds] for one in raw.observations}
    lasers = [
        [one.start, one.start + one.seconds, one.wavelength_nm]
        for one in raw.observations
        if one.wavelength_nm is not None
    ]

    def make(**changes):
        values = {
            "inputs": {"pos1": by["sky"]},
            "paths": {"data": str(raw.folder.parent), "database": "db", "out": "out"},
            "beammap": str(raw.beammap_path),
            "ncpu": 2,
            "wavecal": lasers,
            "dark": by["dark"],
            "flatcal": by["flat"],
            "products": {"cube": {"time_bin_s": 1.0}},
            **changes,
        }
        path = tmp_path / "pipeline.yml"
        path.write_text(yaml.safe_dump({k: v for k, v in values.items() if v is not None}))
        return path

    return make


def plan_of(path):
    settings = load_night(path)
    return make_plan(settings, HashCache(settings.database / "hashes.json"))


# --- the file ------------------------------------------------------------------------------------


def test_what_is_read(write, tmp_path):
    settings = load_night(write())
    assert list(settings.targets) == ["pos1"]
    assert settings.targets["pos1"].seconds == 2
    assert settings.database == tmp_path / "db"
    assert settings.work == settings.database
    assert len(settings.wavecal) == 5
    assert settings.cube.time_bin_s == 1.0
    assert settings.badpixels
    assert not settings.cosmics
    one_band = {"time_bin_s": 1.0, "min_wavelength": 800, "max_wavelength": 900}
    cube = load_night(write(products={"cube": one_band})).cube
    assert cube.wavelength_edges().tolist() == [800, 900]


def test_every_mistake_is_told_at_once_with_its_line(tmp_path):
    path = tmp_path / "pipeline.yml"
    path.write_text(
        """inputs:
  pos1: [10, 5]
  dithered: maybe
  pos 2: [1, 2]
paths:
  data: nowhere
  out: out
ncpu: many
wavecal:
  - [1602050400, 1602050410]
  - [1602050400, 1602050410, -5]
outputs: {wavecalplots: [summary, colours]}
products:
  cube: {energy_bin_ev: 0.1, wavelength_bin_nm: 5}
  movie: true
badpixels: 3
dark: [1, 9999]
ncpu: 2
typo: 1
"""
    )
    with pytest.raises(ConfigError) as caught:
        load_night(path)
    lines = str(caught.value).splitlines()
    expected = {
        2: "it stops (5) before it starts (10). Swap",
        3: "dithered is 'maybe'. Write true or false",
        4: "'pos 2' is no name of an observation",
        6: "no folder",
        8: "ncpu is 'many'. Write a whole number",
        10: "Write [start, stop, wavelength in nm]",
        11: "wavelength is -5. Write a number from 100",
        12: "no page colours",
        14: "one kind of wavelength bins",
        15: "'movie' is not known",
        16: "badpixels is 3. Write true or false",
        17: "Cut it in parts",
        18: "'ncpu' stands twice",
        19: "'typo' is not known",
    }
    for number, words in expected.items():
        assert any(f"line {number}: " in line and words in line for line in lines), (number, lines)
    assert any("'database' is missing" in line for line in lines)
    assert not any("needs two lasers" in line for line in lines)  # two are there, to be corrected
    assert all(str(path) in line for line in lines)


@pytest.mark.parametrize(
    "text", ["", "- 1", "inputs: [", "a: !!python/object/apply:os.mkdir [executed]", "\x00"]
)
def test_what_is_no_such_file(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pipeline.yml"
    path.write_text(text)
    with pytest.raises((ConfigError, InputFormatError), match=r"pipeline\.yml"):
        load_night(path)
    assert not (tmp_path / "executed").exists()


def test_tags_are_never_followed(write, tmp_path):
    path = write()
    path.write_text(path.read_text().replace("ncpu: 2", "ncpu: !!python/object/apply:os.getpid []"))
    with pytest.raises(ConfigError, match="no plain value"):
        load_night(path)


# --- the plan ------------------------------------------------------------------------------------


def test_what_is_planned(write):
    plan = plan_of(write(outputs={"wavecalplots": ["summary"]}, cosmics=True))
    kinds = [task.kind for task in plan.tasks]
    assert kinds.count("convert") == 8
    for kind in ("wavecal", "pages", "flatcal", "badpixels", "cosmics", "attach", "image", "cube"):
        assert kinds.count(kind) == 1
    assert not plan.problems
    place = {task.name: k for k, task in enumerate(plan.tasks)}
    for task in plan.tasks:
        assert all(place[name] < place[task.name] for name in task.needs)
    outputs = [path for task in plan.tasks for path in task.outputs]
    assert len(outputs) == len(set(outputs))


def test_what_cannot_be_done_is_said_and_the_rest_is_planned(write):
    plan = plan_of(
        write(
            inputs={"pos1": [5, 9], "pos2": [START, START + 1]},
            flatcal=None,
            wavecal=None,
            products={"cube": {"energy_bin_ev": 0.1}},
        )
    )
    assert any(problem.startswith("pos1: no raw file") for problem in plan.problems)
    assert any("cube pos2: it needs wavelengths" in problem for problem in plan.problems)
    assert any(task.name == "image pos2" for task in plan.tasks)
    with pytest.raises(InputFormatError, match="no raw file"):
        plan_of(write(paths={"data": str(Path(__file__).parent), "database": "db", "out": "out"}))


def test_keys_change_with_what_matters_and_only_with_that(write, raw, tmp_path):
    first = {task.name: task.key for task in plan_of(write()).tasks}
    assert {task.name: task.key for task in plan_of(write(ncpu=1)).tasks} == first
    cube = {
        task.name: task.key for task in plan_of(write(products={"cube": {"time_bin_s": 0.5}})).tasks
    }
    assert {name for name in first if cube[name] != first[name]} == {"cube pos1"}
    # another place, the same bytes: the same keys
    moved = tmp_path / "elsewhere"
    shutil.copytree(raw.folder, moved / "deep" / "down")
    paths = {"data": str(moved), "database": "db", "out": "out"}
    assert {task.name: task.key for task in plan_of(write(paths=paths)).tasks} == first
    # one byte of one laser: its photons, the solution, and all that follow
    laser = next(one for one in raw.observations if one.wavelength_nm is not None)
    file = moved / "deep" / "down" / f"{laser.start}.bin"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)
    changed = {
        name
        for name, key in ((t.name, t.key) for t in plan_of(write(paths=paths)).tasks)
        if key != first[name]
    }
    assert {
        f"photons {laser.start}",
        "wavelength calibration",
        "flat field",
        "calibrated pos1",
    } <= changed
    assert "badpixels pos1" not in changed


def test_all_raw_files_are_read_in_one_go(write, raw, monkeypatch):
    asked = []
    of_all = HashCache.of_all
    monkeypatch.setattr(
        HashCache, "of_all", lambda cache, paths: asked.append(paths) or of_all(cache, paths)
    )
    plan = plan_of(write())
    files = set(raw.folder.glob("*.bin"))
    converted = [task for task in plan.tasks if task.kind == "convert"]
    largest = max(asked, key=len)
    assert len(largest) == len(set(largest)) >= 2 * len(converted)
    assert set(largest) <= files
    assert all(set(paths) <= set(largest) for paths in asked[asked.index(largest) :])


def test_hashes_are_remembered_until_a_file_changes(tmp_path, monkeypatch):
    file, memory = tmp_path / "a.bin", tmp_path / "hashes.json"
    file.write_bytes(b"one")
    cache = HashCache(memory)
    first = cache.of(file)
    assert first == content_hash(file)
    cache.save()
    facts = file.stat()
    with file.open("r+b") as stream:  # the same size, time of change and inode: not noticed
        stream.write(b"two")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert HashCache(memory).of(file) == first
    assert HashCache(memory, verify=True).of(file) == content_hash(file) != first
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert HashCache(memory).of(file) != first
    for spoilt in ("{spoilt", "[]", json.dumps({str(file): [1, 2]})):
        memory.write_text(spoilt)
        assert HashCache(memory).of(file) == content_hash(file)
    with pytest.raises(InputFormatError, match=r"missing\.bin"):
        cache.of(tmp_path / "missing.bin")


def test_files_hashed_by_an_older_version_keep_its_kind_of_hash(tmp_path):
    """So that what was made of them is not made again."""
    file, memory = tmp_path / "a.bin", tmp_path / "hashes.json"
    file.write_bytes(b"one")
    facts = file.stat()
    older = hashlib.blake2b(b"one", digest_size=20).hexdigest()
    entry = [facts.st_size, facts.st_mtime_ns, facts.st_ino, older]
    memory.write_text(json.dumps({str(file): entry}))
    assert HashCache(memory).of(file) == older
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    cache = HashCache(memory)
    assert cache.of(file) == older
    cache.save()
    file.write_bytes(b"two")
    changed = hashlib.blake2b(b"two", digest_size=20).hexdigest()
    assert HashCache(memory, verify=True).of(file) == changed


def test_many_files_are_hashed_in_their_order_and_a_cancelled_one_is_not_remembered(tmp_path):
    files = [tmp_path / f"{k}.bin" for k in range(7)]
    for k, file in enumerate(files):
        file.write_bytes(bytes([k]) * (1 << 20) * (8 - k))  # the first ones take longest
    wanted = [content_hash(file) for file in files]
    memory = tmp_path / "hashes.json"
    seen = []

    def cancel(done, total, stage):
        seen.append(stage)
        raise OperationCancelled

    cancelled = HashCache(memory, progress=cancel)
    with pytest.raises(OperationCancelled):
        cancelled.of_all(files)
    cancelled.save()
    assert seen == ["reading 0.bin"]
    assert not memory.exists()
    cache = HashCache(memory)
    assert cache.of_all(files) == wanted
    cache.save()
    files[3].unlink()
    with pytest.raises(InputFormatError, match=r"3\.bin"):
        HashCache(memory).of_all(files)


# --- doing it, without the work -------------------------------------------------------------------


class Work:
    """Stands in for the steps: notes what was done, in threads, and fails where it is told to."""

    def __init__(self):
        self.done, self.failing, self.most, self._now = [], {}, 0, 0
        self._lock = threading.Lock()

    def __call__(self, kind, arguments, outputs, progress):
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.002)
        try:
            if kind in self.failing:
                raise self.failing[kind]
            for path in outputs:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(kind)
            self.done.append((kind, outputs))
            return f"{kind} was done"
        finally:
            with self._lock:
                self._now -= 1


@pytest.fixture
def work(monkeypatch):
    work = Work()
    monkeypatch.setattr(night_run, "do", work)
    return work


def outcomes_of(plan, at_once=3):
    return {
        o.task.name: o for o in run_plan(plan, lambda board: ThreadPoolExecutor(at_once), at_once)
    }


def test_everything_is_done_once_and_what_changed_again(write, work):
    plan = plan_of(write())
    found = outcomes_of(plan)
    assert {one.state for one in found.values()} == {DONE}
    assert len(work.done) == len(plan.tasks) == len(found)
    assert 1 < work.most <= 3
    ended = list(found)
    for task in plan.tasks:
        assert all(ended.index(name) < ended.index(task.name) for name in task.needs)
    work.done.clear()
    again = outcomes_of(plan_of(write()))
    assert {one.state for one in again.values()} == {REUSED}
    assert not work.done
    assert again["image pos1"].text == "image was done"
    plan.task("cube pos1").outputs[0].unlink()
    plan.task("wavelength calibration").outputs[0].write_text("changed by somebody")
    work.done.clear()
    outcomes_of(plan_of(write()))
    assert sorted(kind for kind, _ in work.done) == ["cube", "wavecal"]


def test_what_most_tasks_wait_for_comes_first(write, work):
    """Lasers, dark and their solution before the sky, whatever their size: else all would wait for them at the end."""
    start, stop = yaml.safe_load(write().read_text())["inputs"]["pos1"]
    plan = plan_of(write(inputs={"pos1": [start, stop - 1], "pos2": [stop - 1, stop]}))
    skies = [plan.task(f"badpixels {name}").needs[0] for name in ("pos1", "pos2")]
    plan.tasks = [
        dataclasses.replace(task, n_bytes=10**12 * (1 + skies.index(task.name)))
        if task.name in skies
        else task
        for task in plan.tasks
    ]
    order = list(outcomes_of(plan, at_once=1))
    lasers, flat = plan.task("wavelength calibration").needs, plan.task("flat field").needs[0]
    before = {*lasers, "wavelength calibration", flat, "flat field"}
    assert set(order[: len(before)]) == before
    assert order[len(before) :][:2] == skies[::-1]  # the larger one first
    assert order[-4:] == ["image pos1", "cube pos1", "image pos2", "cube pos2"]


@pytest.mark.parametrize("error", [OutputError("the disk is full"), ValueError("a bug")])
def test_a_task_that_fails_stops_only_what_needs_it(write, work, error):
    work.failing["flatcal"] = error
    plan = plan_of(write())
    found = outcomes_of(plan)
    assert found["flat field"].state == FAILED
    assert str(error.args[0]) in found["flat field"].text
    for name in ("calibrated pos1", "image pos1", "cube pos1"):
        assert found[name].state == LEFT_OUT
    assert found["badpixels pos1"].state == DONE
    work.failing.clear()
    again = outcomes_of(plan_of(write()))
    assert again["wavelength calibration"].state == REUSED
    assert again["cube pos1"].state == DONE


def test_an_interrupted_night_goes_on_where_it_was(write, work):
    plan = plan_of(write())

    def stop(outcome):
        if outcome.task.kind == "wavecal":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, lambda board: ThreadPoolExecutor(1), 1, stop)
    before = len(work.done)
    assert before < len(plan.tasks)
    found = outcomes_of(plan_of(write()))
    assert sum(one.state == REUSED for one in found.values()) >= before - 1
    assert {one.state for one in found.values()} <= {DONE, REUSED}


def test_a_spoilt_ledger_costs_time_only(write, work):
    plan = plan_of(write())
    outcomes_of(plan)
    for text in ("{", "[]", '{"x": 1}', json.dumps({task.key: 5 for task in plan.tasks})):
        (plan.settings.database / "night.json").write_text(text)
        assert {one.state for one in outcomes_of(plan_of(write())).values()} == {DONE}


def test_the_report_says_what_is_wrong(write, work):
    work.failing["flatcal"] = OutputError("the disk <is> full")
    plan = plan_of(write(inputs={"pos1": [START + 14, START + 15], "pos2": [5, 6]}))
    report = write_report(plan, list(outcomes_of(plan).values()), 12.0).read_text()
    assert "the disk &lt;is&gt; full" in report
    assert "pos2: no raw file" in report
    assert "wavelength calibration" in report


# --- doing it --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_night_is_reduced(write, raw, tmp_path, capsys):
    before = {path: path.read_bytes() for path in raw.folder.iterdir() if path.is_file()}
    path = write(wavecal=None, dark=None, flatcal=None)
    assert main(["run", str(path), "--dry-run"]) == 0
    assert "to do" in capsys.readouterr().out
    assert not (tmp_path / "db").exists()
    assert main(["run", str(path), "--quiet"]) == 0
    assert "done: 5" in capsys.readouterr().out
    plan = plan_of(path)
    photons = plan.task(next(t.name for t in plan.tasks if t.kind == "convert")).outputs[0]
    with ObsFile(photons) as obs:
        image, cube = (
            fits.getdata(tmp_path / "out" / "pos1" / f"{n}.fits").T for n in ("image", "cube")
        )
        np.testing.assert_array_equal(image, obs.count_image())
        np.testing.assert_array_equal(cube.sum(axis=-1), image)
        assert len(obs.pixel_masks) == 1
    report = (tmp_path / "out" / "report.html").read_text()
    assert "data:image/png;base64" in report
    assert main(["run", str(path), "--quiet"]) == 0
    assert "there already: 5" in capsys.readouterr().out
    assert {p: p.read_bytes() for p in raw.folder.iterdir() if p.is_file()} == before
    write(
        inputs={"pos1": [5, 6], "pos2": [START, START + 1]}, wavecal=None, dark=None, flatcal=None
    )
    assert main(["run", str(path), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert "pos1: no raw file" in error
    assert "Traceback" not in error


def _die_once(kind, arguments, outputs, progress):
    marker = Path(arguments["marker"])
    if kind == "wavecal" and not marker.exists():
        marker.write_text("died")
        os.kill(os.getpid(), signal.SIGKILL)
    outputs[0].parent.mkdir(parents=True, exist_ok=True)
    outputs[0].write_text(kind)
    return "done"


def _die_always(kind, arguments, outputs, progress):
    if kind == "wavecal":
        os.kill(os.getpid(), signal.SIGKILL)
    return _die_once(kind, arguments, outputs, progress)


@pytest.mark.parametrize(("function", "state"), [(_die_once, DONE), (_die_always, FAILED)])
def test_a_process_that_dies_is_replaced(write, tmp_path, monkeypatch, function, state):
    plan = plan_of(write())
    marker = {"marker": str(tmp_path / "marker")}
    plan.tasks = [dataclasses.replace(task, arguments=marker) for task in plan.tasks]
    monkeypatch.setattr(night_run, "do", function)
    found = {o.task.name: o for o in run_plan(plan, local_processes(2), 2)}
    assert found["wavelength calibration"].state == state
    assert found["badpixels pos1"].state == DONE
    assert found["image pos1"].state == (DONE if state == DONE else LEFT_OUT)
    assert [name for name, one in found.items() if one.state == FAILED] == (
        [] if state == DONE else ["wavelength calibration"]
    )


def test_every_step_that_is_planned_is_there(dither):
    products = {"cube": {"time_bin_s": 1.0}, "speckle": {"tau_s": 0.1}}
    plan = plan_of(dither(products=products, outputs={"wavecalplots": ["summary"]}, cosmics=True))
    assert {task.kind for task in plan.tasks} == set(steps.STEPS)


# --- dithers -------------------------------------------------------------------------------------


@pytest.fixture
def dither(raw, write):
    """Write the file of a dithered night: each second of the sky is a position."""
    sky = next(one for one in raw.observations if one.name == "sky")

    def make(stack=None, missing=False, **changes):
        inputs = {
            "dithered": True,
            **({"pos0": [100, 101]} if missing else {}),
            **{f"pos{i + 1}": [sky.start + i, sky.start + i + 1] for i in range(2)},
        }
        products = changes.pop("products", {"image": False})
        products |= {} if stack is None else {"stack": stack}
        return write(inputs=inputs, products=products, **changes)

    return make


def test_a_dither_is_stacked_by_its_star_unless_something_else_is_said(dither):
    settings = load_night(dither())
    assert settings.dithered
    assert settings.stack.register == "centroid"
    assert settings.stack.photons.exclude == PROBLEM_FLAGS
    assert settings.stack.photons.weighted
    chosen = {"offsets": [[0, 0], [1, 2]], "pixels_per_unit": [2, -3], "method": "median"}
    chosen |= {"exclude": ["pixcal.hot"], "max_wavelength": 1100, "weighted": False}
    settings = load_night(dither(chosen))
    np.testing.assert_allclose(settings.stack.offsets.pixels(), [(0, 0), (2, -6)])
    assert settings.stack.method == "median"
    assert settings.stack.photons.edges_nm == (700.0, 1100)
    assert not settings.stack.photons.weighted
    assert StackSettings.from_dict(json.loads(json.dumps(settings.stack.as_dict()))) == (
        settings.stack
    )
    for bad, words in (
        ({"offsets": [[0, 0]]}, "1 offsets for 2 positions"),
        ({"method": "sum"}, "no method"),
        ({"exclude": ["x"]}, "no such flag"),
        ({"exclude": 3}, "stack: "),
        ({"pixels_per_unit": "x"}, "Pixels per unit"),
        ({"offsets": 3}, "stack: "),
        ({"typo": 3}, "'typo' is not known"),
        ({"edges_nm": [900, 800]}, "ascending"),
    ):
        with pytest.raises(ConfigError, match=words):
            load_night(dither(bad))


def test_a_stack_without_a_dither_is_a_mistake(write):
    with pytest.raises(ConfigError, match="dithered: true"):
        load_night(write(products={"stack": {}}))


def test_the_plan_of_a_dither(dither, raw):
    plan = plan_of(dither({"offsets": [[0, 0], [1, 2]]}))
    task = plan.task("stack")
    assert task.needs == ("calibrated pos1", "calibrated pos2")
    assert task.arguments["photons"] == [
        str(plan.task(f"photons {plan.settings.targets[name].start}").outputs[0])
        for name in ("pos1", "pos2")
    ]
    other = plan_of(dither({"offsets": [[0, 0], [1, 2.5]]})).task("stack")
    assert other.key != task.key
    # a position that is missing takes its offset with it
    found = plan_of(dither({"offsets": [[9, 9], [0, 0], [1, 2]]}, missing=True))
    assert any("pos0: no raw file" in problem for problem in found.problems)
    assert found.task("stack").arguments["stack"]["offsets"]["positions"] == [[0, 0], [1, 2]]
    without = plan_of(dither(wavecal=None, flatcal=None))
    assert not without.task("stack").arguments["stack"]["photons"].get("weighted")
    with pytest.raises(StopIteration):
        impossible = plan_of(dither({"weighted": True}, wavecal=None, flatcal=None))
        assert "stack: it needs wavelengths" in impossible.problems[-1]
        impossible.task("stack")


def test_a_dither_is_reduced_to_one_image(dither, tmp_path):
    path = dither({"offsets": [[0, 0], [1, 2]], "exclude": []}, wavecal=None, flatcal=None)
    plan = plan_of(path)
    found = {o.task.name: o for o in run_plan(plan, lambda board: ThreadPoolExecutor(1), 1)}
    assert {one.state for one in found.values()} == {DONE}, found
    assert "2 frames" in found["stack"].text
    with fits.open(tmp_path / "out" / "stack.fits") as hdus:
        assert hdus["SCI"].data.shape == (SHAPE[1] + 2, SHAPE[0] + 1)
        exposure = hdus["EXPOSURE"].data
        assert list(hdus["FRAMES"].data["offset_y"]) == [0.0, 2.0]
    images = []
    for name in ("pos1", "pos2"):
        with ObsFile(
            plan.task(f"calibrated {name}").outputs[0].with_suffix("").with_suffix(".h5")
        ) as obs:
            images.append(obs.count_image())
    with fits.open(tmp_path / "out" / "stack.fits") as hdus:
        counts = np.nan_to_num(hdus["SCI"].data * exposure)
    assert counts.sum() == pytest.approx(sum(image.sum() for image in images), rel=1e-6)
    report = write_report(plan, list(found.values()), 1.0).read_text()
    assert "counts/s" in report
    assert report.count("<figure>") == 1
    again = {o.task.name: o.state for o in run_plan(plan, lambda board: ThreadPoolExecutor(1), 1)}
    assert set(again.values()) == {REUSED}


def test_a_log_of_the_dither_tells_where_each_position_is(dither, raw, tmp_path):
    sky = next(one for one in raw.observations if one.name == "sky")
    log = tmp_path / "dither.log"
    # later first: positions are recognised by their times
    log.write_text(
        f"Dither Path: 2 steps\nstarts=[{sky.start + 1}, {sky.start}]\nends=[{sky.start + 2}, {sky.start + 1}]\n"
        "path=[(0.25, 0.5), (0.0, -0.5)]\n"
    )
    with pytest.raises(ConfigError, match=r"line .*pixels per unit"):
        load_night(dither({"dither_log": "dither.log"}))
    with pytest.raises(ConfigError, match="both offsets and a dither_log"):
        load_night(dither({"dither_log": "dither.log", "offsets": [[0, 0], [1, 2]]}))
    with pytest.raises(ConfigError, match=r"none\.log"):
        load_night(dither({"dither_log": "none.log"}))
    plan = plan_of(
        dither(
            {"dither_log": "dither.log", "pixels_per_unit": [4, -2], "exclude": []},
            wavecal=None,
            flatcal=None,
        )
    )
    found = {o.task.name: o for o in run_plan(plan, lambda board: ThreadPoolExecutor(1), 1)}
    assert {one.state for one in found.values()} == {DONE}, found
    with fits.open(tmp_path / "out" / "stack.fits") as hdus:
        assert list(hdus["FRAMES"].data["offset_x"]) == [0.0, 1.0]
        assert list(hdus["FRAMES"].data["offset_y"]) == [0.0, -2.0]


def test_maps_of_speckles_are_a_product(write, tmp_path):
    products = {"image": False, "speckle": {"bin_s": 0.02, "tau_s": 0.1, "exclude": "none"}}
    plan = plan_of(write(products=products, wavecal=None, flatcal=None))
    names = [task.name for task in plan.tasks if task.kind == "speckle"]
    assert names
    found = {o.task.name: o for o in run_plan(plan, lambda board: ThreadPoolExecutor(1), 1)}
    assert {one.state for one in found.values()} == {DONE}, found
    assert "tau 0.1 s" in found[names[0]].text
    target = plan.task(names[0])
    with fits.open(target.outputs[0]) as hdus, ObsFile(target.arguments["photons"]) as obs:
        assert hdus[0].data.shape == SHAPE[::-1]
        np.testing.assert_array_equal(hdus["PHOTONS"].data.T, obs.count_image())
    with pytest.raises(ConfigError, match=r"line .*bin_s = 0 must be"):
        load_night(write(products={"speckle": {"bin_s": 0}}))
    with pytest.raises(ConfigError, match=r"line .*'typo' is not known"):
        load_night(write(products={"speckle": {"typo": 0}}))
    with pytest.raises(ConfigError, match=r"exclude 3: write the names of flags"):
        load_night(write(products={"speckle": {"exclude": 3}}))
