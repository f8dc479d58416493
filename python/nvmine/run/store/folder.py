"""A finished run, as a user reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nvmine.errors import RunError
from nvmine.policy import Policy
from nvmine.run.store.manifest import Manifest
from nvmine.run.store.storage import Shard, inside

MEMBERS, VERDICTS = "teachers", "verdicts.parquet"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its data, its candidates and its negatives.

    Parameters
    ----------
    path
        The folder.
    manifest
        The data, the teacher, the search, the policy, the files and the totals.

    Examples
    --------
    >>> import nvmine
    >>> run = nvmine.open_run("run")
    >>> run.dataset().columns
    ['query', 'positive', 'negative_1', 'negative_2', 'negative_3', 'negative_4']
    >>> run.dataset().write_parquet("train.parquet")
    """

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Opens the run in a folder.

        Raises
        ------
        RunError
            The folder holds no run, or the run is damaged or not finished.
        """
        root = Path(path)
        manifest = Manifest.load(root)
        if not manifest.finished:
            raise RunError("is not finished; start the same `nvmine mine` again to continue it", path=root)
        return cls(root, manifest)

    @classmethod
    def of(cls, run: Run | str | Path) -> Run:
        """Returns a run that is given itself or by its folder."""
        return run if isinstance(run, Run) else cls.open(run)

    @property
    def policy(self) -> Policy:
        """The policy that was applied.

        Raises
        ------
        RunError
            The run is an ensemble: each of its members has a policy.
        """
        if self.is_ensemble:
            raise RunError(
                "is an ensemble and has no policy of its own; ask its members, the runs in its folder teachers/",
                path=self.path,
            )
        return Policy.from_dict(self.manifest.policy)

    @property
    def n(self) -> int:
        """Negatives per query."""
        return self.manifest.n

    @property
    def is_ensemble(self) -> bool:
        """Whether the negatives are those of several teachers."""
        return self.manifest.teacher.is_ensemble

    def members(self) -> list[Run]:
        """Returns the runs of an ensemble's teachers, best first; other runs have none."""
        return [Run.open(inside(self.path, f"{MEMBERS}/{name}")) for name in self.manifest.teacher.folders]

    def teachers(self) -> list[Run]:
        """Returns the run of each teacher: the members of an ensemble, or else the run itself."""
        return self.members() or [self]

    @property
    def short_because(self) -> str:
        """Why a query has fewer negatives than `n`."""
        search = self.manifest.search
        is_rescored = any(each.rescorer is not None for each in search.members or (search,))
        if is_rescored or (self.is_ensemble and self.is_judged):
            return "their kept candidates hold no more that the rule allows; a greater depth may help"
        return "the corpus holds no more that the rule allows"

    @property
    def is_judged(self) -> bool:
        """Whether a judge has read the negatives."""
        return self.manifest.search.judge is not None

    def require_same_data(self, other: Run) -> None:
        """Refuses a run that was mined from other data.

        Raises
        ------
        RunError
            Queries, corpus or labels of `other` are not those of this run.
        """
        if other.manifest.data["digests"] != self.manifest.data["digests"]:
            raise RunError(f"was mined from other data than {self.path}", path=other.path)

    def taking_part(self) -> list[Run]:
        """Returns the runs that take part in an ensemble or a comparison: the members, or else the run itself.

        Raises
        ------
        RunError
            The run is an ensemble that was judged: its members do not have the verdicts.
        """
        if self.is_ensemble and self.is_judged:
            message = "is an ensemble that was judged, but its members were not; give the run that it was made from"
            raise RunError(message, path=self.path)
        return self.teachers()

    def queries(self) -> pl.LazyFrame:
        """Returns one row per query: `query_id` and `text`."""
        return self._scan("queries.parquet")

    def passages(self) -> pl.LazyFrame:
        """Returns a row a passage: `passage_id` and `text`; candidates refer to a passage by its row number."""
        return self._scan("passages.parquet")

    def scan_candidates(self) -> pl.LazyFrame:
        """Returns one row per query: `query_id`, its positives and its candidates.

        Ids are row numbers of :meth:`passages`. `pos_ids`, `pos_scores`, `pos_ranks` (0: beyond the depth) and
        `pos_kept` (whether the pair is kept) describe the positives. `ids` and `scores` are the candidates, best first,
        and `excluded` the passages that count as positives. The first `complete` candidates are the best of the whole
        corpus; those after them were found below the policy's ceiling. `exhausted` says that no others lie there.
        """
        return self._scan("candidates/")

    def scan_negatives(self) -> pl.LazyFrame:
        """Returns one row per (query, positive) pair: ids, the positive's score, negatives, rejections by reason."""
        return self._scan("negatives-")

    def negatives(self) -> pl.DataFrame:
        """Reads :meth:`scan_negatives` into memory."""
        return self.scan_negatives().collect()

    def verdicts(self) -> pl.DataFrame:
        """Returns one row per verdict of the judge.

        Columns: `query_id`, `passage_id`, `relevant`, `answer`, `tokens_in`, `tokens_out`, `cost`.

        Raises
        ------
        RunError
            The run was not judged.
        """
        if VERDICTS not in self.manifest.shards:
            raise RunError("was not judged; see nvmine.judge_run", path=self.path)
        return self._scan(VERDICTS).collect()

    def qrels(self) -> pl.DataFrame:
        """Returns one row per (query, positive) pair: `query_id`, `passage_id`, `source`.

        `source` is ``data`` for pairs of the data set that the consistency filter kept, ``rescorer`` for candidates
        that were promoted, and ``judge`` for negatives that were relabelled.
        """
        names = self.passages().select("passage_id", pl.int_range(pl.len()).alias("id"))
        runs = self.teachers()
        data = runs[0].scan_candidates().select("query_id", pl.col("pos_ids").alias("id"), "pos_kept")
        data = data.explode("id", "pos_kept", empty_as_null=False).filter("pos_kept")
        found = [data.select("query_id", "id", source=pl.lit("data"))]
        for run in runs:
            least = run.manifest.search.promote_above
            if least is not None:
                scored = run.scan_candidates().select("query_id", pl.col("ids").alias("id"), "scores", "excluded")
                scored = scored.explode("id", "scores", empty_as_null=False)
                promoted = scored.filter((pl.col("scores") > least) & pl.col("id").is_in(pl.col("excluded")))
                found.append(promoted.select("query_id", "id", source=pl.lit("rescorer")))
        named = pl.concat(found).join(names, on="id", how="left", maintain_order="left")
        tables = [named.select("query_id", "passage_id", "source")]
        for judged in {run.path: run for run in (self, *runs)}.values():
            if judged.manifest.search.on_relevant == "relabel":
                relevant = judged.verdicts().lazy().filter("relevant")
                tables.append(relevant.select("query_id", "passage_id", source=pl.lit("judge")))
        return pl.concat(tables).unique(["query_id", "passage_id"], keep="first", maintain_order=True).collect()

    def dataset(self) -> pl.DataFrame:
        """Returns texts to train on: `query`, `positive`, `negative_1` to `negative_n`, one row per pair.

        The losses of sentence-transformers take these columns in this order:
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

    def reusable(self) -> list[Shard]:
        """Returns the files that do not depend on the policy, which another run can use: texts, vectors, an index."""
        shards = self.manifest.shards.values()
        return [shard for shard in shards if not shard.path.startswith(("candidates/", "negatives-"))]

    def files(self, prefix: str) -> list[Path]:
        """Returns the recorded files whose names start with `prefix`, in order."""
        names = sorted(name for name in self.manifest.shards if name.startswith(prefix))
        paths = [inside(self.path, name) for name in names]
        for path in paths:
            if not path.is_file():
                raise RunError("is recorded in the manifest but missing", path=path)
        return paths

    def _scan(self, prefix: str) -> pl.LazyFrame:
        return pl.scan_parquet(self.files(prefix), glob=False)


def open_run(path: str | Path) -> Run:
    """Opens the finished run in a folder; see :class:`Run`.

    Raises
    ------
    RunError
        The folder holds no run, or the run is damaged or not finished.
    """
    return Run.open(path)
