"""Exports: what is read back is what was written, and it says where it came from."""

import json
import os
import re
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import ascii as astropy_ascii
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from rawdata import header, photon, write_words

from pipeline_core import __version__, open_observation
from pipeline_core.beammap import Beammap
from pipeline_core.convert import ConvertSettings, convert
from pipeline_core.errors import ConfigError, OperationCancelled, OutputError
from pipeline_core.export import (
    export_flags,
    export_image,
    export_intensity_histogram,
    export_light_curve,
    export_regions,
    export_spectrum,
)
from pipeline_core.flags import PixelFlag
from pipeline_core.obsfile import ObsFile
from pipeline_core.products import Table, save_table
from pipeline_core.regions import Circle, Rectangle, statistics

START = 1602050400
TICKS = (START - 1577836800) * 2000
SHAPE = (5, 3)
WINDOW = {"start": 0.1, "stop": 0.7000010000000001}
BAND = (-151.50000000000003, -100.1)
ENDINGS = ("fits", "csv", "npz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One second of a 5 x 3 array, raw, as a photon file and as a frame."""
    folder = tmp_path_factory.mktemp("exports")
    rng = np.random.default_rng(4)
    words = []
    counts = np.zeros(SHAPE, "<u2")
    for k in range(2000):
        words.append(header(5, k % 4096, TICKS + k))
        for x, y in np.ndindex(SHAPE):
            if rng.random() < 0.02 * (1 + 3 * x + y) and (x, y) != (4, 1):
                words.append(photon(x, y, int(rng.integers(500)), -int(rng.integers(9e3, 9e4))))
                counts[x, y] += 1
    write_words(folder / f"{START}.bin", words)
    codes = np.zeros(SHAPE, np.uint8)
    codes[2, 1], codes[4, 1] = 1, 3
    beammap = Beammap(Beammap.design(SHAPE, feedlines=1).res_id, codes, np.full(SHAPE, np.nan))
    beammap.write(folder / "a.bmap")
    convert(ConvertSettings(folder, START, 1, beammap, folder / f"{START}.h5"))
    (folder / f"{START}.img").write_bytes(counts.tobytes())
    return folder


@pytest.fixture
def obs(folder):
    with ObsFile(folder / f"{START}.h5") as opened:
        yield opened


def phases(band):
    return {"min_phase": band[0], "max_phase": band[1]}


def read(path):
    """Facts, columns and units of a product of any format; images come as [x, y]."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            facts, units = (json.loads(str(arrays[name])) for name in ("about", "units"))
            return facts, {name: arrays[name] for name in units}, units
    if path.suffix == ".csv":
        table = astropy_ascii.read(path, format="csv", comment="#")
        facts = dict(re.findall(r"^# (\S+) = (.*) \(.*\)$", path.read_text(), re.MULTILINE))
        parts = {
            name: re.fullmatch(r"(.*?)(?: \((.*)\))?", name).groups() for name in table.columns
        }
        columns = {parts[name][0]: np.array(table[name]) for name in table.columns}
        return facts, columns, {name: unit or "" for name, unit in parts.values()}
    with fits.open(path, checksum=True) as hdus:
        if hdus[0].data is not None:
            images = {hdu.name.lower() or "image": hdu.data.T.copy() for hdu in hdus}
            return dict(hdus[0].header), {**images, "image": hdus[0].data.T.copy()}, {}
        table = hdus[1]
        columns = {name: table.data[name].copy() for name in table.columns.names}
        return dict(table.header), columns, {c.name: c.unit or "" for c in table.columns}


# --- images --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_image_is_read_back_and_its_settings_make_it_again(obs, tmp_path, ending):
    image = obs.count_image(**WINDOW, **phases(BAND))
    assert 0 < image.sum() < obs.count_image().sum()
    path = tmp_path / f"i.{ending}"
    export_image(path, obs, image, *WINDOW.values(), band=BAND)
    facts, columns, _ = read(path)
    found = columns["counts"].reshape(SHAPE) if ending == "csv" else columns["image"]
    np.testing.assert_array_equal(found, image)
    flags = columns["flags"].reshape(SHAPE)
    np.testing.assert_array_equal(flags, obs.flags)
    settings = json.loads(facts["SETTINGS"])
    assert settings == {**WINDOW, **phases(BAND)}  # exactly, to the last digit
    np.testing.assert_array_equal(obs.count_image(**settings), image)
    assert float(facts["PHASEMIN"]) == BAND[0]
    assert float(facts["PHASEMAX"]) == BAND[1]


def test_excluded_flags_are_in_the_settings(obs, tmp_path):
    exclude = int(PixelFlag["beammap_noDacTone"])
    image = obs.count_image(exclude=exclude)
    assert image[2, 1] == 0 < obs.count_image()[2, 1]
    export_image(tmp_path / "i.fits", obs, image, exclude=exclude)
    facts, columns, _ = read(tmp_path / "i.fits")
    assert facts["EXFLAGS"] == exclude
    np.testing.assert_array_equal(
        obs.count_image(**json.loads(facts["SETTINGS"])), columns["image"]
    )


def test_every_product_says_where_it_came_from(obs, tmp_path):
    export_image(tmp_path / "i.fits", obs, obs.count_image(0.25, 1.0), 0.25)
    facts, _, _ = read(tmp_path / "i.fits")
    assert facts["CREATOR"] == f"quicklook {__version__}"
    assert facts["PHOTFILE"] == f"{START}.h5"
    assert facts["FILEID"] == obs.file_id
    assert facts["DATE-OBS"] == "2020-10-07T06:00:00.250000"
    assert facts["DATE-END"] == "2020-10-07T06:00:01.000000"
    assert facts["MJD-OBS"] == pytest.approx(59129.25 + 0.25 / 86400, abs=1e-10)
    assert (facts["TSTART"], facts["TSTOP"], facts["EXPTIME"]) == (0.25, 1.0, 0.75)
    assert (facts["BUNIT"], facts["WAVECAL"], facts["BASELINE"]) == ("count", "none", "ignore")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d", facts["DATE"])
    assert facts["PHASEMIN"] is None  # an open end


def test_fits_coordinates_are_the_pixels_numbers_and_nobody_warns(obs, tmp_path):
    export_image(tmp_path / "i.fits", obs, obs.count_image(), mask=np.zeros(SHAPE, bool))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(tmp_path / "i.fits", checksum=True) as hdus:
            for hdu in hdus:
                hdu.verify("exception")
                wcs = WCS(hdu.header)
                # numpy index [2, 4] of FITS data is the pixel x = 4, y = 2
                assert wcs.pixel_to_world_values(4, 2) == (4.0, 2.0)
                assert list(wcs.world_axis_units) == ["pixel", "pixel"]
                assert "CHECKSUM" in hdu.header


def test_mask_and_display_are_stored_beside_the_image(obs, tmp_path):
    mask = np.zeros(SHAPE, bool)
    mask[4, 0] = True
    display = {
        "low": 1.5,
        "high": 20.25,
        "stretch": "log",
        "colour_map": "cividis",
        "inverted": True,
    }
    for ending in ("fits", "npz"):
        path = tmp_path / f"i.{ending}"
        export_image(path, obs, obs.count_image(), mask=mask, display=display)
        facts, columns, _ = read(path)
        np.testing.assert_array_equal(columns["mask"], mask)
        assert (facts["DISPLOW"], facts["DISPHIGH"]) == (1.5, 20.25)
        assert (facts["STRETCH"], facts["COLORMAP"], facts["CMAPINV"]) == ("log", "cividis", True)
        np.testing.assert_array_equal(columns["image"], obs.count_image())  # nothing is masked


@pytest.mark.parametrize("ending", ENDINGS)
def test_flags_alone_are_written_with_their_names(obs, tmp_path, ending):
    export_flags(tmp_path / f"f.{ending}", obs)
    facts, columns, _ = read(tmp_path / f"f.{ending}")
    found = columns["image"] if ending == "fits" else columns["flags"].reshape(SHAPE)
    np.testing.assert_array_equal(found, obs.flags)
    bits = [int(key[3:]) for key in facts if re.fullmatch(r"BIT\d+", key)]
    assert sum(1 << bit for bit in bits) == np.bitwise_or.reduce(obs.flags, axis=None)
    bit = int(PixelFlag["beammap_noDacTone"]).bit_length() - 1
    assert facts[f"BIT{bit}"] == "beammap.noDacTone"


@pytest.mark.parametrize("kind", ["raw", "frame"])
def test_raw_files_and_frames_are_exported_too(folder, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    ending = {"raw": "bin", "frame": "img"}[kind]
    with open_observation(folder / f"{START}.{ending}") as obs:
        assert obs.kind == kind
        image = obs.count_image()
        assert image.sum() > 100
        export_image(tmp_path / "i.fits", obs, image)
        facts, columns, _ = read(tmp_path / "i.fits")
        np.testing.assert_array_equal(columns["image"], image)
        assert facts["PHOTFILE"] == f"{START}.{ending}"
        assert facts["FILEID"] == obs.file_id
        hard = tmp_path / "hard.csv"
        hard.hardlink_to(obs.path)
        with pytest.raises(OutputError, match="holds data"):
            export_image(hard, obs, image, overwrite=True)
        if kind == "raw":
            export_light_curve(tmp_path / "c.npz", obs, obs.light_curve((3, 1)))
            assert read(tmp_path / "c.npz")[0]["PHOTFILE"] == f"{START}.bin"


# --- curves --------------------------------------------------------------------------------------

PIXELS = {"one pixel": (3, 2), "a region": ((3, 2), (0, 1), (4, 1))}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("pixels", PIXELS.values(), ids=PIXELS)
def test_a_light_curve_is_read_back_and_its_settings_make_it_again(obs, tmp_path, ending, pixels):
    curve = obs.light_curve(pixels, 0.03, **WINDOW, **phases(BAND))
    path = tmp_path / f"c.{ending}"
    export_light_curve(path, obs, curve, band=BAND, label="Region 2 (3 pixels)")
    facts, columns, units = read(path)
    expected = {
        "start": curve.edges_s[:-1],
        "stop": curve.edges_s[1:],
        "counts": curve.counts,
        "live_time": curve.live_time_s,
        "open_time": curve.open_time_s,
        "rate": curve.rate_cps,
        "rate_error": curve.rate_error_cps,
    }
    assert list(columns) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(columns[name], values, err_msg=name)
    assert units["rate"] == "count/s"
    again = obs.light_curve(curve.pixels, **json.loads(facts["SETTINGS"]))
    np.testing.assert_array_equal(again.counts, curve.counts)
    np.testing.assert_array_equal(again.edges_s, curve.edges_s)
    assert facts["TARGET"] == "Region 2 (3 pixels)"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("pixels", PIXELS.values(), ids=PIXELS)
def test_an_intensity_histogram_is_read_back(obs, tmp_path, ending, pixels):
    found = obs.intensity_histogram(pixels, 0.02, **WINDOW, **phases(BAND))
    path = tmp_path / f"h.{ending}"
    export_intensity_histogram(path, obs, found, *WINDOW.values(), band=BAND)
    facts, columns, _ = read(path)
    np.testing.assert_array_equal(columns["counts"], np.arange(found.occurrences.size))
    np.testing.assert_array_equal(columns["occurrences"], found.occurrences)
    np.testing.assert_array_equal(columns["frequency"], found.frequency)
    np.testing.assert_array_equal(columns["poisson"], found.poisson)
    assert float(facts["MEAN"]) == found.mean
    assert float(facts["BINWIDTH"]) == 0.02
    again = obs.intensity_histogram(pixels, **json.loads(facts["SETTINGS"]))
    np.testing.assert_array_equal(again.occurrences, found.occurrences)


def test_a_histogram_without_bins_has_no_mean(obs, tmp_path):
    empty = obs.intensity_histogram((4, 1), 5.0)  # bins longer than the observation
    for ending in ENDINGS:
        export_intensity_histogram(tmp_path / f"h.{ending}", obs, empty)
    assert read(tmp_path / "h.npz")[0]["MEAN"] is None
    assert read(tmp_path / "h.fits")[0]["MEAN"] is None


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("pixels", PIXELS.values(), ids=PIXELS)
def test_a_spectrum_is_read_back_and_its_settings_make_it_again(obs, tmp_path, ending, pixels):
    found = obs.spectrum(pixels, bin_deg=0.5, **WINDOW, **phases(BAND))
    path = tmp_path / f"s.{ending}"
    export_spectrum(path, obs, found, *WINDOW.values(), band=BAND, per="deg")
    facts, columns, units = read(path)
    np.testing.assert_array_equal(columns["phase_low"], found.edges[:-1])
    np.testing.assert_array_equal(columns["phase_high"], found.edges[1:])
    np.testing.assert_array_equal(columns["counts"], found.counts)
    np.testing.assert_array_equal(columns["error"], found.errors)
    np.testing.assert_array_equal(columns["density"], 2 * found.counts)
    assert (units["phase_low"], units["density"]) == ("deg", "count/deg")
    again = obs.spectrum(pixels, **json.loads(facts["SETTINGS"]))
    np.testing.assert_array_equal(again.counts, found.counts)
    np.testing.assert_array_equal(again.edges, found.edges)


@pytest.mark.parametrize(("low", "high"), [(-151.3, -100.1), (-123.4, -120.7), (-123.4, -123.1)])
def test_the_settings_of_a_spectrum_whose_range_cuts_bins_make_it_again(obs, tmp_path, low, high):
    found = obs.spectrum((3, 2), bin_deg=2.5, min_phase=low, max_phase=high)
    export_spectrum(tmp_path / "s.npz", obs, found, band=(low, high))
    facts, _, _ = read(tmp_path / "s.npz")
    again = obs.spectrum((3, 2), **json.loads(facts["SETTINGS"]))
    np.testing.assert_array_equal(again.edges, found.edges)
    np.testing.assert_array_equal(again.counts, found.counts)


def test_the_pixels_of_a_region_are_listed_in_every_format(obs, tmp_path):
    pixels = PIXELS["a region"]
    curve = obs.light_curve(pixels)
    for ending in ENDINGS:
        export_light_curve(tmp_path / f"c.{ending}", obs, curve)
    expected = [list(pixel) for pixel in curve.pixels]
    with fits.open(tmp_path / "c.fits") as hdus:
        table = hdus["PIXELS"].data
        assert np.stack([table["x"], table["y"]], 1).tolist() == expected
        assert table["res_id"].tolist() == [obs.beammap.res_id[pixel] for pixel in curve.pixels]
        assert table["flags"].tolist() == [obs.flags[pixel] for pixel in curve.pixels]
        assert hdus["LIGHTCURVE"].header["NPIXELS"] == 3
    with np.load(tmp_path / "c.npz") as arrays:
        assert arrays["pixels"].tolist() == expected
    assert f"# PIXELS = {json.dumps(expected)}" in (tmp_path / "c.csv").read_text()


def test_tables_have_units_that_astropy_knows(obs, tmp_path):
    export_light_curve(tmp_path / "c.fits", obs, obs.light_curve((3, 2)))
    export_spectrum(tmp_path / "s.fits", obs, obs.spectrum((3, 2)), per="deg")
    curve = QTable.read(tmp_path / "c.fits", hdu=1)
    spectrum = QTable.read(tmp_path / "s.fits", hdu=1)
    assert (curve["rate"] * curve["live_time"]).unit == "ct"
    assert spectrum["density"].unit == "ct/deg"


# --- regions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_of_regions_is_read_back(obs, tmp_path, ending):
    image = obs.count_image(**WINDOW)
    rows = []
    for name, shape in (("Région 1", Rectangle(0, 0, 2, 1)), ("B", Circle(3.5, 1, 1.2))):
        found = statistics(image, shape.mask(SHAPE), obs.flags == 0, 0.6)
        rows.append({"region": name, "label": shape.label} | vars(found))
    export_regions(tmp_path / f"r.{ending}", obs, rows, *WINDOW.values())
    facts, columns, units = read(tmp_path / f"r.{ending}")
    assert columns["sum"].tolist() == [image[0:3, 0:2].sum(), rows[1]["sum"]]
    assert columns["sigma"].tolist() == pytest.approx([row["sigma"] for row in rows], nan_ok=True)
    expected = ["R\\xe9gion 1", "B"] if ending == "fits" else ["Région 1", "B"]
    assert columns["region"].tolist() == expected
    assert "×" in rows[0]["label"]
    if ending != "csv":
        assert units["sum"] == "count"
    assert units["rate_cps"] == "count/s"
    assert json.loads(facts["SETTINGS"]) == WINDOW


@dataclass(frozen=True)
class Row:
    name: str
    good: bool
    pixels: int
    peak: tuple[int, int] | None
    noise: float | None


def test_rows_may_be_any_dataclass(obs, tmp_path):
    rows = [Row("a, b", True, 3, (4, 2), 0.1), Row('"c"', False, 1, None, None)]
    for ending in ENDINGS:
        export_regions(tmp_path / f"r.{ending}", obs, rows, units={"peak": "pixel"})
        _, columns, units = read(tmp_path / f"r.{ending}")
        assert columns["name"].tolist() == ["a, b", '"c"']
        assert columns["good"].tolist() == [1, 0]
        np.testing.assert_array_equal(columns["peak_x"].astype(float), [4, np.nan])
        np.testing.assert_array_equal(columns["peak_y"].astype(float), [2, np.nan])
        np.testing.assert_array_equal(columns["noise"].astype(float), [0.1, np.nan])
        assert columns["pixels"].tolist() == [3, 1]
        assert units["peak_x"] == "pixel"


# --- safety --------------------------------------------------------------------------------------


def test_an_existing_file_is_replaced_only_when_asked(obs, tmp_path):
    path = tmp_path / "i.fits"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        export_image(path, obs, obs.count_image())
    assert path.read_text() == "precious"
    export_image(path, obs, obs.count_image(), overwrite=True)
    assert path.read_bytes().startswith(b"SIMPLE")


def test_data_are_never_written_over_whatever_they_are_called(folder, obs, tmp_path):
    original = obs.path.read_bytes()
    other = tmp_path / "copy.fits"
    other.write_bytes(original)  # a photon file under the name of an image
    linked = tmp_path / "linked.fits"
    linked.symlink_to(obs.path)
    raw = tmp_path / "raw.csv"
    raw.symlink_to(folder / f"{START}.bin")
    hard = tmp_path / "hard.npz"
    hard.hardlink_to(obs.path)
    for path in (other, linked, raw, hard):
        with pytest.raises(OutputError, match="holds data"):
            export_image(path, obs, obs.count_image(), overwrite=True)
    assert obs.path.read_bytes() == original
    assert other.read_bytes() == original


def test_an_unknown_ending_names_the_known_ones(obs, tmp_path):
    for name in ("i.h5", "i.bin", "i", "i.jpeg"):
        with pytest.raises(ConfigError, match=r"must end in \.fits, \.csv, \.npz"):
            export_image(tmp_path / name, obs, obs.count_image(), overwrite=True)


def test_nothing_is_left_when_it_fails_or_is_cancelled(obs, tmp_path):
    def cancel(*_):
        raise OperationCancelled

    for ending in ("csv",):
        with pytest.raises(OperationCancelled):
            export_image(tmp_path / f"i.{ending}", obs, obs.count_image(), progress=cancel)
    with pytest.raises(OutputError):
        export_image(tmp_path / "absent" / "i.fits", obs, obs.count_image())
    assert not list(tmp_path.iterdir())


def test_file_names_of_any_letters_are_told(folder, tmp_path):
    strange = tmp_path / "nä\nchte \\ 1.h5"
    os.link(folder / f"{START}.h5", strange)
    with ObsFile(strange) as obs:
        for ending in ENDINGS:
            export_image(tmp_path / f"i.{ending}", obs, obs.count_image())
    for ending in ("fits", "csv"):
        name = read(tmp_path / f"i.{ending}")[0]["PHOTFILE"]
        assert name.encode("ascii").decode("unicode_escape") == strange.name
    assert read(tmp_path / "i.npz")[0]["PHOTFILE"] == strange.name


@pytest.mark.parametrize("length", [1, 18, 30, 50, 58, 64, 66, 67, 68, 69, 75, 140])
def test_a_comment_without_room_in_its_card_is_shortened_by_us(tmp_path, length):
    path = tmp_path / "table.fits"
    comment = "what this is said to be, in rather more words than needed"
    facts = {"SOURCE": ("x" * length, comment)}
    save_table(path, Table("things", {"n": ("", np.arange(3))}, facts))  # warns of nothing
    cards = fits.getheader(path, 1)
    assert cards["SOURCE"] == "x" * length
    assert comment.startswith(cards.comments["SOURCE"])
    if length < 30 or length > 70:
        assert cards.comments["SOURCE"]
