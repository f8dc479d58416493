"""``nvmine mine``: texts or ranked lists in, negatives out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nvmine.cli.app import BM25, DATA, ENSEMBLE, RANKED, SEARCH, TEACHER, app, option, refuse, tell
from nvmine.cli.policy_options import POLICY_OPTIONS, takes_policy
from nvmine.ensemble import Duplicates, How
from nvmine.errors import DataError, TeacherError
from nvmine.policy import Policy

if TYPE_CHECKING:
    from nvmine.run import Teacher

_RANKED_ONLY = ("qrels", "passage_column", "score_column")


@app.command()
@takes_policy(defaults=dataclasses.asdict(Policy()))
def mine(
    context: typer.Context,
    *,
    data: Annotated[
        str | None,
        typer.Argument(
            help="A BEIR folder; a pairs file (.parquet, .jsonl, .csv, .tsv); a Hugging Face dataset folder or name. "
            "None with --candidates."
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            help="The run folder: new, or of the same work, which is then continued. With --candidates, a Parquet file."
        ),
    ],
    candidates: Annotated[
        Path | None,
        option(RANKED, "File of ranked lists (.parquet, .csv, .tsv, .jsonl; TREC: .trec, .run, .txt), not DATA."),
    ] = None,
    qrels: Annotated[
        Path | None,
        option(RANKED, "Their positives: BEIR or TREC labels (.tsv, .txt, .qrels), or a table."),
    ] = None,
    passage_column: Annotated[str | None, option(RANKED, "Column of the passages. Default: a known name.")] = None,
    score_column: Annotated[str | None, option(RANKED, "Column of the scores. Default: a known name.")] = None,
    teacher: Annotated[
        list[str] | None,
        option(
            TEACHER,
            "bm25 (no model, no download), random, an encoder's name or path; vectors or ranked, for those given by "
            "file. Several, the best first, make an ensemble. Default: bm25.",
        ),
    ] = None,
    query_vectors: Annotated[
        Path | None, option(TEACHER, "Vectors of the queries, by any model: .npy, .safetensors, .parquet.")
    ] = None,
    passage_vectors: Annotated[Path | None, option(TEACHER, "And of the passages.")] = None,
    similarity: Annotated[str, option(TEACHER, "How the vectors given by file compare: cosine, dot.")] = "cosine",
    revision: Annotated[str | None, option(TEACHER, "Branch, tag or commit of a model on the hub.")] = None,
    query_prompt: Annotated[str | None, option(TEACHER, "Text before every query. Default: the model's own.")] = None,
    passage_prompt: Annotated[
        str | None, option(TEACHER, "Text before every passage. Default: the model's own.")
    ] = None,
    task: Annotated[
        str | None, option(TEACHER, "What queries ask for, in the words of an instruction model's prompt.")
    ] = None,
    task_template: Annotated[
        str | None, option(TEACHER, "How the task becomes a prompt, such as '{task}: '. Default: the model family's.")
    ] = None,
    preset: Annotated[
        str | None, option(TEACHER, "Model family whose prompts apply, or none. Default: by the model's name.")
    ] = None,
    pooling: Annotated[str | None, option(TEACHER, "mean, cls, max, lasttoken. Default: the model's own.")] = None,
    dtype: Annotated[
        str | None,
        option(TEACHER, "auto (bfloat16 where it is fast), float32, float16, bfloat16. Default: the model's own."),
    ] = None,
    device: Annotated[
        str | None,
        option(
            TEACHER,
            "Where to encode and to search: cpu, cuda, mps; several share the work: cuda:0,cuda:1. "
            "Default: encode on a GPU where there is one, search on the CPU.",
            "--device",
            "--devices",
        ),
    ] = None,
    max_length: Annotated[int | None, option(TEACHER, "Tokens read of a text. Default: the model's own.")] = None,
    batch_tokens: Annotated[
        int | None, option(TEACHER, "Tokens encoded at once. Default: 1024 a CPU thread, 32768 a GPU.")
    ] = None,
    trust_remote_code: Annotated[
        bool, option(TEACHER, "Run code that comes with the model: only if you know it.", "--trust-remote-code")
    ] = False,
    bm25_method: Annotated[str | None, option(BM25, "lucene, robertson, atire, bm25l, bm25+. Default: lucene.")] = None,
    k1: Annotated[float | None, option(BM25, "How slowly repeated terms saturate. Default: 1.5.")] = None,
    b: Annotated[float | None, option(BM25, "How far long passages are penalised. Default: 0.75.")] = None,
    stemmer: Annotated[str | None, option(BM25, "A Snowball language, or none. Default: english.")] = None,
    stopwords: Annotated[str | None, option(BM25, "A language, such as en or de, or none. Default: en.")] = None,
    token_pattern: Annotated[str | None, option(BM25, "Regular expression of a word.")] = None,
    how: Annotated[How, option(ENSEMBLE, "intra: the teachers take turns. cross: one teacher a query.")] = "intra",
    duplicates: Annotated[
        Duplicates, option(ENSEMBLE, "For intra: keep what several teachers give, or replace it.")
    ] = "keep",
    rescorer: Annotated[
        str | None, option(ENSEMBLE, "A cross-encoder's name or path, whose scores count for candidates and positives.")
    ] = None,
    promote_above: Annotated[
        float | None, option(ENSEMBLE, "Candidates that the rescorer scores higher are positives.")
    ] = None,
    consistency: Annotated[
        int | None, option(SEARCH, "Drop pairs whose positive is not among so many best passages.")
    ] = None,
    split: Annotated[str, option(DATA, "Which queries to mine, for data that has splits.")] = "train",
    query_column: Annotated[str | None, option(DATA, "Column of the queries, for pairs and ranked lists.")] = None,
    positive_column: Annotated[str | None, option(DATA, "Column of the positives, for pairs.")] = None,
    corpus: Annotated[Path | None, option(DATA, "File of further passages, for pairs.")] = None,
    fields: dict[str, Any],
    depth: Annotated[int, option(SEARCH, "Candidates kept per query, for later policies too.")] = 100,
    index: Annotated[
        str, option(SEARCH, "exact, or a FAISS index: flat, ivf4096, hnsw32, any factory string; or a saved one.")
    ] = "exact",
    nprobe: Annotated[int | None, option(SEARCH, "Of an IVF index: cells searched.")] = None,
    ef_search: Annotated[int | None, option(SEARCH, "Of an HNSW index: breadth.")] = None,
    memory: Annotated[str, option(SEARCH, "Budget for blocks of scores, such as 512M or 4G.")] = "1G",
    threads: Annotated[int | None, option(SEARCH, "Threads of the core. Default: all.")] = None,
) -> None:
    """Mine the hard negatives of DATA into a run folder.

    Every query gets its n negatives as long as the corpus holds enough that the rule allows: a query whose best --depth
    passages are rejected is searched again below its ceiling. Kill it at any time: the same command continues.

    nvmine mine scifact --out run

    nvmine mine scifact --teacher sentence-transformers/all-MiniLM-L6-v2 --method margin --margin 0.05 --out run

    nvmine mine pairs.parquet --query-column question --positive-column answer --sampling softmax --first 1 --out run

    Several teachers make an ensemble, a cross-encoder scores their candidates anew.

    nvmine mine scifact --teacher intfloat/e5-large-v2 --teacher bm25 --how intra --duplicates replace --out both

    nvmine mine scifact --rescorer cross-encoder/ms-marco-MiniLM-L6-v2 --method abs --max-score 0.1 --promote-above 0.9
    --out run

    Who holds scores already gives --candidates, and gets a file of negatives. Options of the teacher, the search and
    the data have no meaning then. With DATA too, the lists are a teacher's, and a run comes out.

    nvmine mine --candidates run.trec --qrels qrels.tsv --out negatives.parquet
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
    from nvmine.teachers import CrossEncoderTeacher, RankedTeacher, VectorsTeacher, open_teachers

    refuse(context, _RANKED_ONLY if candidates is None else ["qrels"], "DATA")
    devices = None if device is None else device.split(",")
    from_files: dict[str, Teacher] = {}
    if query_vectors is not None or passage_vectors is not None:
        if query_vectors is None or passage_vectors is None:
            raise DataError("--query-vectors and --passage-vectors belong together")
        from_files["vectors"] = VectorsTeacher.open(
            queries=query_vectors,
            passages=passage_vectors,
            similarity=similarity,  # type: ignore[arg-type] # checked there
        )
    if candidates is not None:
        from_files["ranked"] = RankedTeacher.open(candidates, passage_column=passage_column, score_column=score_column)
    else:
        refuse(context, ["similarity"], "teachers other than vectors")
    names = teacher or list(from_files) or ["bm25"]
    if len(names) == 1:
        refuse(context, ["how", "duplicates"], "a single teacher")
    for name in from_files:
        if name not in names:
            raise TeacherError(
                f"its file is given, but it is none of the teachers; add --teacher {name}", argument="teacher"
            )
    model = {
        "device": None if devices is None else devices[0],
        "dtype": dtype,
        "batch_tokens": batch_tokens,
        "trust_remote_code": trust_remote_code,
    }
    scorer = None
    if rescorer is not None:
        scorer = CrossEncoderTeacher.load(rescorer, **_given(model))
    # Who is made of a name here; random is of the policy's seed.
    by_name = [name for name in names if name not in from_files and name != "random"]
    if scorer is not None and set(by_name) <= {"bm25"}:
        model = {}
    elif "vectors" in names and set(by_name) <= {"bm25"}:
        # The search is by their vectors, wherever nothing is encoded.
        model["device"] = None
    opened = iter(
        open_teachers(
            by_name,
            revision=revision,
            max_length=max_length,
            pooling=pooling,
            query_prompt=query_prompt,
            passage_prompt=passage_prompt,
            task=task,
            task_template=task_template,
            preset=preset,
            method=bm25_method,
            k1=k1,
            b=b,
            stemmer=stemmer,
            stopwords=stopwords,
            token_pattern=token_pattern,
            **model,
        )
    )
    before = Manifest.load(out) if (out / NAME).exists() else None
    tutors: list[str | Teacher] = [
        name if name == "random" else from_files[name] if name in from_files else next(opened) for name in names
    ]
    run = mine_dataset(
        data,
        out=out,
        teacher=tutors,
        how=how,
        duplicates=duplicates,
        split=split,
        query_column=query_column,
        positive_column=positive_column,
        corpus=corpus,
        rescorer=scorer,
        promote_above=promote_above,
        consistency=consistency,
        depth=depth,
        index=index,
        nprobe=nprobe,
        ef_search=ef_search,
        memory=memory,
        # On the CPU the core multiplies.
        device=None if devices == ["cpu"] else devices,
        threads=threads,
        policy=policy,
    )
    tell(run, out, "is finished already" if run.manifest == before else "is mined")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value}


def _mine_lists(candidates: Path, qrels: Path | None, *, out: Path, policy: Policy, **options: Any) -> None:
    from nvmine.polars.ranked import mine_ranked

    mined = mine_ranked(candidates, qrels, out=out, policy=policy, **options)
    typer.echo(f"{out} is mined: {mined.negatives:,} negatives for {mined.queries:,} queries")
    if mined.short:
        typer.echo(f"{mined.short:,} are short of {policy.n}: their lists hold no more that the rule allows")
    if mined.unranked:
        typer.echo(f"{mined.unranked:,} queries of the qrels have no candidates, and are left out")
