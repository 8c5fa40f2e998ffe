"""The program as it is started: arguments, missing libraries, no display, demo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quicklook import preflight
from quicklook.__main__ import main
from quicklook.demo import Demo


def run(*arguments, cwd, **environment):
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    env.pop("QT_QPA_PLATFORM", None)
    env.update(environment, XDG_STATE_HOME=str(cwd / "state"), XDG_CONFIG_HOME=str(cwd / "config"))
    return subprocess.run(
        [sys.executable, "-m", "quicklook", *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_version_and_help(capsys):
    for argument, words in (("--version", "quicklook 0."), ("--help", "--demo")):
        with pytest.raises(SystemExit) as end:
            main([argument])
        assert end.value.code == 0
        assert words in capsys.readouterr().out


def test_usage_error(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--no-such-option"])
    assert end.value.code == 2


def test_without_a_display_it_says_so(tmp_path):
    done = run(cwd=tmp_path)
    assert done.returncode == 2
    assert "no display" in done.stderr
    assert "--demo" in done.stderr


def test_missing_library_is_named_with_its_package(monkeypatch, capsys):
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setattr(preflight, "_loads", lambda library: "icccm" not in library)
    assert main([]) == 2
    message = capsys.readouterr().err
    assert "libxcb-icccm.so.4" in message
    assert "apt-get install -y --no-install-recommends libxcb-icccm4\n" in message


@pytest.mark.parametrize(
    ("environ", "displays"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "w"}, True),
        ({"DISPLAY": ""}, False),
    ],
)
def test_offscreen_only_without_a_display(environ, displays):
    assert preflight.has_display(environ) is displays
    assert preflight.use_offscreen_without_display(environ) is not displays
    assert environ.get("QT_QPA_PLATFORM") == (None if displays else "offscreen")


def test_offscreen_needs_no_window_libraries(monkeypatch):
    monkeypatch.setattr(preflight, "_loads", lambda library: "xcb" not in library)
    assert preflight.problem({"QT_QPA_PLATFORM": "offscreen", "DISPLAY": ":0"}) is None
    assert "libxcb-icccm4" in preflight.problem({"DISPLAY": ":0"})


@pytest.mark.slow
def test_the_demo_goes_on_when_all_is_drawn(qtbot, window, tmp_path):
    """Its first picture once had no legend, and said that no file was open."""
    demo = Demo(window, tmp_path, pictures=False)
    seen = []

    def look():
        seen.append((len(window.image.legend.entries), window.strip.value("File")))

    demo._steps = [(demo._file_is_open, look)]
    demo._timer.start()
    window.open_file(Path("night.h5"))
    qtbot.waitUntil(lambda: bool(seen))
    demo._timer.stop()
    assert seen == [(3, "night.h5")]


def test_demo_without_a_display_writes_pictures(tmp_path):
    done = run("--demo", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "quicklook-demo"
    pictures = sorted(path.name for path in folder.glob("*.png"))
    assert pictures == ["1-beam-flag-image.png", "2-raw-counts.png", "3-active-pixel.png"]
    for name in pictures:
        assert str(folder / name) in done.stdout
    assert list(folder.rglob("*.part")) == []
    again = run("--demo", cwd=tmp_path)  # replaces its own files
    assert again.returncode == 0, again.stdout + again.stderr
