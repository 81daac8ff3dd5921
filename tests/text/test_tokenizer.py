"""Strings into ids: the same eagerly, in `tf.data`, in a function, and saved and loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from textclf.config import TextConfig
from textclf.errors import ConfigError, RunError
from textclf.text.words import WordTokenizer, count_tokens

VOCABULARY = ["[PAD]", "[UNK]", "hello", "你", "!", "é", "strasse"]
TEXTS = ["Hello 你好!", "", "ＨＥＬＬＯ e\u0301 Straße", "\0", "hello " * 30, "[PAD] [UNK]", "👍"]
BROKEN = b"\xffhello\xc3"


@pytest.fixture(scope="module")
def tokenizer() -> WordTokenizer:
    return WordTokenizer(VOCABULARY, TextConfig(max_tokens=8))


def batch_of_all() -> tf.Tensor:
    return tf.constant([*TEXTS, BROKEN])


def test_ids(tokenizer: WordTokenizer) -> None:
    ids = tokenizer(batch_of_all())
    assert ids.dtype == tf.int32
    assert ids.numpy().tolist() == [
        [2, 3, 1, 4, 0, 0, 0, 0],
        [0] * 8,
        [2, 5, 6, 0, 0, 0, 0, 0],
        [0] * 8,
        [2] * 8,  # cut to max_tokens
        [1, 1, 1, 1, 1, 1, 0, 0],  # the names of the special ids are text like any other
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 2, 1, 0, 0, 0, 0, 0],
    ]


def test_padding_is_to_the_batch(tokenizer: WordTokenizer) -> None:
    assert tokenizer(tf.constant(["hello", ""])).numpy().tolist() == [[2], [0]]
    assert tokenizer(tf.constant([""])).shape == (1, 0)
    assert tokenizer(tf.constant([], tf.string)).shape == (0, 0)


def test_character_mode() -> None:
    tokenizer = WordTokenizer(["[PAD]", "[UNK]", "h", "你"], TextConfig(tokens="characters"))
    assert tokenizer(tf.constant(["H 你!"])).numpy().tolist() == [[2, 3, 1]]


@pytest.mark.parametrize("texts", [["a b", "c"], ["", " "], []])
def test_texts_without_frequent_tokens_are_refused(texts: list[str]) -> None:
    with pytest.raises(
        ConfigError, match=r"text\.min_count: expected tokens that stand at least 2 times .* found none"
    ):
        WordTokenizer.learn(texts, TextConfig(min_count=2))


def test_eager_is_function_is_dataset_is_saved_and_loaded(
    tokenizer: WordTokenizer, check_same_everywhere: Callable[[Any, tf.Tensor], None]
) -> None:
    check_same_everywhere(tokenizer, batch_of_all())


def test_encode_is_the_call_for_many_texts(tokenizer: WordTokenizer) -> None:
    texts = TEXTS * 300  # more than one batch
    ids = tokenizer.encode(texts)
    assert ids.dtype == tf.int32
    assert ids[: len(TEXTS)].to_list() == tokenizer.ragged(tf.constant(TEXTS)).to_list()
    np.testing.assert_array_equal(ids.to_tensor(), tokenizer(tf.constant(texts)))


def test_encode_takes_no_texts(tokenizer: WordTokenizer) -> None:
    assert tokenizer.encode([]).shape.as_list() == [0, None]


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_have_ids(texts: list[bytes]) -> None:
    ids = ANY(tf.constant(texts, tf.string)).numpy()
    assert ids.shape[0] == len(texts) and ids.shape[1] <= 8
    assert ((ids >= 0) & (ids < len(VOCABULARY))).all()
    # Padding stands at the ends only, so that the lengths are what is not padding.
    assert (np.diff((ids != 0).astype(int), axis=1) <= 0).all()


ANY = WordTokenizer(VOCABULARY, TextConfig(max_tokens=8))


def test_save_and_load(tokenizer: WordTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = WordTokenizer.load(tmp_path, TextConfig(max_tokens=8))
    assert loaded.vocabulary == tokenizer.vocabulary
    np.testing.assert_array_equal(loaded(batch_of_all()), tokenizer(batch_of_all()))


def test_load_without_a_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"lacks vocabulary\.txt, the vocabulary: copy"):
        WordTokenizer.load(tmp_path, TextConfig())


def test_learn_gives_every_training_token_an_id() -> None:
    tokenizer = WordTokenizer.learn(["b a b", "我 B"], TextConfig(min_count=1))
    assert tokenizer.vocabulary == ("[PAD]", "[UNK]", "b", "a", "我")
    assert tokenizer(tf.constant(["我ab c"])).numpy().tolist() == [[4, 1, 1]]


def test_count_tokens_counts_before_the_cut() -> None:
    counts = count_tokens(TEXTS, TextConfig(max_tokens=8))
    assert counts.dtype == np.int64
    assert counts.tolist() == [4, 0, 3, 0, 30, 6, 1]
    assert count_tokens(["ab 我"], TextConfig(tokens="characters")).tolist() == [3]
    assert count_tokens([], TextConfig()).shape == (0,)
    assert count_tokens(["a b"] * 2100, TextConfig()).tolist() == [2] * 2100
