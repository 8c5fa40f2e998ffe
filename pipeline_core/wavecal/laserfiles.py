"""What a photon file has to do with a wavelength calibration: which laser it is of, as far as that is told anywhere.

Told by the header's target, the name of the file, the night's log beside the raw files, or the folder's name, in this
order. A guess is a proposal: a person, or the fit, has the last word.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.errors import PipelineError
from pipeline_core.hdf5 import has_node, open_readonly, read_header, reading
from pipeline_core.photon_file import PhotonFile

__all__ = ["LaserFile", "guess_wavelength", "look_at_laser_file"]

_NUMBER = r"(?<![\d.])(\d{3,5}(?:\.\d+)?)"
_WITH_UNIT = re.compile(_NUMBER + r"[\s_-]*nm", re.IGNORECASE)
_ALONE = re.compile(_NUMBER + r"(?![\d.]*\d)")
_PLAUSIBLE_NM = (300.0, 3000.0)
_DARK = re.compile(r"dark|background|bkgd?|laser[\s_-]*off|(?<![a-z])bg(?![a-z])", re.IGNORECASE)
_NIGHT_LOG = "night.json"
_LONGEST_LOG = 1 << 24


@dataclass(frozen=True)
class LaserFile:
    """A file that may be of a laser.

    Attributes
    ----------
    path : Path
    wavelength_nm : float
        NaN where nothing tells it.
    told_by : str
        What tells it, for people; '' where nothing does.
    dark : bool
        Whether it seems to have been taken with the lasers off.
    start_unix, n_photons : int
    exposure_s : float
    camera : str
    problem : str
        Why the file cannot be used; '' if it can.
    """

    path: Path
    wavelength_nm: float = math.nan
    told_by: str = ""
    dark: bool = False
    start_unix: int = 0
    n_photons: int = 0
    exposure_s: float = 0.0
    camera: str = ""
    problem: str = ""


def look_at_laser_file(path: Path | str) -> LaserFile:
    """Open a photon file, and tell what it says of its laser. Never raises: what is wrong is its `problem`."""
    path = Path(path).expanduser()
    try:
        file = PhotonFile(path)
    except PipelineError as error:
        return LaserFile(path, problem=str(error))
    try:
        start, exposure = file.start_unix, file.exposure_us / 1e6
        n_photons, camera = file.n_photons, file.camera
    finally:
        file.close()
    target, data_dirs = _header(path)
    nm, told_by = math.nan, ""
    for text, teller in (
        (target, "the header"),
        (path.stem, "the file's name"),
        (_logged(start, (path.parent, *data_dirs)), "the night's log"),
        (path.absolute().parent.name, "the folder's name"),
    ):
        if _DARK.search(text):
            return LaserFile(path, math.nan, teller, True, start, n_photons, exposure, camera)
        nm = guess_wavelength(text)
        if not math.isnan(nm):
            told_by = teller
            break
    return LaserFile(path, nm, told_by, False, start, n_photons, exposure, camera)


def guess_wavelength(text: str) -> float:
    """Return the wavelength in nm that a text speaks of, NaN if it names none or several.

    Numbers with the unit count before bare ones.
    """
    for pattern in (_WITH_UNIT, _ALONE):
        low, high = _PLAUSIBLE_NM
        found = {float(word) for word in pattern.findall(text)}
        found = {nm for nm in found if low <= nm <= high}
        if len(found) == 1:
            return found.pop()
        if found:
            return math.nan
    return math.nan


def _header(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Return the target, and where the raw files may be: a relative path began at the photon file, or here."""
    try:
        h5 = open_readonly(path)
        try:
            with reading(path):
                if not has_node(h5, "/header/header"):
                    return "", ()
                row = read_header(h5)
                texts = [
                    bytes(row[name]).decode(errors="replace") for name in ("target", "dataDir")
                ]
        finally:
            h5.close()
    except (PipelineError, ValueError, TypeError, IndexError, KeyError):
        return "", ()  # a header is a hint here, no more
    return texts[0], (path.parent / texts[1], Path(texts[1])) if texts[1] else ()


def _logged(start: int, folders: Iterable[Path]) -> str:
    """Return what a night's log says of the observation that starts then: ``laser 808 nm``, ``dark``; or ''."""
    for folder in folders:
        log = folder / _NIGHT_LOG
        try:
            if not log.is_file() or log.stat().st_size > _LONGEST_LOG:
                continue
            for row in json.loads(log.read_text(encoding="utf-8"))["observations"]:
                if row["start"] == start:
                    nm = row.get("wavelength_nm")
                    return f"{row['kind']} {nm:g} nm" if nm else str(row["kind"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # not a log of this kind
    return ""
