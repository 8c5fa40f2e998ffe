"""Which wavelength solution to use for the open file: choosing one, trying it out, comparing.

Created by the main window.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from quicklook.attaching import AttachControl
from quicklook.dialogs.solutions_dialog import SolutionsDialog
from quicklook.jobs import Failure, JobRunner, Success
from quicklook.opening import OpeningController
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.session import Session
from quicklook.settings import Settings
from quicklook.tasks import OpenFiles
from quicklook.wavecal_tasks import look_for_solutions
from quicklook.widgets.bring_to_front import bring_to_front
from quicklook.widgets.message_bar import MessageBar

__all__ = ["CalibrationControl"]

_SEARCH = "search solutions"
_SOLUTIONS = "Solutions (*.h5);;All files (*)"


class CalibrationControl(QtCore.QObject):
    """Calibrate > Apply wavelength solution, Compare.

    Signals
    -------
    lookRequested
        Path of a solution that is to be looked at.
    triedChanged
        Another solution can be compared with what is attached, or none: `tried`.
    """

    lookRequested = Signal(object)  # noqa: N815
    triedChanged = Signal()  # noqa: N815

    def __init__(
        self,
        session: Session,
        opening: OpeningController,
        attaching: AttachControl,
        files: OpenFiles,
        lane: JobRunner,
        messages: MessageBar,
        settings: Settings,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtWidgets.QWidget,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._opening = opening
        self._attaching = attaching
        self._files = files
        self._lane = lane
        self._messages = messages
        self._settings = settings
        self._parent = parent
        self._tried: tuple[Path, Path] | None = None
        self._of: Path | None = None
        self.dialog: SolutionsDialog | None = None
        actions["apply_wavecal"].triggered.connect(self.choose_solution)
        actions["compare_wavecal"].triggered.connect(self.compare)
        session.fileChanged.connect(self._on_file)
        lane.succeeded.connect(self._on_success)
        lane.failed.connect(self._on_failure)

    # --- choosing --------------------------------------------------------------------------------

    @Slot()
    def choose_solution(self) -> None:
        """Show which solutions there are, the nearest in time first; the window stays usable."""
        facts = self._session.file
        if facts is None:
            return
        if self.dialog is None:
            self.dialog = SolutionsDialog(self._parent)
            self.dialog.applyRequested.connect(self.attach)
            self.dialog.tryRequested.connect(self.try_out)
            self.dialog.lookRequested.connect(self.lookRequested)
            self.dialog.otherRequested.connect(self._choose_other)
        self._of = facts.path
        self.dialog.show_searching(facts.path.name)
        self._lane.submit(
            "look for solutions",
            look_for_solutions,
            self._files,
            facts.token,
            self.folders(),
            key=_SEARCH,
            newest=True,
        )
        bring_to_front(self.dialog)

    def folders(self) -> tuple[Path, ...]:
        """Return where solutions are looked for: beside the open file, and where the last one was written."""
        facts = self._session.file
        beside = () if facts is None else (facts.path.absolute().parent,)
        last = self._settings.solution_folder
        return tuple(dict.fromkeys((*beside, *((Path(last),) if last else ()))))

    @Slot()
    def _choose_other(self) -> None:
        facts = self._session.file
        if facts is None:
            return
        folder = str(facts.path.absolute().parent)
        chosen, _ = QtWidgets.QFileDialog.getOpenFileName(
            self._parent, "Apply wavelength solution", folder, _SOLUTIONS
        )
        if chosen:
            if self.dialog is not None:
                self.dialog.accept()
            self._settings.solution_folder = str(Path(chosen).parent)
            self._attaching.attach(Path(chosen), path=facts.path)

    @Slot()
    def _on_file(self) -> None:
        """Close the list of solutions for another file: they would be applied to this one."""
        facts = self._session.file
        if self.dialog is not None and (facts is None or facts.path != self._of):
            self.dialog.reject()

    # --- trying ----------------------------------------------------------------------------------

    @Slot(object)
    def attach(self, solution: Path) -> None:
        """Attach a solution to the open file."""
        self._attaching.attach(solution)

    @Slot(object)
    def try_out(self, solution: Path) -> None:
        """Read the open file with a solution that is not attached."""
        facts = self._session.file
        if facts is None:
            return
        self._tried = (facts.path, solution)
        self._opening.open_paths([facts.path], trial=solution)
        self.triedChanged.emit()

    @property
    def tried(self) -> Path | None:
        """The solution that was tried last on the open file."""
        facts = self._session.file
        if facts is None or self._tried is None or self._tried[0] != facts.path:
            return None
        return self._tried[1]

    @Slot()
    def compare(self) -> None:
        """Swap between the solution on trial and what is attached: the same photons."""
        facts, tried = self._session.file, self.tried
        if facts is not None and tried is not None:
            self._opening.open_paths([facts.path], trial=None if facts.trial else tried)

    # --- answers ---------------------------------------------------------------------------------

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if success.job.key == _SEARCH and self.dialog is not None:
            self.dialog.show_solutions(success.result, success.job.args[2])

    @Slot()
    def say_what_is_tried(self) -> None:
        """Say it once the file is on the screen again."""
        facts = self._session.file
        self.triedChanged.emit()
        if facts is not None and facts.trial is not None:
            solution = facts.trial
            self._messages.show_message(
                "info",
                f"{facts.path.name} with {solution.name} on trial: nothing is attached.",
                ("Apply it", lambda: self.attach(solution)),
                ("Compare (A/B)", self.compare),
            )
        elif self.tried is not None and facts:
            self._messages.show_message(
                "info",
                f"{facts.path.name} as it is, without {self.tried.name}.",
                ("Compare (A/B)", self.compare),
            )

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        if failure.job.key == _SEARCH and self.dialog is not None:
            self.dialog.show_failure(f"Solutions cannot be looked for: {failure.error}")
