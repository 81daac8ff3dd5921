"""The loss scale of float16, whose smallest gradients would be zero without it."""

import keras
import tensorflow as tf

_FIRST, _MOST = 2.0**15, 2.0**24
_GROW_AFTER = 2000


class LossScale:
    """A factor on the loss that is halved where a gradient overflows, and doubled where none did for long.

    Micikevicius et al. (2018), "Mixed Precision Training", https://arxiv.org/abs/1710.03740. Make it under the strategy
    that is trained under.

    Attributes:
        variables: What a checkpoint holds of it.
    """

    def __init__(self) -> None:
        """Start with a factor of 32,768."""
        self._scale = keras.Variable(_FIRST, trainable=False, dtype="float32", name="loss_scale")
        self._good_steps = keras.Variable(0, trainable=False, dtype="int32", name="good_steps")
        self.variables = [self._scale, self._good_steps]

    def __call__(self) -> tf.Tensor:
        """Return the factor, float32[]."""
        return tf.convert_to_tensor(self._scale.value)

    def update(self, finite: tf.Tensor) -> None:
        """Take notice of whether the gradients of a step, all replicas', were finite; bool[]."""
        good = tf.where(finite, self._good_steps.value + 1, 0)
        grows = good >= _GROW_AFTER
        factor = tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
        self._scale.assign(tf.clip_by_value(self._scale.value * factor, 1.0, _MOST))
        self._good_steps.assign(tf.where(grows, 0, good))
