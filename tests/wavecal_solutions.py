"""Small wavelength solutions with curves of every kind, and a plain evaluation of them photon by photon."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from pipeline_core.flags import PixelFlag

HC = 1239.841984
LINES = np.array([808.0, 980.0, 1310.0])
BAD = int(PixelFlag["wavecal_bad"])
# linear, quadratic, arctangent, energy quadratic in phase: about -90 deg at 808 nm
COEFFICIENTS = {
    0: (math.nan, math.nan, math.nan),
    1: (-8.0, -55.0, 0.0),
    2: (-2.0, -70.0, 6.0),
    3: (0.7, 0.95, 0.0),
    4: (0.02, 0.0145, 2.5e-5),
}


def energy(kind, c, phase):
    """On the curve itself."""
    if kind == 1:
        return (phase - c[0]) / c[1]
    if kind == 2:
        root = math.sqrt(c[1] ** 2 + 4 * c[2] * (phase - c[0]))
        return (-c[1] - root) / (2 * c[2])
    if kind == 3:
        return math.tan(math.radians(-phase) / (2 * c[1])) / c[0]
    return c[0] - c[1] * phase + c[2] * phase**2


def slow_wavelength(calibration, pixel, phase):
    """Wavelength of one photon in nm inside the valid range, NaN elsewhere."""
    kind = int(calibration.kind[pixel])
    low, high = calibration.valid_phase_deg[pixel]
    if kind == 0 or not low <= phase < high:
        return math.nan
    return HC / energy(kind, calibration.coefficients[pixel], float(phase))


def essentials(beammap, camera, *, seed=0, baseline="ignore", solution_id="abc", bad=()):
    """What photons need of a solution; kinds 0..4 in turn, scattered coefficients; `bad` pixels (x, y) are flagged."""
    rng = np.random.default_rng(seed)
    shape = beammap.shape
    n = shape[0] * shape[1]
    kind = (np.arange(n) % 5).astype(np.uint8)
    coefficients = np.array([COEFFICIENTS[int(k)] for k in kind])
    coefficients[:, 1] *= rng.normal(1, 0.03, n)
    valid = np.column_stack((rng.uniform(-88, -80, n), rng.uniform(-52, -46, n)))
    flags = np.where(kind == 0, BAD, 0).astype(np.uint32).reshape(shape)
    for pixel in bad:
        flags[pixel] |= np.uint32(BAD)
    curves = SimpleNamespace(
        kind=kind,
        coefficients=coefficients,
        covariance=np.full((n, 3, 3), 1e-6),
        valid_phase_deg=valid,
    )
    return SimpleNamespace(
        solution_id=solution_id,
        camera=camera,
        baseline=baseline,
        settings="{}",
        wavelengths_nm=LINES,
        res_id=beammap.res_id,
        flags=flags,
        curves=curves,
    )


def save_essentials(path, solution):
    """Write a solution file with only what photons need, with the program's own writer."""
    import tables

    from pipeline_core import schema
    from pipeline_core.records import write_record
    from pipeline_core.wavecal import apply

    curves = apply._PlainCurves(**vars(solution.curves))
    plain = apply._PlainSolution(**{**vars(solution), "curves": curves})
    with tables.open_file(str(path), "w") as h5:
        h5.root._v_attrs.format = schema.WAVECAL_FORMAT
        h5.root._v_attrs.version = schema.WAVECAL_VERSION
        write_record(h5, apply.SOLUTION_GROUP, plain)
    return path
