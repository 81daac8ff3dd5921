"""Losses, probabilities and decisions of the tasks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from textclf.models.tasks import TASKS, SingleLabel, Task

TASK = SingleLabel()
logit_batches = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=st.floats(-50.0, 50.0, width=32)
)


@given(logit_batches, st.sampled_from([0.0, 0.1, 0.5]))
def test_losses_are_those_of_keras(logits: np.ndarray, smoothing: float) -> None:
    rows, classes = logits.shape
    targets = np.arange(rows) % classes
    losses = TASK.losses(tf.constant(targets, tf.int32), tf.constant(logits), smoothing)
    reference = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction=None)
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(losses, reference(np.eye(classes)[targets], logits), rtol=1e-4, atol=1e-4)


def test_losses_without_smoothing_are_the_sparse_ones() -> None:
    logits = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    targets = np.arange(7, dtype=np.int32) % 4
    reference = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)
    np.testing.assert_allclose(TASK.losses(targets, logits), reference(targets, logits), rtol=1e-5)


@given(logit_batches)
def test_probabilities_sum_to_one_and_keep_the_order(logits: np.ndarray) -> None:
    probabilities = TASK.probabilities(tf.constant(logits)).numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    rows = np.arange(len(logits))
    assert (probabilities[rows, logits.argmax(axis=1)] == probabilities.max(axis=1)).all()


def test_half_precision_logits_have_whole_losses_and_probabilities() -> None:
    logits = tf.constant([[1.0, 2.0]], tf.bfloat16)
    assert TASK.probabilities(logits).dtype == TASK.losses(tf.constant([1]), logits).dtype == tf.float32


def test_decisions() -> None:
    assert TASK.decide(np.array([[0.2, 0.8], [0.5, 0.5]])).tolist() == [1, 0]
    assert TASK.decide(np.zeros((0, 3))).shape == (0,)


def test_encode() -> None:
    encoded = TASK.encode(["b", "a", "b"], ["a", "b"])
    assert encoded.dtype == np.int32
    assert encoded.tolist() == [1, 0, 1]
    assert TASK.encode([], ["a"]).shape == (0,)
    with pytest.raises(KeyError):
        TASK.encode(["c"], ["a", "b"])


def test_every_task_of_the_config_is_there() -> None:
    from typing import get_args

    from textclf.config import Config

    assert set(get_args(Config.model_fields["task"].annotation)) == set(TASKS)


def test_every_registered_task_answers_all_that_a_task_is_asked() -> None:
    asked = {name for name in vars(Task) if not name.startswith("_")}
    assert asked == {"losses", "probabilities", "decide", "encode"}
    for task in TASKS.values():
        assert isinstance(task, Task)
        assert asked <= vars(type(task)).keys()
