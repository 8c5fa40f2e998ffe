"""What the window of bad pixels has done for it: plain functions, no Qt. The core is imported inside.

`find` runs in a child process, everything else in the reads lane. A `BadPixels` of the core is an opaque value here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.progress import Progress, silent
from quicklook.background_tasks import check_same

if TYPE_CHECKING:
    from pipeline_core.arraymap import ArrayMap
    from pipeline_core.badpixels.browse import RateHistogram

__all__ = [
    "METHOD_CHOICES",
    "FoundMask",
    "MaskForm",
    "attach_mask",
    "attach_times",
    "change_by_hand",
    "cut",
    "find",
    "find_cosmic_rays",
    "map_of_mask",
    "mask_time",
    "save_mask",
    "toggle",
    "undo_mask",
]

METHOD_CHOICES = {
    "surroundings": "what the surroundings let expect",
    "median": "median of a moving box",
    "threshold": "flux threshold of a moving box",
    "cps": "rate alone",
}


@dataclass(frozen=True)
class MaskForm:
    """What a person fills in to look for bad pixels in a photon file. `file_id` is as for `check_same`."""

    path: str
    method: str = "surroundings"
    n_sigma: float = 4.0
    ratio: float = 4.0
    slice_s: float = 10.0
    cold: bool = True
    flicker: bool = True
    file_id: str = ""


@dataclass(frozen=True, eq=False)
class FoundMask:
    """A mask that is not attached yet: the core's value, and what is said of it.

    Attributes
    ----------
    kinds : tuple of (str, int)
        Kinds of bad pixels and how many there are.
    reasons : dict
        Sentence of each bad pixel (x, y).
    """

    path: Path
    mask: Any
    shape: tuple[int, int]
    kinds: tuple[tuple[str, int], ...]
    histogram: RateHistogram
    maps: tuple[tuple[str, str], ...]
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)


def _described(path: Path, mask: Any) -> FoundMask:
    from pipeline_core.badpixels.browse import MAPS, kinds_of, rate_histogram
    from pipeline_core.masks import PIXEL_KINDS

    kinds = kinds_of(mask)
    reasons = {
        (int(x), int(y)): text
        for (x, y), text in zip(mask.pixels.tolist(), mask.reasons, strict=True)
    }
    return FoundMask(
        path=path,
        mask=mask,
        shape=mask.shape,
        kinds=tuple((name, int((kinds == name).sum())) for name in PIXEL_KINDS),
        histogram=rate_histogram(mask),
        maps=MAPS,
        reasons=reasons,
    )


def find(form: MaskForm, *, progress: Progress) -> FoundMask:
    """Look for bad pixels."""
    from pipeline_core.badpixels.compute import find_bad_pixels
    from pipeline_core.badpixels.settings import BadPixelSettings

    settings = BadPixelSettings(
        method=form.method,
        n_sigma=form.n_sigma,
        ratio=form.ratio,
        slice_s=form.slice_s or None,
        cold=form.cold,
        flicker=form.flicker,
    )
    path = Path(form.path)
    found = find_bad_pixels(path, settings, progress)
    check_same(path, found.file_id, form.file_id)
    return _described(path, found)


def map_of_mask(found: FoundMask, name: str, *, progress: Progress = silent) -> ArrayMap:
    """Return a map of the mask."""
    from pipeline_core.badpixels.browse import mask_map

    progress(0, 1)
    return mask_map(found.mask, name)


def cut(
    found: FoundMask, low_cps: float, high_cps: float, *, progress: Progress = silent
) -> FoundMask:
    """Mark what lies outside a range of rates as well."""
    from pipeline_core.badpixels.browse import cut_by_rate

    progress(0, 1)
    return _described(found.path, cut_by_rate(found.mask, low_cps, high_cps))


def toggle(
    found: FoundMask, pixel: tuple[int, int], kind: str, reason: str, *, progress: Progress = silent
) -> FoundMask:
    """Mark a pixel by hand as of a kind; with '' for the kind take its marks off."""
    progress(0, 1)
    mask = found.mask.with_pixel(pixel, reason, kind) if kind else found.mask.without_pixel(pixel)
    return _described(found.path, mask)


def save_mask(
    found: FoundMask, path: Path, overwrite: bool, *, progress: Progress = silent
) -> Path:
    """Write the mask to a file that the command line can attach, too."""
    progress(0, 1)
    return Path(found.mask.save(path, overwrite=overwrite))


# --- attached to the photon file ------------------------------------------------------------------


def attach_mask(found: FoundMask, *, progress: Progress = silent) -> str:
    """Attach a mask to its photon file's sidecar; returns what to say of it."""
    from pipeline_core import ObsFile

    progress(0, 1, "attaching")
    with ObsFile(found.path, mode="write") as obs:
        obs.apply_badpixels(found.mask)
    number = len(found.reasons)
    return (
        f"{number:,} bad pixels of {found.path.name} are marked. The photon file has not changed."
    )


def change_by_hand(
    path: Path, pixel: tuple[int, int], kind: str, reason: str, *, progress: Progress = silent
) -> str:
    """Mark a pixel of a photon file by hand as of a kind; with '' for the kind take all marks off."""
    from pipeline_core import ObsFile

    progress(0, 1)
    with ObsFile(path, mode="write") as obs:
        if kind:
            obs.mask_pixels(pixel, reason, kind)
        else:
            obs.unmask_pixels(pixel, reason)
    x, y = pixel
    return f"Pixel ({x}, {y}) is {f'marked as {kind}' if kind else 'no longer marked'}."


def mask_time(
    path: Path, start_s: float, stop_s: float, reason: str, *, progress: Progress = silent
) -> str:
    """Let a range of time of a photon file not count, for a reason."""
    from pipeline_core import ObsFile

    progress(0, 1)
    with ObsFile(path, mode="write") as obs:
        obs.mask_time(start_s, stop_s, reason)
    return f"{start_s:.6g} to {stop_s:.6g} s of {path.name} do not count any more."


def find_cosmic_rays(path: Path, *, progress: Progress) -> Any:
    """Look for bursts over the whole array; returns the core's `MaskedTimes`."""
    from pipeline_core.timemask.compute import find_bursts

    return find_bursts(path, progress=progress)


def attach_times(path: Path, found: Any, *, progress: Progress = silent) -> str:
    """Let the times that were found not count any more."""
    from pipeline_core import ObsFile

    progress(0, 1)
    with ObsFile(path, mode="write") as obs:
        before = obs.open_time()
        obs.apply_timemask(found)
        lost = before - obs.open_time()
    return f"{len(found.reasons):,} bursts of {path.name} do not count any more: {lost:.4g} s."


def undo_mask(path: Path, kind: str, *, progress: Progress = silent) -> str:
    """Take the newest change of the marks ('badpixels') or masked times ('timemask') of a photon file back."""
    from pipeline_core import ObsFile

    progress(0, 1)
    with ObsFile(path, mode="write") as obs:
        newest = [a for a in obs.history if a.kind == kind and not a.undone]
        obs.undo(kind)
    return f"Taken back: {newest[-1].action} {newest[-1].detail}."
