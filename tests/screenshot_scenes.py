"""Scenes of `make_screenshots` beside the main window: speckles, whole nights, datastreams."""

from __future__ import annotations

from pathlib import Path

import yaml
from screenshot_tools import GUIDE, settle, take, wait

PIXEL = (43, 66)
"""In the halo of the star of `make_screenshots.make_night`."""
_SHAPE = (40, 62)
_SLOW_S = 600.0


def make_whole_night(folder: Path) -> Path:
    """Raw seconds of lasers, dark, flat and sky, what the dashboard wrote of them, and the file of the night."""
    from pipeline_core.convert import ConvertSettings, convert
    from pipeline_core.simulate import SimulationSettings, simulate
    from pipeline_core.simulate.dashboard import write_dashboard

    settings = SimulationSettings(
        kind="night", seconds=6, sky_seconds=30, rate_cps=150, seed=4, shape=_SHAPE
    )
    made = simulate(settings, folder / "raw")
    write_dashboard(made, folder)
    sky = made.observations[-1]
    photons = folder / f"{sky.start}.h5"
    convert(ConvertSettings(made.folder, sky.start, 20, made.beammap_path, photons, _SHAPE))
    times = {one.name: [one.start, one.start + one.seconds] for one in made.observations}
    lasers = [
        [one.start, one.start + one.seconds, one.wavelength_nm]
        for one in made.observations
        if one.wavelength_nm is not None
    ]
    start, stop = times["sky"]
    values = {
        "inputs": {"pos1": [start, start + 15], "pos2": [start + 15, stop]},
        "paths": {"data": str(made.folder), "database": "db", "out": "out"},
        "beammap": str(made.beammap_path),
        "ncpu": 2,
        "wavecal": lasers,
        "dark": times["dark"],
        "flatcal": times["flat"],
        "products": {"cube": {"time_bin_s": 5.0, "energy_bin_ev": 0.3, "weighted": True}},
    }
    path = folder / "pipeline.yml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def map_speckles(window) -> None:
    """Maps of the open file, and one pixel in depth."""
    from pipeline_core.speckle.settings import SpeckleSettings

    window.session.set_pixel(PIXEL)
    window.speckling.start(SpeckleSettings())
    wait(lambda: window.speckles.maps is not None, _SLOW_S)
    speckles = window.speckling.window
    settle(window)
    wait(lambda: speckles.page is not None)
    window.messages.hide()
    take(speckles, GUIDE / "speckles.png", window)
    speckles.close()


def run_night(window, path: Path) -> None:
    """The form of a night, and its tasks while it runs."""
    night = window.night
    night.open_night(path)
    wait(lambda: not window.nights.jobs)
    night.window.edit.click()
    wait(lambda: night.dialog is not None)
    settle(window)
    take(night.dialog, GUIDE / "night-form.png", window)
    night.dialog.reject()
    night.window.start.click()

    def states():
        return [row.state for row in night.window.model.rows]

    wait(lambda: states().count("done") > len(states()) // 2, _SLOW_S)
    wait(lambda: "running" in states() or not window.nights.jobs, _SLOW_S)
    take(night.window, GUIDE / "night-run.png", window)
    wait(lambda: not window.nights.jobs, _SLOW_S)
    night.window.close()


def browse_night(window, folder: Path) -> None:
    """A folder on a time line, with a selection."""
    window.settings.bin_folder = str(folder)
    window.actions_by_name["browse_night"].trigger()
    browser = window.browser.window
    wait(lambda: browser.night is not None)
    flat = next(one for one in browser.night.spans if one.kind == "flat")
    browser.select(flat.start, flat.stop)
    take(browser, GUIDE / "night-browser.png", window)
    browser.close()


def look_at_stream(window, folder: Path) -> None:
    """A frame of a datastream, and what the logs say of its second."""
    window.open_file(sorted(folder.glob("stream*.fits.gz"))[0])
    wait(lambda: window.session.frame is not None)
    settle(window)
    window.frame_bar.slider.setValue(window.frame_bar.slider.maximum() * 3 // 4)
    window.session.set_pixel((18, 33))
    window.bottom.setCurrentWidget(window.log)
    take(window, GUIDE / "datastream.png")
