"""A finished run, as others read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from nvmine.errors import RunError
from nvmine.policy import Policy
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.storage import inside

MEMBERS, VERDICTS = "teachers", "verdicts.parquet"


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder: what was mined, from what, and how.

    Parameters
    ----------
    path
        The folder.
    manifest
        Data, teacher, search, policy, files and totals.

    Examples
    --------
    >>> run = nvmine.open_run("run")  # doctest: +SKIP
    >>> run.dataset().write_parquet("train.parquet")  # doctest: +SKIP
    """

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """The run in a folder.

        Raises
        ------
        RunError
            There is none, it is damaged, or it has not been finished.
        """
        root = Path(path)
        manifest = Manifest.load(root)
        if not manifest.finished:
            raise RunError("is not finished; start the same `nvmine mine` again to continue it", path=root)
        return cls(root, manifest)

    @property
    def policy(self) -> Policy:
        """The policy that was applied.

        Raises
        ------
        RunError
            The run is an ensemble, whose members have each their own.
        """
        if self.is_ensemble:
            raise RunError("is an ensemble, which has no policy of its own; see its members()", path=self.path)
        return Policy.from_dict(self.manifest.policy)

    @property
    def n(self) -> int:
        """Negatives per query."""
        return int(self.manifest.policy["n"])

    @property
    def is_ensemble(self) -> bool:
        """Whether the negatives are those of several teachers."""
        return bool(self.manifest.teacher["kind"] == "ensemble")

    def members(self) -> list[Run]:
        """The runs of an ensemble's teachers, best first; none of another run."""
        if not self.is_ensemble:
            return []
        return [Run.open(inside(self.path, f"{MEMBERS}/{name}")) for name in self.manifest.teacher["folders"]]

    def teachers(self) -> list[Run]:
        """The runs of one teacher each: the members of an ensemble, else the run itself."""
        return self.members() or [self]

    @property
    def short_because(self) -> str:
        """Why a query has fewer negatives than `n`."""
        searches = self.manifest.search.get("members", [self.manifest.search])
        if ("judge" in self.manifest.search and self.is_ensemble) or any("rescorer" in search for search in searches):
            return "their kept candidates hold no more that the rule allows; a greater depth may"
        return "the corpus holds no more that the rule allows"

    def taking_part(self) -> list[Run]:
        """What an ensemble or a comparison of this run is made of: its members, or itself.

        Raises
        ------
        RunError
            It is an ensemble that was judged: its members know nothing of the verdicts.
        """
        if self.is_ensemble and "judge" in self.manifest.search:
            message = "is an ensemble that was judged, whose members were not; take what it was made from"
            raise RunError(message, path=self.path)
        return self.teachers()

    def queries(self) -> pl.LazyFrame:
        """`query_id`, `text`."""
        return self._scan("queries.parquet")

    def passages(self) -> pl.LazyFrame:
        """`passage_id`, `text`; a row's number is what candidates call it."""
        return self._scan("passages.parquet")

    def scan_candidates(self) -> pl.LazyFrame:
        """A row a query: `query_id`, positives, `ids`, `scores`, `excluded`, `complete`, `exhausted`.

        Ids are row numbers of :meth:`passages`. `pos_ids`, `pos_scores`, `pos_ranks` (0: beyond the depth) and
        `pos_kept` (whether the pair is kept) are of the positives; `excluded` pass for positives. The first `complete`
        candidates are the best of the whole corpus; any after them were found below the policy's ceiling, and
        `exhausted` says that there are no others there.
        """
        return self._scan("candidates/")

    def scan_negatives(self) -> pl.LazyFrame:
        """A row a (query, positive) pair: both ids, the positive's score, the negatives, and the rejected by reason."""
        return self._scan("negatives-")

    def negatives(self) -> pl.DataFrame:
        """:meth:`scan_negatives`, read."""
        return self.scan_negatives().collect()

    def verdicts(self) -> pl.DataFrame:
        """What the judge said: `query_id`, `passage_id`, `relevant`, `answer`, `tokens_in`, `tokens_out`, `cost`.

        Raises
        ------
        RunError
            The run was not judged.
        """
        if VERDICTS not in self.manifest.shards:
            raise RunError("was not judged; see nvmine.judge_run", path=self.path)
        return self._scan(VERDICTS).collect()

    def qrels(self) -> pl.DataFrame:
        """What is positive: `query_id`, `passage_id`, `source`, a row a pair.

        `source` is ``data`` for the pairs of the data set, without those that the consistency filter dropped;
        ``rescorer`` for candidates that were promoted; ``judge`` for those that were relabelled.
        """
        names = self.passages().select("passage_id", pl.int_range(pl.len()).alias("id"))
        runs = self.teachers()
        data = runs[0].scan_candidates().select("query_id", pl.col("pos_ids").alias("id"), "pos_kept")
        data = data.explode("id", "pos_kept", empty_as_null=False).filter("pos_kept")
        found = [data.select("query_id", "id", source=pl.lit("data"))]
        for run in runs:
            least = run.manifest.search.get("promote_above")
            if least is not None:
                scored = run.scan_candidates().select("query_id", pl.col("ids").alias("id"), "scores", "excluded")
                scored = scored.explode("id", "scores", empty_as_null=False)
                promoted = scored.filter((pl.col("scores") > least) & pl.col("id").is_in(pl.col("excluded")))
                found.append(promoted.select("query_id", "id", source=pl.lit("rescorer")))
        named = pl.concat(found).join(names, on="id", how="left", maintain_order="left")
        tables = [named.select("query_id", "passage_id", "source")]
        for judged in {run.path: run for run in (self, *runs)}.values():
            if judged.manifest.search.get("on_relevant") == "relabel":
                relevant = judged.verdicts().lazy().filter("relevant")
                tables.append(relevant.select("query_id", "passage_id", source=pl.lit("judge")))
        return pl.concat(tables).unique(["query_id", "passage_id"], keep="first", maintain_order=True).collect()

    def dataset(self) -> pl.DataFrame:
        """Texts to train on: `query`, `positive`, `negative_1` to `negative_n`, a row a (query, positive) pair.

        The columns, in this order, are what the losses of sentence-transformers take:
        ``datasets.Dataset.from_polars(run.dataset())``. Pairs with fewer than `n` negatives are left out. Positives
        that were promoted or relabelled come last, with the negatives of their query.
        """
        n = self.n
        texts = self.passages().collect()
        text_of = dict(zip(texts["passage_id"], texts["text"], strict=True))
        queries = self.queries().collect()
        query_of = dict(zip(queries["query_id"], queries["text"], strict=True))
        mined = self.negatives().select("query_id", "positive_id", "negative_ids")
        added = self.qrels().filter(pl.col("source") != "data").select("query_id", positive_id="passage_id")
        of_query = mined.unique("query_id", keep="first").drop("positive_id")
        added = added.join(of_query, on="query_id", how="inner", maintain_order="left")
        rows = pl.concat([mined, added]).filter(pl.col("negative_ids").list.len() == n)
        columns = {
            "query": [query_of[name] for name in rows["query_id"]],
            "positive": [text_of[name] for name in rows["positive_id"]],
        }
        for place in range(n):
            columns[f"negative_{place + 1}"] = [text_of[name] for name in rows["negative_ids"].list.get(place)]
        return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))

    def files(self, prefix: str) -> list[Path]:
        """The recorded files whose names in the run start with `prefix`, in order."""
        names = sorted(name for name in self.manifest.shards if name.startswith(prefix))
        paths = [inside(self.path, name) for name in names]
        for path in paths:
            if not path.is_file():
                raise RunError("is recorded in the manifest but missing", path=path)
        return paths

    def _scan(self, prefix: str) -> pl.LazyFrame:
        return pl.scan_parquet(self.files(prefix), glob=False)


def open_run(path: str | Path) -> Run:
    """The finished run in a folder; see :class:`Run`.

    Raises
    ------
    RunError
        There is none, it is damaged, or it has not been finished.
    """
    return Run.open(path)
