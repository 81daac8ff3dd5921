"""Rows of two texts: read, checked, cut and known by both."""

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from textclf.config import DataConfig
from textclf.data import BadRow, Corpus, Example, Split, check, guess, iter_pairs, load_corpus, read
from textclf.data.examples import Row
from textclf.data.init import count_bad_rows, init
from textclf.errors import DataError

COLUMNS = ("premise", "hypothesis", "label")
NAMED = {"text_column": "premise", "pair_column": "hypothesis"}
ROWS = [("A man sleeps.", "Somebody is awake.", "no"), ("他在睡觉", "有人在睡觉", "yes"), ("a, b", 'say "so"', "yes")]

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(str.strip)
same_path = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)


def write(path: Path, rows: list[tuple[str, ...]], columns: tuple[str, ...] = COLUMNS) -> str:
    """Write rows in the format that the path's name tells."""
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in rows]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    elif path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        table = {name: pyarrow.array([row[i] for row in rows], pyarrow.string()) for i, name in enumerate(columns)}
        parquet.write_table(pyarrow.table(table), path)
    else:
        file = io.StringIO()
        delimiter = "\t" if path.suffix == ".tsv" else ","
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerows([columns, *rows])
        path.write_bytes(file.getvalue().encode())
    return str(path)


def rows_of(source: str, **options: Any) -> list[Row]:
    return list(read(source, DataConfig.model_validate({"train": source, "quoting": "standard"} | NAMED | options)))


def triples(rows: list[Row]) -> list[tuple[str, str | None, str]]:
    assert all(isinstance(row, Example) for row in rows), rows
    return [(row.text, row.pair, row.label) for row in rows if isinstance(row, Example)]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
@same_path
@given(rows=st.lists(st.tuples(texts, texts, texts), max_size=4))
def test_every_format_with_columns_reads_pairs_back(
    tmp_path: Path, name: str, rows: list[tuple[str, str, str]]
) -> None:
    assert triples(rows_of(write(tmp_path / name, rows))) == rows


def test_without_header_the_column_is_a_number(tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", ROWS)
    (tmp_path / "a.csv").write_text((tmp_path / "a.csv").read_text("utf-8").partition("\n")[2], encoding="utf-8")
    numbered = {"header": False, "text_column": "2", "pair_column": "1", "label_column": "3"}
    assert triples(rows_of(source, **numbered)) == [(b, a, label) for a, b, label in ROWS]


def test_single_texts_have_no_pair(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path / "a.csv", ROWS), pair_column=None)
    assert triples(rows) == [(text, None, label) for text, _, label in ROWS]
    assert Split.of(row for row in rows if isinstance(row, Example)).pairs is None


@pytest.mark.parametrize(
    ("values", "problem", "detail"),
    [
        ({"hypothesis": ""}, "no second text", ""),
        ({"hypothesis": " \u3000"}, "no second text", ""),
        ({"hypothesis": None}, "no second text", ""),
        ({"premise": "", "hypothesis": ""}, "no text", ""),
        ({"hypothesis": 7}, "a value of the wrong type", "the second text should be a string, but is a whole number"),
        ({"hypothesis": "a\0"}, "a NUL character", ""),
        ({"hypothesis": "\ud800"}, "characters that are no Unicode text", "half a surrogate pair"),
    ],
)
def test_a_second_text_is_checked_as_the_first(
    tmp_path: Path, values: dict[str, Any], problem: str, detail: str
) -> None:
    row = dict(zip(COLUMNS, ROWS[0], strict=True)) | values
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert rows_of(str(path)) == [BadRow(str(path), 1, problem, detail)]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "sample:train"])
def test_a_missing_column_is_named_with_its_option(tmp_path: Path, name: str) -> None:
    source = name if ":" in name else write(tmp_path / name, ROWS)
    columns = {"text_column": "text"} if ":" in name else {}
    with pytest.raises(DataError, match=r"no column 'hypotesis'; it has .* Name the right one with data\.pair_column"):
        rows_of(source, pair_column="hypotesis", **columns)


def test_formats_without_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("__label__x a text\n")
    with pytest.raises(
        DataError, match=r"read as fasttext, which has no columns, but data\.pair_column=hypothesis .* 'csv', 'tsv'"
    ):
        rows_of(str(tmp_path / "a.txt"))
    with pytest.raises(DataError, match="read as folder"):
        rows_of(str(tmp_path))


def test_a_split_is_of_pairs_or_of_texts() -> None:
    pair, text = Example("a", "x", "a.csv", 2, "b"), Example("c", "x", "a.csv", 3)
    for first, second in ((pair, text), (text, pair)):
        with pytest.raises(ValueError, match="all rows to be pairs or none"):
            Split.of([first, second])
    split = Split.of([pair, Example("c", "y", "a.csv", 3, "d")])
    assert (split.all_texts, split.keys) == (["a", "c", "b", "d"], ["a\0b", "c\0d"])
    assert split.take([1]) == Split(["c"], ["y"], [("a.csv", 3)], ["d"])


def corpus_of(rows: list[tuple[str, str, str]], folder: Path, seed: int = 1) -> Corpus:
    return load_corpus(DataConfig(train=write(folder / "pairs.tsv", rows), quoting="standard", **NAMED), seed)


def test_splits_keep_the_two_texts_together_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    # Each first text comes with several others: which rows are cut off follows from both.
    rows = [(f"text {i % 10}", f"other {i}", "ab"[i % 2]) for i in range(100)]
    first, second = (corpus_of(order, tmp_path) for order in (rows, rows[::-1]))
    for name, split in first.splits.items():
        held = Counter(zip(split.texts, split.pairs or [], split.labels, strict=True))
        other = second.splits[name]
        assert held == Counter(zip(other.texts, other.pairs or [], other.labels, strict=True))
        assert held <= Counter(rows)
        assert Counter(split.labels) == {"a": len(split) // 2, "b": len(split) // 2}
    assert sorted(map(len, first.splits.values())) == [10, 10, 80]


def test_the_fingerprint_is_of_both_texts_and_that_of_single_texts_stays() -> None:
    def fingerprint(*pairs: tuple[str, str | None]) -> str:
        split = Split.of(Example(text, "x", "a.csv", 1, pair) for text, pair in pairs)
        return Corpus(split, split, None, ["x"], []).fingerprint

    known = [("a", "bc"), ("ab", "c"), ("abc", None), ("bc", "a")]
    assert len({fingerprint(pair) for pair in known}) == len(known)
    # As it was before there were pairs: a run of then still finds its data.
    assert fingerprint(("abc", None)) == "42b202c14bb71898ea044fa80e2751f68b5817b694581ac217431aaeaff2e7c1"


def count_tokens(texts: list[str], pairs: list[str] | None) -> NDArray[Any]:
    assert pairs is not None
    return numpy.array([len(f"{text} | {pair}".split()) for text, pair in zip(texts, pairs, strict=True)])


def test_check_compares_and_counts_both_texts(tmp_path: Path) -> None:
    train = [(f"text {i}", f"other {i}", "ab"[i % 2]) for i in range(40)]
    train += [("Text 0", "OTHER  0", "b"), ("text 0", "other 1", "a"), ("text 0 other", "0", "a")]
    dev = [("text 1", "other 1", "b"), ("text 1", "other 2", "a"), ("other 3", "text 3", "b")]
    seen = []

    def counter(given: list[str]) -> Any:
        seen.extend(given)
        return count_tokens

    sources = {name: write(tmp_path / f"{name}.csv", rows) for name, rows in (("train", train), ("dev", dev))}
    found = check(DataConfig(**sources, test=None, **NAMED), 1, counter, max_tokens=4)
    assert len(seen) == 2 * len(train)
    held = found.splits["train"]
    assert (held.duplicates, held.conflicting) == (1, 1)
    assert [(overlap.rows, overlap.conflicting) for overlap in found.overlaps] == [(1, 0)]
    assert (held.lengths["50"], held.share_cut) == (5, 1.0)
    assert found.to_text().split("\n\n")[1].splitlines()[0].split() == ["pairs", "train", "dev"]
    assert any(line.startswith("Pairs of train that came before with another label: 1.") for line in found.warnings)
    assert "Pairs of dev that also stand in train: 1 of 3" in found.to_text()
    assert found.to_json()["unit"] == "pairs"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_init_takes_the_pair_column_for_nothing_else(tmp_path: Path, name: str) -> None:
    # Both columns look like texts, and the second one more so.
    rows = [(f"q {i}", f"a much longer answer {i}", "ab"[i % 2]) for i in range(30)]
    source = write(tmp_path / name, rows, ("question", "answer", "label"))
    assert guess(source).text_column == "answer"
    config = init(source, ["data.pair_column=answer"])
    assert (config.data.text_column, config.data.pair_column, config.data.label_column) == (
        "question",
        "answer",
        "label",
    )
    assert count_bad_rows(config.data) == (0, 30)
    assert load_corpus(config.data, 1).train.pairs is not None


def test_init_takes_the_number_of_a_column(tmp_path: Path) -> None:
    rows = [(f"a question {i}?", f"a much longer answer {i}.", "ab"[i % 2]) for i in range(30)]
    source = write(tmp_path / "a.csv", rows[1:], rows[0])
    found = init(source, ["data.pair_column=2"]).data
    assert (found.header, found.text_column, found.pair_column, found.label_column) == (False, "1", "2", "3")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_pairs_to_predict(tmp_path: Path, name: str) -> None:
    rows = [("one", "two", "x"), ("", "three", "x"), ("four, five", "", "x")]
    source = write(tmp_path / name, rows)
    found = list(iter_pairs(source, **NAMED, quoting="standard"))
    assert found == [(text, pair) for text, pair, _ in rows]
    with pytest.raises(DataError, match=r"no column 'c'|no 'c', but"):
        list(iter_pairs(source, text_column="premise", pair_column="c", quoting="standard"))


def test_what_holds_no_pairs_to_predict(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\n")
    for source in (str(path), "-"):
        with pytest.raises(DataError, match=r"plain lines, .* expected pairs of texts\. Write them as 'csv'"):
            list(iter_pairs(source, pair_column="b"))
    (tmp_path / "a.jsonl").write_text('{"a": "x", "b": null}\n')
    with pytest.raises(DataError, match="line 1: 'b' should be a string, but is None"):
        list(iter_pairs(str(tmp_path / "a.jsonl"), text_column="a", pair_column="b"))
