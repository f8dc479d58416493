from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from nvmine.data.beir import read_beir
from nvmine.data.identity import identity_classes, self_passages
from nvmine.errors import DataError

Writer = Callable[..., Path]
HEADER = "query-id\tcorpus-id\tscore\n"


def test_a_folder_is_read(beir_folder: Writer) -> None:
    folder = beir_folder()
    data = read_beir(folder)
    assert data.name == str(folder)
    assert data.query_ids == ["q2", "q1"]
    assert data.query_texts == ["who barks?", "who purrs?"]
    assert data.passage_ids == ["d1", "d2", "d3"]
    assert data.passage_texts == ["Cats They purr.", "Dogs bark.", ""]
    assert data.positive_offsets.tolist() == [0, 1, 2]
    assert data.positive_passages.tolist() == [1, 0]


def test_queries_know_their_row_if_the_file_holds_others(beir_folder: Writer) -> None:
    queries = '{"_id": "q3", "text": "unused"}\n\n{"_id": "q1", "text": "a"}\n{"_id": "q2", "text": "b"}\n'
    labels = HEADER + "q1\td1\t0\nq2\td2\t1\n"
    folder = beir_folder({"queries.jsonl": queries, "qrels/train.tsv": labels, "qrels/q1.tsv": HEADER + "q1\td1\t1\n"})
    taken = read_beir(folder, on_missing="skip").queries_taken
    assert taken is not None
    assert (taken.rows.tolist(), taken.rows.dtype, taken.of) == ([2], "int64", 3)
    taken = read_beir(folder, split="q1").queries_taken
    assert taken is not None
    assert taken.rows.tolist() == [1]
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "a"}\n')
    assert read_beir(folder, split="q1").queries_taken is None


def test_digests_do_not_depend_on_the_other_queries(beir_folder: Writer) -> None:
    folder = beir_folder()
    before = read_beir(folder).digests()
    (folder / "queries.jsonl").write_text('{"_id": "q2", "text": "who barks?"}\n{"_id": "q1", "text": "who purrs?"}\n')
    assert read_beir(folder).digests() == before


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("q1\td1\t1\nq2\td2\t2\n", id="no header"),
        pytest.param("query_id\tcorpus_id\tscore\nq1\td1\t1\nq2\td2\t2\n", id="underscores"),
        pytest.param("q1\t0\td1\t1\nq2\t0\td2\t2\n", id="TREC with tabs"),
        pytest.param("q1 0 d1 1\nq2 Q0 d2 2\n", id="TREC with spaces"),
        pytest.param("\ufeff" + HEADER + "q1\td1\t1\r\n\r\nq2\td2\t1.0\r\n", id="BOM, CRLF, blank line, 1.0"),
        pytest.param(HEADER + "q1\td1\t1\nq2\td2\t1\nq1\td1\t1\n", id="repeated line"),
        pytest.param(HEADER + "q1\td1\t1\nq2\td2\t1\nq2\td1\t-1\nq2\td3\t0", id="scores of 0 and below"),
    ],
)
def test_every_form_of_qrels_gives_the_same_labels(beir_folder: Writer, content: str) -> None:
    data = read_beir(beir_folder({"qrels/train.tsv": content}))
    assert [data.positives(query).tolist() for query in range(2)] == [[1], [0]]


def test_several_positives_are_ascending(beir_folder: Writer) -> None:
    data = read_beir(beir_folder({"qrels/train.tsv": HEADER + "q1\td3\t1\nq1\td1\t1\n"}))
    assert (data.query_ids, data.positives(0).tolist()) == (["q1"], [0, 2])


def test_ids_may_be_integers_and_titles_null(beir_folder: Writer) -> None:
    corpus = '{"_id": 1, "title": null, "text": " a "}\n'
    changes = {"corpus.jsonl": corpus, "qrels/train.tsv": HEADER + "q1\t1\t1\n"}
    data = read_beir(beir_folder(changes))
    assert (data.passage_ids, data.passage_texts) == (["1"], ["a"])


def test_a_gzipped_corpus_is_read(beir_folder: Writer) -> None:
    corpus = gzip.compress(b'{"_id": "d1", "text": "a"}\n')
    changes = {"corpus.jsonl": None, "corpus.jsonl.gz": corpus, "qrels/train.tsv": HEADER + "q1\td1\t1\n"}
    assert read_beir(beir_folder(changes)).passage_texts == ["a"]


def test_a_query_without_positive_is_refused_or_skipped(beir_folder: Writer) -> None:
    folder = beir_folder({"qrels/train.tsv": HEADER + "q1\td1\t1\nq2\td1\t0\n"})
    assert read_beir(folder, on_missing="skip").query_ids == ["q1"]
    with pytest.raises(DataError, match="no passage has a score above 0") as caught:
        read_beir(folder)
    assert caught.value.query == "q2"


def test_an_unlabelled_query_may_be_empty(beir_folder: Writer) -> None:
    queries = '{"_id": "q1", "text": "a"}\n{"_id": "q2", "text": "b"}\n{"_id": "q3", "text": ""}\n'
    assert read_beir(beir_folder({"queries.jsonl": queries})).query_ids == ["q1", "q2"]


D1 = '{"_id": "d1", "text": "a"}\n'


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        pytest.param("corpus.jsonl", None, None, "no corpus.jsonl", id="no corpus"),
        pytest.param("queries.jsonl", None, None, "no queries.jsonl", id="no queries"),
        pytest.param("corpus.jsonl", "\n\n", None, "no passages", id="empty corpus"),
        pytest.param("queries.jsonl", "", None, "no queries", id="empty queries"),
        pytest.param("corpus.jsonl", D1 + "\n" + D1, 3, "id 'd1' was already used on line 1", id="passage twice"),
        pytest.param(
            "queries.jsonl",
            '\n{"_id": 4, "text": "a"}\n{"_id": "4", "text": "b"}\n',
            3,
            "id '4' was already used on line 2",
            id="query twice, as number and text",
        ),
        pytest.param("corpus.jsonl", D1 + '{"text": "a"}\n', 2, "column '_id': no such key", id="passage without id"),
        pytest.param("corpus.jsonl", '{"_id": "", "text": "a"}\n', 1, "column '_id': the id is empty", id="empty id"),
        pytest.param("corpus.jsonl", '{"_id": 1.5, "text": "a"}\n', 1, "found float", id="float id"),
        pytest.param("corpus.jsonl", '{"_id": "d1"}\n', 1, "column 'text': no such key", id="passage without text"),
        pytest.param(
            "corpus.jsonl", '{"_id": "d1", "text": null}\n', 1, "column 'text': expected text", id="null text"
        ),
        pytest.param(
            "corpus.jsonl", '{"_id": "d1", "title": 3, "text": "a"}\n', 1, "column 'title': expected text", id="title"
        ),
        pytest.param("corpus.jsonl", D1.encode() + b"\xff\n", 2, "not UTF-8", id="corpus not UTF-8"),
        pytest.param("corpus.jsonl", D1 + "[]\n", 2, "found list", id="passage is a list"),
        pytest.param(
            "queries.jsonl", '{"_id": "q1", "text": " "}\n', 1, "query 'q1': the text is empty", id="no query"
        ),
        pytest.param("queries.jsonl", '{"_id": "q1", "text": 1}\n', 1, "expected text, found int", id="query number"),
        pytest.param("qrels/train.tsv", "", None, "the split has no labels", id="empty split"),
        pytest.param("qrels/train.tsv", HEADER, None, "the split has no labels", id="header only"),
        pytest.param("qrels/train.tsv", HEADER + "q1\td1\n", 2, "2 columns, expected 3", id="two columns"),
        pytest.param("qrels/train.tsv", HEADER + "q1\td1\t1\nq1 d1 0 1 2\n", 3, "5 columns, expected 3", id="five"),
        pytest.param("qrels/train.tsv", "q1\td1\t1\nq2\t0\td2\t1\n", 2, "4 columns, expected 3", id="mixed widths"),
        pytest.param("qrels/train.tsv", "qid\tpid\tlabel\n", 1, "score 'label' is not an integer", id="other header"),
        pytest.param("qrels/train.tsv", HEADER + "q1\td1\t0.5\n", 2, "score '0.5' is not an integer", id="half"),
        pytest.param("qrels/train.tsv", HEADER + "q1\td1\tnan\n", 2, "score 'nan' is not an integer", id="NaN score"),
        pytest.param("qrels/train.tsv", HEADER + "q1\td1\tinf\n", 2, "score 'inf' is not an integer", id="inf score"),
        pytest.param("qrels/train.tsv", HEADER + "q1\td1\t\n", 2, "score '' is not an integer", id="empty score"),
        pytest.param(
            "qrels/train.tsv", HEADER + "\td1\t1\n", 2, "column 'query-id': the id is empty", id="empty query"
        ),
        pytest.param(
            "qrels/train.tsv", HEADER + "q1\t\t1\n", 2, "column 'corpus-id': the id is empty", id="no passage"
        ),
        pytest.param("qrels/train.tsv", HEADER + "qX\td1\t1\n", 2, "query 'qX': this query is not in", id="qX unknown"),
        pytest.param("qrels/train.tsv", HEADER + "q1\tdX\t0\n", 2, "passage 'dX' is not in corpus", id="dX unknown"),
        pytest.param(
            "qrels/train.tsv",
            HEADER + "q1\td1\t1\nq1\td1\t0\n",
            3,
            "'q1': passage 'd1' has score 0 here and 1 on line 2",
            id="contradiction",
        ),
        pytest.param("qrels/train.tsv", HEADER.encode() + b"q\xe9\td1\t1\n", 2, "not UTF-8", id="qrels not UTF-8"),
    ],
)
def test_a_bad_folder_is_refused_with_file_and_line(
    beir_folder: Writer, name: str, content: str | bytes | None, line: int | None, message: str
) -> None:
    folder = beir_folder({name: content})
    with pytest.raises(DataError, match=message) as caught:
        read_beir(folder)
    assert caught.value.path == str(folder if content is None else folder / name)
    assert caught.value.line == line


@pytest.mark.parametrize("split", ["dev", "", "../qrels/train", "train.tsv"])
def test_a_missing_split_is_refused_with_those_that_exist(beir_folder: Writer, split: str) -> None:
    folder = beir_folder({"qrels/test.tsv": HEADER})
    with pytest.raises(DataError, match=r"qrels/ holds 'test', 'train'; choose one with split=") as caught:
        read_beir(folder, split=split)
    assert caught.value.path == str(folder)


def test_a_missing_folder_and_a_folder_without_splits_are_refused(beir_folder: Writer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent: no such folder"):
        read_beir(tmp_path / "absent")
    with pytest.raises(DataError, match="holds none"):
        read_beir(beir_folder({"qrels/train.tsv": None}))


def test_skipping_every_query_is_an_error(beir_folder: Writer) -> None:
    folder = beir_folder({"qrels/train.tsv": HEADER + "q1\td1\t0\n"})
    with pytest.raises(DataError, match=r"train.tsv: no query has a passage"):
        read_beir(folder, on_missing="skip")


@pytest.mark.parametrize(
    ("name", "split", "passages", "queries", "labels"),
    [
        ("scifact", "train", 5183, 809, 919),
        ("scifact", "test", 5183, 300, 339),
        ("squad-dev", "train", 2067, 8436, 8436),
        ("squad-dev", "test", 2067, 2134, 2134),
    ],
)
def test_real_collections_have_their_known_counts(
    shared_data: Path, name: str, split: str, passages: int, queries: int, labels: int
) -> None:
    data = read_beir(shared_data / name, split=split)
    assert len(data.passage_ids) == len(data.passage_texts) == passages
    assert len(data.query_ids) == len(data.query_texts) == queries
    assert len(data.positive_passages) == data.positive_offsets[-1] == labels
    classes = identity_classes(data.passage_texts)
    assert (classes[classes] == classes).all()
    offsets, found = self_passages(data, classes)
    assert len(offsets) == queries + 1
    assert set(found.tolist()) <= set(classes.tolist())
