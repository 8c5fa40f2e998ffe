"""How quickly the window starts, opens, answers clicks, and how long its event loop ever waits.

    python tests/benchmarks/bench_window.py [FILE.h5 [BIN_DIR BEAMMAP]] [--clicks 200]

Without arguments it simulates and converts a night's sky first. BIN_DIR is what is converted in the
background. Every figure comes with a yardstick of the same run and the ratio to it. Offscreen unless
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

from quicklook import app, preflight
from quicklook.background_tasks import ConvertForm
from quicklook.main_window import MainWindow
from quicklook.qt import QtCore, QtWidgets
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


def report(what, figure, unit, yardstick, name, goal=None):
    line = f"{what:<58} {figure:9.1f} {unit}   {figure / yardstick:7.2f} x {name} ({yardstick:.1f} {unit})"
    if goal is not None:
        line += f"   goal {goal} {unit}: {'reached' if figure <= goal else 'MISSED'}"
    print(line, flush=True)


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


def wait_until(condition, seconds=60):
    """Serve the event loop until the condition holds; returns the time it took."""
    start = time.perf_counter()
    loop = QtCore.QEventLoop()
    timer = QtCore.QTimer(interval=1)
    timer.timeout.connect(lambda: loop.quit() if condition() else None)
    timer.start()
    QtCore.QTimer.singleShot(int(1000 * seconds), loop.quit)
    if not condition():
        loop.exec()
    if not condition():
        raise TimeoutError
    return time.perf_counter() - start


def let_pass(seconds):
    """Serve the event loop for so long."""
    end = time.perf_counter() + seconds
    wait_until(lambda: time.perf_counter() > end, seconds + 5)


@contextmanager
def shown_window():
    window = MainWindow(Settings.fresh())
    window.show()
    wait_until(lambda: not window.reads.jobs)  # the core is imported
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
    from pipeline_core import ObsFile

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


def bench_clicks(window, path, clicks, label):
    """Click random pixels; each figure is from the click to three repainted plots."""
    from pipeline_core import ObsFile

    rng = np.random.default_rng(0)
    ncols, nrows = window.session.file.shape
    pixels = [(int(rng.integers(ncols)), int(rng.integers(nrows))) for _ in range(clicks)]
    with ObsFile(path) as obs:
        obs.photons(pixel=(0, 0))
        plain = []
        for pixel in pixels:
            start = time.perf_counter()
            obs.photons(pixel=pixel)
            plain.append(time.perf_counter() - start)
    panes = window.card.panes
    times = []
    for pixel in pixels:
        if pixel == window.session.pixel:
            continue
        start = time.perf_counter()
        window.image.pixelSelected.emit(pixel)
        wait_until(
            lambda pixel=pixel: all(p.shown and p.shown.request.pixel == pixel for p in panes)
        )
        for pane in panes:
            pane.plot.repaint()
        times.append(1e3 * (time.perf_counter() - start))
        let_pass(0.02)
    p50, p95 = np.percentile(times, (50, 95))
    yardstick = 1e3 * float(np.median(plain))
    report(
        f"(c) click to three plots, {label}, p50 of {len(times)}",
        p50,
        "ms",
        yardstick,
        "photons of the pixel",
    )
    report(
        f"(c) click to three plots, {label}, p95 of {len(times)}",
        p95,
        "ms",
        yardstick,
        "photons of the pixel",
        100,
    )


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


def bench_gaps(window, seconds, label, yardstick=None):
    probe = LoopProbe(interval_ms=2)
    probe.start()
    let_pass(seconds)
    probe.stop()
    p999 = probe.percentile_ms(99.9)
    unit = yardstick or p999
    name = "idle p99.9"
    report(f"(d) event-loop gap {label}, p99.9 of {len(probe.gaps_ms)}", p999, "ms", unit, name, 50)
    report(f"(d) event-loop gap {label}, longest", probe.longest_ms, "ms", unit, name)
    return p999


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
            bench_clicks(window, path, options.clicks, "idle")
            idle = bench_gaps(window, options.seconds / 2, "idle")
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
            bench_gaps(window, options.seconds, "converting", idle)
            bench_clicks(window, path, options.clicks, "converting")
            bench_gaps(window, options.seconds / 2, "converting, after the clicks", idle)
            QtWidgets.QApplication.processEvents()


if __name__ == "__main__":
    main()
