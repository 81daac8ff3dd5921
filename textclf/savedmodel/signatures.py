"""What a served model answers: the names, types and shapes of its signatures.

They are a contract with every client; nothing here changes without a new major version.
"""

import tensorflow as tf

SERVING_DEFAULT = "serving_default"
TEXT, LABEL, SCORE, SCORES = "text", "label", "score", "scores"

INPUT = [tf.TensorSpec([None], tf.string, name=TEXT)]
