"""What is right, doubtful or wrong with an observation, as short sentences. What is not known is called unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_core.conversion_summary import DROP_REASONS, brief_ranges
from pipeline_core.counts_only import CountsOnly
from pipeline_core.errors import InputFormatError
from pipeline_core.exposure import blind_intervals
from pipeline_core.flags import FLAG_NAMES
from pipeline_core.obsfile import ObsFile

__all__ = ["Check", "check_health"]

_NOT_READ = np.uint32(1 << FLAG_NAMES.index("beammap.noDacTone"))
_SUSPICIOUS = 0.2
"""Share of silent pixels, or of words outside the array, from which on the beam map is doubted."""
_NOTABLE = 0.01
_MUCH_LOST = 0.05
_LIMITS_CPS = {"MEC": 5000.0}
_USUAL_LIMIT_CPS = 2500.0
"""Counts per second and pixel above which the firmware drops photons."""
_NEAR_LIMIT = 0.98
_SAMPLE = 16


class Check(NamedTuple):
    """One finding: what was looked at, `state` 'good', 'warning', 'bad' or 'unknown', and a sentence."""

    name: str
    state: str
    sentence: str


def check_health(obs: ObsFile | CountsOnly) -> tuple[Check, ...]:
    """Look at everything that can be told without reading all photons.

    Parameters
    ----------
    obs : ObsFile or CountsOnly
        To be called from the thread that opened it.

    Returns
    -------
    tuple of Check
        The same names in the same order for every kind of observation.
    """
    # as recorded: masked times are looked at too, and cost no pass through the file
    counts = obs.count_image() if isinstance(obs, CountsOnly) else obs.recorded_counts
    of_photons: dict[str, Callable[[ObsFile], tuple[str, str]]] = {
        "photon index": _index,
        "photon times": _times,
        "time with data": _gaps,
        "raw files": _missing_seconds,
        "lost packets": _lost_packets,
        "words left out": _left_out,
    }
    found = []
    for name, check in of_photons.items():
        if isinstance(obs, CountsOnly):
            found.append(
                Check(
                    name, "unknown", f"{obs.what.capitalize()} holds counts only; it does not tell."
                )
            )
        else:
            found.append(Check(name, *check(obs)))
    found += [
        Check("silent pixels", *_silent(obs, counts)),
        Check("resonator ids", *_res_ids(obs)),
        Check("beam map", *_absent(obs)),
        Check("saturation", *_saturation(obs, counts)),
        Check("sidecar", *_sidecar(obs)),
    ]
    return tuple(found)


def _index(obs: ObsFile) -> tuple[str, str]:
    # that slices are complete and do not overlap is checked when a file is opened
    if obs.sources and (kept := sum(source.kept for source in obs.sources)) != obs.n_photons:
        return "bad", (
            f"The file holds {obs.n_photons:,} photons, but {kept:,} were taken from raw files. Convert them again."
        )
    return "good", f"Each of the {obs.n_photons:,} photons belongs to exactly one pixel."


def _times(obs: ObsFile) -> tuple[str, str]:
    counts = obs.recorded_counts
    lit = np.flatnonzero(counts)
    if not lit.size:
        return "unknown", "There are no photons."
    chosen = lit[np.linspace(0, lit.size - 1, min(_SAMPLE, lit.size)).astype(np.intp)]
    for flat in chosen:
        x, y = divmod(int(flat), obs.shape[1])
        try:
            obs.photons((x, y))  # which looks at their order, and for times after the end
        except InputFormatError as error:
            return "bad", str(error)
    looked = f"{len(chosen)} pixels looked at" if len(chosen) < lit.size else "all pixels"
    return "good", f"The photons of {looked} are in order and within {obs.exposure_s:g} s."


def _gaps(obs: ObsFile) -> tuple[str, str]:
    gaps = obs.gaps_us
    if obs.origin:
        return "unknown", "The file of the older program does not tell when no packets came."
    if not len(gaps):
        return "good", f"There are packets all through the {obs.exposure_s:g} s."
    open_s = _with_data(obs)
    spans = ", ".join(f"{a / 1e6:.3f}-{b / 1e6:.3f}" for a, b in gaps[:5].tolist())
    more = f" and {len(gaps) - 5} more" if len(gaps) > 5 else ""
    state = "warning" if open_s > obs.exposure_s / 2 else "bad"
    return state, (
        f"No packet came in {obs.exposure_s - open_s:.3f} of {obs.exposure_s:g} s (from-to, s: {spans}{more}). Rates "
        "are per second with data."
    )


def _with_data(obs: ObsFile) -> float:
    """Return for how many seconds there are data; masked times are no fault of theirs."""
    return obs.exposure_s - float(np.diff(blind_intervals(obs.gaps_us), axis=1).sum()) / 1e6


def _missing_seconds(obs: ObsFile) -> tuple[str, str]:
    present = {source.second for source in obs.sources}
    if not present:
        return "unknown", "The file does not say which raw files it was made from."
    wanted = range(obs.start_unix, obs.start_unix + round(obs.exposure_s))
    missing = tuple(second for second in wanted if second not in present)
    if missing:
        return "warning", f"No file for {len(missing)} of {len(wanted)} s: {brief_ranges(missing)}."
    return "good", f"There was a file for each of the {len(wanted)} s."


def _lost_packets(obs: ObsFile) -> tuple[str, str]:
    if not obs.lost_packets:
        return "unknown", "The file does not say which boards sent packets."
    lost = sum(obs.lost_packets.values())
    if not lost:
        return "good", f"No packet was lost, by the counters of {len(obs.lost_packets)} boards."
    arrived = sum(source.packets for source in obs.sources)
    share = lost / (lost + arrived)
    by_board = ", ".join(f"board {b}: {n:,}" for b, n in obs.lost_packets.items() if n)
    state = "bad" if share > _MUCH_LOST else "warning"
    return (
        state,
        f"{lost:,} of {lost + arrived:,} ({share:.2%}) were lost on the network ({by_board}).",
    )


def _left_out(obs: ObsFile) -> tuple[str, str]:
    if not obs.sources:
        return "unknown", "The file does not say what became of the raw words."
    words = {
        "end_of_frame": "end-of-frame markers",
        "outside_array": "outside the array",
        "outside_window": "outside the time range",
        "without_header": "without a packet header",
    }
    number = {name: sum(getattr(s, name) for s in obs.sources) for name in DROP_REASONS}
    spare = sum(source.spare_bytes for source in obs.sources)
    told = [f"{number[name]:,} {words[name]}" for name in DROP_REASONS if number[name]]
    if spare:
        told.append(f"{spare:,} bytes that make up no word")
    skipped = sum(source.skipped_bytes for source in obs.sources)
    if skipped:
        told.append(f"{skipped:,} bytes of damaged files that could not be told to be words")
    sentence = f"Left out: {', '.join(told)}." if told else "Nothing was left out."
    outside, photons = number["outside_array"], max(obs.n_photons, 1)
    if outside > _SUSPICIOUS * photons:
        return "bad", f"{sentence} Is the beam map that of another camera?"
    doubtful = outside + number["without_header"] > _NOTABLE * photons or spare or skipped
    return ("warning" if doubtful else "good"), sentence


def _silent(obs: ObsFile | CountsOnly, counts: npt.NDArray[np.int64]) -> tuple[str, str]:
    read = (obs.flags & _NOT_READ) == 0
    n_read = int(np.count_nonzero(read))
    n_silent = int(np.count_nonzero(read & (counts == 0)))
    if not n_read:
        return "bad", "No pixel was read out, by the beam map."
    sentence = f"{n_silent:,} of {n_read:,} pixels that are read out have no photon ({n_silent / n_read:.1%})."
    if n_silent > _SUSPICIOUS * n_read:
        return "warning", f"{sentence} Is it the beam map of this camera and night?"
    return "good", sentence


def _res_ids(obs: ObsFile | CountsOnly) -> tuple[str, str]:
    if not obs.beammap.mapped.any():
        return "unknown", "There is no beam map."
    repeated = obs.beammap.duplicate_res_ids()
    if repeated:
        return (
            "warning",
            f"{repeated:,} resonators stand at more than one pixel; the pixels are kept apart.",
        )
    return "good", "Each resonator stands at one pixel."


def _absent(obs: ObsFile | CountsOnly) -> tuple[str, str]:
    mapped = obs.beammap.mapped
    if not mapped.any():
        return "unknown", "There is no beam map."
    absent = int(np.count_nonzero(~mapped))
    if absent:
        return (
            "warning",
            f"{absent:,} of {mapped.size:,} pixels are not in the map; their photons are kept.",
        )
    return "good", f"The map has all {mapped.size:,} pixels."


def _saturation(obs: ObsFile | CountsOnly, counts: npt.NDArray[np.int64]) -> tuple[str, str]:
    open_s = obs.open_time() if isinstance(obs, CountsOnly) else _with_data(obs)
    if not open_s:
        return "unknown", "There is no time with data."
    limit = _LIMITS_CPS.get(obs.camera, _USUAL_LIMIT_CPS)
    rate = counts / open_s
    saturated = int(np.count_nonzero(rate >= _NEAR_LIMIT * limit))
    x, y = np.unravel_index(int(np.argmax(rate)), rate.shape)
    brightest = f"the brightest, ({x}, {y}), has {rate[x, y]:,.0f} counts/s on average"
    if saturated:
        return "warning", (
            f"{saturated:,} pixels reach or exceed {limit:,.0f} counts/s, above which the read-out may drop photons; "
            f"{brightest}."
        )
    return (
        "good",
        f"No pixel reaches {limit:,.0f} counts/s, above which the read-out may drop photons; {brightest}.",
    )


def _sidecar(obs: ObsFile | CountsOnly) -> tuple[str, str]:
    if isinstance(obs, CountsOnly) or obs.kind != "photons":
        return "good", "Nothing can be attached to raw files, frames and files of older programs."
    if obs.sidecar_words == "inside the file":
        return "good", f"It is packed inside the photon file ({len(obs.history)} actions)."
    if not obs.sidecar.exists():
        return "good", "There is none: nothing was ever attached."
    if obs.sidecar.parent.absolute() != obs.path.parent.absolute():
        return "warning", (
            f"The photon file's folder is read-only: what is attached is kept in {obs.sidecar}, and does not travel "
            "with it."
        )
    return "good", f"{obs.sidecar.name} fits the photon file ({len(obs.history)} actions)."
