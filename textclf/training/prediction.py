"""A model's answers for many encoded texts, and the scores of a split."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from textclf.evaluation.scores import Scores, confusion_matrix
from textclf.models.base import TextModel
from textclf.models.tasks import Task
from textclf.text.batches import compute_rows
from textclf.training.replicas import compute_on_replicas, on_replicas


@dataclass(frozen=True)
class Encoded:
    """A split as the model takes it.

    Attributes:
        ids: Ragged int32[rows, (time)].
        targets: int32[rows], positions in the label vocabulary.
    """

    ids: tf.RaggedTensor
    targets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int64[rows]."""
        lengths: np.ndarray = self.ids.row_lengths().numpy()
        return lengths

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Outcome:
    """A model's answers for a split.

    Attributes:
        probabilities: float32[rows, classes], in the order of the split.
        loss: Mean cross-entropy, in nats.
        scores: Counts and what follows from them.
    """

    probabilities: np.ndarray
    loss: float
    scores: Scores


class Predictor:
    """Runs a model over splits in batches of about one length; traces its graph once.

    Under a strategy the batches are shared out to the replicas, and each row is computed once.

    Args:
        model: What answers.
        task: What turns logits into probabilities and decisions.
        labels: The label vocabulary.
        batch_size: Texts at once.
        temperature: What the logits are divided by for probabilities.

    Attributes:
        temperature: The same; it can be set when it is fitted.
    """

    def __init__(
        self, model: TextModel, task: Task, labels: list[str], batch_size: int = 256, temperature: float = 1.0
    ) -> None:
        """Keep the parts; the graph is traced at the first call."""
        self._model, self._task, self._labels, self._batch_size = model, task, labels, batch_size
        self.temperature = temperature
        self._strategy = tf.distribute.get_strategy()
        self._on_replicas = on_replicas(self._strategy, self._batch_logits)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def _batch_logits(self, ids: tf.Tensor) -> tf.Tensor:
        return tf.cast(self._model(ids, training=False), tf.float32)

    def probabilities(self, ids: tf.RaggedTensor) -> NDArray[np.float32]:
        """Return every label's probability for each text, float32[rows, classes], in the order of the rows.

        Args:
            ids: Ragged int32[rows, (time)].
        """
        return self._probabilities(self._logits(ids))

    def __call__(self, split: Encoded) -> Outcome:
        """Return the answers and scores for a split; every row counts once."""
        logits = self._logits(split.ids)
        probabilities = self._probabilities(logits)
        losses = self._task.losses(split.targets, logits)
        matrix = confusion_matrix(split.targets, self._task.decide(probabilities), len(self._labels))
        loss = float(tf.reduce_sum(losses)) / max(len(split), 1)
        return Outcome(probabilities, loss, Scores.from_confusion(matrix, self._labels))

    def _logits(self, ids: tf.RaggedTensor) -> NDArray[np.float32]:
        """Return float32[rows, classes], in the order of the rows."""
        if self._strategy.num_replicas_in_sync == 1:
            return compute_rows(self._batch_logits, ids, len(self._labels), self._batch_size)
        return compute_on_replicas(self._strategy, self._on_replicas, ids, len(self._labels), self._batch_size)

    def _probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = self._task.probabilities(logits / np.float32(self.temperature)).numpy()
        return probabilities
