from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmine.data.formats.jsonl import id_field, read_jsonl, text_field
from nvmine.errors import DataError

PATH = Path("some.jsonl")

texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text('a\u2028\u2029\u0085\r\x0b\x1c\ufeff\n"\\')


@given(st.lists(st.dictionaries(texts, texts, max_size=3), max_size=5), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_objects_come_back_as_json_wrote_them(records: list[dict[str, str]], ascii_only: bool, end: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "some.jsonl")
        path.write_bytes("".join(json.dumps(record, ensure_ascii=ascii_only) + end for record in records).encode())
        assert list(read_jsonl(path)) == list(enumerate(records, 1))


def test_blank_lines_are_skipped_but_counted(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text('\ufeff{"a": 1}\n\n \t\r\n{"a": 2, "a": 3}\n\n', encoding="utf-8", newline="")
    assert list(read_jsonl(path)) == [(1, {"a": 1}), (4, {"a": 3})]


def test_a_pair_of_escaped_surrogates_is_text(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text(r'{"a": "\ud83d\ude00 \\ud800"}')
    assert list(read_jsonl(path)) == [(1, {"a": "\U0001f600 \\ud800"})]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param('{"a": 1', r"\(character 8\); expected one JSON object per line", id="cut short"),
        pytest.param('{"a": 1} {"b": 2}', r"Extra data \(character 10\)", id="two objects"),
        pytest.param("{'a': 1}", r"\(character 2\)", id="single quotes"),
        pytest.param('{"a": "x\ty"}', r"control character at \(character 9\)", id="raw tab"),
        pytest.param('{"a": NaN}', "NaN is not a JSON number", id="NaN"),
        pytest.param('{"a": Infinity}', "Infinity is not a JSON number", id="Infinity"),
        pytest.param('{"a": [-Infinity]}', "-Infinity is not a JSON number", id="minus Infinity"),
        pytest.param('[{"a": 1}]', "found list; expected one JSON object per line", id="list"),
        pytest.param('"text"', "found str", id="bare string"),
        pytest.param("null", "found null", id="null"),
        pytest.param("\u00a0", "not JSON", id="no-break space"),
        pytest.param("[" * 100_000, "not readable as JSON", id="nesting bomb"),
        pytest.param('{"a": ' + "1" * 5000 + "}", "not readable as JSON", id="endless integer"),
        pytest.param(r'{"a": "\ud800"}', r"column 'a': a lone surrogate \(U\+D800\) is not text", id="high surrogate"),
        pytest.param(r'{"a": ["\uDC00x"]}', r"column 'a': a lone surrogate \(U\+DC00\) is not", id="low surrogate"),
        pytest.param(r'{"\udfff": 1}', r"a lone surrogate \(U\+DFFF\) is not text", id="surrogate key"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text('{"a": 0}\n\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        list(read_jsonl(path))
    assert (caught.value.path, caught.value.line) == (str(path), 3)
    str(caught.value).encode()


def test_ids_may_be_integers_and_texts_are_strings() -> None:
    record = {"_id": 7, "text": "seven", "name": "x"}
    assert id_field(record, "_id", PATH, 1) == "7"
    assert id_field(record, "name", PATH, 1) == "x"
    assert text_field(record, "text", PATH, 1) == "seven"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        pytest.param({"id": 1, "Text": 2}, "no such key; the keys are: 'id', 'Text'", id="missing"),
        pytest.param({}, "the keys are: none", id="no keys"),
        pytest.param({"key": None}, "found null", id="null"),
        pytest.param({"key": True}, "found bool", id="bool"),
        pytest.param({"key": 1.0}, "found float", id="float"),
        pytest.param({"key": ["a"]}, "found list", id="list"),
    ],
)
@pytest.mark.parametrize("field", [id_field, text_field])
def test_a_missing_or_mistyped_field_is_refused(field: object, record: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        field(record, "key", PATH, 5)  # type: ignore[operator]
    assert (caught.value.path, caught.value.line, caught.value.column) == ("some.jsonl", 5, "key")


def test_a_number_is_not_text_and_an_empty_string_is_not_an_id() -> None:
    with pytest.raises(DataError, match=r"some.jsonl:5, column 'key': expected text, found int"):
        text_field({"key": 1}, "key", PATH, 5)
    with pytest.raises(DataError, match=r"some.jsonl:5, column 'key': the id is empty"):
        id_field({"key": ""}, "key", PATH, 5)
