"""File > Export cube: dialog, job, result. Created by the main window, which shows what the signals say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from quicklook import background_tasks
from quicklook.dialogs.cube_dialog import CubeDialog
from quicklook.file_facts import FileFacts
from quicklook.product_controller import ProductController
from quicklook.qt import QtWidgets

if TYPE_CHECKING:
    from pipeline_core.cube_products import CubeSummary

__all__ = ["CubeController"]


class CubeController(ProductController):
    """Opens the dialog and has cubes written."""

    noun = "cube"

    def make_dialog(self, facts: FileFacts) -> QtWidgets.QDialog:
        """See the base."""
        return CubeDialog(
            facts,
            self._session.time_range,
            facts.path.parent,
            weighted=self._session.weighted,
            parent=self._parent,
        )

    def task(self) -> Callable[..., Any]:
        """See the base."""
        return background_tasks.write_cube

    def result(self, summary: CubeSummary) -> str:
        """See the base."""
        total = f"sum {summary.total:,.6g} {summary.unit}"
        return f"wavelength bins: {summary.n_band}, time bins: {summary.n_time}; {total}"
