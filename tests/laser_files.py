"""A small simulated array in front of lasers: photon files, as a person has them who is about to calibrate."""

from __future__ import annotations

from pathlib import Path

from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.simulate import ArraySettings, LightSettings, SimulationSettings, simulate

__all__ = ["LASERS_NM", "SHAPE", "START", "laser_files", "observe"]

SHAPE = (9, 6)
LASERS_NM = (808.0, 980.0, 1310.0)
START = 1602050400
_ARRAY = ArraySettings(
    gain_scatter_deg=5.0,
    low_gain_fraction=0.0,
    hot_fraction=0.0,
    dead_fraction=0.1,
    double_fraction=0.0,
    unread_fraction=0.0,
    feedlines=1,
)


def observe(folder: Path, name: str, kind: str, start: int, seconds: int = 4, **changes) -> Path:
    """Simulate and convert one observation of the array; return its photon file."""
    options = {"light": LightSettings(background_cps=0.0), **changes}
    made = simulate(
        SimulationSettings(
            kind=kind,
            seconds=seconds,
            rate_cps=250.0,
            shape=SHAPE,
            seed=11,
            start=start,
            array=_ARRAY,
            **options,
        ),
        folder / "raw",
    )
    path = folder / f"{name}.h5"
    convert(ConvertSettings(folder / "raw", start, seconds, made.beammap_path, path, SHAPE))
    return path


def laser_files(folder: Path) -> dict[float, Path]:
    """Return the photon file of every laser by its wavelength; the names tell it."""
    return {
        nm: observe(folder, f"laser_{nm:g}", "laser", START + 100 * k, wavelength_nm=nm)
        for k, nm in enumerate(LASERS_NM)
    }
