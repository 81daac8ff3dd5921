"""The signatures: equal scores in all of them, names and types to the letter."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from textclf.runs.directory import Run

TEXTS = ["Where is my PARCEL?!", "退款 money back", "", "ｐａｓｓｗｏｒｄ 验证码", "x"]
GOLDEN = Path(__file__).with_name("signatures.json")

RUNS = pytest.mark.parametrize(
    ("model", "path"), [("trained_run", "exported"), ("bert_run", "bert_exported"), ("linear_run", "linear_exported")]
)


@pytest.fixture
def served(model: str, path: str, request: pytest.FixtureRequest) -> tuple[Run, Any]:
    return request.getfixturevalue(model), tf.saved_model.load(str(request.getfixturevalue(path)))


def described(loaded: Any) -> dict[str, Any]:
    """Return the names, types and shapes of all signatures."""
    found = {}
    for name, signature in loaded.signatures.items():
        inputs = signature.structured_input_signature[1]
        sides = {"inputs": inputs, "outputs": signature.structured_outputs}
        found[name] = {
            side: {key: [spec.dtype.name, spec.shape.as_list()] for key, spec in specs.items()}
            for side, specs in sides.items()
        }
    return found


@RUNS
def test_names_types_and_shapes_are_the_contract(model: str, served: tuple[Run, Any]) -> None:
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))
    if model == "linear_run":
        del expected["embed"]  # it has no features of a fixed width
    found = described(served[1])
    if "embed" in found:  # the width is the model's
        found["embed"]["outputs"]["embedding"][1][1] = "features"
    assert found == expected


@RUNS
def test_all_signatures_give_one_answer(served: tuple[Run, Any]) -> None:
    run, loaded = served
    expected = run.probabilities(TEXTS)
    order = np.argsort(-expected, axis=1, kind="stable")
    texts = tf.constant(TEXTS)
    scores = loaded.signatures["scores"](text=texts)["scores"].numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    best = {name: value.numpy() for name, value in loaded.signatures["serving_default"](text=texts).items()}
    named = [[run.labels[place].encode() for place in row] for row in order[:, :5]]
    assert best["labels"].tolist() == named
    assert best["label"].tolist() == [row[0] for row in named]
    np.testing.assert_array_equal(best["label_scores"][:, 0], best["score"])
    np.testing.assert_allclose(best["label_scores"], np.take_along_axis(expected, order[:, :5], axis=1), atol=1e-6)
    classified = loaded.signatures["classify"](inputs=tf.constant([example(text) for text in TEXTS]))
    assert classified["classes"].numpy().tolist() == [[label.encode() for label in run.labels]] * len(TEXTS)
    np.testing.assert_allclose(classified["scores"], expected, atol=1e-6)


@RUNS
def test_the_embedding_is_what_the_head_takes(served: tuple[Run, Any]) -> None:
    run, loaded = served
    if not run.model.has_features:
        assert "embed" not in loaded.signatures
        return
    embedding = loaded.signatures["embed"](text=tf.constant(TEXTS))["embedding"].numpy()
    assert embedding.dtype == np.float32
    expected = run.model.features(run.tokenizer(tf.constant(TEXTS)))
    np.testing.assert_allclose(embedding, expected, atol=1e-5)
    logits = run.model.head(tf.constant(embedding)) / run.temperature
    np.testing.assert_allclose(tf.nn.softmax(logits), run.probabilities(TEXTS), atol=1e-5)


@RUNS
def test_an_empty_batch_gets_empty_answers(served: tuple[Run, Any]) -> None:
    run, loaded = served
    nothing = tf.zeros([0], tf.string)
    for name, signature in loaded.signatures.items():
        answer = signature(**{"inputs" if name == "classify" else "text": nothing})
        assert all(value.shape[0] == 0 for value in answer.values())
    assert loaded.signatures["scores"](text=nothing)["scores"].shape == (0, len(run.labels))


@RUNS
@pytest.mark.parametrize("shape", [[], [1, 1]])
def test_one_string_and_nested_ones_are_refused(served: tuple[Run, Any], shape: list[int]) -> None:
    _, loaded = served
    for name, signature in loaded.signatures.items():
        flexible = tf.fill(shape, "hello")
        with pytest.raises((tf.errors.InvalidArgumentError, TypeError, ValueError)):
            signature(**{"inputs" if name == "classify" else "text": flexible})


@pytest.mark.parametrize("wrong", [b"garbage", b"", b"\x0a\x00"])
def test_an_example_without_a_text_is_an_error(exported: Path, wrong: bytes) -> None:
    classify = tf.saved_model.load(str(exported)).signatures["classify"]
    with pytest.raises(tf.errors.InvalidArgumentError):
        classify(inputs=tf.constant([wrong]))


@RUNS
def test_scores_are_calibrated(served: tuple[Run, Any]) -> None:
    run, _ = served
    assert run.temperature == run.results["calibration"]["temperature"] != 1.0
    logits = run.model(run.tokenizer(tf.constant(TEXTS)))
    np.testing.assert_allclose(run.probabilities(TEXTS), tf.nn.softmax(logits / run.temperature), atol=1e-6)


def example(text: str) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
    serialized: bytes = tf.train.Example(features=tf.train.Features(feature={"text": feature})).SerializeToString()
    return serialized
