"""Proves a finished run right: every file is the recorded one, every candidate accounted for, every negative legal.

The checks use the stored candidates, texts and policy, and not the code that mined: exclusions by text, bounds, order
and sums are stated here a second time. If a run fails a check, it is damaged or nvmine has a bug.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from nvmine.audit import REASONS
from nvmine.data.identity import identity_classes
from nvmine.errors import RunError
from nvmine.run.proof.near import check_near
from nvmine.run.proof.positives import kept_positives, worst_positives
from nvmine.run.store.folder import Run
from nvmine.run.store.storage import verify
from nvmine.shingles import normalise

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary of a run.

    Parameters
    ----------
    totals
        Number of queries, results, candidates, survivors, emitted candidates, short results, and rejections by reason.
    starved
        Number of results with fewer than `n` negatives although the corpus may hold more: 0 unless something is wrong.
    pairs
        Number of (query, positive) pairs, and of those with all `n` negatives.
    quantiles
        One row per quantile of the scores of positives, of negatives, and of their differences.
    worst
        The positives that the teacher, or an ensemble's first teacher, ranks worst: `query_id`, `positive_id`, `score`,
        `rank` (0: beyond the depth) and `kept`.
    """

    totals: dict[str, int]
    starved: int
    pairs: tuple[int, int]
    quantiles: pl.DataFrame
    worst: pl.DataFrame


def check_run(run: Run) -> Summary:
    """Checks a run and sums it up. O(candidates).

    For an ensemble, every member is checked, and every negative against the candidates and the policy of its teacher.

    Raises
    ------
    RunError
        A check fails; the message names it and the query.
    """
    for shard in run.manifest.shards.values():
        verify(run.path, shard)
    negatives = run.negatives()
    results = negatives if _each(run) else negatives.unique("query_id", keep="first", maintain_order=True)
    if run.is_judged:
        _check_verdicts(run, _flat(run, results))
    if run.is_ensemble:
        starved = _check_ensemble(run, results)
    else:
        candidates = run.scan_candidates().collect()
        kept = kept_positives(candidates)
        _check_conservation(run, kept, results)
        _check_legality(run, kept, _flat(run, results))
        check_near(run, kept, results)
        starved = _starved(run, kept, results)
    flat = _flat(run, negatives)
    positives = flat["positive_score"] if run.is_ensemble else negatives["positive_score"]
    scores = {
        "positive": positives,
        "negative": flat["score"],
        "difference": flat["positive_score"] - flat["score"],
    }
    quantiles = pl.DataFrame(
        {"quantile": QUANTILES}
        | {name: [column.quantile(q, "nearest") for q in QUANTILES] for name, column in scores.items()}
    )
    complete = int((negatives["negative_ids"].list.len() == run.n).sum())
    totals = {key: int(count) for key, count in (run.manifest.audit or {}).items()}
    first = run.teachers()[0]
    worst = worst_positives(first.scan_candidates(), first.passages())
    return Summary(totals, starved, (negatives.height, complete), quantiles, worst)


def _each(run: Run) -> bool:
    """Tells whether each positive has a result of its own; otherwise the pairs of a query share one."""
    return run.teachers()[0].policy.anchor == "each"


def _flat(run: Run, results: pl.DataFrame) -> pl.DataFrame:
    """Returns one row per negative: `result`, `query_id`, `passage_id`, `score`, `positive_score` and its `teacher`."""
    own = ["negative_ids", "negative_scores"]
    own += ["negative_teachers", "positive_scores"] if run.is_ensemble else []
    flat = results.with_row_index("result").explode(own, empty_as_null=False).drop_nulls("negative_ids")
    if run.is_ensemble:
        flat = flat.rename({"negative_teachers": "teacher", "positive_scores": "positive_score"})
    flat = flat.rename({"negative_ids": "passage_id", "negative_scores": "score"})
    return flat.select("result", "query_id", "passage_id", "score", "positive_score", "teacher")


def _check_verdicts(run: Run, flat: pl.DataFrame) -> None:
    judged = flat.join(run.verdicts(), on=["query_id", "passage_id"], how="left")
    _refuse(
        run, judged.filter(pl.col("relevant").fill_null(value=True)), "a negative was not judged, or was found relevant"
    )


def _check_ensemble(run: Run, results: pl.DataFrame) -> int:
    """Checks the members and what each gave; returns the number of their starved results."""
    rule, members = run.manifest.policy, run.members()
    first = kept_positives(members[0].scan_candidates().collect())
    _check_conservation(run, first, results)
    flat = _flat(run, results)
    _refuse(run, results.filter(pl.col("negative_ids").list.len() > rule["n"]), "a result has more negatives than n")
    known = [member.path.name for member in members]
    _refuse(run, flat.filter(~pl.col("teacher").is_in(known)), "a negative is not from a teacher of the ensemble")
    if rule["how"] == "cross":
        several = (
            flat.group_by("result").agg(pl.first("query_id"), pl.n_unique("teacher")).filter(pl.col("teacher") > 1)
        )
        _refuse(run, several, "a result is from several teachers")
    if rule["how"] == "cross" or rule["duplicates"] == "replace":
        classes = flat.join(_numbers(run), on="passage_id", how="left")
        _refuse(run, classes.filter(pl.struct("result", "class").is_duplicated()), "a negative is repeated")
    starved = 0
    for member in members:
        starved += check_run(member).starved
        kept = kept_positives(member.scan_candidates().collect())
        _check_legality(member, kept, flat.filter(pl.col("teacher") == member.path.name))
    return starved


def _check_conservation(run: Run, candidates: pl.DataFrame, results: pl.DataFrame) -> None:
    candidates = candidates.filter(pl.col("pos_ids").list.len() > 0)
    results = results.select(
        "query_id",
        "candidates",
        pl.col("negative_ids").list.len().alias("emitted"),
        *(pl.col("rejected").struct.field(reason).cast(pl.Int64).alias(reason) for reason in REASONS),
    )
    rejected = pl.sum_horizontal(*REASONS)
    lost = results.filter(pl.col("candidates") != pl.col("emitted") + rejected)
    _refuse(run, lost, "candidates are not accounted for")
    if not run.is_ensemble:
        kept = candidates.select("query_id", pl.col("ids").list.len().alias("kept"))
        counted = results.join(kept, on="query_id", how="left")
        wrong = counted.filter(pl.col("kept").is_null() | (pl.col("kept") != pl.col("candidates")))
        _refuse(run, wrong, "the number of candidates is not that of the kept candidates")
    totals = run.manifest.audit or {}
    for name, total in {
        "queries": candidates.height,
        "results": results.height,
        "candidates": results["candidates"].sum(),
        "emitted": results["emitted"].sum(),
        **{reason: results[reason].sum() for reason in REASONS},
    }.items():
        if totals.get(name) != total:
            raise RunError(f"the manifest records {totals.get(name)} {name}, but the files hold {total}", path=run.path)


def _numbers(run: Run) -> pl.DataFrame:
    """Returns the row number, `id`, and the identity class, `class`, of every passage."""
    passages = run.passages().collect()
    classes = pl.Series("class", identity_classes(passages["text"]))
    return passages.select("passage_id", pl.int_range(pl.len()).alias("id")).with_columns(classes)


def _check_legality(run: Run, candidates: pl.DataFrame, flat: pl.DataFrame) -> None:
    """Checks the negatives of one teacher, from :func:`_flat`, against its candidates and kept positives."""
    policy = run.policy
    numbers = _numbers(run)
    flat = flat.join(numbers, on="passage_id", how="left", maintain_order="left")
    _refuse(run, flat.filter(pl.col("id").is_null()), "a negative is not a passage of the corpus")

    known = candidates.select("query_id", pl.col("ids").alias("id"), pl.col("scores").alias("kept_score"))
    known = known.explode("id", "kept_score", empty_as_null=False).drop_nulls("id")
    found = flat.join(known, on=["query_id", "id"], how="left")
    _refuse(run, found.filter(pl.col("kept_score").is_null()), "a negative is not a candidate of its query")
    _refuse(run, found.filter(pl.col("kept_score") != pl.col("score")), "a negative's score is not its candidate's")

    positives = (
        candidates.select("query_id", pl.concat_list("pos_ids", "excluded").alias("pos_ids"))
        .explode("pos_ids", empty_as_null=False)
        .join(numbers, left_on="pos_ids", right_on="id")
    )
    legal = flat.join(positives, on=["query_id", "class"], how="semi")
    _refuse(run, legal, "a negative is a positive of the query, counts as one, or has the text of one")
    queries = run.queries().collect()
    own = {name: normalise(text) for name, text in queries.iter_rows()}
    texts = dict(run.passages().select("passage_id", "text").collect().iter_rows())
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
    # Polars may add many floats in another order than the core, so the last bits of a mean can differ.
    tolerance = 1e-12 if policy.anchor == "mean" else 0.0
    _refuse(run, flat.filter(scores >= ceilings + tolerance), "a negative is not below its ceiling")
    if policy.min_score is not None:
        _refuse(run, flat.filter(scores < policy.min_score), "a negative is below min_score")
    disordered = flat.filter((pl.col("score") > pl.col("score").shift(1).over("result")).fill_null(value=False))
    _refuse(run, disordered, "negatives are not in score order")


def _starved(run: Run, candidates: pl.DataFrame, results: pl.DataFrame) -> int:
    """Counts the short results whose query could be searched deeper; rescored candidates are all that there are."""
    if run.manifest.search.rescorer is not None:
        return 0
    short = results.filter(pl.col("negative_ids").list.len() < run.n)
    more = candidates.filter(~pl.col("exhausted")).select("query_id", pl.col("scores").list.last().alias("last"))
    waiting = short.join(more, on="query_id", how="inner").filter(pl.col("rejected").struct.field("dropped") == 0)
    if run.policy.min_score is not None:
        waiting = waiting.filter(pl.col("last").cast(pl.Float64) >= run.policy.min_score)
    return waiting.height


def _refuse(run: Run, wrong: pl.DataFrame, message: str) -> None:
    if wrong.height:
        raise RunError(f"{message} ({wrong.height} in all)", path=run.path, query=wrong["query_id"][0])
