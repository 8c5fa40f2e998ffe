"""The form of a conversion: round trip, proposals, reasons."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline_core.beammap import Beammap
from quicklook.background_tasks import ConvertForm, check_conversion
from quicklook.dialogs.convert_dialog import ConvertDialog
from quicklook.qt import Qt, QtWidgets

FIRST = 1602050400


@pytest.fixture
def raw(tmp_path):
    """A folder with three empty .bin files, something else, and a beam map beside it."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for second in (FIRST, FIRST + 1, FIRST + 4):
        (folder / f"{second}.bin").touch()
    (folder / "QUIT").touch()
    Beammap.design((10, 7)).write(tmp_path / "map.bmap")
    return folder


@pytest.fixture
def dialog(qtbot, settings):
    """A dialog whose checks are answered at once."""
    dialog = ConvertDialog(settings)
    qtbot.addWidget(dialog)
    dialog.checkRequested.connect(lambda form: dialog.show_check(check_conversion(form)))
    return dialog


def complete(raw, **changes):
    values = {
        "bin_dir": str(raw),
        "start": FIRST,
        "duration": 2,
        "beammap": str(raw.parent / "map.bmap"),
        "out": str(raw.parent / "new.h5"),
        **changes,
    }
    return ConvertForm(**values)


def test_form_round_trip(dialog):
    form = ConvertForm(
        bin_dir="/raw data",
        start=FIRST,
        duration=33,
        beammap="/maps/x.bmap",
        out="/out/1.h5",
        shape="10x7",
        baseline="keep",
        overwrite=True,
        open_result=False,
        split=True,
    )
    dialog.set_form(form)
    assert dialog.form() == form
    assert ConvertDialog(dialog._settings).form() != form


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"bin_dir": ""}, "bin_dir", "Choose the folder"),
        ({"bin_dir": "/no/such/folder"}, "bin_dir", "cannot be read"),
        ({"start": FIRST + 5}, "start", f"{FIRST} to {FIRST + 4}"),
        ({"start": FIRST - 2}, "start", f"{FIRST} to {FIRST + 4}"),
        ({"beammap": ""}, "beammap", "Choose a beam map"),
        ({"beammap": "/no/map"}, "beammap", "no beam map /no/map"),
        ({"out": ""}, "out", "where to write"),
        ({"out": "x.fits"}, "out", "ends in .h5"),
        ({"out": "/no/such/folder/x.h5"}, "out", "no folder"),
        ({"duration": 4295}, "duration", "tick 'Several files'"),
        ({"duration": 4295, "split": True}, "out", f"choose {FIRST}.h5"),
    ],
)
def test_reasons(raw, changes, field, words):
    check = check_conversion(complete(raw, **changes))
    assert check.field == field
    assert words in check.problem


def test_existing_output_needs_replace(raw):
    (raw.parent / "new.h5").touch()
    assert "exists already" in check_conversion(complete(raw)).problem
    assert check_conversion(complete(raw, overwrite=True)).problem == ""


def test_a_folder_that_cannot_be_written_is_said_before_the_start(raw, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "access", lambda path, how: asked.append((path, how)) or how == os.R_OK)
    check = check_conversion(complete(raw))
    folder = Path(complete(raw).out).parent
    assert check.problem == f"Folder {folder} cannot be written: choose another one."
    assert check.field == "out"
    assert (folder, os.W_OK | os.X_OK) in asked  # the tests may run as root, who may write anywhere


def test_complete_form_enables_the_button(qtbot, dialog, raw):
    assert not dialog.convert.isEnabled()
    dialog.set_form(complete(raw))
    qtbot.waitUntil(dialog.convert.isEnabled)
    assert dialog.reason.text() == ""
    assert "3 files" in dialog.folder_facts.text()
    dialog.duration.setValue(3)
    assert not dialog.convert.isEnabled()  # until it has been looked at again
    qtbot.waitUntil(dialog.convert.isEnabled)


def test_reason_beside_the_disabled_button(qtbot, dialog, raw):
    dialog.set_form(complete(raw, beammap=""))
    qtbot.waitUntil(lambda: "Choose a beam map" in dialog.reason.text())
    assert not dialog.convert.isEnabled()


def test_new_folder_proposes_times_and_a_name(qtbot, dialog, raw):
    dialog.bin_dir.set_text(str(raw))
    qtbot.waitUntil(lambda: dialog.start.value() == FIRST)
    assert dialog.duration.value() == 2  # the file after a gap is left to the person
    assert dialog.out.text() == str(raw / f"{FIRST}.h5")
    dialog.start.setValue(FIRST + 1)  # the proposal follows ...
    assert dialog.out.text() == str(raw / f"{FIRST + 1}.h5")
    dialog.out.set_text("/mine.h5")
    dialog.start.setValue(FIRST)  # ... until a person has chosen
    assert dialog.out.text() == "/mine.h5"


def test_stragglers_are_not_proposed(raw):
    for second, size in enumerate((1000, 1100, 80)):
        (raw / f"{FIRST + second}.bin").write_bytes(bytes(size))
    assert check_conversion(complete(raw)).run == 2


def test_missing_seconds_and_date_are_shown(qtbot, dialog, raw):
    dialog.set_form(complete(raw, duration=5))
    qtbot.waitUntil(lambda: dialog.missing.text() == "2 of 5 seconds have no file")
    assert dialog.date.text() == "2020-10-07 06:00:00 UTC"


def test_output_is_not_proposed_where_it_cannot_be_written(
    qtbot, dialog, raw, tmp_path, monkeypatch
):
    monkeypatch.setattr("quicklook.background_tasks.os.access", lambda *_: False)
    dialog._settings.photon_folder = str(tmp_path)
    dialog.bin_dir.set_text(str(raw))
    qtbot.waitUntil(lambda: dialog.out.text() == str(tmp_path / f"{FIRST}.h5"))


def test_stale_check_is_ignored(dialog, raw):
    old = check_conversion(complete(raw))
    dialog.set_form(complete(raw, beammap=""))
    dialog.show_check(old)
    assert not dialog.convert.isEnabled()


def test_last_folders_are_remembered(qtbot, dialog, raw, settings):
    dialog.set_form(complete(raw))
    qtbot.waitUntil(dialog.convert.isEnabled)
    qtbot.mouseClick(dialog.convert, Qt.MouseButton.LeftButton)
    assert settings.bin_folder == str(raw)
    again = ConvertDialog(settings)
    qtbot.addWidget(again)
    assert again.bin_dir.text() == str(raw)
    assert again.beammap.text() == str(raw.parent / "map.bmap")


def test_browse(qtbot, dialog, raw, monkeypatch):
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getExistingDirectory", staticmethod(lambda *a, **k: str(raw))
    )
    qtbot.mouseClick(dialog.bin_dir.button, Qt.MouseButton.LeftButton)
    assert dialog.bin_dir.text() == str(raw)
    monkeypatch.setattr(
        QtWidgets.QFileDialog, "getExistingDirectory", staticmethod(lambda *a, **k: "")
    )
    qtbot.mouseClick(dialog.bin_dir.button, Qt.MouseButton.LeftButton)
    assert dialog.bin_dir.text() == str(raw)  # Cancel changes nothing


def test_long_nights_become_several_files(qtbot, dialog, raw):
    form = complete(raw, duration=40_000, out=str(raw.parent / f"{FIRST}.h5"))
    dialog.set_form(form)
    qtbot.waitUntil(lambda: "tick 'Several files'" in dialog.reason.text())
    assert not dialog.convert.isEnabled()
    dialog.split.setChecked(True)
    qtbot.waitUntil(dialog.convert.isEnabled)
    assert dialog.form().split


def test_the_limit_of_a_file_is_that_of_the_core():
    from pipeline_core.convert import MAX_DURATION_S
    from quicklook.background_tasks import LONGEST_S

    assert LONGEST_S == MAX_DURATION_S


def test_the_beam_map_of_the_folder_is_proposed_once(dialog, raw, qtbot, monkeypatch):
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)
    dialog.bin_dir.set_text(str(raw))
    qtbot.waitUntil(lambda: dialog.convert.isEnabled(), timeout=5000)
    assert dialog.beammap.text() == str(raw.parent / "map.bmap")
    dialog.beammap.set_text("")
    qtbot.waitUntil(lambda: "Choose a beam map" in dialog.reason.text(), timeout=5000)
    assert dialog.beammap.text() == ""


def test_of_several_beam_maps_and_beside_a_chosen_one_none_is_proposed(raw, monkeypatch):
    monkeypatch.delenv("MKID_BEAMMAP_PATH", raising=False)
    assert check_conversion(complete(raw)).beammap == ""
    assert check_conversion(complete(raw, beammap="")).beammap == str(raw.parent / "map.bmap")
    Beammap.design((10, 7)).write(raw.parent / "second.bmap")
    assert check_conversion(complete(raw, beammap="")).beammap == ""
