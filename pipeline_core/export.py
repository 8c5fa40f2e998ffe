"""What the files hold that other programs read: images, curves, histograms, tables of regions.

Every product says where it came from: file, its id, settings, software version, units, UTC. The fact
SETTINGS is JSON with the very arguments: ``obs.count_image(**json.loads(header["SETTINGS"]))`` gives
the image again; curves need their ``pixel`` too (PIXELX and PIXELY, or the table PIXELS).
FITS, CSV or NPZ is chosen by the ending of the file's name; `pipeline_core.products` writes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline_core.fits_facts import Columns
from pipeline_core.flags import describe_flags, flag_names
from pipeline_core.histograms import IntensityHistogram, Spectrum
from pipeline_core.lightcurves import LightCurve
from pipeline_core.products import Images, Table, save_images, save_table
from pipeline_core.progress import Progress, silent
from pipeline_core.provenance import (
    OPEN,
    Band,
    facts_of,
    pixel_columns,
    pixel_facts,
    sources_of,
    window_settings,
)
from pipeline_core.regions import COLUMNS

if TYPE_CHECKING:
    from pipeline_core.observation import Observation

__all__ = [
    "export_flags",
    "export_image",
    "export_intensity_histogram",
    "export_light_curve",
    "export_regions",
    "export_spectrum",
]

_STATISTICS = {column.name: column.unit for column in COLUMNS}
_DISPLAY = {
    "low": ("DISPLOW", "lower contrast limit on the screen"),
    "high": ("DISPHIGH", "upper contrast limit on the screen"),
    "stretch": ("STRETCH", "of the display"),
    "colour_map": ("COLORMAP", "of the display"),
    "inverted": ("CMAPINV", "whether the colour map was inverted"),
}


def export_image(
    path: Path,
    obs: Observation,
    image: npt.NDArray[np.generic],
    start: float | None = None,
    stop: float | None = None,
    exclude: int = 0,
    *,
    band: Band = OPEN,
    mask: npt.NDArray[np.bool_] | None = None,
    display: Mapping[str, object] | None = None,
    unit: str = "count",
    variance: npt.NDArray[np.float64] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> None:
    """Write an image, with the flags of its pixels.

    Parameters
    ----------
    path : path
        ``.fits`` (the first axis, NAXIS1, is x), ``.csv`` (one line a pixel) or ``.npz`` (array [x, y]).
    obs : ObsFile or Frame
        Where it is from.
    image : ndarray, shape (ncols, nrows)
        As `count_image` gave it with the settings below.
    start, stop : float or None
        Time range in s; None for the observation's ends.
    exclude : int
        Flag bits that were excluded.
    band : (low, high)
        Phases [deg], or wavelengths [nm] of a calibrated observation; None for an open end.
    mask : ndarray of bool, same shape, optional
        Pixels that were marked; stored as it is, nothing is masked.
    display : mapping, optional
        How it was shown: any of low, high, stretch, colour_map, inverted. For people only.
    unit : str
        Of the image.
    variance : ndarray of float64, same shape, optional
        Of a weighted image: sums of squared weights.
    overwrite : bool
        Whether an existing file may be replaced. Files of data never are.
    progress : Progress
        May cancel.

    Raises
    ------
    ConfigError
        Unknown ending.
    OutputError
        Cannot be written, exists already, or holds data.
    """
    images: dict[str, tuple[str, npt.NDArray[np.generic]]] = {"image": (unit, image)}
    if path.suffix.lower() == ".csv" and unit == "count":
        images = {"counts": (unit, image)}
    if variance is not None:
        images = {"weighted": (unit, image), "variance": (unit, variance)}
    images["flags"] = ("", obs.flags)
    if mask is not None:
        images["mask"] = ("", mask)
    settings = window_settings(obs, start, stop, band) | ({"exclude": exclude} if exclude else {})
    settings |= {"weighted": True} if variance is not None else {}
    facts = {
        **facts_of(obs, start, stop, band, settings),
        "EXFLAGS": (exclude, "flag bits of pixels that were set to 0"),
        "BUNIT": (unit, "raw counts" if unit == "count" else "unit of the pixels"),
    }
    for name, (key, comment) in _DISPLAY.items():
        if display and name in display:
            facts[key] = (display[name], comment)
    product = Images(images, facts)
    save_images(path, product, overwrite=overwrite, sources=sources_of(obs), progress=progress)


def export_flags(
    path: Path, obs: Observation, *, overwrite: bool = False, progress: Progress = silent
) -> None:
    """Write the flag bits of every pixel, and what they mean. Parameters and errors as for `export_image`."""
    present = int(np.bitwise_or.reduce(obs.flags, axis=None))
    facts = dict(facts_of(obs, None, None, OPEN, {}))
    for bit in range(32):
        if present >> bit & 1:
            names = ", ".join(flag_names(1 << bit))
            facts[f"BIT{bit}"] = (names, describe_flags(1 << bit)[:40])
    product = Images({"flags": ("", obs.flags)}, facts)
    save_images(path, product, overwrite=overwrite, sources=sources_of(obs), progress=progress)


def export_light_curve(
    path: Path,
    obs: Observation,
    curve: LightCurve,
    *,
    band: Band = OPEN,
    label: str = "",
    overwrite: bool = False,
    progress: Progress = silent,
) -> None:
    """Write a light curve: bin edges (s), counts, live and open time (s), rate and its error (counts/s).

    `label` is what people call its pixel or region. Other parameters and errors as for `export_image`;
    FITS holds a table.
    """
    columns: dict[str, tuple[str, npt.NDArray[np.generic]]] = {
        "start": ("s", curve.edges_s[:-1]),
        "stop": ("s", curve.edges_s[1:]),
        "counts": ("count", curve.counts),
        "live_time": ("s", curve.live_time_s),
        "open_time": ("s", curve.open_time_s),
        "rate": ("count/s", curve.rate_cps),
        "rate_error": ("count/s", curve.rate_error_cps),
    }
    if curve.sums is not None and curve.variances is not None:
        columns |= {"weighted": ("count", curve.sums), "variance": ("count", curve.variances)}
    span = float(curve.edges_s[0]), float(curve.edges_s[-1])
    settings = window_settings(obs, *span, band) | {"bin_s": curve.bin_s}
    settings |= {"weighted": True} if curve.sums is not None else {}
    facts = {
        **facts_of(obs, *span, band, settings),
        **pixel_facts(obs, curve.pixels, label),
        "BINWIDTH": (curve.bin_s, "[s]"),
    }
    table = Table("LIGHTCURVE", columns, facts, pixel_columns(obs, curve.pixels))
    save_table(path, table, overwrite=overwrite, sources=sources_of(obs), progress=progress)


def export_intensity_histogram(
    path: Path,
    obs: Observation,
    histogram: IntensityHistogram,
    start: float | None = None,
    stop: float | None = None,
    *,
    band: Band = OPEN,
    label: str = "",
    overwrite: bool = False,
    progress: Progress = silent,
) -> None:
    """Write how often a bin held each number of counts, with Poisson's law of the same mean.

    Parameters and errors as for `export_light_curve`.
    """
    columns = {
        "counts": ("count", np.arange(histogram.occurrences.size)),
        "occurrences": ("", histogram.occurrences),
        "frequency": ("", histogram.frequency),
        "poisson": ("", histogram.poisson),
    }
    settings = window_settings(obs, start, stop, band) | {"bin_s": histogram.bin_s}
    facts = {
        **facts_of(obs, start, stop, band, settings),
        **pixel_facts(obs, histogram.pixels, label),
        "BINWIDTH": (histogram.bin_s, "[s] effective exposure time"),
        "NBINS": (histogram.n_bins, "bins without gaps, which were counted"),
        "MEAN": (histogram.mean, "[count] of a bin"),
        "VARIANCE": (histogram.variance, "[count2] of a bin"),
    }
    table = Table("HISTOGRAM", columns, facts, pixel_columns(obs, histogram.pixels))
    save_table(path, table, overwrite=overwrite, sources=sources_of(obs), progress=progress)


def export_spectrum(
    path: Path,
    obs: Observation,
    spectrum: Spectrum,
    start: float | None = None,
    stop: float | None = None,
    *,
    band: Band = OPEN,
    per: str = "bin",
    label: str = "",
    overwrite: bool = False,
    progress: Progress = silent,
) -> None:
    """Write a spectrum of the photons between `start` and `stop` (s): bin edges, counts and their errors.

    With `per` ('deg', 'nm' or 'eV') also counts per unit of the axis. Other parameters and errors as for
    `export_light_curve`.
    """
    columns: dict[str, tuple[str, npt.NDArray[np.generic]]] = {
        f"{spectrum.quantity}_low": (spectrum.unit, spectrum.edges[:-1]),
        f"{spectrum.quantity}_high": (spectrum.unit, spectrum.edges[1:]),
        "counts": ("count", spectrum.counts),
        "error": ("count", spectrum.errors),
    }
    if spectrum.sums is not None:
        columns["weighted"] = ("count", spectrum.sums)
    if per != "bin":
        density, error = spectrum.density(per)
        columns |= {
            "density": (f"count/{per}", density),
            "density_error": (f"count/{per}", error),
        }
    settings = window_settings(obs, start, stop, band)
    settings |= {"weighted": True} if spectrum.sums is not None else {}
    if spectrum.bin_deg is not None:
        settings["bin_deg"] = spectrum.bin_deg
    facts = {
        **facts_of(obs, start, stop, band, settings),
        **pixel_facts(obs, spectrum.pixels, label),
        "AXIS": (spectrum.quantity, f"[{spectrum.unit}] what the bins are of"),
        "MEAN": (spectrum.mean, f"[{spectrum.unit}] of the photons"),
    }
    table = Table("SPECTRUM", columns, facts, pixel_columns(obs, spectrum.pixels))
    save_table(path, table, overwrite=overwrite, sources=sources_of(obs), progress=progress)


def export_regions(
    path: Path,
    obs: Observation,
    rows: Sequence[Any],
    start: float | None = None,
    stop: float | None = None,
    exclude: int = 0,
    *,
    band: Band = OPEN,
    units: Mapping[str, str] | None = None,
    weighted: bool = False,
    overwrite: bool = False,
    progress: Progress = silent,
) -> None:
    """Write a table of regions: one line each.

    Parameters
    ----------
    rows : sequence of mappings or dataclasses
        All with the same names. A pair of numbers makes two columns, ``<name>_x`` and ``<name>_y``;
        None is NaN among numbers.
    units : mapping, optional
        Name of a column -> unit; default: those of `RegionStatistics`.
    weighted : bool
        Whether photons counted with their flat-field weights.

    Notes
    -----
    Other parameters and errors as for `export_image`; FITS holds a table.
    """
    columns = _columns_of(rows, _STATISTICS if units is None else units)
    settings = window_settings(obs, start, stop, band) | ({"exclude": exclude} if exclude else {})
    settings |= {"weighted": True} if weighted else {}
    facts = {
        **facts_of(obs, start, stop, band, settings),
        "EXFLAGS": (exclude, "flag bits of pixels that were set to 0"),
    }
    table = Table("REGIONS", columns, facts)
    save_table(path, table, overwrite=overwrite, sources=sources_of(obs), progress=progress)


# --- tables of regions ---------------------------------------------------------------------------


_UNITS = {"counts": "count", "counts/s": "count/s"}  # as FITS spells them


def _columns_of(rows: Sequence[Any], units: Mapping[str, str]) -> Columns:
    """Return the columns of lines that are mappings or dataclasses; pairs of numbers become two."""
    lines = [_named(row) for row in rows]
    names = list(lines[0]) if lines else list(units) or ["region"]
    columns: dict[str, tuple[str, npt.NDArray[np.generic]]] = {}
    for name in names:
        unit = _UNITS.get(units.get(name, ""), units.get(name, ""))
        values = [line[name] for line in lines]
        if any(isinstance(value, (tuple, list)) for value in values):
            pairs = [(None, None) if value is None else value for value in values]
            columns[f"{name}_x"] = (unit, _array([pair[0] for pair in pairs]))
            columns[f"{name}_y"] = (unit, _array([pair[1] for pair in pairs]))
        else:
            columns[name] = (unit, _array(values))
    return columns


def _named(row: Any) -> Mapping[str, Any]:
    if is_dataclass(row):
        return {item.name: getattr(row, item.name) for item in fields(row)}
    return dict(row)


def _array(values: list[object]) -> npt.NDArray[np.generic]:
    """Return integers, floats (None is NaN) or texts."""
    numbers = (int, float, np.integer, np.floating)
    if all(isinstance(value, (int, np.integer)) for value in values):
        return np.array(values, np.int64)
    if all(value is None or isinstance(value, numbers) for value in values):
        return np.array([math.nan if value is None else value for value in values], np.float64)
    return np.array(["" if value is None else str(value) for value in values], np.str_)
