"""A wavelength calibration in the window: gaps of the event loop, clicks meanwhile, cancel, and clicks into the result.

    python tests/benchmarks/bench_wavecal_window.py [FOLDER] [--clicks 200] [--cancels 10]

FOLDER holds laser files as `bench_wavecal.py` makes them; absent ones are simulated. Goals: no gap over 50 ms,
clicks answered in 100 ms, cancelled within 500 ms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench_wavecal import laser_files
from bench_window import bench_clicks, gaps_while, open_and_wait, shown_window
from window_timing import let_pass, median_ms, report, report_steps, wait_until
from yardsticks import machine

from pipeline_core.simulate.settings import LASERS_NM
from pipeline_core.wavecal.browse import pixel_page
from pipeline_core.wavecal.solution import load_solution
from quicklook import app, preflight
from quicklook.qt import QtCore
from quicklook.wavecal_tasks import LaserRow, WavecalForm


def form_for(paths, out):
    rows = tuple(LaserRow(f"{nm:g}", str(path)) for nm, path in zip(LASERS_NM, paths, strict=True))
    return WavecalForm(lasers=rows, out=str(out), overwrite=True)


def bench_run(window, form):
    """One calibration from the click to the map of its result, without and with clicks meanwhile."""
    start = time.perf_counter()
    with gaps_while("calibrating"):
        window.wavecal.start(form)
        wait_until(lambda: window.viewer.window.opened is not None, 600)
        let_pass(1)
    print(f"    calibrated and shown in {time.perf_counter() - start:.1f} s")


def bench_clicks_meanwhile(window, form, path, clicks):
    window.wavecal.start(form)
    wait_until(lambda: window.viewer.window.map.values is not None, 300)
    bench_clicks(window, path, clicks, "calibrating")
    window.wavecal.cancel()
    wait_until(lambda: not window.jobs.jobs)


def bench_cancel(window, form, times):
    """Cancel at moments all over a calibration; from the click until nothing runs any more."""
    rng = np.random.default_rng(1)
    taken = []
    for _ in range(times):
        window.wavecal.start(form)
        wait_until(lambda: window.viewer.window.progress.value() > 0, 300)
        let_pass(float(rng.uniform(0, 8)))
        start = time.perf_counter()
        window.viewer.window.cancel.click()
        wait_until(lambda: not window.jobs.jobs, 60)
        taken.append(1e3 * (time.perf_counter() - start))
    left = list(Path(form.out).parent.glob("*.part"))
    assert not left, left
    report_steps("cancel until nothing runs", taken, 300.0, "grace of a child", 500)


class PaintedPage(QtCore.QObject):
    """Whether the curve, which is drawn last, has been painted since it was told to wait for that."""

    def __init__(self, viewer):
        super().__init__()
        self.up_to_date = False
        viewer.curve.build()
        viewer.curve.below.viewport().installEventFilter(self)

    def eventFilter(self, _watched, event):
        if event.type() == QtCore.QEvent.Type.Paint:
            self.up_to_date = True
        return False


def bench_pages(window, path, clicks):
    """Click pixels of the result until their page is painted."""
    viewer = window.viewer.window
    solution = load_solution(path)
    rng = np.random.default_rng(0)
    ncols, nrows = solution.shape
    pixels = [(int(rng.integers(ncols)), int(rng.integers(nrows))) for _ in range(clicks)]
    plain = median_ms(lambda: pixel_page(solution, pixels[0]))
    taken = []
    painted = PaintedPage(viewer)
    with gaps_while("clicking through the result"):
        for pixel in pixels:
            start = time.perf_counter()
            painted.up_to_date = False
            viewer.map.pixelSelected.emit(pixel)
            wait_until(lambda pixel=pixel: viewer.page is not None and viewer.page.pixel == pixel)
            wait_until(lambda: painted.up_to_date)
            taken.append(1e3 * (time.perf_counter() - start))
            let_pass(0.02)
    report_steps("click in the result to lines and curve", taken, plain, "page of the pixel", 100)
    with gaps_while("choosing maps"):
        for name, _ in viewer.opened.maps:
            viewer.mapWanted.emit(name)
            wait_until(lambda name=name: viewer.map.shown.name == name)
            let_pass(0.1)
    start = time.perf_counter()
    viewer.refit.click()
    wait_until(lambda: viewer.opened.changed)
    report("fit a pixel again", 1e3 * (time.perf_counter() - start), "ms", plain, "its page")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(tempfile.gettempdir()) / "quicklook-bench-wavecal"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument("--cancels", type=int, default=10)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    paths = laser_files(options.folder)
    preflight.use_offscreen_without_display()
    print(machine())
    form = form_for(paths, options.folder / "window_solution.h5")
    with app.running(["bench"]), shown_window() as window:
        open_and_wait(window, paths[0])
        wait_until(lambda: window.timeline.survey is not None, 200)
        with gaps_while("idle"):
            let_pass(5)
        bench_run(window, form)
        bench_run(window, form)
        bench_pages(window, Path(form.out), options.clicks)
        bench_clicks_meanwhile(window, form, paths[0], options.clicks)
        bench_cancel(window, form, options.cancels)


if __name__ == "__main__":
    main()
