"""Resonance frequencies of pixels, from a file of a frequency sweep: for the plot of R against frequency."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import InputFormatError

__all__ = ["read_frequencies"]

_COLUMNS = {3: 1, 9: 4}
"""Which column of a table with so many holds the frequency; the first one holds the resID."""
_MHZ_ABOVE = 1e6  # larger numbers are Hz


def read_frequencies(path: Path | str, res_id: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Return the resonance frequency of every pixel.

    Parameters
    ----------
    path : Path or str
        Text: resID, frequency, attenuation; or the nine columns of sweep metadata. Hz or MHz. ``#`` starts a comment.
    res_id : ndarray of uint32, shape (ncols, nrows)

    Returns
    -------
    ndarray of float64, shape (ncols, nrows)
        MHz; NaN where the file does not know the pixel.

    Raises
    ------
    InputFormatError
        If the file cannot be read or has another form.
    """
    path = Path(path).expanduser()
    try:
        lines = [
            line.split("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines()
        ]
        table = np.array([line for line in lines if line], float)
        column = _COLUMNS[table.shape[1]]
    except (OSError, UnicodeDecodeError) as error:
        raise InputFormatError(f"Frequencies {path} cannot be read: {error}.") from error
    except (ValueError, IndexError, KeyError) as error:
        raise InputFormatError(
            f"Frequencies {path}: needed are lines of 3 numbers (resID, frequency, attenuation) or the 9 of a sweep."
        ) from error
    frequency = np.where(table[:, column] > 0, table[:, column], np.nan)
    frequency = np.where(frequency > _MHZ_ABOVE, frequency / 1e6, frequency)
    known, first = np.unique(table[:, 0].astype(np.int64), return_index=True)
    place = np.minimum(np.searchsorted(known, res_id.astype(np.int64)), known.size - 1)
    return np.where(known[place] == res_id, frequency[first[place]], np.nan)
