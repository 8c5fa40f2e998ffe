"""Registration: how many pixels farther along x and y the sky lies in each frame than in the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.progress import Progress, silent
from pipeline_core.stacking.centroid import Centroid, RegistrationError, find_star, fit_star
from pipeline_core.stacking.correlation import correlate
from pipeline_core.stacking.frames import Frame, counts_a_photon, image_of, middle_unix
from pipeline_core.stacking.settings import StackSettings

__all__ = ["Registration", "register"]

_SEARCH_PIX = 5.0
"""So far from where the dither says is looked for the star."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Registration:
    """Offsets of the frames.

    Attributes
    ----------
    method : str
    offsets, errors : ndarray of float64, shape (n, 2)
        Pixels; a star at p of the first frame is at ``p + offset``. Errors are standard ones of the offset from the
        first frame, and NaN where nothing was measured.
    """

    method: str
    offsets: FloatArray
    errors: FloatArray


def register(
    frames: Sequence[Frame], settings: StackSettings, progress: Progress = silent
) -> Registration:
    """Return the offsets of frames, as they were given or as they are measured.

    Raises
    ------
    ConfigError
        There are not as many offsets as frames, or none for the time of a frame.
    RegistrationError
        A frame has no star, or does not look like the first.
    """
    n = len(frames)
    given = None
    if settings.offsets is not None:
        names = [frame.name for frame in frames]
        given = settings.offsets.of_frames(names, [middle_unix(frame) for frame in frames])
    unknown = np.full((n, 2), np.nan)
    if settings.register == "none":
        return Registration("none", np.zeros((n, 2)), unknown)
    if settings.register == "dither":
        assert given is not None
        return Registration("dither", given, unknown)
    measure = _by_centroid if settings.register == "centroid" else _by_correlation
    offsets, errors = measure(frames, given, progress)
    return Registration(settings.register, offsets, errors)


def _by_centroid(
    frames: Sequence[Frame], given: FloatArray | None, progress: Progress
) -> tuple[FloatArray, FloatArray]:
    found: list[Centroid] = []
    for i, frame in enumerate(frames):
        progress(i, len(frames), "looking for the star")
        near = None
        if given is not None and found:
            near = (found[0].x + given[i, 0], found[0].y + given[i, 1])
        rate, _ = image_of(frame)
        counts = sum(counts_a_photon(frame, k) for k in range(frame.n_band)) / frame.n_band
        exposure = frame.exposure_s
        unit = counts / np.where(exposure > 0, exposure, np.nan)
        with _named(frame):
            found.append(fit_star(rate, unit, find_star(rate, near, _SEARCH_PIX)))
    places = np.array([(one.x, one.y) for one in found])
    errors = np.array([(one.x_error, one.y_error) for one in found])
    together = np.hypot(errors, errors[0])
    together[0] = 0.0
    return places - places[0], together


def _by_correlation(
    frames: Sequence[Frame], given: FloatArray | None, progress: Progress
) -> tuple[FloatArray, FloatArray]:
    offsets, errors = np.zeros((len(frames), 2)), np.zeros((len(frames), 2))
    reference = image_of(frames[0])
    for i, frame in enumerate(frames[1:], start=1):
        progress(i, len(frames), "comparing frames")
        near = None if given is None else (float(given[i, 0]), float(given[i, 1]))
        with _named(frame):
            shift = correlate(reference, image_of(frame), near, _SEARCH_PIX)
        offsets[i], errors[i] = (shift.x, shift.y), (shift.x_error, shift.y_error)
    return offsets, errors


@contextmanager
def _named(frame: Frame) -> Iterator[None]:
    """Name the frame in an error, and what helps."""
    try:
        yield
    except RegistrationError as error:
        raise RegistrationError(
            f"{frame.name} cannot be registered: {error}. Exclude bad pixels, or give the offsets of the dither."
        ) from error
