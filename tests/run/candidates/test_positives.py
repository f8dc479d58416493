"""Ranks of positives, and the consistency filter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import checker
import nvmine
from nvmine.data import Dataset, open_dataset
from nvmine.errors import SearchError
from nvmine.run import check_run, summary_text
from vectors_teacher import WordTeacher


class Forgetful(WordTeacher):
    """Knows nothing of some queries."""

    def encode_queries(self, texts: list[str], **options: object) -> np.ndarray:
        vectors = super().encode_queries(texts, **options)
        lost = [row for row, text in enumerate(texts) if text.endswith(("3", "7"))]
        vectors[lost] = np.random.default_rng(0).standard_normal((len(lost), vectors.shape[1]))
        return vectors


def ranks_by_hand(small: Dataset, teacher: WordTeacher) -> dict[tuple[str, str], int]:
    scores = teacher.encode_queries(small.query_texts).astype(np.float64) @ teacher.encode_passages(
        small.passage_texts
    ).T.astype(np.float64)
    folded = [" ".join(text.casefold().split()) for text in small.passage_texts]
    ranks = {}
    for query, name in enumerate(small.query_ids):
        positives = small.positives(query).tolist()
        itself = " ".join(small.query_texts[query].casefold().split())
        others = [p for p in range(len(folded)) if p not in positives and folded[p] != itself]
        for positive in positives:
            better = sum(np.float32(scores[query, p]) > np.float32(scores[query, positive]) for p in others)
            ranks[name, small.passage_ids[positive]] = better + 1
    return ranks


def test_ranks_are_those_of_a_brute_force(small: Dataset, tmp_path: Path) -> None:
    run = nvmine.mine_dataset(small, out=tmp_path, teacher=Forgetful(), depth=30, progress=False)
    expected = ranks_by_hand(small, Forgetful())
    names = dict(enumerate(small.passage_ids))
    found = run.scan_candidates().select("query_id", "pos_ids", "pos_ranks").collect().explode("pos_ids", "pos_ranks")
    assert found.height == len(expected)
    # A rank past the depth is not known.
    by_hand = [expected[query, names[positive]] for query, positive, _ in found.iter_rows()]
    assert found["pos_ranks"].to_list() == [rank if rank <= 30 else 0 for rank in by_hand]
    assert max(by_hand) > 30


@pytest.mark.parametrize("policy", [{}, {"anchor": "each"}, {"anchor": "max", "near_duplicate": 0.1}], ids=str)
def test_consistency_drops_the_pairs_that_the_teacher_ranks_low(small: Dataset, tmp_path: Path, policy: dict) -> None:
    options = {"teacher": Forgetful(), "depth": 30, "progress": False, **policy}
    run = nvmine.mine_dataset(small, out=tmp_path / "run", consistency=5, **options)
    checker.check(tmp_path / "run")
    summary = check_run(run)
    assert summary.starved == 0
    kept = {pair for pair, rank in ranks_by_hand(small, Forgetful()).items() if rank <= 5}
    assert set(run.negatives().select("query_id", "positive_id").iter_rows()) == kept
    assert len(kept) < len(small.positive_passages)
    # A positive that is dropped is no negative either.
    labelled = dict(run.scan_candidates().select("query_id", "pos_ids").collect().iter_rows())
    for query, negatives in run.negatives().select("query_id", "negative_ids").iter_rows():
        assert not {small.passage_ids[row] for row in labelled[query]} & set(negatives)
    assert set(run.qrels().select("query_id", "passage_id").iter_rows()) == kept
    assert "dropped" in summary_text(run, summary)
    stricter = nvmine.filter_run(run, out=tmp_path / "stricter", percentage=0.5, progress=False)
    afresh = nvmine.mine_dataset(small, out=tmp_path / "afresh", consistency=5, percentage=0.5, **options)
    assert stricter.negatives().equals(afresh.negatives())
    assert stricter.manifest == afresh.manifest


def test_the_worst_positives_come_first(small: Dataset, tmp_path: Path) -> None:
    run = nvmine.mine_dataset(small, out=tmp_path, teacher=Forgetful(), depth=30, progress=False)
    worst = check_run(run).worst
    ranks = [rank or 10**6 for rank in worst["rank"]]
    assert ranks == sorted(ranks, reverse=True)
    # More than are listed lie past the depth, where no rank is known: of these, the ones with the lowest scores.
    names = dict(enumerate(small.passage_ids))
    positives = run.scan_candidates().select("query_id", "pos_ids", "pos_scores").collect()
    scores = {
        (query, names[row]): score for query, row, score in positives.explode("pos_ids", "pos_scores").iter_rows()
    }
    beyond = [pair for pair, rank in ranks_by_hand(small, Forgetful()).items() if rank > 30]
    assert len(beyond) > worst.height > 0
    listed = list(worst.select("query_id", "positive_id").iter_rows())
    assert listed == sorted(beyond, key=scores.__getitem__)[: worst.height]


@pytest.mark.parametrize(("consistency", "message"), [(0, "at least 1"), (31, "use depth=31"), (1.5, "whole number")])
def test_a_consistency_that_cannot_be_is_refused(
    small: Dataset, tmp_path: Path, consistency: float, message: str
) -> None:
    with pytest.raises(SearchError, match=message):
        nvmine.mine_dataset(
            small, out=tmp_path, teacher=WordTeacher(), consistency=consistency, depth=30, progress=False
        )


def test_copies_of_the_query_and_of_positives_do_not_count(tmp_path: Path) -> None:
    pairs = [("alpha beta", ["alpha gamma", "alpha beta gamma"]), ("zeta", "eta")]
    copies = [("filler 1", "alpha beta"), ("filler 2", "Alpha  beta"), ("filler 3", "ALPHA beta gamma")]
    data = open_dataset(pairs + copies)
    run = nvmine.mine_dataset(data, out=tmp_path, teacher=WordTeacher(), consistency=1, method="naive", progress=False)
    checker.check(tmp_path)
    row = run.scan_candidates().filter(query_id=data.query_ids[0]).collect()
    assert row["pos_ranks"].to_list() == [[1, 1]]


def test_a_positive_that_shares_no_word_has_no_rank(tmp_path: Path) -> None:
    pytest.importorskip("bm25s")
    pytest.importorskip("Stemmer")
    pairs = [("nothing shared", "red bridge"), ("cold river", "the cold river"), ("iron ship", "an iron ship")]
    run = nvmine.mine_dataset(pairs, out=tmp_path, consistency=2, method="naive", n=1, progress=False)
    checker.check(tmp_path)
    assert run.scan_candidates().collect()["pos_kept"].to_list() == [[False], [True], [True]]
