"""What a person fills in for a night, and its file: read, checked, written. Plain functions, no Qt."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.progress import Progress, silent

if TYPE_CHECKING:
    from pipeline_core.night.settings import NightSettings, Window

__all__ = [
    "METHOD_CHOICES",
    "PAGE_CHOICES",
    "REGISTER_CHOICES",
    "NightCheck",
    "NightForm",
    "check_form",
    "read_form",
    "write_form",
]

PAGE_CHOICES = {
    "summary": "summary",
    "energysolution": "energy solution",
    "histogramfits": "fits of histograms",
    "rhistogram": "histogram of R",
    "centerhist": "line centers",
    "rvsf": "R against frequency",
    "fitparameters": "parameters of fits",
    "resolutionimage": "image of R",
}
"""Pages of a wavelength calibration: the file's word -> what a person calls it."""

REGISTER_CHOICES = {
    "": "by the dither log, else by the star",
    "dither": "by the dither log or offsets",
    "centroid": "by the brightest star",
    "correlate": "by their likeness to the first",
    "none": "not at all",
}
"""How positions of a dither are registered: the file's word -> what a person calls it."""

METHOD_CHOICES = {"": "mean", "median": "median", "drizzle": "drizzle"}
"""How they are brought together."""

_BINS = ("energy_bin_ev", "wavelength_bin_nm")
_CUBE = (*_BINS, "time_bin_s", "weighted", "rates")
_STACK = ("register", "dither_log", "pixels_per_unit", "method", "upsample")
_SPECKLE = ("bin_s", "with_ip")
_KNOWN = {"cube": _CUBE, "stack": _STACK, "speckle": _SPECKLE}

_OF_A_LINE = re.compile(r" \(line \d+\)")

Row = tuple[str, ...]


@dataclass(frozen=True)
class NightForm:
    """The form of a night; times, numbers and paths are texts as typed.

    Attributes
    ----------
    inputs : tuple of (name, start, stop)
    dithered : bool
    data, database, out, work, beammap : str
    lasers : tuple of (start, stop, wavelength)
    dark : tuple of (start, stop)
        One row at most.
    flats : tuple of (start, stop)
    badpixels, cosmics, image, cube, speckle : bool
    cube_bins : str
        '' (none) or a key of the file's cube.
    cube_bin, cube_step : str
        Width of a bin of wavelength; of time, '' for one.
    weighted, rates : bool
        Of the cube.
    register, method, upsample : str
        Of the stack, which is made of a dither; '' as usual.
    dither_log, pixels_per_unit : str
        Of the stack; numbers of the latter with blanks between.
    speckle_bin : str
        Width of a bin of time in s; '' as usual.
    with_ip : bool
        Whether maps of speckles have a steady source.
    pages : tuple of str
        Of `PAGE_CHOICES`.
    ncpu : str
        '': as many as there are processors.
    more : tuple of (product, key, value)
        What the file says beyond the form: kept as it is.
    """

    inputs: tuple[Row, ...] = ()
    dithered: bool = False
    data: str = ""
    database: str = ""
    out: str = ""
    work: str = ""
    beammap: str = ""
    lasers: tuple[Row, ...] = ()
    dark: tuple[Row, ...] = ()
    flats: tuple[Row, ...] = ()
    badpixels: bool = True
    cosmics: bool = False
    image: bool = True
    cube: bool = False
    cube_bins: str = ""
    cube_bin: str = ""
    cube_step: str = ""
    weighted: bool = False
    rates: bool = False
    register: str = ""
    dither_log: str = ""
    pixels_per_unit: str = ""
    method: str = ""
    upsample: str = ""
    speckle: bool = False
    speckle_bin: str = ""
    with_ip: bool = False
    pages: tuple[str, ...] = ()
    ncpu: str = ""
    more: tuple[tuple[str, str, Any], ...] = ()


@dataclass(frozen=True)
class NightCheck:
    """What a look at a `NightForm` says: `problems`, a line each, none if the night can be planned."""

    form: NightForm
    path: str
    problems: tuple[str, ...] = ()


def read_form(path: Path, *, progress: Progress = silent) -> NightForm:
    """Read the file of a night as a form."""
    from pipeline_core.night.settings import load_night
    from pipeline_core.plainyaml import plain_yaml

    progress(0, 1, "read the file")
    settings = load_night(path)
    plain = plain_yaml(path)
    products = plain.get("products") or {}
    cube, stack, speckle = (products.get(name) or {} for name in _KNOWN)
    bins = next((name for name in _BINS if name in cube), "")
    more = [
        (product, name, value)
        for product, known in _KNOWN.items()
        for name, value in (products.get(product) or {}).items()
        if name not in known
    ]
    step = cube.get("time_bin_s")
    return NightForm(
        inputs=tuple((name, *_texts(window)) for name, window in settings.targets.items()),
        dithered=settings.dithered,
        **_places(settings),
        lasers=tuple(
            (*_texts(one.window), f"{one.wavelength_nm:.10g}") for one in settings.wavecal
        ),
        dark=() if settings.dark is None else (_texts(settings.dark),),
        flats=tuple(_texts(window) for window in settings.flatcal),
        badpixels=settings.badpixels,
        cosmics=settings.cosmics,
        image=settings.image,
        cube=settings.cube is not None,
        cube_bins=bins,
        cube_bin=str(cube[bins]) if bins else "",
        cube_step="" if step is None else str(step),
        weighted=bool(cube.get("weighted", False)),
        rates=bool(cube.get("rates", False)),
        register=str(stack.get("register", "")),
        dither_log=str(path.absolute().parent / stack["dither_log"])
        if "dither_log" in stack
        else "",
        pixels_per_unit=_words(stack.get("pixels_per_unit")),
        method=str(stack.get("method", "")),
        upsample=str(stack.get("upsample", "")),
        speckle="speckle" in products,
        speckle_bin=str(speckle.get("bin_s", "")),
        with_ip=bool(speckle.get("with_ip", False)),
        pages=settings.wavecalplots,
        ncpu=str(settings.ncpu) if "ncpu" in plain else "",
        more=tuple(more),
    )


def _words(value: Any) -> str:
    """Return one number, or those of a list of numbers or of lists of them, with blanks between."""
    if isinstance(value, (list, tuple)):
        return " ".join(_words(one) for one in value)
    return "" if value is None else str(value)


def _places(settings: NightSettings) -> dict[str, Any]:
    work = "" if settings.work == settings.database else str(settings.work)
    return {
        "data": str(settings.data),
        "database": str(settings.database),
        "out": str(settings.out),
        "work": work,
        "beammap": str(settings.beammap),
    }


def _texts(window: Window) -> Row:
    return str(window.start), str(window.stop)


def check_form(form: NightForm, path: str, *, progress: Progress = silent) -> NightCheck:
    """Say everything that keeps a form from being the file `path` of a night."""
    from pipeline_core.errors import ConfigError, InputFormatError
    from pipeline_core.night.settings import read_night

    progress(0, 1, "look")
    target = Path(path).expanduser() if path else None
    problems = [text for missing, text in _needed(form) if missing]
    try:
        read_night(text_of(form), Path(path).expanduser().absolute())
    except (ConfigError, InputFormatError) as error:
        lines = [line.partition(": ")[2] or line for line in str(error).splitlines()]
        lines = [_OF_A_LINE.sub("", line) for line in lines]  # a form has none
        problems += [line for line in lines if not (problems and "is missing" in line)]
    if target is None:
        problems.append("Choose where to save the file of the night.")
    elif target.suffix not in (".yml", ".yaml"):
        problems.append("The name of a night's file ends in .yml.")
    elif not os.access(target.parent, os.W_OK):
        problems.append(f"Folder {target.parent} does not exist or cannot be written.")
    return NightCheck(form, path, tuple(dict.fromkeys(problems)))


def _needed(form: NightForm) -> tuple[tuple[bool, str], ...]:
    """Return what every night needs: whether it is missing, and what to do."""
    return (
        (not form.inputs, "Add an observation of the sky: its name, start and stop."),
        (not form.data, "Choose the folder of the raw files."),
        (not form.database, "Choose a folder for the database."),
        (not form.out, "Choose a folder for the products."),
    )


def write_form(form: NightForm, path: Path, *, progress: Progress = silent) -> Path:
    """Write a form as the file of a night; one that is there is replaced."""
    from pipeline_core.atomic import write_aside

    progress(0, 1, "write the file")
    with write_aside(path, replace=True) as part:
        part.write_text(text_of(form), encoding="utf-8")
    return path


def text_of(form: NightForm) -> str:
    """Return the file of a night that says what a form says."""
    from pipeline_core.night.written import night_text

    inputs: dict[str, Any] = {"dithered": True} if form.dithered else {}
    for name, *times in form.inputs:
        inputs[name] = _numbers(times)
    places = {name: getattr(form, name) for name in ("data", "database", "out", "work")}
    return night_text(
        {
            "inputs": inputs,
            "paths": {name: place for name, place in places.items() if place},
            "beammap": form.beammap or None,
            "wavecal": [_numbers(row) for row in form.lasers],
            "dark": _numbers(form.dark[0]) if form.dark else None,
            "flatcal": [_numbers(row) for row in form.flats],
            "badpixels": form.badpixels,
            "cosmics": form.cosmics,
            "outputs": {"wavecalplots": list(form.pages)} if form.pages else None,
            "products": _products(form),
            "ncpu": _number(form.ncpu) if form.ncpu else None,
        }
    )


def _products(form: NightForm) -> dict[str, Any]:
    products: dict[str, Any] = {"image": form.image}
    if form.cube:
        cube: dict[str, Any] = {}
        if form.cube_bins:
            cube[form.cube_bins] = _number(form.cube_bin)
        if form.cube_step:
            cube["time_bin_s"] = _number(form.cube_step)
        cube |= {name: True for name in ("weighted", "rates") if getattr(form, name)}
        products["cube"] = cube | _more(form, "cube")
    if form.dithered:
        stack = _stack(form) | _more(form, "stack")
        products |= {"stack": stack} if stack else {}
    if form.speckle:
        speckle: dict[str, Any] = {"with_ip": True} if form.with_ip else {}
        if form.speckle_bin:
            speckle["bin_s"] = _number(form.speckle_bin)
        products["speckle"] = speckle | _more(form, "speckle")
    return products


def _stack(form: NightForm) -> dict[str, Any]:
    """Return what is said of the stack; what is as usual is not."""
    texts = {name: getattr(form, name) for name in ("register", "dither_log", "method")}
    stack: dict[str, Any] = {name: text for name, text in texts.items() if text}
    scale = _numbers(form.pixels_per_unit.replace(",", " ").split())
    if scale:
        stack["pixels_per_unit"] = scale[0] if len(scale) == 1 else scale
    if form.upsample:
        stack["upsample"] = _number(form.upsample)
    return stack


def _more(form: NightForm, product: str) -> dict[str, Any]:
    """Return what the file says of a product beyond the form."""
    return {key: value for name, key, value in form.more if name == product}


def _numbers(row: Any) -> list[Any]:
    return [_number(text) for text in row]


def _number(text: str) -> Any:
    """Return the number that is typed; what is none stays a text, and the check names it."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
