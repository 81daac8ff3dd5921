"""Long texts in windows: one row of ids becomes several that an encoder of limited length can read."""

import tensorflow as tf

from textclf.text.vocabulary import PADDING_ID


def cut_windows(
    ids: tf.Tensor, width: int, stride: int, cls_id: int | tf.Tensor, sep_id: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return each text in windows that overlap, the last one ending with the text.

    A text that fits into one window is one window, with the ids it had. How a text is cut depends on itself alone.

    Args:
        ids: int32[batch, time], `[CLS] tokens [SEP]` and padding.
        width: Longest window, with `[CLS]` and `[SEP]`.
        stride: Tokens from the beginning of a window to that of the next, at most `width - 2`.
        cls_id: Id of `[CLS]`, which every window starts with.
        sep_id: Id of `[SEP]`, which every window ends with.

    Returns:
        int32[windows, time of the longest window], and int32[windows], the row of the text that a window is of,
        ascending.

    Example:
        >>> windows, rows = cut_windows(tf.constant([[1, 5, 6, 7, 8, 2], [1, 9, 2, 0, 0, 0]]), 4, 2, 1, 2)
        >>> windows.numpy().tolist(), rows.numpy().tolist()
        ([[1, 5, 6, 2], [1, 7, 8, 2], [1, 9, 2, 0]], [0, 0, 1])
    """
    room = width - 2
    ids = tf.pad(ids, [[0, 0], [0, 1]])  # there is a place to look at, even in rows of no tokens
    lengths = tf.maximum(tf.math.count_nonzero(ids != PADDING_ID, axis=1, dtype=tf.int32) - 2, 0)  # (batch,)
    counts = 1 + tf.maximum(lengths - room + stride - 1, 0) // stride  # (batch,)
    rows = tf.repeat(tf.range(tf.shape(ids)[0]), counts)  # (windows,)
    first = tf.gather(tf.cumsum(counts, exclusive=True), rows)  # (windows,), the number of the text's first window
    starts = (tf.range(tf.shape(rows)[0]) - first) * stride  # (windows,)
    sizes = tf.minimum(tf.gather(lengths, rows) - starts, room)  # (windows,)
    longest = tf.maximum(tf.reduce_max(sizes), 0)  # of no windows, the maximum is the smallest number there is
    offsets = tf.range(longest + 2)[tf.newaxis, :]  # (1, time)
    places = tf.minimum(starts[:, tf.newaxis] + offsets, tf.shape(ids)[1] - 1)  # (windows, time), in the text's row
    windows = tf.gather(tf.gather(ids, rows), places, batch_dims=1)  # (windows, time)
    ends = sizes[:, tf.newaxis] + 1  # (windows, 1)
    windows = tf.where(offsets == 0, cls_id, tf.where(offsets == ends, sep_id, windows))
    return tf.where(offsets > ends, PADDING_ID, windows), rows
