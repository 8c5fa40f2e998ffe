"""What to simulate: frozen, validated values. No arrays, no files; `run.simulate` reads them.

Fractions are between 0 and 1, rates in counts per second and pixel, times in seconds unless the name says
otherwise.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from datetime import datetime, timezone
from numbers import Integral

from pipeline_core.errors import ConfigError

__all__ = [
    "KINDS",
    "LASERS_NM",
    "RESPONSES",
    "ArraySettings",
    "LightSettings",
    "ReadoutSettings",
    "SimulationSettings",
]

KINDS = ("night", "laser", "flat", "sky", "dark", "speckle")
RESPONSES = ("arctan", "quadratic")
LASERS_NM = (808.0, 920.0, 980.0, 1120.0, 1310.0)
"""Laser lines of DARKNESS, the default of a night."""

MAX_DELAY_S = 30.0
MAX_RATE_CPS = 1e6
_WAVELENGTHS_NM = (200.0, 5000.0)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _require_fractions(settings: object, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(settings, name)
        _require(0 <= value <= 1, f"Simulation: {name} = {value!r} must be between 0 and 1.")


def _require_whole(settings: object, names: tuple[str, ...], low: int, high: int) -> None:
    for name in names:
        value = getattr(settings, name)
        _require(
            isinstance(value, Integral) and low <= int(value) <= high,
            f"Simulation: {name} = {value!r} must be a whole number from {low} to {high}.",
        )


def _require_not_negative(settings: object, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(settings, name)
        _require(
            math.isfinite(value) and value >= 0,
            f"Simulation: {name} = {value!r} must be a number of at least 0.",
        )


@dataclass(frozen=True)
class ArraySettings:
    """How good the detector is. `ArraySettings.ideal()` has no defect at all.

    Attributes
    ----------
    response : {'arctan', 'quadratic'}
        Curve of phase against energy (see `pipeline_core.simulate.response`).
    phase_850_deg, gain_scatter_deg : float
        Mean and scatter over the pixels of the phase of an 850 nm photon.
    low_gain_fraction : float
        Pixels whose pulses are so small that the reddest lines stay below the trigger edge.
    resolution_808, resolution_scatter : float
        Median of E / FWHM at 808 nm and its log-normal scatter; clipped to 3..12.
    edge_deg : (low, high)
        Range of the trigger edges: what is less negative makes no photon.
    edge_softness_deg : float
        The edge is smeared by a Gaussian of this width.
    noise_cps, noise_scatter : float
        Median rate of noise triggers and its log-normal scatter.
    tail_deg : (low, high)
        Range of the e-folding lengths of their phases beyond the edge.
    pulse_us : (low, high)
        Range of the decay times of pulses; the next photon rides on what is left of the previous ones.
    dead_time_us : float
        Nothing is recorded for so long after a recorded photon (non-paralysable).
    sensitivity_scatter, sensitivity_slope : float
        Log-normal scatter of the pixels' sensitivity, and the scatter of its relative slope per 400 nm.
    hot_fraction, cold_fraction, dead_fraction, double_fraction : float
        Pixels with 2000..2500 cps of noise, with 5 % of the light, without any photon, with a second peak.
    unread_fraction, failed_fraction : float
        Pixels with beam-map code 1 (no photons) and with codes 2..7 (photons as any other).
    feedlines : int or None
        Number of feedlines, two boards each; None for the camera's own.
    feedlines_off : tuple of int
        Numbers (from 1) of feedlines that are switched off: code 1, boards send empty packets.
    absent_fraction : float
        Pixels that send photons but are missing from the beam map.
    duplicate_res_ids : int
        So many resIDs stand at two pixels.
    outside_fraction : float
        Part of all photon words with coordinates outside the array.
    baseline_offset_counts, baseline_noise_counts : float
        Scatter over the pixels of the baseline, and its noise from photon to photon.
    """

    response: str = "arctan"
    phase_850_deg: float = -90.0
    gain_scatter_deg: float = 12.0
    low_gain_fraction: float = 0.03
    resolution_808: float = 7.0
    resolution_scatter: float = 0.2
    edge_deg: tuple[float, float] = (-32.0, -22.0)
    edge_softness_deg: float = 1.0
    noise_cps: float = 15.0
    noise_scatter: float = 0.5
    tail_deg: tuple[float, float] = (5.0, 10.0)
    pulse_us: tuple[float, float] = (15.0, 40.0)
    dead_time_us: float = 10.0
    sensitivity_scatter: float = 0.15
    sensitivity_slope: float = 0.08
    hot_fraction: float = 0.01
    cold_fraction: float = 0.01
    dead_fraction: float = 0.02
    double_fraction: float = 0.02
    unread_fraction: float = 0.1
    failed_fraction: float = 0.07
    feedlines: int | None = None
    feedlines_off: tuple[int, ...] = ()
    absent_fraction: float = 0.0
    duplicate_res_ids: int = 0
    outside_fraction: float = 0.002
    baseline_offset_counts: float = 400.0
    baseline_noise_counts: float = 300.0

    def __post_init__(self) -> None:
        _require(
            self.response in RESPONSES,
            f"Simulation: response {self.response!r} is not known; choose one of {', '.join(RESPONSES)}.",
        )
        names = [f.name for f in dataclasses.fields(self)]
        _require_fractions(self, tuple(n for n in names if n.endswith("_fraction")))
        _require(self.outside_fraction < 1, "Simulation: outside_fraction must be below 1.")
        endings = ("_scatter", "_scatter_deg", "_counts", "_softness_deg", "_cps", "_slope")
        _require_not_negative(self, tuple(n for n in names if n.endswith(endings)))
        _require_not_negative(self, ("dead_time_us",))
        _require_whole(self, ("duplicate_res_ids",), 0, 1_000_000)
        _require(
            self.noise_cps <= MAX_RATE_CPS,
            f"Simulation: noise_cps must be at most {MAX_RATE_CPS:g}.",
        )
        _require(
            -180 < self.phase_850_deg < 0, "Simulation: phase_850_deg must be between -180 and 0."
        )
        _require(self.resolution_808 > 0, "Simulation: resolution_808 must be above 0.")
        for name in ("edge_deg", "tail_deg", "pulse_us"):
            low, high = getattr(self, name)
            _require(
                low <= high, f"Simulation: {name} = {low:g}, {high:g} must be in ascending order."
            )
        _require(self.edge_deg[1] <= 0, "Simulation: edge_deg must not be positive.")
        _require(
            min(*self.tail_deg, *self.pulse_us) > 0,
            "Simulation: tail_deg and pulse_us must be above 0.",
        )
        _require(
            self.feedlines is None or 1 <= self.feedlines <= 70,
            f"Simulation: feedlines = {self.feedlines!r} must be between 1 and 70 (two boards each).",
        )

    @classmethod
    def ideal(cls, **changes: object) -> ArraySettings:
        """Return an array of equal pixels without noise, defects or stray words; `changes` override."""
        names = [f.name for f in dataclasses.fields(cls)]
        nothing = {n: 0.0 for n in names if n.endswith(("_fraction", "_scatter", "_scatter_deg"))}
        values: dict[str, object] = {
            **nothing,
            "noise_cps": 0.0,
            "sensitivity_slope": 0.0,
            **changes,
        }
        return cls(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ReadoutSettings:
    """How packets travel from the boards to the files.

    Attributes
    ----------
    packet_delay_s : float
        Each board's packets reach the computer later by a constant drawn from 0 to this.
    packet_jitter_s : float
        Every packet is late by up to this in addition; packets of a board never overtake each other.
    clock_offset_s : float
        Computer's clock minus the boards' clock.
    loss : float
        Fraction of packets that never arrive (never the first or the last one of a board in an observation, so
        that the gaps in the frame counters tell every loss).
    counter_wrap : bool
        Header seconds start again after 2**20, as the boards of MEC did.
    count_cap : int or None
        The firmware stops after so many photons of a pixel in a second.
    """

    packet_delay_s: float = 0.05
    packet_jitter_s: float = 0.001
    clock_offset_s: float = 0.0
    loss: float = 0.0
    counter_wrap: bool = False
    count_cap: int | None = None

    def __post_init__(self) -> None:
        _require_not_negative(self, ("packet_delay_s", "packet_jitter_s", "loss"))
        for name in ("packet_delay_s", "packet_jitter_s", "clock_offset_s"):
            _require(
                abs(getattr(self, name)) <= MAX_DELAY_S,
                f"Simulation: {name} must be at most {MAX_DELAY_S:g} s.",
            )
        _require(self.loss < 1, f"Simulation: loss = {self.loss!r} must be below 1.")
        _require(
            self.count_cap is None or self.count_cap > 0, "Simulation: count_cap must be positive."
        )


@dataclass(frozen=True)
class LightSettings:
    """Shape of the light of the kinds sky, speckle, laser and flat.

    Attributes
    ----------
    gradient : float
        Laser and flat: brightest over faintest side of the field.
    tau_s : float
        Correlation time of the speckle field (the field's, half of it for the purely speckled intensity).
    ic_cps, is_cps, ip_cps : float or None
        Kind speckle: coherent, speckle and incoherent intensity of every pixel; None for 60, 30 and 10 %
        of the rate.
    companion_contrast : float
        Kind sky: the companion's light over the star's.
    background_cps : float
        Kind sky and dark: smooth red background.
    speckle_share : float
        Kind sky: part of the star's halo that is speckled.
    shift_pix : (float, float)
        Kind sky: the sky lies so many columns and rows farther along x and y, as in a position of a dither.
    """

    gradient: float = 2.0
    tau_s: float = 0.1
    ic_cps: float | None = None
    is_cps: float | None = None
    ip_cps: float | None = None
    companion_contrast: float = 2e-3
    background_cps: float = 5.0
    speckle_share: float = 0.6
    shift_pix: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        _require_not_negative(self, ("companion_contrast", "background_cps"))
        _require_fractions(self, ("speckle_share",))
        _require(
            len(self.shift_pix) == 2 and all(abs(shift) <= 1000 for shift in self.shift_pix),
            f"Simulation: shift_pix = {self.shift_pix!r} must be two numbers of at most 1000.",
        )
        _require(1 <= self.gradient <= 100, "Simulation: gradient must be between 1 and 100.")
        _require(1e-4 <= self.tau_s <= 1e4, "Simulation: tau_s must be between 0.0001 and 10000 s.")
        for name in ("ic_cps", "is_cps", "ip_cps"):
            value = getattr(self, name)
            _require(
                value is None or 0 <= value <= MAX_RATE_CPS,
                f"Simulation: {name} = {value!r} must be between 0 and {MAX_RATE_CPS:g}.",
            )


@dataclass(frozen=True)
class SimulationSettings:
    """A simulated observation, or with ``kind='night'`` several in a row.

    Attributes
    ----------
    kind : {'night', 'laser', 'flat', 'sky', 'dark', 'speckle'}
    seconds : int
        Length; of a night, of each of its observations (but see `sky_seconds`).
    rate_cps : float
        Laser, flat: mean over a good array of the light that a pixel of average sensitivity would count without
        dead time. Sky: the same of the star's light. Speckle: Ic + Is + Ip unless these are given. Dark:
        without meaning (noise triggers and background only).
    seed : int
        Equal settings give equal bytes. The array depends on the seed alone, photons also on the second.
    shape : (ncols, nrows)
    start : int
        Unix second at which the (first) observation starts.
    wavelength_nm : float
        Kind laser.
    lasers_nm : tuple of float
        Kind night: one observation each.
    sky_seconds : int or None
        Kind night: length of the sky observation if it differs.
    array, readout, light
        The rest, by subject.
    """

    kind: str
    seconds: int = 1
    rate_cps: float = 150.0
    seed: int = 0
    shape: tuple[int, int] = (80, 125)
    start: int = 1602050400
    wavelength_nm: float = 980.0
    lasers_nm: tuple[float, ...] = LASERS_NM
    sky_seconds: int | None = None
    array: ArraySettings = field(default_factory=ArraySettings)
    readout: ReadoutSettings = field(default_factory=ReadoutSettings)
    light: LightSettings = field(default_factory=LightSettings)

    def __post_init__(self) -> None:
        _require(
            self.kind in KINDS,
            f"Simulation: kind {self.kind!r} is not known; choose one of {', '.join(KINDS)}.",
        )
        lengths = ("seconds",) if self.sky_seconds is None else ("seconds", "sky_seconds")
        _require_whole(self, lengths, 1, 86_400)
        _require_whole(self, ("seed",), 0, 2**63 - 1)
        # names of raw files have nine or ten digits
        _require_whole(self, ("start",), 100_000_000, 4_000_000_000)
        _require(
            0 <= self.rate_cps <= MAX_RATE_CPS,
            f"Simulation: rate_cps = {self.rate_cps!r} must be between 0 and {MAX_RATE_CPS:g}.",
        )
        ncols, nrows = self.shape
        _require(
            0 < ncols <= 1000 and 0 < nrows <= 1000,
            f"Simulation: shape {ncols} x {nrows} must be between 1 x 1 and 1000 x 1000.",
        )
        low, high = _WAVELENGTHS_NM
        for value in (self.wavelength_nm, *self.lasers_nm):
            _require(
                low <= value <= high,
                f"Simulation: wavelength {value!r} must be between {low:g} and {high:g} nm.",
            )
        lines = self.array.feedlines
        _require(
            lines is None or lines <= ncols * nrows,
            f"Simulation: {lines} feedlines are more than the {ncols} x {nrows} array has pixels.",
        )

    @property
    def year_start(self) -> int:
        """Unix second of January 1st, 00:00 UTC, of the year of `start`: zero of the boards' clocks."""
        year = datetime.fromtimestamp(self.start, timezone.utc).year
        return int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp())

    def to_json(self) -> str:
        """Return all values as JSON: what the truth files keep."""
        return json.dumps(dataclasses.asdict(self))
