"""Scores of the cross-encoder, against transformers' own forward pass and sentence-transformers' own predict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvmine.errors import TeacherError
from nvmine.teachers import CrossEncoderTeacher, DenseTeacher

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = ["a cat", "the dog ran in the park", "", "happy person", "sunny day in the red park on the mat", "cat " * 100]
# Pairs of every length; those of one query are not adjacent.
PAIRS = [(query, passage) for passage in TEXTS for query in ["red cat", "happy " * 20, "the day"]]


def load(folder: Path, **options: Any) -> CrossEncoderTeacher:
    return CrossEncoderTeacher.load(str(folder), device="cpu", **options)


def library(folder: Path, **options: Any) -> Any:
    return sentence_transformers.CrossEncoder(str(folder), device="cpu", **options)


def logits(folder: Path, pairs: list[tuple[str, str]], *, max_length: int = 64) -> np.ndarray:
    """Scores one pair at a time, without padding or batches."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.BertForSequenceClassification.from_pretrained(folder).eval()
    scores = []
    for query, passage in pairs:
        tokens = tokenizer([query], [passage], truncation=True, max_length=max_length, return_tensors="pt")
        with torch.inference_mode():
            scores.append(model(**tokens).logits.item())
    return np.array(scores)


def assert_close(scores: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


@pytest.fixture
def copied(cross_encoder: Path, tmp_path: Path) -> Path:
    """A copy of the model folder that a test may change."""
    return Path(shutil.copytree(cross_encoder, tmp_path / "copied"))


@pytest.fixture
def saved(cross_encoder: Path, tmp_path: Path) -> Path:
    """The same model, saved by sentence-transformers."""
    folder = tmp_path / "saved"
    library(cross_encoder).save_pretrained(str(folder), create_model_card=False)
    return folder


def change(path: Path, **settings: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(content | settings), encoding="utf-8")


def test_scores_equal_those_of_each_pair_alone(cross_encoder: Path) -> None:
    scores = load(cross_encoder).score(PAIRS)
    assert scores.dtype == np.float32
    assert scores.shape == (len(PAIRS),)
    assert np.ptp(scores) > 0.1
    assert_close(scores, sigmoid(logits(cross_encoder, PAIRS)))


@pytest.mark.parametrize("batch_tokens", [None, 1, 130])
def test_scores_equal_those_of_predict_for_any_batch_size(cross_encoder: Path, batch_tokens: int | None) -> None:
    scores = load(cross_encoder, batch_tokens=batch_tokens).score(PAIRS)
    assert_close(scores, library(cross_encoder).predict(PAIRS))


def test_a_folder_saved_by_the_library_gives_the_same_scores(saved: Path, cross_encoder: Path) -> None:
    np.testing.assert_array_equal(load(saved).score(PAIRS), load(cross_encoder).score(PAIRS))


def test_the_order_of_pairs_is_kept(cross_encoder: Path) -> None:
    teacher = load(cross_encoder, batch_tokens=64)
    assert_close(teacher.score(PAIRS[::-1]), teacher.score(PAIRS)[::-1])


def test_the_same_pairs_give_the_same_bytes(cross_encoder: Path) -> None:
    first, second = load(cross_encoder, batch_tokens=100), load(cross_encoder, batch_tokens=100)
    assert first.score(PAIRS).tobytes() == second.score(PAIRS).tobytes()


def test_max_length_cuts_pairs(cross_encoder: Path) -> None:
    scores = load(cross_encoder, max_length=12).score(PAIRS)
    assert_close(scores, sigmoid(logits(cross_encoder, PAIRS, max_length=12)))
    assert not np.allclose(scores, load(cross_encoder).score(PAIRS), atol=1e-3)


def test_the_activation_is_the_models_own(cross_encoder: Path, copied: Path, saved: Path) -> None:
    raw = logits(cross_encoder, PAIRS)
    assert load(cross_encoder).describe()["activation"] == "Sigmoid"
    change(copied / "config.json", sentence_transformers={"activation_fn": "torch.nn.modules.linear.Identity"})
    change(saved / "config_sentence_transformers.json", activation_fn="torch.nn.modules.linear.Identity")
    for folder in (copied, saved):
        teacher = load(folder)
        assert teacher.describe()["activation"] == "Identity"
        assert_close(teacher.score(PAIRS), raw)
        assert_close(load(folder, activation="sigmoid").score(PAIRS), sigmoid(raw))


def test_the_activation_is_overridden(cross_encoder: Path) -> None:
    teacher = load(cross_encoder, activation="identity")
    assert teacher.describe()["activation"] == "Identity"
    assert_close(teacher.score(PAIRS), logits(cross_encoder, PAIRS))


def test_prompts_are_the_models_own_or_overridden(saved: Path) -> None:
    change(saved / "config_sentence_transformers.json", prompts={"task": "query : "}, default_prompt_name="task")
    bare = load(saved, prompt="")
    prompted = bare.score([(f"query : {query}", passage) for query, passage in PAIRS])
    assert_close(load(saved).score(PAIRS), prompted)
    assert_close(load(saved).score(PAIRS), library(saved).predict(PAIRS))
    assert_close(bare.score(PAIRS), library(saved).predict(PAIRS, prompt=""))
    assert_close(load(saved, prompt="red ").score(PAIRS), library(saved).predict(PAIRS, prompt="red "))
    assert not np.allclose(bare.score(PAIRS), prompted, atol=1e-3)
    assert (load(saved).describe()["prompt"], bare.describe()["prompt"]) == ("query : ", "")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_lower_precision_gives_float32_scores_close_to_the_exact_ones(cross_encoder: Path, dtype: Any) -> None:
    teacher = load(cross_encoder, dtype=dtype)
    scores = teacher.score(PAIRS)
    assert scores.dtype == np.float32
    assert teacher.describe()["dtype"] == dtype
    np.testing.assert_allclose(scores, load(cross_encoder).score(PAIRS), atol=0.1)


def test_progress_sums_to_the_pairs_and_no_pairs_report_none(cross_encoder: Path) -> None:
    teacher = load(cross_encoder, batch_tokens=100)
    counts: list[int] = []
    assert teacher.score([], done=counts.append).shape == (0,)
    assert counts == []
    teacher.score(PAIRS, done=counts.append)
    assert len(counts) > 1
    assert sum(counts) == len(PAIRS)


def test_a_score_of_nan_is_refused_with_its_row(cross_encoder: Path) -> None:
    teacher = load(cross_encoder)
    with torch.no_grad():
        teacher._model.transformers_model.bert.embeddings.word_embeddings.weight[4 + 2] = float("nan")  # "cat"
    with pytest.raises(TeacherError, match=r"a score that is not finite \(NaN or infinity\) in float32") as caught:
        teacher.score([("red", "the dog"), ("red", "a cat"), ("the cat", "red")])
    assert caught.value.row == 1


def test_the_description_is_json_and_holds_all_that_changes_scores(cross_encoder: Path) -> None:
    described = load(cross_encoder, prompt="query : ", max_length=16, batch_tokens=9).describe()
    assert json.loads(json.dumps(described)) == described
    assert described | {"digest": ""} == {
        "kind": "cross-encoder",
        "name": "reranker",
        "revision": None,
        "digest": "",
        "dtype": "float32",
        "max_length": 16,
        "prompt": "query : ",
        "activation": "Sigmoid",
    }


def save_reranker(language_model: Path, folder: Path) -> Path:
    """Saves a reranker; the vocabulary lacks yes and no, so two other words stand for them."""
    parts = sentence_transformers.cross_encoder.modules
    modules = [
        parts.Transformer(str(language_model), transformer_task="text-generation"),
        parts.LogitScore(true_token_id=5, false_token_id=6),
    ]
    sentence_transformers.CrossEncoder(modules=modules, device="cpu").save_pretrained(
        str(folder), create_model_card=False
    )
    return folder


@pytest.fixture
def language_model(save_transformers: Any) -> Path:
    """A plain language model whose chat template takes a query and a document."""
    content = "messages | selectattr('role', 'eq', '{}') | map(attribute='content') | first | default('')"
    template = " ".join("{{ " + content.format(role) + " }} :" for role in ("system", "query", "document"))
    settings = {"num_key_value_heads": 1, "head_dim": 16}
    return Path(save_transformers("language-model", "Qwen3ForCausalLM", chat_template=template, **settings))


def test_a_language_model_saved_by_the_library_scores_as_predict_does(language_model: Path, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="not a model that scores a pair of texts"):
        load(language_model)
    folder = save_reranker(language_model, tmp_path / "saved")
    scores = load(folder, batch_tokens=100).score(PAIRS)
    assert np.ptp(scores) > 0.1
    assert_close(scores, library(folder).predict(PAIRS))
    instructed = load(folder, prompt="the red query").score(PAIRS)
    assert_close(instructed, library(folder).predict(PAIRS, prompt="the red query"))
    assert not np.allclose(instructed, scores, atol=1e-3)


def test_template_and_prompt_count_among_the_tokens_of_a_batch(language_model: Path, tmp_path: Path) -> None:
    folder = save_reranker(language_model, tmp_path / "saved")
    assert load(folder)._token_counts([("red", "a cat"), ("red", "cat " * 100)]).tolist() == [6, 64]
    assert load(folder, prompt="the")._token_counts([("red", "a cat")]).tolist() == [7]


def test_more_than_one_label_is_refused(save_transformers: Any) -> None:
    folder = save_transformers("entailment", "BertForSequenceClassification", num_labels=2)
    with pytest.raises(TeacherError, match="has 2 labels; a score is one number") as caught:
        load(folder)
    assert caught.value.path == str(folder)


def test_a_bi_encoder_is_refused(plain_model: Path, save_model: Any) -> None:
    for folder in (plain_model, save_model()):
        with pytest.raises(TeacherError, match="is a SentenceTransformer, not a model that scores a pair of texts"):
            load(folder)


def test_the_dense_teacher_refuses_a_cross_encoder(cross_encoder: Path, saved: Path) -> None:
    for folder in (cross_encoder, saved):
        with pytest.raises(TeacherError, match="is a CrossEncoder, not a model that gives one vector per text"):
            DenseTeacher.load(str(folder), device="cpu")


def test_pickled_weights_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(TeacherError, match=r"has no .*safetensors weights; .*CrossEncoder\(FOLDER\)"):
        load(copied)


def test_an_adapter_is_refused(copied: Path) -> None:
    change(copied / "adapter_config.json", base_model_name_or_path="someone/else")
    with pytest.raises(TeacherError, match="needs a second model"):
        load(copied)


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("config.json", {"auto_map": {"AutoModel": "planted.Planted"}}),
        ("config.json", {"sbert_ce_default_activation_function": "planted.Planted"}),
        ("config.json", {"sentence_transformers": {"activation_fn": "planted.Planted"}}),
        ("config_sentence_transformers.json", {"activation_fn": "planted.Planted"}),
        ("config_sentence_transformers.json", {"activation_fn": "torch.hub.Planted"}),
    ],
)
def test_code_that_comes_with_the_model_is_refused(saved: Path, file: str, settings: dict[str, Any]) -> None:
    change(saved / file, **settings)
    with pytest.raises(TeacherError, match="trust_remote_code=True") as caught:
        load(saved)
    assert caught.value.path == str(saved / file)


def test_code_runs_if_it_is_trusted(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (saved.parent / "planted.py").write_text("class Halved:\n    def __call__(self, x): return x / 2\n", "utf-8")
    monkeypatch.syspath_prepend(str(saved.parent))
    change(saved / "config_sentence_transformers.json", activation_fn="planted.Halved")
    teacher = load(saved, trust_remote_code=True)
    assert teacher.describe()["activation"] == "Halved"
    assert_close(teacher.score(PAIRS), logits(saved, PAIRS) / 2)


def test_an_unknown_activation_is_refused(cross_encoder: Path) -> None:
    message = "argument 'activation': must be one of sigmoid, identity, not 'softmax'"
    with pytest.raises(TeacherError, match=message) as caught:
        load(cross_encoder, activation="softmax")
    assert caught.value.argument == "activation"
