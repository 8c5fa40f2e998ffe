"""Known rates through the whole chain, for the correction of dead time: raw files, conversion, `ObsFile`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline_core import ObsFile
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.simulate import ArraySettings, SimulationSettings, simulate

SHAPE = (20, 30)


@dataclass(frozen=True)
class Recovered:
    """Of one rate: mean of recovered over true, its error, uncorrected over true, scatter of pulls, dead share."""

    rate_cps: float
    ratio: float
    error: float
    uncorrected: float
    pull: float
    dead_share: float


def recover(folder: Path, rate_cps: float, seed: int, seconds: int = 4) -> Recovered:
    """Simulate an ideal array at a rate (within a factor of two over the field), convert it, correct it."""
    from pipeline_core.simulate.sources import illuminate

    array = ArraySettings.ideal(edge_deg=(-15.0, -15.0))
    settings = SimulationSettings(
        kind="laser", seconds=seconds, rate_cps=rate_cps, seed=seed, shape=SHAPE, array=array
    )
    summary = simulate(settings, folder)
    out = folder / "o.h5"
    raw = ConvertSettings(folder, summary.start, seconds, summary.beammap_path, out)
    convert(raw)
    true = illuminate(settings).signal
    with ObsFile(out) as obs:
        assert obs.dead_time_us == array.dead_time_us == 10.0
        found = obs.rate_image()
        plain = obs.rate_image(dead_time=False).rate_cps
    expected = np.sqrt(true * (1 + true * 1e-5) / seconds)
    return Recovered(
        rate_cps=rate_cps,
        ratio=float(found.rate_cps.mean() / true.mean()),
        error=float(np.sqrt((expected**2).sum()) / true.sum()),
        uncorrected=float(plain.mean() / true.mean()),
        pull=float(np.std((found.rate_cps - true) / found.error_cps)),
        dead_share=float(found.dead_share.mean()),
    )
