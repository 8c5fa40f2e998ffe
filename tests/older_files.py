"""Small photon files in the layouts of older programs, written from what is known of them; and what is in them."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass, field

import numpy as np
import tables

SHAPE = (5, 3)
START = 1530000000
SECONDS = 2
NO_ID = 2**32 - 1
_V5 = (
    "beammap.noDacTone beammap.failed beammap.yFailed beammap.xFailed beammap.double beammap.wrongFeedline "
    "beammap.duplicatePixel flatcal.bad flatcal.not_all_weights_valid pixcal.hot pixcal.cold pixcal.dead wavecal.bad "
    "wavecal.failed_validation wavecal.failed_convergence wavecal.not_monotonic wavecal.not_enough_histogram_fits "
    "wavecal.not_attempted wavecal.no_histograms wavecal.histogram_fit_problems wavecal.linear wavecal.quadratic"
)
_V3C = (
    "wavecal.bad wavecal.failed_validation wavecal.failed_convergence wavecal.not_monotonic "
    "wavecal.not_enough_histogram_fits wavecal.not_attempted wavecal.no_histograms wavecal.histogram_fit_problems "
    "wavecal.linear wavecal.quadratic flatcal.inf_weight flatcal.zero_weight flatcal.below_range flatcal.above_range "
    "speccal.inf_weight speccal.lz_weight speccal.nan_weight speccal.below_range speccal.above_range beammap.good "
    "beammap.noDacTone beammap.failed beammap.yFailed beammap.xFailed beammap.double beammap.wrongFeedline "
    "beammap.duplicatePixel pixcal.hot pixcal.cold pixcal.unstable"
)
V5_NAMES, V3C_NAMES = _V5.split(), _V3C.split()


@dataclass
class Night:
    """What is in a file: `photons[x, y]` are (time us, value, spec weight, noise weight, baseline) as they arrived."""

    res_id: np.ndarray
    photons: dict = field(default_factory=dict)
    calibrated: bool = False
    weighted: bool = False

    @property
    def counts(self):
        return np.array(
            [[self.photons[x, y][0].size for y in range(SHAPE[1])] for x in range(SHAPE[0])]
        )


def make_night(*, calibrated=False, weighted=False, seed=5, in_time=True):
    """Photons of an array whose resonators lie in no order; two pixels are dark, one has no resonator."""
    rng = np.random.default_rng(seed)
    res_id = rng.permutation(15).reshape(SHAPE) * 7 + 10_000
    res_id[4, 2] = NO_ID
    night = Night(res_id, {}, calibrated, weighted)
    for x in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            dark = (x, y) in ((0, 1), (3, 2), (4, 2))
            n = 0 if dark else int(rng.integers(20, 60))
            time = rng.integers(0, SECONDS * 1_000_000, n).astype(np.uint32)
            if in_time:
                time.sort()
            value = rng.uniform(-120, -30, n).astype(np.float32)
            if calibrated and (x, y) != (2, 0):  # one pixel was not calibrated: it keeps its phases
                value = rng.uniform(700, 1500, n).astype(np.float32)
            ones = np.ones(n, np.float32)
            spec = rng.uniform(0.5, 2, n).astype(np.float32) if weighted else ones
            noise = rng.uniform(0.8, 1.2, n).astype(np.float32) if weighted else ones
            night.photons[x, y] = time, value, spec, noise, rng.uniform(-5, 5, n).astype(np.float32)
    return night


def rows_of(night, dtype, order="resid", names=None):
    """All photons as rows of a table: sorted by resonator, by line of the map, or by time."""
    names = names or {}
    pixels = [(x, y) for x in range(SHAPE[0]) for y in range(SHAPE[1])]
    if order == "resid":
        pixels.sort(key=lambda p: night.res_id[p])
    parts = []
    for x, y in pixels:
        time, value, spec, noise, baseline = night.photons[x, y]
        part = np.zeros(time.size, dtype)
        for name, values in {
            "ResID": night.res_id[x, y],
            "resID": night.res_id[x, y],
            "X": x,
            "Y": y,
            "Time": time,
            "time": time,
            "Wavelength": value,
            "wavelength": value,
            "SpecWeight": spec,
            "NoiseWeight": noise,
            "Spec Weight": spec,
            "Noise Weight": noise,
            "weight": spec * noise,
            "Baseline": baseline,
        }.items():
            if name in dtype.names:
                part[name] = values
        parts.append(part)
    rows = np.concatenate(parts)
    if order == "time":
        key = "Time" if "Time" in dtype.names else "time"
        rows = rows[np.argsort(rows[key], kind="stable")]
    return rows


TABLE_2018 = np.dtype(
    [
        ("ResID", "u4"),
        ("Time", "u4"),
        ("Wavelength", "f4"),
        ("SpecWeight", "f4"),
        ("NoiseWeight", "f4"),
    ]
)
TABLE_V5 = np.dtype([("resID", "u4"), ("time", "u4"), ("wavelength", "f4"), ("weight", "f4")])
TABLE_V0 = np.dtype(
    [
        ("ResID", "u4"),
        ("X", "u2"),
        ("Y", "u2"),
        ("Time", "u4"),
        ("Baseline", "f4"),
        ("Wavelength", "f4"),
    ]
)
TABLE_V1 = np.dtype(
    [("Time", "u4"), ("Wavelength", "f4"), ("Spec Weight", "f4"), ("Noise Weight", "f4")]
)


def header_2018(night, more=()):
    """The one-row header; PyTables puts the columns into alphabetical order, and so does this."""
    fields = {
        "target": ("S80", b"HD 1160"),
        "dataDir": ("S80", b"/data"),
        "beammapFile": ("S80", b"final.bmap"),
        "isWvlCalibrated": ("?", night.calibrated),
        "isFlatCalibrated": ("?", night.weighted),
        "isSpecCalibrated": ("?", False),
        "isLinearityCorrected": ("?", False),
        "isPhaseNoiseCorrected": ("?", False),
        "isPhotonTailCorrected": ("?", False),
        "timeMaskExists": ("?", False),
        "startTime": ("i4", START),
        "expTime": ("i4", SECONDS),
        "wvlBinStart": ("f4", 700),
        "wvlBinEnd": ("f4", 1500),
        "energyBinWidth": ("f4", 0.1),
        "wvlCalFile": ("S80", b"calsol.h5" if night.calibrated else b""),
        **dict(more),
    }
    row = np.zeros(1, [(name, fields[name][0]) for name in sorted(fields)])
    for name, (_, value) in fields.items():
        row[name] = value
    return row


def write_map(h5, night, flags, group="BeamMap", dtype="i8", absent=NO_ID):
    ids = np.where(night.res_id == NO_ID, absent, night.res_id)
    names = ("Map", "Flag") if group == "BeamMap" else ("map", "flag")
    h5.create_group("/", group)
    h5.create_array(f"/{group}", names[0], ids.astype(dtype))
    h5.create_array(f"/{group}", names[1], np.asarray(flags).astype(dtype))


def write_v0(path, night, flags):
    with tables.open_file(str(path), "w") as h5:
        h5.create_table("/Photons", "data", rows_of(night, TABLE_V0, "time"), createparents=True)
        write_map(h5, night, flags, dtype="u4")


@contextlib.contextmanager
def _any_names():
    """Let PyTables take names that are none in Python, as the old programs had them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tables.NaturalNameWarning)
        yield


def write_v1(path, night, flags, *, with_header=True):
    with _any_names(), tables.open_file(str(path), "w") as h5:
        h5.create_group("/", "Photons")
        for (x, y), (time, value, spec, noise, _) in night.photons.items():
            if night.res_id[x, y] == NO_ID:
                continue
            rows = np.zeros(time.size, TABLE_V1)
            rows["Time"], rows["Wavelength"], rows["Spec Weight"], rows["Noise Weight"] = (
                time,
                value,
                spec,
                noise,
            )
            h5.create_table("/Photons", str(night.res_id[x, y]), rows)
        write_map(h5, night, flags, dtype="u4")
        if with_header:
            h5.create_table("/header", "header", header_2018(night), createparents=True)


def write_v2(path, night, flags, *, order="resid", indexed=False):
    with _any_names(), tables.open_file(str(path), "w") as h5:
        table = h5.create_table(
            "/Photons",
            "PhotonTable",
            rows_of(night, TABLE_2018, order),
            createparents=True,
            chunkshape=10,
        )
        if indexed:
            table.cols.ResID.create_csindex()
            table.cols.Time.create_csindex()
        h5.create_group("/", "Images")
        h5.create_array("/Images", str(START), np.zeros(SHAPE[::-1], "u1"))
        write_map(h5, night, flags, dtype="u4")
        h5.create_table("/header", "header", header_2018(night), createparents=True)


def write_v3(path, night, flags, *, order="resid", names=None, metadata_first="", absent=0):
    """V3, or with a list of flag names V3c."""
    more = {"fltCalFile": ("S255", b""), "metadata": ("S4000", b"")}
    if names is not None:
        text = metadata_first + "flags:\n" + "".join(f"- {name}\n" for name in names)
        more |= {"metadata": ("S4000", text.encode()), "isBadPixMasked": ("?", True)}
    with tables.open_file(str(path), "w", title="MKID Photon File") as h5:
        table = h5.create_table(
            "/Photons",
            "PhotonTable",
            rows_of(night, TABLE_2018, order),
            createparents=True,
            chunkshape=250,
            filters=tables.Filters(1, "blosc:lz4"),
        )
        table.cols.ResID.create_index()
        write_map(h5, night, flags, absent=absent)
        h5.create_table("/header", "header", header_2018(night, more), createparents=True)


def write_v4(path, night, flags, names=V5_NAMES):
    rows = [
        ("UNIXSTR", str(START)),
        ("EXPTIME", str(SECONDS)),
        ("wavecal", "sol1" if night.calibrated else ""),
        ("dead_time", "10"),
        ("flags", str(list(names))),
        ("target", "HD 1160"),
    ]
    with tables.open_file(str(path), "w") as h5:
        h5.create_table("/Photons", "PhotonTable", rows_of(night, TABLE_V5), createparents=True)
        write_map(h5, night, flags, absent=0)
        table = np.array(
            [(k.encode(), v.encode()) for k, v in rows], [("key", "S256"), ("value", "S8192")]
        )
        h5.create_table("/header", "header", table, createparents=True)


def write_v5(path, night, flags, *, names=tuple(V5_NAMES), early=False, attributes=()):
    """V5; `early`: V4b, whose attributes are on the group."""
    group, table = "photons", "Photontable" if early else "photontable"
    with tables.open_file(str(path), "w", title="MKID Photon File") as h5:
        node = h5.create_table(
            f"/{group}", table, rows_of(night, TABLE_V5), createparents=True, chunkshape=250
        )
        node.cols.resID.create_index(kind="ultralight")
        write_map(h5, night, flags, group="beammap", absent=0)
        where = h5.get_node(f"/{group}") if early else node
        for name, value in {
            "wavecal": "sol1" if night.calibrated else "",
            "flatcal": "flat1" if night.weighted else "",
            "flags": names,
            "pixcal": False,
            "dead_time": 12,
            "UNIXSTR": START,
            "UNIXEND": START + SECONDS,
            "EXPTIME": SECONDS,
            "E_BMAP": "final.bmap",
            "data_path": "/data",
            "OBJECT": "HD 1160",
            **dict(attributes),
        }.items():
            where._v_attrs[name] = value
