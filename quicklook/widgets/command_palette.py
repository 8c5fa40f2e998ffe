"""The list of all commands over the window: type a few letters, press Enter.

Created by the owner of the window, which hands in its actions. It lies over the window as a child of
it, not as a window of its own: nothing is grabbed, and it looks the same on every desktop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quicklook import theme
from quicklook.action_texts import ActionText, read_action, score
from quicklook.qt import Qt, QtCore, QtGui, QtWidgets, Slot
from quicklook.widgets.elided_label import ElidedLabel
from quicklook.widgets.key_caps import draw_keys, width_of_keys

__all__ = ["CommandPalette"]

_WIDTH, _HEIGHT = 640, 430
_TOP = 56
_ROW_HEIGHT = 30
_MARGIN = 10
_VEIL_OPACITY = 0.55
_ROLE = Qt.ItemDataRole.UserRole
_WITH_CONTROL = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)
_NOTHING = "No command fits. Try fewer letters."
_USE = "↑ ↓ choose    Enter do it    Esc close"


class CommandPalette(QtWidgets.QWidget):
    """Finds a command by a few letters of its name, menu or tip, and triggers it.

    Parameters
    ----------
    window : QWidget
        What it lies over.
    actions : sequence of QAction
        The commands, in the order in which they are listed before anything is typed. Texts, keys and
        reasons are read anew whenever the list opens.
    """

    def __init__(self, window: QtWidgets.QWidget, actions: Sequence[QtWidgets.QAction]) -> None:
        super().__init__(window)
        self._window = window
        self._actions = list(actions)
        self._texts: list[ActionText] = []
        self._used: list[QtWidgets.QAction] = []
        self._focus_before: QtWidgets.QWidget | None = None
        self.edit = QtWidgets.QLineEdit(placeholderText="Find a command: a few letters will do")
        self.edit.setAccessibleName("Find a command")
        self.list = QtWidgets.QListWidget()
        self.list.setAccessibleName("Commands")
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setItemDelegate(_CommandDelegate(self.list))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setUniformItemSizes(True)
        self.note = ElidedLabel(objectName="caption")
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self._panel = QtWidgets.QFrame(self, objectName="card")
        layout = QtWidgets.QVBoxLayout(self._panel)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, 8)
        layout.setSpacing(8)
        layout.addWidget(self.edit)
        layout.addWidget(self.list, 1)
        foot = QtWidgets.QHBoxLayout()
        foot.setSpacing(16)
        foot.addWidget(self.note, 1)
        foot.addWidget(QtWidgets.QLabel(_USE, objectName="caption"))
        layout.addLayout(foot)
        self.edit.textChanged.connect(self._fill)
        self.edit.installEventFilter(self)
        self.list.itemClicked.connect(self._run)
        self.list.currentItemChanged.connect(self._show_note)
        window.installEventFilter(self)
        self.hide()

    def set_actions(self, actions: Sequence[QtWidgets.QAction]) -> None:
        """Offer other commands from the next opening on."""
        self._actions = list(actions)
        self._used = [action for action in self._used if action in self._actions]

    # --- opening and closing ---------------------------------------------------------------------

    @Slot()
    def open(self) -> None:
        """Show the list, or hide it if it is there."""
        if not self.isHidden():
            self.dismiss()
            return
        self._focus_before = self._window.focusWidget()
        self._texts = [read_action(action) for action in self._actions]
        self.edit.clear()
        self._fill("")
        self._place()
        self.show()
        self.raise_()
        self.edit.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @Slot()
    def dismiss(self) -> None:
        """Hide the list; what had the keyboard before has it again."""
        before, self._focus_before = self._focus_before, None
        self.hide()
        try:
            if before is not None:
                before.setFocus(Qt.FocusReason.OtherFocusReason)
        except RuntimeError:  # deleted by Qt meanwhile
            self._window.setFocus()

    def _place(self) -> None:
        self.setGeometry(self._window.rect())
        width = min(_WIDTH, self.width() - 2 * _MARGIN)
        height = min(_HEIGHT, self.height() - _TOP - _MARGIN)
        self._panel.setGeometry((self.width() - width) // 2, _TOP, width, height)

    # --- what is listed --------------------------------------------------------------------------

    @Slot(str)
    def _fill(self, typed: str) -> None:
        """List what fits, best first; before anything is typed, what was used last comes first."""
        found = []
        for place, (action, text) in enumerate(zip(self._actions, self._texts, strict=True)):
            worth = score(typed, text)
            if worth is not None:
                recent = 0 if typed.strip() or action not in self._used else -1
                last = self._used.index(action) if recent else 0
                found.append((recent, last, -worth, bool(text.reason), place))
        self.list.clear()
        for *_, place in sorted(found):
            text = self._texts[place]
            item = QtWidgets.QListWidgetItem(self._actions[place].icon(), _spoken(text))
            item.setData(_ROLE, (place, text))
            item.setSizeHint(QtCore.QSize(0, _ROW_HEIGHT))
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        if not found:
            self._say(_NOTHING, "hint")

    @Slot()
    def _show_note(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            text = item.data(_ROLE)[1]
            self._say(text.reason or text.tip, "hint" if text.reason else "caption")

    def _say(self, text: str, name: str) -> None:
        if self.note.objectName() != name:  # which the style sheet colours
            self.note.setObjectName(name)
            self.note.style().unpolish(self.note)
            self.note.style().polish(self.note)
        self.note.setText(text)
        self.note.setToolTip(text)

    @property
    def names(self) -> list[str]:
        """Texts of the commands that are listed."""
        rows = range(self.list.count())
        return [self.list.item(row).data(_ROLE)[1].text for row in rows]

    # --- doing -----------------------------------------------------------------------------------

    @Slot(QtWidgets.QListWidgetItem)
    def _run(self, item: QtWidgets.QListWidgetItem) -> None:
        place, text = item.data(_ROLE)
        action = self._actions[place]
        if not action.isEnabled():
            self._say(f"“{text.text}” cannot be used now. {read_action(action).reason}.", "hint")
            return
        self._used = [action, *(other for other in self._used if other is not action)]
        self.dismiss()
        action.trigger()

    def eventFilter(self, watched: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:
        """Follow the window's size; take the keys that choose and close from the text box."""
        if event is None:
            return False
        kind = event.type()
        if watched is self._window:
            if kind == QtCore.QEvent.Type.Resize and not self.isHidden():
                self._place()
        elif kind == QtCore.QEvent.Type.ShortcutOverride:
            if not event.modifiers() & _WITH_CONTROL:
                event.accept()  # Esc, letters and F5 mean the list now, not the window
                return True
        elif kind == QtCore.QEvent.Type.KeyPress:
            return self._on_key(event.key())
        elif kind == QtCore.QEvent.Type.FocusOut and not self.isHidden():
            self._on_focus_lost(event.reason())
        return False

    def _on_key(self, key: int) -> bool:
        page = max(self.list.height() // _ROW_HEIGHT - 1, 1)
        steps = {
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_Backtab: -1,
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_Tab: 1,
            Qt.Key.Key_PageUp: -page,
            Qt.Key.Key_PageDown: page,
        }
        if key == Qt.Key.Key_Escape:
            self.dismiss()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.list.currentItem() is not None:
                self._run(self.list.currentItem())
        elif key in steps:
            self._step(steps[Qt.Key(key)])
        else:
            return False
        return True

    def _step(self, by: int) -> None:
        """Go up or down; one step beyond an end is the other end."""
        count = self.list.count()
        if count:
            row = self.list.currentRow() + by
            row = row % count if abs(by) == 1 else min(max(row, 0), count - 1)
            self.list.setCurrentRow(row)

    def _on_focus_lost(self, reason: Qt.FocusReason) -> None:
        """Go away when something else in the window takes the keyboard; not for other windows and menus."""
        stay = (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason)
        if reason not in stay:
            self._focus_before = None
            self.hide()

    def mousePressEvent(self, event: QtGui.QMouseEvent | None) -> None:
        """Close on a click beside the list."""
        if event is not None and not self._panel.geometry().contains(event.pos()):
            self.dismiss()

    def wheelEvent(self, event: QtGui.QWheelEvent | None) -> None:
        """Keep the wheel from what lies below."""
        if event is not None:
            event.accept()

    def paintEvent(self, _event: QtGui.QPaintEvent | None) -> None:
        """Let the window fade behind the list."""
        painter = QtGui.QPainter(self)
        painter.setOpacity(_VEIL_OPACITY)
        painter.fillRect(self.rect(), QtGui.QColor(theme.current().window))
        painter.end()


def _spoken(text: ActionText) -> str:
    """Return what a screen reader says of a row."""
    parts = (text.text, text.path, " or ".join(text.keys), text.reason)
    return ", ".join(part for part in parts if part)


class _CommandDelegate(QtWidgets.QStyledItemDelegate):
    """Draws a row: icon, text, menu or reason, keys."""

    def paint(
        self,
        painter: QtGui.QPainter | None,
        option: QtWidgets.QStyleOptionViewItem,
        index: QtCore.QModelIndex,
    ) -> None:
        """Draw one command."""
        if painter is None:
            return
        text: ActionText = index.data(_ROLE)[1]
        row = QtWidgets.QStyleOptionViewItem(option)
        self.initStyleOption(row, index)
        picture: Any = index.data(Qt.ItemDataRole.DecorationRole)
        row.text, row.icon = "", QtGui.QIcon()
        widget = row.widget
        style = widget.style() if widget is not None else QtWidgets.QApplication.style()
        style.drawControl(QtWidgets.QStyle.ControlElement.CE_ItemViewItem, row, painter, widget)
        area = QtCore.QRect(option.rect).adjusted(8, 0, -8, 0)
        mode = QtGui.QIcon.Mode.Disabled if text.reason else QtGui.QIcon.Mode.Normal
        place = QtCore.QRect(area.left(), area.center().y() - 8, 16, 16)
        picture.paint(painter, place, Qt.AlignmentFlag.AlignCenter, mode)
        area.setLeft(area.left() + 26)
        painter.save()
        painter.setFont(row.font)
        draw_keys(painter, area, text.keys)
        keys = width_of_keys(text.keys, painter.fontMetrics())
        area.setRight(area.right() - keys - (12 if keys else 0))
        colours = theme.current()
        used = _draw(painter, area, text.text, colours.disabled if text.reason else colours.ink)
        area.setLeft(area.left() + used + 14)
        beside = text.reason or text.path
        _draw(painter, area, beside, colours.hint if text.reason else colours.muted)
        painter.restore()


def _draw(painter: QtGui.QPainter, area: QtCore.QRect, text: str, colour: str) -> int:
    """Draw as much of a text as there is room for; return its width [screen pixels]."""
    metrics = painter.fontMetrics()
    if area.width() <= 0:
        return 0
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, area.width())
    painter.setPen(QtGui.QColor(colour))
    side = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
    painter.drawText(area, int(side), shown)
    return metrics.horizontalAdvance(shown)
