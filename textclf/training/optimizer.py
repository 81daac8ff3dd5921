"""The update rule: AdamW with decay and learning rate by variable."""

from typing import Any

import keras

from textclf.config.training import TrainingConfig
from textclf.models.base import TextModel
from textclf.training.schedules import WarmupDecay

_NOT_DECAYED = ("bias", "gamma", "beta")
"""Names of variables that have no decay: biases, and the scale and shift of a normalization (Devlin et al. 2019)."""


class ScaledAdamW(keras.optimizers.Adam):
    """AdamW (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101) with a learning rate for each variable.

    Keras' own decays every variable at the same rate. It does not clip: that must come after the replicas' gradients
    are summed, and Keras clips before.

    Args:
        learning_rate: A number or a Keras schedule.
        decay: Decoupled weight decay, per step and unit of learning rate.
        model: Says by which factor a variable's rate differs.
    """

    def __init__(self, learning_rate: Any, decay: float, model: TextModel) -> None:
        """Keep the numbers; `build` asks the model."""
        super().__init__(learning_rate=learning_rate)
        self._decay, self._model = decay, model
        self._scales: list[float] = []
        self._decays: list[float] = []

    def build(self, variables: list[keras.Variable]) -> None:
        """Make the moments of the variables, and look up scale and decay of each."""
        if not self.built:
            self._scales = [self._model.learning_rate_scale(variable) for variable in variables]
            self._decays = [0.0 if variable.name in _NOT_DECAYED else self._decay for variable in variables]
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Decay a variable, then move it by Adam's rule (Kingma & Ba 2015)."""
        index = self._get_variable_index(variable)
        rate = keras.ops.cast(learning_rate, variable.dtype) * self._scales[index]
        if self._decays[index]:
            self.assign_sub(variable, variable * (self._decays[index] * rate))
        super().update_step(gradient, variable, rate)


def make_optimizer(config: TrainingConfig, model: TextModel, total_steps: int) -> keras.optimizers.Optimizer:
    """Return AdamW with the config's schedule for a model."""
    warmup_steps = round(config.warmup * total_steps)
    # A constant rate is a plain variable, so that callbacks such as ReduceLROnPlateau can set it.
    rate: float | WarmupDecay = config.learning_rate
    if config.schedule != "constant" or warmup_steps:
        rate = WarmupDecay(config.learning_rate, total_steps, warmup_steps, config.schedule)
    return ScaledAdamW(rate, config.weight_decay, model)
