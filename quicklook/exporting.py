"""Writing what is on the screen to files, and copying it as Python. Created by the main window."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline_core.errors import PipelineError
from pipeline_core.progress import Progress
from quicklook import exports, python_snippets
from quicklook.exports import DataExport, ExportItem, PictureExport, State
from quicklook.jobs import Failure, Job, JobRunner, Success
from quicklook.qt import QtCore, QtWidgets, Signal, Slot
from quicklook.region_list import RegionList
from quicklook.session import Session
from quicklook.settings import Settings
from quicklook.tasks import OpenFiles
from quicklook.views.image_pane import PREVIEW, RAW_COUNTS, SPECKLES, ImagePane
from quicklook.views.pixel_card import PixelCard
from quicklook.views.plot_pane import PlotPane
from quicklook.views.regions_pane import RegionsPane

__all__ = ["ExportController"]

_ACTIONS = {
    "export_image": exports.IMAGE,
    "export_light_curve": "light_curve",
    "export_histogram": "histogram",
    "export_spectrum": "spectrum",
    "export_regions": exports.REGIONS,
    "export_window": exports.WINDOW,
}
_KEY = "export"


def _write(files: OpenFiles, export: DataExport | PictureExport, *, progress: Progress) -> Path:
    """Write in the reads lane, with the file that the numbers are of."""
    handle = files.handle(export.token) if isinstance(export, DataExport) else None
    return exports.write(export, handle, progress=progress)


class ExportController(QtCore.QObject):
    """Asks where to, takes what is on the screen, and lets the reads lane write it.

    Signals
    -------
    said
        (kind, text) for the message line.
    bugFound
        A `Failure` that no message explains.
    """

    said = Signal(str, str)
    bugFound = Signal(object)  # noqa: N815

    def __init__(
        self,
        session: Session,
        image: ImagePane,
        card: PixelCard,
        regions: RegionList,
        table: RegionsPane,
        lane: JobRunner,
        files: OpenFiles,
        settings: Settings,
        actions: Mapping[str, QtWidgets.QAction],
        parent: QtWidgets.QWidget,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._image = image
        self._card = card
        self._regions = regions
        self._table = table
        self._lane = lane
        self._files = files
        self._settings = settings
        self._parent = parent
        for name, what in _ACTIONS.items():
            actions[name].triggered.connect(partial(self._on_action, what))
        actions["copy_python"].triggered.connect(self.copy_python)
        table.exportRequested.connect(partial(self._on_action, exports.REGIONS, False))
        lane.succeeded.connect(self._on_success)
        lane.failed.connect(self._on_failure)
        lane.cancelled.connect(self._on_cancelled)

    def _on_action(self, what: str, _checked: bool) -> None:
        self.export(what)

    @Slot(object)
    def export_plot(self, pane: PlotPane) -> None:
        """Write the plot of a window of its own."""
        self.export(pane.name, (pane,))

    def export(self, what: str, others: tuple[PlotPane, ...] = ()) -> None:
        """Ask for a path and write 'image', 'regions', 'window' or the plot of that name."""
        state = self._state(others)
        item = {item.what: item for item in exports.export_choices(state)}[what]
        if item.why_not:
            self.said.emit("info", f"{item.title}: {item.why_not}")
            return
        path, overwrite = self._ask_for_path(item, state)
        if path is None:
            return
        if self._session.file is not state.facts:  # opened while the dialog was there
            self.said.emit("info", f"{path.name} was not written: a file was opened meanwhile.")
            return
        self._settings.export_folder = str(path.parent)
        try:
            prepared = exports.prepare(item, state, path, overwrite=overwrite)
        except PipelineError as error:
            self.said.emit("error", str(error))
            return
        self._lane.submit(f"write {path}", _write, self._files, prepared, key=_KEY)

    def _ask_for_path(self, item: ExportItem, state: State) -> tuple[Path | None, bool]:
        """Return a path, and whether the person has agreed to replace what is there."""
        folder = Path(self._settings.export_folder or self._settings.photon_folder or ".")
        proposed = exports.suggest_path(item, state, folder)
        chosen, chosen_filter = QtWidgets.QFileDialog.getSaveFileName(
            self._parent, f"Export {item.title.lower()}", str(proposed), item.filters
        )
        if not chosen:
            return None, False
        path = exports.with_ending(Path(chosen), item, chosen_filter)
        return path, str(path) == chosen  # the dialog has asked for that name only

    def _state(self, others: tuple[PlotPane, ...]) -> State:
        rows: list[tuple[str, str, Any]] = []
        for region in self._regions.regions:
            found = self._table.statistics.get(region.number)
            if found is not None:
                rows.append((region.name, region.shape.label, found))
        return State(
            self._session.file,
            self._image,
            (*self._card.panes, *others),
            rows,
            self._parent,
        )

    @Slot()
    def copy_python(self) -> None:
        """Put a script on the clipboard that computes what is on the screen."""
        facts = self._session.file
        if facts is None:
            return
        counts = self._image.counts if self._image.kind in (RAW_COUNTS, PREVIEW) else None
        shown_map = self._image.map if self._image.kind == SPECKLES else None
        if shown_map is not None:
            what = (shown_map.settings, shown_map.name, shown_map.step)
            parts = [python_snippets.speckle_snippet(facts, *what, facts.beammap)]
        elif counts is None:
            parts = [python_snippets.flags_snippet(facts, facts.beammap)]
        else:
            parts = [python_snippets.image_snippet(facts, counts.request, facts.beammap)]
            named = [(region.name, region.shape) for region in self._regions.regions]
            if named:
                parts.append(
                    python_snippets.regions_snippet(facts, counts.request, named, facts.beammap)
                )
        shown = [pane for pane in self._card.panes if pane.shown is not None and pane.isVisible()]
        for pane in shown:
            assert pane.shown is not None
            parts.append(python_snippets.plot_snippet(facts, pane.shown.request, facts.beammap))
        QtWidgets.QApplication.clipboard().setText("\n\n".join(parts))
        plots = f" and {len(shown)} plots" if shown else ""
        self.said.emit("success", f"Copied: a Python script that computes the image{plots}.")

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if success.job.key == _KEY:
            self.said.emit("success", f"Written: {success.result}")

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        if failure.job.key != _KEY:
            return
        if failure.expected:
            self.said.emit("error", str(failure.error))
        else:
            self.said.emit("error", f"Nothing was written. {failure.text}")
            self.bugFound.emit(failure)

    @Slot(object)
    def _on_cancelled(self, job: Job) -> None:
        if job.key == _KEY:
            path = job.args[1].path
            self.said.emit("info", f"{path.name} was not written: its file was closed before.")
