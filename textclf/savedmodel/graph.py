"""The functions that an export answers with: tokenizer, model, calibration and label names in one graph."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from textclf.models.base import TextModel
from textclf.models.tasks import Task
from textclf.savedmodel.signatures import (
    ALL_SCORES,
    CLASSES,
    CLASSIFY,
    EMBED,
    EMBEDDING,
    EXAMPLES,
    LABEL,
    LABEL_SCORES,
    LABELS,
    MOST_LABELS,
    SCORE,
    SCORES,
    SERVING_DEFAULT,
    text_inputs,
)
from textclf.text.tokenizer import Tokenizer

Answer = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Endpoint:
    """A function that is exported as a signature.

    Attributes:
        function: Takes a tensor an input, in their order.
        inputs: What it takes; each has a name.
    """

    function: Callable[..., Answer]
    inputs: list[tf.TensorSpec]


class ServedClassifier:
    """The functions that are exported: strings in, label names, scores and features out.

    Strings are UTF-8. Invalid bytes are read as U+FFFD, a text without a token gets the scores of the empty text, what
    stands beyond `max_tokens` is not seen, and an empty batch gets empty answers. All numbers are float32.

    Args:
        tokenizer: Texts to ids.
        model: Ids to logits.
        task: Logits to probabilities.
        labels: The label vocabulary, in the order of the logits.
        temperature: What the logits are divided by.
        pairs: Whether the model was trained on pairs of texts; each function then takes the second text too.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        model: TextModel,
        task: Task,
        labels: list[str],
        temperature: float = 1.0,
        pairs: bool = False,
    ) -> None:
        """Keep the parts; they must be tracked by the archive that exports the functions."""
        self._tokenizer, self._model, self._task, self._labels = tokenizer, model, task, labels
        self._temperature, self._inputs = temperature, text_inputs(pairs)
        # Traced once for all signatures, so that the graph holds tokenizer and model once.
        self._probabilities = tf.function(self._compute_probabilities, input_signature=self._inputs)

    def endpoints(self) -> dict[str, Endpoint]:
        """Return each signature's function and its inputs, by name; a model without features has no `embed`."""
        examples = [tf.TensorSpec([None], tf.string, name=EXAMPLES)]
        found = {
            SERVING_DEFAULT: Endpoint(self.serving_default, self._inputs),
            ALL_SCORES: Endpoint(self.scores, self._inputs),
            CLASSIFY: Endpoint(self.classify, examples),
        }
        return found | ({EMBED: Endpoint(self.embed, self._inputs)} if self._model.has_features else {})

    def serving_default(self, *texts: tf.Tensor) -> Answer:
        """Return the best labels.

        Args:
            texts: string[batch], or two of them for pairs.

        Returns:
            `label`: string[batch], the label with the highest score; `score`: float32[batch], its score;
            `labels`: string[batch, k], the k best labels, the best first; `label_scores`: float32[batch, k], their
            scores. k is 5, or the number of labels if that is less. On a tie the label that comes first in
            `assets.extra/labels.json` is the better one.
        """
        scores, best = tf.math.top_k(self._probabilities(*texts), min(MOST_LABELS, len(self._labels)))  # (batch, k)
        labels = tf.gather(tf.constant(self._labels), best)
        return {LABEL: labels[:, 0], SCORE: scores[:, 0], LABELS: labels, LABEL_SCORES: scores}

    def scores(self, *texts: tf.Tensor) -> Answer:
        """Return `scores`: float32[batch, labels], every label's score in the order of `assets.extra/labels.json`.

        Args:
            texts: string[batch], or two of them for pairs.
        """
        return {SCORES: self._probabilities(*texts)}

    def classify(self, examples: tf.Tensor) -> Answer:
        """Return every label with its score, as the Classify API asks for them.

        Args:
            examples: string[batch], serialized `tf.Example`s with a feature `text` of one string, of pairs `text_pair`
                too.

        Returns:
            `classes`: string[batch, labels], the same labels in each row; `scores`: float32[batch, labels].
        """
        names = [spec.name for spec in self._inputs]
        features = {name: tf.io.FixedLenFeature([], tf.string) for name in names}
        parsed = tf.io.parse_example(tf.ensure_shape(examples, [None]), features)
        scores = self._probabilities(*(parsed[name] for name in names))  # (batch, labels)
        classes = tf.broadcast_to(tf.constant(self._labels), tf.shape(scores))
        return {CLASSES: classes, SCORES: scores}

    def embed(self, *texts: tf.Tensor) -> Answer:
        """Return `embedding`: float32[batch, features], what the model's head is given.

        Args:
            texts: string[batch], or two of them for pairs.
        """
        return {EMBEDDING: tf.cast(self._model.features(self._ids(*texts)), tf.float32)}

    def _compute_probabilities(self, *texts: tf.Tensor) -> tf.Tensor:
        logits = tf.cast(self._model(self._ids(*texts), training=False), tf.float32)  # (batch, labels)
        return self._task.probabilities(logits / self._temperature)

    def _ids(self, *texts: tf.Tensor) -> tf.Tensor:
        # A string of rank 0 would crash tensorflow-text's normalizer, and the server with it.
        return self._tokenizer(*(tf.ensure_shape(text, [None]) for text in texts))
