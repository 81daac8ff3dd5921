"""Two texts in one row of tokens: what stays of a pair that is too long, and how long a row would be."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def cut_pair(first: tf.RaggedTensor, second: tf.RaggedTensor, room: int) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Return the tokens of both texts, together at most as many as there is room for.

    The longer text loses tokens at its end until both fit, as with Hugging Face's `longest_first`.

    Args:
        first: Ragged [batch, (time)], the tokens of the first texts.
        second: Ragged [batch, (time)], those of the second texts.
        room: Most tokens of a pair.

    Example:
        >>> first, second = tf.ragged.constant([[1, 2, 3, 4]]), tf.ragged.constant([[5]])
        >>> [part.to_list() for part in cut_pair(first, second, 3)]
        [[[1, 2]], [[5]]]
    """
    lengths, others = first.row_lengths(), second.row_lengths()
    half = (room + tf.cast(lengths > others, lengths.dtype)) // 2  # the longer one gets the odd token
    first = _heads(first, tf.maximum(room - others, half))
    return first, _heads(second, room - first.row_lengths())


def _heads(tokens: tf.RaggedTensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    """Return the first tokens of each row, at most as many as `lengths`, int64[batch], says."""
    starts = tokens.row_starts()
    places = tf.ragged.range(starts, tf.minimum(starts + lengths, tokens.row_limits()))
    return places.with_flat_values(tf.gather(tokens.flat_values, places.flat_values))


def row_lengths(lengths: Sequence[np.ndarray], special: int) -> np.ndarray:
    """Return the tokens of each row before it is cut, int64[rows]; 0 where one of its texts has none.

    Args:
        lengths: int64[rows], tokens of each text; of pairs, those of the second texts too.
        special: Tokens of a row that stand around and between its texts.

    Example:
        >>> row_lengths([np.array([3, 2]), np.array([4, 0])], special=1).tolist()
        [8, 0]
    """
    return np.where(np.min(lengths, axis=0) > 0, np.sum(lengths, axis=0) + special, 0)
