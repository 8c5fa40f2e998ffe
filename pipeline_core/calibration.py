"""What a wavelength solution says about the pixels of one observation, and photons turned into wavelengths with it.

Detector arrays are [x, y]. Wavelengths are rounded to float32, as photons have them, before they are compared with
limits: whoever selects rows of a photon list by hand finds the same photons as any window.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_core._jit import kernel
from pipeline_core.errors import ConfigError
from pipeline_core.flags import FLAGS
from pipeline_core.spectral_bins import HC_EV_NM
from pipeline_core.wavecal._curvekernels import energy_at, phase_at
from pipeline_core.wavecal.curves import check_kinds

__all__ = ["STORED", "WAVECAL_FLAGS", "WavelengthCalibration", "rounded_nm"]

WAVECAL_FLAGS = sum(1 << flag.bit for flag in FLAGS if flag.name.startswith("wavecal."))
"""Bits that a wavelength calibration sets or clears."""

STORED = 255
"""Kind of the "curve" of a pixel whose photons have wavelengths (nm) stored in the place of phases."""
_FURTHEST_DEG = 1000.0
_NEAR = 3e-7  # of a phase: some steps of float32

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WavelengthCalibration:
    """Curves of the pixels of one observation. Arrays are copied and read-only.

    Attributes
    ----------
    solution_id, source, settings : str
        Of the solution: its id, the file it was read from, its settings (JSON).
    camera, baseline : str
    wavelengths_nm : tuple of float
        Laser lines, ascending.
    kind : ndarray of uint8, shape (ncols, nrows)
        Kind of the curve (`pipeline_core.wavecal.curves`); 0 where the pixel is not calibrated.
    coefficients : ndarray of float64, shape (ncols, nrows, 3)
    covariance : ndarray of float64, shape (ncols, nrows, 3, 3)
    valid_phase_deg : ndarray of float64, shape (ncols, nrows, 2)
        ``low <= phase < high``: where the curve is backed by laser lines.
    flags : ndarray of uint32, shape (ncols, nrows)
        Of `WAVECAL_FLAGS` only.
    """

    solution_id: str
    source: str
    settings: str
    camera: str
    baseline: str
    wavelengths_nm: tuple[float, ...]
    kind: npt.NDArray[np.uint8]
    coefficients: FloatArray
    covariance: FloatArray
    valid_phase_deg: FloatArray
    flags: npt.NDArray[np.uint32]

    def __post_init__(self) -> None:
        object.__setattr__(self, "wavelengths_nm", tuple(float(w) for w in self.wavelengths_nm))
        shape = np.shape(self.kind)
        for name, dtype, more in (
            ("kind", np.uint8, ()),
            ("coefficients", np.float64, (3,)),
            ("covariance", np.float64, (3, 3)),
            ("valid_phase_deg", np.float64, (2,)),
            ("flags", np.uint32, ()),
        ):
            array = np.array(getattr(self, name), dtype)
            if len(shape) != 2 or array.shape != (*shape, *more):
                raise ConfigError(
                    f"Wavelength calibration: {name} has the wrong shape {array.shape}."
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        check_kinds(self.kind, (STORED,))

    @property
    def stored(self) -> npt.NDArray[np.bool_]:
        """Which pixels have wavelengths in the place of phases, for ever; shape (ncols, nrows)."""
        return self.kind == STORED

    @property
    def calibrated(self) -> npt.NDArray[np.bool_]:
        """Which pixels have wavelengths; shape (ncols, nrows)."""
        return self.kind > 0

    def combined_flags(self, flags: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Return the flags [x, y] of a photon file with this calibration's in place of any other's."""
        others = flags & np.uint32(~WAVECAL_FLAGS & 0xFFFFFFFF)
        combined: npt.NDArray[np.uint32] = others | self.flags
        return combined

    def wavelengths(
        self,
        pixel: tuple[int, int],
        phases_deg: npt.NDArray[np.float32],
        *,
        extrapolated: bool = True,
    ) -> npt.NDArray[np.float32]:
        """Return wavelengths in nm of photons of one pixel.

        Parameters
        ----------
        pixel : (x, y)
        phases_deg : ndarray of float32
        extrapolated : bool
            Whether photons outside the valid range get one.

        Returns
        -------
        ndarray of float32
            Positive; NaN where there is none.
        """
        out = np.empty(phases_deg.size, np.float32)
        limits = self.valid_phase_deg[pixel] if not extrapolated else np.array([-np.inf, np.inf])
        curve = self.kind[pixel], self.coefficients[pixel], self.valid_phase_deg[pixel]
        _wavelengths(*curve, phases_deg, limits, out)
        return out

    def outside(
        self, pixel: tuple[int, int], phases_deg: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.bool_]:
        """Tell which photons of a calibrated pixel lie outside its valid range: their wavelengths are extrapolated."""
        low, high = self.valid_phase_deg[pixel]
        exact = phases_deg.astype(np.float64)
        inside = (exact >= low) & (exact < high)
        return ~inside & (self.kind[pixel] > 0)

    def phase_limits(
        self, wavelengths_nm: tuple[float, float], *, extrapolated: bool = False
    ) -> FloatArray:
        """Return the phases that a wavelength window means in each pixel.

        Parameters
        ----------
        wavelengths_nm : (low, high)
            ``low <= wavelength < high``; infinite for an open end.
        extrapolated : bool
            Whether photons outside a pixel's valid range belong to the window as well.

        Returns
        -------
        ndarray of float64, shape (ncols, nrows, 2)
            ``low <= phase < high``, exactly; an empty interval where the pixel is not calibrated.
        """
        limits = np.empty((*self.kind.shape, 2))
        curves = (
            self.kind.reshape(-1),
            self.coefficients.reshape(-1, 3),
            self.valid_phase_deg.reshape(-1, 2),
        )
        _phase_limits(*curves, *wavelengths_nm, extrapolated, limits.reshape(-1, 2))
        return limits

    def edge_phases(self, edges_nm: FloatArray, *, extrapolated: bool = True) -> FloatArray:
        """Return the phases at which wavelength bins begin and end in each pixel.

        Parameters
        ----------
        edges_nm : ndarray of float64, shape (n + 1,)
            Ascending edges of half-open bins.
        extrapolated : bool
            Whether photons outside a pixel's valid range are in a bin as well.

        Returns
        -------
        ndarray of float64, shape (ncols * nrows, n + 1)
            Ascending; a photon with ``phases[k] <= phase < phases[k + 1]`` is in bin k, exactly. All infinite where
            the pixel is not calibrated.
        """
        flat = (
            self.kind.reshape(-1),
            self.coefficients.reshape(-1, 3),
            self.valid_phase_deg.reshape(-1, 2),
        )
        edges = np.ascontiguousarray(edges_nm, np.float64)
        phases = np.empty((flat[0].size, edges.size))
        half = flat[0].size // 2
        parts = [slice(0, half), slice(half, None)]

        def fill(part: slice) -> None:
            curves = (flat[0][part], flat[1][part], flat[2][part])
            _edge_phases(*curves, edges, extrapolated, phases[part])

        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(fill, parts))
        return phases

    def coverage(self, edges_nm: FloatArray, *, extrapolated: bool = False) -> FloatArray:
        """Return what part of each wavelength bin lies in each pixel's valid range.

        Parameters
        ----------
        edges_nm : ndarray of float64, shape (n + 1,)
            Ascending.
        extrapolated : bool
            Whether photons outside a pixel's valid range count: all of the bin is covered then.

        Returns
        -------
        ndarray of float64, shape (ncols, nrows, n)
            0 to 1; 0 where the pixel is not calibrated.
        """
        found = np.zeros((self.kind.size, edges_nm.size - 1))
        flat = (
            self.kind.reshape(-1),
            self.coefficients.reshape(-1, 3),
            self.valid_phase_deg.reshape(-1, 2),
        )
        _coverage(*flat, np.ascontiguousarray(edges_nm, np.float64), extrapolated, found)
        return found.reshape(*self.kind.shape, -1)

    def valid_wavelengths(self, pixel: tuple[int, int]) -> tuple[float, float]:
        """Return the wavelengths (nm) at the ends of a pixel's valid range; NaN where it is not calibrated."""
        ends = self.valid_phase_deg[pixel].astype(np.float32)
        low, high = self.wavelengths(pixel, ends)
        return float(low), float(high)


@kernel
def rounded_nm(
    kind: int, coefficients: FloatArray, valid_deg: FloatArray, phase_deg: float
) -> np.float32:
    """Return the wavelength (nm) of a photon, rounded as photons have it."""
    if kind == STORED:
        return np.float32(phase_deg)
    a, b, c = coefficients[0], coefficients[1], coefficients[2]
    energy = energy_at(kind, a, b, c, valid_deg[0], valid_deg[1], phase_deg)
    return np.float32(HC_EV_NM / energy)


@kernel
def _wavelengths(
    kind: int,
    coefficients: FloatArray,
    valid_deg: FloatArray,
    phases_deg: npt.NDArray[np.float32],
    limits_deg: FloatArray,
    out: npt.NDArray[np.float32],
) -> None:
    for i in range(phases_deg.size):
        phase = np.float64(phases_deg[i])
        if kind > 0 and phase >= limits_deg[0] and phase < limits_deg[1]:
            out[i] = rounded_nm(kind, coefficients, valid_deg, phase)
        else:
            out[i] = np.nan


@kernel
def _first_phase(
    kind: int, coefficients: FloatArray, valid_deg: FloatArray, wavelength_nm: float
) -> float:
    """Return the lowest float32 phase whose wavelength is not below `wavelength_nm`; the curve is monotonic."""
    curve = (kind, coefficients, valid_deg)
    a, b, c = coefficients[0], coefficients[1], coefficients[2]
    guess = np.nan
    if kind == STORED:
        guess = wavelength_nm
    elif wavelength_nm > 0.0 and wavelength_nm < np.inf:
        guess = phase_at(kind, a, b, c, valid_deg[0], valid_deg[1], HC_EV_NM / wavelength_nm)
    near = _NEAR * abs(guess)
    low, high = float(np.float32(guess - near)), float(np.float32(guess + near))
    below = np.float64(rounded_nm(*curve, low)) < wavelength_nm
    if not (below and np.float64(rounded_nm(*curve, high)) >= wavelength_nm):
        low, high = -_FURTHEST_DEG, _FURTHEST_DEG
    if np.float64(rounded_nm(*curve, low)) >= wavelength_nm:
        return -np.inf
    if not np.float64(rounded_nm(*curve, high)) >= wavelength_nm:
        return np.inf
    while True:
        middle = float(np.float32((low + high) / 2))
        if middle <= low or middle >= high:
            return high
        if np.float64(rounded_nm(*curve, middle)) >= wavelength_nm:
            high = middle
        else:
            low = middle


@kernel
def _edge_phases(
    kinds: npt.NDArray[np.uint8],
    coefficients: FloatArray,
    valid_deg: FloatArray,
    edges_nm: FloatArray,
    extrapolated: bool,
    phases: FloatArray,
) -> None:
    for p in range(kinds.size):
        phases[p] = np.inf
        if kinds[p] > 0:
            for k in range(edges_nm.size):
                phase = _first_phase(kinds[p], coefficients[p], valid_deg[p], edges_nm[k])
                if not extrapolated:
                    phase = min(max(phase, valid_deg[p, 0]), valid_deg[p, 1])
                phases[p, k] = phase


@kernel
def _phase_limits(
    kinds: npt.NDArray[np.uint8],
    coefficients: FloatArray,
    valid_deg: FloatArray,
    low_nm: float,
    high_nm: float,
    extrapolated: bool,
    limits: FloatArray,
) -> None:
    for p in range(kinds.size):
        limits[p] = np.inf
        if kinds[p] > 0:
            curve = (kinds[p], coefficients[p], valid_deg[p])
            limits[p, 0] = _first_phase(*curve, low_nm)
            limits[p, 1] = _first_phase(*curve, high_nm) if high_nm < np.inf else np.inf
            if not extrapolated:
                limits[p, 0] = max(limits[p, 0], valid_deg[p, 0])
                limits[p, 1] = min(limits[p, 1], valid_deg[p, 1])


@kernel
def _coverage(
    kinds: npt.NDArray[np.uint8],
    coefficients: FloatArray,
    valid_deg: FloatArray,
    edges_nm: FloatArray,
    extrapolated: bool,
    found: FloatArray,
) -> None:
    for p in range(kinds.size):
        if kinds[p] == 0:
            continue
        low, high = edges_nm[0], edges_nm[-1]
        if not extrapolated:
            curve = (kinds[p], coefficients[p], valid_deg[p])
            low = np.float64(rounded_nm(*curve, valid_deg[p, 0]))
            high = np.float64(rounded_nm(*curve, valid_deg[p, 1]))
        for k in range(edges_nm.size - 1):
            inside = min(high, edges_nm[k + 1]) - max(low, edges_nm[k])
            found[p, k] = max(inside, 0.0) / (edges_nm[k + 1] - edges_nm[k])
