"""``run``: a whole night from one file."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from pipeline_core.errors import ConfigError, OperationCancelled, PipelineError
from pipeline_core.night.ledger import Ledger
from pipeline_core.night.plan import Plan
from pipeline_core.night.reduce import plan_night, reduce_night
from pipeline_core.night.room import rooms_of
from pipeline_core.night.run import DONE, REUSED, Outcome
from pipeline_core.night.settings import load_night
from pipeline_core.progress import Progress

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "run"
HELP = "Reduce a whole night from one file: conversion, calibrations, masks, images, cubes, and a report."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("night", type=Path, metavar="PIPELINE.yml")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    parser.add_argument("--ncpu", type=int, metavar="N", help="tasks at the same time")
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="have the tasks done by the workers of this dask.distributed scheduler, such as tcp://10.0.0.1:8786",
    )
    parser.add_argument(
        "--verify", action="store_true", help="read all raw files again to see whether they changed"
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Do the night, and return what became of it."""
    if args.ncpu is not None and args.ncpu < 1:
        raise ConfigError(f"--ncpu must be at least 1, not {args.ncpu}.")
    settings = load_night(args.night)
    plan = plan_night(settings, keep=not args.dry_run, verify=args.verify, progress=progress)
    if args.dry_run:
        return _planned(plan)
    done: list[Outcome] = []

    def watch(outcome: Outcome) -> None:
        done.append(outcome)
        if not args.quiet and not args.json:
            print(f"{outcome.state:>13}  {outcome.task.name}: {outcome.text}", file=sys.stderr)

    try:
        result = reduce_night(
            plan, scheduler=args.scheduler, ncpu=args.ncpu, watch=watch, progress=progress
        )
    except (KeyboardInterrupt, OperationCancelled) as error:
        there = sum(one.state in (DONE, REUSED) for one in done)
        raise PipelineError(
            f"The night was cancelled: {there} of {len(plan.tasks)} tasks are done and kept. The same command goes on."
        ) from error
    bad = result.not_done
    if bad or result.problems:
        lines = [*result.problems, *(f"{one.task.name}: {one.text}" for one in bad)]
        raise PipelineError(
            f"{len(bad)} of {len(result.outcomes)} tasks were not done; the others were. See {result.report}.\n"
            + "\n".join(lines)
        )
    return {
        "tasks": dict(Counter(one.state for one in result.outcomes)),
        "report": str(result.report),
        "seconds": round(result.seconds, 2),
    }


def _planned(plan: Plan) -> dict[str, object]:
    ledger = Ledger(plan.settings.database)
    return {
        "tasks": [
            f"{task.name} ({REUSED if ledger.holds(task) else 'to do'}): {', '.join(map(str, task.outputs))}"
            for task in plan.tasks
        ],
        "room": [
            f"{room.name} {room.folder}: at most {room.needed / 1e9:.3g} GB needed, {room.free / 1e9:.3g} GB free"
            for room in rooms_of(plan)
        ],
        "problems": list(plan.problems),
    }
