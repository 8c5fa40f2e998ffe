"""``history``: what was done to an observation."""

from __future__ import annotations

import argparse

from pipeline_core.cli.arguments import add_observation
from pipeline_core.describe_observation import describe_observation
from pipeline_core.observation import open_photons
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "history"
HELP = "Tell what was done to an observation, oldest first."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_observation(parser)


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """List the history."""
    progress(0, 1, "reading")
    with open_photons(args.observation, beammap=args.beammap, progress=progress) as obs:
        rows = describe_observation(obs).history
        return {
            "file": str(args.observation),
            "sidecar": obs.sidecar_words,
            "history": [
                f"{row.utc} {row.action}: {row.detail}{' (undone)' if row.undone else ''}"
                for row in rows
            ],
        }
