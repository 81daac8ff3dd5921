"""The update rule, against Keras' own AdamW."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.config.training import TrainingConfig
from textclf.training.optimizer import ScaledAdamW, make_optimizer


class Scaled(keras.Model):
    """Three variables, one of them slower."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = self.add_weight(shape=(3,), initializer="ones", name="kernel")
        self.slow = self.add_weight(shape=(3,), initializer="ones", name="slow")
        self.bias = self.add_weight(shape=(3,), initializer="ones", name="bias")

    def learning_rate_scale(self, variable: keras.Variable) -> float:
        return 0.5 if variable.name == "slow" else 1.0


GRADIENTS = np.random.default_rng(1).normal(size=(5, 3, 3)).astype(np.float32)


def take(gradients: list[Any], optimizer: Any, variables: list[keras.Variable], keep: bool = True) -> None:
    if isinstance(optimizer, ScaledAdamW):
        optimizer.update(gradients, variables, tf.constant(keep))
    else:
        optimizer.apply(gradients, variables)


def steps(optimizer: Any, variables: list[keras.Variable]) -> list[np.ndarray]:
    optimizer.build(variables)
    for gradients in GRADIENTS:
        take([tf.constant(gradient) for gradient in gradients[: len(variables)]], optimizer, variables)
    return [variable.numpy() for variable in variables]


def test_each_variable_moves_as_keras_adamw_moves_it_at_its_rate() -> None:
    config = TrainingConfig(schedule="constant", learning_rate=0.1, weight_decay=0.3)
    ours = Scaled()
    kernel, slow, bias = steps(make_optimizer(config, ours, total_steps=10), ours.variables)
    expected = Scaled()
    by_keras = keras.optimizers.AdamW(0.1, weight_decay=0.3)
    by_keras.exclude_from_weight_decay(var_names=["bias"])
    np.testing.assert_allclose([kernel, bias], np.array(steps(by_keras, expected.variables))[[0, 2]], rtol=1e-6)
    half = Scaled()
    np.testing.assert_allclose(
        slow, steps(keras.optimizers.AdamW(0.05, weight_decay=0.3), half.variables)[1], rtol=1e-6
    )


@pytest.mark.parametrize("name", ["bias", "gamma", "beta"])
def test_biases_and_normalization_do_not_decay(name: str) -> None:
    model = Scaled()
    variable = keras.Variable(np.ones(3, np.float32), name=name)
    optimizer = make_optimizer(TrainingConfig(weight_decay=0.9, schedule="constant"), model, total_steps=10)
    optimizer.build([variable])
    take([tf.zeros(3)], optimizer, [variable])
    np.testing.assert_array_equal(variable, np.ones(3))


def test_a_constant_rate_can_be_set_and_a_schedule_cannot() -> None:
    constant = make_optimizer(TrainingConfig(schedule="constant", learning_rate=0.25), Scaled(), total_steps=10)
    constant.learning_rate = 0.125
    assert float(constant.learning_rate) == 0.125
    for config in (TrainingConfig(), TrainingConfig(schedule="constant", warmup=0.5)):
        with pytest.raises(TypeError, match="learning rate is not settable"):
            make_optimizer(config, Scaled(), total_steps=10).learning_rate = 0.1


def test_a_step_that_does_not_count_changes_nothing() -> None:
    model = Scaled()
    optimizer = make_optimizer(TrainingConfig(weight_decay=0.9, learning_rate=0.1), model, total_steps=10)
    steps(optimizer, model.variables)
    before = [np.asarray(variable) for variable in (*model.variables, *optimizer.variables)]
    take([tf.fill([3], np.nan)] * 3, optimizer, model.variables, keep=False)
    for variable, value in zip((*model.variables, *optimizer.variables), before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)


def test_sparse_gradients_move_their_rows_as_dense_ones_and_leave_the_others() -> None:
    """With each row in every step, lazy Adam is Adam; a row that is in none stays, though it would decay."""
    dense, sparse = (keras.Variable(np.ones((4, 2), np.float32), name="table") for _ in range(2))
    config = TrainingConfig(schedule="constant", learning_rate=0.1, weight_decay=0.3)
    slopes = np.random.default_rng(2).normal(size=(5, 3, 2)).astype(np.float32)
    for variable, is_sparse in ((dense, False), (sparse, True)):
        optimizer = make_optimizer(config, Scaled(), total_steps=10)
        optimizer.build([variable])
        for slope in slopes:
            rows = tf.constant([2, 0, 1])
            full = tf.scatter_nd(rows[:, tf.newaxis], tf.constant(slope), [4, 2])
            take([tf.IndexedSlices(tf.constant(slope), rows) if is_sparse else full], optimizer, [variable])
    np.testing.assert_allclose(sparse.numpy()[:3], dense.numpy()[:3], rtol=1e-6)
    np.testing.assert_array_equal(sparse.numpy()[3], [1.0, 1.0])
    assert (dense.numpy()[3] < 1.0).all()
