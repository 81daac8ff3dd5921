"""Corpora: splits, bad rows, and what always stops."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from textclf.config import DataConfig
from textclf.data import BadRow, Corpus, Split, load_corpus, load_split, problems
from textclf.errors import DataError

Write = Callable[[str, list[tuple[str, str]]], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_tsv(name: str, rows: list[tuple[str, str]]) -> str:
        content = "".join(f"{text}\t{label}\n" for text, label in [("text", "label"), *rows])
        (tmp_path / name).write_text(content, encoding="utf-8", newline="\n")
        return str(tmp_path / name)

    return write_tsv


def rows(count: int, labels: str = "ab") -> list[tuple[str, str]]:
    return [(f"text {index}", labels[index % len(labels)]) for index in range(count)]


def load(seed: int = 1, **options: object) -> Corpus:
    return load_corpus(DataConfig.model_validate(options), seed)


def test_shares_are_of_the_rows_of_train(write: Write) -> None:
    corpus = load(train=write("a.tsv", rows(100)), dev=0.1, test=0.2)
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 70, "dev": 10, "test": 20}
    assert corpus.labels == ["a", "b"]
    together = [text for split in corpus.splits.values() for text in split.texts]
    assert sorted(together) == sorted(text for text, _ in rows(100))
    source, line = corpus.dev.places[0]
    assert (Path(source).name, corpus.dev.texts[0]) == ("a.tsv", f"text {line - 2}")


def test_a_share_of_less_than_one_row(write: Write) -> None:
    with pytest.raises(DataError, match=r"data\.test: 0\.1 of 2 rows is less than one row\. Add rows to train"):
        load(train=write("a.tsv", rows(2)))


def test_dev_does_not_move_the_test_split(write: Write) -> None:
    train, dev = write("a.tsv", rows(100)), write("dev.tsv", rows(10))
    first, second = load(train=train, test=0.2, dev=dev), load(train=train, test=0.2, dev=0.3)
    assert first.test == second.test


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=6),
    test=st.floats(0.05, 0.9),
    dev=st.floats(0.05, 0.9),
    seed=st.integers(0, 3),
)
@example(counts=[3, 30, 30], test=0.5, dev=0.1, seed=1)
def test_a_class_of_three_rows_is_in_each_part(
    write: Write, counts: list[int], test: float, dev: float, seed: int
) -> None:
    labels = [label for label, count in zip("abcdef", counts, strict=False) for _ in range(count)]
    train = write("a.tsv", [(f"text {index}", label) for index, label in enumerate(labels)])
    try:
        corpus = load(train=train, dev=dev, test=test, seed=seed)
    except DataError:  # the shares are too small or too large for so many classes
        return
    for label, count in Counter(labels).items():
        assert [label in split.labels for split in corpus.splits.values()] == [True, count > 2, count > 1]


def test_sources_for_every_split(write: Write) -> None:
    corpus = load(train=write("a.tsv", rows(4)), dev=write("b.tsv", rows(3)), test=write("c.tsv", rows(2)))
    assert [len(split) for split in corpus.splits.values()] == [4, 3, 2]


def test_no_test_split(write: Write) -> None:
    corpus = load(train=write("a.tsv", rows(20)), test=None)
    assert corpus.test is None
    assert list(corpus.splits) == ["train", "dev"]


def test_folds(write: Write, tmp_path: Path) -> None:
    (tmp_path / "folds.txt").write_text("".join(f"{index % 5}\n" for index in range(100)))
    corpus = load(train=write("a.tsv", rows(100)), folds=str(tmp_path / "folds.txt"), fold=3)
    assert corpus.test is not None
    assert corpus.test.texts == [f"text {index}" for index in range(3, 100, 5)]
    assert (len(corpus.train), len(corpus.dev)) == (72, 8)


def test_bad_rows_have_a_fold_too(write: Write, tmp_path: Path) -> None:
    (tmp_path / "folds.txt").write_text("".join(f"{index % 5}\n" for index in range(100)))
    content = rows(100)
    content[3], content[10] = ("", "a"), ("text 10", "")
    corpus = load(train=write("a.tsv", content), folds=str(tmp_path / "folds.txt"), fold=3, bad_rows="drop")
    assert corpus.test is not None
    assert corpus.test.texts == [f"text {index}" for index in range(8, 100, 5)]
    assert [(row.line, row.problem) for row in corpus.bad_rows] == [(5, problems.NO_TEXT), (12, problems.NO_LABEL)]


def test_a_label_of_one_fold_only_is_unseen(write: Write, tmp_path: Path) -> None:
    (tmp_path / "folds.txt").write_text("0\n" * 20 + "1\n" * 5)
    path = write("a.tsv", [*rows(24), ("alone", "c")])
    with pytest.raises(DataError, match=r"1 with a label that never stands in train \(line 26: 'c'\)"):
        load(train=path, folds=str(tmp_path / "folds.txt"), fold=1)


BAD = [("", "a"), ("x", ""), ("\0", "a"), (" ", "b"), ("x", "c\td")]


def test_bad_rows_are_reported_once_and_by_kind(write: Write) -> None:
    train = write("train.tsv", [*rows(20), *[("", "a")] * 7, ("one", "a\tmore")])
    dev = write("dev.tsv", [*rows(4), ("", "a"), ("two", "z"), ("three", "z")])
    with pytest.raises(DataError) as error:
        load(train=train, dev=dev, test=None)
    assert str(error.value).splitlines() == [
        "11 bad rows:",
        f"  {train}: 7 with no text (lines 22, 23, 24, 25, 26 and 2 more)",
        f"  {dev}: 1 with no text (line 6)",
        f"  {train}: 1 with the wrong number of fields (line 29: expected 2, got 3)",
        f"  {dev}: 2 with a label that never stands in train (lines 7, 8: 'z')",
        "Mend them, or drop exactly these with data.bad_rows=drop (--set data.bad_rows=drop).",
    ]


def test_labels_that_train_lacks_are_named_with_their_like(write: Write) -> None:
    unseen = ["delivery", *["Delivery"] * 7, "refund", "x", "y", "Refunds"]
    dev = write("dev.tsv", [(f"text {index}", label) for index, label in enumerate(unseen)])
    train = write("train.tsv", [("one", "delivery"), ("two", "refund")])
    with pytest.raises(DataError) as error:
        load(train=train, dev=dev, test=None)
    assert str(error.value).splitlines()[1:-1] == [
        f"  {dev}: 10 with a label that never stands in train (lines 3, 4, 5, 6, 7 and 2 more: "
        "'Delivery'; line 11: 'x'; line 12: 'y'; line 13: 'Refunds')",
        "  'Delivery' is no label of train. Did you mean 'delivery'?",
        "  'Refunds' is no label of train. Did you mean 'refund'?",
    ]


def test_a_wrong_number_of_fields_is_said_of_each_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\none,a\ntwo\nthree,b\nfour,b,c\nfive\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        load(train=str(path), test=None)
    assert str(error.value).splitlines()[1:-1] == [
        f"  {path}: 3 with the wrong number of fields (lines 3, 6: expected 2, got 1; line 5: expected 2, got 3)"
    ]


@pytest.mark.parametrize("quoting", ["none", "standard"])
def test_quoting_is_suggested_where_quotes_are_characters(tmp_path: Path, quoting: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"one, two",a\nthree,b\nfour,"b",c\n', encoding="utf-8")
    with pytest.raises(DataError) as error:
        load(train=str(path), test=None, quoting=quoting)
    assert ("set data.quoting=standard" in str(error.value)) == (quoting == "none")


def test_dropping_drops_exactly_the_bad_rows(write: Write, tmp_path: Path) -> None:
    good = rows(20)
    mixed = [row for pair in zip(good, BAD * 4, strict=True) for row in pair]
    corpus = load(train=write("a.tsv", mixed), dev=write("b.tsv", good), test=None, bad_rows="drop")
    assert list(zip(corpus.train.texts, corpus.train.labels, strict=True)) == good
    assert [row.line for row in corpus.bad_rows] == list(range(3, 43, 2))
    corpus.write_bad_rows(tmp_path / "bad.jsonl")
    written = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [BadRow(**values) for values in written] == corpus.bad_rows


def test_bad_rows_of_undecodable_paths_can_be_written(tmp_path: Path) -> None:
    corpus = Corpus(Split(), Split(), None, [], [BadRow("a\udcff.txt", 1, problems.NO_TEXT, "体育")])
    corpus.write_bad_rows(tmp_path / "bad.jsonl")
    line = (tmp_path / "bad.jsonl").read_text(encoding="utf-8")
    assert json.loads(line)["source"] == "a\udcff.txt"
    assert "体育" in line


@pytest.mark.parametrize("bad_rows", ["stop", "drop"])
def test_what_always_stops(write: Write, bad_rows: str) -> None:
    many = write("many.tsv", rows(30, "abcde"))
    for options, message in (
        (
            {"train": write("a.tsv", [])},
            r"'.*a\.tsv' holds no rows: .* names of the columns \(data\.header\) there is nothing\. Expected texts",
        ),
        ({"train": write("b.tsv", rows(9, "a"))}, r"a single class, 'a', in all of its 9 rows.*label_column"),
        ({"train": many, "dev": write("c.tsv", [])}, r"'.*c\.tsv' holds no rows: "),
        (
            {"train": many, "dev": write("d.tsv", rows(3, "abc"))},
            r"data\.dev has 3 rows, fewer than the 5 classes.*'d', 'e'",
        ),
        ({"train": many, "dev": 0.1}, r"data\.dev: 3 of 30 rows are too few to hold each of the 5 classes"),
    ):
        with pytest.raises(DataError, match=message):
            load(**({"test": None, "bad_rows": bad_rows} | options))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_file_without_a_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    for read in (lambda: load(train=str(path)), lambda: load_split(str(path), DataConfig(train="x.csv"), ["a", "b"])):
        with pytest.raises(DataError, match=rf"'.*{name}' is an empty file\. Expected texts with labels\."):
            read()
    path.write_bytes(b"\n")
    with pytest.raises(DataError, match=rf"'.*{name}' holds no rows.*Expected texts with labels\."):
        load(train=str(path))


def test_all_rows_bad(write: Write) -> None:
    path, dev = write("a.tsv", [("", "a")] * 3), write("b.tsv", rows(4))
    with pytest.raises(DataError, match=r"(?s)^3 bad rows:"):
        load(train=path, dev=dev)
    with pytest.raises(DataError, match=r"holds no rows after 3 bad rows were dropped"):
        load(train=path, dev=dev, bad_rows="drop")


def test_the_fingerprint_is_of_texts_labels_and_order(write: Write) -> None:
    def fingerprint(content: list[tuple[str, str]]) -> str:
        dev = write("dev.tsv", rows(4))
        return load(train=write("a.tsv", content), dev=dev, test=None).fingerprint

    content = [("one", "a"), ("two", "b"), ("three", "a")]
    assert len(fingerprint(content)) == 64
    assert fingerprint(content) == fingerprint(content)
    assert fingerprint(content) != fingerprint([content[1], content[0], content[2]])
    assert fingerprint(content) != fingerprint([("one", "b"), *content[1:]])
    assert fingerprint(content) != fingerprint([("onea", "a"), *content[1:]])


def test_many_sources_are_summed_up() -> None:
    bad_rows = [BadRow(f"{index}.txt", 1, problems.NO_TEXT) for index in range(8)]
    assert problems.report(bad_rows).splitlines()[-2:] == [
        "  4.txt: 1 with no text (line 1)",
        "  3 more files: 3 with no text",
    ]


def test_one_split_for_a_classifier(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("a.tsv", [*rows(3), ("other", "c")])
    config = DataConfig(train="elsewhere.csv")
    assert load_split(path, config, ["a", "b", "c", "d"]).labels == ["a", "b", "a", "c"]
    with pytest.raises(DataError, match=r"1 with a label that never stands in train \(line 5: 'c'\)"):
        load_split(path, config, ["a", "b"])
    dropping = config.model_copy(update={"bad_rows": "drop"})
    assert load_split(path, dropping, ["a", "b"]).labels == ["a", "b", "a"]
    assert "Dropped: 1 bad row:" in caplog.text
    with pytest.raises(DataError, match="no rows with a label that the classifier knows: 'x', 'y'"):
        load_split(path, dropping, ["x", "y"])
