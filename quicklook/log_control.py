"""Observing logs: found beside the data or chosen by hand, read in the background, shown for what is on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quicklook.giving_way import giving_way
from quicklook.jobs import Failure, JobRunner, Success
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.views.log_pane import LogPane

__all__ = ["LogControl", "find_logs", "read_chosen_logs"]

_FOUND, _CHOSEN = "find logs", "read logs"
_FILTERS = "Logs (*.json *.jsonl *.log *.txt *.cfg);;All files (*)"


def find_logs(place: Path, start: float, stop: float, *, progress: Any) -> Any:
    """Return the `NightLogs` that lie beside the data; called in a worker."""
    from pipeline_core.nightlogs.reading import logs_beside

    return logs_beside(place, start, stop, giving_way(progress))


def read_chosen_logs(paths: tuple[Path, ...], *, progress: Any) -> Any:
    """Return the `NightLogs` of chosen files; called in a worker."""
    from pipeline_core.nightlogs.reading import read_logs

    return read_logs(paths, giving_way(progress))


class LogControl(QtCore.QObject):
    """Logs that were chosen by hand stay until others are chosen, or those beside the data are wanted again.

    Signals
    -------
    bugFound
        A `Failure` that no message explains.
    """

    bugFound = Signal(object)  # noqa: N815

    def __init__(
        self,
        session: Session,
        pane: LogPane,
        tabs: QtWidgets.QTabWidget,
        lane: JobRunner,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtWidgets.QWidget,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._pane = pane
        self._tabs = tabs
        self._lane = lane
        self._parent = parent
        self._chosen: Any = None
        self._folder = ""
        self._panel = actions["bottom_panel"]
        actions["open_log"].triggered.connect(self.choose)
        actions["show_log"].triggered.connect(self.show_panel)
        pane.openWanted.connect(self.choose)
        pane.automaticWanted.connect(self._look_beside)
        session.fileChanged.connect(self._on_file)
        session.timeRangeChanged.connect(self._show)
        session.frameChanged.connect(self._show)
        lane.succeeded.connect(self._on_success)
        lane.failed.connect(self._on_failure)

    @property
    def second(self) -> float | None:
        """The second on the screen [unix s]: when the frame or the time range begins; None if it is not known."""
        facts = self._session.file
        if facts is None:
            return None
        if facts.frames is not None and self._session.frame is not None:
            return facts.frames.second(self._session.frame)
        return facts.start_unix + self._session.time_range[0] if facts.start_unix else None

    @Slot()
    def choose(self) -> None:
        """Let the person choose logs; Cancel changes nothing."""
        facts = self._session.file
        folder = self._folder or ("" if facts is None else str(facts.path.absolute().parent))
        chosen, _ = QtWidgets.QFileDialog.getOpenFileNames(
            self._parent, "Open observing log or dither log", folder, _FILTERS
        )
        if chosen:
            self._folder = str(Path(chosen[0]).parent)
            self.open_paths(tuple(Path(name) for name in chosen))

    def open_paths(self, paths: tuple[Path, ...]) -> None:
        """Read these logs instead of those beside the data."""
        self.show_panel()
        self._lane.submit(f"read {paths[0]}", read_chosen_logs, paths, key=_CHOSEN, newest=True)

    @Slot()
    def show_panel(self) -> None:
        """Bring the log to the front."""
        self._panel.setChecked(True)
        self._tabs.setCurrentWidget(self._pane)

    @Slot()
    def _on_file(self) -> None:
        if self._session.file is None:
            self._pane.show_nothing()
        elif self._chosen is not None:
            self._show()
        else:
            self._look_beside()

    @Slot()
    def _look_beside(self) -> None:
        self._chosen = None
        facts = self._session.file
        self._pane.show_nothing()
        if facts is None:
            return
        self._pane.show_placeholder("Looking for logs beside the data…")
        known = facts.start_unix > 0
        stop = (
            facts.start_unix + facts.exposure_s if known else float("inf")
        )  # then any night may be it
        self._lane.submit(
            f"look for logs of {facts.path}",
            find_logs,
            facts.path,
            float(facts.start_unix),
            stop,
            key=_FOUND,
            newest=True,
        )

    @Slot()
    def _show(self) -> None:
        logs = self._chosen if self._chosen is not None else self._pane.logs
        if logs is not None:
            self._pane.show_logs(logs, self.second, by_hand=self._chosen is not None)

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if success.job.key == _CHOSEN:
            self._chosen = success.result
            self._show()
        elif success.job.key == _FOUND and self._chosen is None:
            facts = self._session.file
            if facts is not None and success.job.args[0] == facts.path:
                self._pane.show_logs(success.result, self.second, by_hand=False)

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        if failure.job.key not in (_FOUND, _CHOSEN):
            return
        self._pane.show_error(failure.text)
        if not failure.expected:
            self.bugFound.emit(failure)
