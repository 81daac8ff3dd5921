"""How the learning rate goes over the steps."""

import math
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="textclf")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from zero, then constant, a linear fall or half a cosine to zero at the last step.

    Args:
        peak: Highest learning rate.
        total_steps: Steps of the whole training.
        warmup_steps: Steps of the rise.
        shape: `constant`, `linear` or `cosine`: what follows the rise.

    Example:
        >>> schedule = WarmupDecay(1.0, total_steps=10, warmup_steps=0, shape="linear")
        >>> float(schedule(5))
        0.5
    """

    def __init__(self, peak: float, total_steps: int, warmup_steps: int, shape: str) -> None:
        """Keep the numbers; nothing is computed before a step asks."""
        self.peak, self.total_steps, self.warmup_steps, self.shape = peak, total_steps, warmup_steps, shape

    def __call__(self, step: Any) -> tf.Tensor:
        """Return the learning rate of a step counted from 0, a float32 scalar."""
        step = tf.cast(step, tf.float32)
        # The first step of a warm-up is not wasted on a rate of zero.
        rise = (step + 1.0) / (self.warmup_steps + 1.0)
        left = 1.0 - (step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1)
        left = tf.clip_by_value(left, 0.0, 1.0)
        fall = {"constant": tf.ones_like(left), "linear": left, "cosine": 0.5 - 0.5 * tf.cos(math.pi * left)}
        return self.peak * tf.minimum(tf.minimum(rise, 1.0), fall[self.shape])

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "shape": self.shape,
        }
