"""Model folders that must not be loaded, and the digest of those that are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nvmine.errors import TeacherError
from nvmine.teachers.models.checkpoint import find_checkpoint


def find(folder: Path | str, *, revision: str | None = None, trust: bool = False) -> Any:
    return find_checkpoint(str(folder), revision=revision, trust_remote_code=trust)


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that exists only after a model's code has run."""
    return tmp_path / "canary"


def plant(folder: Path, canary: Path) -> None:
    """Writes a Python file that a configuration can name into the folder."""
    (folder / "planted.py").write_text(f"open({str(canary)!r}, 'w').close()\nclass Planted: pass\n", encoding="utf-8")


def refuse(folder: Path, message: str) -> TeacherError:
    """Loads through the public API, so that a check that comes too late fails the test."""
    pytest.importorskip("sentence_transformers")
    from nvmine.teachers import DenseTeacher

    with pytest.raises(TeacherError, match=message) as caught:
        DenseTeacher.load(str(folder), device="cpu")
    return caught.value


def test_pickled_weights_are_refused(save_model: Any) -> None:
    folder = save_model()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    error = refuse(folder, "has no .*safetensors weights; if you trust the weights, convert them")
    assert error.path == str(folder)


def test_pickled_weights_of_a_later_module_are_refused(save_model: Any) -> None:
    folder = save_model()
    (folder / "1_Pooling" / "pytorch_model.bin").touch()
    assert refuse(folder, "are a pickle").path == str(folder / "1_Pooling" / "pytorch_model.bin")


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_auto_map_is_refused(save_model: Any, canary: Path, file: str) -> None:
    folder = save_model()
    plant(folder, canary)
    config = json.loads((folder / file).read_text(encoding="utf-8"))
    write_json(folder / file, config | {"auto_map": {"AutoModel": "planted.Planted"}})
    assert refuse(folder, "trust_remote_code=True").path == str(folder / file)
    assert not canary.exists()


@pytest.mark.parametrize("kind", ["planted.Planted", "os.path.join", "sentence_transformers_evil.Pooling"])
def test_module_classes_of_others_are_refused(save_model: Any, canary: Path, kind: str) -> None:
    folder = save_model(types={"Pooling": kind})
    plant(folder, canary)
    assert kind in str(refuse(folder, "trust_remote_code=True"))
    assert not canary.exists()


def test_module_classes_of_others_in_a_router_are_refused(save_model: Any, canary: Path) -> None:
    folder = save_model(types={"Pooling": "sentence_transformers.models.Router"})
    plant(folder, canary)
    write_json(folder / "1_Pooling" / "router_config.json", {"types": {"query_0": "planted.Planted"}})
    refuse(folder, "planted.Planted")
    assert not canary.exists()


def test_code_runs_if_it_is_trusted(save_model: Any, canary: Path) -> None:
    """Shows that the planted code would run, so the tests above are not vacuous."""
    pytest.importorskip("sentence_transformers")
    from nvmine.teachers import DenseTeacher

    folder = save_model(types={"Pooling": "planted.Planted"})
    plant(folder, canary)
    with pytest.raises(TeacherError, match="cannot be loaded"):
        DenseTeacher.load(str(folder), device="cpu", trust_remote_code=True)
    assert canary.exists()


def test_an_adapter_is_refused(save_model: Any) -> None:
    folder = save_model()
    write_json(folder / "adapter_config.json", {"base_model_name_or_path": "someone/else"})
    refuse(folder, "needs a second model")


def test_another_kind_of_model_is_refused(save_model: Any) -> None:
    refuse(save_model(model_type="SparseEncoder"), "is a SparseEncoder")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, "is not a model folder")


def test_broken_json_is_named(save_model: Any) -> None:
    folder = save_model()
    (folder / "modules.json").write_text('[{"type": ', encoding="utf-8")
    assert refuse(folder, "is not valid JSON").path == str(folder / "modules.json")


def test_broken_weights_are_refused(save_model: Any) -> None:
    folder = save_model()
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")
    refuse(folder, "cannot be loaded")


@pytest.mark.parametrize("name", ["no-such-model", "no-such-organisation/model"])
def test_an_unknown_name_is_refused_offline_in_one_line(name: str) -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(TeacherError, match=f"{name}.* is neither a local folder nor available") as caught:
        find(name)
    assert "\n" not in str(caught.value)


def test_an_unknown_revision_is_named() -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(TeacherError, match="'a/b' at revision 'v9'"):
        find("a/b", revision="v9")


@pytest.mark.parametrize("name", ["./no/such/folder", "../model", "/no/such/folder", "a/b/c", __file__])
def test_a_path_that_is_not_a_folder_is_refused(name: str) -> None:
    with pytest.raises(TeacherError, match="there is no model folder"):
        find(name)


def test_the_hub_is_request_for_safe_files_only(save_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    folder = save_model()
    request: dict[str, Any] = {}

    def snapshot_download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        request.update(name=name, revision=revision, patterns=allow_patterns)
        return str(folder)

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    found = find("all-MiniLM-L6-v2", revision="main")
    assert request["name"] == found.name == "sentence-transformers/all-MiniLM-L6-v2"
    assert found.revision == folder.name
    assert "*.safetensors" in request["patterns"]
    assert not {"*.py", "*.bin", "*.pt", "*"} & set(request["patterns"])
    find("all-MiniLM-L6-v2", trust=True)
    assert "*.py" in request["patterns"]


def test_the_digest_depends_on_content_not_on_place(save_model: Any, tmp_path: Path) -> None:
    folder = save_model()
    digest = find(folder).digest
    elsewhere = tmp_path / "elsewhere" / "copy"
    shutil.copytree(folder, elsewhere)
    (elsewhere / "README.md").write_text("words", encoding="utf-8")
    assert find(elsewhere).digest == digest


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json", "1_Pooling/config.json"])
def test_the_digest_covers_every_part(save_model: Any, file: str) -> None:
    folder = save_model()
    digest = find(folder).digest
    with (folder / file).open("ab") as stream:
        stream.write(b"\n")
    assert find(folder).digest != digest


def test_a_bare_name_of_a_cross_encoder_gets_its_organisation(
    cross_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub, "snapshot_download", lambda name, **options: str(cross_encoder))
    found = find_checkpoint("ms-marco-MiniLM-L6-v2", revision=None, trust_remote_code=False, kind="CrossEncoder")
    assert found.name == "cross-encoder/ms-marco-MiniLM-L6-v2"
