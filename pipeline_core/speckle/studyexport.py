"""Writes the study of one pixel: its histogram with what the models let expect, and what was fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.obsfile import ObsFile
from pipeline_core.products import Table, save_table
from pipeline_core.progress import Progress, silent
from pipeline_core.provenance import facts_of, pixel_columns, pixel_facts, sources_of
from pipeline_core.speckle.pixelfit import NAMES
from pipeline_core.speckle.study import PixelStudy

__all__ = ["export_study"]


def export_study(
    path: Path,
    obs: ObsFile,
    study: PixelStudy,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> None:
    """Write a study.

    Parameters
    ----------
    path : path
        ``.fits``, ``.csv`` or ``.npz``: a table with a line for 0, 1, 2, ... counts.
    obs : ObsFile
        What was studied.
    study : PixelStudy
    overwrite : bool
        Whether an existing file may be replaced. Files of data never are.
    progress : Progress
        May cancel.

    Raises
    ------
    ConfigError
        Unknown ending.
    OutputError
        Cannot be written, exists already, or holds data.
    """
    columns: dict[str, tuple[str, npt.NDArray[np.generic]]] = {
        "counts": ("count", np.arange(study.occurrences.size)),
        "occurrences": ("", study.occurrences),
    }
    columns |= {name: ("", values) for name, values in study.expected.items()}
    columns["residual"] = ("", study.residuals)
    settings = study.settings
    band = settings.min_wavelength, settings.max_wavelength
    facts = {
        **facts_of(obs, settings.start, settings.stop, band, settings.as_dict()),
        **pixel_facts(obs, [study.pixel], ""),
        "BINWIDTH": (settings.bin_s, "[s]"),
        "NBINS": (study.n_bins, "bins that were used"),
        "STATUS": (study.status.name.lower(), "how the fit ended"),
        **_fitted(study),
        "FANO": (study.fano, "variance over mean of the counts"),
        "TAU": (study.tau_s, "[s] decorrelation time that was used"),
        "TAUOWN": (study.decorrelation.tau_s, "[s] that of this pixel's light curve"),
        "BINADV": (study.advised_bin_s, "[s] advised width of bins"),
        "DEADTIME": (study.dead_time_us, "[us] of a photon, corrected for"),
    }
    table = Table("SPECKLES", columns, facts, pixel_columns(obs, [study.pixel]))
    save_table(path, table, overwrite=overwrite, sources=sources_of(obs), progress=progress)


def _fitted(study: PixelStudy) -> dict[str, tuple[object, str]]:
    """Return the intensities of every method, counts/s."""
    facts: dict[str, tuple[object, str]] = {}
    fit = study.fit
    if fit is None:
        return facts
    for k, name in enumerate(NAMES[: study.settings.n_parameters]):
        key = name.upper()
        facts[key] = (float(fit.values[k]), "[count/s] estimate")
        facts[f"{key}ERR"] = (float(fit.block_errors[k]), "[count/s] sigma, from blocks")
        facts[f"{key}CURV"] = (float(fit.hessian_errors[k]), "[count/s] sigma, from the curvature")
        low, high = (float(one) for one in study.bootstrap_interval[k])
        facts[f"{key}LOW"] = (low, "[count/s] lower end of 68 % of the bootstrap")
        facts[f"{key}HIGH"] = (high, "[count/s] its upper end")
        if study.bin_free is not None:
            facts[f"{key}FREE"] = (float(study.bin_free.values[k]), "[count/s] without bins")
    for name, value in zip(("IC", "IS"), study.moments, strict=True):
        facts[f"{name}MOM"] = (float(value), "[count/s] from moments")
    facts["PVALUE"] = (fit.p_value, "of the fit")
    return facts
