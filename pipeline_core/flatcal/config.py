"""The guide's configuration files (`.cfg`, and the same as YAML): read, checked, written. Data only, never executed.

Values of a `.cfg` are Python literals: ``'text'``, ``5``, ``0.01``, ``['a', 'b']``.
"""

from __future__ import annotations

import ast
import configparser
import dataclasses
import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_core import schema
from pipeline_core.atomic import write_aside
from pipeline_core.errors import ConfigError, InputFormatError, PipelineError
from pipeline_core.flatcal.parameters import PARAMETERS, SECTIONS, Parameter, parameter
from pipeline_core.flatcal.settings import FlatcalSettings, LaserFlat
from pipeline_core.hdf5 import attribute, open_readonly, reading
from pipeline_core.plainyaml import plain_yaml

__all__ = [
    "DEFAULT_ROOT",
    "FlatConfig",
    "config_of",
    "default_text",
    "load_config",
    "write_default",
]

DEFAULT_ROOT = "/mnt/data0/ScienceData"
"""Where the guide's data are unless ``$MKID_RAW_PATH`` says otherwise."""

_RAW, _PROC = "MKID_RAW_PATH", "MKID_PROC_PATH"
_MOST_BYTES = 1_000_000
_KINDS = {
    "text": "text",
    "texts": "list of texts",
    "whole": "whole number",
    "number": "number",
    "files": "files by wavelength in nm",
}

Values = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class FlatConfig:
    """A configuration: what its file says, with defaults for what it does not.

    Attributes
    ----------
    values : dict of dict
        By section and key.
    source : str
        The file, for messages.
    folder : Path
        Relative paths of the own-directory mode start there.
    flats : tuple of Path
        Photon files instead of those that the values name.
    """

    values: Values
    source: str
    folder: Path
    flats: tuple[Path, ...] = ()

    def get(self, section: str, key: str) -> Any:
        """Return a value."""
        return self.values[section][key]

    def settings(self) -> FlatcalSettings:
        """Return the settings that it means.

        Raises
        ------
        ConfigError
            What is missing or impossible; the message names file, section and key.
        """
        problems: list[str] = []
        flats = self._flats(problems)
        lasers = self._lasers(problems)
        out = self._out(problems)
        if problems:
            raise ConfigError(f"{self.source}: " + "; ".join(problems) + ".")
        data, instrument = self.values["Data"], self.values["Instrument"]
        calibration = self.values["Calibration"]
        try:
            return FlatcalSettings(
                flats=tuple(flats),
                out=out,
                lasers=tuple(lasers),
                dark=self._path(data["darkPath"]),
                wavecal=self._wavecal(),
                int_time_s=float(data["intTime"]),
                exp_time_s=float(data["expTime"]),
                dead_time_us=1e6 * instrument["deadtime"],
                energy_bin_ev=instrument["energyBinWidth"],
                wvl_start_nm=instrument["wvlStart"],
                wvl_stop_nm=instrument["wvlStop"],
                rate_cutoff_cps=calibration["countRateCutoff"],
                trim_fraction=calibration["fractionOfChunksToTrim"],
                time_mask=self._path(calibration["timeMaskFileName"]),
                counts_a_knot=calibration["countsPerKnot"],
                line_half_width=calibration["lineHalfWidth"],
            )
        except ConfigError as error:
            raise ConfigError(f"{self.source}: {_in_guide_words(str(error))}") from error

    def with_flats(self, flats: Sequence[Path], out: Path | None) -> FlatConfig:
        """Return the same for other photon files: what the command line names wins."""
        values = {section: dict(keys) for section, keys in self.values.items()}
        values["Data"] |= {"flatPath": "", "lasers": {}}
        if out is not None:
            values["Data"]["calSolnPath"] = str(out.absolute())
        return dataclasses.replace(
            self, values=values, flats=tuple(path.absolute() for path in flats)
        )

    @property
    def science_data(self) -> bool:
        """Whether files are found by run, date and time stamps."""
        return not (self.flats or self.get("Data", "flatPath") or self.get("Data", "lasers"))

    def _night(self, date: str) -> Path:
        root = os.environ.get(_RAW) or DEFAULT_ROOT
        return Path(root) / str(self.get("Data", "run")) / date

    def _flats(self, problems: list[str]) -> list[Path]:
        data = self.values["Data"]
        if self.flats:
            return list(self.flats)
        if data["lasers"]:
            if data["flatPath"]:
                problems.append("[Data] flatPath and lasers exclude each other")
            return []
        if data["flatPath"]:
            return self._own_flats(problems)
        stamps = [stamp for stamp in data["flatObsTstamps"] if stamp]
        missing = [key for key in ("run", "date") if not data[key]]
        missing += [] if stamps else ["flatObsTstamps"]
        missing += [] if data["flatCalTstamp"] or data["calSolnPath"] else ["flatCalTstamp"]
        if missing:
            problems.append(
                f"[Data] {', '.join(missing)} must be given, because flatPath is not: either name a photon file by "
                "flatPath, or run, date and time stamps"
            )
            return []
        folder = self._night(data["date"])
        found = [folder / f"{stamp}.h5" for stamp in stamps]
        for path in found:
            if not path.is_file():
                problems.append(
                    f"[Data] flatObsTstamps: {path} does not exist (root: ${_RAW}, default {DEFAULT_ROOT})"
                )
        return found

    def _own_flats(self, problems: list[str]) -> list[Path]:
        path = self._path(self.get("Data", "flatPath"))
        assert path is not None
        if not path.exists():
            problems.append(f"[Data] flatPath: {path} does not exist")
            return []
        if path.is_file():
            return [path]
        stamps = [stamp for stamp in self.get("Data", "flatObsTstamps") if stamp]
        if stamps:
            found = [path / f"{stamp}.h5" for stamp in stamps]
            problems += [
                f"[Data] flatObsTstamps: {one} does not exist" for one in found if not one.is_file()
            ]
            return found
        found = sorted(one for one in path.glob("*.h5") if _kind(one) == schema.FORMAT)
        if not found:
            problems.append(f"[Data] flatPath: folder {path} holds no photon files")
        return found

    def _lasers(self, problems: list[str]) -> list[LaserFlat]:
        found = []
        for nm, files in self.get("Data", "lasers").items():
            pair = [files] if isinstance(files, str) else list(files)
            path, dark = self._path(pair[0]), self._path(pair[1]) if len(pair) > 1 else None
            for one in (path, dark):
                if one is not None and not one.is_file():
                    problems.append(f"[Data] lasers: {one} does not exist")
            if path is not None:
                found.append(LaserFlat(float(nm), path, dark))
        return found

    def _out(self, problems: list[str]) -> Path | None:
        data = self.values["Data"]
        given = data["calSolnPath"]
        if given:
            path = Path(given).expanduser()
            if not path.is_absolute() and os.environ.get(_PROC):
                return Path(os.environ[_PROC]) / "flatCalSolnFiles" / path
            return self.folder / path
        if self.science_data and data["flatCalTstamp"]:
            return self._night(data["date"]) / f"{data['flatCalTstamp']}_calSoln.h5"
        if not self.science_data and not self.flats:
            problems.append("[Data] calSolnPath must be given together with flatPath or lasers")
        return None

    def _wavecal(self) -> Path | None:
        data = self.values["Data"]
        if data["wvlCalFile"]:
            return self._path(data["wvlCalFile"])
        if not data["wvlDate"]:
            return None
        folders = [self._night(data["wvlDate"])] if data["run"] else []
        own = self._path(data["flatPath"])
        if own is not None:
            base = own if own.is_dir() else own.parent
            folders += [base / data["wvlDate"], base.parent / data["wvlDate"]]
        found = [
            path
            for folder in dict.fromkeys(folders)
            for path in sorted(folder.glob("*.h5"))
            if _kind(path) == schema.WAVECAL_FORMAT
        ]
        if len(found) != 1:
            what = "none" if not found else f"{len(found)}: " + ", ".join(p.name for p in found)
            where = " or ".join(str(f) for f in folders) or "any folder: run and flatPath are empty"
            raise ConfigError(
                f"[Data] wvlDate: one wavelength solution is needed in {where}, but there is {what}. Name it by "
                "wvlCalFile"
            )
        return found[0]

    def _path(self, text: str) -> Path | None:
        return None if not text else self.folder / Path(text).expanduser()


def load_config(path: Path | str | None = None) -> FlatConfig:
    """Read a configuration: ``.cfg`` by sections with Python literals, or ``.yml``; None for the shipped default.

    Everything is checked, and all that is wrong is named.

    Raises
    ------
    InputFormatError
        If it cannot be read, or is neither.
    ConfigError
        Unknown or repeated sections and keys, values that are no literals or of a wrong type.
    """
    if path is None:
        return _checked(_parsed_cfg(default_text(), "the shipped default"), "default", Path.cwd())
    path = Path(path).expanduser()
    if path.suffix.lower() in (".yml", ".yaml"):
        given: Mapping[str, Any] = plain_yaml(path)
    else:
        given = _parsed_cfg(_text(path), str(path))
    return _checked(given, str(path), path.absolute().parent)


def config_of(values: Mapping[str, Any], source: str, folder: Path) -> FlatConfig:
    """Return a configuration of plain values by section and key, checked as a file's are.

    Raises
    ------
    ConfigError
        Unknown sections and keys, values of a wrong type: all that is wrong is named.
    """
    return _checked(values, source, folder)


def default_text(values: Values | None = None) -> str:
    """Return a commented configuration with the defaults, or with other values."""
    lines = [
        "# Flat field: settings of 'python -m pipeline_core flatcal THIS_FILE'.",
        "# Values are Python literals: 'text' in quotes, numbers plain, lists in brackets.",
        "# Either ScienceData mode: run, date, flatCalTstamp, flatObsTstamps; files are below",
        f"# ${_RAW} (default {DEFAULT_ROOT}). Or own-directory mode: flatPath and calSolnPath.",
    ]
    for section in SECTIONS:
        lines += ["", f"[{section}]"]
        for one in PARAMETERS:
            if one.section != section:
                continue
            note = f"{one.key}: {_KINDS[one.kind]}, {one.needed}. {one.sentence}"
            lines += ["", *(f"# {line}" for line in textwrap.wrap(note, 98))]
            value = one.default if values is None else values[section][one.key]
            lines.append(f"{one.key} = {value!r}")
    return "\n".join(lines) + "\n"


def write_default(
    path: Path | str, *, overwrite: bool = False, values: Values | None = None
) -> Path:
    """Write the shipped default, or other values, as a ``.cfg``.

    Raises
    ------
    OutputError
        If it exists already and may not be overwritten, or cannot be written.
    """
    path = Path(path).expanduser()
    with write_aside(path, replace=overwrite) as part:
        part.write_text(default_text(values), encoding="utf-8")
    return path


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path} is too large for a configuration. Choose another file.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputFormatError(f"Configuration {path} cannot be read: {error}.") from error


def _parsed_cfg(text: str, source: str) -> Values:
    """Return the literals of a ``.cfg`` by section and key."""
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#", ";"))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ConfigError(
            f"{source} is no configuration: {' '.join(str(error).split())} Write sections [Data], [Instrument], "
            "[Calibration] with lines 'key = value'."
        ) from error
    values: Values = {}
    problems = []
    for section in parser.sections():
        values[section] = {}
        for key, literal in parser.items(section):
            try:
                values[section][key] = ast.literal_eval(literal.strip())
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                problems.append(
                    f"[{section}] {key} = {literal[:60]}: not a Python literal (write texts in quotes)"
                )
    if problems:
        raise ConfigError(f"{source}: " + "; ".join(problems) + ".")
    return values


def _checked(given: Mapping[str, Any], source: str, folder: Path) -> FlatConfig:
    """Check names and types, fill in defaults."""
    problems = list(_unknown(given))
    values: Values = {section: {} for section in SECTIONS}
    for one in PARAMETERS:
        section = given.get(one.section)
        value = one.default
        if isinstance(section, Mapping) and one.key in section:
            value = section[one.key]
        try:
            values[one.section][one.key] = _typed(one, value)
        except ConfigError as error:
            problems.append(str(error))
    for section in SECTIONS:
        if section not in given:
            problems.append(f"section [{section}] is missing")
    if values["Calibration"].get("timeSpacingCut") not in ("None", "", None):
        problems.append("[Calibration] timeSpacingCut was never used: keep 'None'")
    if problems:
        raise ConfigError(f"{source}: " + "; ".join(problems) + ".")
    return FlatConfig(values, source, folder)


def _unknown(given: Mapping[str, Any]) -> Iterable[str]:
    for section, keys in given.items():
        if section not in SECTIONS:
            yield f"section [{section}] is not known: sections are {', '.join(SECTIONS)}"
        elif not isinstance(keys, Mapping):
            yield f"[{section}] must hold lines 'key: value'"
        else:
            for key in keys:
                if parameter(section, str(key)) is None:
                    known = ", ".join(p.key for p in PARAMETERS if p.section == section)
                    yield f"[{section}] {key} is not known: keys are {known}"


def _typed(one: Parameter, value: Any) -> Any:
    """Return a value of the parameter's type; whole numbers pass for numbers."""
    where = f"[{one.section}] {one.key} = {value!r}"
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if one.kind == "text":
        if value is None:
            return "None" if one.default == "None" else ""
        if isinstance(value, str):
            return value
        raise ConfigError(f"{where} must be a text in quotes")
    if one.kind == "texts":
        if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
            return list(value)
        raise ConfigError(f"{where} must be a list of texts, such as ['1602050400']")
    if one.kind == "whole":
        if isinstance(value, int) and number:
            return value
        raise ConfigError(f"{where} must be a whole number")
    if one.kind == "number":
        if number:
            return float(value)
        raise ConfigError(f"{where} must be a number")
    if isinstance(value, Mapping) and all(_is_laser(nm, files) for nm, files in value.items()):
        return dict(value)
    raise ConfigError(f"{where} must be like {{808: 'A.h5', 920: ('B.h5', 'B_dark.h5')}}")


def _is_laser(nm: Any, files: Any) -> bool:
    number = isinstance(nm, (int, float)) and not isinstance(nm, bool)
    names = [files] if isinstance(files, str) else files
    several = isinstance(names, (list, tuple)) and 1 <= len(names) <= 2
    return number and several and all(isinstance(name, str) and name for name in names)


_WORDS = {
    "int_time_s": "[Data] intTime",
    "exp_time_s": "[Data] expTime",
    "dead_time_us": "[Instrument] deadtime (here in us)",
    "energy_bin_ev": "[Instrument] energyBinWidth",
    "wvl_start_nm": "[Instrument] wvlStart",
    "wvl_stop_nm": "[Instrument] wvlStop",
    "rate_cutoff_cps": "[Calibration] countRateCutoff",
    "trim_fraction": "[Calibration] fractionOfChunksToTrim",
    "time_mask": "[Calibration] timeMaskFileName",
    "counts_a_knot": "[Calibration] countsPerKnot",
    "line_half_width": "[Calibration] lineHalfWidth",
}


def _in_guide_words(message: str) -> str:
    """Name settings as the configuration does."""
    for ours, theirs in _WORDS.items():
        message = message.replace(ours, theirs)
    return message


def _kind(path: Path) -> str | None:
    """Return the format of one of our files; None for any other."""
    try:
        h5 = open_readonly(path)
    except PipelineError:
        return None
    try:
        with reading(path):
            found = attribute(h5.root, "format")
    except PipelineError:
        return None
    finally:
        h5.close()
    return found if isinstance(found, str) else None
