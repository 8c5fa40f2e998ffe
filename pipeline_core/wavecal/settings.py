"""What a wavelength calibration is made from and how: frozen, validated values, from plain YAML or from options."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import yaml

from pipeline_core.atomic import write_aside
from pipeline_core.beammap import Beammap
from pipeline_core.errors import ConfigError, PipelineError
from pipeline_core.photon_file import PhotonFile
from pipeline_core.plainyaml import plain_yaml

__all__ = [
    "CURVE_MODELS",
    "LINE_MODELS",
    "InputFile",
    "Inputs",
    "Laser",
    "WavecalSettings",
    "plain_yaml",
]

LINE_MODELS = ("gauss_tail", "gauss_gauss", "gauss_gauss_tail")
CURVE_MODELS = ("linear", "quadratic", "arctan", "energy_quadratic")

LOWEST_DEG = -230.0
"""Phases are histogrammed from here to 0: the readout's 18 bits end at -229.2."""

_WAVELENGTHS_NM = (100.0, 30_000.0)
_SAME_NM = 1e-3
_LIMITS = (
    ("dt_us", 0.0, 1e6),
    ("max_rate_cps", 1e-3, 1e6),
    ("bin_deg", 0.05, 20.0),
    ("min_photons", 1, 1e9),
)


@dataclass(frozen=True, order=True)
class Laser:
    """One laser line: its wavelength in nm, its photon file, and a file taken with the laser off, if there is one."""

    wavelength_nm: float
    path: Path
    background: Path | None = None


@dataclass(frozen=True)
class InputFile:
    """A photon file that goes into a calibration.

    Attributes
    ----------
    wavelength_nm : float
        Of its laser; NaN for a background.
    path : Path
    file_id : str
    size_bytes, start_unix, n_photons : int
    exposure_s : float
    """

    wavelength_nm: float
    path: Path
    file_id: str
    size_bytes: int
    start_unix: int
    exposure_s: float
    n_photons: int

    @property
    def content_hash(self) -> str:
        """Tells files apart: photon files are never changed once they are written."""
        return hashlib.sha256(f"{self.file_id} {self.size_bytes}".encode()).hexdigest()


@dataclass(frozen=True)
class Inputs:
    """What all input files have in common, and each of them: lasers in the order of the settings, then backgrounds."""

    camera: str
    baseline: str
    beammap: Beammap
    files: tuple[InputFile, ...]


@dataclass(frozen=True)
class WavecalSettings:
    """Settings of one wavelength calibration.

    Attributes
    ----------
    lasers : tuple of Laser
        At least two, of different wavelengths; sorted by wavelength, whatever order they were given in.
    dt_us : float
        A photon that follows the previous one of its pixel within this time is left out: it rides on its pulse.
    max_rate_cps : float
        A pixel with more counts a second than this is hot.
    bin_deg : float
        Width of a phase bin.
    line_models, curve_models : tuple of str
        Models to choose from: of `LINE_MODELS`, of `CURVE_MODELS`.
    min_photons : int
        A line with fewer photons after the cuts is not fitted.
    prior : bool
        Whether weak pixels may lean on the others of their feedline.
    frequencies : Path or None
        Resonance frequencies, for the plot of R against frequency.
    out : Path or None
        The solution file.

    Raises
    ------
    ConfigError
        A value that is impossible; the message names it and what is possible.
    """

    lasers: tuple[Laser, ...]
    dt_us: float = 500.0
    max_rate_cps: float = 2000.0
    bin_deg: float = 1.0
    line_models: tuple[str, ...] = LINE_MODELS
    curve_models: tuple[str, ...] = CURVE_MODELS
    min_photons: int = 50
    prior: bool = True
    frequencies: Path | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        for name in ("lasers", "line_models", "curve_models"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("frequencies", "out"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else Path(value).expanduser())
        lasers = sorted(self.lasers, key=lambda laser: laser.wavelength_nm)
        object.__setattr__(self, "lasers", tuple(lasers))
        problems = [*self._wrong_lasers(), *self._wrong_numbers(), *self._wrong_models()]
        if problems:
            raise ConfigError("Wavelength calibration: " + "; ".join(problems) + ".")

    @property
    def wavelengths_nm(self) -> tuple[float, ...]:
        """Ascending."""
        return tuple(laser.wavelength_nm for laser in self.lasers)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], folder: Path | None = None) -> WavecalSettings:
        """Make settings from plain values: what a YAML file or the command line says.

        Parameters
        ----------
        values : mapping
            Keys as the attributes. ``lasers``: {wavelength: file} or {wavelength: {path: , background: }}, or a list
            of {wavelength_nm: , path: , background: }. ``background``: a file for every laser that has none.
        folder : Path, optional
            Relative paths start there.

        Raises
        ------
        ConfigError
            Unknown keys, missing or repeated lasers, impossible values: all that is wrong is named.
        """
        known = {field.name for field in dataclasses.fields(cls)} | {"background"}
        unknown = sorted(str(key) for key in values if key not in known)
        if unknown:
            raise ConfigError(
                f"Wavelength calibration: unknown settings {', '.join(unknown)}. Known are {', '.join(sorted(known))}."
            )
        where = folder or Path()
        options = dict(values)
        background = _path(options.pop("background", None), where)
        options["lasers"] = _lasers(options.get("lasers"), background, where)
        for name in ("frequencies", "out"):
            options[name] = _path(options.get(name), where)
        for name in ("line_models", "curve_models"):
            if name in options:
                chosen = options[name]
                options[name] = (chosen,) if isinstance(chosen, str) else tuple(chosen or ())
        return cls(**options)

    @classmethod
    def from_yaml(cls, path: Path | str) -> WavecalSettings:
        """Read settings from plain YAML (no tags); see `from_mapping`. Relative paths start at the file's folder.

        Raises
        ------
        InputFormatError
            If the file cannot be read or is not YAML.
        ConfigError
            See `from_mapping`.
        """
        path = Path(path).expanduser()
        values = plain_yaml(path)
        try:
            return cls.from_mapping(values, path.absolute().parent)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    def to_json(self) -> str:
        """Return the settings as JSON; `from_mapping` of it gives them back."""
        return json.dumps(dataclasses.asdict(self), default=str)

    def save_yaml(self, path: Path | str) -> Path:
        """Write the settings as a file that `from_yaml` reads; an existing one is replaced.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        path = Path(path).expanduser()
        values = json.loads(self.to_json())
        for laser in values["lasers"]:
            if laser["background"] is None:
                del laser["background"]
        kept = {name: value for name, value in values.items() if value is not None}
        text = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)
        with write_aside(path, replace=True) as part:
            part.write_text(text, encoding="utf-8")
        return path

    def check_inputs(self) -> Inputs:
        """Open every input file, before any work starts.

        Raises
        ------
        ConfigError
            If one cannot be used, or they do not belong together: all of them are named, each with its reason.
        """
        lasers, problems = _opened([(laser.wavelength_nm, laser.path) for laser in self.lasers])
        paths = dict.fromkeys(laser.background for laser in self.lasers if laser.background)
        backgrounds, more = _opened([(math.nan, path) for path in paths])
        problems += more
        opened = [*lasers, *backgrounds]
        if opened:
            problems += _strangers(opened)
        if problems:
            raise ConfigError(
                "The wavelength calibration cannot start:\n"
                + "\n".join(f"- {one}" for one in problems)
            )
        first = opened[0]
        return Inputs(first.camera, first.baseline, first.beammap, tuple(o.file for o in opened))

    def _wrong_lasers(self) -> Iterable[str]:
        if len(self.lasers) < 2:
            yield f"at least two lasers are needed, not {len(self.lasers)}"
        low, high = _WAVELENGTHS_NM
        for laser in self.lasers:
            if not low <= laser.wavelength_nm <= high:
                yield f"laser {laser.wavelength_nm:g} nm: wavelengths are {low:g} to {high:g} nm"
        for one, other in zip(self.lasers, self.lasers[1:], strict=False):
            if other.wavelength_nm - one.wavelength_nm < _SAME_NM:
                yield f"laser {one.wavelength_nm:g} nm is given twice ({one.path} and {other.path})"
        seen: dict[Path, float] = {}
        for laser in self.lasers:
            before = seen.setdefault(laser.path, laser.wavelength_nm)
            if before != laser.wavelength_nm:
                yield f"{laser.path} is given for {before:g} nm and for {laser.wavelength_nm:g} nm"

    def _wrong_numbers(self) -> Iterable[str]:
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not (number and low <= value <= high):
                yield f"{name} = {value!r} must be a number from {low:g} to {high:g}"
        if not isinstance(self.prior, bool):
            yield f"prior = {self.prior!r} must be true or false"

    def _wrong_models(self) -> Iterable[str]:
        for name, known in (("line_models", LINE_MODELS), ("curve_models", CURVE_MODELS)):
            chosen = getattr(self, name)
            unknown = [str(model) for model in chosen if model not in known]
            if unknown or not chosen:
                what = f"does not know {', '.join(unknown)}" if unknown else "must not be empty"
                yield f"{name} {what}: choose of {', '.join(known)}"


@dataclass(frozen=True)
class _Opened:
    """An input file with what it must share with the others."""

    file: InputFile
    camera: str
    baseline: str
    beammap: Beammap

    @property
    def name(self) -> str:
        if math.isnan(self.file.wavelength_nm):
            return f"background {self.file.path}"
        return f"laser {self.file.wavelength_nm:g} nm ({self.file.path})"


def _opened(wanted: list[tuple[float, Path]]) -> tuple[list[_Opened], list[str]]:
    """Open files one by one; return those that can be used, and what is wrong with the others."""
    opened, problems = [], []
    for wavelength, path in wanted:
        what = "background" if math.isnan(wavelength) else f"laser {wavelength:g} nm"
        try:
            file = PhotonFile(path)
            try:
                facts = InputFile(
                    wavelength,
                    path,
                    file.file_id,
                    path.stat().st_size,
                    file.start_unix,
                    file.exposure_us / 1e6,
                    file.n_photons,
                )
                opened.append(_Opened(facts, file.camera, file.baseline, file.beammap))
            finally:
                file.close()
        except PipelineError as error:
            problems.append(f"{what}: {error}")
    return opened, problems


def _strangers(opened: list[_Opened]) -> Iterable[str]:
    """Name the files that do not belong to the first one."""
    first = opened[0]
    content = first.beammap.content_hash()
    for other in opened[1:]:
        if (other.camera, other.beammap.shape) != (first.camera, first.beammap.shape):
            whose = [f"camera {one.camera}, shape {one.beammap.shape}" for one in (other, first)]
            yield f"{other.name} is of {whose[0]}; {first.name} of {whose[1]}"
        elif other.beammap.content_hash() != content:
            yield f"{other.name} has another beam map than {first.name}: convert them with the same one"
        if other.baseline != first.baseline:
            yield (
                f"{other.name} was converted with baseline '{other.baseline}', {first.name} with "
                f"'{first.baseline}': their phases differ"
            )


def _lasers(given: Any, background: Path | None, folder: Path) -> tuple[Laser, ...]:
    """Read lasers in any of the forms that `WavecalSettings.from_mapping` knows."""
    if isinstance(given, Mapping):
        rows: list[Mapping[str, Any]] = [
            {"wavelength_nm": key, **(value if isinstance(value, Mapping) else {"path": value})}
            for key, value in given.items()
        ]
    elif isinstance(given, (list, tuple)):
        rows = [row if isinstance(row, Mapping) else {} for row in given]
    else:
        rows = []
    if not rows:
        raise ConfigError(
            "Wavelength calibration: no lasers are given. Write 'lasers:' with lines '808: FILE.h5'."
        )
    return tuple(_laser(row, background, folder) for row in rows)


def _laser(row: Mapping[str, Any], background: Path | None, folder: Path) -> Laser:
    keys = {"wavelength_nm", "path", "background"}
    unknown = sorted(str(key) for key in row if key not in keys)
    path = _path(row.get("path"), folder)
    try:
        wavelength = float(str(row.get("wavelength_nm")).removesuffix("nm"))
    except ValueError:
        wavelength = math.nan
    if unknown or path is None or math.isnan(wavelength):
        raise ConfigError(
            f"Wavelength calibration: {dict(row)!r} is no laser. It needs wavelength_nm and path, and may have "
            "background."
        )
    return Laser(wavelength, path, _path(row.get("background"), folder) or background)


def _path(value: Any, folder: Path) -> Path | None:
    return None if value in (None, "") else folder / Path(str(value)).expanduser()
