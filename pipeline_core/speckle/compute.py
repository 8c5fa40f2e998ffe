"""Speckle maps of an observation: photons are read pixel by pixel in the order of the file, and fitted in threads.

Memory does not grow with the length of the observation. Pixels are reported as they are finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np

from pipeline_core.compile_progress import telling_of_compilation
from pipeline_core.errors import OperationCancelled
from pipeline_core.obsfile import ObsFile
from pipeline_core.progress import Progress, part_of, silent
from pipeline_core.provenance import facts_of
from pipeline_core.selection import Pixel
from pipeline_core.speckle.basis import wanted_pixels
from pipeline_core.speckle.binning import BinnedPixel, bins_of, time_steps
from pipeline_core.speckle.correlation import common_tau, decorrelation
from pipeline_core.speckle.pixelfit import PixelWork, pixel_work
from pipeline_core.speckle.pixelrow import fit_pixel
from pipeline_core.speckle.result import MapPart, SpeckleMaps, empty_maps
from pipeline_core.speckle.settings import SpeckleSettings

__all__ = ["compute_maps"]

_THREADS = 2
_BATCH = 32
_BATCH_BYTES = 8_000_000
"""Pixels that are fitted together, and what their counts take at most: long light curves go one by one."""
_WAITING = 6
_REPORT_EVERY_S = 0.1
_PIXELS_FOR_TAU = 200

Report = Callable[[MapPart], None]


def compute_maps(
    source: ObsFile | Path | str,
    settings: SpeckleSettings | None = None,
    progress: Progress = silent,
    *,
    on_part: Report | None = None,
    keep_partial: bool = False,
) -> SpeckleMaps:
    """Fit Ic and Is, and Ip if asked for, in every pixel that no flag excludes.

    Parameters
    ----------
    source : ObsFile or path
    settings : SpeckleSettings, optional
    progress : Progress
        May cancel.
    on_part : callable, optional
        Called with a `MapPart` whenever some pixels are finished, from this thread.
    keep_partial : bool
        Whether a cancelled computation returns what is done (``complete`` is False then) instead of raising;
        with nothing done it raises.

    Raises
    ------
    ConfigError
        Impossible settings; no photons.
    CalibrationError
        Wavelengths asked of an observation without wavelength calibration.
    InputFormatError
        Damaged file.
    """
    settings = settings or SpeckleSettings()
    if not isinstance(source, ObsFile):
        with ObsFile(source) as obs:
            return compute_maps(obs, settings, progress, on_part=on_part, keep_partial=keep_partial)
    with telling_of_compilation(progress) as report:
        return _Computation(source, settings, report, on_part).run(keep_partial)


class _Computation:
    """One run over an observation: settings become bins and models, pixels become parts of maps."""

    def __init__(
        self, obs: ObsFile, settings: SpeckleSettings, progress: Progress, on_part: Report | None
    ) -> None:
        self._obs, self._settings, self._progress = obs, settings, progress
        self._on_part = on_part
        self._steps = time_steps(obs, settings)
        wanted = np.argwhere(wanted_pixels(obs, settings))
        self._pixels: list[Pixel] = [(int(x), int(y)) for x, y in wanted]
        self.maps = empty_maps(settings, obs.shape, len(self._steps))

    def run(self, keep_partial: bool) -> SpeckleMaps:
        """Do all pixels; see `compute_maps`."""
        tau, tau_error = self._tau()
        works = [
            pixel_work(bins, self._settings, self._obs.dead_time_us, tau) for bins in self._steps
        ]
        complete = True
        try:
            self._fit_all(works)
        except OperationCancelled:
            if not (keep_partial and self.maps["status"].any()):
                raise
            complete = False
        edges = [bins.start_us / 1e6 for bins in self._steps] + [self._steps[-1].stop_us / 1e6]
        return SpeckleMaps(
            settings=self._settings,
            edges_s=np.array(edges),
            maps=self.maps,
            tau_s=np.nan if tau is None else tau,
            tau_error_s=tau_error,
            dead_time_us=self._settings.dead_time_of(self._obs.dead_time_us),
            complete=complete,
            facts=self._facts(),
        )

    def _tau(self) -> tuple[float | None, float]:
        """Return the decorrelation time for averaging and blocks, and its error: that of all pixels together.

        Speckles of one place are not much faster or slower than those of another, and one pixel tells it poorly. Some
        hundred pixels are read for it, spread over the file.
        """
        if self._settings.tau_s is not None:
            return self._settings.tau_s, float("nan")
        every = max(len(self._pixels) // _PIXELS_FOR_TAU, 1)
        found = []
        for one in bins_of(self._obs, self._pixels[::every], self._steps, self._settings):
            self._progress(0, 1, "measuring the decorrelation time")
            for counted, bins in zip(one, self._steps, strict=True):
                if counted.counts.sum() >= self._settings.least_photons:
                    dead = self._settings.dead_time_of(self._obs.dead_time_us)
                    own = decorrelation(counted.counts, bins.used, bins.width_s, dead)
                    found.append((own.tau_s, own.error_s))
        return common_tau(np.array(found).reshape(-1, 2))

    def _fit_all(self, works: list[PixelWork]) -> None:
        report = part_of(self._progress, 0.0, 1.0, "fitting pixels")
        waiting: list[Future[list[MapPart]]] = []
        done, stop = 0, Event()
        total = len(self._pixels)
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="speckles") as pool:
            try:
                for batch in self._batches():
                    report(done, total)
                    waiting.append(pool.submit(_fit_batch, batch, works, stop))
                    done += self._take_finished(waiting, partial(report, done, total), _WAITING)
                while waiting:
                    report(done, total)
                    done += self._take_finished(
                        waiting, partial(report, done, total), len(waiting) - 1
                    )
                report(done, total)
            except BaseException:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _take_finished(
        self, waiting: list[Future[list[MapPart]]], report: Callable[[], None], leave: int
    ) -> int:
        """Take what is finished, in whatever order; go on until at most `leave` batches wait. Return how many pixels.

        `report` may cancel meanwhile.
        """
        pixels = 0
        while True:
            for one in [one for one in waiting if one.done()]:
                waiting.remove(one)
                pixels += self._take(one.result())
                report()
            if len(waiting) <= leave:
                return pixels
            report()
            wait(waiting, timeout=_REPORT_EVERY_S, return_when=FIRST_COMPLETED)

    def _batches(self) -> Iterator[list[list[BinnedPixel]]]:
        """Yield pixels by batches; of each pixel its counts in every step."""
        batch: list[list[BinnedPixel]] = []
        a_pixel = 8 * sum(bins.n_bins for bins in self._steps)
        size = max(min(_BATCH, _BATCH_BYTES // a_pixel), 1)
        settings = self._settings
        for one in bins_of(self._obs, self._pixels, self._steps, settings):
            batch.append(one)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _take(self, parts: list[MapPart]) -> int:
        """Put finished pixels into the maps; return how many."""
        for part in parts:
            for name, values in part.values.items():
                self.maps[name][part.step, part.x, part.y] = values
            if self._on_part is not None:
                self._on_part(part)
        return parts[0].x.size

    def _facts(self) -> dict[str, tuple[object, str]]:
        settings = self._settings
        band = settings.min_wavelength, settings.max_wavelength
        first, last = self._steps[0].start_us / 1e6, self._steps[-1].stop_us / 1e6
        return facts_of(self._obs, first, last, band, settings.as_dict())


def _fit_batch(
    batch: list[list[BinnedPixel]], works: list[PixelWork], stop: Event
) -> list[MapPart]:
    """Fit some pixels in every step (in a thread; the kernels release the GIL), unless `stop` is set."""

    def heard(done: int, total: int, stage: str = "") -> None:
        if stop.is_set():
            raise OperationCancelled

    parts = []
    x = np.array([one[0].pixel[0] for one in batch])
    y = np.array([one[0].pixel[1] for one in batch])
    for step, work in enumerate(works):
        rows = []
        for one in batch:
            heard(0, 1)
            rows.append(fit_pixel(one[step], work, heard))
        values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        parts.append(MapPart(step, x, y, values))
    return parts
