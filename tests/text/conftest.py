"""What the tests of tokenizers share."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import tensorflow as tf

from textclf.text.tokenizer import Tokenizer

Check: TypeAlias = Callable[[Tokenizer, tf.Tensor], None]


@pytest.fixture
def check_same_everywhere(tmp_path: Path) -> Check:
    """Compare a tokenizer's ids eagerly, in a function, in a dataset, and saved and loaded."""

    def check(tokenizer: Tokenizer, texts: tf.Tensor) -> None:
        expected = tokenizer(texts).numpy()
        function = tf.function(tokenizer.__call__, input_signature=[tf.TensorSpec([None], tf.string)])
        assert function.get_concrete_function().structured_outputs.shape.rank == 2
        np.testing.assert_array_equal(function(texts), expected)
        (batch,) = tf.data.Dataset.from_tensor_slices(texts).batch(len(texts)).map(tokenizer)
        np.testing.assert_array_equal(batch, expected)
        module = tf.Module()
        module.tokenizer, module.serve = tokenizer, function
        tf.saved_model.save(module, str(tmp_path / "saved"))
        loaded = tf.saved_model.load(str(tmp_path / "saved"))
        np.testing.assert_array_equal(loaded.serve(texts), expected)
        assert loaded.serve(tf.constant([], tf.string)).shape == (0, 0)

    return check
