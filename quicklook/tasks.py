"""What the reads lane does: plain functions and values, no Qt. The core is imported inside the functions.

`OpenFiles` lives in the lane's thread and owns the handles. Everything returned is a frozen value that
is safe to show in the GUI thread. What runs in child processes is in `background_tasks`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import OperationCancelled
from pipeline_core.flags import FLAG_NAMES, describe_flags, flag_names
from pipeline_core.progress import Progress, silent
from quicklook.file_facts import CalibrationState, FileFacts, FlagCategory, FlagImage, FrameAxis
from quicklook.giving_way import giving_way
from quicklook.requests import (
    CountsRequest,
    CountsResult,
    FrameHeaderRequest,
    FrameHeaderResult,
    HistogramRequest,
    LightCurveRequest,
    PhaseRequest,
    PixelRequest,
    PlotResult,
    PreviewRequest,
    Request,
    SurveyRequest,
    SurveyResult,
    TimesRequest,
)

__all__ = [
    "OpenFiles",
]

_GOOD = 1 << FLAG_NAMES.index("beammap.good")
_WAVECAL = sum(1 << k for k, name in enumerate(FLAG_NAMES) if name.startswith("wavecal."))
_WAVECAL_BAD = 1 << FLAG_NAMES.index("wavecal.bad")
_WAVECAL_DETAILS = _WAVECAL & ~_WAVECAL_BAD
_FLATCAL = sum(1 << k for k, name in enumerate(FLAG_NAMES) if name.startswith("flatcal."))
_NO_WEIGHT = 1 << FLAG_NAMES.index("flatcal.inf_weight")
_DETAILS = _WAVECAL_DETAILS | (_FLATCAL & ~_NO_WEIGHT)
"""How a pixel was calibrated, or why not: the status line says it; in the flag image it would be a dozen colours."""
_PIXCAL = sum(1 << k for k, name in enumerate(FLAG_NAMES) if name.startswith("pixcal."))
_MAX_CATEGORIES = 16
_HOW_STORED = ("XTENSION", "SIMPLE", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "EXTEND")


# --- the reads lane ------------------------------------------------------------------------------


def _open_observation(paths: tuple[Path, ...], beammap: Path | None, progress: Progress) -> Any:
    from pipeline_core.observation import open_observation

    return open_observation(
        paths[0] if len(paths) == 1 else paths, beammap=beammap, progress=giving_way(progress)
    )


class OpenFiles:
    """The open photon file and everything that is read from it. Only the reads lane calls it.

    Parameters
    ----------
    opener : callable
        ``opener(paths, beammap, progress)`` -> `ObsFile` or its like; tests give their own.
    """

    def __init__(
        self, opener: Callable[[tuple[Path, ...], Path | None, Progress], Any] = _open_observation
    ) -> None:
        self._opener = opener
        self._handles: dict[int, Any] = {}
        self._last_token = 0

    def prepare(self, *, progress: Progress = silent) -> None:
        """Import the core and load its kernels, so that the first file and the first click are answered at once."""
        from pipeline_core.trial_opening import warm_up

        warm_up()
        import pipeline_core.describe_observation
        import pipeline_core.observation  # noqa: F401
        from pipeline_core.photon_reader import load_kernels

        load_kernels()

    def open(
        self,
        paths: tuple[Path, ...],
        beammap: Path | None = None,
        trial: Path | None = None,
        *,
        progress: Progress = silent,
    ) -> FileFacts:
        """Open a file, or consecutive .bin files, and return its facts.

        With `trial`, a wavelength solution, photons are read as if it were attached. The handle opened before stays
        until `close_others`.
        """
        progress(0, 1, "opening")
        handle = self._opener(paths, beammap, progress)
        try:
            if trial is not None:
                handle.try_wavecal(trial)
            self._last_token += 1
            facts = _facts(self._last_token, paths, beammap, trial, handle)
        except BaseException:
            handle.close()
            raise
        self._handles[facts.token] = handle
        return facts

    def close_others(self, token: int, *, progress: Progress = silent) -> None:
        """Close every file but this one (0: all)."""
        for other in [key for key in self._handles if key != token]:
            self._handles.pop(other).close()

    def read(self, request: Request, *, progress: Progress = silent) -> Any:
        """Answer a pane's request with a `CountsResult`, `SurveyResult` or `PlotResult`."""
        handle = self.handle(request.token)
        progress(0, 1)
        if isinstance(request, FrameHeaderRequest):
            return FrameHeaderResult(request, _cards(handle, request.frame))
        if isinstance(request, PreviewRequest):
            return _preview_counts(handle, request)
        if isinstance(request, CountsRequest):
            return _read_counts(handle, request, progress)
        if isinstance(request, SurveyRequest):
            return SurveyResult(request, handle.survey(progress))
        if isinstance(request, TimesRequest):
            return handle.keep_times(progress)
        if isinstance(request, PixelRequest):
            return PlotResult(request, _read_pixels(handle, request, progress))
        raise TypeError(f"No answer to {type(request).__name__}.")

    def describe(self, token: int, *, progress: Progress = silent) -> Any:
        """Return header, history and health of an open file (a `Description` of the core)."""
        from pipeline_core.describe_observation import describe_observation

        handle = self.handle(token)
        progress(0, 1)
        return describe_observation(handle)

    def handle(self, token: int) -> Any:
        """Return the open observation; what was asked of one that was closed meanwhile is cancelled."""
        handle = self._handles.get(token)
        if handle is None:
            raise OperationCancelled
        return handle


def _band(handle: Any, low: float | None, high: float | None) -> dict[str, float | None]:
    """Return a band in the words of the core."""
    quantity = "wavelength" if handle.is_wavelength_calibrated else "phase"
    given = {f"min_{quantity}": low, f"max_{quantity}": high}
    return {name: value for name, value in given.items() if value is not None}


def _read_counts(handle: Any, request: CountsRequest, progress: Progress) -> CountsResult:
    span = request.start_s, request.stop_s
    band = _band(handle, request.low, request.high)
    variance = None
    unit = "photons"
    open_s: float | None = None
    if request.frame is not None:
        image, unit = handle.frame(request.frame), handle.unit
        open_s = float(handle.exposures_s[request.frame])
    elif request.weighted:
        image, variance = handle.weighted_image(*span, progress=progress, **band)
    else:
        image = handle.count_image(*span, progress=progress, **band)
    if open_s is None:
        open_s = float(handle.open_time(*span))
    return CountsResult(request, image, *_good_pixels(handle, image, band), open_s, variance, unit)


def _preview_counts(handle: Any, request: PreviewRequest) -> CountsResult | None:
    span = request.start_s, request.stop_s
    band = _band(handle, request.low, request.high)
    preview = getattr(handle, "preview_image", None)  # files of older programs have no summaries
    found = None if preview is None else preview(*span, **band)
    if found is None:
        return None
    good = _good_pixels(handle, found.image, band)
    return CountsResult(request, found.image, *good, float(handle.open_time(*span)), exact=False)


def _good_pixels(
    handle: Any, image: npt.NDArray[Any], band: dict[str, float | None]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which pixels have no problem, and which of them do not outshine their surroundings."""
    from pipeline_core.region_statistics import outshining

    # what is wrong with a pixel's wavelengths does not matter to counts of all of them
    harmless = _FLATCAL | (_WAVECAL_DETAILS if band else _WAVECAL)
    good = (handle.flags & ~np.uint32(_GOOD | harmless)) == 0
    return good, good & ~outshining(image, good)


def _read_pixels(handle: Any, request: PixelRequest, progress: Progress) -> Any:
    pixels: Any = request.pixels[0] if len(request.pixels) == 1 else request.pixels
    window: dict[str, Any] = {"start": request.start_s, "stop": request.stop_s}
    window["progress"] = progress
    window |= _band(handle, request.low, request.high)
    if isinstance(request, LightCurveRequest):
        weights = {"weighted": True} if request.weighted else {}
        return handle.light_curve(pixels, bin_s=request.bin_s, **window, **weights)
    if isinstance(request, HistogramRequest):
        return handle.intensity_histogram(pixels, bin_s=request.bin_s, **window)
    if isinstance(request, PhaseRequest):
        return handle.phase_histogram(pixels, **window)
    weights = {"weighted": True} if request.weighted else {}
    return handle.spectrum(pixels, **window, **weights)


def _facts(
    token: int, paths: tuple[Path, ...], beammap: Path | None, trial: Path | None, handle: Any
) -> FileFacts:
    return FileFacts(
        token=token,
        path=paths[0],
        paths=paths,
        camera=handle.camera,
        start_unix=int(handle.start_unix),
        exposure_s=float(handle.exposure_s),
        shape=handle.shape,
        n_photons=0
        if handle.kind == "stream"
        else int(handle.n_photons),  # it would be read as a whole
        baseline=str(handle.baseline),
        flags=handle.flags,
        res_id=handle.beammap.res_id,
        flag_image=flag_image(handle.flags),
        wavelength_calibrated=bool(handle.is_wavelength_calibrated),
        open_s=float(handle.open_time()),
        kind=handle.kind,
        file_id=str(handle.file_id),
        calibrations=_calibrations(handle, trial),
        beammap=beammap,
        frames=_frames(handle),
        trial=trial,
        flat_calibrated=bool(getattr(handle, "is_flat_calibrated", False)),
        flat_attached=getattr(handle, "flatcal", None) is not None,
        stored_wavelengths=not getattr(handle, "has_phases", True),
        layout=str(getattr(handle, "layout", "")),
        n_masks=len(getattr(handle, "pixel_masks", ())),
        masked_s=_masked_s(handle),
    )


def _cards(handle: Any, frame: int) -> tuple[tuple[str, str, str], ...]:
    """Return the lines of a header, those that only tell how the numbers are stored last."""
    cards = [tuple(card) for card in handle.header(frame)]
    cards.sort(key=lambda card: card[0].startswith(_HOW_STORED))
    return tuple(cards)


def _frames(handle: Any) -> FrameAxis | None:
    if handle.kind != "stream":
        return None
    return FrameAxis(handle.starts_unix, handle.exposures_s, handle.unit, handle.doubts)


def _calibrations(handle: Any, trial: Path | None) -> tuple[CalibrationState, ...]:
    """Say of every calibration whether it was done."""
    located = int(np.count_nonzero(handle.flags & np.uint32(_GOOD)))
    total = handle.flags.size
    source = Path(str(handle.beammap.source)).name
    if located:
        text = f"{located:,} of {total:,} pixels are located without doubt ({source})."
        beammap = CalibrationState("Beam map", "done", f"{located / total:.0%} good", text)
    elif handle.flags.any():
        text = f"None of {total:,} pixels is located without doubt ({source})."
        beammap = CalibrationState("Beam map", "partial", "0% good", text)
    else:
        text = "No beam map: which resonator a pixel has, and its flags, are not known."
        beammap = CalibrationState("Beam map", "unknown", "unknown", text)
    if handle.is_wavelength_calibrated:
        wavecal = handle.wavecal
        count = int(np.count_nonzero(wavecal.kind))
        if not getattr(handle, "has_phases", True):
            text = (
                f"{count:,} of {total:,} pixels have wavelengths, which an older program has put into the place of "
                f"their phases ({wavecal.source}). That cannot be taken back."
            )
            stored = CalibrationState("Wavelength", "done", f"{count / total:.0%} stored", text)
            return beammap, stored, _flat_state(handle), *_mask_state(handle)
        lines = ", ".join(f"{line:g}" for line in wavecal.wavelengths_nm)
        text = (
            f"{count:,} of {total:,} pixels have wavelengths, from {Path(wavecal.source).name} "
            f"(id {wavecal.solution_id[:8]}, lasers at {lines} nm). Calibrate > Undo takes it back."
        )
        wavelength = CalibrationState("Wavelength", "done", f"{count / total:.0%} done", text)
        if trial is not None:
            text = (
                f"Trying {trial.name} ({count:,} of {total:,} pixels, lasers at {lines} nm): it is not attached, and "
                "nothing has changed. Calibrate > Compare shows the file with and without it."
            )
            wavelength = CalibrationState("Wavelength", "partial", "on trial", text)
    else:
        text = "No wavelength solution is attached: energies are phases in degrees."
        wavelength = CalibrationState("Wavelength", "none", "not done", text)
    return beammap, wavelength, _flat_state(handle), *_mask_state(handle)


def _masked_s(handle: Any) -> float:
    """Return how many seconds are masked."""
    masked_us = getattr(handle, "masked_us", None)
    return 0.0 if masked_us is None else float((masked_us[:, 1] - masked_us[:, 0]).sum()) / 1e6


def _mask_state(handle: Any) -> tuple[CalibrationState, ...]:
    """Say how many pixels and how much time are masked, if any are."""
    masks, seconds = getattr(handle, "pixel_masks", ()), _masked_s(handle)
    if not len(masks) and not seconds:
        return ()
    number = int(np.count_nonzero(handle.flags & np.uint32(_PIXCAL)))
    text = f"{number:,} pixels are marked as bad; {seconds:.6g} s do not count. Mask > Undo takes back."
    word = f"{number:,} pixels" if len(masks) else f"{seconds:.3g} s"
    return (CalibrationState("Masks", "done", word, text),)


def _flat_state(handle: Any) -> CalibrationState:
    """Say whether photons have weights."""
    if not getattr(handle, "is_flat_calibrated", False):
        text = "No flat field is attached: counts are as recorded."
        return CalibrationState("Flat field", "none", "not done", text)
    flat = handle.flatcal
    if flat is None:
        text = "An older program has given photons weights. That cannot be taken back."
        return CalibrationState("Flat field", "done", "stored", text)
    count, total = int(np.count_nonzero(flat.weighted)), flat.weighted.size
    forced = (
        " It was made with another wavelength solution, and applied all the same." * flat.forced
    )
    text = (
        f"{count:,} of {total:,} pixels have weights, from {Path(flat.source).name} "
        f"(id {flat.solution_id[:8]}).{forced} Calibrate > Undo flat field takes it back."
    )
    state = "partial" if flat.forced else "done"
    return CalibrationState("Flat field", state, f"{count / total:.0%} done", text)


def flag_image(flags: npt.NDArray[np.uint32]) -> FlagImage:
    """Group the pixels by their set of flags: an index for the picture, names for the legend.

    Of the flags of calibrations only the verdicts count, and without wavelengths a pixel has no weights anyway.

    Parameters
    ----------
    flags : ndarray of uint32, shape (ncols, nrows)
        Bits of `pipeline_core.flags`.
    """
    told = flags & ~np.uint32(_DETAILS)
    told = np.where(told & np.uint32(_WAVECAL_BAD), told & ~np.uint32(_NO_WEIGHT), told)
    values, inverse, counts = np.unique(told, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(order.size, np.intp)
    rank[order] = np.arange(order.size)
    categories = [_category(int(values[k]), int(counts[k])) for k in order]
    if len(categories) > _MAX_CATEGORIES:
        rest = sum(category.count for category in categories[_MAX_CATEGORIES - 1 :])
        sentence = "Rare combinations of flags; the line at the bottom names those of a pixel."
        categories[_MAX_CATEGORIES - 1 :] = [FlagCategory(0, "other combinations", sentence, rest)]
    index = np.minimum(rank, len(categories) - 1).astype(np.uint8)[inverse]
    return FlagImage(index.reshape(flags.shape), tuple(categories))


def _category(bits: int, count: int) -> FlagCategory:
    problems = flag_names(bits & ~_GOOD)
    label = " + ".join(problems) or ("good" if bits & _GOOD else "no flag")
    return FlagCategory(bits, label, describe_flags(bits) or "No flag is set.", count)
