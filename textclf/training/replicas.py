"""Many rows on many replicas, each row once."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from textclf.text.batches import make_dataset, plan_evaluation
from textclf.training.devices import distribute, local_replicas


def on_replicas(strategy: tf.distribute.Strategy, compute: Callable[[tf.Tensor], tf.Tensor]) -> Callable[..., Any]:
    """Return a function that gives each replica's batch and places to it, and its outputs and places back."""
    return tf.function(
        lambda ids, places: strategy.run(lambda own, rows: (compute(own), rows), args=(ids, places)),
        reduce_retracing=True,
    )


def compute_on_replicas(
    strategy: tf.distribute.Strategy,
    compute: Callable[..., Any],
    ids: tf.RaggedTensor,
    width: int,
    batch_size: int,
) -> NDArray[np.float32]:
    """Return what is computed of each row, float32[rows, width], in the order of the rows, on every machine.

    Args:
        strategy: Whose replicas compute; each takes every so manieth batch.
        compute: Made by `on_replicas`, of what returns float32[batch, width] for int32[batch, time].
        ids: Ragged int32[rows, (time)].
        width: Numbers a row.
        batch_size: Most rows at once on a replica.
    """
    replicas = strategy.num_replicas_in_sync
    first, local = local_replicas(strategy)
    plan = plan_evaluation(ids.row_lengths().numpy(), batch_size)
    # The last replicas compute a batch again where there are none left; it gives the same rows the same numbers.
    plan += [plan[-1]] * (-len(plan) % replicas) if plan else []
    here = [batch for start in range(first, len(plan), replicas) for batch in plan[start : start + local]]
    rows = np.arange(ids.nrows(), dtype=np.int32)

    computed = np.zeros((len(rows), width), np.float32)
    for batch in distribute(strategy, make_dataset(ids, rows, here)):
        for outputs, places in _local(strategy, compute(*batch)):
            computed[places] = outputs
    return computed if local == replicas else _merge(strategy, computed, np.concatenate([rows[:0], *here]))


def _local(
    strategy: tf.distribute.Strategy, results: tuple[tf.Tensor, tf.Tensor]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the outputs and the places of each replica of this process."""
    for outputs, places in zip(*map(strategy.experimental_local_results, results), strict=True):
        yield outputs.numpy(), places.numpy()


def _merge(strategy: tf.distribute.Strategy, computed: np.ndarray, here: np.ndarray) -> NDArray[np.float32]:
    """Return the rows that all machines have computed together."""
    counts = np.zeros((len(computed), 1), np.float32)
    counts[here] = 1.0
    total = sum_of_workers(strategy, np.concatenate([computed, counts], axis=1))
    return np.asarray(total[:, :-1] / np.maximum(total[:, -1:], 1.0), np.float32)


def sum_of_workers(strategy: tf.distribute.Strategy, values: np.ndarray) -> NDArray[Any]:
    """Return the sum of the arrays that all machines bring, of one shape and dtype; each machine has to call it."""
    # Each replica brings in what its machine has, so the sums count a machine as often as it has replicas.
    total = strategy.experimental_local_results(_summed(strategy, tf.constant(values)))[0].numpy()
    return np.asarray(total / local_replicas(strategy)[1], values.dtype)


@tf.function(reduce_retracing=True)
def _summed(strategy: tf.distribute.Strategy, values: tf.Tensor) -> Any:
    def add() -> tf.Tensor:
        own = tf.identity(values)  # on the replica's device, where its sum goes too
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)

    return strategy.run(add)
