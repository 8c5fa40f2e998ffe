"""Small photon files of a flat with a wavelength calibration attached, and settings that suit them."""

from __future__ import annotations

import numpy as np
from observations import make_observation
from wavecal_solutions import essentials, save_essentials

from pipeline_core import ObsFile
from pipeline_core.flatcal.settings import FlatcalSettings

SHAPE = (4, 3)
RATES = 3000 + 200.0 * np.arange(12).reshape(SHAPE)


def night(folder, name="flat", seed=3, wavecal=True, rates=RATES, **options):
    """A photon file of two seconds, calibrated if asked for."""
    place = folder / name
    place.mkdir()
    path, _ = make_observation(place, rates, seed=seed, **options)
    if wavecal:
        attach(path, place)
    return path


def attach(path, place, **options):
    with ObsFile(path, mode="write") as obs:
        solution = essentials(obs.beammap, obs.camera, **options)
        obs.apply_wavecal(save_essentials(place / "wavecal.h5", solution))


def settings(*flats, **changes):
    values = {"int_time_s": 0.5, "exp_time_s": 1.7, "energy_bin_ev": 0.05, "wvl_start_nm": 750.0}
    return FlatcalSettings(flats=flats, out="o.h5", **{**values, **changes})
