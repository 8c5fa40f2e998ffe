"""Through the guide's QuickLook chapter on a screen in memory, with a real mouse and a real keyboard.

Pictures of every step are kept if ``WALK_PICTURES`` names a folder.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import xvfb
from observations import make_observation

from quicklook.preparation import versions

SHAPE = (10, 7)
DRIVER = Path(__file__).parents[1] / "walk_driver.py"
WAIT_S = 20
PLOTS = {"light_curve", "histogram", "spectrum"}

pytestmark = [
    pytest.mark.gui,
    pytest.mark.skipif(bool(xvfb.why_not()), reason=xvfb.why_not() or "a screen can be had"),
]


class Walk:
    """The program on the screen, and the hands and eyes of who uses it."""

    def __init__(self, screen: xvfb.Screen, folder: Path, arguments: list[str]) -> None:
        self.screen = screen
        self._pictures = Path(os.environ.get("WALK_PICTURES") or folder / "pictures")
        self._pictures.mkdir(exist_ok=True, parents=True)
        self._n_pictures = 0
        names = ("CONFIG", "STATE", "CACHE", "RUNTIME")
        homes = {f"XDG_{n}_{'DIR' if n == 'RUNTIME' else 'HOME'}": folder / n for n in names}
        for home in homes.values():
            home.mkdir(mode=0o700)
        (folder / "STATE" / "quicklook").mkdir()
        # otherwise compiling the core, which a first start does, would go on during the walk
        (folder / "STATE" / "quicklook" / "prepared_for.txt").write_text(versions())
        environment = screen.environment | {name: str(home) for name, home in homes.items()}
        environment["MKID_DATA_DIR"] = str(folder / "data")
        with (folder / "stderr.txt").open("wb") as noise:
            self.process = subprocess.Popen(
                [sys.executable, str(DRIVER), "--fresh", *arguments],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=noise,
            )
        self._answers: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._answers.put(line.decode())

    def ask(self, ask: str, **more):
        self.process.stdin.write(json.dumps({"ask": ask} | more).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self._answers.get(timeout=WAIT_S))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdin.close()
        self._reader.join(5)
        self.process.stdout.close()

    # --- eyes ------------------------------------------------------------------------------------

    def state(self):
        return self.ask("state")

    def see(self, what: str, condition):
        """Wait until a person would see it; return the state."""
        end = time.monotonic() + WAIT_S
        while True:
            state = self.state()
            if condition(state):
                return state
            if time.monotonic() > end:
                self.picture("not seen")
                state.pop("array")
                pytest.fail(f"not seen: {what}; {state}")
            time.sleep(0.03)

    def picture(self, name: str) -> None:
        self._n_pictures += 1
        path = self._pictures / f"{self._n_pictures:02} {name}.png"
        assert self.ask("picture", path=str(path))

    # --- hands -----------------------------------------------------------------------------------

    def place(self, of: str, dx: int = 0) -> list[int]:
        end = time.monotonic() + WAIT_S
        while (found := self.ask("place", of=of, dx=dx)) is None:
            assert time.monotonic() < end, f"there is no {of} to be seen"
            time.sleep(0.03)
        return found

    def click(self, of: str, times: int = 1, dx: int = 0) -> None:
        self.screen.click(*self.place(of, dx), times)

    def menu(self, title: str, *entries: str) -> None:
        self.click(f"menu {title}")
        for entry in entries:
            self.click(f"entry {entry}")

    def fill(self, box: str, text: str) -> None:
        """Replace the number in a box, and press Tab."""
        self.click(box, times=2, dx=-20)
        self.screen.key("ctrl+a")
        self.screen.type(text)
        self.screen.key("Tab")


@pytest.fixture
def night(tmp_path):
    """Two photon files of the same array, and the photons of each."""
    rates = 10.0 + 3 * np.arange(SHAPE[0])[:, None] + np.arange(SHAPE[1])
    found = []
    for name, seed in (("first", 1), ("second", 2)):
        folder = tmp_path / "raw" / name
        folder.mkdir(parents=True)
        path, photons = make_observation(folder, rates, seed=seed)
        (tmp_path / "data").mkdir(exist_ok=True)
        found.append((path.rename(tmp_path / "data" / f"{name}.h5"), photons))
    return found


@pytest.fixture
def walk(tmp_path, night):
    screen = xvfb.Screen(2080, 1000)
    try:
        walk = Walk(screen, tmp_path, [str(night[0][0])])
        try:
            yield walk
        finally:
            walk.close()
    finally:
        screen.close()
    noise = (tmp_path / "stderr.txt").read_text()
    assert noise == ""


def count(photons, start_s, stop_s, low_deg=-np.inf, high_deg=np.inf):
    """Counts [x, y] as a person would count them."""
    image = np.zeros(SHAPE, np.int64)
    for pixel, (times, phases) in photons.items():
        seconds, degrees = times / 1e6, np.degrees(phases / 2**15)
        image[pixel] = np.sum(
            (seconds >= start_s) & (seconds < stop_s) & (degrees >= low_deg) & (degrees < high_deg)
        )
    return image


@pytest.mark.timeout(240)
def test_the_guides_quicklook_chapter(walk, night):
    (first, _), (second, photons) = night
    start_from_the_command_line(walk, first)
    size = walk.state()["size"]
    open_with_the_dialog(walk, first, second)
    plot_raw_counts_of_a_window(walk, photons)
    click_a_pixel_and_look_at_its_plots(walk, photons)
    a_plot_in_its_own_window_follows(walk, photons)
    assert walk.state()["size"] == size, "the window has changed its size by itself"
    keys_and_commands(walk)
    leave(walk)


def start_from_the_command_line(walk, first):
    state = walk.see("the file of the command line", lambda s: s["file"] == str(first))
    assert state["title"].startswith("first.h5")
    assert state["heading"] == "Beam Flag Image"
    all_pixels = SHAPE[0] * SHAPE[1]
    walk.see("the legend", lambda s: sum(n for _, n in s["legend"]) == all_pixels)
    walk.see("the focus", lambda s: s["active"])
    walk.screen.move_window(state["id"], 10, 30)
    walk.picture("started with a file")


def open_with_the_dialog(walk, first, second):
    walk.menu("File", "Open")
    walk.place("dialog fileNameEdit")
    walk.click("dialog Cancel")
    walk.see("no dialog", lambda s: not s["windows"])
    assert walk.state()["file"] == str(first)
    assert walk.state()["message"] == ""
    walk.menu("File", "Open")
    walk.place("dialog fileNameEdit")
    walk.picture("the dialog is at MKID_DATA_DIR")
    walk.click("dialog fileNameEdit")
    walk.screen.type(second.name)  # without a folder: the dialog starts at MKID_DATA_DIR
    walk.screen.key("Return")  # a click on Open would first close the list of what fits
    state = walk.see("the chosen file", lambda s: s["file"] == str(second))
    assert state["heading"] == "Beam Flag Image"
    assert not state["counts chosen"]
    walk.picture("opened with the dialog")


def plot_raw_counts_of_a_window(walk, photons):
    walk.fill("controls.times.start", "0.125")
    walk.fill("controls.times.stop", "1.75")
    walk.fill("controls.band.start", "-120.5")
    walk.fill("controls.band.stop", "-30.2")
    state = walk.see("the ranges", lambda s: s["band"] == [-120.5, -30.2])
    assert state["times"] == [0.125, 1.75]
    walk.click("controls.counts", dx=-30)
    state = walk.see("the hint", lambda s: s["hint"] == "Press Plot Image")
    assert state["hint is whole"]
    walk.picture("ranges typed, Raw Counts chosen")
    walk.click("controls.plot")
    state = walk.see("raw counts", lambda s: s["heading"] == "Raw Counts")
    wanted = count(photons, 0.125, 1.75, -120.5, -30.2)
    assert wanted.sum() > 1000
    assert state["array"] == wanted.tolist()
    assert state["hint"] == ""
    walk.picture("raw counts")


def shows(pixel, kinds=PLOTS, where="plots"):
    """Whether these plots are there and show a pixel."""

    def condition(state):
        plots = state[where]
        return kinds <= set(plots) and all(plots[k]["pixel"] == list(pixel) for k in kinds)

    return condition


def click_a_pixel_and_look_at_its_plots(walk, photons):
    walk.click("pixel 7 2")
    state = walk.see("its plots", shows((7, 2)))
    wanted = int(count(photons, 0.125, 1.75, -120.5, -30.2)[7, 2])
    assert state["status"].startswith(f"Active Pixel (7, 2)   |   {wanted} counts in 0.125 to 1.75")
    assert state["plots"]["light_curve"]["counts"] == wanted
    assert state["plots"]["spectrum"]["counts"] == wanted
    assert state["plots"]["histogram"]["times"] == [0.125, 1.75]
    walk.picture("a clicked pixel")
    for entry in ("Light Curve", "Intensity Histogram", "Spectrum"):
        walk.menu("Plot", entry)
    assert shows((7, 2))(walk.state())
    assert walk.state()["own"] == {}
    walk.menu("Plot", "Phase Histogram")
    walk.see("phase histogram in its window", shows((7, 2), {"phase"}, "own"))


def a_plot_in_its_own_window_follows(walk, photons):
    walk.menu("Plot", "In a new window", "Light Curve in a new window")
    state = walk.see("two windows", shows((7, 2), {"phase", "light_curve"}, "own"))
    assert len(state["windows"]) == 2
    for row, window in enumerate(state["windows"].values()):
        walk.screen.move_window(window, 1330, 20 + 490 * row)
    walk.picture("plots in windows of their own")
    walk.click("pixel 3 5")
    state = walk.see("plots of another pixel", shows((3, 5)))
    state = walk.see("and the windows", shows((3, 5), {"phase", "light_curve"}, "own"))
    wanted = int(count(photons, 0.125, 1.75, -120.5, -30.2)[3, 5])
    assert state["own"]["light_curve"]["counts"] == state["plots"]["spectrum"]["counts"] == wanted
    assert all("pixel (3, 5)" in title for title in state["windows"])
    walk.picture("all follow another pixel")


def keys_and_commands(walk):
    walk.screen.key("F1")
    walk.see("the sheet of keys", lambda s: len(s["windows"]) == 3)
    walk.picture("F1")
    walk.screen.key("Escape")
    walk.see("no sheet of keys", lambda s: len(s["windows"]) == 2 and s["active"])
    walk.screen.key("ctrl+shift+p")
    walk.see("the list of commands", lambda s: s["palette"])
    walk.screen.type("night")
    walk.picture("a command is sought")
    walk.screen.key("Return")
    walk.see("everything in red", lambda s: s["theme"] == "night" and not s["palette"])
    walk.picture("night")


def leave(walk):
    walk.menu("File", "Exit")
    assert walk.process.wait(WAIT_S) == 0
