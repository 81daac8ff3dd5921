"""Pairs of texts into ids: as a plain reference in Python has them, whoever tokenizes and wherever it runs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf.config import TextConfig
from textclf.errors import ConfigError, RunError
from textclf.text.pairs import cut_pair
from textclf.text.tokenizer import Tokenizer
from textclf.text.vocabulary import SEPARATOR, SEPARATOR_ID, learn_vocabulary, load_vocabulary, save_vocabulary
from textclf.text.wordpiece import WordPieceTokenizer
from textclf.text.words import WordTokenizer, count_tokens

TOKENS = ["hello", "你", "!", "[", "]", "sep"]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *TOKENS]
TEXTS = ["Hello 你!", "", "[SEP] hello", "你 " * 9, "\0", "hello " * 4]
PAIRS = ["", "!", "hello [SEP]", "hello", "你", "! " * 30]

Make = Callable[[int], Tokenizer]


def of_words(max_tokens: int) -> Tokenizer:
    return WordTokenizer(["[PAD]", "[UNK]", "[SEP]", *TOKENS], TextConfig(max_tokens=max_tokens))


def of_characters(max_tokens: int) -> Tokenizer:
    vocabulary = ["[PAD]", "[UNK]", "[SEP]", "h", "e", "你", "["]
    return WordTokenizer(vocabulary, TextConfig(tokens="characters", max_tokens=max_tokens))


def of_pieces(max_tokens: int) -> Tokenizer:
    return WordPieceTokenizer(PIECES, lowercase=True, max_tokens=max_tokens)


MADE = {"words": of_words, "characters": of_characters, "pieces": of_pieces}
LARGE = {name: make(1000) for name, make in MADE.items()}
SMALL = {name: make(7) for name, make in MADE.items()}


def cut(first: list[int], second: list[int], room: int) -> tuple[list[int], list[int]]:
    """Leave the shorter text whole, up to half of the room, and the longer one what is left of it."""
    if len(first) + len(second) <= room:
        return first, second
    kept = min(len(first), len(second), room // 2)
    return (first[: room - kept], second[:kept]) if len(first) > len(second) else (first[:kept], second[: room - kept])


def reference(name: str, rows: list[tuple[bytes, bytes]], max_tokens: int) -> list[list[int]]:
    """Put pairs together of the ids that their texts have alone."""
    tokenizer = LARGE[name]
    alone = [tokenizer.encode([row[part] for row in rows]).to_list() for part in (0, 1)]
    ids = []
    for first, second in zip(*alone, strict=True):
        if isinstance(tokenizer, WordPieceTokenizer):
            first, second = cut(first[1:-1], second[1:-1], max_tokens - 3)
            ids.append([tokenizer.cls_id, *first, tokenizer.sep_id, *second, tokenizer.sep_id])
        else:
            first, second = cut(first, second, max_tokens - 1)
            ids.append([*first, SEPARATOR_ID, *second])
    return ids


rows = st.lists(st.tuples(*[st.binary(max_size=30) | st.text("你hello [SEP]!", max_size=30).map(str.encode)] * 2))


@pytest.mark.parametrize("name", MADE)
@settings(max_examples=30)
@given(rows=rows)
def test_ids_are_those_of_the_reference(name: str, rows: list[tuple[bytes, bytes]]) -> None:
    texts, pairs = (tf.constant([row[part] for row in rows], tf.string) for part in (0, 1))
    for tokenizers, max_tokens in ((SMALL, 7), (LARGE, 1000)):
        assert tokenizers[name].ragged(texts, pairs).to_list() == reference(name, rows, max_tokens)


@settings(max_examples=50)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(2, 14))
def test_the_longer_text_loses_tokens_at_its_end(first: int, second: int, room: int) -> None:
    parts = [list(range(first)), list(range(100, 100 + second))]
    found = cut_pair(
        *(tf.RaggedTensor.from_row_lengths(tf.constant(part, tf.int32), [len(part)]) for part in parts), room
    )
    assert [part.to_list()[0] for part in found] == [*cut(*parts, room)]


@pytest.mark.parametrize("name", MADE)
def test_eager_is_function_is_dataset_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    tokenizer, texts, pairs = SMALL[name], tf.constant(TEXTS), tf.constant(PAIRS)
    expected = tokenizer(texts, pairs).numpy()
    assert expected.dtype == np.int32
    function = tf.function(tokenizer.__call__, input_signature=[tf.TensorSpec([None], tf.string)] * 2)
    np.testing.assert_array_equal(function(texts, pairs), expected)
    (batch,) = tf.data.Dataset.from_tensor_slices((texts, pairs)).batch(len(TEXTS)).map(tokenizer)
    np.testing.assert_array_equal(batch, expected)
    module = tf.Module()
    module.tokenizer, module.serve = tokenizer, function
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_array_equal(loaded.serve(texts, pairs), expected)
    none = tf.constant([], tf.string)
    assert loaded.serve(none, none).shape == (0, 0)


@pytest.mark.parametrize("name", MADE)
def test_many_pairs_have_the_ids_that_each_has_alone(name: str) -> None:
    tokenizer = SMALL[name]
    ids = tokenizer.encode(TEXTS * 300, PAIRS * 300)  # more than one batch
    alone = [tokenizer.encode([text], [pair]).to_list()[0] for text, pair in zip(TEXTS, PAIRS, strict=True)]
    assert ids.to_list() == alone * 300
    assert tokenizer.encode([], []).shape.as_list() == [0, None]


def test_no_text_has_the_separator() -> None:
    texts = ["[SEP]", "[sep]", "［ＳＥＰ］", "a[SEP]b"]
    for name in ("words", "characters"):
        assert SEPARATOR_ID not in LARGE[name].encode(texts).flat_values.numpy()
        for row in LARGE[name].encode(texts, texts).to_list():
            assert row.count(SEPARATOR_ID) == 1
    for tokens in ("words", "characters"):
        config = TextConfig(tokens=tokens, min_count=1)
        assert SEPARATOR not in learn_vocabulary(texts, config)
        assert learn_vocabulary(texts, config, separator=True).count(SEPARATOR) == 1


def test_only_a_vocabulary_for_pairs_has_the_separator() -> None:
    config = TextConfig(min_count=1)
    single = WordTokenizer.learn(["b a b"], config)
    assert (single.vocabulary, single.separator_id) == (("[PAD]", "[UNK]", "b", "a"), None)
    paired = WordTokenizer.learn(["b a b"], config, pairs=True)
    assert (paired.vocabulary, paired.separator_id) == (("[PAD]", "[UNK]", "[SEP]", "b", "a"), 2)
    assert learn_vocabulary(["b a b"], TextConfig(min_count=1, max_size=4), separator=True)[3:] == ["b"]
    with pytest.raises(ValueError, match=r"Expected single texts: the vocabulary has no \[SEP\]"):
        single(tf.constant(["a"]), tf.constant(["b"]))
    with pytest.raises(ConfigError, match="found none"):
        WordTokenizer.learn(["a b"], TextConfig(), pairs=True)


def test_a_single_text_has_ids_without_the_separator() -> None:
    assert SMALL["words"](tf.constant(["hello 你"])).numpy().tolist() == [[3, 4]]


def test_saved_and_loaded(tmp_path: Path) -> None:
    tokenizer, config = of_words(7), TextConfig(max_tokens=7)
    tokenizer.save(tmp_path)
    loaded = WordTokenizer.load(tmp_path, config, pairs=True)
    np.testing.assert_array_equal(loaded(tf.constant(TEXTS), tf.constant(PAIRS)), tokenizer(TEXTS, PAIRS))
    # What reads no pairs, such as an older release, takes the separator for a token that no text has.
    assert load_vocabulary(tmp_path / "vocabulary.txt")[2:4] == ["[SEP]", "hello"]
    save_vocabulary(["[PAD]", "[UNK]", "hello"], tmp_path / "vocabulary.txt")
    with pytest.raises(RunError, match=r"Expected \[SEP\], .* in the third line of .* found none"):
        WordTokenizer.load(tmp_path, config, pairs=True)


def test_lengths_are_of_what_the_model_would_see_of_a_pair() -> None:
    counts = count_tokens(TEXTS, TextConfig(max_tokens=7), PAIRS)
    assert counts.tolist() == [0, 0, 4 + 1 + 4, 9 + 1 + 1, 0, 4 + 1 + 30]
    whole = LARGE["words"].encode(TEXTS, PAIRS).row_lengths().numpy()
    assert [int(length) for length in counts if length] == whole[counts > 0].tolist()
    assert count_tokens([], TextConfig(), []).shape == (0,)
