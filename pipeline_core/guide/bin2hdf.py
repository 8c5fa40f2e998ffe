"""The guide's ``makehdf`` and ``Bin2HdfConfig`` (2018), on top of `pipeline_core.convert`."""

from __future__ import annotations

import datetime
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.convert import ConversionSummary, ConvertSettings, convert
from pipeline_core.errors import ConfigError
from pipeline_core.progress import Progress, silent

__all__ = ["Bin2HdfConfig", "makehdf"]

logger = logging.getLogger(__name__)


@dataclass
class Bin2HdfConfig:
    """What to convert, in the guide's words.

    Attributes
    ----------
    datadir : str
        Folder of .bin files, or one whose night folders YYYYMMDD hold them.
    beamfile : str
        Beam map.
    starttime : int
        First second, unix.
    inttime : float
        Seconds; rounded up.
    outdir : str
        Folder for ``<starttime>.h5``.
    x, y : int
        Columns and rows of the array.
    writeto : str, optional
        The whole output path instead.
    """

    datadir: str = "./"
    beamfile: str = "./default.bmap"
    starttime: int | None = None
    inttime: float | None = None
    outdir: str = "./"
    x: int = 140
    y: int = 146
    writeto: str | None = None

    @property
    def h5file(self) -> str:
        """Path of the photon file."""
        return self.writeto or str(Path(self.outdir) / f"{self.starttime}.h5")

    def settings(self) -> ConvertSettings:
        """Return the same in today's words.

        Raises
        ------
        ConfigError
            If starttime or inttime is missing or impossible.
        """
        if self.starttime is None or self.inttime is None:
            raise ConfigError("Bin2HdfConfig needs starttime (unix second) and inttime (seconds).")
        start = math.floor(self.starttime)
        return ConvertSettings(
            bin_dir=_night_folder(Path(self.datadir), start),
            start=start,
            duration=math.ceil(self.inttime),
            beammap=Path(self.beamfile),
            out=Path(self.h5file),
            shape=(self.x, self.y),
        )


def _night_folder(root: Path, start: int) -> Path:
    """Return the folder that holds the second `start`: `root`, or its folder of the night (UTC).

    Where both hold it, `root` is taken: what is asked for by name goes first. Where none does, the message of the
    conversion tells what there is.
    """
    moment = datetime.datetime.fromtimestamp(start, datetime.timezone.utc)
    # a night may have begun on the day before
    days = (moment, moment - datetime.timedelta(days=1))
    nights = [root / day.strftime("%Y%m%d") for day in days]
    holding = [folder for folder in (root, *nights) if (folder / f"{start}.bin").exists()]
    if len(holding) > 1:
        logger.warning(
            "second %d is in %s: that of %s is used", start, " and ".join(map(str, holding)), root
        )
    if holding:
        return holding[0]
    if any(root.glob("*.bin")) or not nights[0].is_dir():
        return root
    return nights[0]


def makehdf(
    cfgORcfgs: Bin2HdfConfig | Sequence[Bin2HdfConfig],  # noqa: N803 (the guide's name)
    maxprocs: int = 2,
    polltime: float = 0.1,
    executable_path: str = "",
    progress: Progress = silent,
) -> list[ConversionSummary]:
    """Convert one configuration or several, one after the other.

    Parameters
    ----------
    cfgORcfgs : Bin2HdfConfig or sequence of them
    maxprocs, polltime, executable_path
        Accepted for the guide's sake; one conversion already uses the whole machine, and there is no
        executable to poll.
    progress : Progress

    Returns
    -------
    list of ConversionSummary

    Raises
    ------
    ConfigError, InputFormatError, OutputError
        As `pipeline_core.convert.convert`. All configurations are checked before the first runs.
    """
    configs = [cfgORcfgs] if isinstance(cfgORcfgs, Bin2HdfConfig) else list(cfgORcfgs)
    return [convert(settings, progress) for settings in [config.settings() for config in configs]]
