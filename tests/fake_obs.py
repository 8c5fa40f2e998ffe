"""An observation in memory with the interface of `ObsFile`, computed with plain NumPy.

For tests of the window: small, any shape, every pixel different, and it can be slow or broken on request.
"""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from pipeline_core.beammap import NO_RES_ID, Beammap
from pipeline_core.flags import PixelFlag
from pipeline_core.histograms import IntensityHistogram, Spectrum
from pipeline_core.lightcurves import LightCurve
from pipeline_core.survey import Survey

PHASES = np.arange(-100.0, 1.0, 10.0)
WAVELENGTHS = np.array([800.0, 850.0, 910.0, 980.0, 1060.0, 1150.0, 1250.0, 1400.0])
SURVEY_BIN_S = 0.5


class FakeObs:
    """`broken` maps the name of a method to the exception it raises; `gate` blocks reads.

    Phases are between -70 and -60 degrees, wavelengths (if `calibrated`) between 850 and 1150 nm.
    """

    def __init__(self, path="night.h5", shape=(10, 7), exposure_s=4.0, seed=0, *, calibrated=False):
        rng = np.random.default_rng(seed)
        self.path = Path(path)
        self.kind = "photons"
        self.has_photons = True
        self.file_id = f"fake-{self.path.name}-{seed}"
        self.shape = shape
        self.exposure_s = exposure_s
        self.gaps_s = [(exposure_s + 1, exposure_s + 2)]  # tests put one inside
        self.camera = "unknown"
        self.start_unix = 1602050400
        self.baseline = "ignore"
        self.is_wavelength_calibrated = calibrated
        self.wavecal = SimpleNamespace(
            kind=np.ones(shape, np.uint8),
            wavelengths_nm=(808.0, 1310.0),
            source="solution.h5",
            solution_id="0123456789",
        )
        self.closed = False
        self.broken = {}
        self.gate = threading.Event()
        self.gate.set()
        self.threads = set()
        self.asked = []
        self.kept_after = None
        ncols, nrows = shape
        x, y = np.meshgrid(np.arange(ncols), np.arange(nrows), indexing="ij")
        self.times = {}  # every pixel another number of photons: 0, 3, 6, ...
        for i, j in np.ndindex(shape):
            self.times[i, j] = np.sort(rng.uniform(0, exposure_s, 3 * (i * nrows + j) % 1009))
        rng = np.random.default_rng(seed + 1000)
        self.phases = {p: rng.uniform(-70, -60, t.size) for p, t in self.times.items()}
        self.wavelengths = {p: rng.uniform(850, 1150, t.size) for p, t in self.times.items()}
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

    def photons_of(self, pixel, start=None, stop=None, **band):
        """Times, phases and wavelengths of one pixel; half-open ranges."""
        times, phases, wavelengths = (
            column[pixel] for column in (self.times, self.phases, self.wavelengths)
        )
        keep = np.ones(times.size, bool)
        for values, low, high in (
            (times, start, stop),
            (phases, band.get("min_phase"), band.get("max_phase")),
            (wavelengths, band.get("min_wavelength"), band.get("max_wavelength")),
        ):
            keep &= values >= (-math.inf if low is None else low)
            keep &= values < (math.inf if high is None else high)
        return times[keep], phases[keep], wavelengths[keep]

    def count_image(self, start=None, stop=None, exclude=0, progress=None, **band):
        self._enter("count_image")
        image = np.zeros(self.shape, np.int64)
        for pixel in np.ndindex(self.shape):
            image[pixel] = self.photons_of(pixel, start, stop, **band)[0].size
        return image

    def _open(self, low, high):
        gaps = sum(max(min(b, high) - max(a, low), 0) for a, b in self.gaps_s)
        return max(high - low - gaps, 0.0)

    def open_time(self, start=None, stop=None):
        return self._open(start or 0.0, self.exposure_s if stop is None else stop)

    def live_time(self, pixel=None, dead_time=True):
        return np.full(self.shape, self.open_time())

    def survey(self, progress=None):
        self._enter("survey")
        edges = np.append(np.arange(0, self.exposure_s - 1e-9, SURVEY_BIN_S), self.exposure_s)
        counts = sum(np.histogram(times, edges)[0] for times in self.times.values())
        open_s = np.array([self._open(a, b) for a, b in pairwise(edges)])
        return Survey(edges, counts, open_s, -70.0, -60.0)

    def keep_times(self, progress=None):
        """Everything is in memory: remember that it was asked for, and when."""
        self.kept_after = [name for name, _ in self.asked]

    def light_curve(self, pixels, bin_s=0.01, start=None, stop=None, **band):
        self._enter("light_curve", pixels)
        return self._curve(pixels, bin_s, start, stop, **band)

    def _curve(self, pixels, bin_s, start, stop, **band):
        pixels = several(pixels)
        edges = np.append(np.arange(start, stop - 1e-9, bin_s), stop)
        counts = sum(
            np.histogram(self.photons_of(p, start, stop, **band)[0], edges)[0] for p in pixels
        )
        middle = (edges[:-1] + edges[1:]) / 2
        in_gap = np.any([(low < middle) & (middle < high) for low, high in self.gaps_s], axis=0)
        alive = np.where(in_gap, 0.0, np.diff(edges))
        return LightCurve(pixels, bin_s, edges, counts, alive, alive)

    def intensity_histogram(self, pixels, bin_s=0.01, start=None, stop=None, **band):
        self._enter("intensity_histogram", pixels)
        counts = self._curve(pixels, bin_s, start, stop, **band).counts
        occurrences = np.bincount(counts)
        return IntensityHistogram(
            several(pixels), bin_s, occurrences, counts.size, counts.mean(), counts.var(ddof=1)
        )

    def spectrum(self, pixels, start=None, stop=None, **band):
        self._enter("spectrum", pixels)
        if self.is_wavelength_calibrated:
            return self._spectrum(pixels, "wavelength", "nm", WAVELENGTHS, 2, start, stop, **band)
        return self._spectrum(pixels, "phase", "deg", PHASES, 1, start, stop, **band)

    def phase_histogram(self, pixels, start=None, stop=None, **band):
        self._enter("phase_histogram", pixels)
        return self._spectrum(pixels, "phase", "deg", PHASES, 1, start, stop, **band)

    def _spectrum(self, pixels, quantity, unit, edges, column, start, stop, **band):
        pixels = several(pixels)
        values = np.concatenate([self.photons_of(p, start, stop, **band)[column] for p in pixels])
        mean = values.mean() if values.size else math.nan
        return Spectrum(pixels, quantity, unit, edges, np.histogram(values, edges)[0], mean)


def several(pixels):
    """One pixel (x, y), or several, as a tuple of pixels."""
    return (tuple(pixels),) if np.ndim(pixels) == 1 else tuple(pixels)
