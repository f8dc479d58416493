"""Commands on finished runs: another policy, several as one, a judge, how far they agree, are they right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nvmine.cli.app import ENSEMBLE, JUDGE, SEARCH, app, option, tell
from nvmine.cli.policy_options import takes_policy
from nvmine.ensemble import Duplicates, How
from nvmine.errors import DataError, quote
from nvmine.judges.judge import OnRelevant


@app.command(name="filter")
@takes_policy(defaults={})
def filter_(
    run: Annotated[Path, typer.Argument(help="A finished run folder; it is not changed.")],
    *,
    out: Annotated[Path, typer.Option(help="The folder of the new run: new, or of the same work.")],
    device: Annotated[
        str | None, option(SEARCH, "Where to search again: cuda, or several: cuda:0,cuda:1. Default: the CPU.")
    ] = None,
    memory: Annotated[str, option(SEARCH, "Budget for blocks of scores, such as 512M or 4G.")] = "1G",
    threads: Annotated[int | None, option(SEARCH, "Threads of the core. Default: all.")] = None,
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
    tell(mined, out, "is mined")


@app.command()
def ensemble(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of the same data, the best teacher's first.")],
    *,
    out: Annotated[Path, typer.Option(help="The folder of the new run: new, or of an ensemble of fewer of these.")],
    how: Annotated[How, option(ENSEMBLE, "intra: the teachers take turns. cross: one teacher a query.")] = "intra",
    duplicates: Annotated[
        Duplicates, option(ENSEMBLE, "For intra: keep what several teachers give, or replace it.")
    ] = "keep",
    n: Annotated[int | None, typer.Option("--n", "-n", help="Negatives per query. Default: the first run's.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draws of cross.")] = 0,
    threads: Annotated[int | None, option(SEARCH, "Threads of the core. Default: all.")] = None,
) -> None:
    """Put the negatives of several RUNS together.

    Each run becomes a part of the new one, which needs the old ones no more; files that both hold take their place on
    the disk once. Nothing is encoded or searched again.

    nvmine ensemble run-e5 run-bm25 --how intra --duplicates replace --out both
    """
    from nvmine.run import ensemble_runs

    mined = ensemble_runs(runs, out=out, how=how, duplicates=duplicates, n=n, seed=seed, threads=threads)
    tell(mined, out, "is put together")


@app.command()
def judge(
    run: Annotated[Path, typer.Argument(help="A finished run folder, an ensemble's too; it is not changed.")],
    *,
    out: Annotated[Path, typer.Option(help="The folder of the new run: new, or of the same work, which goes on.")],
    model: Annotated[str, option(JUDGE, "The model's name at the endpoint.")],
    base_url: Annotated[
        str, option(JUDGE, "An OpenAI-compatible endpoint, such as https://api.openai.com/v1. Texts go there.")
    ],
    api_key_env: Annotated[str, option(JUDGE, "Environment variable that holds the key, if one is needed.")] = (
        "OPENAI_API_KEY"
    ),
    prompt: Annotated[
        Path | None, option(JUDGE, "File of a prompt with {query}, {passage}, {positives}. Default: nvmine's own.")
    ] = None,
    max_tokens: Annotated[int, option(JUDGE, "Tokens that an answer may have.")] = 64,
    extra_body: Annotated[
        str, option(JUDGE, "Further fields of a request, as a JSON object; one that is null is left out.")
    ] = "{}",
    concurrency: Annotated[int, option(JUDGE, "Requests in flight at once.")] = 16,
    timeout: Annotated[float, option(JUDGE, "Seconds that a request may take.")] = 60.0,
    price_in: Annotated[float, option(JUDGE, "Price of a million tokens read.")] = 0.0,
    price_out: Annotated[float, option(JUDGE, "And written.")] = 0.0,
    max_cost: Annotated[float | None, option(JUDGE, "Stop before more than this is spent.")] = None,
    max_questions: Annotated[int | None, option(JUDGE, "Stop before more than this is asked.")] = None,
    on_relevant: Annotated[
        OnRelevant, typer.Option(help="drop: what answers the query is no negative. relabel: it is a positive, too.")
    ] = "drop",
    known: Annotated[
        list[Path] | None, typer.Option(help="Runs that this judge has judged, whose verdicts count.")
    ] = None,
    memory: Annotated[str, option(SEARCH, "Budget for blocks of scores, such as 512M or 4G.")] = "1G",
    threads: Annotated[int | None, option(SEARCH, "Threads of the core. Default: all.")] = None,
) -> None:
    """Have a language model read the negatives of RUN, and replace those that answer their query after all.

    Every verdict is written down as it comes: the same command goes on where it was stopped, by a kill, an error or a
    cap, and asks nothing twice. The model's calls cost money; --max-questions and --max-cost bound it.

    nvmine judge run --model gpt-4.1-mini --base-url https://api.openai.com/v1 --price-in 0.4 --price-out 1.6
    --max-cost 5 --out judged
    """
    from nvmine.judges.judge import PROMPT
    from nvmine.run import judge_run
    from nvmine.teachers import ChatJudge

    asked = ChatJudge(
        model,
        base_url=base_url,
        api_key_env=api_key_env,
        prompt=PROMPT if prompt is None else _text_of(prompt),
        extra_body=_json_object(extra_body),
        max_tokens=max_tokens,
        concurrency=concurrency,
        timeout=timeout,
        price_in=price_in,
        price_out=price_out,
        max_cost=max_cost,
        max_questions=max_questions,
    )
    mined = judge_run(run, asked, out=out, on_relevant=on_relevant, known=known or [], memory=memory, threads=threads)
    verdicts = mined.verdicts()
    tell(mined, out, "is judged")
    typer.echo(f"{verdicts['relevant'].sum():,} of {verdicts.height:,} negatives answered their query")


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as text: {error}", path=path) from None


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DataError(f"must be a JSON object, not {quote(text)}", argument="extra_body")
    return found


@app.command()
def jaccard(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of the same data; an ensemble stands for its own.")],
    *,
    top: Annotated[int, typer.Option(help="Negatives compared, from the best; at most what the runs hold.")] = 4,
) -> None:
    """Print how far the teachers of RUNS agree: the mean Jaccard similarity of their negatives.

    As in Table 6 of NV-Retriever: of the first --top negatives of each query, the share that both teachers gave.

    nvmine jaccard run-e5 run-bm25 --top 4
    """
    from nvmine.run import agreement, agreement_text

    typer.echo(agreement_text(agreement(runs, top=top)))


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
    from nvmine.cli.demo import run_demo

    typer.echo(run_demo(model, out))
