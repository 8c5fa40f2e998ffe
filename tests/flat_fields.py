"""Flats with known truth: counts drawn from known responses, without photon files; and files of known photons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline_core.beammap import Beammap
from pipeline_core.flatcal.settings import FlatcalSettings
from pipeline_core.flatcal.spectra import FlatSpectra, Inputs
from pipeline_core.spectral_bins import HC_EV_NM, equal_energy_edges

EDGES = equal_energy_edges(0.01, 700.0, 1500.0)


@dataclass
class Truth:
    """Responses (n_pixel, n_bin), and what light there was (n_chunk, n_bin): counts per second at response 1."""

    response: np.ndarray
    light: np.ndarray
    dark_cps: np.ndarray

    def weights(self, reference: np.ndarray) -> np.ndarray:
        """True weights with the mean of these pixels as reference."""
        return self.response[reference].mean(axis=0) / self.response


def responses(n_pixel, rng, *, scatter=0.15, slope=0.08, wiggle=0.03, edges=EDGES):
    """Smooth responses: a level, a slope in wavelength, and a bend of a third of the range."""
    nm = HC_EV_NM / ((HC_EV_NM / edges[1:] + HC_EV_NM / edges[:-1]) / 2)
    level = np.exp(rng.normal(0, scatter, n_pixel))[:, None]
    tilt = 1 + np.clip(rng.normal(0, slope, n_pixel), -0.3, 0.3)[:, None] * (nm - 1100) / 400
    phase = rng.uniform(0, 2 * np.pi, n_pixel)[:, None]
    bend = 1 + wiggle * np.sin(2 * np.pi * (nm - 700) / 800 + phase)
    return level * tilt * bend


def lamp(edges=EDGES, n_chunk=6, total_cps=270.0, fading=0.0):
    """A lamp with equally many photons in every nm; `fading`: what is lost of it by the last chunk."""
    share = np.diff(edges) / (edges[-1] - edges[0])
    level = 1 - fading * np.arange(n_chunk) / max(n_chunk - 1, 1)
    return total_cps * level[:, None] * share


def draw(response, light, rng, *, chunk_s=5.0, dark_cps=0.0, dark_s=0.0, edges=EDGES, live=None):
    """Return spectra drawn from a truth, and the truth."""
    n_pixel, n_bin = response.shape
    n_chunk = light.shape[0]
    live_s = np.full((n_pixel, n_chunk, 1), chunk_s) if live is None else live
    dark = np.broadcast_to(np.asarray(dark_cps, float), (n_pixel, n_bin))
    mean = live_s * (response[:, None, :] * light + dark[:, None, :])
    counts = rng.poisson(mean).astype(np.uint32)
    energies = (HC_EV_NM / edges[1:] + HC_EV_NM / edges[:-1]) / 2
    seen = rng.poisson(dark * dark_s) / dark_s if dark_s else None
    spectra = FlatSpectra(
        edges_nm=edges,
        energies_ev=energies,
        counts=counts,
        live_s=live_s,
        open_s=np.full(n_chunk, chunk_s),
        dark=seen,
        dark_variance=None if seen is None else seen / dark_s,
        calibrated=np.ones(n_pixel, bool),
        inside=np.ones((n_pixel, n_bin), bool),
        kept=np.ones(n_chunk, bool),
        median_cps=np.median(counts.sum(2) / live_s[:, :, 0], axis=0),
    )
    return spectra, Truth(response, light, dark)


def inputs_of(n_pixel):
    """Return what `solve` wants to know of files: a column of pixels."""
    beammap = Beammap.design((n_pixel, 1), feedlines=1)
    return Inputs("simulated", "ignore", beammap, None, (), ())


def settings(**changes):
    return FlatcalSettings(**{"flats": ("flat.h5",), "out": "out.h5", **changes})
