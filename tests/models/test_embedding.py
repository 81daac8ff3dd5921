"""Embeddings: Keras' own vectors, without reading the table whole."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.models.embedding import Embedding

IDS = tf.constant([[1, 2, 0], [9, 9, 3]])


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_vectors_and_gradients_are_those_of_keras(dtype: str) -> None:
    ours, other = (layer(10, 4, dtype=dtype) for layer in (Embedding, keras.layers.Embedding))
    other.build()
    ours.build()
    ours.set_weights(other.get_weights())
    found = []
    for layer in (ours, other):
        with tf.GradientTape() as tape:
            vectors = layer(IDS)
            loss = tf.reduce_sum(tf.square(tf.cast(vectors, tf.float32)))
        gradient = tape.gradient(loss, layer.embeddings.value)
        assert vectors.dtype == layer.compute_dtype
        assert gradient.dtype == tf.float32
        found.append((vectors, tf.convert_to_tensor(gradient)))
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(tf.cast(mine, tf.float32), tf.cast(theirs, tf.float32))


def test_the_table_is_never_read_whole() -> None:
    layer = Embedding(10, 4)
    layer.build()
    graph = tf.function(layer).get_concrete_function(IDS).graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert "ResourceGather" in kinds
    assert "ReadVariableOp" not in kinds
