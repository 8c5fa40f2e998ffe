"""The guide's ``FlatCal`` (2018), on top of `pipeline_core.flatcal`."""  # noqa: N999 (the guide's name)

from __future__ import annotations

from pathlib import Path

from pipeline_core.errors import ConfigError
from pipeline_core.flatcal.book import write_mask_pages, write_pixel_book, write_slice_pages
from pipeline_core.flatcal.compute import FlatResult, solve
from pipeline_core.flatcal.config import load_config
from pipeline_core.flatcal.outputs import (
    check_outputs,
    page_paths,
    save_result,
    solution_path,
)
from pipeline_core.flatcal.solution import FlatSolution
from pipeline_core.flatcal.spectra import FlatSpectra, Inputs, check_inputs, load_spectra
from pipeline_core.progress import Progress, silent

__all__ = ["FlatCal"]


class FlatCal:
    """A flat field, step by step as the guide has it; steps that were left out are made up for.

    Parameters
    ----------
    config_file : path, optional
        The guide's ``.cfg`` (or YAML); default: the shipped one.
    log : bool
        Accepted for the guide's sake.
    overwrite : bool
        Whether solutions of the same name may be replaced, as the predecessor did.
    progress : Progress
        May cancel.

    Attributes
    ----------
    settings : FlatcalSettings
    spectra : FlatSpectra or None
        After `loadFlatSpectra`.
    result : FlatResult or None
        After `calculateWeights`.

    Raises
    ------
    ConfigError, InputFormatError
        If the configuration, or a file that it names, cannot be used.
    """

    def __init__(
        self,
        config_file: Path | str | None = None,
        log: bool = False,
        overwrite: bool = True,
        progress: Progress = silent,
    ) -> None:
        self.settings = load_config(config_file or None).settings()
        self._overwrite = overwrite
        self._progress = progress
        self._base = check_outputs(self.settings, overwrite=overwrite)
        self._inputs: Inputs = check_inputs(self.settings)
        self._checked = False
        self.spectra: FlatSpectra | None = None
        self.result: FlatResult | None = None

    def loadFlatSpectra(self) -> None:  # noqa: N802 (the guide's name)
        """Count the flat's photons in chunks and bins."""
        self.spectra = load_spectra(self.settings, self._inputs, self._progress)
        # until they are checked, all chunks count
        self.spectra = self.spectra.cut(float("inf"))
        self._checked = False

    def checkCountRates(self) -> None:  # noqa: N802
        """Leave out chunks that are too bright for the readout."""
        self.spectra = self._spectra().cut(self.settings.rate_cutoff_cps)
        self._checked = True

    def calculateWeights(self) -> None:  # noqa: N802
        """Compute the weights and write the solutions."""
        if not self._checked:
            self.checkCountRates()
        self.result = solve(self._spectra(), self.settings, self._inputs, self._progress)
        save_result(self.result, self._base, overwrite=self._overwrite)

    def plotWeightsByPixelWvlCompare(self) -> list[Path]:  # noqa: N802
        """Write ``<base><index>.pdf``: weights per pixel next to the flat's spectrum and the wavelength solution."""
        wavecal = self._result().wavecal
        return [
            write_pixel_book(one, page_paths(path)["pixels"], wavecal, None, self._progress)
            for one, path in self._solutions()
        ]

    def plotWeightsWvlSlices(self) -> list[Path]:  # noqa: N802
        """Write ``<base><index>__wvlSlices.pdf``: maps of the weights, wavelength by wavelength."""
        return [
            write_slice_pages(one, page_paths(path)["slices"], self._progress)
            for one, path in self._solutions()
        ]

    def plotMaskWvlSlices(self) -> list[Path]:  # noqa: N802
        """Write ``<base><index>__mask.pdf``: maps of the pixels without weight, wavelength by wavelength."""
        return [
            write_mask_pages(one, page_paths(path)["mask"], self._progress)
            for one, path in self._solutions()
        ]

    def makeCalibration(self) -> None:  # noqa: N802
        """Do all of it."""
        self.loadFlatSpectra()
        self.checkCountRates()
        self.calculateWeights()
        self.plotWeightsByPixelWvlCompare()
        self.plotWeightsWvlSlices()
        self.plotMaskWvlSlices()

    def _spectra(self) -> FlatSpectra:
        if self.spectra is None:
            self.loadFlatSpectra()
        if self.spectra is None:
            raise ConfigError("FlatCal: there are no spectra.")
        return self.spectra

    def _result(self) -> FlatResult:
        if self.result is None:
            self.calculateWeights()
        if self.result is None:
            raise ConfigError("FlatCal: there are no weights.")
        return self.result

    def _solutions(self) -> list[tuple[FlatSolution, Path]]:
        result = self._result()
        return [(one, solution_path(self._base, one)) for one in (result.combined, *result.chunks)]
