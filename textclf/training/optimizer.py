"""The update rule: AdamW with decay and learning rate by variable."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from textclf.config.training import TrainingConfig
from textclf.models.base import TextModel
from textclf.training.schedules import WarmupDecay

Gradients: TypeAlias = Sequence[tf.Tensor | tf.IndexedSlices]

_NOT_DECAYED = ("bias", "gamma", "beta")
"""Names of variables that have no decay: biases, and the scale and shift of a normalization (Devlin et al. 2019)."""


class ScaledAdamW(keras.optimizers.Adam):
    """AdamW (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101) with a learning rate for each variable.

    `update` takes a step; Keras' own `apply` decays every variable alike, sums the replicas' gradients when they should
    be clipped already, makes sparse gradients dense, and cannot leave a step out.

    Args:
        learning_rate: A number or a Keras schedule.
        decay: Decoupled weight decay, per step and unit of learning rate.
        model: Says by which factor a variable's rate differs.

    Attributes:
        rate_factor: What every rate is multiplied by, a variable.
    """

    def __init__(self, learning_rate: Any, decay: float, model: TextModel) -> None:
        """Keep the numbers; `build` asks the model."""
        super().__init__(learning_rate=learning_rate)
        self._decay, self._model = decay, model
        self._scales: list[float] = []
        self._decays: list[float] = []
        self.rate_factor = keras.Variable(1.0, trainable=False, dtype="float32", name="rate_factor")

    def build(self, variables: list[keras.Variable]) -> None:
        """Make the moments of the variables, and look up scale and decay of each."""
        if not self.built:
            self._scales = [self._model.learning_rate_scale(variable) for variable in variables]
            self._decays = [0.0 if variable.name in _NOT_DECAYED else self._decay for variable in variables]
        super().build(variables)

    def current_rate(self) -> float:
        """Return the rate of the step to come."""
        return float(self.learning_rate) * float(self.rate_factor.numpy())

    def update(self, gradients: Gradients, variables: list[keras.Variable], keep: tf.Tensor) -> None:
        """Move the variables one step, in a replica's or in the only context.

        Args:
            gradients: One a variable, equal on all replicas. Of `tf.IndexedSlices`, with each row once, only the rows
                are decayed and moved, and their moments: lazy Adam.
            variables: Those that `build` was called with.
            keep: bool[], whether the step counts; if not, nothing changes.
        """
        step = tf.cast(self.iterations.value, tf.float32) + 1.0
        # Both moments start at zero; this takes out what that does to the first steps (Kingma & Ba 2015, section 3).
        unbiased = tf.sqrt(1.0 - self.beta_2**step) / (1.0 - self.beta_1**step)
        rate = tf.where(keep, tf.cast(self.learning_rate, tf.float32) * self.rate_factor.value, 0.0)

        def move_all(strategy: tf.distribute.Strategy, gradients: Gradients, *scalars: tf.Tensor) -> None:
            for index, (variable, gradient) in enumerate(zip(variables, gradients, strict=True)):
                arguments = (index, gradient, *scalars)
                strategy.extended.update(variable.value, self._move, args=arguments, group=False)

        replicas = tf.distribute.get_replica_context()
        replicas.merge_call(move_all, args=(gradients, rate, unbiased, keep))
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        self.iterations.assign_add(tf.cast(keep, self.iterations.dtype))

    def _move(
        self,
        variable: tf.Variable,
        index: int,
        gradient: tf.Tensor | tf.IndexedSlices,
        rate: tf.Tensor,
        unbiased: tf.Tensor,
        keep: tf.Tensor,
    ) -> None:
        """Decay a variable, then move it by Adam's rule, on the device where it is; or some rows of it."""
        moments = self._momentums[index].value, self._velocities[index].value
        rows = gradient.indices if isinstance(gradient, tf.IndexedSlices) else None
        slope = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
        old, first, second = (tensor if rows is None else tf.gather(tensor, rows) for tensor in (variable, *moments))
        new_first = tf.where(keep, first + (slope - first) * (1.0 - self.beta_1), first)
        new_second = tf.where(keep, second + (tf.square(slope) - second) * (1.0 - self.beta_2), second)
        rate = rate * self._scales[index]
        moved = rate * unbiased * new_first / (tf.sqrt(new_second) + self.epsilon)
        if self._decays[index]:
            moved += old * (self._decays[index] * rate)
        for moment, value in zip(moments, (new_first, new_second), strict=True):
            _assign(moment, rows, value)
        if rows is None:
            variable.assign_sub(moved)
        else:
            variable.scatter_sub(tf.IndexedSlices(moved, rows))


def _assign(variable: tf.Variable, rows: tf.Tensor | None, value: tf.Tensor) -> None:
    if rows is None:
        variable.assign(value)
    else:
        variable.scatter_update(tf.IndexedSlices(value, rows))


def make_optimizer(config: TrainingConfig, model: TextModel, total_steps: int) -> ScaledAdamW:
    """Return AdamW with the config's schedule for a model."""
    warmup_steps = round(config.warmup * total_steps)
    # A constant rate is a plain variable, so that callbacks such as ReduceLROnPlateau can set it.
    rate: float | WarmupDecay = config.learning_rate
    if config.schedule != "constant" or warmup_steps:
        rate = WarmupDecay(config.learning_rate, total_steps, warmup_steps, config.schedule)
    return ScaledAdamW(rate, config.weight_decay, model)
