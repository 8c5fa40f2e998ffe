import dataclasses

import pytest
import tables

from pipeline_core import sidecar as sidecar_module
from pipeline_core.errors import (
    CalibrationError,
    ConfigError,
    InputFormatError,
    SchemaVersionError,
    SidecarConflictError,
)
from pipeline_core.sidecar import Sidecar, load_sidecar, save_sidecar, sidecar_path


def test_what_is_attached_is_found_through_a_link_too(tmp_path):
    for name in ("archive", "mine"):
        (tmp_path / name).mkdir()
    real, link = tmp_path / "archive" / "1602050400.h5", tmp_path / "mine" / "star.h5"
    real.touch()
    link.symlink_to(real)
    there, here = real.with_name("1602050400.cal.h5"), link.with_name("star.cal.h5")
    assert sidecar_path(link, "abc") == here
    there.touch()
    assert sidecar_path(link, "abc") == sidecar_path(real, "abc") == there
    here.touch()
    assert sidecar_path(link, "abc") == here


def test_annotations_and_undo_survive_saving(tmp_path):
    path = tmp_path / "a.cal.h5"
    saved = save_sidecar(path, Sidecar("id").annotated("clouds").annotated("seeing 1.2″"))
    assert saved.revision == 1
    again = load_sidecar(path, "id")
    assert again == saved
    assert again.annotations == ("clouds", "seeing 1.2″")
    once = save_sidecar(path, again.undone())
    assert once.annotations == ("clouds",)
    assert [a.undone for a in once.history] == [False, True]
    assert once.undone("annotation").annotations == ()
    with pytest.raises(CalibrationError, match="nothing to undo"):
        once.undone().undone()
    with pytest.raises(CalibrationError, match="no wavecal to undo"):
        once.undone("wavecal")


def test_a_missing_sidecar_means_untouched(tmp_path):
    assert load_sidecar(tmp_path / "none.cal.h5", "id") == Sidecar("id")


def test_a_second_writer_does_not_lose_the_first_ones_work(tmp_path):
    path = tmp_path / "a.cal.h5"
    mine = theirs = save_sidecar(path, Sidecar("id").annotated("first"))
    save_sidecar(path, theirs.annotated("theirs"))
    with pytest.raises(SidecarConflictError, match="changed by another program"):
        save_sidecar(path, mine.annotated("mine"))
    assert load_sidecar(path, "id").annotations == ("first", "theirs")


def test_wrong_sidecars_are_refused(tmp_path):
    path = tmp_path / "a.cal.h5"
    save_sidecar(path, Sidecar("id"))
    with pytest.raises(InputFormatError, match="belongs to another photon file"):
        load_sidecar(path, "other")
    with tables.open_file(str(path), "a") as h5:
        h5.root._v_attrs.version = 7
    with pytest.raises(SchemaVersionError, match="sidecar version 7"):
        load_sidecar(path, "id")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputFormatError, match="cut off"):
        load_sidecar(path, "id")
    with tables.open_file(str(path), "w"):
        pass
    with pytest.raises(InputFormatError, match="not a sidecar"):
        load_sidecar(path, "id")


def test_a_failed_write_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.cal.h5"
    saved = save_sidecar(path, Sidecar("id").annotated("kept"))

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sidecar_module, "_write", fail)
    with pytest.raises(Exception, match="full"):
        save_sidecar(path, saved.annotated("lost"))
    assert load_sidecar(path, "id") == saved
    assert not list(tmp_path.glob("*.part"))


def test_place(tmp_path, monkeypatch):
    photon_file = tmp_path / "1602050400.h5"
    assert sidecar_path(photon_file, "abc") == tmp_path / "1602050400.cal.h5"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(sidecar_module.os, "access", lambda *_: False)
    elsewhere = tmp_path / "data" / "quicklook" / "sidecars" / "abc.cal.h5"
    assert sidecar_path(photon_file, "abc") == elsewhere
    monkeypatch.undo()
    save_sidecar(elsewhere, Sidecar("abc").annotated("made its folder"))
    assert load_sidecar(elsewhere, "abc").revision == 1


def test_annotations_must_fit():
    for text in ("", "  ", "x" * 2001):
        with pytest.raises(ConfigError):
            Sidecar("id").annotated(text)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Sidecar("id").revision = 3
