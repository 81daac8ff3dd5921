"""What a served model answers: the names, types and shapes of its signatures.

They are a contract with every client; nothing here changes without a new major version.
"""

from collections.abc import Mapping

import tensorflow as tf

SERVING_DEFAULT, ALL_SCORES, CLASSIFY, EMBED = "serving_default", "scores", "classify", "embed"
"""The signatures: the best labels, every label's score, the same of serialized examples, the model's features."""

TEXT, TEXT_PAIR, EXAMPLES = "text", "text_pair", "inputs"
"""Inputs: the text, the second text of a pair, and serialized `tf.Example`s with features that are called so."""

LABEL, SCORE, LABELS, LABEL_SCORES = "label", "score", "labels", "label_scores"
"""Outputs of `serving_default`."""

SCORES, CLASSES, EMBEDDING = "scores", "classes", "embedding"
"""Outputs of the others; `classes` and `scores` are what the Classify API asks for."""

MOST_LABELS = 5
"""Labels that `serving_default` names, if there are so many."""


def text_inputs(pairs: bool) -> list[tf.TensorSpec]:
    """Return the inputs of the signatures that take texts: string[batch] each."""
    names = (TEXT, TEXT_PAIR) if pairs else (TEXT,)
    return [tf.TensorSpec([None], tf.string, name=name) for name in names]


def example(values: Mapping[str, str | bytes]) -> bytes:
    """Return a serialized `tf.Example` with a feature of one string for each name."""
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[tf.compat.as_bytes(value)]))
        for name, value in values.items()
    }
    serialized: bytes = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    return serialized
