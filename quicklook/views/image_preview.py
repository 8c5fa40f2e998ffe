"""A first picture of the counts, about right, while those of a long file are read; made and owned by the image pane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from quicklook.file_facts import FileFacts
from quicklook.qt import QtCore, Slot
from quicklook.requests import CountsRequest, CountsResult, PreviewRequest

__all__ = ["ImagePreview"]

PATIENCE_MS = 300
_FROM_PHOTONS = 20_000_000
"""Fewer are counted before anybody would see a preview."""


class ImagePreview(QtCore.QObject):
    """Shown only where counting takes a while, so that the image does not flicker.

    Parameters
    ----------
    show : callable
        Draws a `CountsResult` that is a preview.

    Attributes
    ----------
    name : str
        Key of its requests: the lane's broker serves it like a pane.
    """

    name = "image preview"

    def __init__(
        self, show: Callable[[CountsResult], None], parent: QtCore.QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._show = show
        self._patience = QtCore.QTimer(self, singleShot=True, interval=PATIENCE_MS)
        self._patience.timeout.connect(self.want)
        self._asked: PreviewRequest | None = None
        self._found: CountsResult | None = None
        self._wanted = False

    def request_for(self, request: CountsRequest, facts: FileFacts) -> PreviewRequest | None:
        """Return what to ask before `request`, None where it is not worth it or summaries cannot tell it."""
        self.forget()
        if request.weighted or request.frame is not None or facts.n_photons < _FROM_PHOTONS:
            return None
        asked = {field.name: getattr(request, field.name) for field in fields(request)}
        self._asked = PreviewRequest(**(asked | {"pane": self.name}))
        self._patience.start()
        return self._asked

    def show_result(self, result: object) -> None:
        """Take the answer; None where summaries cannot tell it."""
        if isinstance(result, CountsResult) and result.request == self._asked:
            self._found = result
            self._show_if_wanted()

    def show_error(self, message: str) -> None:
        """Leave the saying to the pane itself, which fails in the same way."""

    @Slot()
    def want(self) -> None:
        """Show it now, or as soon as it comes."""
        self._wanted = True
        self._show_if_wanted()

    def forget(self) -> None:
        """Show nothing any more of what was asked for."""
        self._patience.stop()
        self._asked = self._found = None
        self._wanted = False

    def _show_if_wanted(self) -> None:
        if self._wanted and self._found is not None:
            found, self._found = self._found, None
            self._show(found)
