"""Texts and targets into padded batches: which texts stand together, and the `tf.data` pipeline."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from textclf.text.vocabulary import PADDING_ID


def plan_epoch(lengths: np.ndarray, batch_size: int, groups: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Return the rows of every training batch of an epoch: a function of (seed, epoch), nothing else.

    The rows are shuffled; then runs of `groups` batches are sorted by length and cut into batches, so that
    texts of about one length meet and little padding is computed; then the batches are shuffled. Each row
    comes exactly once.

    Args:
        lengths: int[rows], the texts' lengths in tokens.
        batch_size: Rows in a batch; the last one can hold fewer.
        groups: Batches that are sorted together; 1 leaves the order random.
        seed: The run's seed.
        epoch: Number of the epoch, from 0.

    Returns:
        int64[rows of the batch], one array a batch.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    run = batch_size * groups
    # A stable sort keeps the random order among texts of one length.
    by_length = [part[np.argsort(lengths[part], kind="stable")] for part in _cut(order, run)]
    batches = [batch for part in by_length for batch in _cut(part, batch_size)]
    return [batches[index] for index in random.permutation(len(batches))]


def plan_evaluation(lengths: np.ndarray, batch_size: int, most_tokens: int = 16_384) -> list[np.ndarray]:
    """Return the rows of every batch for scoring: sorted by length, each row once.

    Args:
        lengths: int[rows], the texts' lengths in tokens.
        batch_size: Most rows in a batch.
        most_tokens: Most tokens in a batch of more than one row, padding counted, so that memory is bounded whatever
            the lengths are.

    Returns:
        int64[rows of the batch], one array a batch.
    """
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        batch = order[start : start + batch_size]
        # Of rows sorted by length, so many stay below the limit as the last of them allows.
        fits = int(np.count_nonzero(lengths[batch] * np.arange(1, len(batch) + 1) <= most_tokens))
        batches.append(batch[: max(fits, 1)])
        start += len(batches[-1])
    return batches


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def make_dataset(ids: tf.RaggedTensor, targets: np.ndarray, plan: Sequence[np.ndarray]) -> tf.data.Dataset:
    """Return the batches of a plan as a `tf.data` pipeline.

    Args:
        ids: Ragged int32[rows, (time)].
        targets: int32[rows].
        plan: The rows of each batch.

    Returns:
        A dataset of (int32[batch, time] padded to its longest row, int32[batch]).
    """
    sizes = np.array([len(batch) for batch in plan], np.int64)
    rows = tf.RaggedTensor.from_row_lengths(np.concatenate([np.zeros(0, np.int64), *plan]), sizes)
    targets = tf.constant(targets, tf.int32)

    def gather(batch: tf.RaggedTensor | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        padded = tf.gather(ids, batch).to_tensor(PADDING_ID)
        return tf.ensure_shape(padded, [None, None]), tf.gather(targets, batch)

    return tf.data.Dataset.from_tensor_slices(rows).map(gather).prefetch(2)


def compute_rows(
    compute: Callable[[tf.Tensor], tf.Tensor],
    ids: tf.RaggedTensor,
    width: int,
    batch_size: int,
    watch: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> NDArray[np.float32]:
    """Return what is computed of each row, float32[rows, width], in the order of the rows.

    Args:
        compute: Returns float32[batch, width] for int32[batch, time].
        ids: Ragged int32[rows, (time)].
        width: Numbers a row.
        batch_size: Most rows at once; those of about one length come together.
        watch: Is handed the batches' numbers and hands them on, such as a progress bar.
    """
    rows = np.arange(ids.nrows(), dtype=np.int32)
    computed = np.zeros((len(rows), width), np.float32)
    plan = plan_evaluation(ids.row_lengths().numpy(), batch_size)
    # Each batch comes with its rows' numbers, where a training batch has its targets.
    for _, (batch, places) in zip(watch(range(len(plan))), make_dataset(ids, rows, plan), strict=True):
        computed[places.numpy()] = compute(batch).numpy()
    return computed
