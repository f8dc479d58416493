"""Types of the compiled core. mypy.stubtest checks them against the extension."""

from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

__all__ = [
    "REASONS",
    "VERSION",
    "Best",
    "Policy",
    "ensemble",
    "jaccard",
    "jaccard_matrix",
    "mine",
    "read_arrow",
    "score_error",
    "score_pairs",
    "shingles",
]

_Hashes = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]
_Layout = tuple[int, int] | npt.NDArray[np.int64]
_Lists = tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]
_Zone = npt.NDArray[np.float32]

VERSION: Final[str]
REASONS: Final[list[str]]

@final
class Policy:
    def __new__(
        cls,
        *,
        method: str,
        percentage: float,
        margin: float,
        max_score: float | None,
        min_score: float | None,
        near_duplicate: float | None,
        shift: int,
        pool: int | None,
        n: int,
        sampling: str,
        first: int,
        temperature: float,
        simans_a: float,
        simans_b: float,
        bins: int,
        anchor: str,
        on_short: str,
        on_missing: str,
        seed: int,
    ) -> Policy: ...
    def ceiling(self, /, anchor: float) -> float: ...

@final
class Best:
    def __new__(
        cls,
        queries: int,
        depth: int,
        *,
        ceilings: npt.NDArray[np.float64] | None = None,
        floor: float = ...,
        excluded: tuple[_Layout, npt.NDArray[np.int64]] | None = None,
        kept: int = 0,
    ) -> Best: ...
    def zones(
        self, /, score_errors: npt.NDArray[np.float64], *, kept: bool = False
    ) -> tuple[_Zone, _Zone, _Zone, _Zone, _Zone, npt.NDArray[np.int64]]: ...
    def update_listed(
        self,
        /,
        queries: npt.NDArray[np.float32],
        passages: npt.NDArray[np.float32],
        first: int,
        offsets: npt.NDArray[np.int64],
        places: npt.NDArray[np.int64],
        too_high: npt.NDArray[np.int64],
        too_low: npt.NDArray[np.int64],
        *,
        kept: bool = False,
        cosine: bool = False,
        rounded: bool = False,
        threads: int | None = None,
    ) -> None: ...
    def update_final(
        self,
        /,
        scores: npt.NDArray[np.float32],
        first: int,
        *,
        above: float,
        threads: int | None = None,
    ) -> None: ...
    def search(
        self,
        /,
        queries: npt.NDArray[np.float32],
        passages: npt.NDArray[np.float32],
        first: int,
        *,
        cosine: bool = False,
        rounded: bool = False,
        threads: int | None = None,
    ) -> None: ...
    def finish(self, /) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]: ...
    def finish_kept(self, /) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]: ...
    def outside(self, /) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]: ...

def score_error(
    dimension: int, input_roundoff: float, norms: npt.NDArray[np.float64], longest: float
) -> npt.NDArray[np.float64]: ...
def score_pairs(
    queries: npt.NDArray[np.float32],
    passages: npt.NDArray[np.float32],
    ids: npt.NDArray[np.int64],
    *,
    cosine: bool = False,
    threads: int | None = None,
) -> npt.NDArray[np.float64]: ...
def read_arrow(
    name: str, data: Any
) -> tuple[
    npt.NDArray[Any] | list[str | None],
    npt.NDArray[np.bool_] | None,
    _Layout | None,
    str,
]: ...
def mine(
    policy: Policy,
    scores: npt.NDArray[Any],
    *,
    layout: _Layout,
    ids: npt.NDArray[Any] | None,
    pos_scores: npt.NDArray[np.float64],
    pos_layout: _Layout,
    exclusions: list[tuple[_Layout, npt.NDArray[np.int64]]],
    classes: npt.NDArray[np.int64] | None,
    keys: npt.NDArray[np.uint64] | None,
    texts: tuple[_Hashes, _Hashes | None, tuple[_Layout, npt.NDArray[np.int64]] | None] | None,
    ranks: bool,
    reasons: bool,
    threads: int | None,
) -> dict[str, npt.NDArray[Any]]: ...
def shingles(texts: list[str], words: int, *, threads: int | None) -> _Hashes: ...
def ensemble(
    teachers: list[tuple[_Lists, npt.NDArray[Any], npt.NDArray[np.int64] | None, npt.NDArray[np.float64]]],
    keys: npt.NDArray[np.uint64],
    *,
    how: str,
    duplicates: str,
    n: int,
    seed: int,
    threads: int | None,
) -> dict[str, npt.NDArray[Any]]: ...
def jaccard(a: _Lists, b: _Lists, *, top: int, threads: int | None) -> npt.NDArray[np.float64]: ...
def jaccard_matrix(teachers: list[_Lists], *, top: int, threads: int | None) -> npt.NDArray[np.float64]: ...
