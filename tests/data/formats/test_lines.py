from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from nvmine.data.formats import lines
from nvmine.data.formats.lines import read_lines
from nvmine.errors import DataError


def test_only_the_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("a\u2028b\u2029c\u0085d\re\x0bf\x1cg\n\r\nlast".encode())
    assert list(read_lines(path)) == [(1, "a\u2028b\u2029c\u0085d\re\x0bf\x1cg\n"), (2, "\r\n"), (3, "last")]


def test_a_byte_order_mark_is_dropped_from_the_first_line_only(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("\ufeffa\n\ufeffb\n".encode())
    assert list(read_lines(path)) == [(1, "a\n"), (2, "\ufeffb\n")]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"")
    assert list(read_lines(path)) == []


def test_a_gzipped_file_is_decompressed(tmp_path: Path) -> None:
    path = tmp_path / "text.GZ"
    path.write_bytes(gzip.compress(b"a\nb"))
    assert list(read_lines(path)) == [(1, "a\n"), (2, "b")]


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        pytest.param("text", b"good\n\xc3\xa4\xff\n", 2, "0xff at byte 3", id="not UTF-8"),
        pytest.param("text", b"\xed\xa0\x80\n", 1, "not UTF-8", id="surrogate as bytes"),
        pytest.param("text", "a\n".encode("utf-16"), 1, "not UTF-8", id="UTF-16"),
        pytest.param("text", b"short\n" + b"x" * 65, 2, "longer than 64 bytes", id="line too long"),
        pytest.param("text.gz", gzip.compress(bytes(1000)), 1, "longer than 64 bytes", id="gzip bomb"),
        pytest.param("text.gz", b"plain\n", 1, "gzip", id="not gzip"),
        pytest.param("text.gz", gzip.compress(b"cut\n" * 9)[:-6], 10, "end-of-stream", id="gzip cut short"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, line: int, message: str
) -> None:
    monkeypatch.setattr(lines, "_LONGEST_LINE", 64)
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        list(read_lines(path))
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent: no such file"):
        list(read_lines(tmp_path / "absent"))
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        list(read_lines(tmp_path))
