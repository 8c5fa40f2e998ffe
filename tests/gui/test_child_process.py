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
    ("function", "words"), [(child_work.crash, "SIGSEGV"), (child_work.leave, "exit code 3")]
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
