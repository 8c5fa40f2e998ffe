"""Small observations with known photons, made by the converter from raw words."""

from __future__ import annotations

import numpy as np
from rawdata import header, photon, write_words

from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert

START = 1602050400
YEAR_2020 = 1577836800
N_TICKS = 2000


def make_observation(folder, rates, seed=3, codes=None, silent_ticks=range(0)):
    """Convert two seconds of photons, `rates` [x, y] a second; return the file, and times and phases of each pixel.

    Every tick's packet is present but for `silent_ticks`, in which there are no photons either.
    """
    rng = np.random.default_rng(seed)
    shape = rates.shape
    beammap = Beammap.design(shape, feedlines=1)
    if codes is not None:
        beammap = Beammap(beammap.res_id[::-1, ::-1], codes, beammap.frequency_mhz)
    truth = {}
    for x in range(shape[0]):
        for y in range(shape[1]):
            n = rng.poisson(2 * rates[x, y])
            times = np.sort(rng.integers(0, 2_000_000, n))
            times = times[~np.isin(times // 500, silent_ticks)]
            n = times.size
            truth[x, y] = times, rng.integers(-90_000, -9_000, n)
    for k in range(2):
        rows = []
        for (x, y), (times, phases) in truth.items():
            inside = (times // 1_000_000) == k
            rows += [
                (t, photon(x, y, t % 500, p))
                for t, p in zip(times[inside], phases[inside], strict=True)
            ]
        rows += [
            ((2000 * k + i) * 500 - 0.5, header(9, i, (START - YEAR_2020) * 2000 + 2000 * k + i))
            for i in range(N_TICKS)
            if 2000 * k + i not in silent_ticks
        ]
        rows.sort(key=lambda row: row[0])
        write_words(folder / f"{START + k}.bin", [word for _, word in rows])
    out = folder / f"{START}.h5"
    convert(ConvertSettings(folder, START, 2, beammap, out))
    return out, truth
