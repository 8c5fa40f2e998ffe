"""``movie``: an observation's image in steps of time."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline_core.cli.arguments import (
    add_exclude,
    add_observation,
    add_time_range,
    add_wavelengths,
    add_weighted,
    flags_of,
    wavelengths_of,
)
from pipeline_core.colours import COLOUR_MAPS, DEFAULT_MAP
from pipeline_core.movie_settings import MOVIE_STRETCHES, MovieSettings
from pipeline_core.movies import write_movie
from pipeline_core.observation import open_photons
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "movie"
HELP = "Write a movie: the image in steps of time, with one scale of colours, a colour bar and UTC."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    usual = MovieSettings()
    add_observation(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="result: .gif, or .mp4 where ffmpeg is installed",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE")
    parser.add_argument(
        "--frame-s",
        type=float,
        default=usual.frame_s,
        metavar="S",
        help="seconds of the observation in a frame (default: %(default)s)",
    )
    parser.add_argument(
        "--fps",
        type=float,
        default=usual.fps,
        metavar="N",
        help="frames a second when played (default: %(default)s)",
    )
    parser.add_argument(
        "--limits",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="counts/s of the darkest and brightest colour; default: 1 %% and 99.5 %% of all frames' values",
    )
    parser.add_argument(
        "--stretch",
        choices=MOVIE_STRETCHES,
        default=usual.stretch,
    )
    parser.add_argument("--colours", choices=list(COLOUR_MAPS), default=DEFAULT_MAP)
    parser.add_argument("--inverted", action="store_true", help="brightest colour for the least")
    parser.add_argument(
        "--zoom",
        type=int,
        metavar="N",
        help="pixels of the picture in a row of a detector's pixel; default: about 480 for the longer side",
    )
    add_time_range(parser)
    add_wavelengths(parser)
    add_weighted(parser)
    add_exclude(parser)


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Write the movie, and return what it is."""
    low, high = wavelengths_of(args)
    settings = MovieSettings(
        frame_s=args.frame_s,
        start=args.start,
        stop=args.stop,
        min_wavelength=low,
        max_wavelength=high,
        weighted=args.weighted,
        exclude=flags_of(args),
        limits=None if args.limits is None else tuple(args.limits),
        stretch=args.stretch,
        colour_map=args.colours,
        inverted=args.inverted,
        zoom=args.zoom,
        fps=args.fps,
    )
    with open_photons(args.observation, beammap=args.beammap, progress=progress) as obs:
        summary = write_movie(args.out, obs, settings, overwrite=args.overwrite, progress=progress)
    return {
        "file": str(summary.path),
        "frames": summary.n_frames,
        "width x height": f"{summary.size[0]} x {summary.size[1]}",
        "limits (counts/s)": [round(value, 4) for value in summary.limits],
        "bytes": summary.path.stat().st_size,
    }
