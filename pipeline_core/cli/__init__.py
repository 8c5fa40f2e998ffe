"""The command line ``python -m pipeline_core``: one module a command, this one dispatches.

A command module has NAME, HELP, ``add_arguments(parser)`` and ``run(args, progress)``, which returns what happened
as plain values. Exit codes: 0 done, 1 failed (with a message), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import ModuleType

from pipeline_core import __version__
from pipeline_core.errors import ConfigError, OperationCancelled, PipelineError
from pipeline_core.progress import Progress

__all__ = ["main"]


_COMMANDS = (
    "simulate",
    "run",
    "convert",
    "export",
    "parsebin",
    "info",
    "wavecal",
    "flatcal",
    "badpixels",
    "timemask",
    "apply",
    "undo",
    "history",
    "pack",
    "unpack",
    "image",
    "lightcurve",
    "spectrum",
    "cube",
    "stack",
    "movie",
    "speckle",
)


def _commands(arguments: Sequence[str]) -> list[ModuleType]:
    """Return the command that is asked for, or all of them for ``--help``: what is not needed is not waited for."""
    wanted = [name for name in arguments[:1] if name in _COMMANDS] or _COMMANDS
    return [importlib.import_module(f"pipeline_core.cli.{name}") for name in wanted]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline_core",
        description="Reduce photons of MKID cameras: simulate, convert, inspect.",
    )
    parser.add_argument("--version", action="version", version=f"pipeline_core {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands = {}
    arguments = sys.argv[1:] if arguments is None else arguments
    for command in _commands(arguments):
        sub = subparsers.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.add_arguments(sub)
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.add_argument("--quiet", action="store_true", help="no progress bar")
        commands[command.NAME] = command
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
    bar = _Bar(quiet=args.quiet or args.json)
    try:
        result = commands[args.command].run(args, bar)
    except (ConfigError, PipelineError) as error:
        bar.close()
        print(f"error: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        bar.close()
        print(
            f"error: {args.command}: the memory does not suffice ({error or 'no more of it'}). Close other programs, "
            "or ask for less at once: a shorter time range, wider bins, fewer pixels.",
            file=sys.stderr,
        )
        return 1
    except (KeyboardInterrupt, OperationCancelled):
        bar.close()
        print("cancelled: nothing was left behind", file=sys.stderr)
        return 1
    bar.close()
    try:
        _print_result(result, as_json=args.json)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _print_result(result: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, indent=2, default=str))
        return
    for key, value in result.items():
        _print_value(key, value)


def _stop(*_: object) -> None:
    """Treat a request to end like Ctrl-C, so that nothing half-written is left."""
    raise KeyboardInterrupt


def _print_value(key: str, value: object) -> None:
    if isinstance(value, dict):
        print(f"{key}:" if value else f"{key}: none")
        for name, item in value.items():
            print(f"  {name}: {item}")
    elif isinstance(value, (list, tuple)):
        print(f"{key}:" if value else f"{key}: none")
        for item in value:
            print(f"  {item}")
    else:
        print(f"{key}: {value}")


class _Bar(Progress):
    """A progress bar on a terminal's standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet or not sys.stderr.isatty()
        self._last = 0.0
        self._shown = False

    def __call__(self, done: int, total: int, stage: str = "") -> None:
        now = time.monotonic()
        if self._quiet or now - self._last < 0.05:
            return
        self._last = now
        self._shown = True
        fraction = done / total if total else 1.0
        filled = round(30 * fraction)
        line = f"\r[{'#' * filled}{'.' * (30 - filled)}] {fraction:4.0%} {stage:<28.28}"
        print(line, end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._shown:
            print("\r" + " " * 70 + "\r", end="", file=sys.stderr, flush=True)
            self._shown = False
