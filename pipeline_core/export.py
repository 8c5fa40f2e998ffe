"""Writes images and curves for other programs: FITS, CSV or NPZ, by the ending of the file's name.

Every product says where it came from: photon file, its id, settings, software version, and units.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from pipeline_core import __version__
from pipeline_core.atomic import write_aside
from pipeline_core.errors import ConfigError
from pipeline_core.histograms import Spectrum
from pipeline_core.lightcurves import LightCurve
from pipeline_core.obsfile import ObsFile

__all__ = ["export_image", "export_light_curve", "export_spectrum"]

_FORMATS = (".fits", ".csv", ".npz")
Columns = Mapping[str, tuple[str, npt.NDArray[np.generic]]]
"""Name -> (unit, values)."""


def export_image(
    path: Path,
    obs: ObsFile,
    image: npt.NDArray[np.int64],
    start: float | None,
    stop: float | None,
    exclude: int = 0,
    *,
    overwrite: bool = False,
) -> None:
    """Write a count image.

    Parameters
    ----------
    path : path
        ``.fits`` (the first axis, NAXIS1, is x), ``.csv`` (one line a pixel) or ``.npz`` (array [x, y]).
    obs : ObsFile
        Where it is from.
    image : ndarray of int64, shape (ncols, nrows)
    start, stop : float or None
        Time range in s; None for the observation's ends.
    exclude : int
        Flag bits that were excluded.
    overwrite : bool

    Raises
    ------
    ConfigError
        Unknown ending.
    OutputError
        Cannot be written.
    """
    facts = _facts(obs, start, stop) | {
        "EXFLAGS": (exclude, "flag bits of pixels that were set to 0"),
        "BUNIT": ("count", "raw counts"),
    }
    if _ending(path) == ".fits":
        image_hdu = fits.PrimaryHDU(np.ascontiguousarray(image.T), _header(facts))
        flags_hdu = fits.ImageHDU(np.ascontiguousarray(obs.flags.T), name="FLAGS")
        _save(path, fits.HDUList([image_hdu, flags_hdu]), overwrite=overwrite)
        return
    if _ending(path) == ".npz":
        _save_npz(path, {"image": image, "flags": obs.flags}, facts, overwrite=overwrite)
        return
    x, y = np.indices(image.shape)
    columns = {
        "x": ("", x.ravel()),
        "y": ("", y.ravel()),
        "counts": ("count", image.ravel()),
        "flags": ("", obs.flags.ravel()),
    }
    _save_csv(path, columns, facts, overwrite=overwrite)


def export_light_curve(
    path: Path, obs: ObsFile, curve: LightCurve, *, overwrite: bool = False
) -> None:
    """Write a light curve: bin edges (s), counts, live time (s), rate and its error (counts/s).

    Parameters and errors as for `export_image`; FITS holds a table.
    """
    columns = {
        "start": ("s", curve.edges_s[:-1]),
        "stop": ("s", curve.edges_s[1:]),
        "counts": ("count", curve.counts),
        "live_time": ("s", curve.live_time_s),
        "rate": ("count/s", curve.rate_cps),
        "rate_error": ("count/s", curve.rate_error_cps),
    }
    span = float(curve.edges_s[0]), float(curve.edges_s[-1])
    facts = _facts(obs, *span) | _pixel_facts(obs, curve.pixel) | {"BINWIDTH": (curve.bin_s, "[s]")}
    _save_columns(path, "LIGHTCURVE", columns, facts, overwrite=overwrite)


def export_spectrum(
    path: Path,
    obs: ObsFile,
    spectrum: Spectrum,
    start: float | None = None,
    stop: float | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a spectrum of the photons between `start` and `stop` (s): bin edges, counts and their errors.

    Parameters and errors as for `export_image`; FITS holds a table.
    """
    columns = {
        f"{spectrum.quantity}_low": (spectrum.unit, spectrum.edges[:-1]),
        f"{spectrum.quantity}_high": (spectrum.unit, spectrum.edges[1:]),
        "counts": ("count", spectrum.counts),
        "error": ("count", spectrum.errors),
    }
    facts = _facts(obs, start, stop) | _pixel_facts(obs, spectrum.pixel)
    _save_columns(path, "SPECTRUM", columns, facts, overwrite=overwrite)


def _facts(obs: ObsFile, start: float | None, stop: float | None) -> dict[str, tuple[object, str]]:
    """Return what is true of a product of the photons between `start` and `stop` (s)."""
    first = 0.0 if start is None else start
    last = obs.exposure_s if stop is None else stop
    return {
        "ORIGIN": (f"quicklook {__version__}", "software"),
        "INSTRUME": (obs.camera, "camera"),
        "DATE-OBS": (_utc(obs.start_unix + first), "UTC, start of the time range"),
        "DATE-END": (_utc(obs.start_unix + last), "UTC, end of the time range"),
        "EXPTIME": (obs.open_time(start, stop), "[s] with data in the time range"),
        "TSTART": (first, "[s] time range, from the start of the file"),
        "TSTOP": (last, "[s] end of the time range, not included"),
        "UNIXSTR": (obs.start_unix, "[s] unix time of the start of the file"),
        "PHOTFILE": (obs.path.name, "photon file"),
        "FILEID": (obs.file_id, "id of the photon file"),
        "BASELINE": (obs.baseline, "what was done with baselines"),
        "WAVECAL": ("none", "wavelength solution"),
    }


def _utc(unix: float) -> str:
    moment = datetime.datetime.fromtimestamp(unix, datetime.timezone.utc)
    return moment.isoformat(timespec="microseconds")[:26]


def _pixel_facts(obs: ObsFile, pixel: tuple[int, int]) -> dict[str, tuple[object, str]]:
    return {
        "PIXELX": (pixel[0], "column"),
        "PIXELY": (pixel[1], "row"),
        "RESID": (int(obs.beammap.res_id[pixel]), "resonator"),
        "FLAGS": (int(obs.flags[pixel]), "flag bits"),
    }


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in _FORMATS:
        raise ConfigError(
            f"{path}: the name must end in {', '.join(_FORMATS)}, which tells the format."
        )
    return ending


def _header(facts: Mapping[str, tuple[object, str]]) -> fits.Header:
    header = fits.Header()
    for key, (value, comment) in facts.items():
        if isinstance(value, str):  # FITS knows no other letters
            value = value.encode("ascii", "replace").decode()
        header[key] = (value, comment)
    return header


def _save_columns(
    path: Path,
    name: str,
    columns: Columns,
    facts: Mapping[str, tuple[object, str]],
    *,
    overwrite: bool,
) -> None:
    ending = _ending(path)
    if ending == ".csv":
        _save_csv(path, columns, facts, overwrite=overwrite)
    elif ending == ".npz":
        _save_npz(
            path, {key: values for key, (_, values) in columns.items()}, facts, overwrite=overwrite
        )
    else:
        made = [
            fits.Column(name=key, unit=unit or None, array=values, format=_fits_format(values))
            for key, (unit, values) in columns.items()
        ]
        table = fits.BinTableHDU.from_columns(made, header=_header(facts), name=name)
        _save(path, fits.HDUList([fits.PrimaryHDU(), table]), overwrite=overwrite)


def _fits_format(values: npt.NDArray[np.generic]) -> str:
    return "K" if np.issubdtype(values.dtype, np.integer) else "D"


def _save(path: Path, hdus: fits.HDUList, *, overwrite: bool) -> None:
    with write_aside(path, replace=overwrite) as part, part.open("wb") as stream:
        hdus.writeto(stream)


def _save_npz(
    path: Path,
    arrays: Mapping[str, npt.NDArray[np.generic]],
    facts: Mapping[str, tuple[object, str]],
    *,
    overwrite: bool,
) -> None:
    about = json.dumps({key: value for key, (value, _) in facts.items()})
    with write_aside(path, replace=overwrite) as part, part.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, about=np.array(about), **arrays)


def _save_csv(
    path: Path, columns: Columns, facts: Mapping[str, tuple[object, str]], *, overwrite: bool
) -> None:
    text = io.StringIO()
    for key, (value, comment) in facts.items():
        text.write(f"# {key} = {value} ({comment})\n")
    names = [
        f"{key} ({unit})" if unit not in ("", "count") else key
        for key, (unit, _) in columns.items()
    ]
    text.write(",".join(names) + "\n")
    lists = [values.tolist() for _, values in columns.values()]
    for row in zip(*lists, strict=True):
        text.write(",".join(repr(v) if isinstance(v, float) else str(v) for v in row) + "\n")
    with write_aside(path, replace=overwrite) as part:
        part.write_text(text.getvalue())
