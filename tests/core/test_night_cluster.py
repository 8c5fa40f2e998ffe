"""A night on a cluster of several worker processes: the same files as here, also when one of them is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from night_files import made_files, make_raw, plan_of, put_aside, write_night
from same_results import differences

from pipeline_core.cli import main
from pipeline_core.errors import ClusterError, OperationCancelled
from pipeline_core.night import cluster
from pipeline_core.night.reduce import reduce_night
from pipeline_core.night.run import DONE, REUSED

distributed = pytest.importorskip("distributed", reason="needs the package distributed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # kernels may have to be compiled first

_QUIET = {"DASK_LOGGING__DISTRIBUTED": "error"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return make_raw(tmp_path_factory.mktemp("night"))


class Cluster:
    """A scheduler and workers, each a process of its own; `workers` by name."""

    def __init__(self, folder):
        self._place = folder / "scheduler.json"
        self._folder = folder
        self.workers = {}
        options = ("--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--no-show")
        self.scheduler = self._begin("dask_scheduler", *options)
        self.address = self._address()

    def add(self, name, *, threads=1):
        """Start a worker."""
        options = ("--no-nanny", "--no-dashboard", "--nthreads", str(threads), "--name", name)
        space = ("--local-directory", str(self._folder))
        self.workers[name] = self._begin("dask_worker", *options, *space)

    def _begin(self, module, *options):
        command = [sys.executable, "-m", f"distributed.cli.{module}", *options]
        return subprocess.Popen(
            [*command, "--scheduler-file", str(self._place)],
            env={**os.environ, **_QUIET},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _address(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                return json.loads(self._place.read_text())["address"]
            except (OSError, ValueError):
                assert time.monotonic() < deadline, "the scheduler did not start"
                time.sleep(0.05)

    def end(self):
        """End all processes."""
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def running_cluster(folder, *names):
    there = Cluster(folder)
    try:
        for name in names:
            there.add(name)
        with distributed.Client(there.address, set_as_default=False) as client:
            client.wait_for_workers(len(names), timeout=60) if names else None
            yield there, client
    finally:
        there.end()


def busy_workers(client):
    """Names of workers that do a task at this moment."""
    names = {address: one["name"] for address, one in _workers_of(client).items()}
    return [names[address] for address, tasks in client.processing().items() if tasks]


def _workers_of(client):
    return client.sync(client.scheduler.identity, n_workers=-1)["workers"]


def test_the_night_is_the_same_when_a_worker_is_killed(tmp_path, raw):
    path = write_night(tmp_path, raw)
    assert not reduce_night(plan_of(path)).not_done
    aside = put_aside(tmp_path, "here")
    killed, ended = [], []
    with running_cluster(tmp_path, "one", "two", "three") as (there, client):

        def kill_once(_one):
            if not killed and len(ended) >= 3:
                for name in busy_workers(client)[:1]:
                    there.workers[name].kill()  # SIGKILL
                    killed.append(name)

        result = reduce_night(
            plan_of(path), scheduler=there.address, watch=ended.append, running=kill_once
        )
        assert len(killed) == 1
        assert there.workers[killed[0]].wait(60) == -9
        assert len(_workers_of(client)) == 2
        assert {one.state for one in result.outcomes} == {DONE}
        assert not list((tmp_path / "db").glob("at-work-*"))
        assert made_files(tmp_path) == made_files(aside)
        for name in made_files(aside):
            assert differences(aside / name, tmp_path / name) == [], name
        again = reduce_night(plan_of(path), scheduler=there.address)
        assert {one.state for one in again.outcomes} == {REUSED}
        _cancelled(path, there)


def _cancelled(path, there):
    """Cancel a night on the cluster, and go on here."""
    begun = []
    for product in plan_of(path).task("cube pos1").outputs:
        product.unlink()

    def progress(done, total, stage):
        if begun:
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        reduce_night(
            plan_of(path), scheduler=there.address, running=begun.append, progress=progress
        )
    assert not reduce_night(plan_of(path)).not_done


def test_what_is_wrong_with_a_cluster_is_said_before_anything_runs(
    tmp_path, raw, monkeypatch, capsys
):
    path = write_night(tmp_path, raw)
    with running_cluster(tmp_path) as (there, client):
        command = ["run", str(path), "--quiet", "--scheduler", there.address]
        assert main(command) == 1
        assert f"has no workers. Start some with 'dask worker {there.address}" in _error(capsys)
        there.add("wide", threads=2)
        client.wait_for_workers(1, timeout=60)
        assert main(command) == 1
        assert "has 2 threads" in _error(capsys)
        monkeypatch.setattr(cluster, "__version__", "99.0")
        assert main(command) == 1
        error = _error(capsys)
        assert "not 99.0: install the same everywhere" in error
        assert "has 2 threads" in error
    assert not list((tmp_path / "db").glob("photons/*"))
    monkeypatch.setattr(cluster, "_ANSWER_S", 0.5)
    assert main(command) == 1
    assert "No scheduler answers" in _error(capsys)
    assert main([*command[:-1], "nonsense"]) == 1
    assert "No scheduler answers at 'nonsense'" in _error(capsys)


def _error(capsys):
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_a_worker_that_does_not_see_the_disks_is_named(tmp_path):
    seen, unseen = tmp_path / "seen", tmp_path / "unseen"
    seen.mkdir()
    mark = seen / ".token"
    mark.write_text("token")
    raw = {str(seen): seen.stat().st_mtime_ns, str(tmp_path): 5, str(unseen): 5}
    answer = cluster._look([str(mark), str(unseen / ".token")], "token", raw)
    assert answer["unseen"] == [str(unseen), str(tmp_path), str(unseen)]
    assert cluster._look([str(mark)], "another", {})["unseen"] == [str(seen)]
    (fault,) = cluster._faults(answer, 1)
    assert f"does not see {unseen}" in fault
    assert cluster._faults(answer | {"unseen": []}, 1) == []
    missing = ModuleNotFoundError("no", name="pipeline_core")
    assert "has no pipeline_core: install" in cluster._faults(missing, 1)[0]
    assert "does not answer" in cluster._faults(OSError("x"), 1)[0]


def test_without_the_package_the_remedy_is_said(tmp_path, raw, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install 'quicklook\[cluster\]'"):
        reduce_night(plan_of(write_night(tmp_path, raw)), scheduler="tcp://127.0.0.1:1")
