"""The errors that this package raises on purpose.

Every message says what went wrong, in which file or pixel, and what to do about it. Whoever calls
the core may show ``str(error)`` to an observer as it is. Anything else that escapes is a bug.
"""

from __future__ import annotations

__all__ = [
    "BeammapNeededError",
    "CalibrationError",
    "ClusterError",
    "ConfigError",
    "InputFormatError",
    "OlderLayoutError",
    "OperationCancelled",
    "OutputError",
    "PipelineError",
    "SchemaVersionError",
    "SidecarConflictError",
    "SlotOccupiedError",
    "WavecalMismatchError",
]


class PipelineError(Exception):
    """Expected trouble: its message names the file or value, the cause and the remedy."""


class InputFormatError(PipelineError):
    """A file is missing, unreadable, or not what it should be."""


class BeammapNeededError(InputFormatError):
    """A raw file was given without the beam map of its camera: none, several or another camera's was found."""


class SchemaVersionError(InputFormatError):
    """A file was written by a version of this software that this one does not know."""


class OlderLayoutError(InputFormatError):
    """A photon file of an older program was given where only ours will do."""


class CalibrationError(PipelineError):
    """A calibration is absent, does not fit the observation, or conflicts with another one."""


class SlotOccupiedError(CalibrationError):
    """Another calibration of the same kind is attached already, and may not be replaced without a word."""


class WavecalMismatchError(CalibrationError):
    """A flat field was made with another wavelength solution than the one attached; it can be forced."""


class ConfigError(PipelineError, ValueError):
    """A setting has an impossible value."""


class ClusterError(PipelineError):
    """A cluster of workers cannot be used: it does not answer, or its workers do not fit."""


class OutputError(PipelineError):
    """A result cannot be written where it was asked for."""


class SidecarConflictError(PipelineError):
    """Another program changed or is changing the same sidecar."""


class OperationCancelled(Exception):
    """The user asked to stop. Not a `PipelineError`, so no error handling swallows it."""
