"""``nvmine mine``: texts or ranked lists in, negatives out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from nvmine.cli.app import app, tell
from nvmine.cli.options import (
    DATA,
    ENSEMBLE,
    RANKED,
    SEARCH,
    TEACHER,
    DuplicatesOption,
    HowOption,
    MemoryOption,
    ThreadsOption,
    option,
    refuse,
    takes_options,
)
from nvmine.cli.policy_options import POLICY_OPTIONS, takes_policy
from nvmine.cli.teacher_options import TEACHER_OPTIONS
from nvmine.errors import DataError
from nvmine.policy import Policy

_RANKED_ONLY = ("qrels", "passage_column", "score_column")


@app.command()
@takes_options("teacher_options", TEACHER_OPTIONS)
@takes_policy(defaults=dataclasses.asdict(Policy()))
def mine(
    context: typer.Context,
    *,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A BEIR folder, a file of pairs (.parquet, .jsonl, .csv, .tsv), or a Hugging Face dataset by folder "
            "or name. Leave it out to mine the ranked lists of --candidates alone.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            help="Run folder to write. An interrupted run of the same data and options is continued. Without DATA, the "
            "Parquet file of negatives to write."
        ),
    ],
    candidates: Annotated[
        Path | None,
        option(
            RANKED,
            "File of ranked lists: a table (.parquet, .csv, .tsv, .jsonl) or a TREC run (.trec, .run, .txt).",
        ),
    ] = None,
    qrels: Annotated[
        Path | None,
        option(
            RANKED, "File with the positives of the ranked lists: BEIR or TREC qrels (.tsv, .txt, .qrels), or a table."
        ),
    ] = None,
    passage_column: Annotated[
        str | None, option(RANKED, "Column with the passage ids. Default: a known name, such as passage_id.")
    ] = None,
    score_column: Annotated[
        str | None, option(RANKED, "Column with the scores. Default: a known name, such as score.")
    ] = None,
    teacher: Annotated[
        list[str] | None,
        option(
            TEACHER,
            "Teacher that scores the passages: bm25, which needs no model; random; or an encoder's name or path. "
            "Repeat it to make an ensemble, the most accurate teacher first. Teachers from files are called vectors "
            "(--query-vectors) and ranked (--candidates). Default: the teachers from files, or else bm25.",
        ),
    ] = None,
    query_vectors: Annotated[
        Path | None,
        option(TEACHER, "File with the vectors of the queries, from any model: .npy, .safetensors, .parquet."),
    ] = None,
    passage_vectors: Annotated[Path | None, option(TEACHER, "File with the vectors of the passages.")] = None,
    similarity: Annotated[
        str | None, option(TEACHER, "How to compare vectors from files: cosine or dot. Default: cosine.")
    ] = None,
    device: Annotated[
        str | None,
        option(
            TEACHER,
            "Device to encode and to search on, such as cpu, cuda or mps. Several share the work: cuda:0,cuda:1. "
            "Default: encode on a GPU if there is one, and search on the CPU.",
            "--device",
            "--devices",
        ),
    ] = None,
    teacher_options: dict[str, Any],
    how: HowOption = "intra",
    duplicates: DuplicatesOption = "keep",
    rescorer: Annotated[
        str | None,
        option(
            ENSEMBLE,
            "Name or path of a cross-encoder that scores the candidates and positives again. The policy applies to its "
            "scores.",
        ),
    ] = None,
    promote_above: Annotated[
        float | None, option(ENSEMBLE, "Treat candidates that the rescorer scores above this as positives.")
    ] = None,
    consistency: Annotated[
        int | None,
        option(SEARCH, "Drop a pair if its positive is not among this many best passages of the query."),
    ] = None,
    split: Annotated[str, option(DATA, "Split whose queries are mined, for data that has splits.")] = "train",
    query_column: Annotated[
        str | None, option(DATA, "Column with the queries of pairs, or with the query ids of ranked lists.")
    ] = None,
    positive_column: Annotated[str | None, option(DATA, "Column with the positives of pairs.")] = None,
    corpus: Annotated[Path | None, option(DATA, "File of further passages to mine from, for pairs.")] = None,
    depth: Annotated[
        int, option(SEARCH, "Number of candidates to keep per query, for this policy and later ones.")
    ] = 100,
    index: Annotated[
        str,
        option(
            SEARCH,
            "exact, to compare every passage; or a FAISS index: flat, ivf4096, hnsw32, any factory string, or the path "
            "of a saved index.",
        ),
    ] = "exact",
    nprobe: Annotated[int | None, option(SEARCH, "Number of cells to search in an IVF index.")] = None,
    ef_search: Annotated[int | None, option(SEARCH, "Breadth of the search in an HNSW index.")] = None,
    memory: MemoryOption = "1G",
    threads: ThreadsOption = None,
    fields: dict[str, Any],
) -> None:
    r"""Mine the hard negatives of DATA into a run folder.

    Every query gets its n negatives as long as the corpus has enough that the policy allows: if too many of the --depth
    best passages of a query are rejected, that query is searched again below its ceiling. You can stop the command at
    any time; run it again to continue.

    ```
    nvmine mine scifact --out run

    nvmine mine scifact --teacher sentence-transformers/all-MiniLM-L6-v2 \
      --method margin --margin 0.05 --out run

    nvmine mine pairs.parquet --query-column question --positive-column answer \
      --sampling softmax --first 1 --out run
    ```

    Several teachers make an ensemble. A rescorer is a cross-encoder that scores their candidates again.

    ```
    nvmine mine scifact --teacher intfloat/e5-large-v2 --teacher bm25 \
      --how intra --duplicates replace --out both

    nvmine mine scifact --rescorer cross-encoder/ms-marco-MiniLM-L6-v2 \
      --method abs --max-score 0.1 --promote-above 0.9 --out run
    ```

    If you already have scores, pass --candidates instead of DATA to get a file of negatives. The options of the
    teacher, the search and the data then do not apply. With both, the ranked lists are a teacher of a run.

    ```
    nvmine mine --candidates run.trec --qrels qrels.tsv --out negatives.parquet
    ```
    """
    policy = Policy(**fields)
    if data is None:
        if candidates is None:
            raise DataError("give either DATA, to mine texts, or --candidates, to mine ranked lists")
        shared = {*POLICY_OPTIONS, "data", "out", "candidates", "query_column", "threads", *_RANKED_ONLY}
        refuse(context, [name for name in context.params if name not in shared], "--candidates")
        _mine_lists(
            candidates,
            qrels,
            out=out,
            query_column=query_column,
            passage_column=passage_column,
            score_column=score_column,
            threads=threads,
            policy=policy,
        )
        return
    from nvmine.run import mine_dataset
    from nvmine.run.store.manifest import NAME, Manifest
    from nvmine.teachers.open import open_from_files, open_with_rescorer, teacher_names

    refuse(context, _RANKED_ONLY if candidates is None else ["qrels"], "DATA")
    devices = None if device is None else device.split(",")
    from_files = open_from_files(
        query_vectors=query_vectors,
        passage_vectors=passage_vectors,
        similarity=similarity,  # type: ignore[arg-type] # checked there
        candidates=candidates,
        passage_column=passage_column,
        score_column=score_column,
    )
    names = teacher_names(teacher, from_files)
    if len(names) == 1:
        refuse(context, ["how", "duplicates"], "a single teacher")
    opened = open_with_rescorer(
        names,
        from_files,
        rescorer=rescorer,
        seed=policy.seed,
        device=None if devices is None else devices[0],
        **teacher_options,
    )
    before = Manifest.load(out) if (out / NAME).exists() else None
    run = mine_dataset(
        data,
        out=out,
        teacher=opened.teachers,
        how=how,
        duplicates=duplicates,
        split=split,
        query_column=query_column,
        positive_column=positive_column,
        corpus=corpus,
        rescorer=opened.rescorer,
        promote_above=promote_above,
        consistency=consistency,
        depth=depth,
        index=index,
        nprobe=nprobe,
        ef_search=ef_search,
        memory=memory,
        # On the CPU the core multiplies, not torch.
        device=None if devices == ["cpu"] else devices,
        threads=threads,
        policy=policy,
    )
    tell(run, out, "is finished already" if run.manifest == before else "is mined")


def _mine_lists(candidates: Path, qrels: Path | None, *, out: Path, policy: Policy, **options: Any) -> None:
    from nvmine.polars.ranked import mine_ranked

    mined = mine_ranked(candidates, qrels, out=out, policy=policy, **options)
    typer.echo(f"{out} is mined: {mined.negatives:,} negatives for {mined.queries:,} queries")
    if mined.short:
        typer.echo(f"{mined.short:,} have fewer than {policy.n}: their lists have no more that the policy allows")
    if mined.unranked:
        typer.echo(f"{mined.unranked:,} queries of the qrels have no candidates and are left out")
