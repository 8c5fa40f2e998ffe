"""Rows of the benchmark of the window: the image plotted again, drawn in other ways, and other themes."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from window_timing import Painted, flush, let_pass, median_ms, report, wait_until

from pipeline_core import ObsFile, display
from quicklook import theme
from quicklook.qt import QtWidgets


def show_counts(window):
    window.controls.counts.setChecked(True)
    window.image_control.plot_image()
    wait_until(lambda: window.image.counts is not None)
    let_pass(0.2)


def bench_replot(window, path):
    """Plot the image again, for ranges of several kinds; from the button to a repainted image."""
    show_counts(window)
    wait_until(lambda: window.timeline.survey is not None)
    stop_s = window.session.file.exposure_s
    length = min(10.0, stop_s - 7)
    ranges = {
        "whole file": [(0.0, stop_s)] * 7,
        "times on the survey's grid": [(float(k), k + length) for k in range(7)],
        "any times: a pass through the file": [(k + 0.25, k + length + 0.5) for k in range(7)],
    }
    painted = Painted(window.image.view.viewport(), window.image.shownChanged)
    with ObsFile(path) as obs:
        obs.survey()
        for label, spans in ranges.items():
            plain, times = [], []
            for span in spans:
                plain.append(median_ms(lambda span=span: obs.count_image(*span), 1))
                window.session.set_time_range(*span)
                let_pass(0.1)
                wait_until(lambda: not window.reads.jobs)
                counts = window.image.counts
                start = time.perf_counter()
                window.image_control.plot_image()
                wait_until(
                    lambda counts=counts: window.image.counts is not counts and painted.up_to_date
                )
                times.append(1e3 * (time.perf_counter() - start))
            figures = float(np.median(times)), "ms", max(float(np.median(plain)), 0.1)
            report(f"(f) replot, {label}, median of 7", *figures, "ObsFile.count_image", 50)
    painted.stop()
    window.session.set_time_range(0.0, stop_s)


def bench_looks(window):
    """Change stretch, limits and map of the image on the screen."""

    def plain():
        scale = display.make_scale((0.0, 30_000.0), "asinh")
        display.indices(window.image.array, scale)

    looks = {
        "stretch": [{"stretch": name} for name in (*display.STRETCHES, "linear")],
        "limits": [{"limits": name} for name in ("minmax", "percentile") * 3],
        "map": [{"colour_map": name} for name in ("viridis", "cividis") * 3],
    }
    yardstick = median_ms(plain)
    for label, changes in looks.items():
        times = []
        for change in changes:
            settings = replace(window.image.display, **change)
            start = time.perf_counter()
            window.image.set_display(settings)
            window.image.repaint()
            window.image.view.viewport().repaint()
            times.append(1e3 * (time.perf_counter() - start))
            let_pass(0.05)
        figures = float(np.median(times)), "ms", yardstick, "numbers of colours"
        report(f"(f) another {label}, median of {len(times)}", *figures, 50)


def bench_theme():
    """Switch the theme of the whole window."""
    application = QtWidgets.QApplication.instance()
    times, sheets = [], []
    for name in ("dark", "night", "light") * 3:
        start = time.perf_counter()
        theme.use(name)
        flush()
        times.append(1e3 * (time.perf_counter() - start))
        sheet = application.styleSheet()
        sheets.append(median_ms(lambda s=sheet: application.setStyleSheet(s), 1))
        let_pass(0.2)
    report(
        "(h) another theme, median of 9",
        float(np.median(times)),
        "ms",
        float(np.median(sheets)),
        "style sheet set again",
        50,
    )
