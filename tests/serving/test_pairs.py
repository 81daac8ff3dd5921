"""Pairs of texts from the run to the export and to the command line: one answer everywhere."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from textclf.cli.main import main
from textclf.runs.directory import Run
from textclf.serving.classifier import Classifier, load
from textclf.serving.evaluate import evaluate
from textclf.serving.export import export

FIRST, SECOND = ["sun moon", "", "a b c", "moon"], ["moon sun", "x", "", "moon"]


@pytest.fixture(scope="module")
def pair_exported(pair_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(pair_run, base=tmp_path_factory.mktemp("saved_models"))  # through the real gate


@pytest.fixture(scope="module")
def classifier(pair_exported: Path) -> Classifier:
    return load(pair_exported)


def test_scores_are_those_of_the_run(pair_run: Run, classifier: Classifier) -> None:
    expected = pair_run.probabilities(FIRST, SECOND)
    assert classifier.takes_pairs
    for batch_size in (1, 3, 64):
        np.testing.assert_allclose(classifier.probabilities(FIRST, batch_size, pairs=SECOND), expected, atol=1e-6)
    predictions = classifier.predict(iter(FIRST), pairs=iter(SECOND))
    assert [found.label for found in predictions] == [pair_run.labels[best] for best in expected.argmax(axis=1)]


def test_every_signature_takes_both_texts(pair_run: Run, classifier: Classifier) -> None:
    signatures = classifier.signature.loaded.signatures
    expected = pair_run.probabilities(FIRST, SECOND)
    asked = {"text": tf.constant(FIRST), "text_pair": tf.constant(SECOND)}
    np.testing.assert_allclose(signatures["serving_default"](**asked)["score"], expected.max(axis=1), atol=1e-6)
    features = [
        {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
            for name, text in zip(asked, row, strict=True)
        }
        for row in zip(FIRST, SECOND, strict=True)
    ]
    examples = [tf.train.Example(features=tf.train.Features(feature=each)).SerializeToString() for each in features]
    np.testing.assert_allclose(signatures["classify"](inputs=tf.constant(examples))["scores"], expected, atol=1e-6)
    assert signatures["embed"](**asked)["embedding"].shape[0] == len(FIRST)


def test_the_test_split_scores_as_in_training(pair_run: Run, classifier: Classifier) -> None:
    assert evaluate(classifier).confusion.tolist() == pair_run.scores("test").confusion.tolist()


@pytest.mark.parametrize(
    ("pairs", "error", "words"),
    [
        (None, TypeError, "pairs: expected the second text of each row"),
        (["x"], ValueError, "expected a second text for each of the 4 texts, got 1"),
        ([*SECOND, "more"], ValueError, "for each of the 4 texts, got more"),
        ("text", TypeError, "pairs: expected a list"),
        ([1, 2, 3, 4], TypeError, "pairs: expected strings, got int at position 0"),
    ],
)
def test_wrong_pairs(classifier: Classifier, pairs: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        classifier.predict(FIRST, pairs=pairs)


def test_a_model_of_single_texts_takes_no_pairs(exported: Path) -> None:
    with pytest.raises(TypeError, match="pairs: expected none"):
        load(exported).predict(["a"], pairs=["b"])


def predict(*arguments: object, given: str | None = None) -> Any:
    return CliRunner().invoke(main, ["predict", *map(str, arguments)], input=given)


def test_the_command_takes_pairs(pair_exported: Path, classifier: Classifier, tmp_path: Path) -> None:
    expected = [found.label for found in classifier.predict(FIRST, pairs=SECOND)]
    path = tmp_path / "new.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("one", "other"), *zip(FIRST, SECOND, strict=True)])
    result = predict(pair_exported, "--file", path, "--text-column", "one", "--pair-column", "other")
    assert result.exit_code == 0, result.output
    header, *rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert header == ["label", "score", "text", "text_pair"]
    assert [(row[0], row[2], row[3]) for row in rows] == list(zip(expected, FIRST, SECOND, strict=True))
    result = predict(pair_exported, "--format", "jsonl", *FIRST[:1], *SECOND[:1])
    record = json.loads(result.stdout)
    assert (record["text"], record["text_pair"], record["label"]) == (FIRST[0], SECOND[0], expected[0])


def test_the_command_says_what_is_wrong(pair_exported: Path, exported: Path, tmp_path: Path) -> None:
    assert "Expected an even number of texts" in predict(pair_exported, "one").output
    path = tmp_path / "new.csv"
    path.write_text("first,second\na,b\n", encoding="utf-8")
    result = predict(pair_exported, "--file", path, "--pair-column", "third")
    assert "--pair-column" in result.output
    assert "second" in result.output
    assert "trained on single texts" in predict(exported, "--file", path, "--pair-column", "second").output
