"""The lookup of vectors by id, row by row."""

import keras
import tensorflow as tf


class Embedding(keras.layers.Embedding):
    """`keras.layers.Embedding` that reads no more of its table than the rows asked for.

    Keras' own reads the whole table first. Once rows of a variable are set one by one, as `training.lazy_embeddings`
    does, TensorFlow copies it at every such read: a step then takes the longer the larger the vocabulary is.

    Example:
        >>> layer = Embedding(10, 4)
        >>> layer(tf.constant([[1, 2, 0]])).shape
        TensorShape([1, 3, 4])
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the vectors, float[batch, time, width], of ids, int32[batch, time]."""
        return tf.cast(tf.nn.embedding_lookup(self.embeddings.value, inputs), self.compute_dtype)
