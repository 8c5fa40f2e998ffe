"""How far an image lies from another one that looks alike: the peak of their cross-correlation. Arrays are [x, y].

For fields without one bright star. The peak is found to a small part of a pixel, since the correlation of smoothed
images is known between pixels too: its Fourier series can be evaluated anywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline_core.stacking.centroid import RegistrationError

__all__ = ["Shift", "correlate"]

_SMOOTH_PIX = 1.0
_EDGE = 0.25
"""Part of the width that both frames see over which it fades out: sharper edges are not well sampled by pixels."""
_TURNS = 6
_SETTLED = 1e-4
_PROBE = 0.05
_STEPS = 20
_LONGEST_STEP = 0.5
_FARTHEST = 2.0

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]


class Shift(NamedTuple):
    """How much farther along x and y an image shows the same as another, with standard errors; pixels."""

    x: float
    y: float
    x_error: float
    y_error: float


def correlate(
    reference: tuple[FloatArray, FloatArray],
    image: tuple[FloatArray, FloatArray],
    near: tuple[float, float] | None,
    radius: float,
) -> Shift:
    """Return the shift that makes the product of two images largest.

    Parameters
    ----------
    reference, image : (rate, variance)
        Each of float64, shape (ncols, nrows); NaN in bad pixels, which are filled from their neighbours.
    near : (x, y) or None
        Look within `radius` pixels of this shift only; None: anywhere up to half the array.

    Raises
    ------
    RegistrationError
        The correlation has no peak.
    """
    pair = _Pair(reference, image)
    place = pair.first_guess(near, radius)
    for _ in range(_TURNS):
        before, place = place, pair.peak(place).place
        if np.abs(place - before).max() < _SETTLED:
            break
    errors = np.sqrt(np.diag(pair.covariance(place)))
    return Shift(float(place[0]), float(place[1]), float(errors[0]), float(errors[1]))


class _Peak(NamedTuple):
    """A peak of the correlation: where, its second derivatives, the windows and spectra it was found with."""

    place: FloatArray
    bend: FloatArray
    windows: list[FloatArray]
    spectra: list[ComplexArray]


class _Pair:
    """Two images that show the same."""

    def __init__(
        self, reference: tuple[FloatArray, FloatArray], image: tuple[FloatArray, FloatArray]
    ) -> None:
        self._shape = reference[0].shape
        self._rates = (reference[0], image[0])
        self._variances = [np.nan_to_num(one[1], nan=0.0) for one in (reference, image)]
        self._size = tuple(2 * n for n in self._shape)
        waves = (2 * np.pi * np.fft.fftfreq(n) for n in self._size)
        self._k = list(np.meshgrid(*waves, indexing="ij"))

    def first_guess(self, near: tuple[float, float] | None, radius: float) -> FloatArray:
        """Return the shift by whole pixels where the correlation is highest."""
        _, power = self._faded(np.zeros(2))[1:]
        values = np.fft.ifft2(power).real
        return np.array(_highest(values, near, radius, self._shape), float)

    def peak(self, place: FloatArray) -> _Peak:
        """Return the peak near a place.

        What only one of the images sees would draw the peak towards 0. It is faded out: what that is, the place tells.
        """
        windows, spectra, power = self._faded(place)
        found, bend = _peak(power, self._k, place)
        return _Peak(found, bend, windows, spectra)

    def covariance(self, place: FloatArray) -> FloatArray:
        """Return the covariance of the place to which the turns have led.

        An error moves the windows along, and they move the peak by a part of it, which adds to the error.
        """
        peak = self.peak(place)
        inverse = np.linalg.inv(peak.bend)
        spread = _spread(peak.spectra, peak.windows, self._variances, self._k, place)
        fixed = inverse @ spread @ inverse
        moved = [
            (self.peak(place + step).place - peak.place) / _PROBE for step in _PROBE * np.eye(2)
        ]
        follow = np.linalg.inv(np.eye(2) - np.array(moved).T)
        return np.asarray(follow @ fixed @ follow.T)

    def _faded(
        self, place: FloatArray
    ) -> tuple[list[FloatArray], list[ComplexArray], ComplexArray]:
        """Return windows, spectra of what is seen through them, and the spectrum of their correlation."""
        windows = [_window(self._shape, place, of_image=of_image) for of_image in (False, True)]
        spectra = [
            _prepared(rate, window, self._size)
            for rate, window in zip(self._rates, windows, strict=True)
        ]
        return windows, spectra, np.conj(spectra[0]) * spectra[1] * _smoothing(self._k)


def _window(shape: tuple[int, ...], shift: FloatArray, *, of_image: bool) -> FloatArray:
    """Return 1 where both frames see the sky, with cosine flanks; as the reference or as the image sees it."""
    sides = []
    for n, moved in zip(shape, shift, strict=True):
        low, high = max(0.0, -moved), min(n, n - moved)  # of the reference, outer corners of pixels
        at = np.arange(n) + 0.5 - (moved if of_image else 0.0)
        distance = np.clip(np.minimum(at - low, high - at), 0.0, None)
        edge = max(_EDGE * (high - low), 1.0)
        sides.append(np.sin(0.5 * np.pi * np.minimum(distance / edge, 1.0)) ** 2)
    return np.outer(*sides)


def _smoothing(k: list[FloatArray]) -> FloatArray:
    """Return what a Gaussian does to a spectrum if both images are smoothed by it."""
    return np.asarray(np.exp(-(_SMOOTH_PIX**2) * (k[0] ** 2 + k[1] ** 2)))


def _peak(
    power: ComplexArray, k: list[FloatArray], start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the place of the peak of the correlation near a place, and its second derivatives (Newton's steps)."""
    place = start
    for _ in range(_STEPS):
        slope, bend = _slope_and_bend(power, k, place)
        if bend[0, 0] >= 0 or np.linalg.det(bend) <= 0:
            raise RegistrationError("the frames do not look alike")
        step = np.clip(-np.linalg.solve(bend, slope), -_LONGEST_STEP, _LONGEST_STEP)
        place = place + step
        if np.abs(step).max() < 1e-6:
            break
    if np.abs(place - start).max() > _FARTHEST:
        raise RegistrationError("their correlation has no peak")
    return place, bend


def _prepared(rate: FloatArray, window: FloatArray, size: tuple[int, ...]) -> ComplexArray:
    """Return the spectrum of an image without its level, faded out at the edges, with room for shifts around it."""
    good = np.isfinite(rate)
    seen = window * good
    if not seen.any():
        raise RegistrationError("a frame has no good pixel where both see the sky")
    # of what both see: different levels would pull at the peak
    level = float((seen * np.where(good, rate, 0.0)).sum() / seen.sum())
    light = ndimage.gaussian_filter(np.where(good, rate - level, 0.0), 1.5, mode="constant")
    weight = ndimage.gaussian_filter(good.astype(float), 1.5, mode="constant")
    filled = np.where(good, rate - level, light / np.maximum(weight, 1e-3))
    return np.asarray(np.fft.fft2(window * filled, size))


def _highest(
    values: FloatArray,
    near: tuple[float, float] | None,
    radius: float,
    shape: tuple[int, ...],
) -> tuple[int, int]:
    shifts = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in values.shape), indexing="ij")
    if near is None:
        allowed = (np.abs(shifts[0]) <= shape[0] / 2) & (np.abs(shifts[1]) <= shape[1] / 2)
    else:
        allowed = np.hypot(shifts[0] - near[0], shifts[1] - near[1]) <= radius
    if not allowed.any():
        raise RegistrationError("the shift to look for is larger than the array")
    best = np.unravel_index(int(np.argmax(np.where(allowed, values, -np.inf))), values.shape)
    return round(float(shifts[0][best])), round(float(shifts[1][best]))


def _slope_and_bend(
    power: ComplexArray, k: list[FloatArray], at: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return first and second derivatives of the correlation at a shift."""
    wave = power * np.exp(1j * (k[0] * at[0] + k[1] * at[1]))
    n = power.size
    slope = np.array([(1j * one * wave).real.sum() for one in k]) / n
    bend = np.array([[(-one * two * wave).real.sum() for two in k] for one in k]) / n
    return slope, bend


def _spread(
    spectra: list[ComplexArray],
    windows: list[FloatArray],
    variances: list[FloatArray],
    k: list[FloatArray],
    at: FloatArray,
) -> FloatArray:
    """Return the covariance of the slope by the noise of both images.

    Noise of one image enters with the slope of the other one, smoothed twice. That slope has noise of its own, so the
    product of both noises would be counted with each: it is taken off once.
    """
    smooth = _smoothing(k)
    size = k[0].shape
    moved = np.exp(1j * (k[0] * at[0] + k[1] * at[1]))
    first, second = np.zeros(size), np.zeros(size)
    for noise, window, variance in zip((first, second), windows, variances, strict=True):
        noise[: window.shape[0], : window.shape[1]] = window**2 * variance
    # both as the reference sees them: the second image shifted back by whole pixels
    second = np.roll(second, tuple(-round(float(one)) for one in at), axis=(0, 1))
    total = np.zeros((2, 2))
    for noise, spectrum in ((second, spectra[0]), (first, spectra[1] * moved)):
        slopes = [np.fft.ifft2(1j * one * smooth * spectrum).real for one in k]
        total += [[(a * b * noise).sum() for b in slopes] for a in slopes]
    kernel = [np.fft.ifft2(1j * one * smooth).real for one in k]
    both = (np.fft.ifft2(np.fft.fft2(second) * np.conj(np.fft.fft2(first)))).real
    twice = np.array([[(a * b * both).sum() for b in kernel] for a in kernel])
    return np.asarray(total - twice)
