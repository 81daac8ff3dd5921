"""Tiny SavedModels, written in seconds."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def parity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version that says of numbers and texts what they are; it keeps no weights."""
    import tensorflow as tf

    texts = tf.TensorSpec([None], tf.string, name="text")
    numbers = tf.TensorSpec([None], tf.int64, name="n")

    class Parity(tf.Module):
        """Signatures of several dtypes, and one that refuses what is odd."""

        @tf.function(input_signature=[texts])
        def sizes(self, text: Any) -> Any:
            text = tf.ensure_shape(text, [None])
            return {"size": tf.strings.length(text), "text": text}

        @tf.function(input_signature=[numbers])
        def halves(self, n: Any) -> Any:
            with tf.control_dependencies([tf.debugging.assert_equal(n % 2, tf.zeros_like(n), "odd")]):
                return {"half": n // 2, "share": tf.cast(n, tf.float32) / 2.0}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def kinds(self, x: Any) -> Any:
            dtypes = (tf.bool, tf.int32, tf.uint8, tf.float64, tf.half, tf.bfloat16, tf.int64, tf.complex64)
            return {dtype.name: tf.cast(x, dtype) for dtype in dtypes} | {"whole": tf.reduce_sum(x)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def classes(self, inputs: Any) -> Any:
            text = tf.io.parse_example(inputs, {"text": tf.io.FixedLenFeature([], tf.string)})["text"]
            size = tf.cast(tf.strings.length(text), tf.float32)[:, None]
            return {"classes": tf.fill(tf.shape(size), "long"), "scores": size}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def lengths(self, inputs: Any) -> Any:
            text = tf.io.parse_example(inputs, {"text": tf.io.FixedLenFeature([], tf.string)})["text"]
            return {"outputs": tf.cast(tf.strings.length(text), tf.float32)}

    folder = tmp_path_factory.mktemp("parity") / "1"
    module = Parity()
    signatures = {name: getattr(module, name) for name in ("halves", "kinds", "classes", "lengths")}
    tf.saved_model.save(module, str(folder), signatures=signatures | {"serving_default": module.sizes})
    return folder


@pytest.fixture
def publish(parity: Path) -> Callable[[Path], Path]:
    """Put a version at a path as publishing does: whole, by a rename."""

    def put(target: Path) -> Path:
        unfinished = target.with_name(f".unfinished-{target.name}")
        shutil.copytree(parity, unfinished)
        return unfinished.rename(target)

    return put
