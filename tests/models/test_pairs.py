"""What models make of pairs: n-grams end at the separator, and neighbours and padding change nothing."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from textclf.config import LinearConfig, TextConfig
from textclf.errors import ConfigError
from textclf.models.base import TextModel
from textclf.models.builder import load_model, save_model
from textclf.models.linear import Linear, feature_keys
from textclf.models.textcnn import TextCNN, hash_bigrams
from textclf.text.words import WordTokenizer

SEP = 2
Ngram = tuple[int, ...]


def ngrams(ids: list[int], longest: int) -> list[Ngram]:
    """Return the n-grams of a text, the plain way."""
    return [tuple(ids[i : i + size]) for size in range(1, longest + 1) for i in range(len(ids) - size + 1)]


def features(first: list[int], second: list[int], longest: int) -> Counter[tuple[str, Ngram]]:
    """Return the features of a pair, the plain way, with their counts."""
    parts = ngrams(first, longest), ngrams(second, longest)
    found = Counter([("first", ngram) for ngram in parts[0]] + [("second", ngram) for ngram in parts[1]])
    return found + Counter(("both", ngram) for ngram in set(parts[0]) & set(parts[1]))


def pad(rows: list[list[int]], extra: int = 0) -> tf.Tensor:
    width = max(map(len, rows), default=0) + extra
    return tf.constant([row + [0] * (width - len(row)) for row in rows], tf.int32, (len(rows), width))


ids = st.lists(st.sampled_from([1, 3, 4, 5]), max_size=5)


@settings(max_examples=50)
@given(st.lists(st.tuples(ids, ids), max_size=4), st.integers(1, 3), st.integers(0, 3))
def test_every_feature_of_a_pair_has_a_key_of_its_own(
    pairs: list[tuple[list[int], list[int]]], longest: int, extra: int
) -> None:
    keys = feature_keys(pad([[*first, SEP, *second] for first, second in pairs], extra), 6, longest, SEP).numpy()
    owners: dict[int, tuple[str, Ngram]] = {}
    for (first, second), row in zip(pairs, keys, strict=True):
        counted = Counter(int(key) for key in row if key != -1)
        expected = features(first, second, longest)
        assert sorted(counted.values()) == sorted(expected.values())
        kinds = Counter(("first", "second", "both")[key % 3] for key in counted.elements())
        assert kinds == Counter(kind for kind, _ in expected.elements())
        numbers = {ngram: sum(digit * 6**place for place, digit in enumerate(ngram[::-1])) for _, ngram in expected}
        for kind, ngram in expected:
            key = 3 * numbers[ngram] + ("first", "second", "both").index(kind)
            assert counted[key] == expected[kind, ngram]
            assert owners.setdefault(key, (kind, ngram)) == (kind, ngram)


def test_the_largest_vocabulary_has_keys_that_fit() -> None:
    largest = 1_400_000
    keys = feature_keys(tf.constant([[largest - 1] * 3 + [SEP] + [largest - 1] * 3]), largest, 3, SEP).numpy()
    assert keys.max() == 3 * (largest**3 - 1) + 2
    tokenizer = WordTokenizer(["[PAD]", "[UNK]", "[SEP]", "a"], TextConfig())
    tokenizer.vocabulary = tuple("a" * (largest + 1))
    with pytest.raises(ConfigError, match="linear takes a vocabulary of at most 1400000 tokens, got 1400001"):
        Linear.solve(LinearConfig(), tokenizer, 2, tf.ragged.constant([[1]]), np.array([0]))


def test_no_bigram_goes_across_the_separator() -> None:
    row = tf.constant([[3, 4, SEP, 5, 1, 3, 0]])
    assert hash_bigrams(row, 7, SEP)[1].numpy().tolist() == [[True, False, False, False, False, False, False]]
    # Of single texts, 2 is a token like others.
    assert hash_bigrams(row, 7)[1].numpy().tolist() == [[True, True, True, False, False, False, False]]


def make_corpus(rows: int = 80) -> tuple[WordTokenizer, list[str], list[str], np.ndarray]:
    """Return pairs that have a class by whether they share a word, and a tokenizer for them."""
    generator = np.random.default_rng(3)
    texts = [[f"w{word}" for word in generator.integers(0, 9, generator.integers(1, 8))] for _ in range(2 * rows)]
    targets = np.array([int(bool({*first} & {*second})) for first, second in zip(texts[::2], texts[1::2], strict=True)])
    joined = [" ".join(text) for text in texts]
    return WordTokenizer.learn(joined, TextConfig(min_count=1), pairs=True), joined[::2], joined[1::2], targets


@pytest.mark.parametrize("options", [LinearConfig(), LinearConfig(max_ngram=1, min_count=2)], ids=str)
def test_the_linear_models_logits_are_scikit_learns(options: LinearConfig) -> None:
    tokenizer, texts, pairs, targets = make_corpus()
    model = Linear.solve(options, tokenizer, 2, tokenizer.encode(texts, pairs), targets)
    columns = tokenizer.encode(texts).to_list(), tokenizer.encode(pairs).to_list()
    counted = [features(first, second, options.max_ngram) for first, second in zip(*columns, strict=True)]
    rows_with = Counter(feature for counts in counted for feature in counts)
    kept = [
        {str(feature): count for feature, count in counts.items() if rows_with[feature] >= options.min_count}
        for counts in counted
    ]
    regression = LogisticRegression(C=options.inverse_regularization, max_iter=options.max_iterations)
    pipeline = make_pipeline(DictVectorizer(), TfidfTransformer(sublinear_tf=True), regression).fit(kept, targets)
    logits = model(tokenizer(tf.constant(texts), tf.constant(pairs))).numpy()
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], pipeline.decision_function(kept), atol=1e-4)


def linear() -> tuple[TextModel, Any]:
    tokenizer, texts, pairs, targets = make_corpus()
    return Linear.solve(LinearConfig(), tokenizer, 2, tokenizer.encode(texts, pairs), targets), tokenizer


def textcnn() -> tuple[TextModel, Any]:
    tokenizer, *_ = make_corpus()
    options = {"embedding_dim": 8, "num_filters": 4, "bigram_buckets": 11, "bag_of_vectors": True}
    model = TextCNN(len(tokenizer.vocabulary), 2, options, tokenizer.separator_id)
    generator = np.random.default_rng(0)
    for variable in model.variables:
        if variable.dtype != "uint32":  # the state of the dropout
            variable.assign(generator.normal(size=variable.shape))
    return model, tokenizer


MADE = {"linear": linear, "textcnn": textcnn}


@pytest.mark.parametrize("name", MADE)
def test_a_pair_has_the_logits_it_has_alone(name: str) -> None:
    model, tokenizer = MADE[name]()
    texts, pairs = ["w1 w2", "", "w3", "w4 w5 w6", ""], ["w2 w3 w4 w5", "w1", "", "w4", ""]
    rows = list(zip(texts, pairs, strict=True))
    alone = np.concatenate([model(tokenizer(tf.constant([text]), tf.constant([pair]))) for text, pair in rows])
    together = tokenizer(tf.constant(texts), tf.constant(pairs))
    function = tf.function(lambda ids: model(ids), input_signature=[tf.TensorSpec([None, None], tf.int32)])
    for extra in (0, 1, 7):
        padded = tf.pad(together, [[0, 0], [0, extra]])
        np.testing.assert_allclose(model(padded), alone, atol=1e-5)
        np.testing.assert_allclose(function(padded), alone, atol=1e-5)
    assert function(tf.zeros((0, 0), tf.int32)).shape == (0, 2)
    # Which text comes first counts.
    assert not np.allclose(model(tokenizer(tf.constant(pairs), tf.constant(texts))), alone, atol=1e-3)


@pytest.mark.parametrize("name", MADE)
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    model, tokenizer = MADE[name]()
    save_model(model, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", name)
    rows = tokenizer(tf.constant(["w1 w2", "w3"]), tf.constant(["w1", "w4 w5"]))
    np.testing.assert_array_equal(loaded(rows), model(rows))
    assert loaded.get_config()["separator_id"] == SEP


@pytest.mark.parametrize("make", [linear, textcnn])
def test_a_model_that_was_saved_before_there_were_pairs_takes_single_texts(
    make: Callable[[], tuple[TextModel, Any]],
) -> None:
    model, _ = make()
    config = {name: value for name, value in model.get_config().items() if name != "separator_id"}
    assert type(model).from_config(config).get_config()["separator_id"] is None
