"""Progress and cancelling, as one callable.

Long operations call ``progress(done, total, stage)`` at least every 100 ms of work. Whoever supplied
the callable shows the figures, and raises `OperationCancelled` from it to stop the work.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["COMPILING", "Progress", "part_of", "silent"]

COMPILING = "compiling the numerical kernels, once"
"""The stage while kernels are compiled (see `compile_progress`): it tells nothing of how long the rest will take."""


class Progress(Protocol):
    """Callable that receives how far an operation is; may raise `OperationCancelled`."""

    def __call__(self, done: int, total: int, stage: str = "") -> None:
        """Report `done` of `total` steps (same unit) of the named stage."""


def silent(done: int, total: int, stage: str = "") -> None:
    """Ignore the report: the default of every long operation."""


def part_of(progress: Progress, first: float, last: float, stage: str = "") -> Progress:
    """Return a progress that fills only the fractions ``first`` to ``last`` of `progress`.

    Parameters
    ----------
    progress : Progress
        The parent; it is told of parts in a thousand.
    first, last : float
        Fractions of the whole, 0 <= first <= last <= 1.
    stage : str
        Name reported to the parent unless the child gives one of its own.
    """
    own_stage = stage

    def report(done: int, total: int, stage: str = "") -> None:
        fraction = first + (last - first) * (done / total if total else 1.0)
        progress(round(1000 * fraction), 1000, stage or own_stage)

    return report
