"""Make a simulated observation or night: seconds, boards and files, with progress and cancelling.

Decides and wires; the mathematics is next door (`array`, `sources`, `photons`, `stream`).
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.errors import OutputError
from pipeline_core.progress import Progress, silent
from pipeline_core.simulate.camera import Camera
from pipeline_core.simulate.settings import SimulationSettings
from pipeline_core.simulate.sources import illuminate
from pipeline_core.simulate.truth import save_truth

__all__ = ["SimulatedObservation", "SimulationSummary", "simulate"]

_Plan = list[tuple[str, SimulationSettings]]


@dataclass(frozen=True)
class SimulatedObservation:
    """One observation in the folder: convert it by `start` and `seconds`."""

    kind: str
    name: str
    start: int
    seconds: int
    wavelength_nm: float | None
    truth_path: Path
    n_photons: int


@dataclass(frozen=True)
class SimulationSummary:
    """What was written.

    Attributes
    ----------
    folder : Path
    beammap_path : Path
    observations : tuple of SimulatedObservation
        One, or all of a night.
    bin_paths : tuple of Path
    night_path : Path or None
        ``night.json``: which seconds are what.
    shape : (ncols, nrows)
    """

    folder: Path
    beammap_path: Path
    observations: tuple[SimulatedObservation, ...]
    bin_paths: tuple[Path, ...]
    night_path: Path | None
    shape: tuple[int, int]

    @property
    def truth_path(self) -> Path:
        """Truth of the first observation."""
        return self.observations[0].truth_path

    @property
    def start(self) -> int:
        """Unix second at which the first observation starts."""
        return self.observations[0].start

    @property
    def seconds(self) -> int:
        """Length of all observations together."""
        return sum(o.seconds for o in self.observations)

    @property
    def n_photons(self) -> int:
        """Photons inside the array in all files."""
        return sum(o.n_photons for o in self.observations)


def simulate(
    settings: SimulationSettings, out_dir: Path | str, progress: Progress = silent
) -> SimulationSummary:
    """Write an observation as the readout would: ``.bin`` files, a beam map, and the truth beside them.

    Parameters
    ----------
    settings : SimulationSettings
    out_dir : path
        Made if missing. May hold observations of other seconds that were made with the same array.
    progress : Progress
        Told of pixels times seconds; may raise `OperationCancelled`, which leaves no file behind.

    Raises
    ------
    ConfigError
        If settings contradict each other.
    OutputError
        If the folder cannot be written or already holds files of these seconds.
    """
    folder = Path(out_dir)
    plan = _plan(settings)
    camera = Camera(settings, folder)
    files = _Files(folder)
    files.claim_seconds(settings, plan)
    try:
        files.write_beammap(camera)
        observations = _observe_all(camera, files, plan, progress)
        camera.writer.write_before(None)
        night_path = files.write_night(observations) if settings.kind == "night" else None
    except BaseException:
        # whoever finds files must be able to trust that truth and map belong to them
        camera.writer.remove_all()
        files.remove_all()
        raise
    paths = tuple(camera.writer.paths)
    return SimulationSummary(
        folder, files.beammap_path, tuple(observations), paths, night_path, settings.shape
    )


def _plan(settings: SimulationSettings) -> _Plan:
    """Return the observations by name, one after the other without pause."""
    if settings.kind != "night":
        return [(settings.kind, settings)]
    parts: list[tuple[str, dict[str, object]]] = [
        (f"laser_{nm:g}", {"kind": "laser", "wavelength_nm": nm}) for nm in settings.lasers_nm
    ]
    # lasers and lamp come without the sky's background: so does the dark that belongs to them
    closed = dataclasses.replace(settings.light, background_cps=0.0)
    parts += [("dark", {"kind": "dark", "light": closed}), ("flat", {"kind": "flat"})]
    parts += [("sky", {"kind": "sky"})]
    plan = []
    start = settings.start
    for name, changes in parts:
        if name == "sky" and settings.sky_seconds:
            changes["seconds"] = settings.sky_seconds
        part = dataclasses.replace(settings, start=start, **changes)  # type: ignore[arg-type]
        plan.append((name, part))
        start += part.seconds
    return plan


def _observe_all(
    camera: Camera, files: _Files, plan: _Plan, progress: Progress
) -> list[SimulatedObservation]:
    n_pixels = camera.array.code.size
    total = n_pixels * sum(part.seconds for _, part in plan)
    done = 0
    observations = []
    for name, part in plan:

        def report(pixels: int, before: int = done, stage: str = f"simulating {name}") -> None:
            progress(before + pixels, total, stage)

        light = illuminate(part)
        tally = camera.observe(light, part.start, part.seconds, report)
        path = files.claim(f"truth_{part.start}.npz")
        save_truth(path, part, camera.array, light, tally, camera.board_delay_us)
        wavelength = part.wavelength_nm if part.kind == "laser" else None
        n_photons = int(tally.counts.sum())
        observations.append(
            SimulatedObservation(
                part.kind, name, part.start, part.seconds, wavelength, path, n_photons
            )
        )
        done += n_pixels * part.seconds
    progress(total, total, "simulated")
    return observations


class _Files:
    """What stands in the folder beside the ``.bin`` files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.beammap_path = folder / "beammap.bmap"
        self._created: list[Path] = []

    def claim_seconds(self, settings: SimulationSettings, plan: _Plan) -> None:
        """Make the folder; refuse to mix with raw files that are there already."""
        readout = settings.readout
        late = math.ceil(
            abs(readout.clock_offset_s) + readout.packet_delay_s + readout.packet_jitter_s
        )
        stop = plan[-1][1].start + plan[-1][1].seconds
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        for second in range(settings.start - late, stop + late + 1):
            if (self._folder / f"{second}.bin").exists():
                raise OutputError(
                    f"Folder {self._folder} already holds {second}.bin. Choose another folder or start, or "
                    "remove the file."
                )

    def claim(self, name: str) -> Path:
        """Return a path that `remove_all` will delete."""
        path = self._folder / name
        self._created.append(path)
        return path

    def write_beammap(self, camera: Camera) -> None:
        """Write the map; one that is there already must say the same."""
        aside = self._folder / "beammap.bmap.part"
        try:
            camera.array.beammap().write(aside)
            if not self.beammap_path.exists():
                aside.replace(self.claim(self.beammap_path.name))
                return
            same = aside.read_bytes() == self.beammap_path.read_bytes()
            aside.unlink()
        except OSError as error:
            raise self._unwritable(error) from error
        if not same:
            raise OutputError(
                f"Folder {self._folder} holds the beam map of another array. Choose another folder, or the same "
                "seed, shape and array."
            )

    def write_night(self, observations: list[SimulatedObservation]) -> Path:
        """Write which seconds are what."""
        rows = [
            {
                "name": o.name,
                "kind": o.kind,
                "start": o.start,
                "seconds": o.seconds,
                "wavelength_nm": o.wavelength_nm,
                "truth": o.truth_path.name,
                "photons": o.n_photons,
            }
            for o in observations
        ]
        document = {"beammap": self.beammap_path.name, "observations": rows}
        path = self.claim("night.json")
        aside = path.with_suffix(".json.part")
        try:
            aside.write_text(json.dumps(document, indent=2) + "\n")
            aside.replace(path)
        except OSError as error:
            raise self._unwritable(error) from error
        return path

    def remove_all(self) -> None:
        """Delete what this run has written."""
        for path in self._created:
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".part").unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(
            f"Folder {self._folder} cannot be written: {error.strerror}. Choose another folder."
        )
