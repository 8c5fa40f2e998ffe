"""Spoilt files of every kind that the program reads, and what must come of them.

`write_originals(folder)` makes good files; `spoil(original, target, rng)` a damaged copy; `outcome(case)` opens it,
looks at the numbers and says in a word what came of it. Allowed are 'opened' and 'refused', with the file named.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tables
import yaml
from bad_files import START, good_words
from flat_files import SHAPE, night, settings
from rawdata import write_words
from wavecal_solutions import full_solution

from pipeline_core import ObsFile, open_observation
from pipeline_core.badpixels.solution import BadPixels, load_bad_pixels
from pipeline_core.beammap import Beammap, read_beammap
from pipeline_core.describe_file import describe_file
from pipeline_core.describe_observation import describe_observation
from pipeline_core.errors import PipelineError
from pipeline_core.flatcal.apply import load_weights
from pipeline_core.flatcal.compute import run
from pipeline_core.flatcal.config import default_text, load_config
from pipeline_core.flatcal.solution import load_solution as load_flat
from pipeline_core.masks import PIXEL_KINDS
from pipeline_core.sidecar import sidecar_path
from pipeline_core.timemask.solution import MaskedTimes, load_time_mask
from pipeline_core.wavecal.apply import load_curves
from pipeline_core.wavecal.settings import WavecalSettings
from pipeline_core.wavecal.solution import load_solution as load_wavecal

GOOD = ("opened", "refused")
_HDF5 = (".h5",)
_TEXTS = (".bmap", ".cfg", ".yml")


@dataclasses.dataclass(frozen=True)
class Originals:
    """Good files by kind; `photons` and `sidecar` belong together."""

    files: dict[str, Path]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self.files)


def write_originals(folder: Path) -> Originals:
    """Make one good file of every kind; takes some seconds."""
    made = night(folder, "sky", rates=np.full(SHAPE, 400.0))
    flat = night(folder, "flat")
    with ObsFile(made) as obs:
        beammap, camera, file_id = obs.beammap, obs.camera, obs.file_id
    files = {
        "photons": made,
        "wavecal": full_solution(beammap, camera, n_bin=40).save(folder / "wavecal.h5"),
        "flatcal": run(settings(flat)).combined.save(folder / "flatcal.h5"),
        "badpixels": _bad_pixels(beammap, camera, file_id).save(folder / "badpixels.h5"),
        "timemask": MaskedTimes(
            intervals_us=np.array([[0, 1000], [5000, 9000]]),
            codes=np.array([0, 1], np.uint8),
            reasons=("A burst.", "By hand µ."),
            file_id=file_id,
        ).save(folder / "timemask.h5"),
    }
    with ObsFile(made, "write") as obs:
        obs.apply_flatcal(files["flatcal"], force=True).annotate("clouds")
        obs.apply_badpixels(files["badpixels"]).apply_timemask(files["timemask"])
    files["sidecar"] = sidecar_path(made, "")
    files["raw"] = write_words(folder / f"{START}.bin", good_words())
    files["frame"] = folder / f"{START}.img"
    np.arange(10_000, dtype="<u2").tofile(files["frame"])
    files["beammap"] = folder / "map.bmap"
    Beammap.design(SHAPE).write(files["beammap"])
    files["flat settings"] = folder / "flatcal.cfg"
    files["flat settings"].write_text(
        default_text().replace("flatPath = ''", f"flatPath = {str(flat)!r}")
    )
    files["flat YAML"] = folder / "flat.yml"
    files["flat YAML"].write_text(yaml.safe_dump(load_config(files["flat settings"]).values))
    files["wavecal YAML"] = folder / "wavecal.yml"
    files["wavecal YAML"].write_text(
        "lasers:\n  - {wavelength_nm: 808, path: a.h5}\n"
        "  - {wavelength_nm: 920, path: b.h5, background: c.h5}\nout: sol.h5\ndt_us: 500\n"
    )
    return Originals(files)


def _bad_pixels(beammap: Beammap, camera: str, file_id: str) -> BadPixels:
    rates = np.arange(12.0).reshape(SHAPE)
    return BadPixels(
        camera=camera,
        res_id=beammap.res_id,
        read=np.ones(SHAPE, bool),
        pixels=np.array([[1, 1], [3, 0]]),
        flags=np.array([0, PIXEL_KINDS["hot"]], np.uint32),
        reasons=("Cold in one slice.", "Hot."),
        edges_us=np.array([0, 500_000, 2_000_000]),
        slice_flags=np.array([[0, PIXEL_KINDS["cold"]], [0, 0]], np.uint32),
        rate_cps=rates,
        expected_cps=np.full(SHAPE, 60.0),
        sigma=rates / 60,
        file_id=file_id,
    )


# --- damage --------------------------------------------------------------------------------------


def spoil(original: Path, target: Path, rng: np.random.Generator) -> str:
    """Write a damaged copy and return what was done."""
    shutil.copyfile(original, target)
    if original.suffix in _HDF5 and rng.random() < 0.5:
        try:
            return _edit_hdf5(target, rng)
        except (ValueError, TypeError, tables.HDF5ExtError):  # PyTables does not do everything
            shutil.copyfile(original, target)
    if original.suffix in _TEXTS and rng.random() < 0.7:
        return _edit_text(target, rng)
    return _edit_bytes(target, rng, original.suffix in _HDF5)


def _edit_bytes(path: Path, rng: np.random.Generator, is_hdf5: bool) -> str:
    data = np.fromfile(path, np.uint8)
    kind = rng.choice(["bytes", "cut", "zeros", "twice"], p=[0.8, 0.08, 0.08, 0.04])
    first = _place(data, rng, is_hdf5)
    if kind == "cut":
        data = data[: int(rng.integers(data.size + 1))]
    elif kind == "zeros":
        data[first : first + int(rng.choice([8, 512, 4096]))] = 0
    elif kind == "twice":
        data = np.concatenate((data[:first], data[max(first - 100, 0) :]))
    else:
        for _ in range(int(rng.choice([1, 2, 5]))):
            first = _place(data, rng, is_hdf5)
            part = data[first : first + int(rng.choice([1, 1, 4, 64]))]
            special = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
            part[:] = special if rng.random() < 0.3 else rng.integers(0, 256, part.size)
    data.tofile(path)
    return f"{kind} at {first}"


def _place(data: np.ndarray, rng: np.random.Generator, is_hdf5: bool) -> int:
    """Where to damage: in HDF5 mostly where the descriptions are, which look like text or little numbers."""
    if not is_hdf5 or rng.random() < 0.3:
        return int(rng.integers(data.size))
    if rng.random() < 0.5:
        return int(rng.integers(8, min(20_000, data.size)))
    block = int(rng.choice(_blocks(data)))
    return min(block * 256 + int(rng.integers(256)), data.size - 1)


def _blocks(data: np.ndarray) -> np.ndarray:
    """Blocks of 256 bytes that are zero for the most part, but not throughout."""
    whole = data[: data.size // 256 * 256].reshape(-1, 256)
    zeros = (whole == 0).mean(axis=1)
    return np.flatnonzero((zeros > 0.3) & (zeros < 1.0))


def _edit_hdf5(path: Path, rng: np.random.Generator) -> str:
    """Change what a file says, not how HDF5 keeps it."""
    path.chmod(0o600)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with tables.open_file(str(path), "a", pytables_sys_attrs=False) as h5:
            nodes = list(h5.walk_nodes("/"))
            node = nodes[int(rng.integers(len(nodes)))]
            names = node._v_attrs._v_attrnames
            leaf = isinstance(node, tables.Leaf)
            if names and (not leaf or rng.random() < 0.4):
                name = str(rng.choice(names))
                if rng.random() < 0.3:
                    del node._v_attrs[name]
                    return f"no attribute {name} of {node._v_pathname}"
                value = _odd_value(rng)
                node._v_attrs[name] = value
                return f"attribute {name} of {node._v_pathname} = {value!r}"[:200]
            if not leaf:
                where = node._v_pathname
                if where != "/":
                    h5.remove_node(node, recursive=True)
                return f"no group {where}"
            return _edit_leaf(h5, node, rng)


def _odd_value(rng: np.random.Generator) -> object:
    values = (
        np.int64(-1),
        np.int64(0),
        np.int64(2**62),
        np.int32(3),
        np.float64("nan"),
        np.float64("inf"),
        np.float64(-1e300),
        "",
        "text",
        "[1, {",
        "x" * 3000,
        np.bytes_(b"\xff\xfe\x80"),
        np.arange(5),
        np.zeros((0, 3)),
        np.array(["a", "b"], "S1"),
        np.float32([[1.5]]),
        np.bool_(True),
    )
    return values[int(rng.integers(len(values)))]


def _edit_leaf(h5: tables.File, node: tables.Leaf, rng: np.random.Generator) -> str:
    where, parent, name = node._v_pathname, node._v_parent, node._v_name
    kind = rng.choice(["remove", "value", "dtype", "shape", "other"], p=[0.15, 0.5, 0.1, 0.15, 0.1])
    if kind == "remove" or not node.nrows:
        node.remove()
        return f"no {where}"
    values = node.read()
    if kind == "value":
        return f"{where}: {_edit_values(node, values, rng)}"
    values = np.asarray(values)
    if kind == "dtype" and values.dtype.names is None:
        values = values.astype(rng.choice(["f4", "i1", "i8", "S3", "c16"]))
    elif kind == "shape":
        values = values.ravel()[: int(rng.integers(values.size + 1))]
    elif kind == "other":
        values = np.zeros(3)
    node.remove()
    if values.dtype.names is not None:
        h5.create_table(parent, name, obj=values) if values.size else None
    elif values.size:
        h5.create_array(parent, name, values)
    return f"{where} is now {values.dtype} {values.shape}"[:200]


def _edit_values(node: tables.Leaf, values: object, rng: np.random.Generator) -> str:
    flat = np.atleast_1d(np.array(values)).ravel()
    where = int(rng.integers(flat.size))
    if flat.dtype.names is not None:
        column = str(rng.choice(flat.dtype.names))
        flat[column][where] = _odd_number(flat[column][where], rng)
        said = f"{column}[{where}]"
    else:
        flat[where] = _odd_number(flat[where], rng)
        said = f"[{where}]"
    new = flat.reshape(np.shape(values))
    if isinstance(node, tables.Table):
        node.modify_rows(0, len(flat), rows=flat)
    elif np.shape(values):
        node[:] = new
    return f"{said} changed"


def _odd_number(old: np.generic, rng: np.random.Generator) -> object:
    old = np.asarray(old)
    kind = old.dtype.kind
    if kind in "iu":
        info = np.iinfo(old.dtype)
        odd = [info.min, info.max, 0, int(old.flat[0]) ^ 1, int(rng.integers(0, 100))]
        return np.asarray(odd[int(rng.integers(len(odd)))]).astype(old.dtype)
    if kind == "f":
        return rng.choice([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300, 1e-300]).astype(old.dtype)
    if kind == "S":
        return rng.choice([b"", b"\xff\xff", b"x" * 3])
    return np.zeros((), old.dtype)[()]


_WORDS = (
    *("nan", "-1", "1e999", "99999999999999999999", "0", "0.5", "1 2", "[", "{a: 1}", "null", "'"),
    *("True", "µ", "\x00", "\t", "[1, 2]", "- x", "!!python/object:os.system x", "&a *a", "()"),
    *(
        "(" * 300,
        "[" * 2000,
        "9" * 5000,
        "2020-01-01",
        "0x1p3",
        "__import__('os')",
        "1j",
        "-0",
        "~",
    ),
)


def _edit_text(path: Path, rng: np.random.Generator) -> str:
    """Change words and lines of a text."""
    lines = path.read_text().splitlines()
    used = [k for k, line in enumerate(lines) if line and not line.startswith("#")]
    number = int(rng.choice(used))
    kind = rng.choice(["word", "twice", "gone", "joined", "moved"], p=[0.6, 0.1, 0.1, 0.1, 0.1])
    if kind == "word":
        words = re.split(r"(\s+|[:,=])", lines[number])
        words[int(rng.integers(len(words)))] = str(rng.choice(_WORDS))
        lines[number] = "".join(words)
    elif kind == "twice":
        lines.insert(number, lines[number])
    elif kind == "gone":
        del lines[number]
    elif kind == "joined":
        lines[number] += " " + lines[int(rng.choice(used))]
    else:
        lines[number] = "  " + lines[number]
    path.write_text("\n".join(lines) + "\n")
    return f"{kind} in line {number + 1}"


# --- what comes of it ----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Case:
    """A spoilt file in a folder of its own, beside what belongs to it."""

    kind: str
    path: Path
    observation: Path
    beammap: Path


def lay_out(
    originals: Originals, kind: str, folder: Path, rng: np.random.Generator
) -> tuple[Case, str]:
    """Fill an empty folder for one case; return it and what was done to the file."""
    files = originals.files
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    observation = folder / "night.h5"
    shutil.copyfile(files["photons"], observation)
    beammap = folder / "map.bmap"
    shutil.copyfile(files["beammap"], beammap)
    if kind in ("photons", "sidecar"):
        shutil.copyfile(files["sidecar"], folder / "night.cal.h5")
    names = {"photons": "night.h5", "sidecar": "night.cal.h5", "beammap": "map.bmap"}
    path = folder / names.get(kind, files[kind].name)
    done = spoil(files[kind], path, rng)
    return Case(kind, path, observation, beammap), done


def outcome(case: Case) -> tuple[str, str]:
    """Open a case's file, and return a word and more words."""
    try:
        CHECKS[case.kind](case)
    except PipelineError as error:
        # a file whose id is spoilt does not fit its sidecar, which is named then
        named = case.path.stem.split(".")[0] in str(error)
        return ("refused" if named else "no name"), str(error)
    except AssertionError as error:
        return "inconsistent", repr(error)
    except Exception as error:
        import traceback

        return "another error", f"{error!r}\n{traceback.format_exc()}"
    return "opened", ""


def _look_at(obs: ObsFile) -> None:
    """Read what the window reads, and compare."""
    counts = obs.count_image()
    assert counts.shape == obs.shape == obs.flags.shape, "shapes"
    masked = obs.masked_us.size
    if not masked:
        assert counts.sum() == obs.n_photons, "counts"
    pixel = (obs.shape[0] - 1, obs.shape[1] - 1)
    photons = obs.photons(pixel)
    if not masked:
        assert photons.size == counts[pixel], "photons of a pixel"
    wavelengths = photons["wavelength"]
    assert not (wavelengths <= 0).any(), "wavelengths"
    half = obs.exposure_s / 2
    obs.count_image(0.0, half)
    obs.light_curve(pixel, bin_s=max(obs.exposure_s / 100, 1e-3))
    obs.spectrum(pixel)
    live = obs.live_time(pixel)
    assert np.all(np.asarray(live) >= 0), "live time"
    describe_observation(obs)


def _photons(case: Case) -> None:
    with open_observation(case.path) as obs:
        _look_at(obs)
    describe_file(case.path)


def _sidecar(case: Case) -> None:
    with ObsFile(case.observation, "write") as obs:
        _look_at(obs)
        obs.annotate("one more")
    with ObsFile(case.observation) as obs:
        assert obs.annotations[-1] == "one more", "a lost annotation"


def _wavecal(case: Case) -> None:
    load_wavecal(case.path)
    load_curves(case.path)
    describe_file(case.path)
    with ObsFile(case.observation) as obs:
        obs.try_wavecal(case.path)
        _look_at(obs)


def _flatcal(case: Case) -> None:
    load_flat(case.path)
    load_weights(case.path)
    describe_file(case.path)
    with ObsFile(case.observation, "write") as obs:
        obs.apply_wavecal(case.path.with_name("wavecal.h5"))
        obs.apply_flatcal(case.path, force=True)
        _look_at(obs)
        obs.weighted_image()


def _badpixels(case: Case) -> None:
    load_bad_pixels(case.path)
    describe_file(case.path)
    with ObsFile(case.observation, "write") as obs:
        obs.apply_badpixels(case.path)
        _look_at(obs)


def _timemask(case: Case) -> None:
    load_time_mask(case.path)
    describe_file(case.path)
    with ObsFile(case.observation, "write") as obs:
        obs.apply_timemask(case.path)
        _look_at(obs)


def _raw(case: Case) -> None:
    with open_observation(case.path, beammap=case.beammap) as obs:
        _look_at(obs)
    describe_file(case.path)


def _frame(case: Case) -> None:
    with open_observation(case.path) as frame:
        assert frame.count_image().shape == frame.shape, "shapes"
        describe_observation(frame)
    describe_file(case.path)


def _beammap(case: Case) -> None:
    found = read_beammap(case.path)
    assert found.res_id.shape == found.code.shape == found.shape, "shapes"
    describe_file(case.path)


def _flat_settings(case: Case) -> None:
    load_config(case.path)


def _wavecal_yaml(case: Case) -> None:
    WavecalSettings.from_yaml(case.path)


CHECKS: dict[str, Callable[[Case], None]] = {
    "photons": _photons,
    "sidecar": _sidecar,
    "wavecal": _wavecal,
    "flatcal": _flatcal,
    "badpixels": _badpixels,
    "timemask": _timemask,
    "raw": _raw,
    "frame": _frame,
    "beammap": _beammap,
    "flat settings": _flat_settings,
    "flat YAML": _flat_settings,
    "wavecal YAML": _wavecal_yaml,
}


def run_case(
    originals: Originals, kind: str, seed: int, folder: Path
) -> tuple[str, str, str, Path]:
    """Make the case of a kind and a seed, and look: word, more words, what was done, file."""
    case, done = lay_out(originals, kind, folder, np.random.default_rng(seed))
    if kind == "flatcal":
        shutil.copyfile(originals.files["wavecal"], folder / "wavecal.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        word, more = outcome(case)
    return word, more, done, case.path
