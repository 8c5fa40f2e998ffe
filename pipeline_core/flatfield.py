"""What a flat field says about the pixels of one observation, and weights of photons with it.

Detector arrays are [x, y]. A weight lies at the middle of its bin (in energy); between two of them it is interpolated
linearly in energy; beyond the ones that a pixel has, it stays what it is at the last one, and the photon is marked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.errors import ConfigError
from pipeline_core.flags import FLAGS
from pipeline_core.spectral_bins import HC_EV_NM

__all__ = ["FLATCAL_FLAGS", "FlatCalibration", "bin_energies", "weight_at"]

FLATCAL_FLAGS = sum(1 << flag.bit for flag in FLAGS if flag.name.startswith("flatcal."))
"""Bits that a flat field sets or clears."""

FloatArray = npt.NDArray[np.float64]


def bin_energies(edges_nm: FloatArray) -> FloatArray:
    """Return the middle energy (eV) of each bin between ascending edges in nm; descending."""
    energies = HC_EV_NM / np.asarray(edges_nm, np.float64)
    middle: FloatArray = (energies[1:] + energies[:-1]) / 2
    return middle


@dataclass(frozen=True, eq=False)
class FlatCalibration:
    """Weights of the pixels of one observation. Arrays are copied and read-only.

    Attributes
    ----------
    solution_id, source, settings : str
        Of the solution: its id, the file it was read from, its settings (JSON).
    wavecal_id, wavecal_source : str
        The wavelength solution that it was made with.
    camera, baseline : str
    forced : bool
        Whether it was attached over another wavelength solution, on request.
    edges_nm : ndarray of float64, shape (n_bin + 1,)
        Ascending: the range of the flat.
    energies_ev : ndarray of float64, shape (n_bin,)
        Where the weights lie; descending.
    weights, errors : ndarray of float32, shape (ncols, nrows, n_bin)
        Errors are standard deviations. NaN in all bins of a pixel without weights; bins of the others that have none
        are filled from their neighbours.
    covered : ndarray of uint16, shape (ncols, nrows, 2)
        First bin that has a weight of its own and last one + 1.
    flags : ndarray of uint32, shape (ncols, nrows)
        Of `FLATCAL_FLAGS` only.
    """

    solution_id: str
    source: str
    settings: str
    wavecal_id: str
    wavecal_source: str
    camera: str
    baseline: str
    forced: bool
    edges_nm: FloatArray
    energies_ev: FloatArray
    weights: npt.NDArray[np.float32]
    errors: npt.NDArray[np.float32]
    covered: npt.NDArray[np.uint16]
    flags: npt.NDArray[np.uint32]

    def __post_init__(self) -> None:
        shape, n_bin = np.shape(self.flags), np.size(self.energies_ev)
        for name, dtype, wanted in (
            ("edges_nm", np.float64, (n_bin + 1,)),
            ("energies_ev", np.float64, (n_bin,)),
            ("weights", np.float32, (*shape, n_bin)),
            ("errors", np.float32, (*shape, n_bin)),
            ("covered", np.uint16, (*shape, 2)),
            ("flags", np.uint32, shape),
        ):
            array = np.array(getattr(self, name), dtype)
            if len(shape) != 2 or n_bin == 0 or array.shape != wanted:
                raise ConfigError(f"Flat field: {name} has the wrong shape {array.shape}.")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if (self.covered > n_bin).any():
            raise ConfigError(f"Flat field: covered names bins beyond the {n_bin} that there are.")

    @property
    def weighted(self) -> npt.NDArray[np.bool_]:
        """Which pixels have weights; shape (ncols, nrows)."""
        return np.isfinite(self.weights[..., 0])

    def combined_flags(self, flags: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Return flags [x, y] with this flat's in place of any other's."""
        others = flags & np.uint32(~FLATCAL_FLAGS & 0xFFFFFFFF)
        combined: npt.NDArray[np.uint32] = others | self.flags
        return combined

    def range_nm(self, pixel: tuple[int, int]) -> tuple[float, float]:
        """Return the wavelengths (nm) between which a pixel has weights of its own; NaN where it has none."""
        first, stop = self.covered[pixel]
        if first == stop:
            return np.nan, np.nan
        return float(self.edges_nm[first]), float(self.edges_nm[stop])

    def weights_of(
        self, pixel: tuple[int, int], wavelengths_nm: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Return the weights of photons of one pixel.

        Parameters
        ----------
        pixel : (x, y)
        wavelengths_nm : ndarray of float32
            As photons have them, extrapolated ones too.

        Returns
        -------
        ndarray of float32
            NaN where the pixel has no weights, or the photon no wavelength.
        """
        out = np.empty(wavelengths_nm.size, np.float32)
        _weights(wavelengths_nm, self.energies_ev, self.weights[pixel], out)
        return out

    def outside(
        self, pixel: tuple[int, int], wavelengths_nm: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.bool_]:
        """Tell which photons lie beyond the weights that their pixel has: theirs is the one at the edge."""
        low, high = self.range_nm(pixel)
        exact = wavelengths_nm.astype(np.float64)
        found: npt.NDArray[np.bool_] = (exact < low) | (exact >= high)
        return found


@kernel
def weight_at(
    wavelength_nm: np.float32,
    energies_ev: FloatArray,
    weights: npt.NDArray[np.float32],
) -> np.float32:
    """Return the weight of a photon; the energies descend."""
    if not wavelength_nm > 0.0:
        return np.float32(np.nan)
    energy = HC_EV_NM / np.float64(wavelength_nm)
    last = energies_ev.size - 1
    if energy >= energies_ev[0]:
        return weights[0]
    if energy <= energies_ev[last]:
        return weights[last]
    # bins of equal energy: the guess is right but for rounding
    k = int((energies_ev[0] - energy) / (energies_ev[0] - energies_ev[last]) * last)
    k = min(max(k, 0), last - 1)
    while energies_ev[k] < energy:
        k -= 1
    while energies_ev[k + 1] > energy:
        k += 1
    share = (energies_ev[k] - energy) / (energies_ev[k] - energies_ev[k + 1])
    low, high = np.float64(weights[k]), np.float64(weights[k + 1])
    return np.float32(low + share * (high - low))


@kernel
def _weights(
    wavelengths_nm: npt.NDArray[np.float32],
    energies_ev: FloatArray,
    weights: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    for i in range(wavelengths_nm.size):
        out[i] = weight_at(wavelengths_nm[i], energies_ev, weights)
