"""Proving a finished run right: every file is the recorded one, every candidate accounted for, every negative legal.

The checks use the stored candidates, texts and policy, not the code that mined: exclusions by text, bounds, order and
sums are stated here a second time. A run that fails one is damaged, or nvmine has a bug.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from nvmine.audit import REASONS
from nvmine.data.identity import identity_classes
from nvmine.errors import RunError
from nvmine.run.folder import Run
from nvmine.run.near import check_near
from nvmine.run.storage import verify
from nvmine.words import normalise

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run amounts to.

    Parameters
    ----------
    totals
        Queries, results, candidates, survivors, emitted, short results, and the rejected by reason.
    starved
        Results with fewer than `n` negatives although the corpus may hold more; 0 unless something is wrong.
    pairs
        (query, positive) pairs, and how many of them have all `n` negatives.
    quantiles
        A row a quantile: of the scores of positives, of negatives, and of the difference of the two.
    """

    totals: dict[str, int]
    starved: int
    pairs: tuple[int, int]
    quantiles: pl.DataFrame


def check_run(run: Run) -> Summary:
    """Checks a run and sums it up. O(candidates).

    Raises
    ------
    RunError
        Something does not hold; the message says what, and for which query.
    """
    for shard in run.manifest.shards.values():
        verify(run.path, shard)
    candidates = run.scan_candidates().collect()
    negatives = run.negatives()
    _check_conservation(run, candidates, negatives)
    _check_legality(run, candidates, negatives)
    check_near(run, candidates, _results(run, negatives))
    flat = (
        negatives.select("positive_score", "negative_scores")
        .explode("negative_scores", empty_as_null=False)
        .drop_nulls()
    )
    scores = {
        "positive": negatives["positive_score"],
        "negative": flat["negative_scores"],
        "difference": flat["positive_score"] - flat["negative_scores"],
    }
    quantiles = pl.DataFrame(
        {"quantile": QUANTILES}
        | {name: [column.quantile(q, "nearest") for q in QUANTILES] for name, column in scores.items()}
    )
    complete = int((negatives["negative_ids"].list.len() == run.n).sum())
    totals = {key: int(count) for key, count in (run.manifest.audit or {}).items()}
    return Summary(totals, _starved(run, candidates, negatives), (negatives.height, complete), quantiles)


def _results(run: Run, negatives: pl.DataFrame) -> pl.DataFrame:
    """A row a result: pairs of a query share one, unless each positive is its own anchor."""
    if run.policy.anchor == "each":
        return negatives
    return negatives.unique("query_id", keep="first", maintain_order=True)


def _check_conservation(run: Run, candidates: pl.DataFrame, negatives: pl.DataFrame) -> None:
    results = _results(run, negatives).select(
        "query_id",
        "candidates",
        pl.col("negative_ids").list.len().alias("emitted"),
        *(pl.col("rejected").struct.field(reason).cast(pl.Int64).alias(reason) for reason in REASONS),
    )
    rejected = pl.sum_horizontal(*REASONS)
    _refuse(run, results.filter(pl.col("candidates") != pl.col("emitted") + rejected), "candidates are unaccounted for")
    kept = candidates.select("query_id", pl.col("ids").list.len().alias("kept"))
    counted = results.join(kept, on="query_id", how="left")
    wrong = counted.filter(pl.col("kept").is_null() | (pl.col("kept") != pl.col("candidates")))
    _refuse(run, wrong, "the number of candidates is not that of the candidates kept")
    totals = run.manifest.audit or {}
    for name, total in {
        "queries": candidates.height,
        "results": results.height,
        "candidates": results["candidates"].sum(),
        "emitted": results["emitted"].sum(),
        **{reason: results[reason].sum() for reason in REASONS},
    }.items():
        if totals.get(name) != total:
            raise RunError(f"the manifest says {totals.get(name)} {name}, the files hold {total}", path=run.path)


def _check_legality(run: Run, candidates: pl.DataFrame, negatives: pl.DataFrame) -> None:
    policy = run.policy
    passages = run.passages().collect()
    classes = pl.Series(identity_classes(passages["text"]))
    numbers = passages.select("passage_id", pl.int_range(pl.len()).alias("id")).with_columns(classes.alias("class"))
    flat = (
        _results(run, negatives)
        .with_row_index("result")
        .select("result", "query_id", "positive_id", "positive_score", "negative_ids", "negative_scores")
        .explode("negative_ids", "negative_scores", empty_as_null=False)
        .drop_nulls("negative_ids")
        .rename({"negative_ids": "passage_id", "negative_scores": "score"})
        .join(numbers, on="passage_id", how="left", maintain_order="left")
    )
    _refuse(run, flat.filter(pl.col("id").is_null()), "a negative is no passage of the corpus")

    known = candidates.select("query_id", pl.col("ids").alias("id"), pl.col("scores").alias("kept_score"))
    known = known.explode("id", "kept_score", empty_as_null=False).drop_nulls("id")
    found = flat.join(known, on=["query_id", "id"], how="left")
    _refuse(run, found.filter(pl.col("kept_score").is_null()), "a negative is none of the query's candidates")
    _refuse(run, found.filter(pl.col("kept_score") != pl.col("score")), "a negative's score is not its candidate's")

    positives = (
        candidates.select("query_id", "pos_ids")
        .explode("pos_ids", empty_as_null=False)
        .join(numbers, left_on="pos_ids", right_on="id")
    )
    legal = flat.join(positives, on=["query_id", "class"], how="semi")
    _refuse(run, legal, "a negative is a positive of the query, or has the text of one")
    queries = run.queries().collect()
    own = {name: normalise(text) for name, text in queries.iter_rows()}
    texts = dict(zip(passages["passage_id"], passages["text"], strict=True))
    pairs = flat.select("query_id", "passage_id").unique()
    itself = [name == passage or own[name] == normalise(texts[passage]) for name, passage in pairs.iter_rows()]
    _refuse(run, pairs.filter(pl.Series(itself, dtype=pl.Boolean)), "a negative is the query itself")

    repeated = flat.group_by("result", "class").agg(pl.len(), pl.first("query_id")).filter(pl.col("len") > 1)
    _refuse(run, repeated, "a negative is repeated")

    if policy.anchor == "each":
        anchors = flat["positive_score"].cast(pl.Float64)
    else:
        column = pl.col("pos_scores").cast(pl.List(pl.Float64))
        of_query = {"min": column.list.min(), "max": column.list.max(), "mean": column.list.mean()}[policy.anchor]
        by_query = candidates.select("query_id", of_query.alias("anchor"))
        anchors = flat.join(by_query, on="query_id", how="left", maintain_order="left")["anchor"]
    bounds = {anchor: policy.ceiling(anchor) for anchor in anchors.unique().to_list()}
    ceilings = anchors.replace_strict(bounds, return_dtype=pl.Float64) if bounds else anchors
    scores = flat["score"].cast(pl.Float64)
    # The mean of many floats may differ in its last bits from the core's, which adds them in order.
    tolerance = 1e-12 if policy.anchor == "mean" else 0.0
    _refuse(run, flat.filter(scores >= ceilings + tolerance), "a negative is not below its ceiling")
    if policy.min_score is not None:
        _refuse(run, flat.filter(scores < policy.min_score), "a negative is below min_score")
    disordered = flat.filter((pl.col("score") > pl.col("score").shift(1).over("result")).fill_null(value=False))
    _refuse(run, disordered, "negatives are not in score order")


def _starved(run: Run, candidates: pl.DataFrame, negatives: pl.DataFrame) -> int:
    short = _results(run, negatives).filter(pl.col("negative_ids").list.len() < run.n)
    more = candidates.filter(~pl.col("exhausted")).select("query_id", pl.col("scores").list.last().alias("last"))
    waiting = short.join(more, on="query_id", how="inner").filter(pl.col("rejected").struct.field("dropped") == 0)
    if run.policy.min_score is not None:
        waiting = waiting.filter(pl.col("last").cast(pl.Float64) >= run.policy.min_score)
    return waiting.height


def _refuse(run: Run, wrong: pl.DataFrame, message: str) -> None:
    if wrong.height:
        raise RunError(f"{message} ({wrong.height} in all)", path=run.path, query=wrong["query_id"][0])
