"""An observation of speckles, and maps of it made through the window."""

from __future__ import annotations

from window_rig import all_read, open_path

from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.simulate import SimulationSettings, simulate
from pipeline_core.simulate.settings import LightSettings
from pipeline_core.speckle.settings import SpeckleSettings

SHAPE = (11, 8)
TRUTH = {"ic": 300.0, "is": 150.0}
SETTINGS = SpeckleSettings(start=0.0, stop=8.0)


def speckle_observation(folder):
    """Write a photon file of 8 s in which every pixel sees the same kind of light."""
    light = LightSettings(ic_cps=TRUTH["ic"], is_cps=TRUTH["is"], ip_cps=0.0)
    made = simulate(
        SimulationSettings(kind="speckle", seconds=8, shape=SHAPE, seed=4, light=light), folder
    )
    start = made.observations[-1].start
    out = folder / f"{start}.h5"
    convert(ConvertSettings(folder, start, 8, made.beammap_path, out, shape=SHAPE))
    return out


def rest(qtbot, window):
    """Wait until nothing runs any more."""
    qtbot.wait(150)
    lanes = (window.reads, window.chores, window.jobs)
    qtbot.waitUntil(
        lambda: all_read(window) and not any(lane.jobs for lane in lanes), timeout=200_000
    )
    qtbot.wait(20)


def make(qtbot, window, path, settings=SETTINGS):
    """Open a file, make maps of it, and return them."""
    open_path(qtbot, window, path)
    window.speckling.start(settings)
    qtbot.waitUntil(lambda: window.speckles.maps is not None, timeout=200_000)
    rest(qtbot, window)
    return window.speckles.maps
