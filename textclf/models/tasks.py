"""What a task means to a model: its loss, its probabilities, its decisions.

Single-label classification is the task there is. Several labels a text will be a second class here, with
its own loss, activation and decisions, and a row in `TASKS`; text pairs are inputs and no task of their own.
"""

import numpy as np
import tensorflow as tf


class Task:
    """What is asked of a text. A new task is a subclass and a row in `TASKS`.

    Models give logits and know no task; training, evaluation and the export ask it for all that follows.
    """

    def losses(self, targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float = 0.0) -> tf.Tensor:
        """Return the loss of each text, float32[batch], in nats.

        Args:
            targets: int32[batch, …], as `encode` gives them.
            logits: float[batch, classes].
            label_smoothing: Share of the target's probability spread over all classes.
        """
        raise NotImplementedError

    def probabilities(self, logits: tf.Tensor) -> tf.Tensor:
        """Return the probability of each class, float32[batch, classes], of float[batch, classes]."""
        raise NotImplementedError

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the answer for each text, int64[batch, …], as positions in the label vocabulary.

        Args:
            probabilities: float[batch, classes].
        """
        raise NotImplementedError

    def encode(self, labels: list[str], vocabulary: list[str]) -> np.ndarray:
        """Return int32[texts, …], the targets that the labels of texts are.

        Args:
            labels: The label of each text, all of them in the vocabulary.
            vocabulary: The labels that the model knows, in the order of its logits.
        """
        raise NotImplementedError


class SingleLabel(Task):
    """Each text has exactly one of the labels: softmax and cross-entropy."""

    def losses(self, targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float = 0.0) -> tf.Tensor:
        """Return the cross-entropy of each text, in nats.

        Args:
            targets: int32[batch], positions in the label vocabulary.
            logits: float[batch, classes].
            label_smoothing: Share of the target's probability spread over all classes.

        Returns:
            float32[batch].
        """
        logits = tf.cast(logits, tf.float32)
        log_probabilities = tf.nn.log_softmax(logits)  # (batch, classes)
        target = tf.gather(log_probabilities, targets, batch_dims=1)  # (batch,)
        if not label_smoothing:
            return -target
        return -(1.0 - label_smoothing) * target - label_smoothing * tf.reduce_mean(log_probabilities, axis=1)

    def probabilities(self, logits: tf.Tensor) -> tf.Tensor:
        """Return float32[batch, classes] that sum to one, of float[batch, classes]."""
        return tf.nn.softmax(tf.cast(logits, tf.float32))

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the position of each text's label, int64[batch], the first one on a tie."""
        return probabilities.argmax(axis=1)

    def encode(self, labels: list[str], vocabulary: list[str]) -> np.ndarray:
        """Return int32[texts], the labels' positions in the vocabulary."""
        positions = {label: position for position, label in enumerate(vocabulary)}
        return np.array([positions[label] for label in labels], dtype=np.int32)


TASKS: dict[str, Task] = {"single_label": SingleLabel()}
