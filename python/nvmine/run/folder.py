"""A finished run, as others read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nvmine.errors import RunError
from nvmine.policy import Policy
from nvmine.run.manifest import Manifest
from nvmine.run.storage import inside


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
        """The policy that was applied."""
        return Policy.from_dict(self.manifest.policy)

    @property
    def n(self) -> int:
        """Negatives per query."""
        return self.policy.n

    def queries(self) -> pl.LazyFrame:
        """`query_id`, `text`."""
        return self._scan("queries.parquet")

    def passages(self) -> pl.LazyFrame:
        """`passage_id`, `text`; a row's number is what candidates call it."""
        return self._scan("passages.parquet")

    def scan_candidates(self) -> pl.LazyFrame:
        """A row a query: `query_id`, `pos_ids`, `pos_scores`, `ids`, `scores`, `complete`, `exhausted`.

        Ids are row numbers of :meth:`passages`. The first `complete` candidates are the best of the whole corpus; any
        after them were found below the policy's ceiling, and `exhausted` says that there are no others there.
        """
        return self._scan("candidates/")

    def scan_negatives(self) -> pl.LazyFrame:
        """A row a (query, positive) pair: both ids, the positive's score, the negatives, and the rejected by reason."""
        return self._scan("negatives-")

    def negatives(self) -> pl.DataFrame:
        """:meth:`scan_negatives`, read."""
        return self.scan_negatives().collect()

    def dataset(self) -> pl.DataFrame:
        """Texts to train on: `query`, `positive`, `negative_1` to `negative_n`, a row a (query, positive) pair.

        The columns, in this order, are what the losses of sentence-transformers take:
        ``datasets.Dataset.from_polars(run.dataset())``. Pairs with fewer than `n` negatives are left out.
        """
        n = self.n
        texts = self.passages().collect()
        text_of = dict(zip(texts["passage_id"], texts["text"], strict=True))
        queries = self.queries().collect()
        query_of = dict(zip(queries["query_id"], queries["text"], strict=True))
        rows = self.negatives().filter(pl.col("negative_ids").list.len() == n)
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
        return pl.scan_parquet(self.files(prefix))


def open_run(path: str | Path) -> Run:
    """The finished run in a folder; see :class:`Run`.

    Raises
    ------
    RunError
        There is none, it is damaged, or it has not been finished.
    """
    return Run.open(path)
