"""Small wavelength solutions with curves of every kind, and a plain evaluation of them photon by photon."""

from __future__ import annotations

import math
from pathlib import Path
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
    from pipeline_core.solution_files import GROUP
    from pipeline_core.wavecal import apply

    curves = apply._PlainCurves(**vars(solution.curves))
    plain = apply._PlainSolution(**{**vars(solution), "curves": curves})
    with tables.open_file(str(path), "w") as h5:
        h5.root._v_attrs.format = schema.WAVECAL_FORMAT
        h5.root._v_attrs.version = schema.WAVECAL_VERSION
        write_record(h5, GROUP, plain)
    return path


def full_solution(beammap, camera, *, seed=0, n_bin=230, wavelengths=LINES, **changes):
    """A whole solution of random numbers around `essentials`: for saving and loading, not for physics."""
    from dataclasses import fields

    from pipeline_core.wavecal.curves import Curves
    from pipeline_core.wavecal.histograms import LaserHistograms
    from pipeline_core.wavecal.linefit import LineFits
    from pipeline_core.wavecal.models import PARAMETERS
    from pipeline_core.wavecal.settings import InputFile
    from pipeline_core.wavecal.solution import Solution

    rng = np.random.default_rng(seed)
    plain = essentials(beammap, camera, seed=seed)
    n, n_line = plain.curves.kind.size, len(wavelengths)
    special = {
        "parameters": (n, n_line, len(PARAMETERS)),
        "edge_deg": (n,),
        "double_significance": (n,),
        "double_share": (n,),
        "used": (n, n_line),
        "valid_energy_ev": (n, 2),
    }

    def made(cls, default, given=()):
        values = {}
        for field in fields(cls):
            shape = special.get(field.name, default)
            values[field.name] = rng.normal(-60, 10, shape).round(2)
            kind = str(field.type)
            for word, dtype in (("uint8", np.uint8), ("bool", bool), ("int", np.int64)):
                if word in kind:
                    values[field.name] = rng.integers(0, 2, shape).astype(dtype)
                    break
        return cls(**{**values, **dict(given)})

    curves = made(Curves, (n,), {**vars(plain.curves), "scatter_deg": 0.1})
    counts = rng.poisson(3.0, (n, n_line, n_bin)).astype(np.uint32)
    numbers = rng.integers(0, 9, (n, n_line))
    rates = rng.uniform(0, 99, (n, n_line))
    histograms = LaserHistograms(
        edges_deg=np.linspace(-230, 0, n_bin + 1),
        counts=counts,
        background=None,
        background_scale=np.zeros((n, n_line)),
        n_raw=numbers,
        n_after_dt=numbers,
        n_negative=numbers,
        live_s=rates,
        rate_cps=rates,
        hot=rates > 90,
    )
    values = {
        "camera": camera,
        "baseline": "ignore",
        "res_id": beammap.res_id,
        "code": beammap.code,
        "frequency_mhz": beammap.frequency_mhz,
        "wavelengths_nm": np.asarray(wavelengths),
        "histograms": histograms,
        "lines": made(LineFits, (n, n_line)),
        "curves": curves,
        "resolving_power": rng.uniform(3, 9, (n, n_line)),
        "resolving_power_error": rng.uniform(0, 1, (n, n_line)),
        "flags": plain.flags,
        "reasons": tuple("" if k else "No photons µ." for k in plain.curves.kind),
        "pareto": (("No photons µ.", int(np.count_nonzero(plain.curves.kind == 0))),),
        "inputs": (InputFile(808.0, Path("/data/a.h5"), "id1", 12345, 1602050400, 2.0, 99),),
        "settings": '{"dt_us": 500.0}',
        "created_unix": 1.6e9,
    }
    return Solution(**{**values, **changes})
