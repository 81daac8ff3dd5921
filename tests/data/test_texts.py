"""Unlabelled texts for prediction."""

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textclf.data import iter_texts
from textclf.errors import DataError

TEXTS = ["one, two", "", "很好", " spaces ", "last"]


def write(path: Path, content: str | bytes) -> str:
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_every_format_gives_a_text_a_row(tmp_path: Path, suffix: str) -> None:
    jsonl = "".join(json.dumps({"id": 1, "text": text}) + "\n" for text in TEXTS)
    for name, content in {
        "a.txt": "\n".join(TEXTS),
        "b.txt": "\ufeff" + "\r\n".join(TEXTS) + "\r\n",
        "a.csv": "id,text\n" + "".join(f'1,"{text}"\n' for text in TEXTS),
        "a.tsv": "id\ttext\n" + "".join(f"1\t{text}\n" for text in TEXTS),
        "a.jsonl": jsonl,
    }.items():
        assert list(iter_texts(write(tmp_path / (name + suffix), content))) == TEXTS, name


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"text": [*TEXTS, None], "n": [1] * 6}), tmp_path / "a.parquet")
    stream = iter_texts(str(tmp_path / "a.parquet"))
    assert [next(stream) for _ in TEXTS] == TEXTS
    with pytest.raises(DataError, match=r"line 6: 'text' should be a string, but is None"):
        next(stream)


class _Stdin:
    def __init__(self, content: io.BytesIO) -> None:
        self.buffer = io.BufferedReader(content)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"\xef\xbb\xbfone\n\ntwo", {}),
        (b'text\none\n""\ntwo\n', {"format": "csv"}),
        (b"one,x\n,x\ntwo,x\n", {"format": "csv", "header": False, "text_column": "1"}),
    ],
)
def test_standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes, options: dict[str, Any]) -> None:
    stdin = _Stdin(io.BytesIO(content))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert list(iter_texts("-", **options)) == ["one", "", "two"]
    assert not stdin.buffer.closed


def test_it_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            buffer[:] = (b"line\n" * len(buffer))[: len(buffer)]
            return len(buffer)

    stdin = _Stdin(Endless())
    monkeypatch.setattr(sys, "stdin", stdin)
    stream = iter_texts("-")
    assert [next(stream) for _ in range(3)] == ["line"] * 3


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_in_one_column_an_empty_line_is_an_empty_text(tmp_path: Path, name: str) -> None:
    assert list(iter_texts(write(tmp_path / name, "text\none\n\ntwo\n\n"))) == ["one", "", "two", ""]
    path = write(tmp_path / name, "\r\none\r\n\r\ntwo\r\n")
    assert list(iter_texts(path, header=False, text_column="1")) == ["", "one", "", "two"]


def test_in_several_columns_an_empty_line_is_no_row(tmp_path: Path) -> None:
    assert list(iter_texts(write(tmp_path / "a.csv", "\ntext,id\none,1\n\ntwo,2\n\n"))) == ["one", "two"]


def test_undecodable_bytes_do_not_end_the_stream(tmp_path: Path) -> None:
    assert list(iter_texts(write(tmp_path / "a.txt", b"caf\xe9\nnext\n"))) == ["caf\ufffd", "next"]
    assert list(iter_texts(write(tmp_path / "b.txt", b"caf\xe9\n"), encoding="windows-1252")) == ["café"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(content=st.binary())
def test_as_many_texts_as_lines(tmp_path: Path, content: bytes) -> None:
    expected = content.removeprefix(b"\xef\xbb\xbf").count(b"\n") + (not content.endswith(b"\n") and len(content) > 0)
    if content != b"\xef\xbb\xbf":
        assert len(list(iter_texts(write(tmp_path / "a.txt", content)))) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "content\none\n", "no column 'text'; it has 'content'"),
        ("a.csv", "id,text\n1,one\n2\n", "line 3: expected 2 fields, got 1. Mend the row"),
        ("a.csv", 'text\n"one\n', "line 2: broken quotes"),
        ("a.jsonl", '{"text": 1}\n', "line 1: 'text' should be a string, but is 1"),
        ("a.jsonl", '{"txt": "one"}\n', "line 1: no 'text', but 'txt'. Did you mean 'txt'"),
        ("a.jsonl", "oops\n", "line 1: Expecting value at column 1"),
    ],
)
def test_rows_without_a_text(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(iter_texts(write(tmp_path / name, content)))


def test_sources_that_hold_no_texts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a file or '-' with texts to predict, got the source of a folder"):
        list(iter_texts(str(tmp_path)))
    with pytest.raises(DataError, match=r"expected 'lines', 'csv'.*got 'line'. Did you mean 'lines'"):
        list(iter_texts("-", format="line"))
    with pytest.raises(DataError, match=r"no file"):
        list(iter_texts(str(tmp_path / "a.txt")))
