"""Words or characters into token ids, with a vocabulary learnt from the training texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from textclf.config.text import TextConfig
from textclf.errors import ConfigError
from textclf.text.splitting import SPLITTERS, in_batches
from textclf.text.tokenizer import VOCABULARY_FILE, Tokenizer
from textclf.text.vocabulary import UNKNOWN_ID, learn_vocabulary, load_vocabulary, save_vocabulary


class WordTokenizer(Tokenizer):
    """Splits texts, looks their tokens up and cuts them to the longest length that the model sees.

    Ids are 0 for padding, 1 for a token that is not in the vocabulary, then the vocabulary's.

    Example:
        >>> tokenizer = WordTokenizer(["[PAD]", "[UNK]", "hello", "你"], TextConfig())
        >>> tokenizer(tf.constant(["Hello 你 there", ""])).numpy().tolist()
        [[2, 3, 1], [0, 0, 0]]
    """

    def __init__(self, vocabulary: Sequence[str], config: TextConfig) -> None:
        """Build the look-up table of a vocabulary that starts with padding and unknown."""
        super().__init__(name="tokenizer")
        self.vocabulary = tuple(vocabulary)
        self.max_tokens = config.max_tokens
        self._split = SPLITTERS[config.tokens]
        tokens = self.vocabulary[UNKNOWN_ID + 1 :]
        ids = range(UNKNOWN_ID + 1, len(self.vocabulary))
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(tokens, tf.string), tf.constant([*ids], tf.int64)),
            default_value=UNKNOWN_ID,
        )

    @classmethod
    def learn(cls, texts: Sequence[str], config: TextConfig) -> "WordTokenizer":
        """Return a tokenizer with the vocabulary of the training texts.

        Raises:
            ConfigError: No token stands in the texts often enough.
        """
        vocabulary = learn_vocabulary(texts, config)
        if len(vocabulary) == UNKNOWN_ID + 1:
            raise ConfigError(
                f"text.min_count: expected tokens that stand at least {config.min_count} times in the training texts, "
                "found none. Lower it, or look whether the texts are empty."
            )
        return cls(vocabulary, config)

    @classmethod
    def load(cls, directory: Path, config: TextConfig) -> "WordTokenizer":
        """Read the tokenizer that `save` wrote into a directory."""
        return cls(load_vocabulary(directory / VOCABULARY_FILE), config)

    def save(self, directory: Path) -> None:
        """Write the vocabulary into a directory."""
        save_vocabulary(self.vocabulary, directory / VOCABULARY_FILE)

    def ragged(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return unpadded ids, ragged int32[batch, (time)], cut to `max_tokens`."""
        tokens = self._split(texts)[:, : self.max_tokens]
        ids = self._table.lookup(tokens.flat_values)
        return tokens.with_flat_values(tf.cast(ids, tf.int32))


def count_tokens(texts: Sequence[str], config: TextConfig) -> np.ndarray:
    """Return how many tokens each text has before it is cut, int64[texts]; needs no vocabulary."""
    split = SPLITTERS[config.tokens]
    return np.concatenate([split(batch).row_lengths().numpy() for batch in in_batches(texts)])
