from __future__ import annotations

import gzip
import sys
from pathlib import Path
from random import Random

import polars as pl
import pytest

from nvmine.data.formats.suffixes import TABLES, suffix_of
from nvmine.data.formats.tables import frame_table, list_table, open_table
from nvmine.errors import DataError

FRAME = pl.DataFrame({"a": ["1", "2\u2028x"], "b": ["x\ny", ""], "c": ["é", '"q"']})


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".json", ".csv", ".tsv", ".csv.gz", ".CSV"])
def test_every_format_gives_the_same_cells(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"some[*]{suffix}"
    match suffix.lower().removesuffix(".gz"):
        case ".parquet":
            FRAME.write_parquet(path)
        case ".csv":
            path.write_text(FRAME.write_csv())
        case ".tsv":
            path.write_text(FRAME.write_csv(separator="\t"))
        case _:
            path.write_text(FRAME.write_ndjson())
    if suffix.endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    table = open_table(path)
    assert table.columns == ["a", "b", "c"]
    assert [tuple(cells) for _, cells in table.read(["c", "b"])] == [("é", "x\ny"), ('"q"', "")]
    assert [tuple(cells) for _, cells in table.read(["a"])] == [("1",), ("2\u2028x",)]


def test_places_are_lines_of_a_file_and_rows_of_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text('a,b\n"1\n2",3\n\n4,5\n')
    assert [place for place, _ in open_table(path).read(["a"])] == [2, 5]
    assert [place for place, _ in frame_table(FRAME, "frame").read(["a"])] == [0, 1]
    assert str(open_table(path).error("bad", place=5, column="a")) == f"{path}:5, column 'a': bad"
    assert str(frame_table(FRAME, "frame").error("bad", place=1)) == "frame, row 1: bad"


def test_a_text_file_has_one_text_per_line(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("one\n\n two\u2028\r\n", encoding="utf-8", newline="")
    assert list(open_table(path).read(["text"])) == [(1, ["one"]), (3, [" two\u2028"])]


def test_a_list_gives_its_tuples_by_column() -> None:
    table = list_table([("q", "p"), ["r", "s"]], ["query", "positive"], "a list")
    assert list(table.read(["positive", "query"])) == [(0, ["p", "q"]), (1, ["s", "r"])]


@pytest.mark.parametrize("row", ["ab", ("a",), ("a", "b", "c"), None, {"query": "a", "positive": "b"}])
def test_items_of_another_shape_are_refused(row: object) -> None:
    with pytest.raises(DataError, match=r"expected a tuple \(query, positive\)") as caught:
        list(list_table([("q", "p"), row], ["query", "positive"], "a list").read(["query"]))
    assert (caught.value.path, caught.value.row) == ("a list", 1)


def test_the_suffix_ignores_case_and_gz_except_for_parquet() -> None:
    assert suffix_of(Path("a.b.JSONL"), TABLES) == ".jsonl"
    assert suffix_of(Path("a.tsv.gz"), TABLES) == ".tsv"
    assert [suffix_of(Path(name), TABLES) for name in ("a.gz", "a.parquet.gz", "a")] == [None, None, None]


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        pytest.param("x.csv", b"", None, "the file is empty", id="empty CSV"),
        pytest.param("x.csv", b"\n\na,b,a\n", 3, "column 'a': the header names this column twice", id="column twice"),
        pytest.param("x.csv", b"a,b,c\n1,2,3\n1,2\n", 3, "2 fields, but the header has 3", id="short row"),
        pytest.param("x.csv", b"a,b,c\n1,2,3,4\n", 2, "4 fields, but the header has 3", id="long row"),
        pytest.param("x.csv", b'a,b,c\n1,"2,3\n4,5,6\n', 2, "unexpected end of data", id="quote left open"),
        pytest.param("x.csv", b'a,b,c\n1,2,3\n1,"2"x,3\n', 3, "broken quoting", id="text after a quote"),
        pytest.param("x.csv", b"a,b,c\n" + b"x" * 200_000 + b",2,3\n", 2, "larger than field limit", id="huge field"),
        pytest.param("x.csv", b"a,b,c\r1,2,3\r", 1, "broken quoting or field: new-line", id="old Macintosh"),
        pytest.param("x.csv", b"a,b,c\n1,\xff,3\n", 2, "not UTF-8", id="CSV not UTF-8"),
        pytest.param("x.tsv", b'a\tb\tc\n"1" x\t2\t3\n', 2, "broken quoting", id="TSV quote"),
        pytest.param("x.jsonl", b"\n", None, "the file is empty", id="empty JSONL"),
        pytest.param("x.jsonl", b'{"a": "1", "c": 2}\n{"a": "1"}\n', 2, "column 'c': no such key", id="key missing"),
        pytest.param("x.json", b'[\n{"a": 1, "c": 2}\n]', 1, "expected one JSON object per line", id="JSON array"),
        pytest.param("x.txt", b"a\n\x80\n", 2, "not UTF-8", id="text not UTF-8"),
        pytest.param("x.parquet", b"", None, "cannot be read as Parquet", id="empty Parquet"),
        pytest.param("x.parquet", b"PAR1junkPAR1", None, "cannot be read as Parquet", id="junk Parquet"),
        pytest.param("x.xlsx", b"PK", None, "unknown kind of file; expected one of .parquet, .jsonl", id="suffix"),
        pytest.param("x", b"", None, "unknown kind of file", id="no suffix"),
        pytest.param("x.parquet.gz", b"", None, "unknown kind of file", id="gzipped Parquet"),
        pytest.param("x.jsonl.gz", b"{}", 1, "cannot be read", id="not gzip"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(
    tmp_path: Path, name: str, content: bytes, line: int | None, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        list(open_table(path).read(["a", "c"]))
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    FRAME.write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read as Parquet") as caught:
        open_table(path)
    assert caught.value.path == str(path)


def test_a_damaged_parquet_file_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": [f"text {i % 97}" for i in range(1000)]}).write_parquet(path)
    whole = path.read_bytes()
    random = Random(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[random.randrange(len(whole))] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        try:
            list(open_table(path).read(["a"]))
        except DataError:
            refused += 1
    assert refused > 0


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.csv: no such file"):
        open_table(tmp_path / "absent.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder.csv: no such file"):
        open_table(tmp_path / "folder.csv")


def test_reading_does_not_change_the_csv_module(tmp_path: Path) -> None:
    csv = sys.modules["csv"]
    before = csv.field_size_limit()
    path = tmp_path / "x.csv"
    path.write_text("a,c\n1,2\n")
    list(open_table(path).read(["a"]))
    assert csv.field_size_limit() == before
