"""The layering, checked by machine; import-linter checks the same statically in CI."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DRAWING = {
    "pipeline_core.flatcal.plots",
    "pipeline_core.speckle.plots",
    "pipeline_core.wavecal.plots",
    "pipeline_core.wavecal.plotparts",
}
"""The only modules that may load matplotlib; nothing loads them but the commands that draw."""


def modules_after(code: str, parts: int = 1) -> set[str]:
    """Run something in a fresh interpreter, and return what was loaded: so many parts of the modules' names."""
    names = f"'.'.join(name.split('.')[:{parts}]) for name in sys.modules"
    program = f"{code}\nimport sys\nprint(*sorted({{{names}}}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def core_modules() -> list[str]:
    paths = sorted((ROOT / "pipeline_core").rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


def test_the_core_loads_no_qt_and_no_window():
    names = [name for name in core_modules() if name not in DRAWING]
    loaded = modules_after(f"import {', '.join(names)}")
    assert {"numba", "tables", "astropy"} <= loaded  # it did load
    assert not loaded & {"PyQt5", "pyqtgraph", "quicklook", "matplotlib"}


def test_the_light_modules_of_the_core_stay_light():
    loaded = modules_after("import pipeline_core, pipeline_core.errors, pipeline_core.flags")
    assert not loaded & {"numba", "tables", "scipy", "astropy"}


def test_the_window_loads_nothing_heavy():
    """Numba, PyTables, SciPy and astropy would take a second: workers load them later."""
    loaded = modules_after("import quicklook.main_window, quicklook.app, quicklook.tasks")
    assert {"PyQt5", "pyqtgraph"} <= loaded
    assert not loaded & {"numba", "tables", "scipy", "astropy"}


def test_what_panes_draw_is_computed_without_loading_libraries():
    """A pane asks for it in the GUI thread: SciPy would hold up the window for 80 ms at the first click."""
    loaded = modules_after(
        "import numpy as np; from pipeline_core.histograms import IntensityHistogram as Counts; "
        "Counts(((0, 0),), 0.01, np.array([2, 3, 1]), 6, 0.8, 0.6).poisson",
        parts=2,
    )
    assert "pipeline_core.histograms" in loaded  # it did load
    assert "scipy.special" not in loaded


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "quicklook").rglob("*.py")), ids=lambda p: p.name)
def test_the_window_does_no_numerics(path):
    assert not imports_of(path) & {"tables", "numba", "scipy", "astropy", "h5py"}


def test_only_jobs_names_threads():
    users = {p.name for p in (ROOT / "quicklook").rglob("*.py") if "QThread" in p.read_text()}
    assert users <= {"jobs.py"}


def test_only_assets_opens_resources():
    users = {
        p.name for p in (ROOT / "quicklook").rglob("*.py") if "quicklook.resources" in p.read_text()
    }
    assert users <= {"assets.py"}


def test_pyproject_lists_every_package():
    text = (ROOT / "pyproject.toml").read_text()
    listed = set(ast.literal_eval(text.split("packages = ")[1].split("]")[0] + "]"))
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("pipeline_core", "quicklook")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert listed == found | {"quicklook.resources"}
