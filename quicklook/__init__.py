"""The quick-look window: shows photon files and runs the reduction core. Light to import, no Qt here."""

from __future__ import annotations

from pipeline_core import __version__

__all__ = ["__version__"]
