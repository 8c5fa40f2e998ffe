"""Pictures in a FITS file, found by their headers alone, so that one is read without the others.

Written for files that are still growing or were cut off: what is whole is found, and it is said what is not.
"""

from __future__ import annotations

import math
import tempfile
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from pipeline_core.errors import InputFormatError
from pipeline_core.hdf5 import refuse_special
from pipeline_core.progress import Progress, silent

__all__ = [
    "Card",
    "Picture",
    "Scan",
    "cards_of",
    "open_unpacked",
    "read_picture",
    "scan",
    "text_of",
]

_BLOCK = 2880
_CARD = 80
_MOST_HEADER_BLOCKS = 1000
_GZIP_MAGIC = b"\x1f\x8b"
_IN_MEMORY_BYTES = 512 << 20
"""What is unpacked is kept in memory up to here, beyond in a temporary file."""
_MOST_UNPACKED_BYTES = 16 << 30
_CHUNK_BYTES = 1 << 20
_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_LARGEST_SIDE = 1 << 14


class Card(NamedTuple):
    """One line of a header: `value` as text, '' where it has none."""

    key: str
    value: str
    comment: str


@dataclass(frozen=True, eq=False)
class Picture:
    """Where a picture of two axes stands in the file.

    Attributes
    ----------
    header_text : str
        All of its header. Parsed headers of a thousand frames would keep the collector of garbage busy.
    told : dict of str to str
        Values of the keys that were asked for, as text; '' for those that are missing.
    offset : int
        Where its data begin.
    bitpix : int
    shape : (ncols, nrows)
        NAXIS1 and NAXIS2.
    scale, zero : float
        Stored numbers times `scale` plus `zero` are the values.
    blank : int, optional
        Stored number that means that there is no value.
    """

    header_text: str
    told: dict[str, str]
    offset: int
    bitpix: int
    shape: tuple[int, int]
    scale: float
    zero: float
    blank: int | None

    @property
    def header(self) -> fits.Header:
        """The header, parsed anew."""
        return _parsed(self.header_text)

    def text(self, key: str) -> str:
        """Return the value of a key as text; '' where it is missing or cannot be understood."""
        told = self.told.get(key.upper())
        return text_of(self.header, key) if told is None else told

    @property
    def n_bytes(self) -> int:
        """Length of its data."""
        return abs(self.bitpix) // 8 * self.shape[0] * self.shape[1]


@dataclass(frozen=True, eq=False)
class Scan:
    """What a FITS file holds.

    Attributes
    ----------
    primary : fits.Header
    pictures : tuple of Picture
    others : tuple of str
        What else is in it, in words.
    incomplete : str
        How it ends, if not whole; '' if it is.
    """

    primary: fits.Header
    pictures: tuple[Picture, ...]
    others: tuple[str, ...]
    incomplete: str


def open_unpacked(path: Path, progress: Progress = silent) -> tuple[IO[bytes], bool]:
    """Open a file, unpacked if it is gzip (told by its content), and tell whether all of it could be unpacked.

    Parameters
    ----------
    path : path
    progress : Progress
        Told of bytes; may cancel.

    Raises
    ------
    InputFormatError
        Missing, unreadable, damaged from the start, or impossibly large when unpacked.
    """
    refuse_special(path)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputFormatError(
            f"{path} cannot be read: {error.strerror}. Check the path and the permissions."
        ) from error
    try:
        if stream.read(2) != _GZIP_MAGIC:
            stream.seek(0)
            return stream, True
        stream.seek(0)
        unpacked: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115
        try:
            whole = _unpack(path, stream, unpacked, progress)
        except BaseException:
            unpacked.close()
            raise
        stream.close()
    except BaseException:
        stream.close()
        raise
    return unpacked, whole


def _unpack(path: Path, packed: IO[bytes], unpacked: IO[bytes], progress: Progress) -> bool:
    size = path.stat().st_size
    decoder = zlib.decompressobj(wbits=31)
    waiting = b""
    try:
        while data := waiting or packed.read(_CHUNK_BYTES):
            unpacked.write(decoder.decompress(data, _CHUNK_BYTES))
            waiting = decoder.unconsumed_tail
            progress(packed.tell(), size, "unpacking")
            if unpacked.tell() > _MOST_UNPACKED_BYTES:
                raise InputFormatError(
                    f"{path} unpacks to more than {_MOST_UNPACKED_BYTES >> 30} GiB, which no datastream does. "
                    "Choose another file."
                )
            if decoder.eof:
                waiting = decoder.unused_data or packed.read(_CHUNK_BYTES)
                if not waiting.startswith(_GZIP_MAGIC):
                    return True  # zeros may follow, and are not part of it
                decoder = zlib.decompressobj(wbits=31)
    except OSError as error:
        raise InputFormatError(
            f"{path} cannot be unpacked: {error.strerror}. Check the disk and the folder for temporary files."
        ) from error
    except zlib.error as error:
        if not unpacked.tell():
            raise InputFormatError(
                f"{path} cannot be unpacked: {error}. Copy it again, or choose another file."
            ) from error
    return False


def scan(
    path: Path, stream: IO[bytes], keys: Sequence[str] = (), progress: Progress = silent
) -> Scan:
    """Read all headers.

    Parameters
    ----------
    path : path
        For messages.
    stream : binary file
        As `open_unpacked` gives it.
    keys : sequence of str
        Those whose values `Picture.told` shall have.
    progress : Progress
        Told of bytes; may cancel.

    Raises
    ------
    InputFormatError
        It is no FITS file, or its first header is not whole.
    """
    stream.seek(0, 2)
    size = stream.tell()
    stream.seek(0)
    start = stream.read(_CARD)
    if not start.startswith(b"SIMPLE  ="):
        if start and b"SIMPLE  =".startswith(start[:9]):
            raise InputFormatError(_growing(path, "its first header is not whole"))
        raise InputFormatError(
            f"{path} is no FITS file: it does not begin with 'SIMPLE  ='. Choose another file."
        )
    primary: fits.Header | None = None
    n_headers = 0
    pictures: list[Picture] = []
    others: list[str] = []
    at, incomplete = 0, ""
    while at < size and not incomplete:
        progress(at, size, "reading headers")
        stream.seek(at)
        header, offset = _header(stream)
        if header is None:
            incomplete = f"header {n_headers + 1} is not whole or is damaged"
            break
        primary = header if primary is None else primary
        n_headers += 1
        n_bytes, what = _extent(header)
        if n_bytes is None:
            incomplete = f"header {n_headers} does not tell what follows"
        elif offset + n_bytes > size:
            incomplete = f"{what} {len(pictures) + 1} is cut off"
        elif n_headers > 1 and _is_product(primary):
            others.append(f"{what} {text_of(header, 'EXTNAME')}".rstrip())
        elif (picture := _picture(header, offset, keys)) is not None:
            pictures.append(picture)
        elif n_bytes:
            others.append(what)
        at = offset + -(-(n_bytes or 0) // _BLOCK) * _BLOCK
    if primary is None:
        raise InputFormatError(_growing(path, "its first header is not whole"))
    return Scan(primary, tuple(pictures), tuple(others), incomplete)


def read_picture(path: Path, stream: IO[bytes], picture: Picture) -> npt.NDArray[np.generic]:
    """Return a picture [x, y]: int64 if whole numbers are stored, else float64 with NaN where there is no value.

    Raises
    ------
    InputFormatError
        The file was cut meanwhile.
    """
    stream.seek(picture.offset)
    data = stream.read(picture.n_bytes)
    if len(data) != picture.n_bytes:
        raise InputFormatError(f"{path} has become shorter since it was opened. Open it again.")
    ncols, nrows = picture.shape
    stored = np.frombuffer(data, _TYPES[picture.bitpix]).reshape(nrows, ncols).T
    scale, zero, blank = picture.scale, picture.zero, picture.blank
    if picture.bitpix < 0:
        return np.ascontiguousarray(stored.astype(np.float64) * scale + zero)
    if scale == 1 and zero == int(zero) and abs(zero) < 2**62 and blank is None:
        return np.ascontiguousarray(stored.astype(np.int64) + int(zero))
    values = stored.astype(np.float64) * scale + zero
    return np.ascontiguousarray(np.where(stored == blank, np.nan, values))


def cards_of(header: fits.Header) -> tuple[Card, ...]:
    """Return the lines of a header in their order; one that cannot be understood is shown as it stands."""
    cards = []
    for card in header.cards:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                key, value, comment = card.keyword, card.value, card.comment
            except (fits.VerifyError, ValueError):
                key, value, comment = card.image[:8].strip(), card.image[8:].strip(), ""
        if key or value:
            cards.append(Card(key, _text(value), comment))
    return tuple(cards)


def text_of(header: fits.Header, key: str) -> str:
    """Return the value of a key as text; '' where it is missing or cannot be understood."""
    return _text(_value(header, key))


def _text(value: object) -> str:
    if value is None or isinstance(value, fits.card.Undefined):
        return ""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, float):
        return f"{value:.12g}"
    return str(value).strip()


def _value(header: fits.Header, key: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return header.get(key)
        except (fits.VerifyError, ValueError):
            return None


def _number(header: fits.Header, key: str, default: float) -> float:
    value = _value(header, key)
    usable = (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    )
    return float(value) if usable else default  # type: ignore[arg-type]


def _header(stream: IO[bytes]) -> tuple[fits.Header | None, int]:
    """Return the header that begins here and where it ends; None if it does not."""
    blocks: list[bytes] = []
    for _ in range(_MOST_HEADER_BLOCKS):
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK:
            return None, 0
        blocks.append(block)
        if any(block[k : k + _CARD].rstrip() == b"END" for k in range(0, _BLOCK, _CARD)):
            break
    else:
        return None, 0
    text = b"".join(blocks).decode("ascii", errors="replace").replace("\ufffd", "?")
    if not (text.startswith(("SIMPLE  =", "XTENSION="))):
        return None, 0
    return _parsed(text), stream.tell()


def _parsed(text: str) -> fits.Header:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fits.Header.fromstring(text)


def _extent(header: fits.Header) -> tuple[int | None, str]:
    """Return how many bytes follow a header (None: it does not tell), and what they are."""
    axes = _axes(header)
    bitpix = _value(header, "BITPIX")
    what = text_of(header, "XTENSION").lower() or "image"
    if axes is None or bitpix not in _TYPES:
        return None, what
    items = math.prod(axes) if axes else 0
    groups = _number(header, "GCOUNT", 1) if "XTENSION" in header else 1
    heap = _number(header, "PCOUNT", 0) if "XTENSION" in header else 0
    n_bytes = abs(int(bitpix)) // 8 * int(groups) * (int(heap) + items)
    words = {"bintable": "table", "table": "table"}.get(what, what)
    if words == "image" and len(axes) != 2 and n_bytes:
        words = f"array of {len(axes)} axes"
    if "ZIMAGE" in header:
        words = "compressed image"
    return (n_bytes if n_bytes >= 0 else None), words


def _axes(header: fits.Header) -> list[int] | None:
    number = _value(header, "NAXIS")
    if not isinstance(number, int) or not 0 <= number <= 999:
        return None
    axes = [_value(header, f"NAXIS{k}") for k in range(1, number + 1)]
    if not all(isinstance(one, int) and one >= 0 for one in axes):
        return None
    return axes  # type: ignore[return-value]


def _is_product(primary: fits.Header) -> bool:
    """Tell whether this program wrote the file as a result: flags and variances follow, which are no frames."""
    return text_of(primary, "CREATOR").startswith("quicklook ")


def _picture(header: fits.Header, offset: int, keys: Sequence[str]) -> Picture | None:
    axes = _axes(header)
    if axes is None or len(axes) != 2 or text_of(header, "XTENSION").upper() not in ("", "IMAGE"):
        return None
    if not all(0 < side <= _LARGEST_SIDE for side in axes):
        return None
    blank = _value(header, "BLANK")
    return Picture(
        header.tostring(),
        {key: text_of(header, key) for key in keys},
        offset,
        int(header["BITPIX"]),
        (axes[0], axes[1]),
        _number(header, "BSCALE", 1.0),
        _number(header, "BZERO", 0.0),
        blank if isinstance(blank, int) else None,
    )


def _growing(path: Path, why: str) -> str:
    return f"{path} is still being written, or was cut off: {why}. Open it again in a moment, or copy it again."
