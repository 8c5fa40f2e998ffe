"""Makes the pictures of the README and of the user guide from a simulated night.

    python tests/make_screenshots.py [--keep FOLDER]

Draws without a display and writes into resources/guide and resources/screenshots. Look at each before
committing it. Not a test.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["QT_FONT_DPI"] = "96"

from screenshot_scenes import (
    browse_night,
    look_at_stream,
    make_whole_night,
    map_speckles,
    run_night,
)
from screenshot_tools import GUIDE, README, settle, take, wait

from quicklook import app, theme
from quicklook.main_window import MainWindow
from quicklook.settings import Settings

SIZE = (1280, 800)


def make_night(folder: Path) -> Path:
    """A star with a companion and speckles, ten seconds."""
    from pipeline_core.convert import ConvertSettings, convert
    from pipeline_core.simulate import SimulationSettings, simulate

    night = simulate(
        SimulationSettings(kind="sky", seconds=10, rate_cps=150, seed=4), folder / "raw"
    )
    path = folder / f"{night.start}.h5"
    convert(ConvertSettings(night.folder, night.start, night.seconds, night.beammap_path, path))
    return path


def make_solution(folder: Path) -> Path:
    """Five lasers on an array of 40 x 62 pixels, calibrated."""
    from pipeline_core.convert import ConvertSettings, convert
    from pipeline_core.simulate import SimulationSettings, simulate
    from pipeline_core.wavecal.compute import run
    from pipeline_core.wavecal.settings import Laser, WavecalSettings

    shape = (40, 62)
    night = simulate(
        SimulationSettings(kind="night", seconds=6, rate_cps=200, seed=4, shape=shape),
        folder / "lasers",
    )
    lasers = []
    for one in night.observations:
        if one.wavelength_nm is not None:
            path = folder / f"{one.name}.h5"
            beammap = night.beammap_path
            convert(ConvertSettings(night.folder, one.start, one.seconds, beammap, path, shape))
            lasers.append(Laser(one.wavelength_nm, path))
    return run(WavecalSettings(tuple(lasers))).save(folder / "wavecal_1602050400.h5")


def walk(window, path: Path) -> None:
    """Do what the guide says, and take a picture of each step."""
    from pipeline_core.regions import Circle, Rectangle

    window.open_file(path)
    wait(lambda: window.session.file is not None)
    take(window, GUIDE / "flags.png")
    window.controls.counts.click()
    window.actions_by_name["next_stretch"].trigger()
    window.controls.plot.click()
    wait(lambda: window.image.counts is not None)
    take(window, GUIDE / "counts.png")
    window.session.set_pixel((43, 66))
    take(window, GUIDE / "pixel.png")
    take(window, README / "active-pixel.png")
    window.regions.add(Circle(40, 62, 6))
    window.regions.add(Rectangle(55, 20, 66, 34))
    window.bottom.setCurrentWidget(window.region_table)
    window.region_table.plot.setChecked(True)
    take(window, GUIDE / "regions.png")
    window.region_table.plot.setChecked(False)
    window.regions.clear()
    window.bottom.setCurrentWidget(window.timeline)
    theme.use("night")
    take(window, GUIDE / "night.png")
    theme.use("dark")
    take(window, README / "dark.png")
    theme.use("light")


def look_at_solution(window, path: Path) -> None:
    """The result of a wavelength calibration, with the lines of a pixel."""
    window.viewer.look_at(path)
    wait(lambda: window.viewer.window is not None and window.viewer.window.opened is not None)
    settle(window)
    viewer = window.viewer.window
    viewer.map.pixelSelected.emit((17, 40))
    wait(lambda: viewer.page is not None)
    settle(window)
    take(viewer, GUIDE / "wavecal.png", window)


def main() -> int:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="folder for the simulated night, used again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)) / "data" / "2020-10-06"  # seen in the pictures
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(folder.glob("[0-9]*.h5"))
        path = found[0] if found else make_night(folder)
        solutions = sorted(folder.glob("wavecal_*.h5"))
        solution = solutions[0] if solutions else make_solution(folder)
        night = folder / "night" / "pipeline.yml"
        if not night.exists():
            night = make_whole_night(night.parent)
        with app.running(["quicklook"]):
            window = MainWindow(Settings.fresh())
            window.resize(*SIZE)
            window.show()
            walk(window, path)
            look_at_solution(window, solution)
            map_speckles(window)
            browse_night(window, night.parent)
            run_night(window, night)
            look_at_stream(window, night.parent)
            window.stop_and_close()
            wait(lambda: not window.isVisible())
    return 0


if __name__ == "__main__":
    sys.exit(main())
