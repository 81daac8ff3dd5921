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
        separator_id: Id of a token that stands between the texts of a pair and nowhere else; None if there is none.
    """

    vocabulary: tuple[str, ...]
    max_tokens: int
    separator_id: int | None = None

    def ragged(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> tf.RaggedTensor:
        """Return unpadded ids, ragged int32[batch, (time)], cut to `max_tokens`.

        Of a pair that is too long, the longer text loses tokens at its end until both fit.

        Args:
            texts: string[batch], UTF-8; invalid bytes are read as U+FFFD.
            pairs: string[batch], the second text of each row, if rows are pairs.

        Raises:
            ValueError: Pairs came, and it was not made for them.
        """
        raise NotImplementedError

    def save(self, directory: Path) -> None:
        """Write what `load` of the same class reads, files of `TOKENIZER_FILES`, into a directory."""
        raise NotImplementedError

    def __call__(self, texts: tf.Tensor, pairs: tf.Tensor | None = None) -> tf.Tensor:
        """Return ids padded to the longest row of the batch.

        Args:
            texts: string[batch], UTF-8; invalid bytes are read as U+FFFD.
            pairs: string[batch], the second text of each row, if rows are pairs.

        Returns:
            int32[batch, time], time at most `max_tokens`.
        """
        return pad(self.ragged(texts, pairs))

    def encode(self, texts: Sequence[str | bytes], pairs: Sequence[str | bytes] | None = None) -> tf.RaggedTensor:
        """Return the ids of many texts, or pairs, tokenized in batches; ragged int32[rows, (time)] in memory."""
        columns = [texts] if pairs is None else [texts, pairs]
        batches = zip(*map(in_batches, columns), strict=True)
        return tf.concat([self.ragged(*batch) for batch in batches], axis=0)


def pad(ids: tf.RaggedTensor) -> tf.Tensor:
    """Return rows of ids padded to the longest one, int32[batch, time]."""
    # In a loaded export a ragged tensor leaves not even the number of dimensions, and what follows is slower for it.
    return tf.ensure_shape(ids.to_tensor(PADDING_ID), [None, None])
