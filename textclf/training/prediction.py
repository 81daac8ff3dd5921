"""A model's answers for many encoded texts, and the scores of a split."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from textclf.evaluation.scores import Scores, confusion_matrix
from textclf.models.base import TextModel
from textclf.models.tasks import SingleLabel
from textclf.text.batches import make_dataset, plan_evaluation


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

    Args:
        model: What answers.
        task: What turns logits into probabilities and decisions.
        labels: The label vocabulary.
        batch_size: Texts at once.
    """

    def __init__(self, model: TextModel, task: SingleLabel, labels: list[str], batch_size: int = 256) -> None:
        """Keep the parts; the graph is traced at the first call."""
        self._model, self._task, self._labels, self._batch_size = model, task, labels, batch_size

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)])
    def _answer(self, ids: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = self._model(ids, training=False)
        return self._task.probabilities(logits), self._task.losses(targets, logits)

    def __call__(self, split: Encoded) -> Outcome:
        """Return the answers and scores for a split; every row counts once."""
        probabilities = np.zeros((len(split), len(self._labels)), np.float32)
        loss = 0.0
        plan = plan_evaluation(split.lengths, self._batch_size)
        for rows, (ids, targets) in zip(plan, make_dataset(split.ids, split.targets, plan), strict=True):
            batch_probabilities, losses = self._answer(ids, targets)
            probabilities[rows] = batch_probabilities.numpy()
            loss += float(tf.reduce_sum(losses))
        predictions = self._task.decide(probabilities)
        matrix = confusion_matrix(split.targets, predictions, len(self._labels))
        return Outcome(probabilities, loss / max(len(split), 1), Scores.from_confusion(matrix, self._labels))
