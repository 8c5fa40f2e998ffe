"""About: versions, computer, licence; and a bug report that tells enough and nothing private."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import quicklook
from quicklook import about
from quicklook.about import about_facts, bug_report, log_tail
from quicklook.dialogs.about_dialog import AboutDialog
from quicklook.logs import log_path
from quicklook.qt import QtCore, QtGui, QtWidgets, pg


@pytest.fixture
def dialog(qtbot):
    dialog = AboutDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def write_log(*lines):
    log_path().parent.mkdir(parents=True, exist_ok=True)
    log_path().write_text("".join(f"{line}\n" for line in lines))


def test_facts_tell_versions_system_and_screen():
    facts = about_facts()
    assert facts["quicklook"] == quicklook.__version__
    assert facts["Python"].startswith(platform.python_version())
    assert facts["Qt"] == QtCore.qVersion()  # not what PyQt was built for
    assert facts["PyQt5"] == QtCore.PYQT_VERSION_STR
    assert facts["pyqtgraph"] == pg.__version__
    assert facts["numpy"] == numpy.__version__
    for name in ("scipy", "numba", "tables", "astropy"):
        assert facts[name] == importlib.metadata.version(name)
    assert platform.release() in facts["operating system"]
    assert str(os.cpu_count()) in facts["processor"]
    assert facts["memory"].endswith(" GiB")
    assert float(facts["memory"].split()[0]) > 0
    size = QtGui.QGuiApplication.primaryScreen().size()
    assert f"{size.width()} x {size.height()}, scale 1" in facts["screen"]
    assert facts["Qt platform"] == QtGui.QGuiApplication.platformName()
    assert "GPL-3.0" in facts["licence"]
    assert facts["log"].endswith("quicklook.log")


def test_the_licence_is_the_one_of_the_package():
    assert about_facts()["licence"].startswith(
        importlib.metadata.metadata("quicklook")["License-Expression"]
    )


def test_versions_are_told_without_importing_the_libraries():
    code = (
        "import sys; from quicklook.qt import QtWidgets; app = QtWidgets.QApplication([]);"
        "from quicklook.about import about_facts; about_facts();"
        "print(*{'numba', 'tables', 'scipy', 'astropy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_a_missing_library_or_odd_computer_is_no_error(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    def unable(*_args, **_keys):
        raise OSError("not here")

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(about.os, "sysconf", unable)
    monkeypatch.setattr(about.platform, "freedesktop_os_release", unable)
    monkeypatch.setattr(about.Path, "open", unable)
    facts = about_facts()
    assert facts["numba"] == "not installed"
    assert facts["memory"] == "unknown"
    assert facts["operating system"] == platform.platform()
    assert "CPUs" in facts["processor"]


def test_the_log_ends_the_report(tmp_path):
    write_log(*(f"line {n}" for n in range(100)))
    assert log_tail(log_path()) == [f"line {n}" for n in range(70, 100)]
    assert log_tail(log_path(), 2) == ["line 98", "line 99"]
    assert log_tail(tmp_path / "none.log") == ["The log cannot be read: No such file or directory."]
    (tmp_path / "empty.log").touch()
    assert log_tail(tmp_path / "empty.log") == ["The log is empty."]


def test_a_large_log_with_odd_bytes_is_read_from_its_end(tmp_path):
    path = tmp_path / "large.log"
    path.write_bytes(b"x" * 10_000_000 + b"\nbefore \xff\nlast\n")
    assert log_tail(path, 2) == ["before �", "last"]


def test_the_report_hides_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    write_log("Opened /home/ann/secret/1602050400.h5: 12 photons")
    text = bug_report({"quicklook": "1", "a longer name": "/home/ann/x"})
    assert text.splitlines() == [
        "quicklook:     1",
        "a longer name: ~/x",
        "",
        "Last 1 lines of the log:",
        "Opened ~/secret/1602050400.h5: 12 photons",
    ]


def test_the_dialog_shows_every_fact(dialog):
    assert not dialog.isModal()
    texts = " ".join(label.text() for label in dialog.findChildren(QtWidgets.QLabel))
    for name, value in about_facts().items():
        assert value in texts
        assert name in texts.replace("Licence", "licence")


def test_refreshing_shows_every_fact_once_and_as_it_is_now(dialog, monkeypatch):
    monkeypatch.setattr(
        "quicklook.dialogs.about_dialog.about_facts", lambda: about_facts() | {"memory": "3.5 GiB"}
    )
    dialog.refresh()
    texts = [label.text() for label in dialog.findChildren(QtWidgets.QLabel)]
    assert texts.count("memory") == 1
    assert texts.count("3.5 GiB") == 1
    assert about_facts()["memory"] not in texts


def test_copy_for_bug_report_copies_facts_and_log(dialog):
    write_log("something happened")
    QtWidgets.QApplication.clipboard().setText("before")
    assert not dialog.note.isVisible()
    dialog.copy.click()
    text = QtWidgets.QApplication.clipboard().text()
    for wanted in (quicklook.__version__, QtCore.qVersion(), numpy.__version__):
        assert wanted in text
    assert platform.platform() in text
    assert "something happened" in text
    assert "Copied" in dialog.note.text()
    assert dialog.note.isVisible()
    dialog.refresh()
    assert not dialog.note.isVisible()


def test_a_desktop_that_shows_no_folders_is_told_in_the_dialog(dialog, monkeypatch):
    opened = []
    monkeypatch.setattr(
        QtGui.QDesktopServices, "openUrl", lambda url: bool(opened.append(url.toLocalFile()))
    )
    dialog.open_log.click()  # there is no folder yet
    assert opened == []
    assert str(log_path().parent) in dialog.note.text()
    write_log("x")
    dialog.note.clear()
    dialog.open_log.click()
    assert [Path(name) for name in opened] == [log_path().parent]
    assert str(log_path().parent) in dialog.note.text()
