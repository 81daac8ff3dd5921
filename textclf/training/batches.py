"""Training batches, cut into the shares of replicas and parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from textclf.errors import ConfigError, did_you_mean
from textclf.text.vocabulary import PADDING_ID
from textclf.training.prediction import Encoded


@dataclass(frozen=True)
class Shares:
    """How many ways a batch is cut.

    Attributes:
        replicas: Replicas of the model, on all machines together.
        parts: Parts that a replica takes one after another.
        first: Number of this process's first replica.
        local: Replicas of this process.
    """

    replicas: int = 1
    parts: int = 1
    first: int = 0
    local: int = 1


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """The batches of an epoch, or of the rest of one.

    Every row of a batch is in the share of one replica. Shares of a batch are equally long: where its rows cannot be
    shared evenly, one of them stands in again, with weight zero.

    Attributes:
        batches: The rows of each batch.
        lengths: int[rows], tokens of every row of the split.
        shares: How each batch is cut.
        widths: Lengths that batches are padded to, in ascending order; if empty, to that of the longest row.
        batch_size: Rows that a share is made for if `widths` are given; shapes are then the same in every batch.
    """

    batches: Sequence[np.ndarray]
    lengths: np.ndarray
    shares: Shares = Shares()
    widths: tuple[int, ...] = ()
    batch_size: int = 0

    def __len__(self) -> int:
        return len(self.batches)

    @cached_property
    def tokens(self) -> np.ndarray:
        """Tokens of each batch, int64[batches]."""
        return np.array([self.lengths[batch].sum() for batch in self.batches], np.int64)

    @cached_property
    def cells(self) -> np.ndarray:
        """What is computed of each batch on all replicas, in tokens with padding, int64[batches]."""
        cells = [sum(len(share) * self.width(share) for share in shares) for shares in self._cuts]
        return np.array(cells, np.int64)

    def width(self, share: np.ndarray) -> int:
        """Return the length that a replica's share, int64[rows] as `local_shares` gives it, is padded to."""
        longest = int(self.lengths[_row(share)].max())
        return next((width for width in self.widths if width >= longest), longest)

    def local_shares(self) -> list[np.ndarray]:
        """Return the share of each replica of this process, batch by batch, int64[parts * rows].

        A row that only fills up is given as -1 minus its number.
        """
        here = slice(self.shares.first, self.shares.first + self.shares.local)
        return [share for shares in self._cuts for share in shares[here]]

    @cached_property
    def _cuts(self) -> list[np.ndarray]:
        return [self._cut(batch) for batch in self.batches]

    def _cut(self, batch: np.ndarray) -> np.ndarray:
        """Return the shares of a batch, int64[replicas, parts * rows]."""
        pieces = self.shares.replicas * self.shares.parts
        size = -(-max(len(batch), self.batch_size if self.widths else 0) // pieces)
        padded = np.full(size * pieces, -1 - batch[0], np.int64)
        padded[: len(batch)] = batch
        # Neighbours are of about one length, so every piece gets each so many of them.
        return padded.reshape(size, pieces).T.reshape(self.shares.replicas, -1)


def choose_widths(lengths: np.ndarray, count: int) -> tuple[int, ...]:
    """Return the lengths to pad to that leave the least padding, as multiples of eight; the last one fits all rows.

    Args:
        lengths: int[rows], the texts' lengths in tokens.
        count: Most lengths.

    Example:
        >>> choose_widths(np.array([3] * 90 + [14] * 9 + [70]), 2)
        (8, 72)
    """
    needed, rows = np.unique(np.maximum(-(-lengths // 8) * 8, 8), return_counts=True)
    below = np.concatenate([[0], np.cumsum(rows)])  # rows that are shorter than each
    # cost[i]: tokens of the rows up to the i-th length, padded by the best so many widths, of which that is the last.
    cost = needed * below[1:]
    previous: list[np.ndarray] = []
    for _ in range(min(count, len(needed)) - 1):
        # What the rows after the j-th length take if they are padded to the i-th.
        spans = needed[:, np.newaxis] * (below[1:, np.newaxis] - below[np.newaxis, 1:])
        options = np.where(spans >= 0, cost[np.newaxis, :] + spans, np.iinfo(np.int64).max)
        previous.append(options.argmin(axis=1))
        cost = options.min(axis=1)
    chosen = [len(needed) - 1]
    for best in reversed(previous):
        chosen.append(int(best[chosen[-1]]))
    return tuple(int(needed[index]) for index in sorted(set(chosen)))


def make_batches(split: Encoded, row_weights: np.ndarray, plan: BatchPlan) -> tf.data.Dataset:
    """Return this process's shares as a `tf.data` pipeline, one element a replica, batch by batch.

    Args:
        split: The rows.
        row_weights: float32[rows], the weight of each row's loss.
        plan: The batches.

    Returns:
        A dataset of (ids int32[parts, rows, time], targets int32[parts, rows], weights float32[parts, rows], and the
        number of rows in the whole batch, float32[]).
    """
    shares = plan.local_shares()
    rows = tf.RaggedTensor.from_row_lengths(np.concatenate(shares), [len(share) for share in shares])
    totals = np.repeat([np.float32(len(batch)) for batch in plan.batches], plan.shares.local)
    widths = np.array([plan.width(share) for share in shares], np.int32)
    targets, weights = tf.constant(split.targets, tf.int32), tf.constant(row_weights, tf.float32)
    parts = plan.shares.parts

    def gather(share: tf.Tensor, total: tf.Tensor, width: tf.Tensor) -> tuple[tf.Tensor, ...]:
        row = _row(share)
        ids = tf.gather(split.ids, row).to_tensor(PADDING_ID)  # (parts * rows, time)
        ids = tf.pad(ids, [[0, 0], [0, width - tf.shape(ids)[1]]], constant_values=PADDING_ID)
        weight = tf.gather(weights, row) * tf.cast(share >= 0, tf.float32)
        shape = [parts, tf.size(row) // parts]
        target = tf.gather(targets, row)
        return tf.reshape(ids, [*shape, width]), tf.reshape(target, shape), tf.reshape(weight, shape), total

    return tf.data.Dataset.from_tensor_slices((rows, totals, widths)).map(gather).prefetch(2 * plan.shares.local)


def _row(share: np.ndarray) -> np.ndarray:
    """Return the numbers of the rows of a share, those that fill up too; an array or a tensor."""
    where = np.where if isinstance(share, np.ndarray) else tf.where
    return where(share < 0, -1 - share, share)


def weigh_rows(
    targets: np.ndarray, labels: Sequence[str], setting: str | Mapping[str, float] | None
) -> NDArray[np.float32]:
    """Return the weight of each row's loss, float32[rows].

    Args:
        targets: int32[rows], positions in the labels.
        labels: The label vocabulary.
        setting: `balanced`, with which all labels have the same sum and the mean over the rows is one; the weights of
            some labels, the others having 1; None gives every row 1.

    Raises:
        ConfigError: A label of the setting is not in the vocabulary.
    """
    weights = np.ones(len(labels), np.float32)
    if setting == "balanced":
        counts = np.bincount(targets, minlength=len(labels))
        weights = (len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1))).astype(np.float32)
    elif isinstance(setting, Mapping):
        for label, weight in setting.items():
            if label not in labels:
                hint = did_you_mean(label, labels)
                raise ConfigError(f"training.class_weights: there is no label '{label}' in the training data.{hint}")
            weights[labels.index(label)] = weight
    return weights[targets]
