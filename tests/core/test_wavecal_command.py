"""The command line of wavecal: what it says before any work."""

from __future__ import annotations

import sys

from pipeline_core.cli import main


def test_plots_without_matplotlib_are_refused_before_any_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pipeline_core.wavecal.plots", None)
    out = tmp_path / "s.h5"
    lasers = ["--laser", "808=missing_a.h5", "--laser", "980=missing_b.h5"]
    assert main(["wavecal", *lasers, "--out", str(out), "--plots", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "matplotlib" in said
    assert "quicklook[plots]" in said
    assert "missing_a" not in said  # no input was looked at yet
