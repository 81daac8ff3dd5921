"""Strings into token ids: one object for training, evaluation and the export."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from textclf.text.splitting import in_batches
from textclf.text.vocabulary import PADDING_ID

VOCABULARY_FILE, WORDPIECE_FILE = TOKENIZER_FILES = "vocabulary.txt", "wordpiece.json"
"""What a tokenizer may write into a run's directory."""


class Tokenizer(tf.Module):
    """What every tokenizer is: graph ops from strings to ids, and the vocabulary behind them.

    A new one is a subclass in a file of its own that gives `ragged` and `save`; a model says which one it
    takes (`TextModel.make_tokenizer`). Padding is id 0 in all of them.

    Attributes:
        vocabulary: The tokens in the order of their ids.
        max_tokens: Longest output, in tokens.
    """

    vocabulary: tuple[str, ...]
    max_tokens: int

    def ragged(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return unpadded ids, ragged int32[batch, (time)], cut to `max_tokens`.

        Args:
            texts: string[batch], UTF-8; invalid bytes are read as U+FFFD.
        """
        raise NotImplementedError

    def save(self, directory: Path) -> None:
        """Write what `load` of the same class reads, files of `TOKENIZER_FILES`, into a directory."""
        raise NotImplementedError

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Return ids padded to the longest text of the batch.

        Args:
            texts: string[batch], UTF-8; invalid bytes are read as U+FFFD.

        Returns:
            int32[batch, time], time at most `max_tokens`.
        """
        return pad(self.ragged(texts))

    def encode(self, texts: Sequence[str | bytes]) -> tf.RaggedTensor:
        """Return the ids of many texts, tokenized in batches; ragged int32[texts, (time)] in memory."""
        return tf.concat([self.ragged(batch) for batch in in_batches(texts)], axis=0)


def pad(ids: tf.RaggedTensor) -> tf.Tensor:
    """Return rows of ids padded to the longest one, int32[batch, time]."""
    # In a loaded export a ragged tensor leaves not even the number of dimensions, and what follows is slower for it.
    return tf.ensure_shape(ids.to_tensor(PADDING_ID), [None, None])
