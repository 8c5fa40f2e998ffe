"""The files panel: what a folder holds, to be opened with a double click.

It asks for a scan and for files to be opened; whoever owns it does both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from quicklook.assets import icon
from quicklook.file_listing import Entry, Listing, size_text
from quicklook.qt import Qt, QtCore, QtWidgets, Signal, Slot
from quicklook.views.files_delegate import FilesDelegate
from quicklook.views.files_model import ENTRY, FilesModel
from quicklook.views.pane import ElidedLabel
from quicklook.widgets.search_line import SearchLine
from quicklook.widgets.text_pages import TextPages

__all__ = ["FilesPane"]

_NO_FOLDER = "No folder yet.\n\nChoose one: its photon files, .bin and .img files and datastreams are listed here."
_EMPTY = "No photon files (.h5), .bin or .img files or datastreams in this folder."
_NOTHING_HERE = "nothing to open here"
_NARROWEST = 60
_INDENT = 13
_SETTLE_MS = 80


class FilesPane(QtWidgets.QFrame):
    """List of the files in a folder, oldest first; runs of seconds can be unfolded.

    Signals
    -------
    openRequested
        list of Path: one file, or several that are to be one observation.
    scanRequested
        Folder (Path) to be looked through by `file_listing.scan`; answer with `show_listing` or
        `show_error`.
    """

    openRequested = Signal(object)  # noqa: N815
    scanRequested = Signal(object)  # noqa: N815

    def __init__(self) -> None:
        super().__init__(objectName="card")
        self.folder: Path | None = None
        self.listing: Listing | None = None
        self.model = FilesModel(self)
        self.view = self._new_view()
        self._delegate = FilesDelegate(self.view)
        self.view.setItemDelegate(self._delegate)
        self._build_head()
        self._build_layout()
        self._connect()
        self.pages.show_placeholder(_NO_FOLDER)
        self._update_head()

    # --- building --------------------------------------------------------------------------------

    def _new_view(self) -> QtWidgets.QTreeView:
        view = QtWidgets.QTreeView()
        view.setModel(self.model)
        view.setAccessibleName("Files in the folder")
        view.setHeaderHidden(True)
        view.setIndentation(_INDENT)
        view.setExpandsOnDoubleClick(False)
        view.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setVerticalScrollMode(QtWidgets.QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        # one click only selects, on every desktop: opening may take seconds
        view.setStyleSheet("QTreeView { border: none; activate-on-singleclick: 0 }")
        view.setUniformRowHeights(True)
        view.setMinimumSize(20, 40)
        return view

    def _build_head(self) -> None:
        self.title = ElidedLabel(objectName="paneTitle")
        self.choose = _button("open", "Choose another folder")
        self.refresh = _button("refresh", "Look through the folder again")
        self.filter = SearchLine("Filter", "Show only files with this in their name or UTC time")
        self.filter.setMinimumWidth(20)
        self.note = ElidedLabel(objectName="caption")
        self.open_action = QtWidgets.QAction(icon("open"), "Open", self.view)
        self.copy_action = QtWidgets.QAction(icon("copy"), "Copy path", self.view)
        self.view.addActions([self.open_action, self.copy_action])

    def _build_layout(self) -> None:
        self.pages = TextPages(self.view)
        head = QtWidgets.QHBoxLayout()
        head.setSpacing(0)
        head.addWidget(self.title, 1)
        head.addWidget(self.choose)
        head.addWidget(self.refresh)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(5, 4, 3, 4)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addWidget(self.filter)
        layout.addWidget(self.pages, 1)
        layout.addWidget(self.note)
        self.setMinimumWidth(_NARROWEST)

    def _connect(self) -> None:
        self._settle = QtCore.QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._apply_filter)
        self._show_open = QtCore.QTimer(self, singleShot=True, interval=0)  # after the layout
        self._show_open.timeout.connect(self._scroll_to_open)
        self.filter.textChanged.connect(self._settle.start)
        self.filter.returnPressed.connect(self._enter_list)
        self.choose.clicked.connect(self._choose)
        self.refresh.clicked.connect(self.scan_again)
        self.view.activated.connect(self._on_activated)
        self.open_action.triggered.connect(self._open_selected)
        self.copy_action.triggered.connect(self._copy_paths)

    # --- the folder ------------------------------------------------------------------------------

    @Slot(object)
    def set_folder(self, folder: Path) -> None:
        """Show what is in another folder; asks for a scan."""
        folder = Path(folder).absolute()
        is_other = folder != self.folder
        self.folder = folder
        self._set_listing(None)
        if is_other:
            self.filter.clear()
            self._apply_filter()
        self.pages.show_placeholder(f"Looking through {folder}…")
        self.scanRequested.emit(folder)

    @Slot()
    def scan_again(self) -> None:
        """Ask for another scan; the list stays until it is there."""
        if self.folder is not None:
            self.scanRequested.emit(self.folder)

    @Slot()
    def _choose(self) -> None:
        start = str(self.folder) if self.folder is not None else ""
        chosen = QtWidgets.QFileDialog.getExistingDirectory(self, "Choose folder", start)
        if chosen:
            self.set_folder(Path(chosen))

    @Slot(object)
    def show_listing(self, listing: Listing) -> None:
        """Show what a scan found; nothing if another folder was chosen meanwhile."""
        if listing.folder == self.folder:
            is_first = self.listing is None
            with self._keeping_place():
                self._set_listing(listing)
            self._show_list()
            if is_first:
                self._show_open.start()

    @Slot(str)
    def show_error(self, message: str) -> None:
        """Say why the folder cannot be looked through."""
        self._set_listing(None)
        self.pages.show_error(message)

    def set_open(self, paths: Iterable[Path]) -> None:
        """Mark the open file, or raw files; with none, no file is marked."""
        self.model.set_open(paths)
        self.view.viewport().update()
        self._show_open.start()

    @Slot()
    def _scroll_to_open(self) -> None:
        """Bring the open file to the middle, unless it can be seen already."""
        index, view = self.model.open_index(), self.view
        if index.isValid() and not view.viewport().rect().contains(view.visualRect(index)):
            view.scrollTo(index, view.ScrollHint.PositionAtCenter)

    def _set_listing(self, listing: Listing | None) -> None:
        self.listing = listing
        self.model.set_listing(listing)
        days = {entry.time_text[:10] for entry in listing.files} if listing else set()
        self._delegate.same_day = len(days) == 1
        self._update_head()
        if listing is not None and not listing.files:
            self.note.setText(_NOTHING_HERE)
            self.note.setToolTip(_EMPTY)
        if listing is None or not listing.files:
            return
        first, last = min(days), max(days)
        span = first if first == last else f"{first} to {last[5:]}"
        number = f"{listing.n_files:,} file" + ("s" if listing.n_files != 1 else "")
        size = size_text(sum(entry.size for entry in listing.files))
        self.note.setText(f"{span} UTC")
        self.note.setToolTip(f"{number}, {size}; times are UTC, {span}")

    def _update_head(self) -> None:
        name = self.folder.name or str(self.folder) if self.folder is not None else "Files"
        self.title.setText(name)
        self.title.setToolTip(str(self.folder or "No folder yet"))
        self.refresh.setEnabled(self.folder is not None)
        self.filter.setEnabled(bool(self.listing and self.listing.entries))
        self.note.clear()
        self.note.setToolTip("")

    # --- which page ------------------------------------------------------------------------------

    @property
    def message(self) -> str:
        """The text shown instead of a list; '' while there is a list."""
        return self.pages.message

    def _show_list(self) -> None:
        listing = self.listing
        if listing is None:
            return
        if self.model.entries:
            self.pages.show_content()
        elif listing.entries:
            self.pages.show_placeholder(f"No name or UTC time with “{self.filter.text()}” in it.")
        else:
            self.pages.show_placeholder(_EMPTY)

    # --- the list --------------------------------------------------------------------------------

    @Slot()
    def _apply_filter(self) -> None:
        self._settle.stop()
        with self._keeping_place():
            self.model.set_filter(self.filter.text())
        self._show_list()

    @Slot()
    def _enter_list(self) -> None:
        """Go from the filter to the list; Enter there opens."""
        self._apply_filter()
        if self.model.entries:
            if not self.view.currentIndex().isValid():
                kinds = [entry.kind for entry in self.model.entries]
                files = [row for row, kind in enumerate(kinds) if kind != "folder"]
                self.view.setCurrentIndex(self.model.index(files[0] if files else 0, 0))
            self.view.setFocus()  # which would choose the first row by itself

    @contextmanager
    def _keeping_place(self) -> Iterator[None]:
        """Keep what is unfolded and chosen, and the scroll bar, although the list is filled anew."""
        model, view = self.model, self.view
        tops = [model.index(row, 0) for row in range(len(model.entries))]
        unfolded = {model.entry(top).names[0] for top in tops if view.isExpanded(top)}
        current = view.currentIndex()
        chosen = model.entry(current).names if current.isValid() else ()
        scrolled = view.verticalScrollBar().value()
        yield
        for row, entry in enumerate(model.entries):
            if entry.names[0] in unfolded:
                view.expand(model.index(row, 0))
        found = model.index_of(chosen)
        if found.isValid():
            view.setCurrentIndex(found)
        view.verticalScrollBar().setValue(scrolled)

    @Slot(QtCore.QModelIndex)
    def _on_activated(self, index: QtCore.QModelIndex) -> None:
        if not self.view.selectionModel().isSelected(index):
            self._open([index.data(ENTRY)])
        else:
            self._open_selected()

    def _selected(self) -> list[Entry]:
        return [index.data(ENTRY) for index in self.view.selectionModel().selectedRows()]

    @Slot()
    def _open_selected(self) -> None:
        self._open(self._selected())

    def _open(self, entries: list[Entry]) -> None:
        """Ask for the files; go to a folder; unfold a run that cannot be opened as a whole."""
        if len(entries) == 1 and entries[0].kind == "folder":
            self.set_folder(entries[0].paths[0])
        elif len(entries) == 1 and entries[0].obstacle:
            index = self.view.currentIndex()
            self.view.setExpanded(index, not self.view.isExpanded(index))
        elif entries:
            files = [entry for entry in entries if entry.kind != "folder"]
            paths = {path for entry in files for path in entry.paths}
            if paths:
                self.openRequested.emit(sorted(paths))

    @Slot()
    def _copy_paths(self) -> None:
        paths = [str(path) for entry in self._selected() for path in entry.paths]
        QtWidgets.QApplication.clipboard().setText("\n".join(paths))


def _button(name: str, tip: str) -> QtWidgets.QToolButton:
    button = QtWidgets.QToolButton(icon=icon(name), toolTip=tip, autoRaise=True)
    button.setAccessibleName(tip)
    button.setFixedSize(24, 24)
    return button
