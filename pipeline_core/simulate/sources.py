"""The light that falls on the simulated array: rates per pixel and spectra, by kind of observation.

Pure. Rates are what a pixel of sensitivity 1 would count without dead time, arrays [x, y].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core.simulate.response import HC_EV_NM
from pipeline_core.simulate.settings import SimulationSettings

__all__ = ["CAUSES", "Illumination", "blackbody", "illuminate", "laser_line", "white_lamp"]

CAUSES = ("signal", "companion", "background", "noise")
"""Why a photon was there, in the order of every array that counts by cause."""

N_QUANTILES = 512
_BAND_NM = (800.0, 1400.0)
_LAMP_NM = (700.0, 1500.0)
_STAR_K, _COMPANION_K, _BACKGROUND_K = 6000.0, 1500.0, 900.0
_HC_OVER_K_NM = 1.438776877e7
_CORE_SHARE = 0.05  # of the star's light behind the coronagraph; the rest is halo
_RING_CONTRAST = 0.5

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Illumination:
    """Light on every pixel; arrays of float64, shape (ncols, nrows), in counts per second.

    Attributes
    ----------
    signal, companion, background : ndarray
        Steady light, each with its own spectrum.
    ic, is_ : ndarray
        Coherent and speckle intensity of the fluctuating light, whose spectrum is that of `signal`.
    tau_s : float
        Correlation time of the speckle field.
    energies : ndarray, shape (3, N_QUANTILES + 1)
        Energies in eV of the three spectra at equal steps of probability.
    even : bool
        Every pixel sees it alike: sensitivities are ignored and there are no noise triggers.
    """

    signal: FloatArray
    companion: FloatArray
    background: FloatArray
    ic: FloatArray
    is_: FloatArray
    tau_s: float
    energies: FloatArray
    even: bool = False

    def arrays(self) -> dict[str, FloatArray]:
        """Return every map by the name it has in the truth file."""
        return {
            "light_signal": self.signal,
            "light_companion": self.companion,
            "light_background": self.background,
            "light_ic": self.ic,
            "light_is": self.is_,
        }


def laser_line(wavelength_nm: float) -> FloatArray:
    """Return the quantiles of a laser's spectrum."""
    return np.full(N_QUANTILES + 1, HC_EV_NM / wavelength_nm)


def white_lamp(low_nm: float = _LAMP_NM[0], high_nm: float = _LAMP_NM[1]) -> FloatArray:
    """Return the quantiles of a spectrum with equally many photons in every nm."""
    return HC_EV_NM / np.linspace(low_nm, high_nm, N_QUANTILES + 1)


def blackbody(
    kelvin: float, low_nm: float = _BAND_NM[0], high_nm: float = _BAND_NM[1]
) -> FloatArray:
    """Return the quantiles of a blackbody's photons within a band."""
    wavelength = np.linspace(low_nm, high_nm, 4096)
    density = wavelength**-4 / np.expm1(_HC_OVER_K_NM / (wavelength * kelvin))
    cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    steps = np.linspace(0, 1, N_QUANTILES + 1)
    return HC_EV_NM / np.interp(steps, cumulative / cumulative[-1], wavelength)


def illuminate(settings: SimulationSettings) -> Illumination:
    """Return the light of one observation of any kind except night."""
    makers = {
        "laser": _laser,
        "flat": _flat,
        "dark": _dark,
        "sky": _sky,
        "speckle": _speckle,
    }
    return makers[settings.kind](settings)


def _with(settings: SimulationSettings, spectrum: FloatArray, **maps: FloatArray) -> Illumination:
    """Return light with the given maps; the others are dark, companion and background red."""
    zero = np.zeros(settings.shape)
    filled = {
        name: maps.get(name, zero) for name in ("signal", "companion", "background", "ic", "is_")
    }
    energies = np.stack([spectrum, blackbody(_COMPANION_K), blackbody(_BACKGROUND_K)])
    return Illumination(
        **filled, tau_s=settings.light.tau_s, energies=energies, even=settings.kind == "speckle"
    )


def _laser(settings: SimulationSettings) -> Illumination:
    return _with(settings, laser_line(settings.wavelength_nm), signal=_gradient(settings))


def _flat(settings: SimulationSettings) -> Illumination:
    return _with(settings, white_lamp(), signal=_gradient(settings))


def _dark(settings: SimulationSettings) -> Illumination:
    background = np.full(settings.shape, settings.light.background_cps)
    return _with(settings, white_lamp(), background=background)


def _speckle(settings: SimulationSettings) -> Illumination:
    light, rate = settings.light, settings.rate_cps
    given = (light.ic_cps, light.is_cps, light.ip_cps)
    shares = (0.6, 0.3, 0.1)
    ic, is_, ip = (
        np.full(settings.shape, share * rate if value is None else value)
        for value, share in zip(given, shares, strict=True)
    )
    return _with(settings, blackbody(_STAR_K), ic=ic, is_=is_, companion=ip)


def _sky(settings: SimulationSettings) -> Illumination:
    """Return a star behind a coronagraph: core and ringed halo, speckles, a companion, background."""
    light = settings.light
    ncols, nrows = settings.shape
    size = min(ncols, nrows)
    # off the centre, so that a transposed or mirrored picture looks wrong
    star = (0.45 * (ncols - 1), 0.55 * (nrows - 1))
    planet = (star[0] + 0.22 * size, star[1] - 0.12 * size)
    width = max(0.02 * size, 0.7)

    def core(radius: FloatArray) -> FloatArray:
        return np.exp(-0.5 * (radius / width) ** 2)

    def halo(radius: FloatArray) -> FloatArray:
        rings = 1 + _RING_CONTRAST * np.cos(2 * np.pi * radius / (3 * width))
        return np.asarray(rings / (1 + (radius / (0.15 * size)) ** 2))

    peak = _shifted_light(core, star, settings)
    wings = _shifted_light(halo, star, settings)
    total = settings.rate_cps * ncols * nrows
    share = light.speckle_share
    return _with(
        settings,
        blackbody(_STAR_K),
        ic=total * (_CORE_SHARE * peak + (1 - _CORE_SHARE) * (1 - share) * wings),
        is_=total * (1 - _CORE_SHARE) * share * wings,
        companion=total * light.companion_contrast * _shifted_light(core, planet, settings),
        background=np.full(settings.shape, light.background_cps),
    )


def _shifted_light(
    profile: Callable[[FloatArray], FloatArray],
    centre: tuple[float, float],
    settings: SimulationSettings,
) -> FloatArray:
    """Return a round source's share of light on every pixel; 1 altogether where the sky is not shifted.

    Shifting moves the light and changes none of it: what leaves the array is lost.
    """
    x, y = np.indices(settings.shape)
    dx, dy = settings.light.shift_pix
    whole = profile(np.hypot(x - centre[0], y - centre[1])).sum()
    return np.asarray(profile(np.hypot(x - centre[0] - dx, y - centre[1] - dy)) / whole)


def _gradient(settings: SimulationSettings) -> FloatArray:
    """Return a smooth illumination across the diagonal with mean `rate_cps`."""
    ncols, nrows = settings.shape
    x = np.linspace(0, 1, ncols)[:, None] if ncols > 1 else np.full((1, 1), 0.5)
    y = np.linspace(0, 1, nrows)[None, :] if nrows > 1 else np.full((1, 1), 0.5)
    image = settings.light.gradient ** (0.7 * x + 0.3 * y - 0.5)
    return settings.rate_cps * image / image.mean()
