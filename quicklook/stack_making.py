"""File > Stack images: dialog, job, result. Created by the main window, which shows what the signals say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from quicklook import product_tasks
from quicklook.dialogs.stack_dialog import StackDialog
from quicklook.product_controller import ProductController
from quicklook.qt import QtWidgets
from quicklook.tasks import FileFacts

if TYPE_CHECKING:
    from pipeline_core.stacking.stack import StackSummary

__all__ = ["StackController"]


class StackController(ProductController):
    """Opens the dialog and has stacks written."""

    noun = "stack"

    def make_dialog(self, facts: FileFacts) -> QtWidgets.QDialog:
        """See the base."""
        return StackDialog(
            facts,
            self._session.band,
            facts.path.parent,
            weighted=self._session.weighted,
            parent=self._parent,
        )

    def task(self) -> Callable[..., Any]:
        """See the base."""
        return product_tasks.write_stack

    def result(self, summary: StackSummary) -> str:
        """See the base."""
        offsets = "; ".join(f"{x:.2f}, {y:.2f}" for x, y in summary.registration.offsets[1:])
        text = f"frames: {len(summary.names)}, {summary.shape[0]} × {summary.shape[1]} pixels"
        return f"{text}; offsets from the first: {offsets}" if offsets else text
