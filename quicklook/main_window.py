"""The window: puts the panes together and connects them. Knows everything, computes nothing."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from quicklook.action_table import NEEDS, TOOLS
from quicklook.actions import build_actions, build_menus, enable_actions, set_shortcuts
from quicklook.arrival import Arrival
from quicklook.assets import defaults, icon
from quicklook.attaching import AttachControl
from quicklook.calibrating import CalibrationControl
from quicklook.conversion import ConversionController
from quicklook.cubing import CubeController
from quicklook.exporting import ExportController
from quicklook.flatcalibrating import FlatController
from quicklook.frame_control import FrameControl
from quicklook.image_control import ImageControl
from quicklook.job_control import JobControl
from quicklook.jobs import Failure, Job, JobRunner
from quicklook.log_control import LogControl
from quicklook.masking import MaskController
from quicklook.movie_making import MovieController
from quicklook.night_browsing import NightBrowser
from quicklook.night_running import NightController
from quicklook.opening import OpeningController
from quicklook.panels import Panels
from quicklook.preparation import PREPARE, Preparation
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Signal, Slot
from quicklook.reads import ReadBroker
from quicklook.region_control import RegionControl
from quicklook.region_list import RegionList
from quicklook.session import Session, inside
from quicklook.settings import Settings
from quicklook.solution_viewer import SolutionViewer
from quicklook.speckle_store import SpeckleStore
from quicklook.speckling import SpeckleController
from quicklook.stack_making import StackController
from quicklook.tasks import OpenFiles
from quicklook.views.header_pane import HeaderPane
from quicklook.views.image_pane import RAW_COUNTS, ImagePane
from quicklook.views.log_pane import LogPane
from quicklook.views.pixel_card import PixelCard
from quicklook.views.plot_window import PlotWindow, PlotWindows
from quicklook.views.plots import KINDS
from quicklook.views.regions_pane import RegionsPane
from quicklook.views.timeline_pane import TimelinePane
from quicklook.wavecalibrating import WavecalController
from quicklook.widgets.facts_strip import FactsStrip
from quicklook.widgets.frame_bar import FrameBar
from quicklook.widgets.job_bar import JobBar
from quicklook.widgets.message_bar import MessageBar
from quicklook.widgets.on_screen import resize_on_screen
from quicklook.widgets.plot_controls import PlotControls
from quicklook.widgets.status_line import StatusLine

__all__ = ["SEEN_AFTER_MS", "MainWindow"]

_PATIENCE_S = 0.3
_CLOSE_AGAIN_MS = 200
SEEN_AFTER_MS = 100
"""Until then a new window has been painted for the first time."""

logger = logging.getLogger(__name__)


class MainWindow(QtWidgets.QMainWindow):
    """One window on one observation.

    Signals
    -------
    bugFound
        (title, traceback) of an error that no message explains.
    fileOpened
        An observation is on the screen.
    """

    bugFound = Signal(str, str)  # noqa: N815
    fileOpened = Signal(object)  # noqa: N815

    def __init__(self, settings: Settings, files: OpenFiles | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.session = Session(settings.bin_ms / 1e3, self)
        self.regions = RegionList(self)
        self.speckles = SpeckleStore(self)
        self.files = files or OpenFiles()
        self.reads = JobRunner("reads", self._close_files, self)
        self.chores = JobRunner("chores", parent=self)
        self.jobs = JobRunner("jobs", parent=self)
        self.nights = JobRunner("nights", parent=self)
        self.broker = ReadBroker(self.reads, self.files, self)
        self._closing = False
        self._hovered: tuple[int, int] | None = None
        self.actions_by_name = build_actions(self)
        self._build_panes()
        self.image.tools.add_actions([act and self.actions_by_name[act] for act in TOOLS])
        self._build_controllers()
        self._build_layout()
        self._connect()
        self._offer_in_strip()
        self._restore()
        self.take_file()
        self.strip.show_facts(None)
        self.image.setFocus()
        QtCore.QTimer.singleShot(SEEN_AFTER_MS, self._prepare)

    @Slot()
    def _prepare(self) -> None:
        """Load what will be needed, once the window is to be seen: its first paint would take three times as long."""
        # not in the lane of the reads: the first file need not wait for kernels to be compiled
        self.chores.submit("prepare", self.files.prepare, key="prepare")

    def _close_files(self) -> None:
        """Close every handle; called in the thread of the reads lane."""
        self.files.close_others(0)

    # --- building --------------------------------------------------------------------------------

    def _build_panes(self) -> None:
        self.strip = FactsStrip()
        self.messages = MessageBar()
        self.image = ImagePane(self.session, self.regions, self.broker.turns)
        self.controls = PlotControls()
        self.card = PixelCard(self.session)
        self.timeline = TimelinePane(self.session)
        self.region_table = RegionsPane(self.regions, self.image)
        self.frame_bar = FrameBar()
        self.header = HeaderPane(self.session)
        self.log = LogPane(self.session)
        self.bottom = QtWidgets.QTabWidget(documentMode=True)
        self.bottom.addTab(self.timeline, "Time line")
        self.bottom.addTab(self.region_table, "Regions")
        self.bottom.addTab(self.header, "Frame header")
        self.bottom.addTab(self.log, "Observing log")
        self.plot_windows = PlotWindows(self.session, self.broker)
        self.job_bar = JobBar()
        self.status = StatusLine()
        self.setStatusBar(self.status)
        self.setWindowIcon(icon("quicklook"))

    def _build_controllers(self) -> None:
        """Make what connects the panes with lanes, actions and one another."""
        self._control_files()
        self._control_images()
        self._control_calibrations()
        self._control_nights_and_speckles()
        self.panels = Panels(self)
        self.arrival = Arrival(self)

    def _control_files(self) -> None:
        """Opening, conversion, products of a file, and the jobs that make them."""
        self.opening = OpeningController(self.reads, self.files, self.settings, self)
        self.conversion = ConversionController(self.jobs, self.chores, self.settings, self)
        self.cubing = CubeController(self.session, self.jobs, self)
        self.movies = MovieController(self.session, self.jobs, self.settings, self)
        self.stacking = StackController(self.session, self.jobs, self.chores, self)
        self.preparation = Preparation(self.jobs, self)
        self.job_control = JobControl(
            (self.jobs, self.nights),
            self.conversion,
            self.preparation,
            self.opening,
            self.job_bar,
            self.messages,
            self.actions_by_name["bottom_panel"],
            self,
        )

    def _control_images(self) -> None:
        """The image, its frames and regions, the log beside it, and what is written of them."""
        self.image_control = ImageControl(
            self.session,
            self.image,
            self.controls,
            self.timeline,
            self.card,
            self.speckles,
            self.settings,
            self.actions_by_name,
            self,
        )
        self.frame_control = FrameControl(
            self.session,
            self.image,
            self.controls,
            self.frame_bar,
            self.header,
            self.bottom,
            self.actions_by_name,
            self,
        )
        self.log_control = LogControl(
            self.session, self.log, self.bottom, self.chores, self.actions_by_name, self
        )
        self.region_control = RegionControl(
            self.session, self.regions, self.image, self.region_table, self.actions_by_name, self
        )
        self.exporting = ExportController(
            self.session,
            self.image,
            self.card,
            self.regions,
            self.region_table,
            self.reads,
            self.files,
            self.settings,
            self.actions_by_name,
            self,
        )

    def _control_calibrations(self) -> None:
        """Wavelengths, flat fields and masks: made, looked at, attached and undone."""
        self.attaching = AttachControl(
            self.session,
            self.opening,
            self.reads,
            self.messages,
            self.actions_by_name,
            self,
        )
        self.calibrating = CalibrationControl(
            self.session,
            self.opening,
            self.attaching,
            self.files,
            self.reads,
            self.messages,
            self.settings,
            self.actions_by_name,
            self,
        )
        self.viewer = SolutionViewer(
            self.session,
            self.calibrating,
            self.reads,
            self.chores,
            self.actions_by_name,
            self,
        )
        self.wavecal = WavecalController(
            self.session,
            self.calibrating,
            self.viewer,
            self.files,
            self.jobs,
            self.reads,
            self.settings,
            self.actions_by_name,
            self,
        )
        self.flatcal = FlatController(
            self.session,
            self.attaching,
            self.jobs,
            self.reads,
            self.settings,
            self.actions_by_name,
            self,
        )
        self.masking = MaskController(
            self.session,
            self.opening,
            self.jobs,
            self.reads,
            self.messages,
            self.actions_by_name,
            self,
        )

    def _control_nights_and_speckles(self) -> None:
        """Whole nights, and speckle maps."""
        self.night = NightController(
            self.nights,
            self.chores,
            {
                "convert": self.open_file,
                "attach": self.open_file,
                "wavecal": self.viewer.look_at,
                "flatcal": self.flatcal.look_at,
            },
            self.settings,
            self.actions_by_name,
            self,
        )
        self.browser = NightBrowser(
            self.chores,
            self.conversion,
            self.opening,
            self.settings,
            self.actions_by_name,
            self,
        )
        self.speckling = SpeckleController(
            self.session,
            self.speckles,
            self.files,
            self.jobs,
            self.reads,
            self.chores,
            self.actions_by_name,
            self,
        )

    def _build_layout(self) -> None:
        build_menus(self.menuBar(), self.actions_by_name, self.panels.menus)
        left = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.image, 1)
        column.addWidget(self.frame_bar)
        column.addWidget(self.controls)
        self.splitter = _splitter(Qt.Orientation.Horizontal)
        for widget, stretch in ((self.panels.files, 0), (left, 1), (self.card, 1)):
            self.splitter.addWidget(widget)
            self.splitter.setStretchFactor(self.splitter.count() - 1, stretch)
        self.rows = _splitter(Qt.Orientation.Vertical)
        self.rows.addWidget(self.splitter)
        self.rows.addWidget(self.bottom)
        self.rows.setStretchFactor(0, 1)
        centre = QtWidgets.QWidget()
        layout = QtWidgets.QVBoxLayout(centre)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.strip)
        layout.addWidget(self.rows, 1)
        self.setCentralWidget(centre)
        self.messages.cover(self.strip)
        self.bottom.setCornerWidget(self.job_bar, Qt.Corner.TopRightCorner)

    def _connect(self) -> None:
        act = self.actions_by_name
        act["open"].triggered.connect(self.opening.choose)
        act["reload"].triggered.connect(self._reload)
        act["convert"].triggered.connect(self.conversion.open_dialog)
        act["bring_in"].triggered.connect(self._bring_in)
        act["export_cube"].triggered.connect(self.cubing.open_dialog)
        act["export_movie"].triggered.connect(self.movies.open_dialog)
        act["stack_images"].triggered.connect(self.stacking.open_dialog)
        act["exit"].triggered.connect(self.close)
        act["full_screen"].triggered.connect(self._toggle_full_screen)
        act["reset_layout"].triggered.connect(self._reset_layout)
        for kind in KINDS:
            act[kind].triggered.connect(partial(self._show_plot, kind))
            act[f"window_{kind}"].triggered.connect(partial(self._open_plot, kind))
        self.card.windowRequested.connect(self._open_plot)
        self.card.spectrum.bandSelected.connect(self.image_control.take_band)
        self.plot_windows.opened.connect(self._on_plot_window)
        for name in ("first", "back", "forward", "last"):
            act[f"time_{name}"].triggered.connect(partial(self._step_in_time, name))
        for pane in (self.image, self.timeline, self.header, *self.card.panes):
            self.broker.add(pane)
            pane.requested.connect(self.broker.ask)
            pane.stopRequested.connect(self.broker.stop)
        self.broker.add(self.image.preview)
        self.image.hovered.connect(self._on_hover)
        self.image.shownChanged.connect(self._show_active)
        self.image.shownChanged.connect(self._show_hovered)
        self.session.pixelChanged.connect(self._show_active)
        self.regions.changed.connect(self.update_actions)
        self.card.spectrum.changed.connect(self._show_active)
        self._connect_lanes()

    def _offer_in_strip(self) -> None:
        """Let the strip offer what belongs to each calibration."""
        offered = {
            "Wavelength": ("apply_wavecal", "compare_wavecal", "undo_wavecal"),
            "Flat field": ("apply_flatcal", "undo_flatcal"),
            "Masks": ("find_bad", "undo_mask", "undo_time_mask"),
        }
        act = self.actions_by_name
        self.strip.calibrations.offer(
            {name: [act[one] for one in some] for name, some in offered.items()}
        )

    def _connect_lanes(self) -> None:
        self.broker.bugFound.connect(self.report_bug)
        self.log_control.bugFound.connect(self.report_bug)
        self.exporting.bugFound.connect(self.report_bug)
        self.attaching.bugFound.connect(self.report_bug)
        self.calibrating.triedChanged.connect(self.update_actions)
        self.speckling.mapWanted.connect(self.image_control.show_map)
        self.speckling.studied.connect(self.card.histogram.show_study)
        self.speckles.changed.connect(self.update_actions)
        products = (self.cubing, self.movies, self.stacking, self.night, self.speckling)
        for controller in (self.wavecal, self.viewer, self.flatcal, *products):
            controller.bugFound.connect(self.report_bug)
            controller.said.connect(self.messages.show_message)
        self.masking.bugFound.connect(self.report_bug)
        self.browser.bugFound.connect(self.report_bug)
        for controller in (self.wavecal, self.flatcal, self.masking, *products):
            controller.submitted.connect(self.job_control.show_job)
        self.exporting.said.connect(self.messages.show_message)
        self.plot_windows.exportRequested.connect(self.exporting.export_plot)
        for lane in (self.jobs, self.nights):
            lane.finished.connect(self._on_job_finished)
        self.job_control.failed.connect(self.show_failure)

    def _restore(self) -> None:
        resize_on_screen(self, *defaults()["window_size"])
        self._usual_sizes()
        for widget, state in (
            (self.splitter, self.settings.splitter),
            (self.rows, self.settings.window_state),
        ):
            if not state.isEmpty():
                widget.restoreState(state)
        if not self.settings.geometry.isEmpty():
            self.restoreGeometry(self.settings.geometry)
        set_shortcuts(self.actions_by_name, self.settings.shortcuts)

    def _usual_sizes(self) -> None:
        self.splitter.setSizes([170, 560, 530])
        self.rows.setSizes([530, 160])

    # --- opening ---------------------------------------------------------------------------------

    def open_file(self, path: Path) -> Job | None:
        """Open an observation; the present one stays until the new one has been read."""
        return self.opening.open_paths([path])

    @Slot()
    def _reload(self) -> None:
        if self.session.file is not None:
            self.opening.open_paths(list(self.session.file.paths))

    @Slot()
    def _bring_in(self) -> None:
        facts = self.session.file
        if facts is not None:
            self.conversion.bring_in(facts.path)

    # --- what is shown ---------------------------------------------------------------------------

    def take_file(self) -> None:
        """Let controls, title and commands be those of the open file, or of none."""
        facts = self.session.file
        self.controls.set_file(facts)
        self.frame_control.take_file()
        self.controls.set_maps(self.speckles.names)
        title = "quicklook" if facts is None else f"{facts.path.name} - quicklook"
        self.setWindowTitle(title)
        self._on_hover(None)
        self._show_active()

    @Slot()
    def update_actions(self) -> None:
        """Enable what makes sense now."""
        facts = self.session.file
        photons = facts is not None and facts.has_photons
        enable_actions(
            self.actions_by_name,
            {
                "file": facts is not None,
                "photons": photons,
                # they are made of what is attached
                "products": photons and facts is not None and facts.trial is None,
                "times": photons or (facts is not None and facts.frames is not None),
                "frames": facts is not None and facts.frames is not None,
                "counts": facts is not None and self.image.kind == RAW_COUNTS,
                "pixel": photons and self.session.pixel is not None,
                "calibrated": photons and facts is not None and facts.is_attached,
                "wavelengths": photons and facts is not None and facts.is_attached,
                "older": facts is not None and facts.kind == "older",
                "flat": photons and facts is not None and facts.flat_attached,
                "weights": photons and facts is not None and facts.flat_calibrated,
                "masked_times": photons and facts is not None and facts.masked_s > 0,
                "marks": photons and facts is not None and bool(facts.n_masks),
                "tried": photons and self.calibrating.tried is not None,
                "region": facts is not None and bool(self.regions.regions),
                "undo": self.regions.can_undo,
                "speckles": bool(self.speckles.names),
                "speckles_ip": "ip" in self.speckles.names,
                "speckles_done": self.speckles.maps is not None,
            },
        )

    @Slot()
    def _show_active(self) -> None:
        facts, pixel = self.session.file, self.session.pixel
        value = self.image.value_at(pixel) if pixel is not None else ("", "")
        self.status.show_active(facts, pixel, value, self._mean_of(pixel))
        self.update_actions()

    def _mean_of(self, pixel: tuple[int, int] | None) -> str:
        """Return the mean phase or wavelength of a pixel, if the spectrum on the screen is its and of these counts."""
        shown = self.card.spectrum.shown
        if shown is None or shown.request.pixels != (pixel,) or shown.data.mean != shown.data.mean:
            return ""
        counts = self.image.counts if self.image.kind == RAW_COUNTS else None
        if counts is not None and counts.request.ranges != shown.request.ranges:
            return ""
        return f"mean {shown.data.quantity} {shown.data.mean:.1f} {shown.data.unit}"

    @Slot(object)
    def _on_hover(self, pixel: tuple[int, int] | None) -> None:
        self._hovered = pixel
        self._show_hovered()

    @Slot()
    def _show_hovered(self) -> None:
        """Say what the image that is shown now has under the mouse."""
        facts, pixel = self.session.file, self._hovered
        if pixel is not None and (facts is None or not inside(pixel, facts.shape)):
            pixel = None  # of the file before
        value = self.image.value_at(pixel) if pixel is not None else ("", "")
        self.status.show_hovered(facts, pixel, value)

    def _step_in_time(self, step: str, _checked: bool = False) -> None:
        self.frame_control.stepper(step)

    def _show_plot(self, kind: str, _checked: bool = False) -> None:
        """Show a plot in the card; one that has no place there in a window of its own."""
        panes = {pane.kind: pane for pane in self.card.panes}
        if kind in panes:
            panes[kind].show()
            panes[kind].plot.setFocus()
        else:
            self._open_plot(kind)

    def _open_plot(self, kind: str, _checked: bool = False) -> None:
        if self.session.file is None:
            self.messages.show_message("info", NEEDS["photons"])
        else:
            self.plot_windows.open(kind)

    @Slot(object)
    def _on_plot_window(self, window: PlotWindow) -> None:
        """Let a span that is marked in the new window count for the whole program."""
        for name, take in (
            ("timeSpanSelected", self.image_control.take_span),
            ("bandSelected", self.image_control.take_band),
        ):
            if hasattr(window.pane, name):
                getattr(window.pane, name).connect(take)

    @Slot()
    def _reset_layout(self) -> None:
        self.card.reset_layout()
        self.panels.show_all()
        self._usual_sizes()

    @Slot()
    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    # --- trouble ---------------------------------------------------------------------------------

    def show_failure(self, path: Path, verb: str, failure: Failure) -> None:
        """Show expected trouble in the window, and a bug in a dialog."""
        what = f"{path} was not {verb}."
        if failure.expected:
            text = str(failure.error)
            self.messages.show_message("error", text if path.name in text else f"{what} {text}")
        else:
            self.messages.show_message("error", f"{what} {failure.text}")
            self.report_bug(failure)

    @Slot(object)
    def report_bug(self, failure: Failure) -> None:
        """Tell of an error that no message explains."""
        self.bugFound.emit(f"{failure.job.title}: {failure.error!r}", failure.traceback_text)

    # --- closing ---------------------------------------------------------------------------------

    def closeEvent(self, event: QtGui.QCloseEvent | None) -> None:
        """Ask if something is not finished or not saved; then end the lanes, and only then go."""
        assert event is not None
        busy = [job for job in self._work if job.key != PREPARE]
        if (busy or self.viewer.unsaved) and not self._closing:
            event.ignore()
            self._ask_before_closing(busy, self.viewer.unsaved)
            return
        self._closing = True
        self.plot_windows.close_all()
        results = (self.wavecal, self.viewer, self.flatcal, self.masking)
        for controller in (*results, self.night, self.browser, self.speckling):
            controller.close()
        self.panels.close_all()
        lanes = (self.jobs, self.nights, self.chores, self.reads)
        for lane in lanes:
            lane.cancel_all()
        stopped = [lane.shutdown(_PATIENCE_S) for lane in lanes]
        if not all(stopped):
            # what runs cannot be stopped at once (the first start compiles its kernels): go without it
            event.ignore()
            self.hide()
            QtCore.QTimer.singleShot(_CLOSE_AGAIN_MS, self.close)
            return
        self._save_preferences()
        event.accept()

    def _save_preferences(self) -> None:
        self.settings.geometry = self.saveGeometry()
        self.settings.splitter = self.splitter.saveState()
        self.settings.window_state = self.rows.saveState()
        self.settings.bin_ms = 1e3 * self.session.bin_s
        self.settings.sync()

    def _ask_before_closing(self, busy: list[Job], unsaved: list[str]) -> None:
        titles = "; ".join(job.title for job in busy)
        text = f"Not finished: {titles}. If it is stopped, nothing half-written is left behind."
        lost = f"Changed by hand and not saved: {', '.join(unsaved)}."
        self.messages.show_message(
            "warning",
            " ".join(sentence for sentence, due in ((text, busy), (lost, unsaved)) if due),
            ("Stop it and exit" if busy else "Exit without saving", self.stop_and_close),
            ("Keep working", lambda: None),
        )

    @Slot()
    def _on_job_finished(self) -> None:
        """Go on with closing, if that waited for the job."""
        if self._closing and not self._work:
            self.close()

    def stop_and_close(self) -> None:
        """Close the window without asking, as soon as the jobs have stopped."""
        self._closing = True
        self.speckling.give_up()
        self.night.give_up()
        for lane in (self.jobs, self.nights):
            lane.cancel_all()
        if not self._work:
            self.close()

    @property
    def _work(self) -> list[Job]:
        """What is not finished yet."""
        return [*self.jobs.jobs, *self.nights.jobs]


def _splitter(orientation: Qt.Orientation) -> QtWidgets.QSplitter:
    splitter = QtWidgets.QSplitter(orientation)
    splitter.setChildrenCollapsible(False)
    splitter.setHandleWidth(6)
    return splitter
