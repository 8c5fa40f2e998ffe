"""Damages copies of a photon file and opens them; a process of its own, in case that HDF5 crashes it.

Arguments: a good file, where to write, a seed. Prints a line for each of 40 copies: 'shown', 'refused', or what went
wrong.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

from pipeline_core.describe_observation import describe_observation
from pipeline_core.errors import PipelineError
from pipeline_core.obsfile import ObsFile

COPIES = 40


def main(good: str, path: Path, seed: int) -> None:
    warnings.simplefilter("ignore")
    original = np.fromfile(good, np.uint8)
    rng = np.random.default_rng(seed)
    for number in range(COPIES):
        spoilt = original.copy()
        # half of them in the first 12 kB, where the descriptions are
        last = 12_000 if number % 2 else spoilt.size - 64
        first = int(rng.integers(8, last))
        many = int(rng.choice([1, 8, 64]))
        spoilt[first : first + many] = rng.integers(0, 256, many)
        path.unlink(missing_ok=True)
        spoilt.tofile(path)
        sys.stdout.write(outcome(path) + "\n")
        sys.stdout.flush()


def outcome(path: Path) -> str:
    try:
        with ObsFile(path) as obs:
            obs.count_image(0.0, obs.exposure_s / 2)
            obs.photons((0, 0))
            describe_observation(obs)
    except PipelineError as error:
        return "refused" if str(path) in str(error) else f"no name: {error}"
    except Exception as error:
        return f"another error: {error!r}"
    return "shown"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
