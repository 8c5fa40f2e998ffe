"""The beam map: which resonator sits at which pixel. Text files ``resID flag x y [frequency]``.

Read and validated once, then an immutable value that everything else shares. Detector arrays are
[x, y]: x is the column, y the row, shape (ncols, nrows).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.flags import BEAMMAP_CODES, beammap_code_to_flags

__all__ = ["CAMERAS", "NO_RES_ID", "Beammap", "camera_name", "parse_shape", "read_beammap"]

NO_RES_ID = 2**32 - 1
"""ResID of a pixel that the beam map does not mention."""

CAMERAS: dict[str, tuple[int, int]] = {"DARKNESS": (80, 125), "MEC": (140, 146)}
"""Shape (ncols, nrows) of each camera."""

_MAX_COORDINATE = 1023  # ten bits each in a photon word
_NO_DAC_TONE = BEAMMAP_CODES.index("beammap.noDacTone")


def camera_name(shape: tuple[int, int]) -> str:
    """Return the camera with this shape, or ``'unknown'``."""
    return next((name for name, known in CAMERAS.items() if known == tuple(shape)), "unknown")


def parse_shape(text: str) -> tuple[int, int]:
    """Read ``'80x125'`` (ncols x nrows) or a camera's name.

    Raises
    ------
    ConfigError
        If the text is neither.
    """
    if text.upper() in CAMERAS:
        return CAMERAS[text.upper()]
    try:
        ncols, nrows = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise ConfigError(
            f"Shape {text!r} is not of the form 80x125 (columns x rows) or one of {', '.join(CAMERAS)}."
        ) from None
    if not (0 < ncols <= _MAX_COORDINATE + 1 and 0 < nrows <= _MAX_COORDINATE + 1):
        raise ConfigError(f"Shape {text!r}: columns and rows must be between 1 and 1024.")
    return ncols, nrows


@dataclass(frozen=True, eq=False)
class Beammap:
    """Resonator and beam-map code of every pixel. Arrays are copied and read-only.

    Attributes
    ----------
    res_id : ndarray of uint32, shape (ncols, nrows)
        `NO_RES_ID` where the map mentions no resonator. Not necessarily unique.
    code : ndarray of uint8, shape (ncols, nrows)
        Codes 0..7 (`BEAMMAP_CODES`); pixels that are not in the map count as noDacTone.
    frequency_mhz : ndarray of float64, shape (ncols, nrows)
        Resonance frequency where known, else NaN.
    source : str
        Where it came from.
    """

    res_id: npt.NDArray[np.uint32]
    code: npt.NDArray[np.uint8]
    frequency_mhz: npt.NDArray[np.float64]
    source: str = ""

    def __post_init__(self) -> None:
        for name, dtype in (("res_id", np.uint32), ("code", np.uint8), ("frequency_mhz", float)):
            array = np.array(getattr(self, name), dtype)
            if array.shape != self.res_id.shape or array.ndim != 2:
                raise ConfigError(f"Beam map arrays must share one shape (ncols, nrows): {name}.")
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def shape(self) -> tuple[int, int]:
        """(ncols, nrows)."""
        ncols, nrows = self.res_id.shape
        return ncols, nrows

    @property
    def mapped(self) -> npt.NDArray[np.bool_]:
        """Which pixels the map mentions; shape (ncols, nrows)."""
        return self.res_id != NO_RES_ID

    @property
    def flags(self) -> npt.NDArray[np.uint32]:
        """Flag bits (`pipeline_core.flags`) that the map alone implies; shape (ncols, nrows)."""
        return beammap_code_to_flags(self.code)

    def content_hash(self) -> str:
        """SHA-256 of shape, resIDs and codes: equal for maps that mean the same."""
        digest = hashlib.sha256(repr(self.shape).encode())
        digest.update(np.ascontiguousarray(self.res_id, "<u4").tobytes())
        digest.update(np.ascontiguousarray(self.code, "u1").tobytes())
        return digest.hexdigest()

    def duplicate_res_ids(self) -> int:
        """Return how many resIDs stand at more than one pixel."""
        ids, counts = np.unique(self.res_id[self.mapped], return_counts=True)
        return int(np.count_nonzero(counts > 1)) if ids.size else 0

    def photon_order(self) -> npt.NDArray[np.int64]:
        """Return flat pixel indices ``x * nrows + y`` in the order of a photon file.

        Rows are sorted by (resID, flat index), so that duplicated resIDs stay separate pixels.
        """
        return np.argsort(self.res_id.ravel(), kind="stable").astype(np.int64)

    def write(self, path: Path | str) -> None:
        """Write the text form, one mapped pixel a line, sorted by resID."""
        lines = []
        nrows = self.shape[1]
        with_frequency = np.isfinite(self.frequency_mhz).any()
        for flat in self.photon_order():
            x, y = divmod(int(flat), nrows)
            if self.res_id[x, y] == NO_RES_ID:
                continue
            line = f"{self.res_id[x, y]:6d} {self.code[x, y]:4d} {x:4d} {y:4d}"
            if with_frequency:
                line += f" {self.frequency_mhz[x, y]:.6f}"
            lines.append(line)
        Path(path).write_text("\n".join(lines) + "\n")

    @classmethod
    def design(cls, shape: tuple[int, int], feedlines: int | None = None) -> Beammap:
        """Return the ideal map: all pixels good, resID = 10000 * feedline + channel.

        DARKNESS has five feedlines of 80 x 25 pixels in y, MEC ten strips of 14 x 146 in x; other shapes
        are cut in y like DARKNESS.
        """
        ncols, nrows = shape
        along_x = tuple(shape) == CAMERAS["MEC"]
        if feedlines is None:
            feedlines = 10 if along_x else min(5, nrows)
        x, y = np.meshgrid(np.arange(ncols), np.arange(nrows), indexing="ij")
        line = x * feedlines // ncols if along_x else y * feedlines // nrows
        res_id = np.zeros(shape, np.uint32)
        for k in range(feedlines):
            members = line == k
            res_id[members] = 10_000 * (k + 1) + np.arange(np.count_nonzero(members))
        return cls(res_id, np.zeros(shape, np.uint8), np.full(shape, np.nan), "design")


def read_beammap(path: Path | str, shape: tuple[int, int] | None = None) -> Beammap:
    """Read a beam map from a text file.

    Parameters
    ----------
    path : path
        Lines ``resID flag x y`` with an optional fifth column, the resonance frequency in MHz.
        ``#`` starts a comment.
    shape : (ncols, nrows), optional
        Default: the rectangle that the coordinates fill, else the camera with as many pixels as the file
        has lines, else the smallest camera that holds all coordinates of a map that is not tiny.

    Raises
    ------
    InputFormatError
        Missing file; a line that is not numbers; NaN, fractional, duplicate or outside coordinates;
        an unknown code. The message names file, line, cause and remedy.
    """
    path = Path(path)
    columns = _read_columns(path)
    numbers = columns["line"]
    x, y = (_whole(columns[name], name, numbers, path) for name in ("x", "y"))
    res_id = _whole(columns["resID"], "resID", numbers, path)
    code = _whole(columns["flag"], "flag", numbers, path)
    _refuse(res_id >= NO_RES_ID, numbers, path, f"resID is not below {NO_RES_ID}")
    _refuse(code >= len(BEAMMAP_CODES), numbers, path, "flag is not a code 0..7")
    _refuse((x > _MAX_COORDINATE) | (y > _MAX_COORDINATE), numbers, path, "coordinate above 1023")
    ncols, nrows = shape or _guess_shape(x, y)
    _refuse(
        (x >= ncols) | (y >= nrows),
        numbers,
        path,
        f"coordinate outside the {ncols} x {nrows} array (wrong camera, or give the shape)",
    )
    flat = x * nrows + y
    repeated = np.ones(flat.size, bool)
    repeated[np.unique(flat, return_index=True)[1]] = False
    _refuse(repeated, numbers, path, "a second resonator at the same pixel: keep one line a pixel")

    ids = np.full((ncols, nrows), NO_RES_ID, np.uint32)
    codes = np.full((ncols, nrows), _NO_DAC_TONE, np.uint8)
    frequency = np.full((ncols, nrows), np.nan)
    ids[x, y] = res_id
    codes[x, y] = code
    frequency[x, y] = columns["frequency"]
    return Beammap(ids, codes, frequency, str(path))


def _read_columns(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Return the columns of the text file as floats, with the 1-based line number of each row."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputFormatError(
            f"Beam map {path} cannot be read: {error.strerror}. Choose another file."
        ) from error
    except UnicodeDecodeError as error:
        raise InputFormatError(
            f"Beam map {path} is not a text file. It should hold lines 'resID flag x y'."
        ) from error
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) not in (4, 5):
            raise InputFormatError(
                f"Beam map {path}, line {number}: {line[:60]!r} is not 'resID flag x y' with an "
                "optional frequency. Correct or remove the line."
            )
        rows.append([number, *values, *([np.nan] if len(values) == 4 else [])])
    if not rows:
        raise InputFormatError(f"Beam map {path} holds no pixel. Choose another file.")
    table = np.array(rows)
    names = ("line", "resID", "flag", "x", "y", "frequency")
    return {name: table[:, k] for k, name in enumerate(names)}


def _whole(
    values: npt.NDArray[np.float64], name: str, lines: npt.NDArray[np.float64], path: Path
) -> npt.NDArray[np.int64]:
    """Return the values as integers, refusing NaN, fractions and negative numbers."""
    with np.errstate(invalid="ignore"):
        bad = ~((values == np.floor(values)) & (values >= 0) & (values <= NO_RES_ID))
    _refuse(bad, lines, path, f"{name} is not a whole number from 0 to {NO_RES_ID}")
    return values.astype(np.int64)


def _refuse(
    bad: npt.NDArray[np.bool_], lines: npt.NDArray[np.float64], path: Path, cause: str
) -> None:
    if bad.any():
        first = int(lines[np.flatnonzero(bad)[0]])
        more = int(np.count_nonzero(bad)) - 1
        others = f" (and {more} more lines)" if more else ""
        raise InputFormatError(
            f"Beam map {path}, line {first}{others}: {cause}. Correct the file or choose another one."
        )


def _guess_shape(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> tuple[int, int]:
    needed = int(x.max()) + 1, int(y.max()) + 1
    fitting = [s for s in CAMERAS.values() if needed[0] <= s[0] and needed[1] <= s[1]]
    if needed[0] * needed[1] == x.size:
        return needed
    for shape in CAMERAS.values():
        if shape in fitting and shape[0] * shape[1] == x.size:
            return shape
    # a map of a few pixels belongs to no camera: take it as it is
    large_enough = [s for s in fitting if x.size > 0.1 * s[0] * s[1]]
    return min(large_enough, key=lambda s: s[0] * s[1], default=needed)
