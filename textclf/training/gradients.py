"""The loss of a replica's share of a batch, and its gradient, part by part."""

import contextlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import keras
import tensorflow as tf

from textclf.config.training import TrainingConfig
from textclf.models.base import TextModel
from textclf.models.tasks import Task
from textclf.training.optimizer import Gradients

_Part: TypeAlias = Callable[[tf.Tensor], tuple[tf.Tensor, Gradients]]

_SEED_STATE = "seed_generator_state"  # Keras' name of what a dropout layer draws its masks from


class ShareGradient:
    """Computes the gradient of the loss of a share.

    Dropout is a function of a seed: the masks of a step do not depend on the steps before it, so that a training can be
    taken up at any step, and each replica and part has its own.

    Args:
        model: What learns.
        task: What gives the losses of the texts.
        config: `label_smoothing` and `lazy_embeddings` count.
        parts: Parts that a share comes in.
        xla: Whether XLA compiles a part.
    """

    def __init__(self, model: TextModel, task: Task, config: TrainingConfig, parts: int, xla: bool) -> None:
        """Look the model's variables up."""
        self._model, self._task, self._config, self._parts = model, task, config, parts
        self._seed_states = [variable for variable in model.variables if variable.name == _SEED_STATE]
        self._compiled = tf.function(self._part_of_values, jit_compile=True) if xla else None

    def __call__(
        self, batch: tuple[tf.Tensor, ...], seed: tf.Tensor, factor: tf.Tensor, penalty: float
    ) -> tuple[tf.Tensor, Gradients]:
        """Return a share's part in the batch's mean loss, float32[], and its gradient.

        Args:
            batch: As `make_batches` gives it.
            seed: int32[2], the step's and replica's own.
            factor: float32[], what the loss is multiplied by for the gradient alone.
            penalty: Share of the model's penalties, such as L2, that this share brings in.
        """
        ids, targets, weights, total = batch

        def part(number: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
            own = tf.random.experimental.stateless_fold_in(seed, number)
            scalars = (total, own, factor, tf.constant(penalty / self._parts))
            return self._part(ids[number], targets[number], weights[number], *scalars)

        loss, gradients = part(tf.constant(0))
        if self._parts == 1:
            return loss, gradients
        return self._add_parts(part, loss, gradients)

    def _add_parts(self, part: _Part, loss: tf.Tensor, gradients: Gradients) -> tuple[tf.Tensor, Gradients]:
        """Return the sums over all parts, given those of the first one; one part is in memory at a time."""
        sparse = [isinstance(gradient, tf.IndexedSlices) for gradient in gradients]
        sums = [
            _values_and_rows(gradient, self._parts) if is_sparse else gradient
            for gradient, is_sparse in zip(gradients, sparse, strict=True)
        ]

        def body(number: tf.Tensor, loss: tf.Tensor, sums: list) -> tuple[tf.Tensor, tf.Tensor, list]:
            more, gradients = part(number)
            for index, (gradient, is_sparse) in enumerate(zip(gradients, sparse, strict=True)):
                if is_sparse:
                    values, rows = sums[index]
                    sums[index] = values.write(number, gradient.values), rows.write(number, gradient.indices)
                else:
                    sums[index] += gradient
            return number + 1, loss + more, sums

        _, loss, sums = tf.while_loop(lambda number, *_: number < self._parts, body, (tf.constant(1), loss, sums))
        return loss, [
            tf.IndexedSlices(found[0].concat(), found[1].concat(), gradient.dense_shape) if is_sparse else found
            for found, gradient, is_sparse in zip(sums, gradients, sparse, strict=True)
        ]

    def _part(self, *arguments: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
        variables = self._model.trainable_variables
        if self._compiled is None:
            return self._loss_and_gradient([variable.value for variable in variables], [], *arguments)
        # A compiled function is the same for all replicas, so it is given the weights of each.
        loss, gradients = self._compiled([tf.convert_to_tensor(variable.value) for variable in variables], *arguments)
        return loss, gradients

    def _part_of_values(self, values: list[tf.Tensor], *arguments: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
        return self._loss_and_gradient(
            values, list(zip(self._model.trainable_variables, values, strict=True)), *arguments
        )

    def _loss_and_gradient(
        self,
        weights_of_model: Sequence[tf.Variable | tf.Tensor],
        state: list[tuple[keras.Variable, tf.Tensor]],
        ids: tf.Tensor,
        targets: tf.Tensor,
        weights: tf.Tensor,
        total: tf.Tensor,
        seed: tf.Tensor,
        factor: tf.Tensor,
        penalty: tf.Tensor,
    ) -> tuple[tf.Tensor, Gradients]:
        seeds = [
            (variable, tf.cast(tf.random.experimental.stateless_fold_in(seed, number), variable.dtype))
            for number, variable in enumerate(self._seed_states)
        ]
        with tf.GradientTape() as tape:
            tape.watch([weight for _, weight in state])
            with keras.StatelessScope(state_mapping=seeds + state):
                logits = self._model(ids, training=True)  # (rows, classes)
            losses = self._task.losses(targets, logits, self._config.label_smoothing)  # (rows,)
            loss = tf.reduce_sum(losses * weights) / total
            objective = loss
            with keras.StatelessScope(state_mapping=state) if state else contextlib.nullcontext():
                if self._model.losses:
                    objective += penalty * tf.add_n(self._model.losses)
            objective *= factor
        # A weight that the loss does not depend on is not moved by it.
        found = tape.gradient(objective, weights_of_model, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        if not self._config.lazy_embeddings:
            found = [tf.convert_to_tensor(gradient) for gradient in found]
        return loss, found


def _values_and_rows(gradient: tf.IndexedSlices, parts: int) -> tuple[tf.TensorArray, tf.TensorArray]:
    """Return lists of the values and rows of a sparse gradient, with room for those of all parts."""
    return tuple(
        tf.TensorArray(tensor.dtype, size=parts).write(0, tensor) for tensor in (gradient.values, gradient.indices)
    )
