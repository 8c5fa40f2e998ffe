"""Paints a row of the files panel in two lines: name and length, time and size, whatever the width."""

from __future__ import annotations

from quicklook import theme
from quicklook.file_listing import Entry, size_text
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets
from quicklook.views.files_model import ENTRY, OPEN

__all__ = ["FilesDelegate", "choose_form"]

_MARGIN = 4
_GAP = 6
_BAR = 3
_PADDING = 3
_WIDEST_SIZE = "99.9 MB"


class FilesDelegate(QtWidgets.QStyledItemDelegate):
    """Drops first the year, then the date where there is no room for all of a time.

    Attributes
    ----------
    same_day : bool
        Whether all rows are of one date, which is written elsewhere: then rows do without it.
    """

    same_day = False

    def sizeHint(
        self, _option: QtWidgets.QStyleOptionViewItem, _index: QtCore.QModelIndex
    ) -> QtCore.QSize:
        """Return the height of two lines; the width is that of the panel."""
        view = self.parent()
        metrics = QtGui.QFontMetrics(
            view.font() if isinstance(view, QtWidgets.QWidget) else QtGui.QFont()
        )
        return QtCore.QSize(20, 2 * metrics.height() + 2 * _PADDING)

    def paint(
        self,
        painter: QtGui.QPainter | None,
        option: QtWidgets.QStyleOptionViewItem,
        index: QtCore.QModelIndex,
    ) -> None:
        """Draw the background as the style sheet says, the mark of the open file, and the texts."""
        if painter is None:
            return
        entry: Entry = index.data(ENTRY)
        row = QtWidgets.QStyleOptionViewItem(option)
        self.initStyleOption(row, index)
        row.text = ""
        row.state &= ~QtWidgets.QStyle.StateFlag.State_HasFocus
        style = QtWidgets.QApplication.style() if row.widget is None else row.widget.style()
        style.drawControl(QtWidgets.QStyle.ControlElement.CE_ItemViewItem, row, painter, row.widget)
        painter.save()
        colours = theme.current()
        if option.state & QtWidgets.QStyle.StateFlag.State_HasFocus:
            painter.setPen(QtGui.QColor(colours.accent))
            painter.drawRect(option.rect.adjusted(0, 0, -1, -1))
        font = QtGui.QFont(option.font)
        if index.data(OPEN):
            bar = QtCore.QRect(option.rect)
            bar.setWidth(_BAR)
            painter.fillRect(bar, QtGui.QColor(colours.accent))
            font.setBold(self._fits_bold(entry, option))
        area = option.rect.adjusted(_MARGIN, _PADDING, -_MARGIN, -_PADDING)
        height = area.height() // 2
        upper = QtCore.QRect(area.left(), area.top(), area.width(), height)
        lower = upper.translated(0, height)
        painter.setPen(QtGui.QColor(colours.ink))
        _draw_pair(painter, upper, font, entry.titles, entry.length_text)
        painter.setPen(QtGui.QColor(colours.muted))
        if entry.kind == "folder":
            _draw_pair(painter, lower, option.font, (entry.about,), "")
        else:
            size = size_text(entry.size)
            _draw_pair(painter, lower, option.font, self.times(entry), size, _WIDEST_SIZE)
        painter.restore()

    def _fits_bold(self, entry: Entry, option: QtWidgets.QStyleOptionViewItem) -> bool:
        bold = QtGui.QFont(option.font)
        bold.setBold(True)
        metrics = QtGui.QFontMetrics(bold)
        needed = metrics.horizontalAdvance(entry.titles[-1] + entry.length_text) + _GAP
        return needed + 2 * _MARGIN <= option.rect.width()

    def times(self, entry: Entry) -> tuple[str, ...]:
        """Return the time of an entry, from its longest form to its shortest."""
        full = entry.time_text
        if self.same_day:
            return (full.rpartition(" ")[2],)
        # at last without the date: in the night, the hour is what tells files apart
        return (full, full[5:], full[5:-3], full[11:]) if len(full) > len("no date") else (full,)


def choose_form(
    forms: tuple[str, ...], right: str, width: int, metrics: QtGui.QFontMetrics, widest: str = ""
) -> tuple[str, bool]:
    """Return the longest of `forms` that fits beside `right`, and whether it does.

    With several forms there is always room left for `widest`, so that rows below each other have
    the same form.
    """
    others = (right, widest) if len(forms) > 1 else (right,)
    reserved = max(metrics.horizontalAdvance(other) + _GAP for other in others) if right else 0
    for form in forms:
        if metrics.horizontalAdvance(form) + reserved <= width:
            return form, True
    return forms[-1], False


def _draw_pair(
    painter: QtGui.QPainter,
    area: QtCore.QRect,
    font: QtGui.QFont,
    forms: tuple[str, ...],
    right: str,
    widest: str = "",
) -> None:
    """Draw the form that fits at the left; cut it, and leave out `right`, where there is no room."""
    painter.setFont(font)
    metrics = QtGui.QFontMetrics(font)
    left, fits = choose_form(forms, right, area.width(), metrics, widest)
    centre = Qt.AlignmentFlag.AlignVCenter
    taken = metrics.horizontalAdvance(right) + _GAP if right else 0
    if right and (fits or area.width() >= 2 * taken):
        painter.drawText(area, int(Qt.AlignmentFlag.AlignRight | centre), right)
        area = area.adjusted(0, 0, -taken, 0)
    if not fits:
        left = metrics.elidedText(left, Qt.TextElideMode.ElideRight, area.width())
    painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | centre), left)
