import json
from pathlib import Path

import numpy as np
import pytest
from observations import make_observation

from pipeline_core.errors import ConfigError, InputFormatError
from pipeline_core.wavecal.settings import Laser, WavecalSettings

RATES = np.full((4, 3), 20.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    made = {}
    for name, rates in (
        ("a", RATES),
        ("b", RATES),
        ("dark", RATES),
        ("large", np.full((5, 3), 9.0)),
    ):
        made[name], _ = make_observation(tmp_path_factory.mktemp(name), rates, seed=len(made))
    codes = np.zeros((4, 3), np.uint8)
    made["other_map"], _ = make_observation(tmp_path_factory.mktemp("map"), RATES, codes=codes)
    return made


def write(tmp_path, text):
    path = tmp_path / "wavecal.yml"
    path.write_text(text)
    return path


def test_all_forms_of_yaml_mean_the_same(tmp_path):
    short = "lasers:\n  1120: b.h5\n  808 nm: a.h5\nbackground: d.h5\n"
    long = (
        "lasers:\n  808: {path: a.h5, background: d.h5}\n  1120: {path: b.h5, background: d.h5}\n"
    )
    rows = (
        "lasers:\n- {wavelength_nm: 808, path: a.h5, background: d.h5}\n"
        "- {wavelength_nm: 1120.0, path: b.h5}\nbackground: d.h5\n"
    )
    wanted = WavecalSettings(
        (
            Laser(808.0, tmp_path / "a.h5", tmp_path / "d.h5"),
            Laser(1120.0, tmp_path / "b.h5", tmp_path / "d.h5"),
        )
    )
    for text in (short, long, rows):
        assert WavecalSettings.from_yaml(write(tmp_path, text)) == wanted


def test_settings_survive_json(tmp_path):
    text = (
        "lasers: {808: a.h5, 920: b.h5}\ndt_us: 200\nmax_rate_cps: 1800\nbin_deg: 2\nmin_photons: 30\n"
        "prior: false\nline_models: gauss_tail\ncurve_models: [linear, arctan]\nout: s.h5\n"
    )
    settings = WavecalSettings.from_yaml(write(tmp_path, text))
    assert (settings.dt_us, settings.max_rate_cps, settings.bin_deg) == (200, 1800, 2)
    assert settings.line_models == ("gauss_tail",)
    assert settings.curve_models == ("linear", "arctan")
    assert settings.out == tmp_path / "s.h5"
    assert WavecalSettings.from_mapping(json.loads(settings.to_json())) == settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lasers: {808: a, 920: b}\ncolour: red\nspeed: 3\n", ["unknown", "colour", "speed"]),
        ("lasers: {808: a}\n", ["at least two"]),
        ("dt_us: 3\n", ["no lasers"]),
        ("lasers: {808: a, 808: b}\n", ["808", "twice"]),
        ("lasers: {808: a, 808.0000001: b}\n", ["808", "twice"]),
        ("lasers: {808: a, 920: a}\n", ["given for 808 nm and for 920 nm"]),
        ("lasers: {808: a, red: b}\n", ["red", "no laser"]),
        ("lasers: {808: a, 920: {file: b}}\n", ["920", "no laser"]),
        ("lasers: {8: a, 920: b}\nbin_deg: 0\ndt_us: x\n", ["8 nm", "bin_deg", "dt_us"]),
        ("lasers: {808: a, 920: b}\nline_models: [spline]\nprior: 3\n", ["spline", "prior"]),
        ("- 1\n- 2\n", ["name: value"]),
    ],
)
def test_everything_that_is_wrong_is_named(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        WavecalSettings.from_yaml(path)
    for word in [*words, str(path)]:
        assert word in str(caught.value)


def test_yaml_cannot_run_anything(tmp_path):
    victim = tmp_path / "made"
    path = write(tmp_path, f"lasers: !!python/object/apply:os.mkdir ['{victim}']\n")
    with pytest.raises(InputFormatError, match="not plain YAML"):
        WavecalSettings.from_yaml(path)
    assert not victim.exists()
    with pytest.raises(InputFormatError, match="cannot be read"):
        WavecalSettings.from_yaml(tmp_path / "none.yml")


def test_inputs_are_checked_before_any_work(files, tmp_path):
    settings = WavecalSettings((Laser(920, files["b"], files["dark"]), Laser(808, files["a"])))
    inputs = settings.check_inputs()
    assert [one.wavelength_nm for one in inputs.files[:2]] == [808.0, 920.0]
    assert np.isnan(inputs.files[2].wavelength_nm)
    assert inputs.files[2].path == files["dark"]
    assert inputs.files[0].size_bytes == files["a"].stat().st_size
    assert inputs.baseline == "ignore"
    assert inputs.beammap.shape == (4, 3)
    assert len({one.content_hash for one in inputs.files}) == 3


def test_every_unusable_input_is_named(files, tmp_path):
    broken = tmp_path / "broken.h5"
    broken.write_bytes(files["a"].read_bytes()[:3000])
    missing = Path("/nowhere/laser.h5")
    settings = WavecalSettings(
        (Laser(808, files["a"]), Laser(920, missing), Laser(980, broken), Laser(1120, files["b"]))
    )
    with pytest.raises(ConfigError) as caught:
        settings.check_inputs()
    text = str(caught.value)
    for word in ("920 nm", str(missing), "980 nm", str(broken)):
        assert word in text
    assert "808 nm" not in text
    assert "1120 nm" not in text


def test_inputs_that_do_not_belong_together(files, tmp_path):
    for name, words in (("large", "of camera"), ("other_map", "another beam map")):
        settings = WavecalSettings((Laser(808, files["a"]), Laser(920, files[name])))
        with pytest.raises(ConfigError, match=words):
            settings.check_inputs()


def test_saved_settings_are_read_back(tmp_path):
    settings = WavecalSettings(
        (Laser(920, tmp_path / "b.h5", tmp_path / "dark.h5"), Laser(808.5, tmp_path / "a.h5")),
        dt_us=250,
        curve_models=("arctan",),
        prior=False,
        out=tmp_path / "s.h5",
    )
    saved = settings.save_yaml(tmp_path / "settings.yml")
    assert WavecalSettings.from_yaml(saved) == settings
    assert "!" not in saved.read_text()
