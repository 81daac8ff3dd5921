"""One step of training, the same on one device, on many, and on many machines."""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from textclf.config import Config
from textclf.errors import ConfigError
from textclf.models.base import TextModel
from textclf.models.tasks import Task
from textclf.training.gradients import ShareGradient
from textclf.training.loss_scale import LossScale
from textclf.training.optimizer import Gradients, ScaledAdamW

_TINY = 1e-12


class TrainStep:
    """Loss, gradient, clipping and update of one batch.

    The loss is the mean over the texts of the whole batch, however they are shared out; the gradient is summed over
    parts and replicas and clipped after that, so that these change nothing but speed and memory. A step with a gradient
    that is not finite moves nothing.

    Args:
        model: What learns.
        optimizer: Its update rule.
        task: What gives the losses of the texts.
        config: `training` and `compute` count, and the seed.
    """

    def __init__(self, model: TextModel, optimizer: ScaledAdamW, task: Task, config: Config) -> None:
        """Build the optimizer's variables under the strategy that is in scope; `ConfigError` if settings clash."""
        self._model, self._optimizer, self._config = model, optimizer, config
        self._strategy = tf.distribute.get_strategy()
        self._replicas = self._strategy.num_replicas_in_sync
        check_step(config, self._replicas)
        compute = config.compute
        optimizer.build(model.trainable_variables)
        self._gradient = ShareGradient(model, task, config.training, compute.accumulate, compute.xla)
        self.loss_scale = LossScale() if compute.mixed_precision == "float16" else None
        # XLA makes one pass over the weights out of AdamW's dozen; their shapes never change, so it compiles
        # once. Under replicas the optimizer meets the others, which no function inside the step can. On a GPU it needs
        # tools that are not everywhere, so there only who asks for it gets it.
        dense = self._replicas == 1 and not config.training.lazy_embeddings
        compiled = dense and (compute.xla or not tf.config.list_logical_devices("GPU"))
        self._update = tf.function(self._clip_and_move, jit_compile=True) if compiled else self._clip_and_move
        self._one: Any = None

    def expect(self, spec: Any) -> None:
        """Fix what batches look like, the `element_spec` of their dataset, so that a step is traced once."""
        self._one = self._one or tf.function(self._on_every_replica, input_signature=[spec])

    def __call__(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Update the weights.

        Args:
            batch: Of a dataset of `make_batches`, or of a distributed one.

        Returns:
            The mean loss, float32[], before the update and without penalties, and the gradient's global norm
            before clipping, float32[].
        """
        loss, norm = self._one(batch)
        return loss, norm

    @tf.function
    def several(self, batches: Iterator[Any], count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Take steps with the next batches in one call; return their losses and norms, float32[count].

        Args:
            batches: A `tf.data` iterator.
            count: int32[], how many.
        """
        losses, norms = (tf.TensorArray(tf.float32, size=count) for _ in range(2))
        for number in tf.range(count):
            loss, norm = self._on_every_replica(next(batches))
            losses, norms = losses.write(number, loss), norms.write(number, norm)
        return losses.stack(), norms.stack()

    def _on_every_replica(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        loss, norm = self._strategy.run(self._replica_step, args=(batch,))
        loss = self._strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None)
        return loss, self._strategy.reduce(tf.distribute.ReduceOp.MEAN, norm, axis=None)

    def _replica_step(self, batch: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        replicas = tf.distribute.get_replica_context()
        step = tf.cast(self._optimizer.iterations.value, tf.int32)
        place = tf.cast(replicas.replica_id_in_sync_group, tf.int32)
        seed = tf.random.experimental.stateless_fold_in(tf.stack([self._config.seed % 2**31, step]), place)
        factor = self.loss_scale() if self.loss_scale else tf.ones(())
        loss, gradients = self._gradient(batch, seed, factor, 1.0 / self._replicas)
        if self._replicas > 1:
            gradients = replicas.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        gradients = [_each_row_once(gradient) for gradient in gradients]
        return loss, self._update(gradients, factor)

    def _clip_and_move(self, gradients: Gradients, factor: tf.Tensor) -> tf.Tensor:
        """Scale the gradients down to `clip_norm`, move the weights, and return the norm before, float32[]."""
        norm = tf.linalg.global_norm(gradients) / factor
        finite = tf.math.is_finite(norm)
        scale, longest = 1.0 / factor, self._config.training.clip_norm
        if longest:
            scale *= tf.minimum(1.0, longest / tf.maximum(norm, _TINY))
        scaled = [_times(gradient, scale) for gradient in gradients]
        self._optimizer.update(scaled, self._model.trainable_variables, finite)
        if self.loss_scale:
            self.loss_scale.update(finite)
        return norm


def check_step(config: Config, replicas: int) -> None:
    """Refuse settings that no step can be made of on so many replicas, with `ConfigError`."""
    if replicas > 1 and config.training.lazy_embeddings and config.compute.steps_per_call > 1:
        raise ConfigError(
            "training.lazy_embeddings and compute.steps_per_call exclude each other on several devices: TensorFlow "
            "cannot gather sparse gradients inside a loop. Take steps_per_call=1, or lazy_embeddings=false."
        )


def _each_row_once(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor | tf.IndexedSlices:
    """Return a sparse gradient with the slices of a row added up; a dense one as it is."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def _times(gradient: tf.Tensor | tf.IndexedSlices, factor: tf.Tensor) -> tf.Tensor | tf.IndexedSlices:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape)
    return gradient * factor
