"""What the plots of a pixel or region share: what they ask for, and that they never show what is stale."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from quicklook import theme
from quicklook.assets import icon
from quicklook.qt import Qt, QtGui, QtWidgets, Signal, Slot, pg
from quicklook.requests import PixelRequest, PlotResult
from quicklook.session import Session, Target
from quicklook.views.axes import faint, new_plot
from quicklook.views.pane import ElidedLabel, Pane

__all__ = ["NO_PHOTONS", "Columns", "Home", "PlotPane"]

Columns = dict[str, tuple[str, Any]]
"""Name of a column -> (unit, ndarray)."""

_BUTTONS_AT = 3  # in the title line, after title, "reading…" and detail
NO_PHOTONS = "No photons in these ranges"
_FIGURES_FROM_HEIGHT = 190
"""A lower pane has no room for a line of figures: the title line has them then, as far as they fit."""


@dataclass(frozen=True)
class Home:
    """What a plot in a window of its own shows instead of what the session says.

    Attributes
    ----------
    path : Path
        The file that it belongs to.
    bin_s : float
        Its own effective exposure time [s].
    target : Target, optional
        What it is pinned to; None: it follows the active pixel.
    """

    path: Path
    bin_s: float
    target: Target | None = None


class PlotPane(Pane):
    """A plot of what the session's target is: asks anew whenever what it depends on changes.

    Signals
    -------
    shownOrHidden
        The pane appeared or went.
    windowRequested
        The same plot is wanted in a window of its own: the pane's `kind`.
    changed
        Another picture, text or target is on the screen.

    Attributes
    ----------
    shown : PlotResult or None
        What is drawn.
    home : Home or None
        None for a plot in the main window, which follows the session in everything.
    """

    shownOrHidden = Signal()  # noqa: N815
    windowRequested = Signal(str)  # noqa: N815
    changed = Signal()

    kind: ClassVar[str] = ""
    title: ClassVar[str] = ""
    request_type: ClassVar[type[PixelRequest]] = PixelRequest
    uses_bin: ClassVar[bool] = False
    """Whether the effective exposure time matters to this plot."""
    uses_weights: ClassVar[bool] = False
    """Whether photons can count with their flat-field weights in this plot."""
    log_at_first: ClassVar[bool] = False

    def __init__(
        self, session: Session, name: str = "", home: Home | None = None, **axes: pg.AxisItem
    ) -> None:
        super().__init__(name or self.kind, self.title, session, closable=home is None)
        self.home = home
        self.shown: PlotResult | None = None
        self._notes = ""
        self.plot = new_plot(**axes)
        self._build()
        self.add_items()
        self.restyle()
        self.setMinimumHeight(self.minimumSizeHint().height())  # without the line of figures
        self.log.setChecked(self.log_at_first)
        theme.notifier.changed.connect(self.restyle)
        session.fileChanged.connect(self._on_file)
        session.targetChanged.connect(self.refresh)
        session.timeRangeChanged.connect(self.refresh)
        session.bandChanged.connect(self.refresh)
        if self.uses_bin:
            session.binChanged.connect(self.refresh)
        if self.uses_weights:
            session.weightedChanged.connect(self.refresh)
        self.refresh()

    def _build(self) -> None:
        self.figures = ElidedLabel(objectName="paneDetail")
        self.figures.hide()
        self._veil = _Veil()
        content = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(content)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        grid.addWidget(self.figures, 0, 0)
        grid.addWidget(self.plot, 1, 0)
        grid.addWidget(self._veil, 1, 0)
        self._veil.hide()
        self._busy_timer.timeout.connect(self._veil.show)
        self.set_content(content)
        if self.home is None:
            out = tool_button("", f"{self.title} in a window of its own", "window")
            out.clicked.connect(self._ask_for_window)
            self.add_button(out)
        self.log = tool_button("log y", f"Logarithmic vertical axis of the {self.title.lower()}")
        self.log.setCheckable(True)
        self.log.toggled.connect(self._on_log)
        self.add_button(self.log)
        self.plot.doubleClicked.connect(self.show_all)

    def add_button(self, button: QtWidgets.QWidget) -> None:
        """Put a control into the title line, left of those that are there already."""
        self.header.insertWidget(_BUTTONS_AT, button)

    # --- what kinds of plots do differently ------------------------------------------------------

    def add_items(self) -> None:
        """Put curves and controls into the plot; called once."""
        raise NotImplementedError

    @Slot()
    def restyle(self) -> None:
        """Take the colours of the theme."""
        raise NotImplementedError

    def draw(self, result: PlotResult) -> None:
        """Put an answer into the plot, and its figures into the lines above."""
        raise NotImplementedError

    def is_empty(self, result: PlotResult) -> bool:
        """Whether no photon is in the plot: its axes would leave the person in doubt."""
        return not result.data.counts.any()

    @Slot()
    def show_all(self) -> None:
        """Show the whole of what is drawn again, after a zoom."""
        if self.shown is not None:
            self.draw(self.shown)

    def export_columns(self) -> tuple[str, Columns]:
        """Return a name and the columns of what is drawn ({} while there is nothing)."""
        raise NotImplementedError

    # --- what is wanted --------------------------------------------------------------------------

    @property
    def target(self) -> Target | None:
        """What the plot is to be of."""
        pinned = self.home.target if self.home else None
        return pinned or self.session.target

    @property
    def is_at_home(self) -> bool:
        """Whether the open file is the one that the plot belongs to."""
        facts = self.session.file
        return self.home is None or (facts is not None and facts.path == self.home.path)

    def set_home(self, home: Home) -> None:
        """Use another exposure time, pin or unpin."""
        self.home = home
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Ask for what is wanted, or say why there is nothing to ask for."""
        if not self.is_at_home:
            return  # what is drawn stays true: it is of the file that it belongs to
        wanted = self._wanted()
        if wanted is None:
            self.stopRequested.emit(
                self.name
            )  # an answer on its way is not of what is wanted any more
            self.shown = None
            self.show_placeholder(self._why_nothing())
        elif self.home is None and self.isHidden():
            self._forget()
        else:
            if self.shown is None:
                self.show_placeholder("Reading…")
            self.ask(wanted)
        self.changed.emit()

    def on_stopped(self) -> None:
        """Take away a plot that is not of what was asked for."""
        self.shown = None
        self.show_placeholder("Stopped. Click a pixel or change a range to read again.")
        self.changed.emit()

    def _wanted(self) -> PixelRequest | None:
        facts, target = self.session.file, self.target
        if facts is None or target is None or not facts.has_photons:
            return None
        if not all(x < facts.shape[0] and y < facts.shape[1] for x, y in target.pixels):
            return None  # pinned, and the file was written anew with fewer pixels
        start_s, stop_s = self.session.time_range
        low, high = self.session.band
        bin_s = self.home.bin_s if self.home else self.session.bin_s
        return self.request_type(
            pane=self.name,
            token=facts.token,
            start_s=start_s,
            stop_s=stop_s,
            low=low,
            high=high,
            weighted=self.uses_weights and self.session.weighted,
            pixels=target.pixels,
            label=target.label,
            **({"bin_s": bin_s} if self.uses_bin else {}),
        )

    def _why_nothing(self) -> str:
        facts, target = self.session.file, self.target
        if facts is None:
            return "Open a photon file, then click a pixel in the image."
        if not facts.has_photons:
            return f"{facts.path.name} has no photons to plot. {facts.why_no_photons}."
        if target is None:
            return "Click a pixel in the image."
        return f"{facts.path.name} has no {lower_first(target.label)}."

    @Slot()
    def _on_file(self) -> None:
        if self.is_at_home:
            self._forget()
        else:
            self._no_longer_busy()
            if self.shown is None:
                self.show_placeholder("There was nothing to show yet.")
        self.refresh()
        self.changed.emit()

    def _forget(self) -> None:
        """Take away a plot that would be stale."""
        self.shown = None
        self.show_placeholder("Reading…")

    # --- answers ---------------------------------------------------------------------------------

    def show_result(self, result: object) -> None:
        """Draw an answer, unless it is of a file that is no longer open."""
        assert isinstance(result, PlotResult)
        facts = self.session.file
        if facts is None or result.request.token != facts.token or not self.is_at_home:
            return
        self.shown = result
        self.draw(result)
        if self.is_empty(result):
            self.set_figures(NO_PHOTONS)
        self.show_content()
        self.changed.emit()

    def show_error(self, message: str) -> None:
        """Show why there is no plot."""
        self.shown = None
        super().show_error(message)
        self.changed.emit()

    @property
    def detail(self) -> str:
        """What the plot is of, and how it is made."""
        return self._notes

    def set_detail(self, text: str) -> None:
        """Say what the plot is of, and how it is made."""
        self._notes = text
        self._show_lines()

    def set_figures(self, text: str) -> None:
        """Set the line of numbers above the plot."""
        self.figures.setText(text)
        self._show_lines()

    def _show_lines(self) -> None:
        """Use one line or two, as there is room."""
        roomy, figures = self.height() >= _FIGURES_FROM_HEIGHT, self.figures.text()
        self.figures.setVisible(roomy)
        self._detail.setText(self._notes if roomy or not self._notes else figures)
        for line in (self._detail, self.figures):
            line.setToolTip(f"{self._notes}\n{figures}" if self._notes else "")

    def _no_longer_busy(self) -> None:
        super()._no_longer_busy()
        self._veil.hide()

    @Slot(bool)
    def _on_log(self, on: bool) -> None:
        self.plot.set_log_y(on)
        self.show_all()

    @Slot()
    def _ask_for_window(self) -> None:
        self.windowRequested.emit(self.kind)

    # --- Qt --------------------------------------------------------------------------------------

    def resizeEvent(self, event: QtGui.QResizeEvent | None) -> None:
        """Leave out the line of figures where there is little room."""
        super().resizeEvent(event)
        self._show_lines()

    def showEvent(self, event: QtGui.QShowEvent | None) -> None:
        """Catch up with what changed while the pane was hidden."""
        super().showEvent(event)
        if self.shown is None or self.shown.request != self._wanted():
            self.refresh()
        self.shownOrHidden.emit()

    def hideEvent(self, event: QtGui.QHideEvent | None) -> None:
        """Tell it."""
        super().hideEvent(event)
        self.shownOrHidden.emit()


class _Veil(QtWidgets.QLabel):
    """Lies over a plot that is no longer what was asked for."""

    def __init__(self) -> None:
        super().__init__("reading…", objectName="paneTitle")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, event: QtGui.QPaintEvent | None) -> None:
        """Let the old plot shine through."""
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect(), faint(theme.current().paper, 190))
        painter.end()
        super().paintEvent(event)


def tool_button(text: str, tip: str, picture: str = "") -> QtWidgets.QToolButton:
    """Return a small button for title lines."""
    button = QtWidgets.QToolButton(text=text, toolTip=tip)
    if picture:
        button.setIcon(icon(picture))
    button.setAccessibleName(tip)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def weighted_title(title: str, request: PixelRequest) -> str:
    """Return a title that tells whether photons count with their weights."""
    return f"{title}, weighted" if request.weighted else title


def lower_first(label: str) -> str:
    """Return a label as it stands in the middle of a sentence."""
    return label[:1].lower() + label[1:]
