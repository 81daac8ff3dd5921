"""The first config for a source."""

import json
from pathlib import Path

import pytest

from textclf.config import DataConfig
from textclf.data import load_corpus
from textclf.data.init import count_bad_rows, init

ROWS = [(f"text number {index}", "ab"[index % 2]) for index in range(20)]


@pytest.mark.parametrize(
    ("name", "separator", "expected"),
    [
        ("a.csv", ",", "auto"),
        ("a.tsv", "\t", "auto"),
        ("a.csv", "\t", "tsv"),
        ("a.txt", "\t", "tsv"),
        ("a", ",", "csv"),
    ],
)
def test_the_format_is_written_where_the_name_does_not_tell_it(
    tmp_path: Path, name: str, separator: str, expected: str
) -> None:
    path = tmp_path / name
    path.write_text("".join(f"{separator.join(row)}\n" for row in [("text", "label"), *ROWS]), encoding="utf-8")
    config = init(str(path))
    assert config.data.format == expected
    assert len(load_corpus(config.data, config.seed).train) == 16


def test_the_splits_may_have_other_formats(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{','.join(row)}\n" for row in ROWS), encoding="utf-8")
    lines = [json.dumps(dict(zip(("text", "label"), row, strict=True))) for row in ROWS]
    (tmp_path / "b.jsonl").write_text("\n".join(lines), encoding="utf-8")
    config = init(str(tmp_path / "a.csv"), [f"data.test={tmp_path / 'b.jsonl'}"])
    corpus = load_corpus(config.data, config.seed)
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 18, "dev": 2, "test": 20}


def test_bad_rows_are_counted(tmp_path: Path) -> None:
    lines = [",".join(row) for row in [("text", "label"), *ROWS]]
    (tmp_path / "a.csv").write_text("\n".join([*lines, "one,", "two", " ,a"]), encoding="utf-8")
    assert count_bad_rows(init(str(tmp_path / "a.csv")).data) == (3, 23)
    assert count_bad_rows(init("sample:train").data) == (0, 1000)
    assert count_bad_rows(DataConfig(train="tfds:nothing_of_this_name")) == (0, 0)


def test_a_prefix_tells_the_format() -> None:
    assert init("sample:train").data.format == "auto"
