from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nvmine.data.dataset import compressed_rows


@given(st.lists(st.lists(st.integers(0, 2**62))))
def test_compressed_rows_are_sorted_and_unique(rows: list[list[int]]) -> None:
    offsets, values = compressed_rows(rows)
    assert offsets.dtype == values.dtype == np.int64
    assert offsets[0] == 0
    assert [values[start:end].tolist() for start, end in pairwise(offsets)] == [sorted(set(row)) for row in rows]
