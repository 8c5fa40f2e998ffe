"""Simulated observations with known truth, in the instrument's own file format.

`simulate` writes what the readout would (``.bin`` files and a beam map) and, beside it, everything that a perfect
observer knows. The demo, the tests and the benchmarks live on it.
"""

from __future__ import annotations

from pipeline_core.simulate.response import energy_to_phase, phase_to_energy
from pipeline_core.simulate.run import SimulatedObservation, SimulationSummary, simulate
from pipeline_core.simulate.settings import (
    ArraySettings,
    LightSettings,
    ReadoutSettings,
    SimulationSettings,
)
from pipeline_core.simulate.truth import load_truth

__all__ = [
    "ArraySettings",
    "LightSettings",
    "ReadoutSettings",
    "SimulatedObservation",
    "SimulationSettings",
    "SimulationSummary",
    "energy_to_phase",
    "load_truth",
    "phase_to_energy",
    "simulate",
]
