"""For all tests: Qt without a screen, a word before Qt fails, and Hypothesis's profile."""

from __future__ import annotations

import hypothesis
import pytest

from quicklook import preflight

preflight.use_offscreen_without_display()

# the machine's load must not decide whether a test passes
hypothesis.settings.register_profile("quicklook", deadline=None, print_blob=True)
hypothesis.settings.load_profile("quicklook")


def pytest_configure(config: pytest.Config) -> None:
    problem = preflight.problem()
    if problem:
        pytest.exit(problem, returncode=3)
