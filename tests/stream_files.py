"""Datastream files as the dashboard wrote them, written with astropy: frames [x, y] whose every pixel is known."""

import datetime
import gzip
import warnings

import numpy as np
from astropy.io import fits

START = 1602115170
"""2020-10-07 23:59:30 UTC: frames run across midnight."""


def utc(unix, form="%Y%m%d%H%M%S"):
    return datetime.datetime.fromtimestamp(unix, datetime.timezone.utc).strftime(form)


def counts_of(number, shape=(7, 4)):
    """Return frame `number` [x, y]: 100 x + 10 y + number."""
    x, y = np.indices(shape)
    return 100 * x + 10 * y + number


def write_stream(path, frames, headers, dtype=np.int32):
    """Write frames [x, y] with a dictionary of header values each; ``.gz`` is packed."""
    hdus = [fits.PrimaryHDU()]
    hdus[0].header["filename"] = path.name
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # long names become HIERARCH cards, as in the dashboard's files
        for frame, header in zip(frames, headers, strict=True):
            hdu = fits.ImageHDU(np.asarray(frame).T.astype(dtype))
            for key, value in header.items():
                hdu.header[key] = value
            hdus.append(hdu)
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    fits.HDUList(hdus).writeto(plain, overwrite=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return path


def of_2018(number, start=START):
    return {
        "imgname": f"{number}.img",
        "utc": utc(start + 10 * number, "%Y-%m-%d %H:%M:%S"),
        "exptime": 10.0,
    }


def of_2020(number, start=START):
    return {
        "utcstart": f"{utc(start + number // 2)}.{5 * (number % 2)}",
        "utc": utc(start + 60),
        "exptime": 0.5,
        "wmin": "NaN" if number % 2 else "900",
        "wmax": "NaN",
        "target": "HR 8799",
        "laser": "off",
        "flipper": "image",
        "filter": "J" if number < 3 else "H",
        "dither_home": "[0.1, -0.2]",
        "device_orientation": -43.24,
        "comment": "calm",
        "ra": "23:07:28.7",
    }


def stream_of(folder, n=5, shape=(7, 4), headers=of_2020, name="stream1602115230.fits.gz", **how):
    frames = [counts_of(number, shape) for number in range(n)]
    return write_stream(folder / name, frames, [headers(number) for number in range(n)], **how)
