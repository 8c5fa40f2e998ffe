"""Two photon files of one array, wavelength solutions for both, and what tests of overlapping work look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from observations import make_observation
from wavecal_solutions import essentials, save_essentials
from window_rig import all_read

from pipeline_core import ObsFile


def make_two(folder):
    """Return two photon files of the same array, a.h5 and b.h5."""
    found = []
    for name in ("a", "b"):
        inside = folder / name
        inside.mkdir()
        path = make_observation(inside, np.full((6, 4), 200.0), seed=len(found) + 3)[0]
        found.append(path.rename(inside / f"{name}.h5"))
    return found


def make_solutions(path):
    """Return two wavelength solutions, s1.h5 and s2.h5, which fit a photon file."""
    with ObsFile(path) as obs:
        first = essentials(obs.beammap, obs.camera)
        second = essentials(obs.beammap, obs.camera, seed=3, solution_id="other")
    folder = path.parent
    return save_essentials(folder / "s1.h5", first), save_essentials(folder / "s2.h5", second)


def rest(qtbot, window):
    """Wait until nothing runs, is read or opened any more."""
    qtbot.wait(50)
    qtbot.waitUntil(lambda: all_read(window) and not window.jobs.jobs, timeout=120_000)
    qtbot.waitUntil(lambda: all_read(window), timeout=20_000)  # what the end of a job has asked for
    qtbot.wait(30)


def attached_to(path):
    """Name of the wavelength solution of a photon file."""
    with ObsFile(path) as obs:
        return None if obs.wavecal is None else Path(obs.wavecal.source).name


def attach(path, solution):
    with ObsFile(path, mode="write") as obs:
        obs.apply_wavecal(solution)


def search(qtbot, window):
    """Look for bad pixels in the open file; return their window."""
    window.actions_by_name["find_bad"].trigger()
    masks = window.masking.window
    masks.find.click()
    qtbot.waitUntil(lambda: masks.found is not None, timeout=200_000)
    rest(qtbot, window)
    return masks


def marks_of(path):
    """Numbers of pixels of every mask of a photon file."""
    with ObsFile(path) as obs:
        return [len(mask.reasons) for mask in obs.pixel_masks]


def wait_for(event, *, progress):
    while not event.wait(0.005):
        progress(0, 0, "waiting")
