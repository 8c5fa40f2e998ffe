"""A screen in memory with a window manager, a real mouse and a real keyboard, for one test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

from quicklook import preflight

__all__ = ["Screen", "why_not"]

_PROGRAMS = {"Xvfb": "xvfb", "xdotool": "xdotool"}
_MANAGERS = ("openbox", "matchbox-window-manager")


def why_not() -> str:
    """Return what is missing on this machine; '' if a screen can be had."""
    if not sys.platform.startswith("linux"):
        return "Xvfb is for Linux"
    missing = [package for name, package in _PROGRAMS.items() if shutil.which(name) is None]
    if not any(shutil.which(name) for name in _MANAGERS):
        missing.append(_MANAGERS[0])
    missing += preflight.missing_libraries({"QT_QPA_PLATFORM": "xcb"}).values()
    return f"not installed: {' '.join(sorted(set(missing)))}" if missing else ""


class Screen:
    """A display of its own number; everything that was started ends with `close`."""

    def __init__(self, width: int, height: int) -> None:
        self._started: list[subprocess.Popen[bytes]] = []
        read, write = os.pipe()
        try:
            # 96 dpi: with others Qt scales, and its positions are not those of the mouse
            size = f"{width}x{height}x24"
            options = f"-displayfd {write} -screen 0 {size} -dpi 96 -nolisten tcp"
            self._start(
                ["Xvfb", *options.split()],
                pass_fds=(write,),
            )
            os.close(write)
            with os.fdopen(read, "rb") as stream:
                number = stream.readline().decode().strip()
        except BaseException:
            self.close()
            raise
        if not number:
            self.close()
            raise RuntimeError("Xvfb did not start")
        self.display = f":{number}"
        manager = next(name for name in _MANAGERS if shutil.which(name))
        self._start([manager], env=self.environment)
        time.sleep(0.3)

    def _start(self, command: list[str], **options: object) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._started.append(subprocess.Popen(command, **quiet, **options))

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for a program that is to appear here."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("QT_", "WAYLAND", "XDG_"))}
        return kept | {
            "DISPLAY": self.display,
            "QT_QPA_PLATFORM": "xcb",
            "QT_FONT_DPI": "96",
        }

    def close(self) -> None:
        """End what was started here, the last first."""
        for process in reversed(self._started):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # --- mouse and keyboard ----------------------------------------------------------------------

    def _do(self, *words: object) -> None:
        command = ["xdotool", *(str(word) for word in words)]
        subprocess.run(command, env=self.environment, check=True, timeout=20, capture_output=True)

    def move(self, x: int, y: int) -> None:
        """Move the mouse."""
        self._do("mousemove", x, y)

    def click(self, x: int, y: int, times: int = 1) -> None:
        """Click with the left button."""
        self._do("mousemove", x, y, "click", "--repeat", times, "--delay", 60, 1)

    def drag(self, start: tuple[int, int], stop: tuple[int, int]) -> None:
        """Press, move, release."""
        self._do("mousemove", *start, "mousedown", 1)
        for k in (1, 2, 3, 4):
            self._do("mousemove", *(a + (b - a) * k // 4 for a, b in zip(start, stop, strict=True)))
        self._do("mouseup", 1)

    def wheel(self, x: int, y: int, turns: int) -> None:
        """Turn the wheel, up if positive."""
        button = 4 if turns > 0 else 5
        self._do("mousemove", x, y, "click", "--repeat", abs(turns), button)

    def key(self, *names: str) -> None:
        """Press keys, for example ``key("ctrl+shift+p")``."""
        self._do("key", *names)

    def type(self, text: str) -> None:
        """Type a text."""
        self._do("type", "--delay", 8, "--", text)

    def move_window(self, window_id: int, x: int, y: int) -> None:
        """Put a window elsewhere, as one does by its title bar."""
        self._do("windowmove", window_id, x, y)
