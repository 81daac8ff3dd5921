"""The linear baseline: the graph computes what scikit-learn's own pipeline does."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from textclf.config import LinearConfig, TextConfig
from textclf.errors import ConfigError
from textclf.models.builder import load_model, save_model
from textclf.models.linear import Linear, ngram_keys
from textclf.text.words import WordTokenizer

Ngram = tuple[int, ...]


def ngrams(ids: list[int], longest: int) -> list[Ngram]:
    """Return the n-grams of a text, the plain way."""
    return [
        tuple(ids[start : start + length]) for length in range(1, longest + 1) for start in range(len(ids) - length + 1)
    ]


def make_corpus(num_classes: int, rows: int = 60) -> tuple[WordTokenizer, list[str], np.ndarray]:
    """Return texts whose words lean to their class, and a tokenizer that does not know the rare words."""
    generator = np.random.default_rng(num_classes)
    targets = np.arange(rows) % num_classes
    texts = [
        " ".join(f"w{word}" for word in (generator.poisson(2.0, generator.integers(1, 12)) + 2 * target) % 15)
        for target in targets
    ]
    return WordTokenizer.learn(texts, TextConfig(min_count=3)), texts, targets


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize(
    "options", [LinearConfig(), LinearConfig(max_ngram=1), LinearConfig(max_ngram=3, min_count=2)], ids=str
)
def test_logits_are_scikit_learns(num_classes: int, options: LinearConfig) -> None:
    tokenizer, texts, targets = make_corpus(num_classes)
    ids = tokenizer.encode(texts)
    assert 1 in ids.flat_values.numpy()  # unknown tokens are learnt from too
    model = Linear.solve(options, tokenizer, num_classes, ids, targets)

    counted = [Counter(ngrams(text, options.max_ngram)) for text in ids.to_list()]
    texts_with = Counter(ngram for counts in counted for ngram in counts)
    frequent = {ngram for ngram, count in texts_with.items() if count >= options.min_count}
    pipeline = make_pipeline(
        DictVectorizer(),
        TfidfTransformer(sublinear_tf=True),
        LogisticRegression(C=options.inverse_regularization, max_iter=options.max_iterations),
    )

    def kept(counts: Counter[Ngram]) -> dict[str, int]:
        return {str(ngram): count for ngram, count in counts.items() if ngram in frequent}

    pipeline.fit([kept(counts) for counts in counted], targets)
    assert model.num_features == len(frequent)

    unseen = ["w0 w1 w1 nothing known", "", "nothing", "w3 w2 w1 w0 w0 w0", "w14"]
    new = [Counter(ngrams(text, options.max_ngram)) for text in tokenizer.encode(unseen).to_list()]
    expected = pipeline.decision_function([kept(counts) for counts in [*counted, *new]])
    logits = model(tokenizer(tf.constant([*texts, *unseen]))).numpy()
    scores = logits[:, 1] - logits[:, 0] if num_classes == 2 else logits
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.fixture(scope="module")
def fitted() -> tuple[Linear, WordTokenizer, list[str]]:
    tokenizer, texts, targets = make_corpus(3)
    return Linear.solve(LinearConfig(), tokenizer, 3, tokenizer.encode(texts), targets), tokenizer, texts


def test_a_text_has_the_logits_it_has_alone(fitted: tuple[Linear, WordTokenizer, list[str]]) -> None:
    model, tokenizer, texts = fitted
    texts = ["", "nothing", *texts[:10]]
    alone = np.concatenate([model(tokenizer(tf.constant([text]))) for text in texts])
    ids = tokenizer(tf.constant(texts))
    for extra in (0, 1, 7):
        np.testing.assert_allclose(model(tf.pad(ids, [[0, 0], [0, extra]])), alone, atol=1e-5)


def test_empty_texts_and_batches(fitted: tuple[Linear, WordTokenizer, list[str]]) -> None:
    model = fitted[0]
    np.testing.assert_array_equal(model(tf.zeros((2, 0), tf.int32)), [model.bias.numpy()] * 2)
    np.testing.assert_array_equal(model(tf.zeros((2, 3), tf.int32)), [model.bias.numpy()] * 2)
    assert model(tf.zeros((0, 0), tf.int32)).shape == (0, 3)


def test_one_graph_for_all_shapes(fitted: tuple[Linear, WordTokenizer, list[str]]) -> None:
    model, tokenizer, texts = fitted
    function = tf.function(lambda ids: model(ids), input_signature=[tf.TensorSpec([None, None], tf.int32)])
    for batch in ([""], ["w1"], texts[:5]):
        ids = tokenizer(tf.constant(batch))
        np.testing.assert_allclose(function(ids), model(ids), atol=1e-6)


def test_saved_and_loaded(fitted: tuple[Linear, WordTokenizer, list[str]], tmp_path: Path) -> None:
    model, tokenizer, texts = fitted
    save_model(model, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", "linear")
    assert isinstance(loaded, Linear)
    ids = tokenizer(tf.constant(texts))
    np.testing.assert_array_equal(loaded(ids), model(ids))
    np.testing.assert_array_equal(loaded.keys, model.keys)


def test_a_solver_that_has_not_converged_says_which_options_to_change(caplog: pytest.LogCaptureFixture) -> None:
    tokenizer, texts, targets = make_corpus(3)
    Linear.solve(LinearConfig(max_iterations=1), tokenizer, 3, tokenizer.encode(texts), targets)
    (record,) = caplog.records
    assert record.getMessage() == (
        "The regression had not converged after 1 steps of its solver (model.max_iterations=1). "
        "Raise model.max_iterations, or lower model.inverse_regularization."
    )


@given(
    st.lists(st.lists(st.integers(1, 6), max_size=6), min_size=1, max_size=5),
    st.integers(1, 3),
    st.integers(0, 3),
)
def test_every_ngram_has_a_key_of_its_own(texts: list[list[int]], longest: int, extra: int) -> None:
    width = max(map(len, texts)) + extra
    ids = np.array([text + [0] * (width - len(text)) for text in texts], np.int32).reshape(len(texts), width)
    keys = ngram_keys(tf.constant(ids), 7, longest).numpy()
    assert keys.shape == (len(texts), longest * width)
    owners: dict[int, Ngram] = {}
    for text, row in zip(texts, keys, strict=True):
        found = [int(key) for key in row if key != -1]
        expected = ngrams(text, longest)
        assert len(found) == len(expected)
        for key, ngram in zip(found, expected, strict=True):
            assert owners.setdefault(key, ngram) == ngram
    assert len(set(owners.values())) == len(owners)


def test_the_largest_vocabulary_has_keys_that_fit() -> None:
    largest = 2_000_000
    ids = tf.constant([[largest - 1] * 3])
    assert ngram_keys(ids, largest, 3).numpy()[0, -3:].tolist() == [largest**3 - 1, -1, -1]


def test_a_vocabulary_that_is_too_large_is_refused() -> None:
    tokenizer = SimpleNamespace(vocabulary=range(2_000_001), separator_id=None)
    words = "model: linear takes a vocabulary of at most 2000000 tokens, got 2000001. Lower text.max_size or raise"
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        Linear.solve(LinearConfig(), tokenizer, 2, tf.ragged.constant([[1]]), np.array([0]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("texts", "min_count", "words"),
    [
        ([[], []], 1, r"found no n-gram in the training texts\. Lower text\.min_count"),
        ([[2], [3]], 2, r"model\.min_count: no n-gram stands in 2 training texts\. Lower it"),
    ],
)
def test_nothing_to_learn_from_is_refused(texts: list[list[int]], min_count: int, words: str) -> None:
    tokenizer = SimpleNamespace(vocabulary=range(9), separator_id=None)
    ids = tf.ragged.constant(texts, tf.int32, ragged_rank=1)
    with pytest.raises(ConfigError, match=words):
        Linear.solve(LinearConfig(min_count=min_count), tokenizer, 2, ids, np.array([0, 1]))  # type: ignore[arg-type]
