from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmine.data.formats.tables import Table, frame_table, list_table, open_table
from nvmine.data.pairs import DEFAULT_COLUMNS, read_pairs
from nvmine.errors import DataError


def pairs(*rows: object) -> Table:
    return list_table(rows, ["query", "positive"], "pairs")


def corpus(*texts: object) -> Table:
    return list_table([(text,) for text in texts], ["text"], "corpus")


def with_ids(*rows: tuple[object, object]) -> Table:
    return list_table(rows, ["_id", "text"], "corpus")


def test_equal_texts_become_one_query_or_passage() -> None:
    data = read_pairs(pairs(("a", "x"), ("b", "y"), ("a", "y"), ("a", "x"), ("A", "x "), ("c", "x")))
    assert data.name == "pairs"
    assert (data.query_ids, data.query_texts) == (["q0", "q1", "q4", "q5"], ["a", "b", "A", "c"])
    assert (data.passage_ids, data.passage_texts) == (["p0", "p1", "p4"], ["x", "y", "x "])
    assert [data.positives(query).tolist() for query in range(4)] == [[0, 1], [1], [2], [0]]


def test_every_item_of_a_list_is_a_positive() -> None:
    frame = pl.DataFrame({"query": ["a", "b"], "positive": [["x", "yz"], ["yz", "w"]]})
    data = read_pairs(frame_table(frame, "frame"))
    assert (data.passage_ids, data.passage_texts) == (["p0", "p0.1", "p1.1"], ["x", "yz", "w"])
    assert data.positive_passages.tolist() == [0, 1, 1, 2]


def test_arrays_and_categories_are_read_as_lists_and_texts() -> None:
    frame = pl.DataFrame(
        {"query": ["a", "b"], "positive": [["x", "y"], ["y", "z"]]},
        schema={"query": pl.Categorical, "positive": pl.Array(pl.String, 2)},
    )
    assert read_pairs(frame_table(frame, "frame")).passage_texts == ["x", "y", "z"]


def test_a_bare_string_is_one_positive(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"query": "a", "pos": "xyz"}\n{"query": "b", "pos": ["xyz", "w"]}\n')
    assert read_pairs(open_table(path)).passage_texts == ["xyz", "w"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.sampled_from("xyz"), min_size=1)), min_size=1))
def test_labels_are_exactly_the_pairs(rows: list[tuple[str, list[str]]]) -> None:
    data = read_pairs(pairs(*rows))
    read = {
        (text, data.passage_texts[passage])
        for query, text in enumerate(data.query_texts)
        for passage in data.positives(query)
    }
    assert read == {(query, text) for query, texts in rows for text in texts}
    assert len(set(data.passage_ids)) == len(data.passage_texts) == len(set(data.passage_texts))


@pytest.mark.parametrize("names", DEFAULT_COLUMNS, ids="-".join)
def test_known_column_names_are_found(names: tuple[str, str]) -> None:
    table = list_table([("x", "1", "a")], [names[1], "other", names[0]], "pairs")
    data = read_pairs(table)
    assert (data.query_texts, data.passage_texts) == (["a"], ["x"])


def test_named_columns_are_read() -> None:
    table = list_table([("a", "x", "u", "v")], ["query", "positive", "one", "two"], "pairs")
    assert read_pairs(table, query_column="one", positive_column="two").query_texts == ["u"]
    assert read_pairs(table, query_column="one").passage_texts == ["x"]
    assert read_pairs(table, positive_column="two").passage_texts == ["v"]
    assert read_pairs(table, positive_column="query", query_column="positive").passage_texts == ["a"]


def test_passages_of_the_corpus_come_first_and_merge() -> None:
    data = read_pairs(pairs(("a", "x"), ("b", "y")), corpus=corpus("more", "x", "more", ""))
    assert data.passage_ids == ["c0", "c1", "c3", "p1"]
    assert data.passage_texts == ["more", "x", "", "y"]
    assert data.positive_passages.tolist() == [1, 3]


def test_passages_of_the_corpus_keep_their_ids() -> None:
    data = read_pairs(pairs(("a", "x")), corpus=with_ids(("n1", "more"), (7, "x"), ("n2", "more")))
    assert (data.passage_ids, data.passage_texts) == (["n1", "7"], ["more", "x"])


@pytest.mark.parametrize("positive", [None, "", " ", []])
def test_a_row_without_positive_is_refused_or_skipped(positive: object) -> None:
    table = pairs(("a", "x"), ("b", positive), ("c", "y"))
    data = read_pairs(table, on_missing="skip")
    assert (data.query_ids, data.passage_ids) == (["q0", "q2"], ["p0", "p2"])
    with pytest.raises(DataError, match="the positive is null or empty") as caught:
        read_pairs(table)
    assert (caught.value.row, caught.value.column) == (1, "positive")


@pytest.mark.parametrize(
    ("row", "column", "message"),
    [
        pytest.param((None, "x"), "query", "expected text, found null", id="null query"),
        pytest.param(("", "x"), "query", "the text is empty", id="empty query"),
        pytest.param(("\u2028", "x"), "query", "the text is empty", id="blank query"),
        pytest.param((1, "x"), "query", "expected text, found int", id="number as query"),
        pytest.param((["a"], "x"), "query", "expected text, found list", id="list as query"),
        pytest.param(("a", 1.5), "positive", "expected text, found float", id="number as positive"),
        pytest.param(("a", {"text": "x"}), "positive", "expected text, found dict", id="object as positive"),
        pytest.param(("a", b"x"), "positive", "expected text, found bytes", id="bytes as positive"),
        pytest.param(("a", ["x", None]), "positive", "expected text, found null", id="null in a list"),
        pytest.param(("a", ["x", ""]), "positive", "the text is empty", id="empty in a list"),
        pytest.param(("a", [["x"]]), "positive", "expected text, found list", id="list in a list"),
        pytest.param(("a", "\ud800"), "positive", "a lone surrogate is not text", id="lone surrogate"),
    ],
)
@pytest.mark.parametrize("on_missing", ["raise", "skip"])
def test_a_bad_row_is_refused_with_row_and_column(row: object, column: str, message: str, on_missing: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_pairs(pairs(("q", "p"), row), on_missing=on_missing)  # type: ignore[arg-type]
    assert (caught.value.path, caught.value.row, caught.value.column) == ("pairs", 1, column)


@pytest.mark.parametrize(
    ("options", "column", "message"),
    [
        pytest.param({}, None, "the columns are: 'one', 'two'; name two with query_column= and", id="none known"),
        pytest.param({"query_column": "x", "positive_column": "two"}, "x", "no column 'x'; the columns", id="query"),
        pytest.param({"query_column": "one", "positive_column": "y"}, "y", "no column 'y'; the columns", id="positive"),
        pytest.param({"query_column": "one", "positive_column": "one"}, None, "the columns are", id="the same twice"),
    ],
)
def test_missing_columns_are_refused(options: dict[str, str], column: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_pairs(list_table([("a", "b")], ["one", "two"], "pairs"), **options)  # type: ignore[arg-type]
    assert (caught.value.path, caught.value.column) == ("pairs", column)


@pytest.mark.parametrize(
    ("extra", "row", "column", "message"),
    [
        pytest.param(list_table([("x",)], ["passage"], "corpus"), None, "text", "columns are: 'passage'", id="column"),
        pytest.param(corpus(), None, None, "the corpus has no passages", id="empty"),
        pytest.param(corpus("x", None), 1, "text", "expected text, found null", id="null"),
        pytest.param(with_ids(("a", "x"), ("a", "y")), 1, "_id", "id 'a' was already used on row 0", id="id twice"),
        pytest.param(with_ids(("a", "x"), (None, "y")), 1, "_id", "expected an id", id="null id"),
        pytest.param(with_ids(("", "x")), 0, "_id", "the id is empty", id="empty id"),
    ],
)
def test_a_bad_corpus_is_refused_with_row_and_column(
    extra: Table, row: int | None, column: str | None, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_pairs(pairs(("q", "p")), corpus=extra)
    assert (caught.value.path, caught.value.row, caught.value.column) == ("corpus", row, column)


def test_an_id_of_the_corpus_that_a_positive_would_get_is_refused() -> None:
    extra = with_ids(("p1", "more"), ("p0", "p"))
    message = "pairs, column 'positive', row 1: this positive would get the id 'p1', which the corpus uses"
    with pytest.raises(DataError, match=message):
        read_pairs(pairs(("q", "p"), ("r", "s")), corpus=extra)


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="pairs: no row has a query and a positive"):
        read_pairs(pairs())


def test_an_error_in_a_file_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n" + json.dumps({"query": "a", "positive": "x"}) + '\n\n{"query": "b", "positive": null}\n')
    with pytest.raises(DataError, match=r"x.jsonl:4, column 'positive'") as caught:
        read_pairs(open_table(path))
    assert caught.value.line == 4
