"""Keras callbacks told of steps, without waiting for the device at each."""

from collections.abc import Sequence

import tensorflow as tf
from keras.callbacks import Callback


class StepCallbacks:
    """Tells callbacks of steps; Keras' own list makes numbers of a step's tensors at once, which waits for the device.

    A callback with a true `reads_tensors` gets scalar tensors in its `logs`, to be read when it likes; any other one
    that looks at steps gets numbers, as Keras promises.

    Args:
        callbacks: Ordinary Keras callbacks.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        """Find out who needs numbers."""
        self._callbacks = callbacks
        self._of_tensors: list[Callback] = []
        self._of_numbers: list[Callback] = []
        for callback in filter(_looks_at_steps, callbacks):
            (self._of_tensors if getattr(callback, "reads_tensors", False) else self._of_numbers).append(callback)

    def begin(self, batch: int) -> None:
        """Tell all that a step begins; `batch` is its number in the epoch, from 0."""
        for callback in self._callbacks:
            callback.on_train_batch_begin(batch)

    def end(self, batch: int, loss: tf.Tensor, norm: tf.Tensor) -> None:
        """Tell those that look at steps of a step's loss and gradient norm, float32[]."""
        for callback in self._of_tensors:
            callback.on_train_batch_end(batch, {"loss": loss, "gradient_norm": norm})
        if self._of_numbers:
            logs = {"loss": float(loss), "gradient_norm": float(norm)}
            for callback in self._of_numbers:
                callback.on_train_batch_end(batch, dict(logs))


def _looks_at_steps(callback: Callback) -> bool:
    """Return whether a callback's class does something at the end of a step, or, as LambdaCallback's, the object."""
    return any(
        name in vars(callback) or getattr(type(callback), name) is not getattr(Callback, name)
        for name in ("on_train_batch_end", "on_batch_end")  # the newer name calls the older one
    )
