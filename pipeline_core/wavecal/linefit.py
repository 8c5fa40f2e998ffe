"""Fit the laser lines of all pixels: histograms in, centres, widths and verdicts out.

Poisson likelihood on fine bins. The loops are in `_pixelkernels`; here are the arrays around them, the threads, and
what is made of the numbers: a status per line. `compute` calls it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, ndtr

from pipeline_core.errors import ConfigError
from pipeline_core.progress import Progress, silent
from pipeline_core.wavecal._darkkernels import dark_spectrum
from pipeline_core.wavecal._modelkernels import N_THETA
from pipeline_core.wavecal._pixelkernels import JOINT_GAIN, LEAST_GAIN, N_FACTS, fit_pixel
from pipeline_core.wavecal._searchkernels import OFFSETS
from pipeline_core.wavecal.models import LINE_MODELS, PARAMETERS

__all__ = ["STATUS", "LineFits", "Watch", "dark_spectra", "fit_lines"]

STATUS = (
    "ok",
    "no_photons",
    "few_photons",
    "no_line",
    "doubled",
    "bad_fit",
    "below_edge",
    "hot",
    "not_converged",
)
"""Name of each number of `LineFits.status`."""

_OK, _NO_PHOTONS, _FEW, _NO_LINE, _DOUBLED, _BAD_FIT, _BELOW_EDGE, _HOT, _UNCONVERGED = range(9)

FEWEST_PHOTONS = 20
LEAST_SIGNIFICANCE = 4.0
"""Photons of the line over their error."""
LEAST_VISIBLE = 0.3
"""Share of a line beyond the trigger edge: with less, centre and width can no longer be told apart."""
LEAST_P = 1e-4
LARGEST_EXCESS = 0.03
"""Deviance beyond its degrees of freedom, per photon. A misfit that is significant is bad only if it is also large."""
DOUBLED_SHARE, DOUBLED_SPREAD = 0.145, 0.4
"""What makes a pixel doubled: the second peak's share of the photons, and how much it would add to the variance of the
line: share (1 - share) distance**2 in sigma. A second resonator is to be found from 0.2 at 2 sigma on, where the same
photons may be told as 0.4 at 1.4; a wing of 0.1 to 0.15 is not one."""
DOUBLED_GAIN_PER_PHOTON = 0.0002
"""Deviance that it must gain where there are many photons, so that a line that is not quite Gaussian is no second peak;
what a second resonator gains falls below where nearly all of it is under the noise triggers."""
DOUBLED_LINE_SHARE, DOUBLED_LINE_DISTANCE, DOUBLED_LINE_GAIN = 0.17, 1.5, 20.0
"""The same of one line alone, where the others show nothing."""

_BLOCK = 64  # pixels between two reports of progress
_LOOK_EVERY_S = 0.1

FloatArray = npt.NDArray[np.float64]

Watch = Callable[[int, FloatArray, FloatArray], None]
"""Called with the number of a block's first pixel, and centres and sigmas of its lines in degrees, (n, n_line)."""


@dataclass(frozen=True, eq=False)
class LineFits:
    """Fits of all lines; arrays of shape (n_pixel, n_line) unless noted, read-only. NaN where nothing was fitted.

    Attributes
    ----------
    model : ndarray of uint8
        Index of `models.MODEL_NAMES`.
    status : ndarray of uint8
        Index of `STATUS`. Centres of lines that are not ``ok`` are kept for people to look at.
    centre_deg, centre_error, sigma_deg, sigma_error : ndarray
    n_signal, n_signal_error : ndarray
        Photons of the whole line, those below the trigger edge included.
    visible : ndarray
        Share of the line beyond the trigger edge.
    edge_deg : ndarray, shape (n_pixel,)
        Trigger edge: half of the pulses there are seen.
    deviance, dof, p_value, worst_residual : ndarray
        Poisson deviance of bins merged until 8 counts are expected, and the largest pull of one of them.
    gain : ndarray
        Deviance that the line gains over a tail alone.
    second_fraction, second_distance_sigma : ndarray
        Second Gaussian's share of both, and its distance in units of the line's sigma (negative: taller pulses); 0
        without one.
    second_significance : ndarray
        Standard deviations of the strongest hint of a second peak.
    double_significance, double_share : ndarray, shape (n_pixel,)
        The same of a second resonator in all lines together, and its share (NaN where nothing hints at one).
    parameters : ndarray, shape (n_pixel, n_line, len(PARAMETERS))
        For `models.evaluate`.
    """

    model: npt.NDArray[np.uint8]
    status: npt.NDArray[np.uint8]
    centre_deg: FloatArray
    centre_error: FloatArray
    sigma_deg: FloatArray
    sigma_error: FloatArray
    n_signal: FloatArray
    n_signal_error: FloatArray
    visible: FloatArray
    edge_deg: FloatArray
    deviance: FloatArray
    dof: npt.NDArray[np.int32]
    p_value: FloatArray
    worst_residual: FloatArray
    gain: FloatArray
    second_fraction: FloatArray
    second_distance_sigma: FloatArray
    second_significance: FloatArray
    double_significance: FloatArray
    double_share: FloatArray
    parameters: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            array = np.array(getattr(self, field.name))
            if field.name == "parameters" and (missing := len(PARAMETERS) - array.shape[-1]) > 0:
                # solutions made before a dark's amplitude and tilt were fitted: it was believed as it was
                array = np.pad(array, ((0, 0), (0, 0), (0, missing)))
            array.setflags(write=False)
            object.__setattr__(self, field.name, array)

    @property
    def ok(self) -> npt.NDArray[np.bool_]:
        """Lines that may be used."""
        return np.asarray(self.status == _OK)


class _Raw:
    """Arrays that the kernels fill."""

    def __init__(self, n_pixel: int, n_line: int) -> None:
        self.edge = np.full((n_pixel, 2), np.nan)
        self.theta = np.full((n_pixel, n_line, N_THETA), np.nan)
        self.variance = np.full((n_pixel, n_line, N_THETA), np.nan)
        self.facts = np.full((n_pixel, n_line, N_FACTS), np.nan)
        self.score = np.zeros((n_pixel, n_line, OFFSETS.size))
        self.information = np.zeros((n_pixel, n_line, OFFSETS.size))
        self.joint = np.zeros((n_pixel, 4))


def fit_lines(
    counts: npt.NDArray[np.uint32],
    edges_deg: npt.ArrayLike,
    *,
    background: npt.NDArray[np.uint32] | None = None,
    background_scale: npt.ArrayLike | None = None,
    guess_deg: npt.ArrayLike | None = None,
    hot: npt.NDArray[np.bool_] | None = None,
    models: Sequence[str] = tuple(LINE_MODELS),
    threads: int | None = None,
    progress: Progress = silent,
    watch: Watch | None = None,
) -> LineFits:
    """Fit every line of every pixel.

    Parameters
    ----------
    counts : ndarray of uint32, shape (n_pixel, n_line, n_bin)
    edges_deg : array_like, shape (n_bin + 1,)
        Equally spaced, ascending, at most 0.
    background : ndarray of uint32, same shape as `counts`, optional
        Histograms without laser.
    background_scale : array_like, shape (n_pixel, n_line), optional
        Live time of `counts` over that of `background`; 1 if not given.
    guess_deg : array_like, shape (n_pixel, n_line), optional
        Additional start for the centre; NaN for none.
    hot : ndarray of bool, shape (n_pixel, n_line), optional
        Lines that are not to be fitted.
    models : sequence of str
        From `models.LINE_MODELS`. Without ``gauss_tail`` no line is taken to be single.
    threads : int, optional
        Results do not depend on it. Default: one per processor.
    progress : Progress
        May cancel.
    watch : callable, optional
        Told of every block of pixels as soon as it is fitted, in the order of the pixels: see `Watch`.

    Raises
    ------
    ConfigError
        If shapes do not fit, or a model is not known.
    """
    shape = np.shape(counts)
    x = np.array(edges_deg, float)
    _check(shape, x, models)
    n_pixel, n_line = shape[:2]
    chosen = np.zeros(len(LINE_MODELS) + 1, np.bool_)
    chosen[[LINE_MODELS[name] for name in models]] = True
    guess = np.broadcast_to(
        np.nan if guess_deg is None else np.asarray(guess_deg, float), shape[:2]
    )
    skip = np.broadcast_to(False if hot is None else np.asarray(hot, bool), shape[:2])
    given = 1.0 if background_scale is None else np.asarray(background_scale, float)
    scale = np.broadcast_to(0.0 if background is None else given, shape[:2])
    no_dark = np.zeros(shape[1:], np.uint32)
    raw = _Raw(n_pixel, n_line)

    def work(first: int) -> None:
        for p in range(first, min(first + _BLOCK, n_pixel)):
            # copies, as of the edges: what is read-only is a type of its own, for which all would be compiled once more
            dark = no_dark if background is None else np.array(background[p])
            fit_pixel(
                x, np.array(counts[p]), dark, np.array(scale[p]), np.array(guess[p]), np.array(skip[p]), chosen,
                FEWEST_PHOTONS, raw.edge[p], raw.theta[p], raw.variance[p], raw.facts[p], raw.score[p],
                raw.information[p], raw.joint[p],
            )  # fmt: skip

    with closing(_blocks_done(work, n_pixel, threads, progress)) as blocks:
        for part in blocks:
            if watch is not None:
                theta = raw.theta[part]
                watch(part.start, theta[..., 1].copy(), np.exp(theta[..., 2]))
            progress(part.stop, n_pixel, "fit lines")
    return _results(raw, skip)


def _blocks_done(
    work: Callable[[int], None], n_pixel: int, threads: int | None, progress: Progress
) -> Generator[slice, None, None]:
    """Do blocks of pixels in threads; yield them in their order, each as soon as it is done. `progress` may cancel."""
    with ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="line-fit") as pool:
        try:
            for first, done in [(k, pool.submit(work, k)) for k in range(0, n_pixel, _BLOCK)]:
                while not wait([done], _LOOK_EVERY_S).done:
                    # a block may take long, and the first one has its kernels compiled
                    progress(first, n_pixel, "fit lines")
                done.result()
                yield slice(first, min(first + _BLOCK, n_pixel))
        except BaseException:  # also when whoever takes the blocks has enough
            pool.shutdown(cancel_futures=True)
            raise


def dark_spectra(
    background: npt.NDArray[np.uint32],
    scale: npt.ArrayLike,
    edges_deg: npt.ArrayLike,
    edge_deg: float,
    softness_deg: float,
) -> FloatArray:
    """Return what is expected of a pixel's darks, for `models.evaluate`.

    Parameters
    ----------
    background : ndarray of uint32, shape (n_line, n_bin)
    scale : array_like, shape (n_line,)
        As `background_scale` of `fit_lines`.
    edges_deg : array_like, shape (n_bin + 1,)
    edge_deg, softness_deg : float
        Trigger of the pixel.

    Returns
    -------
    ndarray of float64, shape (n_line, 2, n_bin)
        Expected counts before the trigger, and what the tilt is multiplied with.
    """
    spectra = np.zeros((len(background), 2, background.shape[1]))
    x = np.array(edges_deg, float)
    for counts, factor, spectrum in zip(background, np.asarray(scale, float), spectra, strict=True):
        dark_spectrum(x, np.array(counts), edge_deg, softness_deg, factor, spectrum)
    return spectra


def _check(shape: tuple[int, ...], x: FloatArray, models: Sequence[str]) -> None:
    unknown = [name for name in models if name not in LINE_MODELS]
    if unknown:
        raise ConfigError(
            f"Line model {unknown[0]!r} is not known; choose from {', '.join(LINE_MODELS)}."
        )
    if len(shape) != 3 or x.shape != (shape[2] + 1,):
        raise ConfigError(
            f"Histograms of shape {shape} need shape (pixels, lines, bins) and bins + 1 edges, not {x.size}."
        )


def _results(raw: _Raw, skip: npt.NDArray[np.bool_]) -> LineFits:
    theta, facts = raw.theta, raw.facts
    with np.errstate(invalid="ignore", over="ignore"):
        # a parameter at its bound has no error
        errors = np.sqrt(np.where(raw.variance > 0, raw.variance, np.nan))
        photons, second = np.exp(theta[..., 0]), np.exp(theta[..., 3])
        sigma = np.exp(theta[..., 2])
        model = np.nan_to_num(facts[..., 0]).astype(np.uint8)
        second = np.where(model > 1, second, np.where(np.isnan(photons), np.nan, 0.0))
        visible = ndtr((theta[..., 9] - theta[..., 1]) / np.hypot(sigma, np.exp(theta[..., 10])))
        distance = np.where(second > 0, (theta[..., 4] - theta[..., 1]) / sigma, 0.0 * second)
        dof = np.nan_to_num(facts[..., 3]).astype(np.int32)
        p_value = np.where(dof > 0, chdtrc(np.maximum(dof, 1), facts[..., 2]), 1.0)
    share, doubled = _doubles(theta, facts, raw)
    values: dict[str, npt.NDArray[Any]] = {
        "model": model,
        "centre_deg": theta[..., 1],
        "centre_error": errors[..., 1],
        "sigma_deg": sigma,
        "sigma_error": sigma * errors[..., 2],
        "n_signal": photons,
        "n_signal_error": photons * errors[..., 0],
        "visible": visible,
        "edge_deg": _pixel_edge(raw),
        "deviance": facts[..., 2],
        "dof": dof,
        "p_value": np.where(np.isnan(facts[..., 2]), np.nan, p_value),
        "worst_residual": facts[..., 4],
        "gain": facts[..., 5],
        "second_fraction": second / (second + photons),
        "second_distance_sigma": distance,
        "second_significance": facts[..., 6],
        "double_significance": np.sqrt(np.maximum(raw.joint[:, 0], 0)),
        "double_share": share,
        "parameters": _natural(raw, second),
    }
    status = _status(values, facts, skip, doubled)
    return LineFits(status=status, **values)


def _doubles(
    theta: FloatArray, facts: FloatArray, raw: _Raw
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return the share of a second peak, (n_pixel,), and which lines are doubled, (n_pixel, n_line)."""
    gain, share, distance, photons = raw.joint.T
    pixel = (gain >= JOINT_GAIN) & (gain > DOUBLED_GAIN_PER_PHOTON * photons)
    pixel &= (share >= DOUBLED_SHARE) & (share * (1 - share) * distance**2 >= DOUBLED_SPREAD)
    with np.errstate(invalid="ignore"):
        # a hint in a single line is fitted in that line only
        distances = np.abs(facts[..., 11])
        hump = theta[..., 4] + np.exp(theta[..., 5]) > theta[..., 9]
        line = (facts[..., 0] > 1) & ~hump & (facts[..., 9] > DOUBLED_LINE_GAIN)
        line &= (facts[..., 10] >= DOUBLED_LINE_SHARE) & (distances >= DOUBLED_LINE_DISTANCE)
    return np.where(share > 0, share, np.nan), pixel[:, None] | line


def _natural(raw: _Raw, second: FloatArray) -> FloatArray:
    """Return the kernels' parameters as `models.PARAMETERS`: photons, degrees and slopes."""
    natural = raw.theta.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for j in (0, 2, 5, 7, 10):
            natural[..., j] = np.exp(raw.theta[..., j])
        # from the height where the edge was looked for to that at the edge
        natural[..., 6] *= np.exp(natural[..., 7] * (natural[..., 9] - raw.edge[:, :1]))
    natural[..., 3] = second
    natural[..., 4:6] = np.where(second[..., None] > 0, natural[..., 4:6], np.nan)
    return natural


def _pixel_edge(raw: _Raw) -> FloatArray:
    """Return the weighted mean of the lines' edges, shape (n_pixel,)."""
    variance = raw.variance[..., 9]
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(variance > 0, 1 / variance, 0.0)
        total = weight.sum(1)
        mean = np.where(weight > 0, raw.theta[..., 9] * weight, 0.0).sum(1) / total
    return np.where(total > 0, mean, raw.edge[:, 0])


def _status(
    values: dict[str, npt.NDArray[Any]],
    facts: FloatArray,
    skip: npt.NDArray[np.bool_],
    doubled: npt.NDArray[np.bool_],
) -> npt.NDArray[np.uint8]:
    """Return the verdicts; of several reasons the first in the list below."""
    number = facts[..., 8]
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = (values["deviance"] - values["dof"]) / number
        faint = ~(values["n_signal"] > LEAST_SIGNIFICANCE * values["n_signal_error"])
        has_errors = np.isfinite(values["centre_error"] + values["sigma_error"])
        reasons = (
            (_HOT, skip),
            (_NO_PHOTONS, ~(number > 0)),
            (_FEW, number < FEWEST_PHOTONS),
            (_NO_LINE, ~(values["gain"] >= LEAST_GAIN)),
            (_BELOW_EDGE, values["visible"] < LEAST_VISIBLE),
            (_DOUBLED, doubled),
            (_UNCONVERGED, (facts[..., 1] != 1) | ~has_errors),
            (_NO_LINE, faint),
            (_BAD_FIT, (values["p_value"] < LEAST_P) & (excess > LARGEST_EXCESS)),
        )
    codes, tests = zip(*reasons, strict=True)
    return np.select(tests, codes, _OK).astype(np.uint8)
