"""Opening files of older programs with many photons: brought into the cache once, then images and pixels.

Run as ``python tests/benchmarks/bench_older.py [FOLDER] --photons 1e8``. Each layout is written with random photons of
an 80 x 125 array, opened with an empty cache of its own, and deleted. Goals: picture 2 s, pixel 100 ms, once the index
is there.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import tables

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import older_files  # noqa: E402
from yardsticks import evict, machine, plain_read, run_child  # noqa: E402

SHAPE = (80, 125)
SECONDS = 100

CHILD = """
import json, resource, sys, time
from pipeline_core import open_observation
from pipeline_core.photon_reader import load_kernels
load_kernels()
begun = time.perf_counter()
with open_observation(sys.argv[1]) as obs:
    image = obs.count_image()
    pixel = tuple(int(v) for v in divmod(int(image.argmax()), image.shape[1]))
    opened = time.perf_counter() - begun
    begun = time.perf_counter()
    photons = obs.photons(pixel)
    read = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({"open": opened, "pixel": read, "photons": int(image.sum()), "peak": peak}))
"""


def photons(n_photons: int, order: str, dtype: np.dtype) -> np.ndarray:
    """Return rows by pixel ('resid') or by time, phases in degrees."""
    rng = np.random.default_rng(4)
    rows = np.zeros(n_photons, dtype)
    names = dtype.names or ()
    time = next(name for name in names if name.lower() == "time")
    wavelength = next(name for name in names if name.lower() == "wavelength")
    pixel = np.arange(n_photons) % (SHAPE[0] * SHAPE[1])
    if order == "resid":
        pixel.sort()
    rows[time] = np.linspace(0, SECONDS * 1_000_000 - 1, n_photons)
    if order == "resid":
        bounds = np.searchsorted(pixel, np.arange(SHAPE[0] * SHAPE[1] + 1))
        for a, b in itertools.pairwise(bounds):
            rows[time][a:b] = np.linspace(0, SECONDS * 1_000_000 - 1, b - a)
    rows[wavelength] = rng.uniform(-120, -30, n_photons)
    for name in names:
        if name.lower() == "resid":
            rows[name] = 10_000 + pixel
        elif name in ("X", "Y"):
            rows[name] = np.divmod(pixel, SHAPE[1])["XY".index(name)]
        elif "eight" in name:
            rows[name] = 1
    return rows


def write(path: Path, layout: str, n_photons: int) -> None:
    """Write a file of a layout, with the chunks and the order that its program gave it."""
    older_files.SECONDS = SECONDS
    res_id = 10_000 + np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    night = older_files.Night(res_id)
    flags = np.zeros(SHAPE, np.int64)
    if layout in ("V0", "V2"):
        dtype = older_files.TABLE_V0 if layout == "V0" else older_files.TABLE_2018
        rows = photons(n_photons, "time", dtype)
    elif layout == "V5":
        rows = photons(n_photons, "resid", older_files.TABLE_V5)
    elif layout == "V1":
        rows = photons(n_photons, "resid", older_files.TABLE_V1)
    else:
        rows = photons(n_photons, "resid", older_files.TABLE_2018)
    header = older_files.header_2018(night)
    with tables.open_file(str(path), "w", title="MKID Photon File") as h5:
        if layout == "V1":
            h5.create_group("/", "Photons")
            each = n_photons // res_id.size
            for k, number in enumerate(res_id.ravel().tolist()):
                h5.create_table("/Photons", str(number), rows[k * each : (k + 1) * each])
        else:
            where = {"V0": "data", "V5": "photontable"}.get(layout, "PhotonTable")
            group = "/photons" if layout == "V5" else "/Photons"
            filters = tables.Filters(1, "blosc:lz4") if layout == "V3" else None
            options = (
                {} if layout in ("V0", "V2") else {"chunkshape": 250 if layout == "V3" else 20_000}
            )
            node = h5.create_table(
                group, where, rows, createparents=True, filters=filters, **options
            )
            if layout == "V5":
                for name, value in {
                    "wavecal": "",
                    "flatcal": "",
                    "flags": tuple(older_files.V5_NAMES),
                    "UNIXSTR": older_files.START,
                    "UNIXEND": older_files.START + SECONDS,
                    "EXPTIME": SECONDS,
                    "E_BMAP": "final.bmap",
                    "data_path": "/data",
                }.items():
                    node._v_attrs[name] = value
        older_files.write_map(
            h5, night, flags, group="beammap" if layout == "V5" else "BeamMap", absent=0
        )
        if layout not in ("V0", "V5"):
            if layout == "V3":
                header = older_files.header_2018(
                    night, {"fltCalFile": ("S255", b""), "metadata": ("S4000", b"")}
                )
            h5.create_table("/header", "header", header, createparents=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--photons", type=float, default=1e8)
    parser.add_argument("--layouts", nargs="+", default=["V0", "V1", "V2", "V3", "V5"])
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="quicklook-older-"))
    print(machine())
    print("layout  bytes    plain read  first opening  peak     then open  pixel")
    for layout in args.layouts:
        path, cache = folder / f"{layout}.h5", folder / "cache"
        os.environ["XDG_CACHE_HOME"] = str(cache)
        with warnings.catch_warnings(), contextlib.suppress(FileNotFoundError):
            warnings.simplefilter("ignore", tables.NaturalNameWarning)
            path.unlink()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tables.NaturalNameWarning)
            write(path, layout, int(args.photons))
        run_child("from pipeline_core.photon_reader import load_kernels; load_kernels()")
        evict([path])
        plain = plain_read([path])
        evict([path])
        found = [json.loads(run_child(CHILD, str(path))[2]) for _ in range(2)]
        assert found[0]["photons"] == found[1]["photons"] == int(args.photons)
        print(
            f"{layout:<6} {path.stat().st_size / 1e9:6.2f} GB {plain:8.2f} s {found[0]['open']:12.2f} s "
            f"{found[0]['peak']:6.2f} GB {found[1]['open']:8.3f} s {found[1]['pixel'] * 1e3:6.2f} ms",
            flush=True,
        )
        path.unlink()
        shutil.rmtree(cache)


if __name__ == "__main__":
    main()
