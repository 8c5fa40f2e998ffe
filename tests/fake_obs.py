"""An observation in memory with the interface of `ObsFile`, computed with plain NumPy.

For tests of the window: small, any shape, every pixel different, and it can be slow or broken on request.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from pipeline_core.beammap import NO_RES_ID, Beammap
from pipeline_core.flags import PixelFlag


@dataclass
class Curve:
    bin_s: float
    edges_s: np.ndarray
    counts: np.ndarray
    open_time_s: np.ndarray

    @property
    def live_time_s(self):
        return np.where(self.open_time_s > 0, self.open_time_s, np.nan)

    @property
    def rate_cps(self):
        return self.counts / self.live_time_s

    @property
    def rate_error_cps(self):
        return np.sqrt(self.counts) / self.live_time_s


class FakeObs:
    """`broken` maps the name of a method to the exception it raises; `gate` blocks reads."""

    def __init__(self, path="night.h5", shape=(10, 7), exposure_s=4.0, seed=0):
        rng = np.random.default_rng(seed)
        self.path = Path(path)
        self.shape = shape
        self.exposure_s = exposure_s
        self.gaps_s = [(exposure_s + 1, exposure_s + 2)]  # tests put one inside
        self.camera = "unknown"
        self.start_unix = 1602050400
        self.baseline = "ignore"
        self.closed = False
        self.broken = {}
        self.gate = threading.Event()
        self.gate.set()
        self.threads = set()
        self.asked = []
        ncols, nrows = shape
        x, y = np.meshgrid(np.arange(ncols), np.arange(nrows), indexing="ij")
        self.times = {}  # every pixel another number of photons: 0, 3, 6, ...
        for i, j in np.ndindex(shape):
            self.times[i, j] = np.sort(rng.uniform(0, exposure_s, 3 * (i * nrows + j)))
        self.n_photons = sum(t.size for t in self.times.values())
        self.flags = np.full(shape, int(PixelFlag["beammap_good"]), np.uint32)
        self.flags[1, 0] = int(PixelFlag["beammap_noDacTone"])
        self.flags[ncols - 1, 2] = int(PixelFlag["beammap_noDacTone"])
        self.flags[2, nrows - 1] = int(PixelFlag["beammap_double"] | PixelFlag["pixcal_hot"])
        res_id = (10_000 + 100 * x + y).astype(np.uint32)
        res_id[1, 0] = NO_RES_ID
        self.beammap = Beammap(res_id, np.zeros(shape), np.full(shape, np.nan), "fake")

    def close(self):
        self.closed = True
        self.threads.add(threading.get_ident())

    def _enter(self, name, what=None):
        self.threads.add(threading.get_ident())
        self.asked.append((name, what))
        self.gate.wait(5)
        if name in self.broken:
            raise self.broken[name]

    def _inside(self, pixel, start, stop):
        times = self.times[pixel]
        return times[(times >= start) & (times < stop)]

    def count_image(self, start=None, stop=None, exclude=0, progress=None):
        self._enter("count_image")
        image = np.zeros(self.shape, np.int64)
        for pixel in np.ndindex(self.shape):
            image[pixel] = self._inside(pixel, start, stop).size
        return image

    def live_time(self, pixel=None, dead_time=True):
        gaps = sum(max(min(b, self.exposure_s) - a, 0) for a, b in self.gaps_s)
        return np.full(self.shape, self.exposure_s - gaps)

    def light_curve(self, pixel, bin_s=0.01, start=None, stop=None):
        self._enter("light_curve", pixel)
        edges = np.append(np.arange(start, stop - 1e-9, bin_s), stop)
        counts = np.histogram(self._inside(pixel, start, stop), edges)[0]
        middle = (edges[:-1] + edges[1:]) / 2
        in_gap = np.any([(low < middle) & (middle < high) for low, high in self.gaps_s], axis=0)
        return Curve(bin_s, edges, counts, np.where(in_gap, 0.0, np.diff(edges)))

    def intensity_histogram(self, pixel, bin_s=0.01, start=None, stop=None):
        self._enter("intensity_histogram", pixel)
        edges = np.append(np.arange(start, stop - 1e-9, bin_s), stop)
        counts = np.histogram(self._inside(pixel, start, stop), edges)[0]
        occurrences = np.bincount(counts)
        return SimpleNamespace(
            bin_s=bin_s,
            occurrences=occurrences,
            frequency=occurrences / counts.size,
            poisson=np.full(occurrences.size, 0.1),
            mean=counts.mean(),
            n_bins=counts.size,
        )

    def spectrum(self, pixel, start=None, stop=None):
        self._enter("spectrum", pixel)
        edges = np.arange(-100.0, 1.0, 10.0)
        counts = np.zeros(10, np.int64)
        counts[3] = self._inside(pixel, start, stop).size
        return SimpleNamespace(
            quantity="phase", unit="deg", edges=edges, counts=counts, errors=np.sqrt(counts)
        )
