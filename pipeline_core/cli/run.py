"""``run``: a whole night from one file."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from pipeline_core.errors import PipelineError
from pipeline_core.night.hashes import HashCache
from pipeline_core.night.plan import Plan, make_plan
from pipeline_core.night.report import write_report
from pipeline_core.night.run import FAILED, LEFT_OUT, Outcome, local_processes, run_plan, state_of
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
        "--verify", action="store_true", help="read all raw files again to see whether they changed"
    )


def run(args: argparse.Namespace, progress: Progress) -> dict[str, object]:
    """Do the night, and return what became of it."""
    settings = load_night(args.night)
    begun = time.monotonic()
    if not args.dry_run:
        settings.database.mkdir(parents=True, exist_ok=True)
    hashes = HashCache(settings.database / "hashes.json", verify=args.verify)
    progress(0, 1, "looking for raw files")
    plan = make_plan(settings, hashes)
    if args.dry_run:
        return _planned(plan)
    hashes.save()
    ncpu = args.ncpu or settings.ncpu
    done: list[Outcome] = []

    def watch(outcome: Outcome) -> None:
        done.append(outcome)
        progress(len(done), len(plan.tasks), outcome.task.name)
        if not args.quiet and not args.json:
            print(f"{outcome.state:>13}  {outcome.task.name}: {outcome.text}", file=sys.stderr)

    outcomes = run_plan(plan, local_processes(ncpu), ncpu, watch)
    report = write_report(plan, outcomes, time.monotonic() - begun)
    bad = [one for one in outcomes if one.state in (FAILED, LEFT_OUT)]
    if bad or plan.problems:
        lines = [*plan.problems, *(f"{one.task.name}: {one.text}" for one in bad)]
        raise PipelineError(
            f"{len(bad)} of {len(outcomes)} tasks were not done; the others were. See {report}.\n"
            + "\n".join(lines)
        )
    counts = {
        state: sum(one.state == state for one in outcomes) for state in {o.state for o in outcomes}
    }
    return {"tasks": counts, "report": str(report), "seconds": round(time.monotonic() - begun, 2)}


def _planned(plan: Plan) -> dict[str, object]:
    return {
        "tasks": [
            f"{task.name} ({state_of(plan, task) or 'to do'}): {', '.join(map(str, task.outputs))}"
            for task in plan.tasks
        ],
        "problems": list(plan.problems),
    }
