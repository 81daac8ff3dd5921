"""The update rule, against Keras' own AdamW."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.config.training import TrainingConfig
from textclf.training.optimizer import make_optimizer


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


def steps(optimizer: Any, variables: list[keras.Variable]) -> list[np.ndarray]:
    optimizer.build(variables)
    for gradients in GRADIENTS:
        optimizer.apply([tf.constant(gradient) for gradient in gradients[: len(variables)]], variables)
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
    variable = keras.Variable(np.ones(3), name=name)
    optimizer = make_optimizer(TrainingConfig(weight_decay=0.9, schedule="constant"), model, total_steps=10)
    optimizer.build([variable])
    optimizer.apply([tf.zeros(3)], [variable])
    np.testing.assert_array_equal(variable, np.ones(3))


def test_a_constant_rate_can_be_set_and_a_schedule_cannot() -> None:
    constant = make_optimizer(TrainingConfig(schedule="constant", learning_rate=0.25), Scaled(), total_steps=10)
    constant.learning_rate = 0.125
    assert float(constant.learning_rate) == 0.125
    for config in (TrainingConfig(), TrainingConfig(schedule="constant", warmup=0.5)):
        with pytest.raises(TypeError, match="learning rate is not settable"):
            make_optimizer(config, Scaled(), total_steps=10).learning_rate = 0.1
