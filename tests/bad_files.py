"""Files that cannot be opened, one of every kind, each in a folder of its own, and what their messages must hold.

`write_bad_files(folder)` writes them all. Open each with `open_observation(bad.path)` (nothing else given, and
``MKID_BEAMMAP_PATH`` not set); those with `reads` open well and fail when all photons are counted.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tables
from rawdata import FAKE, header, photon, write_words

from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.obsfile import ObsFile

__all__ = ["BadFile", "crash_hdf5", "write_bad_files", "write_good_file"]

START = 1602050400
TICKS = (START - 1577836800) * 2000
SHAPE = (4, 3)


@dataclass(frozen=True)
class BadFile:
    """`word` and `named` (default: the path) must stand in the message."""

    kind: str
    path: Path
    word: str
    named: str
    reads: bool = False


class _Corpus:
    """Writes the files; every method returns a path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found: list[BadFile] = []
        self.good = self._good_second()

    def add(
        self,
        kind: str,
        name: str,
        word: str,
        write: Callable[[Path], object],
        *,
        named: str | None = None,
        reads: bool = False,
    ) -> None:
        """Write one file, two levels down: a map is looked for one folder up, too."""
        path = self._folder / kind.replace(" ", "-") / "data" / name
        path.parent.mkdir(parents=True)
        write(path)
        self.found.append(BadFile(kind, path, word, named or str(path), reads))

    def _good_second(self) -> Path:
        folder = self._folder / "good" / "data"
        folder.mkdir(parents=True)
        write_words(folder / f"{START}.bin", good_words())
        out = folder / "good.h5"
        convert(ConvertSettings(folder, START, 1, Beammap.design(SHAPE), out))
        return out

    def edited(self, edit: Callable[[tables.File], object]) -> Callable[[Path], None]:
        """Return a writer that copies the good photon file and edits it."""

        def write(path: Path) -> None:
            shutil.copy(self.good, path)
            path.chmod(0o600)
            with tables.open_file(str(path), "a") as h5:
                edit(h5)

        return write


def good_words() -> list[int]:
    rng = np.random.default_rng(3)
    words = []
    for k in range(1000):
        words.append(header(5, k, TICKS + 2 * k))
        for x, y, t, p in rng.integers((4, 3, 500, 30_000), size=(20, 4)).tolist():
            words.append(photon(x, y, t, -p))
        words.append(FAKE)
    return words


class _Trap:
    """Makes a folder when it is unpickled: nothing in a file may be executed."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def trap_of(folder: Path) -> Path:
    """Return the folder that appears if a pickle of the corpus is executed."""
    return folder / "executed"


def crash_hdf5(path: Path, name: bytes = b"camera") -> None:
    """Spoil the name of an attribute: PyTables ends with a segmentation fault."""
    data = path.read_bytes()
    assert name + b"\0" in data
    path.chmod(0o600)
    path.write_bytes(data.replace(name + b"\0", b"\xc1" + name[1:] + b"\0", 1))


def write_good_file(folder: Path) -> Path:
    """Write a raw second and its photon file below a folder, and return the latter."""
    return _Corpus(folder).good


def write_bad_files(folder: Path) -> list[BadFile]:
    """Write all of them below `folder` (which must exist) and return what they are."""
    corpus = _Corpus(folder)
    _foreign(corpus, folder)
    _damaged_photon_files(corpus)
    _raw(corpus)
    _frames(corpus)
    _special(corpus)
    return corpus.found


def _foreign(corpus: _Corpus, folder: Path) -> None:
    """Things that are no photon file."""

    def of_others(path: Path) -> None:
        with tables.open_file(str(path), "w") as h5:
            h5.create_array("/", "image", np.arange(6).reshape(2, 3))

    def old_layout(path: Path) -> None:
        with tables.open_file(str(path), "w") as h5:
            h5.create_group("/", "Photons")

    def with_pickles(path: Path) -> None:
        with tables.open_file(str(path), "w") as h5:
            trap = pickle.dumps(_Trap(trap_of(folder)))
            for name in ("format", "file_id", "other"):
                h5.root._v_attrs[name] = np.bytes_(trap)
            rows = h5.create_vlarray("/", "things", tables.ObjectAtom())
            rows.append("harmless")

    add = corpus.add
    add("empty", f"{START}.h5", "is empty", lambda p: p.touch())
    add("text", f"{START}.h5", "not HDF5", lambda p: p.write_text("observing log\n"))
    add("picture", f"{START}.h5", "not HDF5", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" * 9))
    add("unknown ending", "notes.txt", "not HDF5", lambda p: p.write_text("seeing 0.8"))
    add("hdf5 of others", f"{START}.h5", "holds no photons", of_others)
    add("older layout", f"{START}.h5", "older program", old_layout)
    add("pickles", f"{START}.h5", "holds no photons", with_pickles)


def _damaged_photon_files(corpus: _Corpus) -> None:
    good = corpus.good.read_bytes()

    def of_format(h5: tables.File, **changes: object) -> None:
        for name, value in changes.items():
            h5.root._v_attrs[name] = value

    def replace_table(h5: tables.File) -> None:
        h5.remove_node("/Photons/PhotonTable")
        h5.create_table("/Photons", "PhotonTable", np.dtype([("Time", "u4"), ("Wavelength", "f4")]))

    def replace_by_objects(h5: tables.File) -> None:
        h5.remove_node("/Photons/PixelIndex/start")
        h5.create_vlarray("/Photons/PixelIndex", "start", tables.ObjectAtom())

    def spoil_index(h5: tables.File) -> None:
        h5.root.Photons.PixelIndex.stop[2, 1] += 5

    def other_shape(h5: tables.File) -> None:
        h5.remove_node("/BeamMap/Flag")
        h5.create_array("/BeamMap", "Flag", np.zeros((3, 4), np.int64))

    def spoil_chunk(path: Path) -> None:
        shutil.copy(corpus.good, path)
        path.chmod(0o600)
        with tables.open_file(str(path)) as h5:
            place = h5.root.Photons.PhotonTable.chunk_info((0,))
        with path.open("r+b") as stream:
            stream.seek(place.offset + 16)
            stream.write(b"\xff" * (place.size - 16))

    def crash_library(path: Path) -> None:
        shutil.copy(corpus.good, path)
        crash_hdf5(path)

    def with_sidecar_of_another(path: Path) -> None:
        shutil.copy(corpus.good, path)
        other = path.with_name("other.h5")
        corpus.edited(lambda h5: of_format(h5, file_id="another"))(other)
        with ObsFile(other, "write") as obs:
            obs.annotate("of another file")
        other.with_name("other.cal.h5").rename(path.with_name(f"{path.stem}.cal.h5"))

    def only_sidecar(path: Path) -> None:
        with_sidecar_of_another(path.with_name("1.h5"))
        path.with_name("1.cal.h5").rename(path)

    def with_spoilt_sidecar(path: Path) -> None:
        shutil.copy(corpus.good, path)
        path.with_name(f"{path.stem}.cal.h5").write_text("spoilt")

    def with_edited_sidecar(edit: Callable[[Path], object]) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            shutil.copy(corpus.good, path)
            with ObsFile(path, "write") as obs:
                obs.annotate("clouds")
            edit(path.with_name(f"{path.stem}.cal.h5"))

        return write

    def newer(path: Path) -> None:
        with tables.open_file(str(path), "a") as h5:
            of_format(h5, version=np.int64(99))

    def without_a_column(h5: tables.File) -> None:
        rows = h5.root.Photons.PhotonTable.read()
        names = [name for name in rows.dtype.names if name != "NoiseWeight"]
        fewer = np.zeros(rows.size, [(name, rows.dtype[name]) for name in names])
        h5.remove_node("/Photons/PhotonTable")
        h5.create_table("/Photons", "PhotonTable", obj=fewer)

    def killed_while_writing(path: Path) -> None:
        program = (
            "import os, sys, numpy, tables\n"
            "h5 = tables.open_file(sys.argv[1], 'w')\n"
            "h5.create_array('/', 'a', numpy.arange(100_000))\n"
            "os._exit(0)\n"  # as a kill would
        )
        subprocess.run([sys.executable, "-c", program, str(path)], check=True)

    name, add, edited = f"{START}.h5", corpus.add, corpus.edited
    add("cut short", name, "damaged, cut off", lambda p: p.write_bytes(good[: len(good) // 2]))
    add("only a beginning", name, "damaged, cut off", lambda p: p.write_bytes(good[:100]))
    add("newer version", name, "Update", edited(lambda h5: of_format(h5, version=np.int64(99))))
    add("no camera", name, "camera", edited(lambda h5: h5.root._v_attrs.__delattr__("camera")))
    add("exposure is text", name, "exposure", edited(lambda h5: of_format(h5, exposure="long")))
    add(
        "no photon table",
        name,
        "PhotonTable",
        edited(lambda h5: h5.remove_node("/Photons/PhotonTable")),
    )
    add("other columns", name, "other columns", edited(replace_table))
    add("index of objects", name, "not a plain array", edited(replace_by_objects))
    add("index does not fit", name, "pixel index", edited(spoil_index))
    add("flags of another shape", name, "pixel index", edited(other_shape))
    add("spoilt chunk", name, "damaged", spoil_chunk, reads=True)
    add("crashes HDF5", name, "crashes", crash_library)
    add(
        "sidecar of another",
        name,
        "belongs to another",
        with_sidecar_of_another,
        named=f"{START}.cal.h5",
    )
    sidecar = f"{START}.cal.h5"
    add("a column missing", name, "other columns", edited(without_a_column))
    add("killed while written", name, "still being written", killed_while_writing)
    add("newer sidecar", name, "Update", with_edited_sidecar(newer), named=sidecar)
    cut = with_edited_sidecar(lambda p: p.write_bytes(p.read_bytes()[:3000]))
    add("sidecar cut short", name, "cut off", cut, named=sidecar)
    crash = with_edited_sidecar(lambda p: crash_hdf5(p, b"file_id"))
    add("sidecar that crashes", name, "crashes", crash, named=sidecar)
    add("spoilt sidecar", name, "not HDF5", with_spoilt_sidecar, named=f"{START}.cal.h5")
    add("a sidecar", f"{START}.cal.h5", "holds no photons", only_sidecar)


def _raw(corpus: _Corpus) -> None:
    def with_map(
        data: bytes | list[int], *shapes: tuple[int, int], text: str = ""
    ) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            if isinstance(data, bytes):
                path.write_bytes(data)
            else:
                write_words(path, data)
            for number, shape in enumerate(shapes):
                Beammap.design(shape).write(path.with_name(f"map{number}.bmap"))
            if text:
                path.with_name("map.bmap").write_text(text)

        return write

    noise = np.random.default_rng(1).bytes(80_000)
    words = good_words()
    late = [header(5, k, TICKS + 200_000 + k) for k in range(10)]
    name, add = f"{START}.bin", corpus.add
    add("empty raw", name, "is empty", with_map(b"", SHAPE))
    add("three bytes", name, "not even one word", with_map(b"\xff\x05\x00", SHAPE))
    add("raw of one photon", name, "no packet header", with_map([photon(1, 1, 1)], SHAPE))
    add("raw of zeros", name, "no packet header", with_map(bytes(80_000), SHAPE))
    add("raw of noise", name, "no packet header", with_map(noise, SHAPE))
    add("raw of ones", name, "no packet header", with_map(b"\xff" * 80_000, SHAPE))
    add("raw of text", name, "no packet header", with_map(b"buffer overflow\n" * 999, SHAPE))
    add("leading zero", f"0{START}.bin", "unix second", with_map(words, SHAPE))
    add("another time", name, "the nearest is", with_map(late, SHAPE))
    add("no beam map", name, "needs a beam map", with_map(words))
    add("two beam maps", name, "several", with_map(words, SHAPE, SHAPE))
    add("map of another camera", name, "outside the 2 x 3 array", with_map(words, (2, 3)))
    add("spoilt map", name, "line 2", with_map(words, text="1 0 0 0\nspoilt\n"), named="map.bmap")
    add("raw without a time", "latest.bin", "unix second", with_map(words, SHAPE))


def _frames(corpus: _Corpus) -> None:
    def huge(path: Path) -> None:
        with path.open("wb") as stream:  # takes no room on the disk
            stream.truncate(5_000_000_000)

    name, add = f"{START}.img", corpus.add
    add("empty frame", name, "0 bytes", lambda p: p.touch())
    add("odd frame", name, "19,999 bytes", lambda p: p.write_bytes(bytes(19_999)))
    add("huge frame", name, "5,000,000,000 bytes", huge)
    add("frame of no camera", name, "no known camera", lambda p: p.write_bytes(bytes(24)))
    add("frame without a time", "hot.img", "unix second", lambda p: p.write_bytes(bytes(20_000)))


def _special(corpus: _Corpus) -> None:
    """What is no ordinary file, or not there at all."""
    add = corpus.add
    for ending in ("h5", "bin", "img"):
        name = f"{START}.{ending}"
        add(f"folder {ending}", name, "is a folder", lambda p: p.mkdir())
        add(f"missing {ending}", name, "No such file", lambda p: None)
        add(f"dangling link {ending}", name, "No such file", lambda p: p.symlink_to("nowhere"))
        add(f"pipe {ending}", name, "no ordinary file", lambda p: os.mkfifo(p))
        if os.getuid():  # root reads everything

            def unreadable(path: Path) -> None:
                path.write_bytes(bytes(20_000))
                path.chmod(0)

            add(f"unreadable {ending}", name, "Permission denied", unreadable)
    add("link in a circle", f"{START}.h5", "cannot be read", lambda p: p.symlink_to(p.name))
