"""Presets: settings from the cards of well-known models that the models' own files leave open.

Most models store pooling and length in files of sentence-transformers, but many say only on their card which text to
put before a query or a passage. Without that text they retrieve worse, and nothing fails. The presets below fill such
gaps and override nothing: options come first, then the model's own files, then its preset, then the library's defaults.
A preset is found by the model's name on the hub without its organisation, or by the name of a local folder. Pass
``preset="..."`` for a model with another name, and ``preset="none"`` for one that was trained differently under a known
name.

Instruction models receive a task definition: ``{task}`` in a prompt stands for it. The default is the one on the card.
A model without a template of its own gets the paper's, ``"{task}: "``.

Presets contain no dtype. What cards say about it is advice on memory and speed, and the default remains the type of the
stored weights. If you publish a model, prefer settings in its own files, which travel with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from nvmine.errors import TeacherError, quote

OWN = "own"
PAPER_TEMPLATE = "{task}: "

_WEB_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
_QUESTIONS = "Given a question, retrieve passages that answer the question"
_INSTRUCT = "Instruct: {task}\nQuery: "
_SENTENCE = "Represent this sentence for searching relevant passages: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Settings of a family of models.

    Parameters
    ----------
    name
        Name of the preset.
    models
        Regular expression that matches the last part of the models' names, ignoring case.
    card
        URL of the card that the values come from.
    query, passage
        Text to put before every query or passage; ``{task}`` stands for the task definition.
    task
        The task definition on the card, if `query` contains ``{task}``.
    pooling
        Pooling of a plain transformers folder: a name that sentence-transformers knows, None for its default, or
        `OWN` if only modules or code that come with the model can do it.
    max_length
        Number of tokens that a plain transformers folder reads; None for the limit of its tokenizer.
    similarity
        Similarity of the vectors. "cosine" normalises them to unit length.
    end_token
        Whether every text must end with the tokenizer's end token.
    """

    name: str
    models: str
    card: str
    query: str = ""
    passage: str = ""
    task: str = ""
    pooling: str | None = None
    max_length: int | None = None
    similarity: Literal["cosine", "dot"] = "cosine"
    end_token: bool = False

    @property
    def query_prompt(self) -> str:
        """Text to put before every query, with the task definition of the card."""
        return self.query.replace("{task}", self.task)


_HUB = "https://huggingface.co"

NONE = Preset(name="none", models="(?!)", card="")  # an expression that matches nothing

PRESETS = (
    Preset(
        name="e5",
        models="(multilingual-)?e5-(small|base|large)(-unsupervised|-v2)?",
        card=f"{_HUB}/intfloat/e5-large-v2",
        query="query: ",
        passage="passage: ",
        pooling="mean",
        max_length=512,
    ),
    Preset(
        name="e5-instruct",
        models="multilingual-e5-large-instruct",
        card=f"{_HUB}/intfloat/multilingual-e5-large-instruct",
        query=_INSTRUCT,
        task=_WEB_SEARCH,
        pooling="mean",
        max_length=512,
    ),
    Preset(
        name="e5-mistral",
        models="e5-mistral-7b-instruct",
        card=f"{_HUB}/intfloat/e5-mistral-7b-instruct",
        query=_INSTRUCT,
        task=_WEB_SEARCH,
        pooling="lasttoken",
        max_length=4096,
        end_token=True,
    ),
    Preset(
        name="nv-embed",
        models="nv-embed-v[12]",
        card=f"{_HUB}/nvidia/NV-Embed-v2",
        query=_INSTRUCT,
        task=_QUESTIONS,
        pooling=OWN,
        max_length=32768,
        end_token=True,
    ),
    Preset(
        name="nv-retriever",
        models="nv-retriever-v1",
        card=f"{_HUB}/nvidia/NV-Retriever-v1",
        # Two spaces, because the card's code adds one between the prefix, which ends with a space, and the text.
        query="{task}:  ",
        passage="passage:  ",
        task=_WEB_SEARCH,
        pooling=OWN,
        max_length=512,
    ),
    Preset(
        name="nemotron",
        models="llama-nemotron-embed-1b-v2",
        card=f"{_HUB}/nvidia/llama-nemotron-embed-1b-v2",
        query="query: ",
        passage="passage: ",
        pooling="mean",
        max_length=8192,
    ),
    Preset(
        name="arctic",
        models=r"snowflake-arctic-embed-(xs|s|m|l|m-long|m-v1\.5)",
        card=f"{_HUB}/Snowflake/snowflake-arctic-embed-l",
        query=_SENTENCE,
        pooling="cls",
        max_length=512,
    ),
    Preset(
        name="arctic-v2",
        models=r"snowflake-arctic-embed-[ml]-v2\.0",
        card=f"{_HUB}/Snowflake/snowflake-arctic-embed-l-v2.0",
        query="query: ",
        pooling="cls",
        max_length=8192,
    ),
    Preset(
        name="bge-en",
        models=r"bge-(small|base|large)-en(-v1\.5)?",
        card=f"{_HUB}/BAAI/bge-large-en-v1.5",
        query=_SENTENCE,
        pooling="cls",
        max_length=512,
    ),
    Preset(
        name="bge-zh",
        models=r"bge-(small|base|large)-zh(-v1\.5)?",
        card=f"{_HUB}/BAAI/bge-large-zh-v1.5",
        query="为这个句子生成表示以用于检索相关文章：",
        pooling="cls",
        max_length=512,
    ),
    Preset(
        name="bge-m3",
        models="bge-m3",
        card=f"{_HUB}/BAAI/bge-m3",
        pooling="cls",
        max_length=8192,
    ),
    Preset(
        name="gte",
        models="gte-(small|base|large)",
        card=f"{_HUB}/thenlper/gte-large",
        pooling="mean",
        max_length=512,
    ),
    Preset(
        name="gte-zh",
        models="gte-(small|base|large)-zh",
        card=f"{_HUB}/thenlper/gte-large-zh",
        pooling="cls",
        max_length=512,
    ),
    Preset(
        name="gte-long",
        models=r"gte-((base|large)-en-v1\.5|multilingual-base|modernbert-base)",
        card=f"{_HUB}/Alibaba-NLP/gte-large-en-v1.5",
        pooling="cls",
        max_length=8192,
    ),
    Preset(
        name="gte-qwen",
        models=r"gte-(qwen2-1\.5b|qwen2-7b|qwen1\.5-7b)-instruct",
        card=f"{_HUB}/Alibaba-NLP/gte-Qwen2-7B-instruct",
        query=_INSTRUCT,
        task=_WEB_SEARCH,
        pooling="lasttoken",
        max_length=8192,
        end_token=True,
    ),
    Preset(
        name="qwen3",
        models=r"qwen3-embedding-(0\.6b|4b|8b)",
        card=f"{_HUB}/Qwen/Qwen3-Embedding-0.6B",
        query="Instruct: {task}\nQuery:",  # no space, unlike the others
        task=_WEB_SEARCH,
        pooling="lasttoken",
        max_length=8192,
    ),
    Preset(
        name="embeddinggemma",
        models="embeddinggemma-300m",
        card=f"{_HUB}/google/embeddinggemma-300m",
        query="task: {task} | query: ",
        passage="title: none | text: ",
        task="search result",
        pooling=OWN,
        max_length=2048,
    ),
    Preset(
        name="all",
        models="all-(minilm-l6|minilm-l12|mpnet-base|distilroberta)-v[12]",
        card=f"{_HUB}/sentence-transformers/all-mpnet-base-v2",
        pooling="mean",
    ),
    Preset(
        name="dot",
        models="multi-qa-(mpnet-base|distilbert|minilm-l6)-dot-v1|msmarco-((bert-base|distilbert)-dot-v5|distilbert-base-tas-b)",
        card="https://sbert.net/docs/sentence_transformer/pretrained_models.html",
        pooling=OWN,
        similarity="dot",
    ),
)


def preset_named(name: str) -> Preset:
    """Returns the preset with this name.

    Raises
    ------
    TeacherError
        There is none.
    """
    known = {preset.name: preset for preset in (*PRESETS, NONE)}
    if name not in known:
        raise TeacherError(f"must be one of {', '.join(known)}, not {quote(name)}", argument="preset")
    return known[name]


def preset_for(model: str) -> Preset:
    """Returns the preset that matches a model's name, or `NONE`."""
    last = model.rpartition("/")[2]
    return next((preset for preset in PRESETS if re.fullmatch(preset.models, last, re.IGNORECASE)), NONE)


def instruction(preset: Preset, *, task: str | None, template: str | None) -> str | None:
    """Returns the query prompt for a task definition or a template; None if neither is given.

    Raises
    ------
    TeacherError
        The template does not contain ``{task}``, or there is no task.
    """
    if task is None and template is None:
        return None
    if template is None:
        template = preset.query if "{task}" in preset.query else PAPER_TEMPLATE
    if "{task}" not in template:
        raise TeacherError(f"must contain {{task}}, but is {quote(template)}", argument="task_template")
    task = preset.task if task is None else task
    if not task:
        raise TeacherError("is empty, and the model has no task of its own", argument="task")
    return template.replace("{task}", task)
