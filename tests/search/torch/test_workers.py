"""The search where torch multiplies: the bits of the core's, in any precision, on one device or several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nvmine
from nvmine import _core
from nvmine.data import Vectors
from nvmine.errors import SearchError
from nvmine.search import BoundedResult, Target, blocks, search_blocks
from nvmine.search.torch import product
from nvmine.search.torch.doubtful import Zones, doubtful, read_zones, tightened

torch = pytest.importorskip("torch")

MEMORY = 16 << 20
PRECISIONS = ("float32", "bfloat16", "float16")


@pytest.fixture(params=PRECISIONS)
def precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the device multiplies in, as if it had units for it."""
    monkeypatch.setattr(product, "_fastest", lambda *_: getattr(torch, request.param))
    return request.param


def assert_same(here: BoundedResult, there: BoundedResult) -> None:
    for name, mine, other in zip(BoundedResult._fields, here, there, strict=True):
        np.testing.assert_array_equal(mine, other, err_msg=name)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("cosine", [False, True])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_equals_the_core(cosine: bool, data: st.DataObject) -> None:
    """Few distinct components: copies, zero vectors, ties, scores at the very ceiling and floor."""
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, many = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 300))
    size = np.float32(data.draw(st.sampled_from([1, 0.37, 1e-12, 3e30])))
    dtype = np.float16 if size == 1 and draw.integers(2) else np.float32
    queries, passages = (
        (draw.integers(-2, 3, (rows, 4)) * part).astype(dtype) for rows, part in ((count, size), (many, np.float32(1)))
    )
    exact = queries.astype(float) @ passages.astype(float).T if not cosine else np.linspace(-1, 1, 9)
    ceilings = draw.choice(np.append(exact, [np.inf, -np.inf]), count)
    lists = [np.sort(draw.choice(many, min(many, draw.integers(0, 6)), replace=False)) for _ in range(count)]
    target = Target(
        depth=data.draw(st.integers(1, 12)),
        ceilings=ceilings,
        floor=float(draw.choice(np.append(exact, [-np.inf] * exact.size))),
        excluded=(np.cumsum([0] + [len(ids) for ids in lists]), np.concatenate(lists).astype(np.int64)),
        kept=data.draw(st.sampled_from([0, 0, 5])),
    )
    options: dict[str, Any] = {"memory": MEMORY, "cosine": cosine, "rounded": data.draw(st.booleans())}
    sides = Vectors([queries]), np.arange(count), Vectors(np.split(passages, [many // 3]))
    here = search_blocks(*sides, target, **options)
    devices = data.draw(st.sampled_from(["cpu", ["cpu"] * 3]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_MOST_QUERIES", data.draw(st.integers(1, 12)))
        patch.setattr(blocks, "_MOST_PASSAGES_OF_A_DEVICE", data.draw(st.integers(1, 300)))
        there = search_blocks(*sides, target, device=devices, **options)
    assert_same(here, there)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_real_sizes_differ_nowhere(similarity: str, kind: str) -> None:
    made = [torch.randn(rows, 96, generator=torch.Generator().manual_seed(rows)) for rows in (700, 6000)]
    queries, corpus = (part.to(getattr(torch, kind)) for part in made)
    options: dict[str, Any] = {"similarity": similarity, "method": "perc", "percentage": 0.9, "depth": 20}
    positives = np.arange(700)
    here = nvmine.mine_embeddings(queries, corpus, positives, **options)
    there = nvmine.mine_embeddings(queries, corpus, positives, device=["cpu", "cpu"], **options)
    assert here.ids.tobytes() == there.ids.tobytes()
    assert here.scores.tobytes() == there.scores.tobytes()
    assert here.audit.total == there.audit.total
    assert here.candidates is not None
    assert there.candidates is not None
    np.testing.assert_array_equal(here.candidates.ids, there.candidates.ids)


def test_little_is_in_doubt(precision: str) -> None:
    """Once lists are full, hardly anything leaves the device: what makes it worth having one."""
    draw = np.random.default_rng(0)
    queries, passages = (Vectors([draw.standard_normal((rows, 128)).astype(np.float32)]) for rows in (64, 8192))
    multiply = product.Product("cpu", queries, passages, cosine=False)
    left = multiply.factor(torch.from_numpy(queries.rows(np.arange(64))), together=False)
    best = _core.Best(64, 4)
    listed = []
    for first, block in passages.blocks(4096):
        right = multiply.factor(torch.from_numpy(block), together=True)
        score_error, exponents = multiply.score_error(left, right), left.exponents + right.exponents
        zones = read_zones(best, score_error, exponents, multiply.device, kept=False, has_floor=False)
        found = doubtful(multiply.scores(left, right), zones)
        listed.append(len(found.places) / 64)
        offsets = np.concatenate([[0], np.cumsum(found.counts.numpy())])
        rest = (found.places.numpy(), found.too_high.numpy(), found.too_low.numpy())
        best.update_listed(queries.rows(np.arange(64)), block, first, offsets, *rest)
    most = {"float32": 5, "float16": 8, "bfloat16": 64}[precision]
    assert max(listed) <= most
    assert listed[1] < listed[0]


@given(seed=st.integers(0, 2**32 - 1), has_floor=st.booleans())
@settings(max_examples=60, deadline=None)
def test_doubt_is_what_the_zones_leave(seed: int, has_floor: bool) -> None:
    draw = np.random.default_rng(seed)
    levels = np.array([-1, 0, 0.5, 0.75, 2, np.nan, np.inf], np.float32)
    scores = draw.choice(levels, (5, 70))
    ceiling, floor, low, end = (draw.choice(levels[:5], 5) for _ in range(4))
    bounds = [torch.from_numpy(part) for part in (ceiling, floor, low, end, ceiling)]
    zones = Zones(*bounds, torch.zeros(5, dtype=torch.int64), torch.zeros(5), has_floor, is_filling=False)
    found = doubtful(torch.from_numpy(scores), zones)
    expected = []
    for row in range(5):
        above, below = scores[row] > ceiling[row], scores[row] < floor[row]
        decided = above | below
        if has_floor:
            decided &= (scores[row] < low[row]) | (scores[row] > end[row])
        expected.append(np.flatnonzero(~decided))
        assert found.too_high[row] == above.sum()
        assert found.too_low[row] == ((scores[row] < low[row]).sum() if has_floor else 0)
    assert found.counts.tolist() == [len(places) for places in expected]
    assert found.places.tolist() == np.concatenate(expected).tolist()


@given(seed=st.integers(0, 2**32 - 1), width=st.integers(1, 600), most=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_a_raised_floor_leaves_enough(seed: int, width: int, most: int) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.standard_normal((3, width)).astype(np.float32)
    enough = np.array([most, 1, 0])
    nothing = torch.full((3,), -torch.inf)
    certain, twice = torch.full((3,), 1.0), torch.full((3,), 0.01)
    zones = Zones(certain, nothing, nothing, nothing, certain, torch.from_numpy(enough), twice, False, is_filling=True)
    floor = tightened(torch.from_numpy(scores), zones).numpy()
    for row in range(3):
        below = np.sort(scores[row][scores[row] < 1])[::-1].astype(float)
        known = enough[row] > 0 and len(below) >= enough[row]
        assert floor[row] <= (below[enough[row] - 1] - 0.01 if known else -np.inf)
    if width >= 300:
        assert np.isfinite(floor[:2]).all()


@pytest.mark.parametrize("devices", ["cpu", ["cpu"] * 4])
def test_the_first_vector_that_is_not_finite_is_named(devices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_MOST_PASSAGES_OF_A_DEVICE", 16)
    draw = np.random.default_rng(0)
    queries, passages = (draw.standard_normal((rows, 8)).astype(np.float32) for rows in (5, 400))
    passages[[150, 151, 260, 399], 3] = [np.inf, np.nan, np.nan, -np.inf]
    with pytest.raises(SearchError, match="passage") as caught:
        search_blocks(Vectors([queries]), np.arange(5), Vectors([passages]), Target(2), memory=MEMORY, device=devices)
    assert caught.value.row == 150


def test_products_that_overflow_say_nothing() -> None:
    queries = np.array([[2e38, -2e38]], np.float32)
    passages = np.array([[2e38, 1], [3e38, 0], [-2e38, 0], [1e38, 1e38]], np.float32)
    sides = Vectors([queries]), np.arange(1), Vectors([passages]), Target(4, np.array([4.1e76]))
    here, there = (search_blocks(*sides, memory=MEMORY, device=device) for device in (None, "cpu"))
    assert here.ids.tolist() == [[0, 3, 2, -1]]
    assert_same(here, there)


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    ones = np.ones((2, 3), np.float32)
    with pytest.raises(SearchError, match=device):
        nvmine.mine_embeddings(ones, ones, [0, 1], device=device)
