"""File > Export movie: dialog, job, result. Created by the main window, which shows what the signals say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from quicklook import product_tasks
from quicklook.dialogs.movie_dialog import MovieDialog
from quicklook.file_facts import FileFacts
from quicklook.jobs import JobRunner
from quicklook.product_controller import ProductController
from quicklook.qt import QtWidgets
from quicklook.session import Session
from quicklook.settings import Settings

if TYPE_CHECKING:
    from pipeline_core.movies import MovieSummary

__all__ = ["MovieController"]


class MovieController(ProductController):
    """Opens the dialog and has movies written."""

    noun = "movie"

    def __init__(
        self, session: Session, jobs: JobRunner, settings: Settings, parent: QtWidgets.QWidget
    ) -> None:
        super().__init__(session, jobs, parent)
        self._settings = settings

    def make_dialog(self, facts: FileFacts) -> QtWidgets.QDialog:
        """See the base."""
        return MovieDialog(
            facts,
            self._session.time_range,
            self._session.band,
            self._settings.display,
            facts.path.parent,
            weighted=self._session.weighted,
            parent=self._parent,
        )

    def task(self) -> Callable[..., Any]:
        """See the base."""
        return product_tasks.write_movie

    def result(self, summary: MovieSummary) -> str:
        """See the base."""
        low, high = summary.limits
        return (
            f"frames: {summary.n_frames}, {summary.size[0]} × {summary.size[1]} pixels; colours from {low:,.4g} to "
            f"{high:,.4g} counts/s"
        )
