"""One map of an array, of numbers or of categories: what solutions give to whoever draws them. Arrays are [x, y]."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["ArrayMap", "categories_map"]

_MOST_CATEGORIES = 15


@dataclass(frozen=True, eq=False)
class ArrayMap:
    """One map of the array.

    Attributes
    ----------
    name, label, unit : str
    values : ndarray of float64, shape (ncols, nrows)
        NaN where there is none. Of a map of categories: their numbers.
    categories : tuple of (str, int)
        Names and numbers of pixels of the categories; empty for a map of numbers.
    """

    name: str
    label: str
    unit: str
    values: npt.NDArray[np.float64]
    categories: tuple[tuple[str, int], ...] = ()


def categories_map(name: str, label: str, words: Sequence[str], shape: tuple[int, int]) -> ArrayMap:
    """Return a map of categories; `words` are those of all pixels, flattened.

    Categories are numbered by how frequent they are; rare ones share the last number.
    """
    common = Counter(words).most_common()
    if len(common) > _MOST_CATEGORIES:
        rest = sum(n for _, n in common[_MOST_CATEGORIES - 1 :])
        common = [*common[: _MOST_CATEGORIES - 1], ("others", rest)]
    number = {word: k for k, (word, _) in enumerate(common)}
    values = np.array([number.get(word, len(common) - 1) for word in words], float)
    return ArrayMap(name, label, "", values.reshape(shape), tuple(common))
