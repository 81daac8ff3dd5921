"""What every model is: token ids in, one logit a class out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textclf.config import Config
from textclf.data.check import CountTokens
from textclf.text.tokenizer import Tokenizer
from textclf.text.words import WordTokenizer, count_tokens


@contextmanager
def precision(policy: str | keras.DTypePolicy) -> Iterator[None]:
    """Let layers that are made inside compute as a Keras dtype policy says, such as `mixed_bfloat16`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class TextModel(keras.Model):
    """A Keras model from token ids to logits.

    A new model is a subclass in a file of its own and one row in `textclf.config.models.MODELS`. It
    has `num_classes`, gives `call`, and either `create`, for the training loop, or `solve`, if its options'
    `learns_in_steps` is false. Its tokenizer splits words or characters and learns its vocabulary from the training
    texts, unless it gives another one by `make_tokenizer`, `load_tokenizer` and `token_counter`.

    A text's logits must not depend on the texts beside it in the batch, nor on the padding.
    """

    num_classes: int
    """Logits a text."""
    has_features = False
    """Whether `features` gives what the head takes; if so, exports have the signature `embed`."""

    def features(self, ids: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return what the head takes, float[batch, features], of ids, int32[batch, time]."""
        raise NotImplementedError

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse, before the data of a new run are read, what can be told without them; `ConfigError` says why."""

    @classmethod
    def make_tokenizer(cls, config: Config, texts: Sequence[str]) -> Tokenizer:
        """Return the tokenizer of a new run.

        Args:
            config: The run.
            texts: The training texts, of pairs both, for a vocabulary that is learnt.

        Raises:
            ConfigError: The texts or the options give no vocabulary.
        """
        return WordTokenizer.learn(texts, config.text, pairs=config.data.pair_column is not None)

    @classmethod
    def load_tokenizer(cls, directory: Path, config: Config) -> Tokenizer:
        """Return the tokenizer that `Tokenizer.save` wrote into a run's directory; `RunError` if it is damaged."""
        return WordTokenizer.load(directory, config.text, pairs=config.data.pair_column is not None)

    @classmethod
    def token_counter(cls, config: Config, texts: Sequence[str]) -> CountTokens:
        """Return what counts the tokens of texts, or pairs, before they are cut.

        Args:
            config: The run.
            texts: The training texts, of pairs both, for a vocabulary that is learnt.
        """
        del texts  # words are counted without a vocabulary

        def count(others: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
            return count_tokens(others, config.text, pairs)

        return count

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

    def structure(self) -> dict[str, Any]:
        """Return what `create_again` takes, as JSON has it; the precision that it computes in may be another then."""
        return {name: value for name, value in self.get_config().items() if name != "dtype"}

    @classmethod
    def create_again(cls, structure: dict[str, Any]) -> "TextModel":
        """Return a model like one that `create` made, with weights yet to be set; its files are not asked for again."""
        return cls.from_config(structure)

    def learning_rate_scale(self, variable: keras.Variable) -> float:
        """Return the factor from the learning rate to that of one of the trainable variables."""
        del variable
        return 1.0

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
