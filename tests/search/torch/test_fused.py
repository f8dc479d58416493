"""The kernel for GPUs, run by Triton's interpreter: the same pairs and counts as the product gone through by torch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

# A process of its own: Triton asks once, when it is loaded, whether to interpret. Its interpreter multiplies the bits
# of bfloat16 as if they were whole numbers, so that type is left to a GPU.
PROGRAM = """
import numpy as np, torch
from nvmine.search.torch import fused
from nvmine.search.torch.doubtful import Zones, doubtful
from nvmine.search.torch.product import Factor

def case(seed, rows, width, dimension, dtype, has_floor):
    draw = np.random.default_rng(seed)
    # Sums of small whole numbers are exact in any order.
    left, right = (torch.from_numpy(draw.integers(-3, 4, (n, dimension)).astype(np.float32)) for n in (rows, width))
    scores = left @ right.T
    if seed % 3 == 0:
        left[0, 0] = torch.nan
        scores = left @ right.T
    spread = float(scores.nan_to_num().abs().max())
    levels = np.round(np.array([0.5, 0.4, -0.9, -0.8]) * spread)
    bounds = [torch.full((rows,), float(level)) + torch.arange(rows) % 3 for level in levels]
    zones = Zones(*bounds, bounds[0], torch.zeros(rows, dtype=torch.int64), torch.zeros(rows), has_floor, False)
    factors = [Factor(side.to(dtype), np.zeros(len(side)), np.zeros(1, np.int64)) for side in (left, right)]
    found, expected = fused.doubtful_product(*factors, zones), doubtful(scores, zones)
    too_many = len(expected.places) > 16 * rows
    assert (found is None) == too_many, (len(expected.places), rows)
    if found is not None:
        for name, mine, other in zip(found._fields, found, expected):
            assert mine.dtype == other.dtype and torch.equal(mine, other), name
    return too_many, int(expected.too_high.sum()), int(expected.too_low.sum()), len(expected.places)

seen = [
    case(1, 5, 40, 7, torch.float16, False),
    case(2, 130, 300, 96, torch.float16, True),
    case(3, 40, 257, 64, torch.float16, True),
    case(4, 1, 1, 1, torch.float16, False),
    case(5, 1100, 20, 16, torch.float16, False),
    case(6, 2, 900, 3, torch.float16, True),
]
assert [many for many, *_ in seen] == [False, False, False, False, False, True]
assert sum(high for _, high, _, _ in seen) and sum(low for _, _, low, _ in seen) and sum(part[3] for part in seen)
print("same")
"""


def test_the_kernel_finds_what_torch_finds() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same"
