"""Names on disk: groups, tables, columns and attributes of the photon file and its sidecar.

Format "mkid-photons"
    version 1 (2026-11): PhotonTable with 2018's columns, PixelIndex, V3c header and beam map, /mkid. Later with two
        more columns in /mkid/sources, for bytes that were skipped in damaged raw files.
        Files of many photons may have /mkid/summary (readers that do not know it, or parts of it, read the photons):
        `phase_range` (deg, of all photons); `times` [t, x, y] u4, the photons before ``time_edges[t + 1]`` (us), and
        `timeline`, those of the whole array in each bin; `bands` [t, w, x, y] u4, the photons before
        ``band_edges[t + 1]`` (us) with phases below ``phase_edges[w + 1]`` (deg), one chunk an image; `phases`
        [x, y, k] u4, each pixel's histogram in the bins of `phase_bins` (deg). Masks do not change them. They have
        /mkid/chunks too: byte offset and size of each chunk of the PhotonTable in this very file.
    version 2 (2026-11): only of files made from older ones in which wavelengths have taken the place of phases, or that
        have weights: /mkid/stored_nm [x, y, 2] (shortest and longest wavelength of a pixel; NaN: phases), attribute
        ``weights`` of /mkid ("stored": SpecWeight and NoiseWeight hold them), /mkid/origin.
Format "mkid-sidecar"
    version 1 (2026-11): history, annotations, empty slots.
    version 2 (2026-11): wavelength calibrations in /slots/wavecal/row_<n>, n being their row of the history.
    version 3 (2026-11): flat fields in /slots/flatcal/row_<n>, masks in
        /slots/badpixels/row_<n> and /slots/timemask/row_<n>.
Format "mkid-wavecal", a wavelength solution
    version 1 (2026-11): everything in /solution, see `wavecal.solution.Solution`.
Format "mkid-flatcal", a flat-field solution
    version 1 (2026-11): everything in /solution, see `flatcal.solution.FlatSolution`; /flatcal and /header as the
    predecessor's files of 2018 had them.
Format "mkid-badpixels", a mask of pixels
    version 1 (2026-11): everything in /solution, see `badpixels.solution.BadPixels`.
Format "mkid-timemask", a mask of times
    version 1 (2026-11): everything in /solution, see `timemask.solution.MaskedTimes`; /TimeMask for older tools.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "BADPIXELS_FORMAT",
    "BADPIXELS_VERSION",
    "BASELINE_MODES",
    "BEAMMAP_FLAG",
    "BEAMMAP_MAP",
    "BOARD_DTYPE",
    "CHUNKS",
    "FIRST_SOURCE_DTYPE",
    "FLAG_DTYPE",
    "FLATCAL_FORMAT",
    "FLATCAL_VERSION",
    "FORMAT",
    "GAPS",
    "HEADER_STRING",
    "HISTORY_DTYPE",
    "INDEX_START",
    "INDEX_STOP",
    "METADATA_BYTES",
    "MKID",
    "MOVED_PHOTONS",
    "ORIGIN",
    "PHOTON_TABLE",
    "PIXEL_DTYPE",
    "READABLE_BADPIXELS_VERSIONS",
    "READABLE_FLATCAL_VERSIONS",
    "READABLE_SIDECAR_VERSIONS",
    "READABLE_TIMEMASK_VERSIONS",
    "READABLE_VERSIONS",
    "READABLE_WAVECAL_VERSIONS",
    "SIDECAR_ENDING",
    "SIDECAR_FORMAT",
    "SIDECAR_VERSION",
    "SOURCE_DTYPE",
    "STORED_NM",
    "SUMMARY",
    "TIMEMASK_FORMAT",
    "TIMEMASK_VERSION",
    "TIME_MASK_DTYPE",
    "TIME_MASK_TABLE",
    "UNKNOWN_BASELINE",
    "VERSION",
    "WAVECAL_FORMAT",
    "WAVECAL_VERSION",
    "header_dtype",
    "photon_dtype",
]

FORMAT = "mkid-photons"
VERSION = 2
READABLE_VERSIONS = (1, 2)

SIDECAR_FORMAT = "mkid-sidecar"
SIDECAR_VERSION = 3
SIDECAR_ENDING = ".cal.h5"
READABLE_SIDECAR_VERSIONS = (1, 2, 3)

WAVECAL_FORMAT = "mkid-wavecal"
WAVECAL_VERSION = 1
READABLE_WAVECAL_VERSIONS = (1,)

FLATCAL_FORMAT = "mkid-flatcal"
FLATCAL_VERSION = 1
READABLE_FLATCAL_VERSIONS = (1,)
BADPIXELS_FORMAT = "mkid-badpixels"
BADPIXELS_VERSION = 1
READABLE_BADPIXELS_VERSIONS = (1,)

TIMEMASK_FORMAT = "mkid-timemask"
TIMEMASK_VERSION = 1
READABLE_TIMEMASK_VERSIONS = (1,)
TIME_MASK_TABLE = "/TimeMask"
TIME_MASK_DTYPE = np.dtype(
    [
        ("reason", "u1"),
        ("tBegin", "u4"),
        ("tEnd", "u4"),
    ]  # us from the start, as older tools have it
)

BASELINE_MODES = ("ignore", "keep", "subtract-median")
UNKNOWN_BASELINE = "unknown"
"""Of older files, which do not tell whether phases include baselines."""

STORED_NM = "/mkid/stored_nm"
ORIGIN = "/mkid/origin"

PHOTON_TABLE = "/Photons/PhotonTable"
INDEX_START = "/Photons/PixelIndex/start"
INDEX_STOP = "/Photons/PixelIndex/stop"
BEAMMAP_MAP = "/BeamMap/Map"
BEAMMAP_FLAG = "/BeamMap/Flag"
MKID = "/mkid"
GAPS = "/mkid/gaps"
MOVED_PHOTONS = "moved_photons"
"""Attribute of /mkid where early time stamps were repaired (`earlyticks`): how many photons were moved."""

SUMMARY = "/mkid/summary"
CHUNKS = "/mkid/chunks"

# layout V3c (2019-2021) has these, in alphabetical order on disk
HEADER_STRING = 255
METADATA_BYTES = 4 * 1024 * 1024

PIXEL_DTYPE = np.dtype(
    [
        ("x", "u2"),
        ("y", "u2"),
        ("resID", "u4"),
        ("code", "u1"),  # beam-map code 0..7
        ("flags", "u4"),  # bits of pipeline_core.flags
        ("frequency", "f8"),  # MHz, NaN where unknown
    ]
)
FLAG_DTYPE = np.dtype([("bit", "u1"), ("name", "S40"), ("sentence", "S120")])
SOURCE_DTYPE = np.dtype(
    [
        ("second", "i8"),  # unix second in the file's name
        ("packets", "i8"),
        ("kept", "i8"),  # photons, and photon words that are none of this file's photons, by reason
        ("end_of_frame", "i8"),
        ("outside_array", "i8"),
        ("outside_window", "i8"),
        ("without_header", "i8"),
        ("spare_bytes", "i8"),  # trailing bytes that make up no word
        # photon files of the first weeks lack these two: nobody had looked
        ("skipped_bytes", "i8"),  # bytes that could not be told to be words
        ("resyncs", "i8"),  # how often words began anew at another byte
    ]
)
FIRST_SOURCE_DTYPE = np.dtype(SOURCE_DTYPE.descr[:8])
"""What the first files had."""

BOARD_DTYPE = np.dtype([("board", "u1"), ("packets", "i8"), ("lost", "i8")])
HISTORY_DTYPE = np.dtype(
    [
        ("time", "f8"),  # unix s
        ("action", "S40"),
        ("kind", "S40"),
        ("detail", "S2000"),
        ("software", "S40"),
        ("undone", "?"),
    ]
)


def photon_dtype(*, with_baseline: bool = False) -> np.dtype[np.void]:
    """Return the row of the photon table.

    ResID; Time in us from the start; Wavelength, which holds the phase in degrees; two weights, always 1;
    Baseline in degrees where it was kept.
    """
    columns = [
        ("ResID", "<u4"),
        ("Time", "<u4"),
        ("Wavelength", "<f4"),
        ("SpecWeight", "<f4"),
        ("NoiseWeight", "<f4"),
    ]
    if with_baseline:
        columns.append(("Baseline", "<f4"))
    return np.dtype(columns)


def header_dtype() -> np.dtype[np.void]:
    """Return the 20 columns of layout V3c's ``/header/header``."""
    text = f"S{HEADER_STRING}"
    return np.dtype(
        [
            ("beammapFile", text),
            ("dataDir", text),
            ("energyBinWidth", "f4"),
            ("expTime", "i4"),
            ("fltCalFile", text),
            ("isBadPixMasked", "?"),
            ("isFlatCalibrated", "?"),
            ("isFluxCalibrated", "?"),
            ("isLinearityCorrected", "?"),
            ("isPhaseNoiseCorrected", "?"),
            ("isPhotonTailCorrected", "?"),
            ("isSpecCalibrated", "?"),
            ("isWvlCalibrated", "?"),
            ("metadata", f"S{METADATA_BYTES}"),
            ("startTime", "i4"),
            ("target", text),
            ("timeMaskExists", "?"),
            ("wvlBinEnd", "f4"),
            ("wvlBinStart", "f4"),
            ("wvlCalFile", text),
        ]
    )
