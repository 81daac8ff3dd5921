"""The TextCNN: what it computes, whatever the batch and the padding."""

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.config import TextCNNConfig, TextConfig
from textclf.models.builder import load_model, save_model
from textclf.models.textcnn import TextCNN
from textclf.text.words import WordTokenizer

VOCABULARY_SIZE, NUM_CLASSES = 12, 3
TEXTS = [[], [5], [2, 3], [4, 4, 9], [1, 2, 3, 4, 5], [7, 8, 9, 10, 11, 2, 3, 4, 5]]
MODES: list[dict[str, Any]] = [
    {},
    {"bigram_buckets": 7},
    {"bigram_buckets": 7, "bag_of_vectors": True},
    {"bigram_buckets": 7, "vectors": "v.txt", "vectors_mode": "multichannel"},
    *({"vectors": "v.txt", "vectors_mode": mode} for mode in ("static", "non-static", "multichannel")),
]
SIZES = [[3, 4, 5], [1], [2, 7]]


def name_of(mode: dict[str, Any]) -> str:
    bigrams = "-bigrams" if mode.get("bigram_buckets") else ""
    bag = "-bag" if mode.get("bag_of_vectors") else ""
    return mode.get("vectors_mode", "random") + bigrams + bag


def make_model(seed: int = 0, **options: Any) -> TextCNN:
    """Return a small model with random values in every weight, biases and padding rows included."""
    model = TextCNN(VOCABULARY_SIZE, NUM_CLASSES, {"embedding_dim": 8, "num_filters": 4} | options)
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.dtype != "uint32":  # the state of the dropout
            variable.assign(generator.normal(size=variable.shape))
    return model


def pad(texts: list[list[int]], extra: int = 0) -> tf.Tensor:
    width = max((len(text) for text in texts), default=0) + extra
    return tf.constant([text + [0] * (width - len(text)) for text in texts], tf.int32, (len(texts), width))


# These logits reach 40: beyond 1e-5, single precision has no more digits.
close = partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-5)


def plain_logits(model: TextCNN, text: list[int]) -> np.ndarray:
    """Return the logits of a text as Kim (2014) defines them, window by window."""
    options = model.options
    tables = [embedding.embeddings.numpy() for embedding in model.embeddings]
    vectors = np.concatenate([table[text] for table in tables], axis=1)
    if model.bigrams is not None:
        table = model.bigrams.embeddings.numpy()
        for place, (first, second) in enumerate(itertools.pairwise(text)):
            if first > 1 and second > 1:  # an unknown token makes no pair
                vectors[place] += table[(first * 1_000_003 + second * 7_919) % len(table)]
    features = []
    for convolution, width in zip(model.convolutions, options.filter_sizes, strict=True):
        kernel, bias = (weight.numpy() for weight in convolution.weights)
        edge = width - 1 if options.padding == "full" else 0
        beyond = np.zeros((edge, vectors.shape[1]))
        padded = np.concatenate([beyond, vectors, beyond])
        padded = np.concatenate([padded, np.zeros((max(width - len(padded), 0), vectors.shape[1]))])
        windows = [padded[start : start + width] for start in range(len(padded) - width + 1)]
        outputs = np.array([np.tensordot(window, kernel, 2) + bias for window in windows])
        features.append(np.maximum(outputs, 0.0).max(axis=0))
    if options.bag_of_vectors:
        features.append(vectors.sum(axis=0) / np.sqrt(max(len(text), 1)))
    kernel, bias = (weight.numpy() for weight in model.head.weights)
    return np.concatenate(features) @ kernel + bias


@pytest.mark.parametrize("mode", MODES, ids=name_of)
@pytest.mark.parametrize("padding", ["full", "valid"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_logits_are_those_of_the_text_alone(mode: dict[str, Any], padding: str, sizes: list[int]) -> None:
    model = make_model(padding=padding, filter_sizes=sizes, **mode)
    expected = np.array([plain_logits(model, text) for text in TEXTS])
    alone = np.concatenate([model(pad([text])) for text in TEXTS])
    close(alone, expected)
    for extra in (0, 1, 2, 5, 40):
        close(model(pad(TEXTS, extra)), expected)
        close(model(pad([[], [5]], extra)), expected[:2])
    close(model(pad(TEXTS[::-1])), expected[::-1])


@pytest.mark.parametrize("padding", ["full", "valid"])
def test_empty_texts_and_batches(padding: str) -> None:
    model = make_model(padding=padding)
    nothing = model(tf.zeros((2, 0), tf.int32))
    np.testing.assert_allclose(nothing, model(tf.zeros((2, 9), tf.int32)), atol=1e-6)
    assert np.isfinite(nothing).all()
    assert model(tf.zeros((0, 0), tf.int32)).shape == model(tf.zeros((0, 4), tf.int32)).shape == (0, NUM_CLASSES)


@pytest.mark.parametrize("padding", ["full", "valid"])
def test_one_graph_for_all_shapes_gives_the_eager_logits(padding: str) -> None:
    model = make_model(padding=padding)
    function = tf.function(lambda ids: model(ids), input_signature=[tf.TensorSpec([None, None], tf.int32)])
    for texts in (TEXTS[:1], TEXTS[1:2], TEXTS):
        np.testing.assert_allclose(function(pad(texts)), model(pad(texts)), atol=1e-5)


@pytest.mark.parametrize("padding", ["full", "valid"])
def test_no_gradient_flows_into_the_padding_row(padding: str) -> None:
    model = make_model(padding=padding, embedding_dropout=0.2)
    table = model.embeddings[0].embeddings.value
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(pad(TEXTS, 3), training=True) ** 2)
    gradient = tf.convert_to_tensor(tape.gradient(loss, table)).numpy()
    assert not gradient[0].any()
    assert gradient[2].any()


def take_a_step(model: TextCNN, learning_rate: float = 0.1) -> None:
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(pad(TEXTS), training=True) ** 2)
    keras.optimizers.SGD(learning_rate).apply(tape.gradient(loss, variables), model.trainable_variables)


@pytest.mark.parametrize(
    ("mode", "changes"),
    [("random", [True]), ("static", [False]), ("non-static", [True]), ("multichannel", [False, True])],
)
def test_which_embeddings_are_trained(mode: str, changes: list[bool]) -> None:
    model = make_model(vectors_mode=mode, vectors=None if mode == "random" else "v.txt")
    before = [embedding.embeddings.numpy() for embedding in model.embeddings]
    head = model.head.kernel.numpy()
    take_a_step(model)
    after = [embedding.embeddings.numpy() for embedding in model.embeddings]
    assert [bool((old != new).any()) for old, new in zip(before, after, strict=True)] == changes
    assert (model.head.kernel.numpy() != head).any()


def test_pretrained_vectors_set_width_and_start(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("hello 1 2 3\n", encoding="utf-8")
    options = TextCNNConfig(vectors=str(tmp_path / "v.txt"), vectors_mode="multichannel", num_filters=4)
    tokenizer = WordTokenizer(["[PAD]", "[UNK]", "hello"], TextConfig())
    model = TextCNN.create(options, tokenizer, NUM_CLASSES, seed=1)
    static, trained = (embedding.embeddings.numpy() for embedding in model.embeddings)
    np.testing.assert_array_equal(static, trained)
    assert static[2].tolist() == [1, 2, 3] and static[0].tolist() == [0, 0, 0]
    assert model.options.embedding_dim == 3


@pytest.mark.parametrize(("lines", "level"), [(1, "WARNING"), (2, "INFO")])
def test_how_many_tokens_have_a_vector_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, lines: int, level: str
) -> None:
    path = tmp_path / "v.txt"
    path.write_text("".join(f"{token} 1 2\n" for token in ["hello", "world"][:lines]), encoding="utf-8")
    tokenizer = WordTokenizer(["[PAD]", "[UNK]", "hello", "world"], TextConfig())
    with caplog.at_level("INFO"):
        TextCNN.create(TextCNNConfig(vectors=str(path), vectors_mode="static"), tokenizer, NUM_CLASSES, seed=1)
    assert [record.levelname for record in caplog.records] == [level]
    assert f"{lines} of 4 tokens have a vector in '{path}'" in caplog.text
    assert ("the others start at random. Take vectors of the texts' language" in caplog.text) == (level == "WARNING")


def test_l2_is_half_the_squared_norm_of_the_head() -> None:
    model = make_model(l2=0.3)
    kernel, bias = (weight.numpy() for weight in model.head.weights)
    expected = 0.3 * 0.5 * ((kernel**2).sum() + (bias**2).sum())
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    assert not make_model().losses


def test_max_norm_holds_after_a_step() -> None:
    free, held = make_model(), make_model(max_norm=0.5)
    for model in (free, held):
        take_a_step(model, learning_rate=1.0)
    assert np.linalg.norm(free.head.kernel.numpy(), axis=0).min() > 0.5
    assert np.linalg.norm(held.head.kernel.numpy(), axis=0).max() <= 0.5 + 1e-5


def test_features_are_what_the_head_sees() -> None:
    model = make_model(filter_sizes=[2, 3])
    features = model.features(pad(TEXTS))
    assert features.shape == (len(TEXTS), 8)
    np.testing.assert_allclose(model.head(features), model(pad(TEXTS)), atol=1e-6)


def test_dropout_is_off_unless_training() -> None:
    model = make_model(dropout=0.5, embedding_dropout=0.5)
    np.testing.assert_array_equal(model(pad(TEXTS)), model(pad(TEXTS)))
    assert (model(pad(TEXTS), training=True).numpy() != model(pad(TEXTS)).numpy()).any()


@pytest.mark.parametrize("mode", MODES, ids=name_of)
def test_saved_and_loaded(mode: dict[str, Any], tmp_path: Path) -> None:
    model = make_model(l2=0.1, max_norm=2.0, padding="valid", filter_sizes=[1, 2], **mode)
    save_model(model, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", "textcnn")
    assert isinstance(loaded, TextCNN)
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded(pad(TEXTS)), model(pad(TEXTS)))
    copy = TextCNN.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(pad(TEXTS)), model(pad(TEXTS)))


@pytest.fixture
def bfloat16() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("padding", ["full", "valid"])
def test_mixed_precision(padding: str) -> None:
    model = make_model(padding=padding)
    logits = model(pad(TEXTS, 3))
    assert logits.dtype == tf.bfloat16
    assert all(variable.dtype == "float32" for variable in model.trainable_variables)
    logits = tf.cast(logits, tf.float32).numpy()
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(logits, [plain_logits(model, text) for text in TEXTS], atol=1.0)
    take_a_step(model)
    assert np.isfinite(tf.cast(model(pad(TEXTS)), tf.float32)).all()
