"""Writes one speckle map, with its error and the status of the pixels: what an image on the screen is exported as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.obsfile import ObsFile
from pipeline_core.products import Images, save_images
from pipeline_core.progress import Progress, silent
from pipeline_core.provenance import sources_of
from pipeline_core.speckle.files import facts_of_maps
from pipeline_core.speckle.result import QUANTITIES, SpeckleMaps

__all__ = ["export_map"]


def export_map(
    path: Path,
    obs: ObsFile,
    maps: SpeckleMaps,
    name: str,
    step: int = 0,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> None:
    """Write one map of one step of time.

    Parameters
    ----------
    path : path
        ``.fits`` (the first axis, NAXIS1, is x), ``.csv`` (one line a pixel) or ``.npz`` (arrays [x, y]).
    obs : ObsFile
        What the maps were made of.
    maps : SpeckleMaps
    name : str
        A key of `QUANTITIES`.
    step : int
    overwrite : bool
        Whether an existing file may be replaced. Files of data never are.
    progress : Progress
        May cancel.

    Raises
    ------
    ConfigError
        Unknown ending, map or step.
    OutputError
        Cannot be written, exists already, or holds data.
    """
    images: dict[str, tuple[str, npt.NDArray[np.generic]]] = {
        name: (QUANTITIES[name].unit, maps.image(name, step))
    }
    if f"{name}_error" in maps.maps:
        images[f"{name}_error"] = (QUANTITIES[name].unit, maps.image(f"{name}_error", step))
    images["status"] = ("", maps.image("status", step).astype(np.uint8))
    facts = {
        **maps.facts,
        **facts_of_maps(maps),
        "QUANTITY": (QUANTITIES[name].title, QUANTITIES[name].sentence),
        "STEPFROM": (float(maps.edges_s[step]), "[s] start of the step of time"),
        "STEPTO": (float(maps.edges_s[step + 1]), "[s] its end"),
    }
    product = Images(images, facts)
    save_images(path, product, overwrite=overwrite, sources=sources_of(obs), progress=progress)
