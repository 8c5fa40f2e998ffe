"""How quickly the window starts, opens, answers clicks, and how long its event loop ever waits.

    python tests/benchmarks/bench_window.py [FILE.h5 [BIN_DIR BEAMMAP]] [--clicks 200]

Without arguments it simulates and converts a night's sky first. BIN_DIR is what is converted in the
background. Every figure comes with a yardstick of the same run and the ratio to it. Gaps "of its own" are
without the time for which the machine stood still, which another process tells. Offscreen unless
QT_QPA_PLATFORM or DISPLAY says otherwise.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loop_probe import LoopProbe
from window_replot import bench_looks, bench_replot, bench_theme, show_counts
from window_timing import (
    Plots,
    let_pass,
    median_ms,
    report,
    report_steps,
    wait_until,
)
from witness import Witness

from pipeline_core import ObsFile
from pipeline_core.regions import Rectangle, pixels_in
from quicklook import app, preflight
from quicklook.background_tasks import ConvertForm
from quicklook.collector import smooth_interpreter
from quicklook.launch import look_after
from quicklook.main_window import MainWindow
from quicklook.qt import QtCore
from quicklook.settings import Settings

BARE_WINDOW = """
from PyQt5 import QtWidgets
application = QtWidgets.QApplication([])
window = QtWidgets.QMainWindow()
window.show()
application.processEvents()
"""

OUR_WINDOW = """
import sys
from quicklook.__main__ import main
from quicklook import app, preflight
preflight.problem()
from quicklook.main_window import MainWindow
from quicklook.settings import Settings
with app.running(['quicklook']) as (application, catcher):
    window = MainWindow(Settings.fresh())
    window.show()
    application.processEvents()
    window.grab()
    print('usable')
    sys.stdout.flush()
    window.close()
"""


def time_of_process(code, until=""):
    """Seconds from starting a Python process until it prints a word (or ends)."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    if until:
        process.stdout.readline()
        seconds = time.perf_counter() - start
        process.stdout.close()
        process.wait()
    else:
        process.communicate()
        seconds = time.perf_counter() - start
    return seconds


@contextmanager
def shown_window():
    with smooth_interpreter():
        window = MainWindow(Settings.fresh())
        window.show()
        look_after(window)
        let_pass(1.0)
        wait_until(lambda: not window.chores.jobs)  # the core is imported
        yield window
        window.stop_and_close()
        wait_until(lambda: not window.isVisible())


def bench_start():
    bare = min(time_of_process(BARE_WINDOW) for _ in range(5))
    ours = min(time_of_process(OUR_WINDOW, "usable") for _ in range(5))
    report(
        "(a) start to usable window, fresh process, warm, best of 5",
        1e3 * ours,
        "ms",
        1e3 * bare,
        "bare Qt window",
        1500,
    )


def bench_open(window, path):
    plain, ours = [], []
    for _ in range(7):
        start = time.perf_counter()
        with ObsFile(path) as obs:
            obs.beammap, obs.flags  # noqa: B018 - both are read when looked at
        plain.append(time.perf_counter() - start)
    for _ in range(7):
        start = time.perf_counter()
        window.open_file(path)
        facts = window.session.file
        wait_until(lambda facts=facts: window.session.file is not facts)
        window.image.repaint()
        ours.append(time.perf_counter() - start)
    report(
        "(b) open to flag image, median of 7",
        1e3 * np.median(ours),
        "ms",
        1e3 * np.median(plain),
        "ObsFile opened",
        300,
    )


def random_pixels(window, number):
    rng = np.random.default_rng(0)
    ncols, nrows = window.session.file.shape
    pixels = [(int(rng.integers(ncols)), int(rng.integers(nrows))) for _ in range(number)]
    return [pixel for k, pixel in enumerate(pixels) if k == 0 or pixel != pixels[k - 1]]


def click(window, plots, pixel):
    """Return the time [ms] from a click to three repainted plots."""
    start = time.perf_counter()
    window.image.pixelSelected.emit(pixel)
    wait_until(lambda: plots.show((pixel,)))
    taken = 1e3 * (time.perf_counter() - start)
    let_pass(0.02)
    return taken


def bench_clicks(window, path, clicks, label):
    """Click random pixels; each figure is from the click to three repainted plots."""
    pixels = random_pixels(window, clicks)
    with ObsFile(path) as obs:
        obs.photons(pixel=(0, 0))
        plain = float(np.median([median_ms(lambda p=p: obs.photons(pixel=p), 1) for p in pixels]))
    plots = Plots(window)
    with gaps_while(f"clicking, {label}"):
        times = [click(window, plots, pixel) for pixel in pixels if pixel != window.session.pixel]
    plots.stop()
    report_steps(f"(c) click to three plots, {label}", times, plain, "photons of the pixel", 100)


def open_and_wait(window, path):
    facts = window.session.file
    window.open_file(path)
    wait_until(lambda: window.session.file is not facts)


def bench_survey(window, path):
    """How long the survey takes undisturbed; clicks meanwhile, and when it is finished all the same."""
    with ObsFile(path) as obs:
        plain = median_ms(obs.survey, 1)
    open_and_wait(window, path)
    alone = 1e3 * wait_until(lambda: window.timeline.survey is not None)
    report("(g) survey for the time line", alone, "ms", plain, "ObsFile.survey")
    times, finished = [], []
    plots = Plots(window)
    for begin in range(5):
        open_and_wait(window, path)
        start = time.perf_counter()
        for pixel in random_pixels(window, 400)[70 * begin :]:
            if window.timeline.survey is not None:
                break
            if pixel != window.session.pixel:
                times.append(click(window, plots, pixel))
        wait_until(lambda: window.timeline.survey is not None)
        finished.append(1e3 * (time.perf_counter() - start))
    plots.stop()
    report_steps("(g) click to three plots, during the survey", times, plain, "survey", 100)
    report("(g) survey under clicks without a pause, longest", max(finished), "ms", alone, "alone")


def bench_drag(window, path, steps):
    """Drag a square of 100 pixels by one pixel a step, with all plots showing its sum."""
    show_counts(window)
    side, x, y = 10, 5, window.session.file.shape[1] // 3
    right = window.session.file.shape[0] - side - 5

    def square(x):
        return Rectangle(x, y, x + side - 1, y + side - 1)

    pixels = pixels_in(square(x), window.session.file.shape)
    with ObsFile(path) as obs:
        obs.light_curve(pixels)
        plain = median_ms(lambda: (obs._curves.clear(), obs.light_curve(pixels)))
    number = window.regions.add(square(x)).number
    window.region_table.plot.setChecked(True)
    plots = Plots(window)
    wait_until(lambda: plots.show(pixels))
    times, step = [], 1
    with gaps_while("dragging a region"):
        for k in range(steps):
            if not 5 <= x + step <= right:
                step = -step
            x += step
            start = time.perf_counter()
            window.regions.reshape(number, square(x), remember=k == 0)
            wait_until(lambda: plots.show(window.session.target.pixels))
            times.append(1e3 * (time.perf_counter() - start))
            assert window.region_table.statistics[number].pixels == side * side
            let_pass(0.01)
    plots.stop()
    window.regions.clear()
    name = "binning 100 pixels anew"
    report_steps("(e) drag step, sum of 10 x 10 pixels, with statistics", times, plain, name, 60)


def bench_exports(window, folder):
    """Write the image as FITS again and again, and look how long the event loop waits."""
    controller = window.exporting
    controller._ask_for_path = lambda item, state: (folder / "image.fits", True)
    timer = QtCore.QTimer(interval=100)
    timer.timeout.connect(lambda: None if window.reads.jobs else controller.export("image"))
    timer.start()
    gaps = Gaps("exporting FITS")
    let_pass(5)
    gaps.report()
    timer.stop()
    wait_until(lambda: not window.reads.jobs)
    assert (folder / "image.fits").exists()


def endless_conversions(window, form):
    """Convert again and again, so that one is always running."""

    def again(summary, _form):
        print(f"    converted {summary.n_photons:,} photons in {summary.seconds:.1f} s")
        window.conversion.start(form)

    window.conversion.succeeded.connect(again)
    window.conversion.failed.connect(
        lambda failure, _form: print("conversion failed:", failure.error)
    )
    window.conversion.start(form)
    wait_until(lambda: bool(list(Path(form.out).parent.glob("*.part"))))


class Gaps:
    """Measures how long the event loop was not served, from here to `report`."""

    idle_ms = 0.0  # p99.9 of an idle window, the yardstick

    def __init__(self, label):
        self._label = label
        self._witness = Witness()
        self._probe = LoopProbe(interval_ms=2)
        self._probe.start()

    def report(self):
        probe = self._probe
        probe.stop()
        own_ms = [
            gap - 1e3 * self._witness.lost_s(end - gap / 1e3, end)
            for gap, end in zip(probe.gaps_ms, probe.ends_s, strict=True)
        ]
        self._witness.stop()
        p999 = probe.percentile_ms(99.9)
        Gaps.idle_ms = Gaps.idle_ms or p999
        what, unit = f"(d) event-loop gap, {self._label}", (Gaps.idle_ms, "idle p99.9")
        report(f"{what}, p99.9 of {len(probe.gaps_ms)}", p999, "ms", *unit, 50)
        report(f"{what}, longest", probe.longest_ms, "ms", *unit)
        report(f"{what}, longest of its own", max(own_ms), "ms", *unit, 50)


@contextmanager
def gaps_while(label):
    gaps = Gaps(label)
    yield
    gaps.report()


def make_data(folder):
    from pipeline_core.convert import ConvertSettings, convert
    from pipeline_core.simulate import SimulationSettings, simulate

    sky = simulate(SimulationSettings(kind="sky", seconds=20, rate_cps=300, seed=1), folder / "raw")
    path = folder / "sky.h5"
    convert(ConvertSettings(sky.folder, sky.start, sky.seconds, sky.beammap_path, path))
    return path, sky.folder, sky.beammap_path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("bin_dir", nargs="?", type=Path)
    parser.add_argument("beammap", nargs="?", type=Path)
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument("--steps", type=int, default=100, help="steps of a dragged region")
    parser.add_argument("--no-conversion", action="store_true")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="length of each gap measurement"
    )
    options = parser.parse_args()
    preflight.use_offscreen_without_display()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"Qt {QtCore.QT_VERSION_STR} on {os.environ.get('QT_QPA_PLATFORM', 'the display')}"
    )
    with tempfile.TemporaryDirectory(prefix="bench-window-") as name:
        folder = Path(name)
        path, bin_dir, beammap = options.file, options.bin_dir, options.beammap
        if path is None or bin_dir is None:
            made = make_data(folder)
            path = path or made[0]
            bin_dir, beammap = made[1:]
        beammap = beammap or next(bin_dir.glob("*.bmap"))
        bench_start()
        with app.running(["bench"]), shown_window() as window:
            bench_open(window, path)
            print(f"    file: {window.session.file.n_photons:,} photons")
            wait_until(lambda: window.timeline.survey is not None)
            with gaps_while("idle"):
                let_pass(options.seconds / 2)
            with gaps_while("surveying"):
                for _ in range(5):
                    open_and_wait(window, path)
                    wait_until(lambda: window.timeline.survey is not None)
            bench_clicks(window, path, options.clicks, "idle")
            bench_survey(window, path)
            bench_drag(window, path, options.steps)
            bench_replot(window, path)
            bench_looks(window)
            bench_theme()
            bench_exports(window, folder)
            if not options.no_conversion:
                bench_converting(window, path, folder, bin_dir, beammap, options)


def bench_converting(window, path, folder, bin_dir, beammap, options):
    """Gaps and clicks while a child process converts raw files."""
    from pipeline_core.binfile import scan_folder

    seconds = scan_folder(bin_dir).seconds
    form = ConvertForm(
        str(bin_dir),
        seconds[0],
        seconds[-1] - seconds[0] + 1,
        str(beammap),
        str(folder / "again.h5"),
        overwrite=True,
        open_result=False,
    )
    endless_conversions(window, form)
    with gaps_while("converting"):
        let_pass(options.seconds)
    bench_clicks(window, path, options.clicks, "converting")
    bench_drag(window, path, options.steps)


if __name__ == "__main__":
    main()
