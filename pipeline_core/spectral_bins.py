"""Energy and wavelength, and bins of them: of equal energy, of equal wavelength, or as fine as the pixels resolve."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import ConfigError

__all__ = [
    "HC_EV_NM",
    "cut_to_band",
    "equal_energy_edges",
    "equal_wavelength_edges",
    "nyquist_edges",
]

HC_EV_NM = 1239.841984
"""h c: energy in eV = HC_EV_NM / wavelength in nm."""

_MAX_BINS = 10_000
_MAX_ENERGY_BINS = 100_000

FloatArray = npt.NDArray[np.float64]


def cut_to_band(edges: FloatArray, low: float, high: float) -> FloatArray:
    """Return ascending edges whose outer bins end where a band does, if it ends inside them.

    Photons of such a bin come from a part of it: over its whole width their density would be too low.
    """
    cut = edges.copy()
    if edges[0] < low < edges[1]:
        cut[0] = low
    if edges[-2] < high < edges[-1]:
        cut[-1] = high
    return cut


def equal_energy_edges(energy_bin_ev: float, start_nm: float, stop_nm: float) -> FloatArray:
    """Return edges (nm, ascending) of bins of equal energy between two wavelengths, as the user's guide has them.

    As many as whole steps of `energy_bin_ev` fit into the range; they fill it: 94 for 0.01 eV from 700 to 1500 nm.

    Raises
    ------
    ConfigError
        If the numbers are not positive and ascending, or make too many bins.
    """
    if not (math.isfinite(energy_bin_ev) and energy_bin_ev > 0 and 0 < start_nm < stop_nm):
        raise ConfigError(
            f"Bins of {energy_bin_ev} eV from {start_nm} to {stop_nm} nm: give positive, ascending numbers."
        )
    high, low = HC_EV_NM / start_nm, HC_EV_NM / stop_nm
    number = max(int((high - low) / energy_bin_ev + 1e-9), 1)
    if number > _MAX_ENERGY_BINS:
        raise ConfigError(
            f"Energy bins of {energy_bin_ev:g} eV would make more than {_MAX_ENERGY_BINS:,} of them."
        )
    edges = np.divide(HC_EV_NM, np.linspace(high, low, number + 1), dtype=np.float64)
    edges[0], edges[-1] = start_nm, stop_nm
    return edges


def equal_wavelength_edges(width_nm: float, start_nm: float, stop_nm: float) -> FloatArray:
    """Return edges (nm, ascending) of as many whole bins of a width as fit, from `start_nm` on.

    Raises
    ------
    ConfigError
        If the numbers are not positive and ascending, no bin fits, or there are too many.
    """
    _check_range(start_nm, stop_nm)
    if not (math.isfinite(width_nm) and width_nm > 0):
        raise ConfigError(f"A wavelength bin must be wider than 0 nm, not {width_nm}.")
    number = int((stop_nm - start_nm) / width_nm + 1e-9)
    if not 1 <= number <= _MAX_BINS:
        raise ConfigError(
            f"Bins of {width_nm:g} nm from {start_nm:g} to {stop_nm:g} nm would be {number}: choose another width."
        )
    return start_nm + width_nm * np.arange(number + 1, dtype=np.float64)


def nyquist_edges(
    lines_nm: npt.ArrayLike, resolving_power: npt.ArrayLike, start_nm: float, stop_nm: float
) -> FloatArray:
    """Return edges (nm, ascending) of bins half as wide as what is resolved: wavelength / (2 R), two for each FWHM.

    Parameters
    ----------
    lines_nm : array_like, shape (n,)
        Wavelengths at which R is known, ascending.
    resolving_power : array_like, shape (n,)
        R there; linear between them, constant beyond.
    start_nm, stop_nm : float
        The last bin ends at or before `stop_nm`.

    Raises
    ------
    ConfigError
        If the range is impossible or R is not positive.
    """
    _check_range(start_nm, stop_nm)
    lines, r = (
        np.atleast_1d(np.asarray(lines_nm, float)),
        np.atleast_1d(np.asarray(resolving_power, float)),
    )
    if lines.shape != r.shape or not lines.size or not (np.isfinite(r) & (r > 0)).all():
        raise ConfigError("The resolving power must be a number above 0 at every line.")
    edges = [float(start_nm)]
    while len(edges) <= _MAX_BINS:
        following = edges[-1] * (1 + 0.5 / float(np.interp(edges[-1], lines, r)))
        if following > stop_nm:
            break
        edges.append(following)
    if not 2 <= len(edges) <= _MAX_BINS:
        raise ConfigError(
            f"Bins as fine as R = {np.median(r):.3g} implies do not fit between {start_nm:g} and {stop_nm:g} nm."
        )
    return np.array(edges)


def _check_range(start_nm: float, stop_nm: float) -> None:
    if not 0 < start_nm < stop_nm < math.inf:
        raise ConfigError(
            f"Wavelengths from {start_nm} to {stop_nm} nm: give positive, ascending numbers."
        )
