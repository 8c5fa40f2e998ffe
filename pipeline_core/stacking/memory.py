"""How much memory a stack takes: frames that are too many wait on disk, a result that is too large is refused.

A worker of a night may take 2 GB at any length; what is not counted here (the program itself, reading a file) is about
a third of that.
"""

from __future__ import annotations

import math

from pipeline_core.errors import ConfigError

__all__ = ["FRAMES_BYTES", "MEDIAN_BYTES", "check_frame", "check_result"]

FRAMES_BYTES = 400_000_000
"""So much of the frames is kept in memory."""

MEDIAN_BYTES = 150_000_000
"""So much is used for the values of all frames in some pixels."""

_RESULT_BYTES = 1_000_000_000
_FRAME_BYTES = 1_000_000_000
_A_BAND, _A_PIXEL = 24, 60
"""Of a pixel of the stack: value, variance and what writing takes; what is summed up, exposure, number of frames."""
_READING = 12 * 8
"""Of a pixel and band of the frame that is read: its values, and what they are made of."""


def check_result(size: tuple[int, int], upsample: int, n_band: int) -> None:
    """Refuse a stack of `size` pixels of the detector that is too large.

    Raises
    ------
    ConfigError
        With what it needs, what there is, and what to change.
    """
    n_bytes = math.prod(size) * upsample**2 * (n_band * _A_BAND + _A_PIXEL)
    if n_bytes <= _RESULT_BYTES:
        return
    bands = f" in {n_band} bands" if n_band > 1 else ""
    wider = " wider bins of wavelength," if n_band > 1 else ""
    raise ConfigError(
        f"A stack of {size[0]} x {size[1]} pixels, {upsample} times as fine{bands}, would take {n_bytes / 1e9:.1f} GB "
        f"of memory; a stack may take {_RESULT_BYTES / 1e9:.1f} GB. Check the offsets, or choose{wider} a smaller "
        "upsample or padding."
    )


def check_frame(shape: tuple[int, int], n_band: int) -> None:
    """Refuse frames of which not even one fits.

    Raises
    ------
    ConfigError
        With what it needs, what there is, and what to change.
    """
    n_bytes = math.prod(shape) * n_band * _READING
    if n_bytes > _FRAME_BYTES:
        raise ConfigError(
            f"Reading a frame of {shape[0]} x {shape[1]} pixels in {n_band} bands would take {n_bytes / 1e9:.1f} GB of "
            f"memory; a stack may take {_FRAME_BYTES / 1e9:.1f} GB for that. Choose wider bins of wavelength."
        )
