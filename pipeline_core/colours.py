"""Colour tables for pictures: those that colour-blind people can read first, the others on request.

Tables are straight lines between a few equally distant colours, which differ from the published tables by less than
can be seen. Sources: cividis (Nunez, Anderton & Renslow 2018, PLoS ONE 13, e0199239); viridis, inferno, magma and
plasma (van der Walt & Smith 2015, matplotlib, CC0); turbo (Mikhailov 2019, Google, Apache 2.0); b (SAOimage).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core.display import FLAGGED_INDEX, N_COLOURS, NAN_INDEX, SATURATED_INDEX
from pipeline_core.errors import ConfigError

__all__ = ["COLOUR_MAPS", "DEFAULT_MAP", "ColourMap", "colour_table", "picture_table"]

DEFAULT_MAP = "cividis"


class ColourMap(NamedTuple):
    """One row of the table of maps.

    `safe`: brightness alone orders the colours, for every kind of colour vision; `sentence` says what it is good or
    bad for; `anchors` are equally distant colours, lowest first, 'rrggbb' separated by blanks.
    """

    name: str
    safe: bool
    sentence: str
    anchors: str


_TABLE = (
    ColourMap(
        "cividis",
        True,
        "Reads the same for all kinds of colour vision; even steps. The default.",
        "00204d 002b69 023570 2a406c 3c4a6b 4d556c 5b606e 696b71 767676 838179 928d78 a19977 b1a573 c1b26e "
        "d1bf66 e2cd5d f4db4f ffea46",
    ),
    ColourMap(
        "viridis",
        True,
        "Even steps, more colour than cividis.",
        "440154 48176a 482a7a 433d85 3d4e8a 355e8d 2e6d8e 297b8e 23898e 1e978b 20a586 2db37d 46c070 64cb5e "
        "88d548 b0dd2f d8e217 fde725",
    ),
    ColourMap(
        "grey",
        True,
        "Black to white, as in print.",
        "000000 ffffff",
    ),
    ColourMap(
        "night",
        True,
        "Black to red: keeps the eyes adapted to the dark.",
        "000000 ff5a3c",
    ),
    ColourMap(
        "inferno",
        True,
        "From black: faint things on a dark sky.",
        "000004 090721 1d0d46 380964 510d6d 69166e 801f6c 982766 b0315c c63d4d d94d3d e9612b f47918 fb9404 "
        "fcb012 f9cd36 f0eb68 fcffa4",
    ),
    ColourMap(
        "magma",
        True,
        "From black, softer than inferno.",
        "000004 080720 1a1141 311166 4b0f7b 621980 792282 912b81 aa327d c23b76 da466b ed585f f8725b fd8e63 "
        "feaa74 fec68a fde2a3 fcfdbf",
    ),
    ColourMap(
        "plasma",
        True,
        "Bright throughout, even steps.",
        "0d0887 210690 2f0596 3d049b 4903a0 5502a4 6100a7 6d00a8 7801a8 8405a7 8e0ca4 9814a0 a21d9a ac2594 "
        "b42e8d bc3686 c43e7f cb4778 d24f71 d8586b de6164 e4695e e97257 ee7c51 f3854b f78f44 f99a3e fca437 "
        "fdaf31 feba2b fdc627 fcd224 f8df24 f4ec28 f0f921",
    ),
    ColourMap(
        "hot",
        True,
        "Black, red, yellow, white.",
        "000000 ff0000 ffff00 ffffff",
    ),
    ColourMap(
        "b",
        False,
        "SAOimage's and DS9's b: black, blue, red, yellow, white. Blue and red are about equally bright.",
        "000000 0000ff ff0000 ffff00 ffffff",
    ),
    ColourMap(
        "turbo",
        False,
        "Rainbow: shows much detail but suggests edges; red and green are hard to tell apart for some.",
        "30123b 403e9f 4766e0 468cff 30b2f6 17d4cf 1fecaa 51fb7a 8dff49 b7f833 dce336 f6c53b ffa231 f9751c "
        "e94b0c cf2d04 aa1501 7a0403",
    ),
)

COLOUR_MAPS: dict[str, ColourMap] = {row.name: row for row in _TABLE}


def colour_table(
    name: str = DEFAULT_MAP, *, inverted: bool = False, n: int = 256
) -> npt.NDArray[np.uint8]:
    """Return a map as red, green, blue.

    Parameters
    ----------
    name : str
        A key of `COLOUR_MAPS`.
    inverted : bool
        Highest first.
    n : int
        Number of colours, at least 2.

    Returns
    -------
    ndarray of uint8, shape (n, 3)

    Raises
    ------
    ConfigError
        If there is no such map.
    """
    if name not in COLOUR_MAPS:
        raise ConfigError(f"Unknown colour map {name!r}: choose one of {', '.join(COLOUR_MAPS)}.")
    anchors = np.array([_rgb(colour) for colour in COLOUR_MAPS[name].anchors.split()], float)
    places = np.linspace(0, len(anchors) - 1, n)
    channels = [np.interp(places, np.arange(len(anchors)), channel) for channel in anchors.T]
    table = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return table[::-1].copy() if inverted else table


def picture_table(
    name: str = DEFAULT_MAP,
    *,
    inverted: bool = False,
    missing: str = "#808080",
    flagged: str = "#b03060",
    saturated: str = "#ff2020",
) -> npt.NDArray[np.uint8]:
    """Return the colours that belong to the numbers of `display.indices`.

    Parameters
    ----------
    name, inverted
        As in `colour_table`.
    missing, flagged, saturated : str
        '#rrggbb' of pixels without a value, flagged ones, and those at or above saturation.

    Returns
    -------
    ndarray of uint8, shape (256, 3)
        `N_COLOURS` of the map, then the three others at their numbers; the last is not used and black.

    Raises
    ------
    ConfigError
        If there is no such map, or a colour is not '#rrggbb'.
    """
    table = np.zeros((256, 3), np.uint8)
    table[:N_COLOURS] = colour_table(name, inverted=inverted, n=N_COLOURS)
    for number, colour in (
        (NAN_INDEX, missing),
        (FLAGGED_INDEX, flagged),
        (SATURATED_INDEX, saturated),
    ):
        table[number] = _rgb(colour.removeprefix("#"))
    return table


def _rgb(colour: str) -> tuple[int, int, int]:
    try:
        red, green, blue = bytes.fromhex(colour)
    except ValueError:
        raise ConfigError(f"A colour is written as #rrggbb, not {colour!r}.") from None
    return red, green, blue
