"""Work that several workers share: each piece once, and the first failure."""

from __future__ import annotations

import threading

import pytest

from nvmine.devices import share_out


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_every_piece_is_done_once(workers: int) -> None:
    done: list[tuple[int, int]] = []
    share_out(range(50), range(workers), lambda piece, worker: done.append((piece, worker)))
    assert sorted(piece for piece, _ in done) == list(range(50))
    assert {worker for _, worker in done} <= set(range(workers))


def test_workers_work_at_the_same_time() -> None:
    barrier = threading.Barrier(3, timeout=60)
    share_out(range(3), range(3), lambda *_: barrier.wait())


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_first_failure_is_raised_and_nothing_is_begun_after_it(workers: int) -> None:
    begun = []

    def do(piece: int, _: int) -> None:
        begun.append(piece)
        if piece in (10, 11, 12, 30):
            raise ValueError(piece)

    with pytest.raises(ValueError, match=r"^10$"):
        share_out(range(1000), range(workers), do)
    assert max(begun) < 1000 - 1


def test_pieces_that_cannot_be_read_are_a_failure() -> None:
    def pieces():
        yield 1
        raise OSError("unreadable")

    with pytest.raises(OSError, match="unreadable"):
        share_out(pieces(), range(2), lambda *_: None)
