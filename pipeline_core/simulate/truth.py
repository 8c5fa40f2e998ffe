"""What a perfect observer knows of a simulated observation: counted while it is made, kept as plain ``.npz``.

`run` fills a `Tally` second by second; `save_truth` and `load_truth` are the file. Arrays are [x, y].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import InputFormatError, OutputError
from pipeline_core.simulate.array import ArrayTruth
from pipeline_core.simulate.settings import SimulationSettings
from pipeline_core.simulate.sources import CAUSES, Illumination

__all__ = ["Tally", "load_truth", "save_truth"]

_MAX_CUBE = 20_000_000
"""Counts per second are kept pixel by pixel up to so many numbers, else as sums over the array."""

IntArray = npt.NDArray[np.int64]


@dataclass
class Tally:
    """Counts of one observation.

    Attributes
    ----------
    shape : (ncols, nrows)
    boards : ndarray of uint8
        Their numbers.
    emitted, recorded : ndarray of int64, shape (causes, ncols, nrows)
        Pulses in the detector by cause; those that became photon words (past trigger, dead time and cap).
    counts : ndarray of int64, shape (ncols, nrows)
        Photon words inside the array in the files: what a perfect converter finds.
    per_second : list of ndarray of uint32, shape (ncols, nrows)
        The same, second by second.
    rates : dict of ndarray of float64, shape (ncols, nrows)
        Mean rates in cps before trigger and dead time: steady light by cause, and the fluctuating light's Ic, Is.
    packets, lost_packets : ndarray of int64, one a board
        Sent; and those of them that never arrived.
    outside, fakes : int
        Words in the files with coordinates outside the array, and end-of-frame markers.
    """

    shape: tuple[int, int]
    boards: npt.NDArray[np.uint8]
    emitted: IntArray = field(init=False)
    recorded: IntArray = field(init=False)
    counts: IntArray = field(init=False)
    per_second: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    packets: IntArray = field(init=False)
    lost_packets: IntArray = field(init=False)
    rates: dict[str, npt.NDArray[np.float64]] = field(init=False)
    outside: int = 0
    fakes: int = 0

    def __post_init__(self) -> None:
        self.emitted = np.zeros((len(CAUSES), *self.shape), np.int64)
        self.recorded = np.zeros_like(self.emitted)
        self.counts = np.zeros(self.shape, np.int64)
        self.packets = np.zeros(self.boards.size, np.int64)
        self.lost_packets = np.zeros(self.boards.size, np.int64)
        self.rates = {name: np.zeros(self.shape) for name in (*CAUSES, "ic", "is")}
        self._cube_left = _MAX_CUBE

    def set_rates(self, pixels: npt.NDArray[np.void]) -> None:
        """Take the rates of some pixels from their table (`pipeline_core.simulate.photons.PIXEL_DTYPE`)."""
        cells = pixels["x"], pixels["y"]
        for cause in CAUSES:
            self.rates[cause][cells] = pixels[cause]
        self.rates["ic"][cells] = pixels["root_ic"] ** 2
        self.rates["is"][cells] = 2 * pixels["root_half_is"] ** 2

    def end_second(self, counts: IntArray) -> None:
        """Take the counts [x, y] of a finished second."""
        self.counts += counts
        self._cube_left -= counts.size
        self.per_second.append(counts.astype(np.uint32))
        if self._cube_left < 0:
            # a long run: no longer pixel by pixel, for any second
            self.per_second = [np.array(c.sum(), np.uint32) for c in self.per_second]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything by the name it has in the truth file."""
        by_cause = {
            f"{name}_{cause}": array[k]
            for name, array in (("emitted", self.emitted), ("recorded", self.recorded))
            for k, cause in enumerate(CAUSES)
        }
        return {
            **by_cause,
            **{f"rate_{name}": rate for name, rate in self.rates.items()},
            "counts": self.counts,
            "counts_before_loss": self.recorded.sum(0),
            "counts_per_second": np.stack(self.per_second),
            "boards": self.boards,
            "packets": self.packets,
            "lost_packets": self.lost_packets,
            "outside_words": np.array(self.outside),
            "fake_markers": np.array(self.fakes),
        }


def save_truth(
    path: Path,
    settings: SimulationSettings,
    array: ArrayTruth,
    light: Illumination,
    tally: Tally,
    board_delay_us: IntArray,
) -> None:
    """Write everything that is known of an observation.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    values: dict[str, Any] = {
        "kind": np.array(settings.kind),
        "start": np.array(settings.start),
        "seconds": np.array(settings.seconds),
        "year_start": np.array(settings.year_start),
        "wavelength_nm": np.array(settings.wavelength_nm if settings.kind == "laser" else np.nan),
        "settings": np.array(settings.to_json()),
        "response": np.array(array.response),
        "tau_s": np.array(light.tau_s),
        "spectra_ev": light.energies,
        "board_delay_us": board_delay_us,
        **array.arrays(),
        **light.arrays(),
        **tally.arrays(),
    }
    aside = path.with_name(path.name + ".part")
    try:
        with aside.open("wb") as file:
            np.savez_compressed(file, **values)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise OutputError(
            f"Truth {path} cannot be written: {error.strerror or error}. Choose another folder or free some space."
        ) from error


def load_truth(path: Path | str) -> dict[str, npt.NDArray[Any]]:
    """Read a truth file: arrays by name (scalars as arrays without dimension, ``settings`` as JSON).

    Raises
    ------
    InputFormatError
        If the file is missing or not a truth file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise InputFormatError(
            f"Truth {path} cannot be read: {error}. It should be a .npz written by the simulator."
        ) from error
    if "counts_before_loss" not in values:
        raise InputFormatError(
            f"File {path} is not a truth written by the simulator. Choose another file."
        )
    return values
