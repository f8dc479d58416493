"""Fixtures of the whole suite."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Generated cases: few enough to run at each commit, or many with NVMINE_HYPOTHESIS=thorough. A failure prints a line
# that replays it. Time is bounded by pytest; a slow moment of the machine is no failure of an example.
_ALIKE = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=40, **_ALIKE)
settings.register_profile("thorough", max_examples=2000, **_ALIKE)
settings.load_profile(os.environ.get("NVMINE_HYPOTHESIS", "default"))


def pytest_collection_finish() -> None:
    """Spares the garbage collector the modules and tests, which live to the end: it walks a million objects less."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real collections in the BEIR layout; skips where there is none."""
    beside = Path(__file__).resolve().parents[1] / "../shared/data"
    folder = Path(os.environ.get("NVMINE_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no real collections at {folder}; set NVMINE_SHARED to their folder")
    return folder
