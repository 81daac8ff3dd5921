"""Words or characters into token ids, with a vocabulary learnt from the training texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from textclf.config.text import TextConfig
from textclf.errors import ConfigError, RunError
from textclf.text.pairs import cut_pair, row_lengths
from textclf.text.splitting import SPLITTERS, in_batches
from textclf.text.tokenizer import VOCABULARY_FILE, Tokenizer
from textclf.text.vocabulary import (
    SEPARATOR,
    SEPARATOR_ID,
    UNKNOWN,
    UNKNOWN_ID,
    learn_vocabulary,
    load_vocabulary,
    save_vocabulary,
)


class WordTokenizer(Tokenizer):
    """Splits texts, looks their tokens up and cuts them to the longest length that the model sees.

    Ids are 0 for padding, 1 for a token that is not in the vocabulary, then the vocabulary's. A vocabulary made for
    pairs has `[SEP]` in its third row, what stands between two texts; no text can put it there.

    Example:
        >>> tokenizer = WordTokenizer(["[PAD]", "[UNK]", "hello", "你"], TextConfig())
        >>> tokenizer(tf.constant(["Hello 你 there", ""])).numpy().tolist()
        [[2, 3, 1], [0, 0, 0]]
        >>> tokenizer = WordTokenizer(["[PAD]", "[UNK]", "[SEP]", "hello"], TextConfig())
        >>> tokenizer(tf.constant(["Hello", ""]), tf.constant(["[SEP]", "hello"])).numpy().tolist()
        [[3, 2, 1, 1, 1], [2, 3, 0, 0, 0]]
    """

    def __init__(self, vocabulary: Sequence[str], config: TextConfig) -> None:
        """Build the look-up table of a vocabulary that starts with padding and unknown, and for pairs the separator."""
        super().__init__(name="tokenizer")
        self.vocabulary = tuple(vocabulary)
        self.max_tokens = config.max_tokens
        self._split = SPLITTERS[config.tokens]
        self.separator_id = SEPARATOR_ID if self.vocabulary[SEPARATOR_ID : SEPARATOR_ID + 1] == (SEPARATOR,) else None
        first = (self.separator_id or UNKNOWN_ID) + 1
        tokens, ids = self.vocabulary[first:], range(first, len(self.vocabulary))
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(tokens, tf.string), tf.constant([*ids], tf.int64)),
            default_value=UNKNOWN_ID,
        )

    @classmethod
    def learn(cls, texts: Sequence[str], config: TextConfig, *, pairs: bool = False) -> "WordTokenizer":
        """Return a tokenizer with the vocabulary of the training texts.

        Args:
            texts: The training texts, of pairs both.
            config: How they are split, and which tokens count.
            pairs: Whether it is to take pairs.

        Raises:
            ConfigError: No token stands in the texts often enough.
        """
        vocabulary = learn_vocabulary(texts, config, separator=pairs)
        if vocabulary[-1] in (UNKNOWN, SEPARATOR):
            raise ConfigError(
                f"text.min_count: expected tokens that stand at least {config.min_count} times in the training texts, "
                "found none. Lower it, or look whether the texts are empty."
            )
        return cls(vocabulary, config)

    @classmethod
    def load(cls, directory: Path, config: TextConfig, *, pairs: bool = False) -> "WordTokenizer":
        """Read what `save` wrote; `RunError` if it is damaged, or is to take pairs and was not made to."""
        path = directory / VOCABULARY_FILE
        tokenizer = cls(load_vocabulary(path), config)
        if pairs and tokenizer.separator_id is None:
            raise RunError(
                f"Expected {SEPARATOR}, which separates the texts of a pair, in the third line of '{path}', found "
                "none: the run was trained on single texts, or the file is damaged. Train it again."
            )
        return tokenizer

    def save(self, directory: Path) -> None:
        """Write the vocabulary into a directory."""
        save_vocabulary(self.vocabulary, directory / VOCABULARY_FILE)

    def ragged(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> tf.RaggedTensor:
        """Return unpadded ids, ragged int32[batch, (time)]: `a`, or `a [SEP] b` for pairs; cut to `max_tokens`."""
        if pairs is None:
            return self._look_up(self._split(texts)[:, : self.max_tokens])
        if self.separator_id is None:
            raise ValueError(f"Expected single texts: the vocabulary has no {SEPARATOR} in its third row, got pairs.")
        first, second = cut_pair(self._split(texts), self._split(pairs), self.max_tokens - 1)
        separators = tf.fill([first.nrows(), 1], self.separator_id)
        return tf.concat([self._look_up(first), separators, self._look_up(second)], axis=1)

    def _look_up(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        ids = self._table.lookup(tokens.flat_values)
        return tokens.with_flat_values(tf.cast(ids, tf.int32))


def count_tokens(texts: Sequence[str], config: TextConfig, pairs: Sequence[str] | None = None) -> np.ndarray:
    """Return how many tokens each row has before it is cut, int64[rows]; needs no vocabulary.

    Args:
        texts: The texts.
        config: How they are split.
        pairs: The second text of each row, if rows are pairs; the separator counts, and a pair counts nothing if one
            of its texts has no token.
    """
    split = SPLITTERS[config.tokens]
    columns = [texts] if pairs is None else [texts, pairs]
    counts = [
        np.concatenate([split(batch).row_lengths().numpy() for batch in in_batches(column)]) for column in columns
    ]
    return row_lengths(counts, special=len(columns) - 1)
