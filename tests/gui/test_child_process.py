"""Functions in a child process: result, error, crash, cancel. No Qt involved."""

from __future__ import annotations

import logging
import os
import time

import child_work
import pytest

from pipeline_core.errors import InputFormatError, OperationCancelled
from quicklook.child_process import ChildCrashError, ChildError, run_in_child


def test_result_and_progress():
    seen = []
    assert run_in_child(child_work.add, 2, 3, progress=lambda *state: seen.append(state)) == 5
    assert (1, 2, "adding") in seen


def test_child_is_polite_and_knows_no_qt(caplog):
    with caplog.at_level(logging.INFO, "pipeline_core.test"):
        pid, niceness, qt = run_in_child(child_work.name_of_process)
    assert pid != os.getpid()
    assert niceness > os.nice(0)
    assert qt == []
    assert "hello from the child" in caplog.text


def test_expected_error_arrives_as_itself():
    with pytest.raises(InputFormatError, match="Copy it again") as caught:
        run_in_child(child_work.refuse)
    assert "in refuse" in str(caught.value.__cause__)


def test_bug_arrives_with_the_childs_traceback():
    with pytest.raises(ZeroDivisionError) as caught:
        run_in_child(child_work.bug)
    assert "return 1 / 0" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("function", "words"),
    [(child_work.unpicklable_error, "odd"), (child_work.unpicklable_result, "lambda")],
)
def test_what_cannot_travel_is_an_error_not_a_hang(function, words):
    with pytest.raises(ChildError, match=words):
        run_in_child(function)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (child_work.crash, "SIGSEGV"),
        (child_work.leave, "exit code 3"),
        (child_work.be_killed, "run out of memory"),
    ],
)
def test_crash_is_an_ordinary_error(function, words):
    cleaned = []
    with pytest.raises(ChildCrashError, match=words):
        run_in_child(function, clean_up=cleaned.append)
    assert len(cleaned) == 1


def cancel_after(first_report_s):
    """Return a progress that cancels so long after the first real report."""
    since = []

    def report(done, total, stage):
        if done and not since:
            since.append(time.monotonic())
        if since and time.monotonic() - since[0] > first_report_s:
            report.asked = time.monotonic()
            raise OperationCancelled

    return report


@pytest.mark.parametrize("work", [child_work.work_politely, child_work.work_deafly])
def test_cancel_within_half_a_second_leaves_nothing(tmp_path, work):
    report = cancel_after(0.1)

    def clean_up(pid):
        for part in tmp_path.glob(f"*.{pid}.part"):
            part.unlink()

    with pytest.raises(OperationCancelled):
        run_in_child(work, str(tmp_path), progress=report, clean_up=clean_up)
    assert time.monotonic() - report.asked < 0.5
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_ignores_the_polite_signal_is_ended_all_the_same():
    cleaned = []
    with pytest.raises(OperationCancelled):
        run_in_child(child_work.ignore_the_end, progress=cancel_after(0.1), clean_up=cleaned.append)
    assert len(cleaned) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(cleaned[0], 0)


@pytest.mark.parametrize("patience_s", [30.0, 0.0])
def test_how_long_a_child_may_take_to_stop_is_asked_after_its_news(patience_s):
    """What has something to hand over gets the time for it, what is given up meanwhile does not."""
    heard = []

    def grace_s():
        return patience_s if heard else 0.0

    work = {"progress": cancel_after(0.1), "news": heard.append, "grace_s": grace_s}
    if patience_s:
        assert run_in_child(child_work.finish_when_asked, **work) == "half of it"
    else:
        with pytest.raises(OperationCancelled):
            run_in_child(child_work.finish_when_asked, **work)
    assert heard == ["something"]


@pytest.mark.parametrize(
    ("function", "expected"),
    [(child_work.refuse, InputFormatError), (child_work.crash, ChildCrashError)],
)
def test_another_thread_may_have_collected_the_exit_code(monkeypatch, function, expected):
    """Whoever starts a process collects those of all children; it has the code a moment before it notes it."""
    collected, asked = {}, []

    def waitpid(pid, options):
        if pid not in collected:
            found = real(pid, options)
            if found[0] == 0:
                return found
            collected[pid] = found
        asked.append(pid)
        if len(asked) < 20:
            raise ChildProcessError("No child processes")
        return collected[pid]

    real = os.waitpid
    monkeypatch.setattr(os, "waitpid", waitpid)
    with pytest.raises(expected):
        run_in_child(function)
    assert len(asked) >= 20


def test_trouble_of_our_own_cleans_up_too(tmp_path):
    def broken(done, total, stage):
        if done:
            raise ValueError("a bug of the caller")

    cleaned = []
    with pytest.raises(ValueError, match="a bug of the caller"):
        run_in_child(
            child_work.work_politely, str(tmp_path), progress=broken, clean_up=cleaned.append
        )
    assert len(cleaned) == 1


def test_log_records_of_threads_do_not_mix_with_progress():
    assert run_in_child(child_work.log_from_threads) == 4000


def test_only_a_child_that_may_has_children(tmp_path):
    path = tmp_path / "touched"
    assert run_in_child(child_work.start_a_child, path, has_children=True) == 0
    assert path.exists()
    with pytest.raises(AssertionError, match="daemonic"):
        run_in_child(child_work.start_a_child, path)
