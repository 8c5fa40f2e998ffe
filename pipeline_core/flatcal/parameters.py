"""The parameters of a flat field's configuration, in one table: section, key, type, default, when needed, a sentence.

Those of the user's guide, then ours. `config` reads files by this table, and writes the shipped default from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["PARAMETERS", "SECTIONS", "Parameter", "parameter"]

SECTIONS = ("Data", "Instrument", "Calibration")


@dataclass(frozen=True)
class Parameter:
    """One line of a configuration.

    Attributes
    ----------
    section, key : str
    kind : {'text', 'texts', 'whole', 'number', 'files'}
        Text; list of texts; whole number; number (a whole one will do); {wavelength in nm: file} or {wavelength: (file,
        dark file)}.
    default : object
    needed : {'optional', 'conditional'}
        Conditional ones depend on others: `sentence` says when.
    sentence : str
    guide : bool
        Whether it is one of the guide's.
    unit : str
        Of a number that has one.
    """

    section: str
    key: str
    kind: str
    default: Any
    needed: str
    sentence: str
    guide: bool = True
    unit: str = ""


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "Data",
        "run",
        "text",
        "",
        "conditional",
        "ScienceData mode: name of the observing run, the folder below the root of the data.",
    ),
    Parameter(
        "Data",
        "date",
        "text",
        "",
        "conditional",
        "ScienceData mode: sunset date YYYYMMDD, the folder below the run.",
    ),
    Parameter(
        "Data",
        "flatCalTstamp",
        "text",
        "",
        "conditional",
        "ScienceData mode: solutions are called <flatCalTstamp>_calSoln.h5, unless calSolnPath says where.",
    ),
    Parameter(
        "Data",
        "flatObsTstamps",
        "texts",
        [""],
        "conditional",
        "ScienceData mode: a list with the time stamp of each flat; files are <root>/<run>/<date>/<stamp>.h5.",
    ),
    Parameter(
        "Data",
        "wvlDate",
        "text",
        "",
        "conditional",
        "For flats without wavelength calibration: date YYYYMMDD whose folder holds the night's wavelength solution.",
    ),
    Parameter(
        "Data",
        "wvlCalFile",
        "text",
        "",
        "conditional",
        "Wavelength solution; needed for flats without wavelength calibration, unless wvlDate finds it.",
    ),
    Parameter(
        "Data",
        "flatPath",
        "text",
        "",
        "conditional",
        "Own-directory mode: a flat's photon file, or a folder of them; must exist. Empty for ScienceData mode.",
    ),
    Parameter(
        "Data",
        "calSolnPath",
        "text",
        "",
        "conditional",
        "Own-directory mode: path and base name of the solutions, such as /home/me/flats/FlatSoln.h5.",
    ),
    Parameter(
        "Data",
        "intTime",
        "whole",
        5,
        "optional",
        "Seconds of a chunk.",
        unit="s",
    ),
    Parameter(
        "Data",
        "expTime",
        "whole",
        30,
        "optional",
        "Seconds of each file that are used.",
        unit="s",
    ),
    Parameter(
        "Data",
        "lasers",
        "files",
        {},
        "optional",
        "Laser flats instead of white ones: {808: 'A.h5', 920: ('B.h5', 'B_dark.h5')}.",
        guide=False,
    ),
    Parameter(
        "Data", "darkPath", "text", "", "optional", "Photon file taken without light.", guide=False
    ),
    Parameter(
        "Instrument",
        "deadtime",
        "number",
        0.00001,
        "optional",
        "Seconds. The photon files' own dead time is used; another value here is a warning.",
        unit="s",
    ),
    Parameter(
        "Instrument",
        "energyBinWidth",
        "number",
        0.01,
        "optional",
        "eV: width of a bin of energy.",
        unit="eV",
    ),
    Parameter(
        "Instrument",
        "wvlStart",
        "number",
        700.0,
        "optional",
        "nm: beginning of the range.",
        unit="nm",
    ),
    Parameter(
        "Instrument",
        "wvlStop",
        "number",
        1500.0,
        "optional",
        "nm: end of the range.",
        unit="nm",
    ),
    Parameter(
        "Calibration",
        "countRateCutoff",
        "number",
        20000.0,
        "optional",
        "Counts per second: chunks whose median pixel counts more are left out.",
        unit="counts/s",
    ),
    Parameter(
        "Calibration",
        "fractionOfChunksToTrim",
        "number",
        0.0,
        "optional",
        "Of each pixel's chunks, this fraction is left out at either end: from 0 to below 0.5.",
    ),
    Parameter(
        "Calibration",
        "timeMaskFileName",
        "text",
        "",
        "optional",
        "File with a table of intervals (tBegin, tEnd in us) that are left out; for a single flat.",
    ),
    Parameter(
        "Calibration", "timeSpacingCut", "text", "None", "optional", "Was never used; keep 'None'."
    ),
    Parameter(
        "Calibration",
        "countsPerKnot",
        "number",
        1000.0,
        "optional",
        "The combined solution bends with wavelength once for about so many counts of a pixel.",
        guide=False,
        unit="counts",
    ),
    Parameter(
        "Calibration",
        "lineHalfWidth",
        "number",
        0.3,
        "optional",
        "Laser flats: photons within this fraction of the wavelength belong to the line.",
        guide=False,
    ),
)

_BY_KEY = {(one.section, one.key): one for one in PARAMETERS}


def parameter(section: str, key: str) -> Parameter | None:
    """Return a parameter, None if there is no such."""
    return _BY_KEY.get((section, key))
