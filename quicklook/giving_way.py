"""Lets the window go first while a worker computes in Python, where only one thread runs at a time."""

from __future__ import annotations

import time

from pipeline_core.progress import Progress

__all__ = ["giving_way"]

_REST_S = 0.0002


def giving_way(progress: Progress) -> Progress:
    """Return a progress that rests for a moment at every report, so that a waiting window gets its turn.

    Parameters
    ----------
    progress : Progress
        The one to report to.
    """

    def report(done: int, total: int, stage: str = "") -> None:
        progress(done, total, stage)
        time.sleep(_REST_S)

    return report
