"""Fixtures of the run tests."""

from __future__ import annotations

import pytest

from nvmine.data import Dataset
from small_collection import small_collection


@pytest.fixture(scope="session")
def small() -> Dataset:
    return small_collection()
