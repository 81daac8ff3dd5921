"""The functions that an export answers with: tokenizer, model and label names in one graph."""

import tensorflow as tf

from textclf.models.base import TextModel
from textclf.models.tasks import Task
from textclf.savedmodel.signatures import LABEL, SCORE, SCORES
from textclf.text.tokenizer import Tokenizer


class ServedClassifier:
    """The function that is exported: strings in, label names and scores out.

    Args:
        tokenizer: Texts to ids.
        model: Ids to logits.
        task: Logits to probabilities.
        labels: The label vocabulary, in the order of the logits.
    """

    def __init__(self, tokenizer: Tokenizer, model: TextModel, task: Task, labels: list[str]) -> None:
        """Keep the parts; they must be tracked by the archive that exports the functions."""
        self._tokenizer, self._model, self._task, self._labels = tokenizer, model, task, labels

    def serving_default(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify texts.

        Args:
            text: string[batch], UTF-8. Invalid bytes are read as U+FFFD, a text with no token gets the
                scores of the empty text, what stands beyond `max_tokens` is not seen, and an empty batch
                gets empty answers.

        Returns:
            `label`: string[batch], the label with the highest score; `score`: float32[batch], its score;
            `scores`: float32[batch, labels], every label's score, in the order of
            `assets.extra/labels.json`, summing to one.
        """
        # A string of rank 0 would crash tensorflow-text's normalizer, and the server with it.
        text = tf.ensure_shape(text, [None])
        scores = self._task.probabilities(self._model(self._tokenizer(text), training=False))  # (batch, labels)
        best = tf.argmax(scores, axis=1)  # (batch,)
        return {
            LABEL: tf.gather(tf.constant(self._labels), best),
            SCORE: tf.reduce_max(scores, axis=1),
            SCORES: scores,
        }
