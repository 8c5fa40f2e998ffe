"""Writes speckle maps: FITS with an extension a map, or NPZ."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from pipeline_core.atomic import write_aside
from pipeline_core.fits_facts import Facts
from pipeline_core.products import Images, fits_header, save_images
from pipeline_core.speckle.result import QUANTITIES, SpeckleMaps
from pipeline_core.speckle.status import STATUS_SENTENCES, PixelStatus
from pipeline_core.targets import check_room, check_target
from pipeline_core.wcs import NOMINAL, detector_axes, sky_axes

__all__ = ["ENDINGS", "facts_of_maps", "save_maps"]

ENDINGS = (".fits", ".npz")


def save_maps(
    path: Path, maps: SpeckleMaps, *, overwrite: bool = False, sources: Iterable[Path] = ()
) -> None:
    """Write maps.

    Parameters
    ----------
    path : path
        ``.fits`` (Ic is the primary image, every other map an extension; axis 3 is time where there are steps) or
        ``.npz`` (arrays [step, x, y], ``edges_s``, ``about`` and ``units`` as JSON).
    maps : SpeckleMaps
    overwrite : bool
        Whether an existing file may be replaced.
    sources : iterable of path
        What the maps were made from: never replaced.

    Raises
    ------
    ConfigError
        Unknown ending.
    OutputError
        Cannot be written, exists already, or holds data.
    """
    ending = check_target(path, ENDINGS, sources)
    check_room(path, sum(one.nbytes for one in maps.maps.values()), "these maps")
    facts = {**maps.facts, **facts_of_maps(maps)}
    if ending == ".npz":
        columns = {name: (QUANTITIES[name].unit, one) for name, one in maps.maps.items()}
        with_times = {**columns, "edges_s": ("s", maps.edges_s)}
        save_images(path, Images(with_times, facts), overwrite=overwrite, sources=sources)
        return
    hdus = [_hdu(name, maps, facts if name == "ic" else {}) for name in maps.maps]
    with write_aside(path, replace=overwrite) as part, part.open("wb") as stream:
        fits.HDUList([*hdus, _times(maps)]).writeto(stream, checksum=True)


def facts_of_maps(maps: SpeckleMaps) -> Facts:
    """Return how maps were made, for headers."""
    settings = maps.settings
    tau = None if np.isnan(maps.tau_s) else maps.tau_s
    return {
        "BINWIDTH": (settings.bin_s, "[s] of the bins of time"),
        "TAU": (tau, "[s] decorrelation time that was used"),
        "TAUERR": (maps.tau_error_s, "[s] its error if it was measured"),
        "TAUFROM": ("settings" if settings.tau_s else "light curves", "where it is from"),
        "CORRBIN": (settings.correct_bin_width and tau is not None, "averaging in bins corrected"),
        "CORRDEAD": (settings.correct_dead_time, "dead time corrected"),
        "DEADTIME": (maps.dead_time_us, "[us] of a photon, corrected for"),
        "WITHIP": (settings.with_ip, "whether Ip was fitted; else it is 0"),
        "EXFLAGS": (settings.exclude, "flag bits of pixels that are not computed"),
        "COMPLETE": (maps.complete, "F: cancelled, the rest is not computed"),
    }


def _hdu(name: str, maps: SpeckleMaps, facts: Facts) -> fits.PrimaryHDU | fits.ImageHDU:
    quantity = QUANTITIES[name]
    cards: dict[str, tuple[object, str]] = {**facts, **_coordinates(maps)}
    cards["BUNIT"] = (quantity.unit or None, "unit of the values")
    cards["QUANTITY"] = (quantity.title, quantity.sentence)
    data: npt.NDArray[np.generic] = maps.maps[name].transpose(0, 2, 1)
    if name == "status":
        data = data.astype(np.uint8)
        for one in PixelStatus:
            cards[f"STATUS{one.value}"] = (one.name.lower(), STATUS_SENTENCES[one])
    if maps.n_steps == 1:
        data = data[0]
    data = np.ascontiguousarray(data)
    header = fits_header(cards)
    if name == "ic":
        header["EXTNAME"] = "IC"
        return fits.PrimaryHDU(data, header)
    return fits.ImageHDU(data, header, name=name.upper())


def _coordinates(maps: SpeckleMaps) -> Facts:
    pointing = maps.settings.pointing
    cards: dict[str, tuple[object, str]] = {}
    if pointing is not None:
        cards |= sky_axes(pointing)
    else:
        cards |= detector_axes()
        camera = maps.facts.get("INSTRUME", ("", ""))[0]
        if camera in NOMINAL:
            scale, angle = NOMINAL[str(camera)]
            cards["PLTSCALE"] = (scale, "[mas] of a pixel, nominal")
            cards["ORIENTAT"] = (angle, "[deg] position angle of the rows, nominal")
    if maps.n_steps > 1:
        from pipeline_core.wcs import time_axis

        cards |= time_axis(maps.edges_s, 3)
    return cards


def _times(maps: SpeckleMaps) -> fits.BinTableHDU:
    columns = [
        fits.Column(name="start", format="D", unit="s", array=maps.edges_s[:-1]),
        fits.Column(name="stop", format="D", unit="s", array=maps.edges_s[1:]),
    ]
    return fits.BinTableHDU.from_columns(columns, name="TIMES")
