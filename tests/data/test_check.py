"""The look at a data set before training."""

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from textclf.config import DataConfig
from textclf.data import DataCheck, check
from textclf.data.check import CountTokens
from textclf.terminal import aligned, display_width


def count_tokens(texts: list[str], pairs: list[str] | None) -> NDArray[Any]:
    lengths = numpy.array([len(text.split()) for text in texts], dtype=numpy.int64)
    return lengths if pairs is None else lengths + 1 + count_tokens(pairs, None)


def counter(train: list[str]) -> CountTokens:
    assert train
    return count_tokens


def write(path: Path, rows: list[tuple[str, str]]) -> str:
    path.write_text("".join(f"{text}\t{label}\n" for text, label in [("text", "label"), *rows]), encoding="utf-8")
    return str(path)


@pytest.fixture
def found(tmp_path: Path) -> DataCheck:
    train = [(f"text {'very ' * index}{index}", "体育") for index in range(40)]
    train += [("Same  text", "news"), ("same ｔｅｘｔ", "体育"), ("same text", "news"), ("new", "News "), ("", "news")]
    dev = [("SAME TEXT", "other"), ("same text", "体育"), ("text 0", "news"), ("not seen", "体育")]
    config = DataConfig(train=write(tmp_path / "a.tsv", train), dev=write(tmp_path / "b.tsv", dev), test=None)
    return check(config, 1, counter, max_tokens=20)


def test_rows_and_labels(found: DataCheck) -> None:
    assert found.splits["train"].rows == 44
    assert found.splits["train"].labels == {"体育": 41, "news": 2, "News ": 1}
    assert (found.only_in_train, found.not_in_train) == (["News "], ["other"])


def test_a_label_of_dev_and_test_that_train_lacks(tmp_path: Path) -> None:
    rows = [(f"text {index}", "ab"[index % 2]) for index in range(10)]
    sources = {name: [*rows, (name, "z")] if name != "train" else rows for name in ("train", "dev", "test")}
    config = DataConfig(**{name: write(tmp_path / f"{name}.tsv", held) for name, held in sources.items()})
    found = check(config, 1, counter, max_tokens=20)
    assert (found.only_in_train, found.not_in_train) == ([], ["z"])


def test_duplicates_and_overlaps(found: DataCheck) -> None:
    train, dev = found.splits["train"], found.splits["dev"]
    assert (train.duplicates, train.conflicting) == (2, 1)
    assert (dev.duplicates, dev.conflicting) == (0, 0)
    (overlap,) = found.overlaps
    assert (overlap.first, overlap.second, overlap.rows, overlap.conflicting) == ("train", "dev", 2, 1)


def test_lengths(found: DataCheck) -> None:
    train = found.splits["train"]
    assert train.lengths == {"50": 19, "90": 37, "95": 39, "99": 41, "max": 41}
    assert train.share_cut == pytest.approx(21 / 44)


def test_bad_rows_do_not_stop_it(found: DataCheck) -> None:
    assert [(row.line, row.problem) for row in found.bad_rows] == [
        (46, "no text"),
        (2, "a label that never stands in train"),
    ]


@pytest.mark.parametrize(
    "warning",
    [
        "Bad rows: 2. Training stops at them; --set data.bad_rows=drop leaves them out.",
        "Texts of dev that also stand in train: 2 of 3, 1 of them with another label",
        "Texts of train that came before with another label: 1.",
        "Texts of train longer than 20 tokens: 47.7%",
        "that only train holds, so that they are never scored (1): 'News '",
        "that train lacks, so that they cannot be learnt (1): 'other'",
        "Labels with fewer than 10 rows in train (2): 'news', 'News '",
        "'体育' has 41 times the rows of 'News '",
        "differ only in case, width or spaces count as different classes: 'news', 'News '",
    ],
)
def test_warnings(found: DataCheck, warning: str) -> None:
    assert any(warning in line for line in found.warnings), found.warnings
    assert warning in found.to_text()


def test_bad_rows_that_are_dropped_stop_no_training(tmp_path: Path) -> None:
    rows = [*((f"text number {index}", "ab"[index % 2]) for index in range(100)), ("", "a")]
    found = check(DataConfig(train=write(tmp_path / "a.tsv", rows), bad_rows="drop"), 1, counter, max_tokens=20)
    assert found.warnings == ["Bad rows: 1. Training leaves them out (data.bad_rows=drop)."]


def test_clean_data_has_no_warnings(tmp_path: Path) -> None:
    rows = [(f"text number {index}", "ab"[index % 2]) for index in range(100)]
    found = check(DataConfig(train=write(tmp_path / "a.tsv", rows)), 1, counter, max_tokens=20)
    assert (found.warnings, found.bad_rows) == ([], [])
    assert "Warnings" not in found.to_text()


def test_as_json(found: DataCheck) -> None:
    values = json.loads(json.dumps(found.to_json()))
    assert values["splits"]["dev"]["labels"] == {"体育": 2, "news": 1}
    assert values["overlaps"][0]["conflicting"] == 1


def test_as_text_is_aligned(found: DataCheck) -> None:
    labels, texts, *_ = found.to_text().split("\n\n")
    assert labels.splitlines() == [
        "label  train     %  dev     %",
        "体育      41  93.2    2  66.7",
        "news       2   4.5    1  33.3",
        "News       1   2.3    0   0.0",
        "all       44          3",
    ]
    assert texts.splitlines() == [
        "texts                         train   dev",
        "duplicates                        2     0",
        "  with another label              1     0",
        "also in train                           2",
        "  with another label                    1",
        "50 % have at most, in tokens     19     2",
        "90 % have at most, in tokens     37     2",
        "95 % have at most, in tokens     39     2",
        "99 % have at most, in tokens     41     2",
        "longest, in tokens               41     2",
        "cut at 20 tokens              47.7%  0.0%",
    ]


def test_wide_characters_take_two_columns() -> None:
    lines = aligned([["体育", "1"], ["cafe\u0301", "20"], ["ｗｉｄｅ", "300"]])
    assert {display_width(line) for line in lines} == {13}
