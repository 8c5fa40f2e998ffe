"""Spectra of a flat: photons of each pixel in chunks of time and bins of wavelength, and the time it was alive.

Reads the photon files, one pass each. `compute` decides what is done with them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.beammap import Beammap
from pipeline_core.calibration import WavelengthCalibration
from pipeline_core.errors import ConfigError, PipelineError
from pipeline_core.exposure import blind_intervals, live_time_us, live_times_s
from pipeline_core.flatcal.settings import FlatcalSettings, FlatInput
from pipeline_core.flatcal.timemask import read_time_mask
from pipeline_core.matching import camera_and_shape
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress, part_of, silent

__all__ = ["FlatSpectra", "Inputs", "check_inputs", "load_spectra"]

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FlatSpectra:
    """What the photon files of a flat say. Large arrays are not copied.

    Pixels are numbered ``x * nrows + y``; chunks follow each other in time, from file to file; of lasers, chunk k of
    all lines belongs together.

    Attributes
    ----------
    edges_nm : ndarray of float64, shape (n_bin + 1,)
        Ascending.
    energies_ev : ndarray of float64, shape (n_bin,)
        Where the weights will lie.
    counts : ndarray of uint32, shape (n_pixel, n_chunk, n_bin)
    live_s : ndarray of float64, shape (n_pixel, n_chunk, 1) or (n_pixel, n_chunk, n_bin)
        Time alive: without gaps, masked intervals, and the dead time after each photon of any wavelength.
    open_s : ndarray of float64, shape (n_chunk,)
        The same without dead time; of lasers, the mean over the lines.
    dark, dark_variance : ndarray of float64, shape (n_pixel, n_bin), or None
        Dark counts per second alive, and their variance.
    calibrated : ndarray of bool, shape (n_pixel,)
        Pixels that have wavelengths (of lasers without any: all).
    inside : ndarray of bool, shape (n_pixel, n_bin)
        Bins that lie wholly inside the pixel's valid range of wavelengths.
    kept : ndarray of bool, shape (n_chunk,)
        Chunks that passed the cut on count rates.
    median_cps : ndarray of float64, shape (n_chunk,)
        Median rate of the pixels that count at all.
    """

    edges_nm: FloatArray
    energies_ev: FloatArray
    counts: npt.NDArray[np.uint32]
    live_s: FloatArray
    open_s: FloatArray
    dark: FloatArray | None
    dark_variance: FloatArray | None
    calibrated: npt.NDArray[np.bool_]
    inside: npt.NDArray[np.bool_]
    kept: npt.NDArray[np.bool_]
    median_cps: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            array = getattr(self, field.name)
            if array is not None:
                array = np.asarray(array).view()  # large: not copied
                array.setflags(write=False)
                object.__setattr__(self, field.name, array)

    @property
    def n_chunk(self) -> int:
        """Number of chunks, also of those that are not kept."""
        return int(self.counts.shape[1])

    def rates_cps(self, chunk: int) -> FloatArray:
        """Return counts per second alive of one chunk, (n_pixel, n_bin); NaN where a pixel was never alive."""
        live = self.live_s[:, chunk]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(live > 0, self.counts[:, chunk] / live, np.nan)

    def cut(self, rate_cutoff_cps: float) -> FlatSpectra:
        """Return the same with only those chunks kept that have time, and whose median pixel does not count more."""
        with np.errstate(invalid="ignore"):
            kept = ~(self.median_cps > rate_cutoff_cps) & (self.open_s > 0)
        return replace(self, kept=kept)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What all photon files of a flat have in common, and each of them."""

    camera: str
    baseline: str
    beammap: Beammap
    wavecal: WavelengthCalibration | None
    files: tuple[FlatInput, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Wanted:
    role: str
    path: Path


def _wanted(settings: FlatcalSettings) -> list[_Wanted]:
    found = [_Wanted("flat", path) for path in settings.flats]
    if settings.dark is not None:
        found.append(_Wanted("dark", settings.dark))
    for laser in settings.lasers:
        found.append(_Wanted(f"laser {laser.wavelength_nm:g} nm", laser.path))
        if laser.dark is not None:
            found.append(_Wanted(f"dark of {laser.wavelength_nm:g} nm", laser.dark))
    return found


def check_inputs(settings: FlatcalSettings) -> Inputs:
    """Open every photon file, before any work starts.

    Raises
    ------
    ConfigError
        If one cannot be used, or they do not belong together: all of them are named, each with its reason.
    """
    problems: list[str] = []
    opened: list[tuple[FlatInput, ObsFile]] = []
    try:
        for one in _wanted(settings):
            try:
                opened.append(_open(one, settings))
            except PipelineError as error:
                problems.append(f"{one.role}: {error}")
        if opened:
            problems += _strangers(opened, needs_wavecal=not settings.is_laser)
        if problems:
            raise ConfigError(
                "The flat field cannot start:\n" + "\n".join(f"- {one}" for one in problems)
            )
        first = opened[0][1]
        return Inputs(
            camera=first.camera,
            baseline=first.baseline,
            beammap=first.beammap,
            wavecal=first.wavecal,
            files=tuple(facts for facts, _ in opened),
            warnings=tuple(_warnings(settings, opened)),
        )
    finally:
        for _, obs in opened:
            obs.close()


def _open(one: _Wanted, settings: FlatcalSettings) -> tuple[FlatInput, ObsFile]:
    obs = ObsFile(one.path)
    try:
        if obs.wavecal is None and settings.wavecal is not None:
            obs.try_wavecal(settings.wavecal)
        facts = FlatInput(
            one.role,
            one.path,
            obs.file_id,
            one.path.stat().st_size,
            obs.start_unix,
            obs.exposure_s,
            obs.n_photons,
        )
    except BaseException:
        obs.close()
        raise
    return facts, obs


def _strangers(opened: list[tuple[FlatInput, ObsFile]], *, needs_wavecal: bool) -> Iterable[str]:
    """Name the files that do not belong to the first one."""
    first_facts, first = opened[0]
    content = first.beammap.content_hash()
    for facts, obs in opened:
        name, other = f"{facts.role} ({facts.path})", f"{first_facts.role} ({first_facts.path})"
        if (obs.camera, obs.shape) != (first.camera, first.shape):
            whose = [camera_and_shape(o.camera, o.shape) for o in (obs, first)]
            yield f"{name} is of {whose[0]}; {other} of {whose[1]}"
            continue
        if obs.beammap.content_hash() != content:
            yield f"{name} has another beam map than {other}: convert them with the same one"
        if obs.baseline != first.baseline:
            yield (
                f"{name} was converted with baseline '{obs.baseline}', {other} with '{first.baseline}': their phases "
                "differ"
            )
        if obs.wavecal is None and needs_wavecal:
            yield (
                f"{name} has no wavelength calibration: apply one to it, or name the solution (wvlCalFile or wvlDate)"
            )
        mine = None if obs.wavecal is None else obs.wavecal.solution_id
        theirs = None if first.wavecal is None else first.wavecal.solution_id
        if mine != theirs and not (needs_wavecal and mine is None):
            yield (
                f"{name} has wavelength solution {mine}, {other} has {theirs}: use the same one for all"
            )


def _warnings(settings: FlatcalSettings, opened: list[tuple[FlatInput, ObsFile]]) -> Iterable[str]:
    """Say what is not as the settings want it, but does no harm."""
    dead_times = {obs.dead_time_us for _, obs in opened}
    wanted = settings.dead_time_us
    if wanted is not None and any(not math.isclose(wanted, dead) for dead in dead_times):
        used = ", ".join(f"{dead:g}" for dead in sorted(dead_times))
        yield (
            f"The settings' dead time of {wanted:g} us is not that of the photon files: their own {used} us is used."
        )
    for facts, obs in opened:
        if facts.role.startswith("dark"):
            continue
        if obs.exposure_s < settings.exp_time_s:
            yield (
                f"{facts.path.name} is {obs.exposure_s:g} s long: less than the {settings.exp_time_s:g} s that are "
                "asked for; all of it is used."
            )
        elif obs.exposure_s >= settings.exp_time_s + 1:  # the setting is of whole seconds
            yield (
                f"{facts.path.name} is {obs.exposure_s:g} s long: only the first {settings.exp_time_s:g} s are used, "
                "as asked for."
            )


def load_spectra(
    settings: FlatcalSettings, inputs: Inputs, progress: Progress = silent
) -> FlatSpectra:
    """Count the photons of all files, one pass through each.

    Parameters
    ----------
    settings : FlatcalSettings
    inputs : Inputs
        From `check_inputs`.
    progress : Progress
        May cancel.

    Raises
    ------
    ConfigError
        If the chunks and bins would not fit into memory, or the time mask leaves nothing.
    InputFormatError
        If a file is damaged.
    """
    wanted = _wanted(settings)
    done = [0]

    def read(role: str, path: Path, thresholds: FloatArray, chunked: bool) -> _Spectra:
        part = part_of(progress, done[0] / len(wanted), (done[0] + 1) / len(wanted))
        done[0] += 1
        with ObsFile(path) as obs:
            return _read(obs, settings, role, thresholds, chunked, part)

    if settings.is_laser:
        return _laser_spectra(settings, inputs, read)
    # all files have the same resonators and the same solution
    thresholds = _thresholds(inputs, settings.edges_nm)
    parts = [read("flat", path, thresholds, True) for path in settings.flats]
    dark = read("dark", settings.dark, thresholds, False) if settings.dark else None
    counts = parts[0].counts if len(parts) == 1 else np.concatenate([p.counts for p in parts], 1)
    return _spectra(
        settings,
        inputs,
        counts,
        np.concatenate([p.live_s for p in parts], 1)[..., None],
        np.concatenate([p.open_s for p in parts]),
        np.concatenate([p.median_cps for p in parts]),
        None if dark is None else _dark(dark.counts[:, 0], dark.live_s[:, :1]),
        thresholds,
    )


def _thresholds(inputs: Inputs, edges_nm: FloatArray) -> FloatArray:
    """Return each pixel's phases at the edges of bins; without wavelengths, a single bin of all negative phases."""
    if inputs.wavecal is None:
        return np.tile([-np.inf, 0.0], (inputs.beammap.res_id.size, 1))
    return inputs.wavecal.edge_phases(edges_nm)


@dataclass(frozen=True, eq=False)
class _Spectra:
    """What one file gives: (n_pixel, n_chunk, n_bin), (n_pixel, n_chunk), (n_chunk,), (n_chunk,)."""

    counts: npt.NDArray[np.uint32]
    live_s: FloatArray
    open_s: FloatArray
    median_cps: FloatArray


def _read(
    obs: ObsFile,
    settings: FlatcalSettings,
    role: str,
    thresholds: FloatArray,
    chunked: bool,
    progress: Progress,
) -> _Spectra:
    """Count the photons of one file."""
    length_us = round(obs.exposure_s * 1e6)
    width_us = length_us
    if chunked:
        length_us = min(length_us, round(settings.exp_time_s * 1e6))
        width_us = round(settings.int_time_s * 1e6)
    times = np.append(np.arange(0, length_us, width_us), length_us)
    excluded = obs.masked_us
    if settings.time_mask is not None and not role.startswith("dark"):
        both = np.concatenate([excluded, read_time_mask(settings.time_mask)])
        excluded = blind_intervals(both).astype(np.int64)
    found = obs.binned_counts(times, thresholds, excluded, progress, f"{role}: {obs.path.name}")
    blind = blind_intervals(np.concatenate([obs.gaps_us, excluded]))
    open_us = live_time_us(times, blind)
    if not (open_us > 0).any():
        raise ConfigError(f"{obs.path}: gaps and masked intervals leave no time for a flat.")
    with np.errstate(divide="ignore", invalid="ignore"):
        live_s = live_times_s(open_us, found.recorded, obs.dead_time_us)
        rates = found.counts.sum(axis=2) / live_s
    return _Spectra(found.counts, live_s, open_us / 1e6, _medians(rates))


def _medians(rates: FloatArray) -> FloatArray:
    """Return each chunk's median over the pixels that count at all; NaN where none does."""
    medians = np.full(rates.shape[1], np.nan)
    for k in range(rates.shape[1]):
        counting = rates[:, k][rates[:, k] > 0]
        if counting.size:
            medians[k] = np.median(counting)
    return medians


def _dark(counts: npt.NDArray[np.uint32], live_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return dark rates (n_pixel, n_bin) and their variances."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(live_s > 0, counts / live_s, 0.0)
        variance = np.where(live_s > 0, counts / live_s**2, 0.0)
    return rate, variance


def _laser_spectra(settings: FlatcalSettings, inputs: Inputs, read: Any) -> FlatSpectra:
    """Count each laser's photons around its line; without wavelengths, all of its photons."""
    lines = []
    darks: list[tuple[FloatArray, FloatArray]] = []
    for laser in settings.lasers:
        nm, half = laser.wavelength_nm, settings.line_half_width
        around = _thresholds(inputs, np.array([nm * (1 - half), nm * (1 + half)]))
        lines.append(read(f"laser {nm:g} nm", laser.path, around, True))
        if laser.dark is None:
            darks.append((np.zeros((1, 1)), np.zeros((1, 1))))
        else:
            dark = read(f"dark of {nm:g} nm", laser.dark, around, False)
            darks.append(_dark(dark.counts[:, 0], dark.live_s[:, :1]))
    n = min(part.counts.shape[1] for part in lines)  # chunks that all lines have
    shape = (lines[0].counts.shape[0], 1)
    dark_pair = None
    if any(laser.dark for laser in settings.lasers):
        rate, variance = (
            np.concatenate([np.broadcast_to(d[k], shape) for d in darks], 1) for k in (0, 1)
        )
        dark_pair = (rate, variance)
    medians = np.stack([part.median_cps[:n] for part in lines])
    return _spectra(
        settings,
        inputs,
        np.concatenate([part.counts[:, :n] for part in lines], 2),
        np.stack([part.live_s[:, :n] for part in lines], 2),
        np.mean([part.open_s[:n] for part in lines], axis=0),
        np.where(np.isnan(medians).all(0), np.nan, np.nan_to_num(medians).max(0)),
        dark_pair,
        None,
    )


def _spectra(
    settings: FlatcalSettings,
    inputs: Inputs,
    counts: npt.NDArray[np.uint32],
    live_s: FloatArray,
    open_s: FloatArray,
    median_cps: FloatArray,
    dark: tuple[FloatArray, FloatArray] | None,
    thresholds: FloatArray | None,
) -> FlatSpectra:
    """Put together what the files gave; `thresholds` of bins, of which it matters whether they are valid."""
    n_pixel, n_chunk, n_bin = counts.shape
    calibrated = np.ones(n_pixel, bool)
    inside = np.ones((n_pixel, n_bin), bool)
    if inputs.wavecal is not None:
        calibrated = inputs.wavecal.calibrated.ravel()
        if thresholds is not None:
            inside = _inside(inputs.wavecal, thresholds)
    found = FlatSpectra(
        edges_nm=settings.edges_nm,
        energies_ev=settings.energies_ev,
        counts=counts,
        live_s=live_s,
        open_s=open_s,
        dark=None if dark is None else dark[0],
        dark_variance=None if dark is None else dark[1],
        calibrated=calibrated,
        inside=inside,
        kept=np.ones(n_chunk, bool),
        median_cps=median_cps,
    )
    return found.cut(settings.rate_cutoff_cps)


def _inside(wavecal: WavelengthCalibration, free: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which bins lie wholly in each pixel's valid range; `free`: phases at their edges."""
    low, high = wavecal.valid_phase_deg.reshape(-1, 2).T
    with np.errstate(invalid="ignore"):
        inside: npt.NDArray[np.bool_] = (free[:, :-1] >= low[:, None]) & (
            free[:, 1:] <= high[:, None]
        )
    return inside & (wavecal.kind.reshape(-1, 1) > 0)
