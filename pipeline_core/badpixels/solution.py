"""A mask of bad pixels: everything that a search found, in one value and one file without pickles."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core import __version__
from pipeline_core.errors import ConfigError
from pipeline_core.masks import PIXEL_KINDS, PixelMask
from pipeline_core.records import read_record
from pipeline_core.selection import checked_pixel
from pipeline_core.solution_files import BADPIXELS, GROUP, opened, written

__all__ = ["BadPixels", "load_bad_pixels"]


FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BadPixels:
    """A mask of bad pixels with what it was made from. Arrays are copied and read-only; they are [x, y].

    Attributes
    ----------
    camera : str
    res_id : ndarray of uint32, shape (ncols, nrows)
        The beam map's: what pixels of other observations are found by.
    read : ndarray of bool, shape (ncols, nrows)
        Pixels that were judged.
    pixels : ndarray of int64, shape (n, 2)
        (x, y) of the bad ones.
    flags : ndarray of uint32, shape (n,)
        Bits that hold all through the observation (`masks.MASK_FLAGS`).
    reasons : tuple of str
        One a pixel, in a sentence.
    edges_us : ndarray of int64, shape (k + 1,)
        Slices that were judged one by one, us; empty without any.
    slice_flags : ndarray of uint32, shape (n, k)
        Bits that hold in one slice.
    rate_cps, expected_cps, sigma : ndarray of float64, shape (ncols, nrows)
        Counts per second, what the surroundings let expect, and how many sigmas lie between; NaN where there is none.
    path : str
        The photon file; '' of none.
    file_id : str
        Its id. Slices mean something for this file only.
    start_unix : int
    exposure_s : float
    settings : str
        JSON of `BadPixelSettings`.
    created_unix : float
    software : str
    solution_id : str
        A hash of all that matters. Made here where it is not given.
    """

    camera: str
    res_id: npt.NDArray[np.uint32]
    read: npt.NDArray[np.bool_]
    pixels: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint32]
    reasons: tuple[str, ...]
    edges_us: npt.NDArray[np.int64]
    slice_flags: npt.NDArray[np.uint32]
    rate_cps: FloatArray
    expected_cps: FloatArray
    sigma: FloatArray
    path: str = ""
    file_id: str = ""
    start_unix: int = 0
    exposure_s: float = 0.0
    settings: str = "{}"
    created_unix: float = 0.0
    software: str = __version__
    solution_id: str = ""

    def __post_init__(self) -> None:
        shape = np.shape(self.res_id)
        if len(shape) != 2:
            raise ConfigError(f"Bad pixels: res_id must be [x, y], not of shape {shape}.")
        for name, dtype in (
            ("res_id", np.uint32),
            ("read", np.bool_),
            ("rate_cps", np.float64),
            ("expected_cps", np.float64),
            ("sigma", np.float64),
        ):
            array = np.array(getattr(self, name), dtype)
            if array.shape != shape:
                raise ConfigError(f"Bad pixels: {name} has shape {array.shape}, not {shape}.")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        marks = self.mask("")  # checks the rest
        for name in ("pixels", "flags", "reasons", "edges_us", "slice_flags"):
            object.__setattr__(self, name, getattr(marks, name))
        for x, y in self.pixels.tolist():
            checked_pixel((x, y), self.shape)
        if not self.created_unix:
            object.__setattr__(self, "created_unix", time.time())
        if not self.solution_id:
            object.__setattr__(self, "solution_id", self._content_hash()[:16])

    @property
    def shape(self) -> tuple[int, int]:
        """(ncols, nrows)."""
        ncols, nrows = self.res_id.shape
        return ncols, nrows

    def mask(self, source: str) -> PixelMask:
        """Return the marks alone, as they are in the observation that they were made from."""
        return PixelMask(
            solution_id=self.solution_id,
            source=source,
            settings=self.settings,
            pixels=self.pixels,
            flags=self.flags,
            reasons=self.reasons,
            edges_us=self.edges_us,
            slice_flags=self.slice_flags,
        )

    def reason(self, pixel: tuple[int, int]) -> str:
        """Return what is wrong with a pixel (x, y), '' if nothing is."""
        found = np.flatnonzero((self.pixels == np.array(pixel)).all(axis=1))
        return self.reasons[found[0]] if found.size else ""

    def with_pixel(self, pixel: tuple[int, int], reason: str, kind: str = "hot") -> BadPixels:
        """Return a mask in which a pixel (x, y) is bad, for a reason given by hand; `kind` of `masks.PIXEL_KINDS`.

        Raises
        ------
        ConfigError
            Without a reason, outside the array, or of an unknown kind.
        """
        x, y = checked_pixel(pixel, self.shape)
        added = PixelMask.by_hand([(x, y)], reason, kind)
        rest = self._without((x, y))
        return dataclasses.replace(
            rest,
            pixels=np.concatenate((rest.pixels, added.pixels)),
            flags=np.append(rest.flags, np.uint32(PIXEL_KINDS[kind])),
            reasons=(*rest.reasons, *added.reasons),
            slice_flags=np.concatenate(
                (rest.slice_flags, np.zeros((1, self._n_slices), np.uint32))
            ),
            solution_id="",
        )

    def without_pixel(self, pixel: tuple[int, int]) -> BadPixels:
        """Return a mask in which a pixel (x, y) is good.

        Raises
        ------
        ConfigError
            If it is not bad.
        """
        x, y = checked_pixel(pixel, self.shape)
        if not self.reason((x, y)):
            raise ConfigError(f"Pixel ({x}, {y}) is not masked.")
        return self._without((x, y))

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the mask file (``.h5``): whole, or not at all.

        Raises
        ------
        OutputError
            If it exists already and may not be overwritten, or cannot be written.
        """
        path = Path(path).expanduser()
        with written(path, BADPIXELS, self, overwrite=overwrite):
            pass
        return path

    @property
    def _n_slices(self) -> int:
        return max(self.edges_us.size - 1, 0)

    def _without(self, pixel: tuple[int, int]) -> BadPixels:
        kept = ~(self.pixels == np.array(pixel)).all(axis=1)
        return dataclasses.replace(
            self,
            pixels=self.pixels[kept],
            flags=self.flags[kept],
            reasons=tuple(np.array(self.reasons, object)[kept].tolist()),
            slice_flags=self.slice_flags[kept],
            solution_id="",
        )

    def _content_hash(self) -> str:
        digest = hashlib.sha256()
        for array in (self.res_id, self.read, self.pixels, self.flags, self.edges_us):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(np.ascontiguousarray(self.slice_flags).tobytes())
        facts = [self.camera, self.file_id, self.settings, self.reasons]
        digest.update(json.dumps(facts).encode())
        return digest.hexdigest()


def load_bad_pixels(path: Path | str) -> BadPixels:
    """Read a mask file.

    Raises
    ------
    InputFormatError
        Missing, damaged, or no mask of bad pixels.
    SchemaVersionError
        If a newer version wrote it.
    """
    with opened(Path(path).expanduser(), BADPIXELS) as h5:
        return read_record(h5, GROUP, BadPixels)
