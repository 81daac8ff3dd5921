"""The classic TF1 graph, its weights in a `TextCNN`, and `docs/from-tf1.md`, run as it stands."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import yaml

import textclf
from textclf.config.fields import leaf_paths
from textclf.config.textcnn import TextCNNConfig
from textclf.models.textcnn import TextCNN

DOCUMENT = Path(__file__).parents[2] / "docs" / "from-tf1.md"
SIZES, FILTERS, WIDTH, CLASSES = [3, 4, 5], 4, 8, 2
WORDS = ["dull", "a", "masterpiece", "of", "warmth", "plot", "!", "好"]
LENGTH = 9
tf1 = tf.compat.v1


def classic_graph(sequence_length: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Add the classic graph, in inference, to the default graph; return its input and its scores.

    The names are those of Denny Britz' cnn-text-classification-tf, so that its checkpoints have them.
    """
    ids = tf1.placeholder(tf.int32, [None, sequence_length], name="input_x")
    with tf1.name_scope("embedding"):
        table = tf1.Variable(tf1.random_uniform([len(WORDS) + 1, WIDTH], -1.0, 1.0), name="W", use_resource=False)
        embedded = tf.expand_dims(tf.nn.embedding_lookup(table, ids), -1)  # (batch, time, width, 1)
    pooled = []
    for size in SIZES:
        with tf1.name_scope(f"conv-maxpool-{size}"):
            shape = [size, WIDTH, 1, FILTERS]
            kernel = tf1.Variable(tf1.truncated_normal(shape, stddev=0.5), name="W", use_resource=False)
            bias = tf1.Variable(tf1.random_normal([FILTERS]), name="b", use_resource=False)
            outputs = tf1.nn.conv2d(embedded, kernel, strides=[1, 1, 1, 1], padding="VALID")
            active = tf.nn.relu(tf.nn.bias_add(outputs, bias))
            window = [1, sequence_length - size + 1, 1, 1]
            pooled.append(tf1.nn.max_pool(active, ksize=window, strides=[1, 1, 1, 1], padding="VALID"))
    features = tf.reshape(tf.concat(pooled, 3), [-1, FILTERS * len(SIZES)])
    with tf1.name_scope("output"):
        initializer = tf1.random_normal_initializer()
        kernel = tf1.get_variable("W", [FILTERS * len(SIZES), CLASSES], initializer=initializer, use_resource=False)
        bias = tf1.Variable(tf1.random_normal([CLASSES]), name="b", use_resource=False)
        return ids, tf1.nn.xw_plus_b(features, kernel, bias, name="scores")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write random weights as a TF1 session does."""
    prefix = str(tmp_path_factory.mktemp("tf1") / "model")
    with tf1.Graph().as_default(), tf1.Session() as session:
        tf1.set_random_seed(7)
        classic_graph(LENGTH)
        session.run(tf1.global_variables_initializer())
        return tf1.train.Saver().save(session, prefix, global_step=30000)


def classic_scores(checkpoint: str, ids: np.ndarray) -> np.ndarray:
    """Return the scores of a graph that is built as long as the ids are."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        input_x, scores = classic_graph(ids.shape[1])
        tf1.train.Saver().restore(session, checkpoint)
        return session.run(scores, {input_x: ids})


def code_of(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def converted(checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[textclf.Run, dict[str, Any]]:
    """Run the document's code in a folder with what it speaks of; return its run and its names."""
    folder = tmp_path_factory.mktemp("converted")
    (folder / "words.txt").write_text("\n".join(WORDS), encoding="utf-8")
    define, use = code_of("python")
    use = use.replace('"model-30000"', repr(checkpoint)).replace(
        '"model.padding=valid"', f'"model.padding=valid", "model.embedding_dim={WIDTH}", "model.num_filters={FILTERS}"'
    )
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(define + use, names)
        return names["run"], names


def random_ids(rows: int, length: int) -> np.ndarray:
    """Return ids as the processor gives them: 0 for words that it does not know."""
    return np.random.default_rng(length).integers(0, len(WORDS) + 1, (rows, length))


@pytest.mark.parametrize("length", [LENGTH, 5, 6, 30])
def test_logits_equal_those_of_a_graph_of_that_length(
    length: int, checkpoint: str, converted: tuple[textclf.Run, dict[str, Any]]
) -> None:
    model = converted[0].model
    ids = random_ids(6, length)
    expected = classic_scores(checkpoint, ids)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(model(tf.constant(ids + 1)), expected, atol=1e-5)
    padded = np.pad(ids + 1, [[0, 0], [0, 7]])
    np.testing.assert_allclose(model(tf.constant(padded)), expected, atol=1e-5)


def test_padding_written_as_unknown_words_gives_the_padded_logits(
    checkpoint: str, converted: tuple[textclf.Run, dict[str, Any]]
) -> None:
    ids = random_ids(6, LENGTH)
    ids[:, 4:] = 0
    expected = classic_scores(checkpoint, ids)
    np.testing.assert_allclose(converted[0].model(tf.constant(ids + 1)), expected, atol=1e-5)
    masked = converted[0].model(tf.constant(np.pad(ids[:, :4] + 1, [[0, 0], [0, 5]]))).numpy()
    assert np.abs(masked - expected).max() > 1e-3  # what the document says of padding


def test_the_documents_code_gives_a_run_that_exports_and_predicts(
    checkpoint: str, converted: tuple[textclf.Run, dict[str, Any]]
) -> None:
    run, names = converted
    assert isinstance(run.model, TextCNN)
    assert run.labels == ["negative", "positive"]
    ids = np.array([[2, 3, 4, 5, 0]])  # "a masterpiece of warmth" and one unknown word
    logits = classic_scores(checkpoint, ids)[0]
    (label_scores,) = run.probabilities(["a masterpiece of warmth zzz"])
    np.testing.assert_allclose(label_scores, np.exp(logits) / np.exp(logits).sum(), atol=1e-6)
    expected = run.probabilities(["a masterpiece of warmth", "dull"])
    for prediction, row in zip(names["predictions"], expected, strict=True):
        assert prediction.label == run.labels[row.argmax()]
        assert prediction.score == pytest.approx(row.max(), abs=1e-6)


def test_the_documents_config_and_fields_are_real() -> None:
    (text,) = code_of("yaml")
    config = textclf.Config.make({"data": {"train": "x.csv"}} | yaml.safe_load(text))
    assert config.training.schedule == "constant"
    fields = set(leaf_paths(textclf.Config, {}))
    named = re.findall(r"`((?:data|text|model|training)\.\w+)", DOCUMENT.read_text(encoding="utf-8"))
    assert named and set(named) <= fields


def test_the_pages_options_turn_off_what_the_classic_graph_lacks() -> None:
    values = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)[0])
    config = textclf.Config.make({"data": {"train": "data.csv"}, **values})
    assert config.text.min_count == 1
    assert config.model.padding == "valid"
    classic = TextCNNConfig()
    off = {name: 0 for name, value in classic.model_dump().items() if isinstance(value, float) and name != "dropout"}
    assert config.model == classic.model_copy(update={**off, "padding": "valid"})
    schedule = {"schedule": "constant", "warmup": 0, "clip_norm": 0, "patience": 0, "label_smoothing": 0}
    assert config.training.model_dump() | schedule == config.training.model_dump()
