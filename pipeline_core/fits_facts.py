"""What a product says of itself, before it is a FITS header, lines of a CSV file or JSON."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["Columns", "Facts"]

Facts = Mapping[str, tuple[object, str]]
"""FITS keyword -> (value, comment); None is a value that is not set."""

Columns = Mapping[str, tuple[str, npt.NDArray[np.generic]]]
"""Name -> (unit, values)."""
