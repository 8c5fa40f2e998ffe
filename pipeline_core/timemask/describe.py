"""Describes a time mask as plain values: for ``info``, for ``timemask`` and for the window."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline_core.timemask.solution import MaskedTimes
from pipeline_core.utc import utc_words

__all__ = ["describe_time_mask"]

_SHOWN = 20


def describe_time_mask(found: MaskedTimes, path: Path | str) -> dict[str, object]:
    """Return what a time mask leaves out, and what it was made from.

    Parameters
    ----------
    found : MaskedTimes
    path : path
        Where it is kept.
    """
    masked = found.masked_s
    share = (
        f" ({masked / found.exposure_s:.4%} of {found.exposure_s:g} s)" if found.exposure_s else ""
    )
    rows = [
        f"{start / 1e6:.6f} to {stop / 1e6:.6f} s: {reason}"
        for (start, stop), reason in zip(found.intervals_us.tolist(), found.reasons, strict=True)
    ]
    more = len(rows) - _SHOWN
    return {
        "file": str(path),
        "kind": "time mask",
        "mask id": found.solution_id,
        "made": f"{utc_words(found.created_unix)} by quicklook {found.software}",
        "of": f"{found.path or 'any observation'} (id {found.file_id or 'not told'})",
        "intervals": len(rows),
        "masked (s)": f"{masked:.6f}{share}",
        "times": rows[:_SHOWN] + ([f"and {more} more"] if more > 0 else []),
        "settings": json.loads(found.settings),
    }
