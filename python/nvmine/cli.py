"""The command line: ``nvmine mine``, ``filter``, ``audit`` and ``demo``; ``python -m nvmine`` is the same.

Every command calls one public function; what is wrong with the input is one line on standard error and exit code 2.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nvmine import __version__
from nvmine.errors import DataError, NvmineError
from nvmine.policy import Policy
from nvmine.policy_options import POLICY_OPTIONS, takes_policy

if TYPE_CHECKING:
    from nvmine.run import Run

app = typer.Typer(
    name="nvmine",
    help="Hard negatives for training text retrievers: exact, never starved, reproducible.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


_TEACHER, _SEARCH, _DATA = "The teacher", "The search", "The data"
_RANKED = "Ranked lists"
_RANKED_ONLY = ("qrels", "passage_column", "score_column")


def _option(panel: str, text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel)


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
        _option(_RANKED, "File of ranked lists (.parquet, .csv, .tsv, .jsonl; TREC: .trec, .run, .txt), not DATA."),
    ] = None,
    qrels: Annotated[
        Path | None,
        _option(_RANKED, "Their positives: BEIR or TREC labels (.tsv, .txt, .qrels), or a table."),
    ] = None,
    passage_column: Annotated[str | None, _option(_RANKED, "Column of the passages. Default: a known name.")] = None,
    score_column: Annotated[str | None, _option(_RANKED, "Column of the scores. Default: a known name.")] = None,
    teacher: Annotated[str, _option(_TEACHER, "bm25 (no model, no download), or an encoder's name or path.")] = "bm25",
    revision: Annotated[str | None, _option(_TEACHER, "Branch, tag or commit of a model on the hub.")] = None,
    query_prompt: Annotated[str | None, _option(_TEACHER, "Text before every query. Default: the model's own.")] = None,
    passage_prompt: Annotated[
        str | None, _option(_TEACHER, "Text before every passage. Default: the model's own.")
    ] = None,
    pooling: Annotated[str | None, _option(_TEACHER, "mean, cls, max, lasttoken. Default: the model's own.")] = None,
    dtype: Annotated[str | None, _option(_TEACHER, "float32, float16 or bfloat16. Default: the model's own.")] = None,
    device: Annotated[
        str | None,
        _option(
            _TEACHER,
            "Where to encode and to search: cpu, cuda, mps; several share the work: cuda:0,cuda:1. "
            "Default: encode on a GPU where there is one, search on the CPU.",
            "--device",
            "--devices",
        ),
    ] = None,
    max_length: Annotated[int | None, _option(_TEACHER, "Tokens read of a text. Default: the model's own.")] = None,
    batch_size: Annotated[int | None, _option(_TEACHER, "Texts encoded at once. Default: 32.")] = None,
    trust_remote_code: Annotated[
        bool, _option(_TEACHER, "Run code that comes with the model: only if you know it.", "--trust-remote-code")
    ] = False,
    split: Annotated[str, _option(_DATA, "Which queries to mine, for data that has splits.")] = "train",
    query_column: Annotated[str | None, _option(_DATA, "Column of the queries, for pairs and ranked lists.")] = None,
    positive_column: Annotated[str | None, _option(_DATA, "Column of the positives, for pairs.")] = None,
    corpus: Annotated[Path | None, _option(_DATA, "File of further passages, for pairs.")] = None,
    fields: dict[str, Any],
    depth: Annotated[int, _option(_SEARCH, "Candidates kept per query, for later policies too.")] = 100,
    index: Annotated[
        str, _option(_SEARCH, "exact, or a FAISS index: flat, ivf4096, hnsw32, any factory string; or a saved one.")
    ] = "exact",
    nprobe: Annotated[int | None, _option(_SEARCH, "Of an IVF index: cells searched.")] = None,
    ef_search: Annotated[int | None, _option(_SEARCH, "Of an HNSW index: breadth.")] = None,
    memory: Annotated[str, _option(_SEARCH, "Budget for blocks of scores, such as 512M or 4G.")] = "1G",
    threads: Annotated[int | None, _option(_SEARCH, "Threads of the core. Default: all.")] = None,
) -> None:
    """Mine the hard negatives of DATA into a run folder.

    Every query gets its n negatives as long as the corpus holds enough that the rule allows: a query whose best --depth
    passages are rejected is searched again below its ceiling. Kill it at any time: the same command continues.

    nvmine mine scifact --out run

    nvmine mine scifact --teacher sentence-transformers/all-MiniLM-L6-v2 --method margin --margin 0.05 --out run

    nvmine mine pairs.parquet --query-column question --positive-column answer --sampling softmax --first 1 --out run

    Who holds scores already gives --candidates, and gets a file of negatives. Options of the teacher, the search and
    the data have no meaning then.

    nvmine mine --candidates run.trec --qrels qrels.tsv --out negatives.parquet
    """
    from nvmine.ranked import mine_ranked
    from nvmine.run import mine_dataset
    from nvmine.run.manifest import NAME, Manifest
    from nvmine.teachers import open_teacher

    policy = Policy(**fields)
    if (data is None) == (candidates is None):
        raise DataError("give either DATA, to mine texts, or --candidates, to mine ranked lists")
    if candidates is not None:
        shared = {*POLICY_OPTIONS, "data", "out", "candidates", "query_column", "threads", *_RANKED_ONLY}
        _refuse(context, [name for name in context.params if name not in shared], "--candidates")
        mined = mine_ranked(
            candidates,
            qrels,
            out=out,
            query_column=query_column,
            passage_column=passage_column,
            score_column=score_column,
            threads=threads,
            policy=policy,
        )
        typer.echo(f"{out} is mined: {mined.negatives:,} negatives for {mined.queries:,} queries")
        if mined.short:
            typer.echo(f"{mined.short:,} are short of {policy.n}: their lists hold no more that the rule allows")
        if mined.unranked:
            typer.echo(f"{mined.unranked:,} queries of the qrels have no candidates, and are left out")
        return
    _refuse(context, _RANKED_ONLY, "DATA")
    devices = None if device is None else device.split(",")
    finished = (out / NAME).exists() and Manifest.load(out).finished
    run = mine_dataset(
        data,
        out=out,
        teacher=open_teacher(
            teacher,
            revision=revision,
            device=None if devices is None else devices[0],
            dtype=dtype,
            max_length=max_length,
            pooling=pooling,
            query_prompt=query_prompt,
            passage_prompt=passage_prompt,
            batch_size=batch_size,
            trust_remote_code=trust_remote_code,
        ),
        split=split,
        query_column=query_column,
        positive_column=positive_column,
        corpus=corpus,
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
    _tell(run, out, "is finished already" if finished else "is mined")


def _refuse(context: typer.Context, names: Iterable[str], other: str) -> None:
    """Refuses options that were given and would be passed over."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise DataError(f"this option has no meaning with {other}", column="--" + name.replace("_", "-"))


@app.command(name="filter")
@takes_policy(defaults={})
def filter_(
    run: Annotated[Path, typer.Argument(help="A finished run folder; it is not changed.")],
    *,
    out: Annotated[Path, typer.Option(help="The folder of the new run: new, or of the same work.")],
    device: Annotated[
        str | None, _option(_SEARCH, "Where to search again: cuda, or several: cuda:0,cuda:1. Default: the CPU.")
    ] = None,
    memory: Annotated[str, _option(_SEARCH, "Budget for blocks of scores, such as 512M or 4G.")] = "1G",
    threads: Annotated[int | None, _option(_SEARCH, "Threads of the core. Default: all.")] = None,
    fields: dict[str, Any],
) -> None:
    """Mine a finished RUN once more, under another policy.

    What is not given of the rule stays as it is in RUN. Nothing is encoded again: the kept candidates are filtered, and
    queries that those cannot feed are searched again below their ceiling, by the kept vectors. The new run is the one
    that mine would have made; files that both hold take their place on the disk once.

    nvmine filter run --method margin --margin 0.1 --n 8 --out stricter
    """
    from nvmine.run import filter_run

    devices = None if device in (None, "cpu") else device.split(",")
    mined = filter_run(run, out=out, memory=memory, device=devices, threads=threads, **fields)
    _tell(mined, out, "is mined")


def _tell(run: Run, out: Path, state: str) -> None:
    totals = run.manifest.audit or {}
    typer.echo(f"{out} {state}: {totals['emitted']:,} negatives for {totals['queries']:,} queries")
    if totals["short"]:
        typer.echo(f"{totals['short']:,} are short of {run.n}: the corpus holds no more that the rule allows")
    typer.echo(f"negatives: {out}/negatives-*.parquet   what became of the rest: nvmine audit {out}")


@app.command()
def audit(run: Annotated[Path, typer.Argument(help="A finished run folder.")]) -> None:
    """Prove a run right and sum it up.

    Checks that every file is the one that was written, that every candidate is emitted or rejected for one reason, and
    that every negative is a legal one: no positive, not the query itself, below its ceiling. Then prints what became of
    the candidates, how many results are short, and the quantiles of the scores.
    """
    from nvmine.run import check_run, open_run, summary_text

    opened = open_run(run)
    typer.echo(summary_text(opened, check_run(opened)))


@app.command()
def demo(
    model: Annotated[str, typer.Option(help="The teacher: bm25, or an encoder's name or path.")] = "bm25",
    out: Annotated[Path, typer.Option(help="Where the data and the run are put.")] = Path("demo-run"),
) -> None:
    """Mine the docstrings of the Python standard library, which every machine has.

    A query is a docstring's first line, its positive the rest of the docstring, and the corpus all of them.
    """
    from nvmine.demo import run_demo

    typer.echo(run_demo(model, out))


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; errors of nvmine end it with one line and exit code 2."""
    logging.getLogger("nvmine").addHandler(logging.StreamHandler())
    try:
        app()
    except NvmineError as error:
        typer.echo(f"nvmine: {type(error).__name__}: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("nvmine: interrupted; the same command starts again, or continues a run folder", err=True)
        sys.exit(130)
