"""BERT on keras-hub: an encoder, pretrained or new, with a dense head."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

from textclf.config import Config
from textclf.config.bert import BertConfig
from textclf.data.check import CountTokens
from textclf.errors import ConfigError
from textclf.models import bert_tokens
from textclf.models.base import TextModel
from textclf.models.bert_tokens import LONGEST_NEW
from textclf.models.frozen import encode_features, fit_head
from textclf.models.pretrained import Pretrained, find_pretrained, set_activation
from textclf.models.windows import cut_windows
from textclf.optional import import_optional
from textclf.text.pairs import row_lengths
from textclf.text.tokenizer import Tokenizer
from textclf.text.vocabulary import PADDING_ID
from textclf.text.wordpiece import WordPieceTokenizer

logger = logging.getLogger(__name__)


@keras.saving.register_keras_serializable(package="textclf")
class Bert(TextModel):
    """keras-hub's `BertBackbone`, pooled states, dropout, dense.

    Devlin et al. (2019), "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
    https://arxiv.org/abs/1810.04805. What stands after the first `[SEP]` of a row is the second text of a pair; read in
    windows, pairs are not told apart.

    Args:
        backbone: Sizes: the arguments of `keras_hub.models.BertBackbone` but for `dropout`, `dtype` and `name`.
        activation: That of the feed-forward layers, a key of `textclf.models.pretrained.ACTIVATIONS`.
        special_ids: Ids of `[CLS]` and `[SEP]`.
        num_classes: Logits a text.
        options: The model's section of the config, as `BertConfig.model_dump` gives it.

    Example:
        >>> sizes = {"vocabulary_size": 100, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
        >>> model = Bert(sizes, "gelu", (2, 3), 5, {})
        >>> model(tf.constant([[2, 50, 60, 3], [2, 70, 3, 0]])).shape
        TensorShape([2, 5])
    """

    has_features = True

    def __init__(
        self,
        backbone: dict[str, Any],
        activation: str,
        special_ids: Sequence[int],
        num_classes: int,
        options: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        """Make and build the layers."""
        super().__init__(**kwargs)
        self.sizes, self.activation = dict(backbone), activation
        self.cls_id, self.sep_id = special_ids
        self.num_classes = num_classes
        self.options = config = BertConfig.model_validate(options)
        hub = import_optional("keras_hub", "bert", "BERT")
        self.backbone = hub.models.BertBackbone(**self.sizes, dropout=config.encoder_dropout, dtype=self.dtype_policy)
        set_activation(self.backbone, activation)
        # In float32 whatever the encoder computes in: a thousandth is much between two logits.
        self.dropout = keras.layers.Dropout(config.dropout, dtype="float32")
        self.head = keras.layers.Dense(num_classes, dtype="float32", name="head")
        self.build((None, None))

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse a preset that is not there or that the options do not fit, and weights here that are cut off."""
        options = cast(BertConfig, config.model)
        if options.preset is None:
            bert_tokens.check_length(options, config.text.max_tokens, LONGEST_NEW)
        else:
            _find_fitting(options, config.text.max_tokens).check_weights()

    @classmethod
    def make_tokenizer(cls, config: Config, texts: Sequence[str]) -> Tokenizer:
        """Return the preset's tokenizer, or one that is learnt; see `textclf.models.bert_tokens`."""
        return bert_tokens.make_tokenizer(config, texts)

    @classmethod
    def load_tokenizer(cls, directory: Path, config: Config) -> Tokenizer:
        """Return the tokenizer that was saved into a run's directory; the preset is not asked for again."""
        return bert_tokens.load_tokenizer(directory, config)

    @classmethod
    def token_counter(cls, config: Config, texts: Sequence[str]) -> CountTokens:
        """Return what counts word pieces, with `[CLS]` and `[SEP]`."""
        tokenizer = bert_tokens.make_tokenizer(config, texts)

        def count(others: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
            columns = [others] if pairs is None else [others, pairs]
            return row_lengths([tokenizer.lengths(column) - 2 for column in columns], special=len(columns) + 1)

        return count

    @classmethod
    def create(cls, options: BertConfig, tokenizer: Tokenizer, num_classes: int, seed: int) -> "Bert":
        """Return an untrained model: with a preset, only its head is.

        Raises:
            ConfigError: The preset cannot be found or read, or its encoder is too short or too shallow for the options.
        """
        del seed  # all that is drawn is Keras' own first weights
        if not isinstance(tokenizer, WordPieceTokenizer):
            raise TypeError(f"expected a WordPieceTokenizer, as `make_tokenizer` gives, got {type(tokenizer).__name__}")
        special_ids = (tokenizer.cls_id, tokenizer.sep_id)
        if options.preset is None:
            bert_tokens.check_length(options, tokenizer.max_tokens, LONGEST_NEW)
            model = cls(_new_sizes(options, tokenizer), "gelu", special_ids, num_classes, options.model_dump())
            model.freeze()
            return model
        found = _find_fitting(options, tokenizer.max_tokens)
        model = cls(found.backbone, found.activation, special_ids, num_classes, options.model_dump())
        found.load_into(model.backbone)
        model.freeze()
        return model

    @classmethod
    def create_again(cls, structure: dict[str, Any]) -> "Bert":
        """Return a model like one that `create` made, frozen alike, with weights yet to be set."""
        model: Bert = cls.from_config(structure)
        model.freeze()
        return model

    @classmethod
    def solve(
        cls, options: BertConfig, tokenizer: Tokenizer, num_classes: int, ids: tf.RaggedTensor, targets: np.ndarray
    ) -> "Bert":
        """Return the preset's encoder as it is, with logistic regression on its features as head."""
        model = cls.create(options, tokenizer, num_classes, seed=0)
        features = encode_features(model.features, ids, model.head.kernel.shape[0])
        kernel, bias = fit_head(features, targets, num_classes, options)
        model.head.kernel.assign(kernel)
        model.head.bias.assign(bias)
        return model

    def freeze(self) -> None:
        """Keep what the options say from being trained, and the pooler where nothing is told by it."""
        options, backbone = self.options, self.backbone
        if options.lora_rank:
            _add_low_rank_updates(backbone, options.lora_rank)
        frozen = []
        if options.freeze_embeddings or options.freeze_layers:
            frozen += [backbone.token_embedding, backbone.position_embedding, backbone.segment_embedding]
            frozen += [backbone.embeddings_layer_norm, *backbone.transformer_layers[: options.freeze_layers]]
        if options.pooling == "mean":
            frozen.append(backbone.pooled_dense)
        for layer in frozen:
            layer.trainable = False

    def build(self, input_shape: Any) -> None:
        """Make the head's variables; the shape of the ids does not matter."""
        del input_shape
        parts = 2 if self.options.pooling == "cls+mean" else 1
        self.head.build((None, parts * self.sizes["hidden_dim"]))
        self.built = True

    def call(self, ids: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return logits, float32[batch, num_classes], of ids, int32[batch, time]."""
        if self.options.long_texts == "windows" and self.options.window_pooling == "max":
            windows, rows = self._windows(ids)
            logits = self._logits(self._pooled(windows, training), training)  # (windows, num_classes)
            return tf.math.unsorted_segment_max(logits, rows, tf.shape(ids)[0])  # (batch, num_classes)
        # The mean of the windows' logits is the logits of their mean, since the head is linear.
        return self._logits(self.features(ids, training), training)  # (batch, num_classes)

    def features(self, ids: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the pooled states, float32[batch, hidden_dim], twice as wide for `cls+mean`; the mean of windows."""
        if self.options.long_texts != "windows":
            return self._pooled(ids, training)
        windows, rows = self._windows(ids)
        pooled = self._pooled(windows, training)  # (windows, features)
        return tf.math.unsorted_segment_mean(pooled, rows, tf.shape(ids)[0])  # (batch, features)

    def _windows(self, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return cut_windows(ids, self.options.window, self.options.stride, self.cls_id, self.sep_id)

    def _logits(self, features: tf.Tensor, training: bool) -> tf.Tensor:
        return self.head(self.dropout(features, training=training))

    def _pooled(self, ids: tf.Tensor, training: bool) -> tf.Tensor:
        """Return the pooled states, float32[rows, features], of ids, int32[rows, time]."""
        # A batch of no texts has no time either, but the first position is asked for.
        ids = tf.pad(ids, [[0, 0], [0, tf.cast(tf.shape(ids)[1] == 0, tf.int32)]])
        is_token = ids != PADDING_ID  # (rows, time)
        separators = tf.cumsum(tf.cast(ids == self.sep_id, tf.int32), axis=1, exclusive=True)  # (rows, time)
        inputs = {
            "token_ids": ids,
            "segment_ids": tf.cast((separators > 0) & is_token, tf.int32),
            "padding_mask": tf.cast(is_token, tf.int32),
        }
        outputs = self.backbone(inputs, training=training)
        parts = []
        if "cls" in self.options.pooling:
            parts.append(tf.cast(outputs["pooled_output"], tf.float32))  # (rows, hidden_dim)
        if "mean" in self.options.pooling:
            parts.append(_mean(outputs["sequence_output"], is_token))  # (rows, hidden_dim)
        return tf.concat(parts, axis=1)

    def learning_rate_scale(self, variable: keras.Variable) -> float:
        """Return `layer_decay` to the power of the layers above the variable's; 1 for the head."""
        if not hasattr(self, "_layers_above"):
            self._layers_above = self._count_layers_above()
        return float(self.options.layer_decay ** self._layers_above.get(id(variable), 0))

    def _count_layers_above(self) -> dict[int, int]:
        """Return, for each variable of the encoder by its id, how many layers stand above; the head is one."""
        layers = self.backbone.transformer_layers
        above = {id(variable): len(layers) + 1 for variable in self.backbone.variables}
        above |= {id(variable): 1 for variable in self.backbone.pooled_dense.variables}
        for number, layer in enumerate(layers):
            above |= {id(variable): len(layers) - number for variable in layer.variables}
        return above

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` builds an equal model from; no preset is asked for."""
        return super().get_config() | {
            "backbone": self.sizes,
            "activation": self.activation,
            "special_ids": (self.cls_id, self.sep_id),
            "num_classes": self.num_classes,
            "options": self.options.model_dump(),
        }


def _add_low_rank_updates(backbone: Any, rank: int) -> None:
    """Let nothing be trained but low-rank updates of queries and values; keras-hub trains their biases too."""
    backbone.enable_lora(rank)
    for variable in backbone.trainable_variables:
        variable.trainable = "lora" in variable.name


def _mean(states: tf.Tensor, is_token: tf.Tensor) -> tf.Tensor:
    """Return the mean of the tokens' states, float32[rows, hidden_dim], of float[rows, time, hidden_dim].

    The sum is in float32 whatever the states are in: bfloat16 cannot count beyond 256.
    """
    weights = tf.cast(is_token, tf.float32)[:, :, tf.newaxis]  # (rows, time, 1)
    total = tf.reduce_sum(tf.cast(states, tf.float32) * weights, axis=1)  # (rows, hidden_dim)
    return tf.math.divide_no_nan(total, tf.reduce_sum(weights, axis=1))


def _find_fitting(options: BertConfig, max_tokens: int) -> Pretrained:
    """Return the preset; `ConfigError` if it cannot be found, or its encoder is too short or shallow."""
    found = find_pretrained(str(options.preset))
    sizes = found.backbone
    bert_tokens.check_length(options, max_tokens, sizes["max_sequence_length"])
    if options.freeze_layers >= sizes["num_layers"]:
        raise ConfigError(
            f"model.freeze_layers: expected fewer than the {sizes['num_layers']} layers of '{options.preset}', got "
            f"{options.freeze_layers}. To keep all of them as they are, take model.encoder=frozen: it fits the "
            "head in seconds, where steps at the rate of fine-tuning would take many epochs."
        )
    return found


def _new_sizes(options: BertConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the sizes of an encoder that learns from the training texts alone, and say that it does."""
    logger.warning(
        "BERT learns from the training texts alone, since model.preset is not set. Pretrained weights reach more, in "
        "fewer epochs: docs/bert.md says where they come from."
    )
    names = ("num_layers", "num_heads", "hidden_dim", "intermediate_dim")
    sizes = {name: getattr(options, name) for name in names}
    return sizes | {"vocabulary_size": len(tokenizer.vocabulary), "max_sequence_length": LONGEST_NEW}
