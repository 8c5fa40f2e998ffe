"""Start the window: arguments, check of the system libraries, then Qt. Light until Qt is needed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from quicklook import __version__, preflight

__all__ = ["main"]

_NO_DISPLAY = (
    "quicklook: there is no display to show a window on.\n"
    "  Over ssh:                  ssh -X, or set DISPLAY\n"
    "  To see that it works:      quicklook --demo   (writes pictures)\n"
    "  Without a window:          python -m pipeline_core --help"
)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="quicklook", description="Look at photons from the MKID cameras DARKNESS and MEC."
    )
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE | FOLDER",
        help="photon file (.h5), .img frame, datastream (stream*.fits[.gz]), or consecutive .bin files to open; a "
        "folder is listed",
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="simulate a small night, convert it and look at it; without a display, write pictures "
        "of it to ./quicklook-demo",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="neither use nor change the saved preferences"
    )
    parser.add_argument("--version", action="version", version=f"quicklook {__version__}")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the program.

    Returns
    -------
    int
        0, or 2 if there is no display, a system library is missing, or the demo failed.
    """
    options = _parse(argv)
    if not preflight.has_display() and not options.demo:
        print(_NO_DISPLAY, file=sys.stderr)
        return 2
    offscreen = preflight.use_offscreen_without_display()
    problem = preflight.problem()
    if problem:
        print(problem, file=sys.stderr)
        return 2

    from quicklook.launch import launch

    return launch(files=options.files, demo=options.demo, fresh=options.fresh, pictures=offscreen)


if __name__ == "__main__":
    sys.exit(main())
