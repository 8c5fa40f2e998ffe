"""Everything around image and plots: files, details, preferences, commands, keys, themes, dropped files.

Created by the main window, whose parts it shows and hides. Small windows are made when first wanted.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from quicklook import file_listing, theme
from quicklook.action_table import ACTIONS, GESTURES
from quicklook.actions import set_shortcuts
from quicklook.assets import icon
from quicklook.background_tasks import missing_files
from quicklook.dialogs.about_dialog import AboutDialog
from quicklook.dialogs.details_dialog import DetailsDialog
from quicklook.dialogs.guide_dialog import GuideDialog
from quicklook.dialogs.keyboard_sheet import KeyboardSheet
from quicklook.dialogs.preferences_dialog import PreferencesDialog
from quicklook.jobs import Failure, Success
from quicklook.qt import QtCore, QtWidgets, Slot
from quicklook.views.files_pane import FilesPane
from quicklook.views.image_colours import map_choices
from quicklook.widgets.bring_to_front import bring_to_front
from quicklook.widgets.command_palette import CommandPalette
from quicklook.widgets.drop_target import DropTarget
from quicklook.widgets.recent_menu import RecentMenu

if TYPE_CHECKING:
    from quicklook.file_facts import FileFacts
    from quicklook.main_window import MainWindow

__all__ = ["Panels"]

_SCAN, _DESCRIBE, _MISSING = "scan", "describe", "missing"
_SHOWN_WITH = {"files_panel": "files", "bottom_panel": "bottom"}


class Panels(QtCore.QObject):
    """Owns the panels and small windows; the main window owns the data."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.files = FilesPane()
        self.recent = RecentMenu("Open &recent", window)
        self.recent.setIcon(icon("recent"))
        self.menus = {"@recent": self.recent}
        self.drop = DropTarget(window)
        self.details: DetailsDialog | None = None
        self.preferences: PreferencesDialog | None = None
        self.keys: KeyboardSheet | None = None
        self.about: AboutDialog | None = None
        self.guide: GuideDialog | None = None
        actions = list(window.actions_by_name.values())
        self.palette = CommandPalette(window, actions)
        self._connect_actions()
        self._connect_files()
        self.show_recent()
        self._show_theme()

    def _connect_actions(self) -> None:
        act = self._window.actions_by_name
        for name, panel in (("files_panel", self.files), ("bottom_panel", self._window.bottom)):
            act[name].setChecked(True)
            act[name].toggled.connect(panel.setVisible)
        act["files_panel"].setChecked(self._window.settings.show_files_panel)
        act["palette"].triggered.connect(self.palette.open)
        act["details"].triggered.connect(self.show_details)
        act["preferences"].triggered.connect(self.show_preferences)
        act["keys"].triggered.connect(self.show_keys)
        act["about"].triggered.connect(self.show_about)
        act["guide"].triggered.connect(self.show_guide)
        group = QtWidgets.QActionGroup(self)
        for name in theme.NAMES:
            group.addAction(act[f"theme_{name}"])
            act[f"theme_{name}"].triggered.connect(partial(self._use_theme, name))
        theme.notifier.changed.connect(self._show_theme)

    def _connect_files(self) -> None:
        window = self._window
        self.files.openRequested.connect(window.opening.open_paths)
        self.files.scanRequested.connect(self._scan)
        self.recent.openRequested.connect(self._open_recent)
        self.recent.clearRequested.connect(self._clear_recent)
        self.recent.checkRequested.connect(self._check_recent)
        self.drop.dropped.connect(window.opening.open_paths)
        window.opening.folderChosen.connect(self.show_folder)
        window.fileOpened.connect(self._on_opened)
        for lane in (window.chores, window.reads):
            lane.succeeded.connect(self._on_success)
            lane.failed.connect(self._on_failure)

    # --- files -----------------------------------------------------------------------------------

    @Slot(object)
    def show_folder(self, folder: Path) -> None:
        """Show what a folder holds."""
        self._window.actions_by_name["files_panel"].setChecked(True)
        self.files.set_folder(folder)

    @Slot(object)
    def _scan(self, folder: Path) -> None:
        self._window.chores.submit(
            f"look through {folder}", file_listing.scan, folder, key=_SCAN, newest=True
        )

    @Slot(object)
    def _on_opened(self, facts: FileFacts) -> None:
        for path in facts.paths[:1]:
            self._window.settings.add_recent(path)
        self.show_recent()
        folder = facts.path.absolute().parent
        if self.files.folder != folder:
            self.files.set_folder(folder)
        self.files.set_open(facts.paths)
        if self.details is not None and self.details.isVisible():
            self.show_details()

    @Slot()
    def show_recent(self) -> None:
        """Fill the submenu of recent files."""
        self.recent.set_paths(self._window.settings.recent_files)

    @Slot(object)
    def _check_recent(self, paths: object) -> None:
        """Find out in a worker which are missing: a network folder may take its time."""
        self._window.chores.submit(
            "look for recent files", missing_files, paths, key=_MISSING, newest=True
        )

    @Slot(object)
    def _open_recent(self, path: Path) -> None:
        self._window.opening.open_paths([path])

    @Slot()
    def _clear_recent(self) -> None:
        self._window.settings.recent_files = ()
        self.show_recent()

    # --- small windows ---------------------------------------------------------------------------

    @Slot()
    def show_details(self) -> None:
        """Show header, history and health of the open file."""
        if self.details is None:
            self.details = DetailsDialog(self._window)
            self.details.refreshRequested.connect(self.show_details)
        facts = self._window.session.file
        if facts is None:
            self.details.show_placeholder()
        else:
            self.details.show_busy(facts.path.name)
            self._window.reads.submit(
                f"describe {facts.path}",
                self._window.files.describe,
                facts.token,
                key=_DESCRIBE,
                newest=True,
            )
        bring_to_front(self.details)

    @Slot()
    def show_preferences(self) -> None:
        """Show the preferences."""
        window = self._window
        if self.preferences is None:
            rows = [(row.name, row.text.replace("&", ""), row.shortcuts) for row in ACTIONS]
            self.preferences = PreferencesDialog(window.settings, rows, map_choices(), window)
            self.preferences.changed.connect(self._on_preference)
        self.preferences.load()
        bring_to_front(self.preferences)

    @Slot(str)
    def _on_preference(self, name: str) -> None:
        window = self._window
        if name == "shortcuts":
            set_shortcuts(window.actions_by_name, window.settings.shortcuts)
        elif name == "display":
            window.image_control.take_preferences()
        elif name == "recent_files":
            self.show_recent()

    @Slot()
    def show_keys(self) -> None:
        """Show all keys and gestures, as they are now."""
        if self.keys is None:
            actions = list(self._window.actions_by_name.values())
            self.keys = KeyboardSheet(actions, GESTURES, self._window)
        bring_to_front(self.keys)

    @Slot()
    def show_about(self) -> None:
        """Show versions, licence, log."""
        if self.about is None:
            self.about = AboutDialog(self._window)
        self.about.refresh()
        bring_to_front(self.about)

    @Slot()
    def show_guide(self) -> None:
        """Show the illustrated guide."""
        if self.guide is None:
            self.guide = GuideDialog(self._window)
        bring_to_front(self.guide)

    def _use_theme(self, name: str, _checked: bool) -> None:
        self._window.settings.theme = name
        theme.use(name)

    @Slot()
    def _show_theme(self) -> None:
        self._window.actions_by_name[f"theme_{theme.current().name}"].setChecked(True)

    # --- answers of the lanes --------------------------------------------------------------------

    @Slot(object)
    def _on_success(self, success: Success) -> None:
        if success.job.key == _SCAN:
            self.files.show_listing(success.result)
        elif success.job.key == _MISSING:
            self.recent.show_missing(success.result)
        elif success.job.key == _DESCRIBE and self.details is not None:
            self.details.show_description(success.result)

    @Slot(object)
    def _on_failure(self, failure: Failure) -> None:
        if failure.job.key == _SCAN:
            self.files.show_error(str(failure.error))
        elif failure.job.key == _DESCRIBE and self.details is not None:
            self.details.show_error(str(failure.error))
        else:
            return
        if not failure.expected:
            self._window.report_bug(failure)

    # --- all of them -----------------------------------------------------------------------------

    def show_all(self) -> None:
        """Show every panel."""
        for name in _SHOWN_WITH:
            self._window.actions_by_name[name].setChecked(True)

    def close_all(self) -> None:
        """Close the small windows."""
        for dialog in (self.details, self.preferences, self.keys, self.about, self.guide):
            if dialog is not None:
                dialog.close()
