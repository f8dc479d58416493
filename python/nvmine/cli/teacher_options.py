"""The options of teachers that are opened by name: how to load and read a model, and the settings of BM25.

:mod:`nvmine.teachers.open` decides which of them a teacher takes.
"""

from __future__ import annotations

from typing import Any

from nvmine.cli.options import BM25, TEACHER, option

TEACHER_OPTIONS: dict[str, tuple[Any, Any]] = {
    "revision": (str, option(TEACHER, "Branch, tag or commit of a model on the Hugging Face Hub.")),
    "query_prompt": (str, option(TEACHER, "Text to put before every query. Default: the model's own.")),
    "passage_prompt": (str, option(TEACHER, "Text to put before every passage. Default: the model's own.")),
    "task": (
        str,
        option(TEACHER, "Task of an instruction model, which becomes a part of the prompt of every query."),
    ),
    "task_template": (
        str,
        option(TEACHER, "How the task becomes a prompt, such as '{task}: '. Default: that of the model's family."),
    ),
    "preset": (
        str,
        option(TEACHER, "Model family whose prompts to use, or none. Default: the family that the model's name shows."),
    ),
    "pooling": (
        str,
        option(TEACHER, "How token vectors become one: mean, cls, max or lasttoken. Default: the model's own."),
    ),
    "dtype": (
        str,
        option(
            TEACHER,
            "Type to compute in: float32, float16, bfloat16, or auto, which is bfloat16 where the hardware is fast at "
            "it. Default: the type of the model's weights.",
        ),
    ),
    "max_length": (int, option(TEACHER, "Maximum number of tokens to read of a text. Default: the model's own.")),
    "batch_tokens": (
        int,
        option(TEACHER, "Number of tokens to encode at once. Default: 1024 per CPU thread, 32768 on a GPU."),
    ),
    "trust_remote_code": (
        bool,
        option(
            TEACHER, "Run code that comes with the model. Use it only if you trust its author.", "--trust-remote-code"
        ),
    ),
    "bm25_method": (str, option(BM25, "Variant of BM25: lucene, robertson, atire, bm25l or bm25+. Default: lucene.")),
    "k1": (float, option(BM25, "How slowly repeated terms saturate. Default: 1.5.")),
    "b": (float, option(BM25, "How much long passages are penalised, from 0 to 1. Default: 0.75.")),
    "stemmer": (str, option(BM25, "Language of the Snowball stemmer, or none. Default: english.")),
    "stopwords": (str, option(BM25, "Language of the stopwords, such as en or de, or none. Default: en.")),
    "token_pattern": (
        str,
        option(BM25, "Regular expression that matches a word. Default: one for words of at least two characters."),
    ),
}
