"""From counts to a mask of bad pixels: the image as a whole, slices of time, light curves; then one word a pixel.

`run` reads an observation; `solve` is pure. Detector arrays are [x, y].
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.badpixels.flicker import Flicker, flickering
from pipeline_core.badpixels.methods import COLD, DEAD, GOOD, HOT, Verdict, judge
from pipeline_core.badpixels.settings import BadPixelSettings
from pipeline_core.badpixels.solution import BadPixels
from pipeline_core.beammap import Beammap
from pipeline_core.compile_progress import telling_of_compilation
from pipeline_core.errors import ConfigError
from pipeline_core.flags import PixelFlag
from pipeline_core.masks import PIXEL_KINDS
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress, part_of, silent

__all__ = ["Counts", "find_bad_pixels", "read_counts", "solve"]

_THREADS = 2
_NAMES = {HOT: "hot", COLD: "cold", DEAD: "dead"}
_NOT_READ = np.uint32(PixelFlag["beammap_noDacTone"])
_JUMP_SIGMA = 5.0
"""A slice may differ from the whole only if the pixel's rate in it differs by so much."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of an observation in bins of time.

    Attributes
    ----------
    cube : ndarray of integers, shape (n_bins, ncols, nrows)
    edges_us : ndarray of int64, shape (n_bins + 1,)
    open_s : ndarray of float64, shape (n_bins,)
        Time with data in each bin.
    read : ndarray of bool, shape (ncols, nrows)
        Pixels that are read out.
    """

    cube: npt.NDArray[np.integer]
    edges_us: npt.NDArray[np.int64]
    open_s: npt.NDArray[np.float64]
    read: npt.NDArray[np.bool_]


def find_bad_pixels(
    source: ObsFile | Path | str,
    settings: BadPixelSettings | None = None,
    progress: Progress = silent,
) -> BadPixels:
    """Look for bad pixels in an observation. Masked times do not count.

    Parameters
    ----------
    source : ObsFile or path
    settings : BadPixelSettings, optional
    progress : Progress
        May cancel.

    Raises
    ------
    ConfigError
        If the range of time is impossible, or holds no photons.
    InputFormatError
        If the file cannot be read.
    """
    settings = settings or BadPixelSettings()
    if not isinstance(source, ObsFile):
        with ObsFile(source) as obs:
            return find_bad_pixels(obs, settings, progress)
    with telling_of_compilation(progress) as report:
        counts = read_counts(source, settings, part_of(report, 0, 0.5, "reading photons"))
        return solve(
            counts,
            settings,
            source.beammap,
            progress=part_of(report, 0.5, 1, "judging pixels"),
            camera=source.camera,
            path=str(source.path.absolute()),
            file_id=source.file_id,
            start_unix=source.start_unix,
            exposure_s=source.exposure_s,
        )


def read_counts(obs: ObsFile, settings: BadPixelSettings, progress: Progress = silent) -> Counts:
    """Count photons in the bins of the observation's survey, as far as they lie in the range of time."""
    stop = obs.exposure_s if settings.stop is None else settings.stop
    start = settings.start or 0.0
    if not 0 <= start < stop <= obs.exposure_s:
        raise ConfigError(
            f"Bad pixels: time range {start:g} to {stop:g} s must lie within the {obs.exposure_s:g} s of {obs.path}."
        )
    found = obs.counts_in_time(start, stop, progress)
    read = (obs.flags & _NOT_READ) == 0
    if not found.counts.sum(axis=0)[read].any():
        raise ConfigError(
            f"Bad pixels: there are no photons in {start:g} to {stop:g} s of {obs.path}."
        )
    return Counts(found.counts, found.edges_us, found.open_s, read)


def solve(
    counts: Counts,
    settings: BadPixelSettings,
    beammap: Beammap,
    progress: Progress = silent,
    **about: str | int | float,
) -> BadPixels:
    """Judge the pixels of counted photons.

    Parameters
    ----------
    counts : Counts
    settings : BadPixelSettings
    beammap : Beammap
    progress : Progress
    about
        Fields of `BadPixels` that say where the counts are from.
    """
    seconds = float(counts.open_s.sum())
    image = counts.cube.sum(axis=0, dtype=np.int64)
    whole = judge(image, seconds, counts.read, settings)
    flicker = _light_curves(counts, whole, settings)
    bins = _slices(counts, settings)
    kinds = _judge_slices(counts, bins, whole, flicker, settings, progress)
    bits, slice_bits = _bits(whole.kind, kinds, flicker.unstable)
    bad = np.argwhere((bits > 0) | slice_bits.any(axis=0))
    x, y = bad.T
    ends = [first for first, _ in bins] + [stop for _, stop in bins[-1:]]
    edges = counts.edges_us[np.array(ends, np.intp)]
    report = _Report(image, seconds, whole, flicker, kinds, edges)
    with np.errstate(invalid="ignore", divide="ignore"):
        return BadPixels(
            res_id=beammap.res_id,
            read=counts.read,
            pixels=bad,
            flags=bits[x, y],
            reasons=tuple(report.reason(i, j, int(bits[i, j])) for i, j in bad.tolist()),
            edges_us=edges,
            slice_flags=slice_bits[:, x, y].T if bins else np.zeros((x.size, 0), np.uint32),
            rate_cps=image / seconds,
            expected_cps=whole.expected / seconds,
            sigma=whole.sigma,
            settings=settings.to_json(),
            **{"camera": "unknown", **about},  # type: ignore[arg-type]
        )


def _slices(counts: Counts, settings: BadPixelSettings) -> list[tuple[int, int]]:
    """Return first and last + 1 bin of each slice: of about the length asked for; none of a single slice."""
    if settings.slice_s is None:
        return []
    edges = counts.edges_us
    number = round((edges[-1] - edges[0]) / 1e6 / settings.slice_s)
    number = min(number, edges.size - 1)
    if number < 2:
        return []
    at = np.unique(np.round(np.linspace(0, edges.size - 1, number + 1)).astype(int))
    return list(zip(at[:-1].tolist(), at[1:].tolist(), strict=True))


def _judge_slices(
    counts: Counts,
    bins: list[tuple[int, int]],
    whole: Verdict,
    flicker: Flicker,
    settings: BadPixelSettings,
    progress: Progress,
) -> npt.NDArray[np.uint8]:
    """Return what each pixel is in each slice, (n_slices, ncols, nrows): what it is in the whole, but where it jumps.

    In noise slices may differ by chance. One in which no pixel jumps need not be looked at.
    """
    kinds = np.repeat(whole.kind[None], len(bins), axis=0)
    jumping = [_jumping(flicker, ends) for ends in bins]
    wanted = [k for k, pixels in enumerate(jumping) if pixels.any()]

    def look(k: int) -> None:
        part = slice(*bins[k])
        image = counts.cube[part].sum(axis=0, dtype=np.int64)
        seconds = float(counts.open_s[part].sum())
        kind = judge(image, seconds, counts.read, settings).kind
        kinds[k, jumping[k]] = kind[jumping[k]]

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="bad-pixels") as pool:
        for k in range(0, len(wanted), _THREADS):
            progress(k, len(wanted), "judging slices of time")
            list(pool.map(look, wanted[k : k + _THREADS]))
    progress(len(bins), len(bins), "judging slices of time")
    return kinds


def _jumping(flicker: Flicker, ends: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Tell which unstable pixels' rates differ in a slice from the whole; shape (ncols, nrows)."""
    together = flicker.deviation[:, slice(*ends)].sum(axis=1) / np.sqrt(ends[1] - ends[0])
    jumping = flicker.unstable.copy()
    jumping[flicker.unstable] = np.abs(together) > _JUMP_SIGMA
    return jumping


def _light_curves(counts: Counts, whole: Verdict, settings: BadPixelSettings) -> Flicker:
    usable = counts.read & (whole.kind != DEAD)
    if not settings.flicker:
        shape = counts.cube.shape
        nothing = np.zeros(shape[1:], bool)
        return Flicker(nothing, np.full(shape[1:], np.nan), np.zeros((0, shape[0])))
    limits = (settings.n_sigma, settings.flicker_share, settings.fwhm)
    return flickering(counts.cube, usable, *limits, neighbours=usable & (whole.kind != HOT))


def _bits(
    whole: npt.NDArray[np.uint8], kinds: npt.NDArray[np.uint8], unstable: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return the bits that hold all through, and those of each slice.

    A pixel that jumps is unstable all through; hot or cold it is only where most slices say so, or there are none.
    """
    table = np.array([PIXEL_KINDS[_NAMES[k]] if k else 0 for k in range(4)], np.uint32)
    slice_bits = table[kinds]
    bits = table[whole]
    if kinds.shape[0]:
        agree = (kinds == whole).sum(axis=0) * 2 > kinds.shape[0]
        bits = np.where(unstable & ~agree, 0, bits).astype(np.uint32)
    bits |= np.where(unstable, np.uint32(PIXEL_KINDS["unstable"]), np.uint32(0))
    steady = ~unstable & (whole != GOOD)
    return bits, np.where(steady, 0, slice_bits & ~bits).astype(np.uint32)


@dataclass(frozen=True, eq=False)
class _Report:
    """Says in a sentence what is wrong with a pixel."""

    image: npt.NDArray[np.int64]
    seconds: float
    whole: Verdict
    flicker: Flicker
    kinds: npt.NDArray[np.uint8]
    edges_us: npt.NDArray[np.int64]

    def reason(self, x: int, y: int, bits: int) -> str:
        rate, expected = self.image[x, y] / self.seconds, self.whole.expected[x, y] / self.seconds
        kind = int(self.whole.kind[x, y])
        beside = f"where {expected:.4g} were expected" if np.isfinite(expected) else "by itself"
        words = []
        if kind == DEAD:
            words.append(f"Dead: no photon in {self.seconds:g} s, {beside} a second.")
        elif kind != GOOD and bits & PIXEL_KINDS[_NAMES[kind]]:
            words.append(
                f"{_NAMES[kind].capitalize()}: {rate:.4g} counts/s {beside} ({self.whole.sigma[x, y]:+.1f} sigma)."
            )
        if self.flicker.unstable[x, y]:
            words.append(
                f"Unstable: its rate of {rate:.4g} counts/s scatters by {self.flicker.share[x, y]:.0%}."
            )
        for k in range(1, 4):
            times = [
                f"{a / 1e6:g}-{b / 1e6:g} s"
                for a, b, now in zip(
                    self.edges_us[:-1], self.edges_us[1:], self.kinds[:, x, y], strict=False
                )
                if now == k and not bits & PIXEL_KINDS[_NAMES[k]]
            ]
            if times:
                more = f" and {len(times) - 3} more slices" if len(times) > 3 else ""
                words.append(f"{_NAMES[k].capitalize()} in {', '.join(times[:3])}{more}.")
        return " ".join(words)
