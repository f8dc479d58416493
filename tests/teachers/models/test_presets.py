"""Vectors of models with a preset, against a forward pass of transformers with explicit prompts and pooling."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvmine.errors import TeacherError
from nvmine.teachers import DenseTeacher
from nvmine.teachers.models.presets import NONE, PRESETS, preset_for

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("sentence_transformers")

WEB = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
SENTENCE = "Represent this sentence for searching relevant passages: "
ZH = "为这个句子生成表示以用于检索相关文章："
TEXTS = ["a cat", "how much protein should a female eat", "", "Cats: 2\nDogs: 3", "0123456789 " * 5]

# One token per byte, so that one space too many in a prompt changes the vectors.
PAD, START, END, FIRST_BYTE = 0, 2, 3, 4
PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
OTHERS = [byte for byte in range(256) if byte not in PRINTABLE]
# Byte-level tokenizers write other bytes as the characters from 256 on, in order.
BYTES = [chr(byte) if byte in PRINTABLE else chr(256 + OTHERS.index(byte)) for byte in range(256)]
VOCABULARY = {token: number for number, token in enumerate(["<pad>", "<unk>", "<s>", "</s>", *BYTES])}
POSITIONS = 200

SMALL = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": POSITIONS,
    "initializer_range": 0.3,  # large enough that texts differ
    "pad_token_id": PAD,
}
CAUSAL = SMALL | {"num_key_value_heads": 2, "head_dim": 16, "bos_token_id": START, "eos_token_id": END}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "Bert": ("Bert", SMALL),
    "XLMRoberta": ("XLMRoberta", SMALL),
    "ModernBert": ("ModernBert", SMALL | {"cls_token_id": START, "sep_token_id": END, "global_attn_every_n_layers": 2}),
    "Llama": ("Llama", CAUSAL),
    "Mistral": ("Mistral", CAUSAL),
    "Qwen2": ("Qwen2", CAUSAL),
    "Qwen3": ("Qwen3", CAUSAL),
    "Gemma3": ("Gemma3Text", CAUSAL | {"use_bidirectional_attention": True}),
}

Save = Callable[..., Path]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Uses one thread, because such small models are slower with more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Saves a plain transformers folder; `ends` is the template of tokens that the tokenizer puts around a text."""

    def saved(name: str, kind: str = "Bert", *, ends: str = "<s> $A </s>", **tokenizer_config: Any) -> Path:
        folder = tmp_path / name
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(VOCABULARY, merges=[]))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        if ends != "$A":
            tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
                single=ends, special_tokens=[("<s>", START), ("</s>", END)]
            )
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
        ).save_pretrained(folder)
        merge_json(folder / "tokenizer_config.json", tokenizer_config)
        torch.manual_seed(0)
        architecture, settings = KINDS[kind]
        config = getattr(transformers, f"{architecture}Config")(**settings)
        getattr(transformers, f"{architecture}Model")(config).save_pretrained(folder)
        return folder

    return saved


def merge_json(path: Path, content: dict[str, Any]) -> None:
    own = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(own | content), "utf-8")


def as_sentence_transformer(folder: Path, pooling: str, **settings: Any) -> Path:
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
                for number, (path, kind) in enumerate(modules)
            ]
        ),
        "utf-8",
    )
    merge_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, "pooling_mode": pooling})
    merge_json(folder / "config_sentence_transformers.json", settings)
    return folder


def load(folder: Path, **options: Any) -> DenseTeacher:
    return DenseTeacher.load(str(folder), device="cpu", **options)


def pooled(folder: Path, texts: list[str], pooling: str, ends: str = "<s> $A </s>") -> np.ndarray:
    """One text at a time, its tokens written out, so that neither a tokenizer nor padding is involved."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        tokens = [FIRST_BYTE + byte for byte in text.encode()]
        tokens = [START] * ends.startswith("<s>") + tokens + [END] * ends.endswith("</s>")
        with torch.inference_mode():
            states = model(input_ids=torch.tensor([tokens])).last_hidden_state[0].numpy()
        rows.append({"mean": states.mean(axis=0), "cls": states[0], "lasttoken": states[-1]}[pooling])
    return np.stack(rows)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


BOTH = "<s> $A </s>"


@pytest.mark.parametrize(
    ("name", "kind", "query", "passage", "pooling", "saved_ends", "right_ends"),
    [
        ("e5-large-unsupervised", "Bert", "query: ", "passage: ", "mean", BOTH, BOTH),
        ("e5-large-v2", "Bert", "query: ", "passage: ", "mean", BOTH, BOTH),
        ("multilingual-e5-base", "XLMRoberta", "query: ", "passage: ", "mean", BOTH, BOTH),
        ("multilingual-e5-large-instruct", "XLMRoberta", WEB, "", "mean", BOTH, BOTH),
        ("e5-mistral-7b-instruct", "Mistral", WEB, "", "lasttoken", "<s> $A", BOTH),
        ("llama-nemotron-embed-1b-v2", "Llama", "query: ", "passage: ", "mean", "<s> $A", "<s> $A"),
        ("snowflake-arctic-embed-l", "Bert", SENTENCE, "", "cls", BOTH, BOTH),
        ("snowflake-arctic-embed-l-v2.0", "XLMRoberta", "query: ", "", "cls", BOTH, BOTH),
        ("bge-base-en-v1.5", "Bert", SENTENCE, "", "cls", BOTH, BOTH),
        ("bge-large-zh-v1.5", "Bert", ZH, "", "cls", BOTH, BOTH),
        ("bge-m3", "XLMRoberta", "", "", "cls", BOTH, BOTH),
        ("gte-base", "Bert", "", "", "mean", BOTH, BOTH),
        ("gte-large-zh", "Bert", "", "", "cls", BOTH, BOTH),
        ("gte-modernbert-base", "ModernBert", "", "", "cls", BOTH, BOTH),
        ("gte-Qwen2-7B-instruct", "Qwen2", WEB, "", "lasttoken", "$A", "$A </s>"),
        ("Qwen3-Embedding-0.6B", "Qwen3", WEB.removesuffix(" "), "", "lasttoken", "$A </s>", "$A </s>"),
        ("all-MiniLM-L6-v2", "Bert", "", "", "mean", BOTH, BOTH),
    ],
)
def test_a_plain_folder_gives_the_vectors_of_the_card(
    save: Save, name: str, kind: str, query: str, passage: str, pooling: str, saved_ends: str, right_ends: str
) -> None:
    folder = save(name, kind, ends=saved_ends)
    teacher = load(folder)
    queries = pooled(folder, [query + text for text in TEXTS], pooling, right_ends)
    passages = pooled(folder, [passage + text for text in TEXTS], pooling, right_ends)
    np.testing.assert_allclose(teacher.encode_queries(TEXTS), unit(queries), atol=1e-5)
    np.testing.assert_allclose(teacher.encode_passages(TEXTS), unit(passages), atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("saved_ends", ["<s> $A", BOTH])
def test_e5_mistral_pools_the_end_token_of_truncated_and_padded_texts(save: Save, side: str, saved_ends: str) -> None:
    folder = save("e5-mistral-7b-instruct", "Mistral", ends=saved_ends, padding_side=side)
    teacher = load(folder, max_length=12)
    expected = pooled(folder, [text[:10] for text in TEXTS], "lasttoken", BOTH)
    np.testing.assert_allclose(teacher.encode_passages(TEXTS), unit(expected), atol=1e-5)
    assert teacher.describe()["end_token"] == (None if saved_ends == BOTH else "</s>")


@pytest.mark.parametrize(("asked", "right_ends"), [(True, BOTH), (False, "<s> $A")])
def test_the_end_token_is_added_if_the_models_own_files_require_it(save: Save, asked: bool, right_ends: str) -> None:
    folder = save("my-model", "Mistral", ends="<s> $A", add_eos_token=asked)
    expected = pooled(folder, TEXTS[:2], "lasttoken", right_ends)
    np.testing.assert_allclose(load(folder, pooling="lasttoken").encode_queries(TEXTS[:2]), unit(expected), atol=1e-5)


@pytest.fixture
def embedding_gemma(save: Save, tmp_path: Path) -> Path:
    """The modules of EmbeddingGemma, saved without prompts."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

    torch.manual_seed(1)
    layers = [Dense(a, b, bias=False, activation_function=torch.nn.Identity()) for a, b in ((32, 48), (48, 32))]
    modules = [Transformer(str(save("plain", "Gemma3"))), Pooling(32, "mean"), *layers, Normalize()]
    folder = tmp_path / "embeddinggemma-300m"
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


def test_embedding_gemma_gets_the_prompts_of_its_card(embedding_gemma: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    weights = [load_file(embedding_gemma / f"{part}_Dense" / "model.safetensors")["linear.weight"] for part in (2, 3)]
    teacher = load(embedding_gemma)
    for encode, prompt in (
        (teacher.encode_queries, "task: search result | query: "),
        (teacher.encode_passages, "title: none | text: "),
    ):
        expected = pooled(tmp_path / "plain", [prompt + text for text in TEXTS], "mean")
        np.testing.assert_allclose(encode(TEXTS), unit(expected @ weights[0].T @ weights[1].T), atol=1e-5)
    assert load(embedding_gemma, task="fact checking").describe()["query_prompt"] == "task: fact checking | query: "


def test_a_model_without_the_modules_it_needs_is_refused(save: Save) -> None:
    folder = save("embeddinggemma-300m", "Gemma3")
    with pytest.raises(TeacherError, match=r"preset embeddinggemma .* no modules.json here"):
        load(folder)
    assert load(folder, pooling="mean").describe()["pooling"] == "mean"


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("NV-Embed-v1", "Instruct: Given a question, retrieve passages that answer the question\nQuery: ", ""),
        ("NV-Embed-v2", "Instruct: Given a question, retrieve passages that answer the question\nQuery: ", ""),
        (
            "NV-Retriever-v1",
            "Given a web search query, retrieve relevant passages that answer the query:  ",
            "passage:  ",
        ),
        ("gte-large-en-v1.5", "", ""),
    ],
)
def test_code_that_comes_with_a_model_is_refused_unless_trusted(
    save: Save, name: str, query: str, passage: str
) -> None:
    folder = save(name)
    merge_json(folder / "config.json", {"auto_map": {"AutoModel": "modeling.Model"}})
    with pytest.raises(TeacherError, match="trust_remote_code=True"):
        load(folder)
    preset = preset_for(f"nvidia/{name}")
    assert (preset.query_prompt, preset.passage) == (query, passage)


def test_the_models_own_files_come_before_the_preset(save: Save) -> None:
    folder = as_sentence_transformer(save("e5-large-v2"), "cls", prompts={"query": "Q: ", "document": ""})
    merge_json(folder / "sentence_bert_config.json", {"max_seq_length": 100})
    described = load(folder).describe()
    assert described["pooling"] == "cls"
    assert described["max_length"] == 100
    assert (described["query_prompt"], described["passage_prompt"]) == ("Q: ", "passage: ")
    expected = pooled(folder, ["Q: " + text for text in TEXTS], "cls")
    np.testing.assert_allclose(load(folder).encode_queries(TEXTS), unit(expected), atol=1e-5)


@pytest.mark.parametrize("plain", [True, False])
def test_options_come_before_the_models_own_files_and_the_preset(save: Save, plain: bool) -> None:
    folder = save("e5-large-v2")
    if not plain:
        as_sentence_transformer(folder, "cls", prompts={"query": "Q: ", "document": "D: "})
    described = load(folder, pooling="max", max_length=50, query_prompt="q ", passage_prompt="").describe()
    assert (described["pooling"], described["max_length"]) == ("max", 50)
    assert (described["query_prompt"], described["passage_prompt"]) == ("q ", "")


@pytest.mark.parametrize(
    ("name", "kind", "positions", "expected"),
    [
        ("bge-base-en-v1.5", "Bert", 600, 512),
        ("bge-base-en-v1.5", "Bert", 300, 300),
        ("e5-mistral-7b-instruct", "Mistral", 32768, 4096),
        ("Qwen3-Embedding-0.6B", "Qwen3", 32768, 8192),
    ],
)
def test_max_length_is_that_of_the_card_within_the_models_positions(
    save: Save, monkeypatch: pytest.MonkeyPatch, name: str, kind: str, positions: int, expected: int
) -> None:
    architecture, settings = KINDS[kind]
    monkeypatch.setitem(KINDS, kind, (architecture, settings | {"max_position_embeddings": positions}))
    assert load(save(name, kind)).describe()["max_length"] == expected


@pytest.mark.parametrize(("own", "similarity"), [(None, "dot"), ("cosine", "cosine")])
def test_vectors_of_models_tuned_for_dot_products_are_not_normalised(
    save: Save, own: str | None, similarity: str
) -> None:
    folder = as_sentence_transformer(save("multi-qa-mpnet-base-dot-v1"), "cls", similarity_fn_name=own)
    teacher = load(folder)
    assert teacher.describe()["similarity"] == similarity
    expected = pooled(folder, TEXTS, "cls")
    expected = unit(expected) if similarity == "cosine" else expected
    np.testing.assert_allclose(teacher.encode_queries(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "preset", "query", "pooling"),
    [
        ("e5-base", None, "query: ", "mean"),
        ("E5-Base", None, "query: ", "mean"),
        ("e5-base", "none", "", "mean"),
        ("my-e5-base", None, "", "mean"),
        ("my-e5-base", "e5", "query: ", "mean"),
        ("my-e5-base", "bge-en", SENTENCE, "cls"),
    ],
)
def test_the_preset_follows_the_name_or_the_option_and_is_logged(
    save: Save, caplog: pytest.LogCaptureFixture, name: str, preset: str | None, query: str, pooling: str
) -> None:
    caplog.set_level(logging.INFO, "nvmine")
    described = load(save(name), preset=preset).describe()
    assert (described["query_prompt"], described["pooling"]) == (query, pooling)
    known = preset or ("none" if name.startswith("my") else "e5")
    assert f"model {name}: preset {known}" in caplog.messages


def test_a_preset_named_and_one_found_give_the_same_description(save: Save) -> None:
    folder = save("e5-base")
    assert load(folder).describe() == load(folder, preset="e5").describe()


TASK = "Given a claim, find documents that refute the claim"


@pytest.mark.parametrize(
    ("name", "options", "query"),
    [
        ("e5-mistral-7b-instruct", {"task": TASK}, f"Instruct: {TASK}\nQuery: "),
        ("e5-mistral-7b-instruct", {"task": TASK, "task_template": "{task}: "}, f"{TASK}: "),
        ("e5-mistral-7b-instruct", {"task_template": "{task}: "}, WEB.split("\n")[0].removeprefix("Instruct: ") + ": "),
        ("Qwen3-Embedding-8B", {"task": TASK}, f"Instruct: {TASK}\nQuery:"),
        ("NV-Retriever-v1", {"task": TASK, "pooling": "mean"}, f"{TASK}:  "),
        ("e5-base", {"task": TASK}, f"{TASK}: "),
        ("my-model", {"task": TASK}, f"{TASK}: "),
        ("my-model", {"task": "sets {a} and {task}", "task_template": "<{task}>"}, "<sets {a} and {task}>"),
    ],
)
def test_a_task_becomes_the_query_prompt_by_its_template(
    save: Save, name: str, options: dict[str, Any], query: str
) -> None:
    described = load(save(name, "Mistral"), **options).describe()
    assert described["query_prompt"] == query
    assert TASK not in described["passage_prompt"]


def test_a_task_comes_before_the_models_own_prompt(save: Save) -> None:
    folder = as_sentence_transformer(save("my-model"), "mean", prompts={"query": "Q: "})
    assert load(folder, task=TASK).describe()["query_prompt"] == f"{TASK}: "


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "e6"}, r"'preset': must be one of e5, .*, dot, none, not 'e6'$"),
        (
            {"task": TASK, "query_prompt": "query: "},
            "'query_prompt': is the whole prompt; leave out task= and task_template=",
        ),
        ({"task_template": "{task}: ", "query_prompt": ""}, "'query_prompt': .* leave out task= and task_template="),
        ({"task": TASK, "task_template": "query: "}, r"'task_template': must contain \{task\}, but is 'query: '"),
        ({"task": ""}, "'task': is empty"),
        ({"task_template": "{task}: "}, "'task': is empty, and the model has no task of its own"),
    ],
)
def test_options_that_do_not_fit_are_refused(save: Save, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TeacherError, match=f"argument {message}"):
        load(save("my-model"), **options)


NAMES = {
    "e5": [
        "intfloat/e5-small",
        "intfloat/e5-large-unsupervised",
        "intfloat/e5-base-v2",
        "intfloat/multilingual-e5-small",
        "intfloat/multilingual-e5-large",
    ],
    "e5-instruct": ["intfloat/multilingual-e5-large-instruct"],
    "e5-mistral": ["intfloat/e5-mistral-7b-instruct"],
    "nv-embed": ["nvidia/NV-Embed-v1", "nvidia/NV-Embed-v2"],
    "nv-retriever": ["nvidia/NV-Retriever-v1"],
    "nemotron": ["nvidia/llama-nemotron-embed-1b-v2", "nvidia/Llama-Nemotron-Embed-1B-v2"],
    "arctic": [
        "Snowflake/snowflake-arctic-embed-xs",
        "Snowflake/snowflake-arctic-embed-s",
        "Snowflake/snowflake-arctic-embed-m",
        "Snowflake/snowflake-arctic-embed-m-long",
        "Snowflake/snowflake-arctic-embed-m-v1.5",
        "Snowflake/snowflake-arctic-embed-l",
    ],
    "arctic-v2": ["Snowflake/snowflake-arctic-embed-m-v2.0", "Snowflake/snowflake-arctic-embed-l-v2.0"],
    "bge-en": ["BAAI/bge-small-en-v1.5", "BAAI/bge-base-en-v1.5", "BAAI/bge-large-en-v1.5", "BAAI/bge-large-en"],
    "bge-zh": ["BAAI/bge-small-zh-v1.5", "BAAI/bge-large-zh"],
    "bge-m3": ["BAAI/bge-m3"],
    "gte": ["thenlper/gte-small", "thenlper/gte-base", "thenlper/gte-large"],
    "gte-zh": ["thenlper/gte-small-zh", "thenlper/gte-large-zh"],
    "gte-long": [
        "Alibaba-NLP/gte-base-en-v1.5",
        "Alibaba-NLP/gte-large-en-v1.5",
        "Alibaba-NLP/gte-multilingual-base",
        "Alibaba-NLP/gte-modernbert-base",
    ],
    "gte-qwen": [
        "Alibaba-NLP/gte-Qwen1.5-7B-instruct",
        "Alibaba-NLP/gte-Qwen2-1.5B-instruct",
        "Alibaba-NLP/gte-Qwen2-7B-instruct",
    ],
    "qwen3": ["Qwen/Qwen3-Embedding-0.6B", "Qwen/Qwen3-Embedding-4B", "Qwen/Qwen3-Embedding-8B"],
    "embeddinggemma": ["google/embeddinggemma-300m"],
    "all": [
        "sentence-transformers/all-MiniLM-L6-v2",
        "sentence-transformers/all-MiniLM-L12-v2",
        "sentence-transformers/all-mpnet-base-v2",
        "sentence-transformers/all-distilroberta-v1",
    ],
    "dot": [
        "sentence-transformers/multi-qa-mpnet-base-dot-v1",
        "sentence-transformers/multi-qa-distilbert-dot-v1",
        "sentence-transformers/multi-qa-MiniLM-L6-dot-v1",
        "sentence-transformers/msmarco-bert-base-dot-v5",
        "sentence-transformers/msmarco-distilbert-dot-v5",
        "sentence-transformers/msmarco-distilbert-base-tas-b",
    ],
    "none": [
        "my-e5-base",
        "e5-base-finetuned",
        "e5-base-v2.1",
        "intfloat/e5",
        "me/e5-base/checkpoint-500",
        "BAAI/bge-en-icl",
        "BAAI/bge-reranker-v2-m3",
        "BAAI/bge-m3-retromae",
        "Alibaba-NLP/gte-reranker-modernbert-base",
        "nvidia/llama-embed-nemotron-8b",
        "Qwen/Qwen3-Embedding-0.6B-GGUF",
        "Qwen/Qwen3-Reranker-0.6B",
        "Snowflake/snowflake-arctic-embed-m-v1x5",
        "sentence-transformers/multi-qa-mpnet-base-cos-v1",
        "sentence-transformers/msmarco-distilbert-cos-v5",
    ],
}


def test_every_preset_matches_its_models_and_no_others() -> None:
    assert set(NAMES) == {preset.name for preset in (*PRESETS, NONE)}
    for name, models in NAMES.items():
        assert {model: preset_for(model).name for model in models} == dict.fromkeys(models, name)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_preset_has_a_card_and_a_task_if_its_prompt_needs_one(preset: Any) -> None:
    assert preset.card.startswith("https://")
    assert ("{task}" in preset.query) == bool(preset.task)
    assert "{task}" not in preset.passage
