"""One step of training, the same on one device and on many."""

import keras
import tensorflow as tf

from textclf.config.training import TrainingConfig
from textclf.models.base import TextModel
from textclf.models.tasks import Task

_TINY = 1e-12


class TrainStep:
    """Loss, gradient, clipping and update of one global batch.

    The loss is the mean over the examples of the global batch, whatever their number on each replica; the
    gradient is summed over the replicas and clipped after that, so that replicas change nothing but the speed.

    Args:
        model: What learns.
        optimizer: Its update rule, without clipping of its own.
        task: What gives the losses of the examples.
        config: `label_smoothing` and `clip_norm` count.
    """

    def __init__(
        self, model: TextModel, optimizer: keras.optimizers.Optimizer, task: Task, config: TrainingConfig
    ) -> None:
        """Build the optimizer's variables under the strategy that is in scope."""
        self._model, self._optimizer, self._task, self._config = model, optimizer, task, config
        self._strategy = tf.distribute.get_strategy()
        optimizer.build(model.trainable_variables)
        # XLA makes one pass over the weights out of AdamW's dozen; their shapes never change, so it compiles
        # once. Under replicas Keras' optimizer meets the others, which no function inside the step can.
        alone = self._strategy.num_replicas_in_sync == 1
        self._update = tf.function(self._clip_and_apply, jit_compile=True) if alone else self._clip_and_apply
        # With a signature it is traced once; a replica's part of a batch has none.
        signature = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)]
        self._global_step = tf.function(
            self._on_every_replica, input_signature=signature if alone else None, reduce_retracing=not alone
        )

    def __call__(self, ids: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Update the weights.

        Args:
            ids: int32[batch, time].
            targets: int32[batch].

        Returns:
            The mean loss, float32[], before the update and without penalties, and the gradient's global norm
            before clipping, float32[].
        """
        loss, norm = self._global_step(ids, targets)
        return loss, norm

    def _on_every_replica(self, ids: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        loss, norm = self._strategy.run(self._replica_step, args=(ids, targets))
        loss = self._strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None)
        return loss, self._strategy.reduce(tf.distribute.ReduceOp.MEAN, norm, axis=None)

    def _replica_step(self, ids: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        replicas = tf.distribute.get_replica_context()
        examples = replicas.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(tf.shape(targets)[0], tf.float32))
        variables = [variable.value for variable in self._model.trainable_variables]
        with tf.GradientTape() as tape:
            logits = self._model(ids, training=True)
            losses = self._task.losses(targets, logits, self._config.label_smoothing)
            loss = tf.reduce_sum(losses) / examples
            objective = loss + sum(self._model.losses) / replicas.num_replicas_in_sync
        # A weight that the loss does not depend on is not moved by it.
        found = tape.gradient(objective, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [tf.convert_to_tensor(gradient) for gradient in found]
        gradients = replicas.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        return loss, self._update(gradients)

    def _clip_and_apply(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """Scale the gradients down to `clip_norm`, update the weights, and return the norm before, float32[]."""
        norm = tf.linalg.global_norm(gradients)
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        # Keras' optimizer sums over the replicas once more.
        scale = tf.ones(()) / replicas
        if self._config.clip_norm:
            scale *= tf.minimum(1.0, self._config.clip_norm / tf.maximum(norm, _TINY))
        self._optimizer.apply([gradient * scale for gradient in gradients], self._model.trainable_variables)
        return norm
