"""What every model is: token ids in, one logit a class out."""

from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from textclf.text.tokenizer import Tokenizer


class TextModel(keras.Model):
    """A Keras model from token ids to logits.

    A new model is a subclass in a file of its own and one row in `textclf.config.models.MODELS`. It
    has `num_classes`, gives `call`, and either `create`, for the training loop, or `solve`, if it is fitted
    without gradient steps.

    A text's logits must not depend on the texts beside it in the batch, nor on the padding.
    """

    num_classes: int
    """Logits a text."""
    has_solver: ClassVar[bool] = False
    """Whether `solve` makes the fitted model; otherwise `create` makes one for the training loop."""

    @classmethod
    def create(cls, options: Any, tokenizer: Tokenizer, num_classes: int, seed: int) -> "TextModel":
        """Return a new, built, untrained model for a tokenizer's ids.

        Args:
            options: The model's section of the config, such as `TextCNNConfig`.
            tokenizer: What turns the texts into ids; its vocabulary sizes the model.
            num_classes: Logits a text.
            seed: Seed of whatever the model draws beyond Keras' own first weights.
        """
        raise NotImplementedError

    @classmethod
    def solve(
        cls, options: Any, tokenizer: Tokenizer, num_classes: int, ids: tf.RaggedTensor, targets: np.ndarray
    ) -> "TextModel":
        """Return a fitted model.

        Args:
            options: The model's section of the config, such as `TextCNNConfig`.
            tokenizer: What turned the texts into ids.
            num_classes: Logits a text.
            ids: Ragged int32[texts, (time)], the training texts.
            targets: int32[texts].
        """
        raise NotImplementedError
