"""File > Stack images: dialog, job, result. Created by the main window, which shows what the signals say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline_core.progress import Progress
from quicklook import product_tasks
from quicklook.child_process import run_in_child
from quicklook.dialogs.stack_dialog import StackDialog
from quicklook.file_facts import FileFacts
from quicklook.jobs import Failure, JobRunner, Success
from quicklook.product_controller import ProductController
from quicklook.product_tasks import OffsetsAnswer, OffsetsQuestion
from quicklook.qt import QtWidgets, Slot
from quicklook.session import Session

if TYPE_CHECKING:
    from pipeline_core.stacking.stack import StackSummary

__all__ = ["StackController"]


_OFFSETS = "offsets of a stack"


def read_in_child(question: OffsetsQuestion, *, progress: Progress) -> OffsetsAnswer:
    """Read offsets in a child process, as HDF5 files are read. Runs in the chores lane."""
    answer: OffsetsAnswer = run_in_child(product_tasks.read_offsets, question, progress=progress)
    return answer


class StackController(ProductController):
    """Opens the dialog, has offsets read for it, and stacks written.

    Parameters
    ----------
    session, jobs, parent
        As of the base.
    chores : JobRunner
        Lane for looking into files.
    """

    noun = "stack"

    def __init__(
        self, session: Session, jobs: JobRunner, chores: JobRunner, parent: QtWidgets.QWidget
    ) -> None:
        super().__init__(session, jobs, parent)
        self._chores = chores
        chores.succeeded.connect(self._on_answer)
        chores.failed.connect(self._on_no_answer)

    def make_dialog(self, facts: FileFacts) -> QtWidgets.QDialog:
        """See the base."""
        dialog = StackDialog(
            facts,
            self._session.band,
            facts.path.parent,
            weighted=self._session.weighted,
            parent=self._parent,
        )
        dialog.offsetsWanted.connect(self._ask)
        dialog.search()
        return dialog

    @Slot(object)
    def _ask(self, question: OffsetsQuestion) -> None:
        title = f"Looking into {question.path.name}"
        # a search and what a person asks for do not replace each other
        key = f"{_OFFSETS}: {question.kind == 'search'}"
        self._chores.submit(title, read_in_child, question, key=key, newest=True)

    @Slot(object)
    def _on_answer(self, success: Success) -> None:
        if success.job.key.startswith(_OFFSETS) and self.dialog is not None:
            self.dialog.show_offsets(success.result)

    @Slot(object)
    def _on_no_answer(self, failure: Failure) -> None:
        if failure.job.key.startswith(_OFFSETS):
            if self.dialog is not None:
                question = failure.job.args[0]
                self.dialog.show_offsets(OffsetsAnswer(question, failure.text))
            if not failure.expected:
                self.bugFound.emit(failure)

    def task(self) -> Callable[..., Any]:
        """See the base."""
        return product_tasks.write_stack

    def result(self, summary: StackSummary) -> str:
        """See the base."""
        offsets = "; ".join(f"{x:.2f}, {y:.2f}" for x, y in summary.registration.offsets[1:])
        text = f"frames: {len(summary.names)}, {summary.shape[0]} × {summary.shape[1]} pixels"
        return f"{text}; offsets from the first: {offsets}" if offsets else text
