"""``nvmine judge``: a language model reads the negatives of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nvmine.cli.app import app, tell
from nvmine.cli.options import JUDGE, MemoryOption, ThreadsOption, option
from nvmine.errors import DataError, quote
from nvmine.judges.judge import OnRelevant


@app.command()
def judge(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A finished run folder, also of an ensemble. It is not changed.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the new run. A run that was interrupted is continued.")],
    model: Annotated[str, option(JUDGE, "Name of the model at the endpoint.")],
    base_url: Annotated[
        str,
        option(
            JUDGE,
            "URL of an OpenAI-compatible endpoint, such as https://api.openai.com/v1. The texts of queries and "
            "passages are sent there.",
        ),
    ],
    api_key_env: Annotated[
        str, option(JUDGE, "Environment variable that contains the API key, if the endpoint needs one.")
    ] = "OPENAI_API_KEY",
    prompt: Annotated[
        Path | None,
        option(
            JUDGE,
            "File with the prompt, in which {query}, {passage} and {positives} are filled in. Default: nvmine's own "
            "prompt.",
        ),
    ] = None,
    max_tokens: Annotated[int, option(JUDGE, "Maximum number of tokens of an answer.")] = 64,
    extra_body: Annotated[
        str,
        option(JUDGE, "Additional fields of the request, as a JSON object. A field with the value null is left out."),
    ] = "{}",
    concurrency: Annotated[int, option(JUDGE, "Number of requests to send at the same time.")] = 16,
    timeout: Annotated[float, option(JUDGE, "Seconds to wait for an answer.")] = 60.0,
    price_in: Annotated[float, option(JUDGE, "Price of a million input tokens.")] = 0.0,
    price_out: Annotated[float, option(JUDGE, "Price of a million output tokens.")] = 0.0,
    max_cost: Annotated[float | None, option(JUDGE, "Stop before the requests cost more than this.")] = None,
    max_questions: Annotated[int | None, option(JUDGE, "Stop before asking more questions than this.")] = None,
    on_relevant: Annotated[
        OnRelevant,
        typer.Option(
            help="What to do with a passage that answers its query, besides replacing it. drop: nothing. relabel: make "
            "it a positive."
        ),
    ] = "drop",
    known: Annotated[
        list[Path] | None,
        typer.Option(help="Run that the same judge has judged before, whose verdicts are reused. May be repeated."),
    ] = None,
    memory: MemoryOption = "1G",
    threads: ThreadsOption = None,
) -> None:
    r"""Have a language model read the negatives of RUN, and replace the ones that turn out to be relevant.

    Every verdict is stored as soon as it arrives. If the command is stopped by a kill, an error or a cap, run it again:
    it continues where it stopped and asks nothing twice. The model's answers may cost money; limit them with
    --max-questions or --max-cost.

    Example:

    ```
    nvmine judge run --model gpt-4.1-mini --base-url https://api.openai.com/v1 \
      --price-in 0.4 --price-out 1.6 --max-cost 5 --out judged
    ```
    """
    from nvmine.judges.prompt import PROMPT
    from nvmine.run import judge_run
    from nvmine.teachers import ChatJudge

    chat = ChatJudge(
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
    mined = judge_run(run, chat, out=out, on_relevant=on_relevant, known=known or [], memory=memory, threads=threads)
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
