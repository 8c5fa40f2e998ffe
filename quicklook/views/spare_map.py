"""A map that is made in advance: a window of results is on the screen in half the time."""

from __future__ import annotations

from quicklook.qt import QtWidgets
from quicklook.views.solution_map import SolutionMap

__all__ = ["make_spare_map", "new_map"]

_spare: list[SolutionMap] = []


def make_spare_map(owner: QtWidgets.QWidget) -> None:
    """Make a map unless there is one already. It waits, hidden, as a child of `owner`, and ends with it."""
    if not _spare:
        spare = SolutionMap()
        spare.setParent(owner)  # hidden: it was never shown
        spare.destroyed.connect(_spare.clear)
        _spare.append(spare)


def new_map() -> SolutionMap:
    """Return a map that is in no window: the spare one, if there is one."""
    if not _spare:
        return SolutionMap()
    spare = _spare.pop()
    spare.destroyed.disconnect(_spare.clear)
    return spare
