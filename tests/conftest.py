"""Fixtures of the whole suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real collections in the BEIR layout; skips where there is none."""
    beside = Path(__file__).resolve().parents[1] / "../shared/data"
    folder = Path(os.environ.get("NVMINE_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no real collections at {folder}; set NVMINE_SHARED to their folder")
    return folder
