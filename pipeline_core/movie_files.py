"""How a movie is stored: GIF, or MP4 by an encoder of the machine; frames are written one after another.

A frame is an array of colour numbers; all frames have the same colours.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt

from pipeline_core.errors import OutputError

__all__ = ["MOVIE_ENDINGS", "FrameWriter", "movie_encoder", "needed_encoder", "open_movie"]

MOVIE_ENDINGS = (".gif", ".mp4")

_ENCODER = "ffmpeg"
_CODECS = ("libx264", "libopenh264", "mpeg4")
"""The first that the encoder has: what plays everywhere comes first."""
_WAIT_S = 60

Numbers = npt.NDArray[np.uint8]


class FrameWriter(Protocol):
    """Takes frames."""

    def put(self, frame: Numbers) -> None:
        """Write a frame of colour numbers, shape (height, width)."""


def movie_encoder() -> str | None:
    """Return the path of the program that makes MP4; None where there is none."""
    return shutil.which(_ENCODER)


def needed_encoder() -> str:
    """Return the path of the program that makes MP4.

    Raises
    ------
    OutputError
        There is none.
    """
    program = movie_encoder()
    if program is None:
        raise OutputError(
            f"MP4 needs the program {_ENCODER}, which is not installed or not on the PATH. Install it (such as apt "
            f"install {_ENCODER}), or write a .gif."
        )
    return program


@contextmanager
def open_movie(
    part: Path, ending: str, size: tuple[int, int], colours: Numbers, fps: float
) -> Iterator[FrameWriter]:
    """Give a writer of frames.

    Parameters
    ----------
    part : path
        The file to write, which need not have the ending.
    ending : {'.gif', '.mp4'}
    size : (width, height)
        Even numbers, as MP4 wants them.
    colours : ndarray of uint8, shape (256, 3)
    fps : float
        Frames a second; GIF knows hundredths of a second only.

    Raises
    ------
    OutputError
        There is no encoder, or it failed.
    """
    maker = _gif if ending == ".gif" else _mp4
    with maker(part, size, colours, fps) as writer:
        yield writer


# --- GIF -----------------------------------------------------------------------------------------


class _GifWriter:
    def __init__(self, stream: IO[bytes], colours: Numbers, fps: float) -> None:
        self._stream = stream
        self._colours = colours.tobytes()
        self._milliseconds = 10 * max(round(100 / fps), 1)

    def put(self, frame: Numbers) -> None:
        """See `FrameWriter`."""
        # here: Pillow takes its time, and most of the core needs none of it
        from PIL import GifImagePlugin, Image

        picture = Image.fromarray(frame)
        picture.putpalette(self._colours)
        for block in GifImagePlugin.getdata(picture, duration=self._milliseconds):
            self._stream.write(block)


@contextmanager
def _gif(part: Path, size: tuple[int, int], colours: Numbers, fps: float) -> Iterator[_GifWriter]:
    """Write GIF89a. Pillow compresses the frames; its own way to save several keeps all of them in memory."""
    with part.open("wb") as stream:
        # signature, size, a colour table of 2^8 for all frames, no background
        stream.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0b11110111, 0, 0))
        stream.write(colours.tobytes())
        # repeats for ever (the application extension of Netscape 2.0)
        stream.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
        yield _GifWriter(stream, colours, fps)
        stream.write(b"\x3b")


# --- MP4 -----------------------------------------------------------------------------------------


class _Mp4Writer:
    def __init__(self, stream: IO[bytes], colours: Numbers) -> None:
        self._stream = stream
        self._colours = colours

    def put(self, frame: Numbers) -> None:
        """See `FrameWriter`."""
        self._stream.write(self._colours[frame].tobytes())


@contextmanager
def _mp4(part: Path, size: tuple[int, int], colours: Numbers, fps: float) -> Iterator[_Mp4Writer]:
    """Pipe frames into the encoder."""
    program = needed_encoder()
    command = [
        *(program, "-hide_banner", "-loglevel", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", f"{fps:g}"),
        *("-i", "-", "-an", "-c:v", _codec(program), "-pix_fmt", "yuv420p"),
        *("-movflags", "+faststart", "-f", "mp4", str(part.absolute())),
    ]
    with tempfile.TemporaryFile() as said:
        encoder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        )
        assert encoder.stdin is not None
        try:
            yield _Mp4Writer(encoder.stdin, colours)
            encoder.stdin.close()
            encoder.wait(_WAIT_S)
        except (BrokenPipeError, subprocess.TimeoutExpired) as error:
            _end(encoder)
            raise OutputError(_why(program, said)) from error
        except BaseException:
            _end(encoder)
            raise
        if encoder.returncode:
            raise OutputError(_why(program, said))


def _codec(program: str) -> str:
    """Return the codec to use, of those that an encoder has."""
    try:
        listed = subprocess.run(
            [program, "-hide_banner", "-encoders"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_WAIT_S,
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutputError(f"{program} does not run: {error}. Write a .gif instead.") from error
    known = [name for name in _CODECS if name in listed]
    if not known:
        raise OutputError(
            f"{program} has none of the codecs {', '.join(_CODECS)}. Install a complete one, or write a .gif."
        )
    return known[0]


def _end(encoder: subprocess.Popen[bytes]) -> None:
    encoder.kill()
    encoder.wait()
    with suppress(OSError):
        if encoder.stdin is not None:
            encoder.stdin.close()


def _why(program: str, said: IO[bytes]) -> str:
    said.seek(0)
    last = said.read().decode("utf-8", "replace").strip().splitlines()[-1:]
    return f"{program} failed: {last[0] if last else 'it said nothing'}. Write a .gif instead."
