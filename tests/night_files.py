"""Small simulated nights, and the files that say what is to be made of them."""

from __future__ import annotations

import shutil

import yaml

from pipeline_core.night.reduce import plan_night
from pipeline_core.night.settings import load_night
from pipeline_core.simulate import SimulationSettings, simulate

SHAPE = (7, 5)
START = 1602050400


def make_raw(folder, *, rate_cps=300, seconds=2):
    """Raw seconds of lasers, dark, flat and sky."""
    settings = SimulationSettings(
        kind="night", seconds=seconds, rate_cps=rate_cps, seed=4, shape=SHAPE
    )
    return simulate(settings, folder / "raw")


def write_night(folder, raw, n_lasers=3, **changes):
    """Write ``pipeline.yml`` into a folder; None takes a key out. Few lasers are quicker."""
    by = {one.name: [one.start, one.start + one.seconds] for one in raw.observations}
    lasers = [
        [one.start, one.start + one.seconds, one.wavelength_nm]
        for one in raw.observations
        if one.wavelength_nm is not None
    ]
    values = {
        "inputs": {"pos1": by["sky"]},
        "paths": {"data": str(raw.folder), "database": "db", "out": "out"},
        "beammap": str(raw.beammap_path),
        "ncpu": 2,
        "wavecal": lasers[:n_lasers],
        "dark": by["dark"],
        "flatcal": by["flat"],
        "products": {"cube": {"time_bin_s": 1.0, "energy_bin_ev": 0.3, "weighted": True}},
        **changes,
    }
    path = folder / "pipeline.yml"
    kept = {key: value for key, value in values.items() if value is not None}
    path.write_text(yaml.safe_dump(kept, sort_keys=False))
    return path


def plan_of(path):
    return plan_night(load_night(path))


def put_aside(folder, name):
    """Move what a night has made to another place, so that it can be made again."""
    aside = folder / name
    aside.mkdir()
    for made in ("db", "out"):
        shutil.move(folder / made, aside / made)
    return aside


def made_files(folder):
    """Every result of a night below a folder, as names."""
    return sorted(
        str(path.relative_to(folder))
        for made in ("db", "out")
        for path in (folder / made).rglob("*")
        if path.suffix in (".h5", ".fits")
    )
