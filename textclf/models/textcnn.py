"""The TextCNN of Kim (2014), masked, so that padding never wins a max-pool."""

import logging
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textclf.config.textcnn import TextCNNConfig
from textclf.models.base import TextModel, precision
from textclf.models.embedding import Embedding
from textclf.text.tokenizer import Tokenizer
from textclf.text.vectors import load_vectors
from textclf.text.vocabulary import PADDING_ID, UNKNOWN_ID

logger = logging.getLogger(__name__)


@keras.saving.register_keras_serializable(package="textclf")
class TextCNN(TextModel):
    """Embedding, parallel convolutions, max over time, ReLU, dropout, dense.

    Kim (2014), "Convolutional Neural Networks for Sentence Classification",
    https://arxiv.org/abs/1408.5882. Which windows count depends on the text alone, so that it gets the
    same logits alone, in any batch and at any padding. With `padding="full"`, as in Kim's own code, these
    are all windows that touch the text, with zeros beyond its ends. With `"valid"` they lie inside the text
    (one that is shorter than a filter gets one window, filled with zeros), and a text as long as the classic
    TF1 graph's `sequence_length` gets that graph's logits.

    Args:
        vocabulary_size: Number of token ids, padding and unknown counted.
        num_classes: Logits a text.
        options: The model's section of the config, as `TextCNNConfig.model_dump` gives it.
        separator_id: Id of what stands between the texts of a pair, which no bigram goes across; None if there is none.

    Example:
        >>> model = TextCNN(100, 3, {"embedding_dim": 8, "num_filters": 4})
        >>> model(tf.constant([[5, 6, 7, 0], [8, 0, 0, 0]])).shape
        TensorShape([2, 3])
    """

    has_features = True

    def __init__(
        self,
        vocabulary_size: int,
        num_classes: int,
        options: dict[str, Any],
        separator_id: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Make and build the layers."""
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.num_classes = num_classes
        self.separator_id = separator_id
        self.options = config = TextCNNConfig.model_validate(options)
        with precision(self.dtype_policy):
            self._make_layers(config, num_classes)
        self.build((None, None))

    def _make_layers(self, config: TextCNNConfig, num_classes: int) -> None:
        self.embeddings = [
            Embedding(
                self.vocabulary_size,
                config.embedding_dim,
                embeddings_initializer=keras.initializers.RandomUniform(-0.25, 0.25),
                trainable=trainable,
                name=f"embedding_{'trained' if trainable else 'static'}",
            )
            for trainable in _CHANNELS[config.vectors_mode]
        ]
        self.bigrams = (
            Embedding(
                config.bigram_buckets,
                config.embedding_dim * len(self.embeddings),
                embeddings_initializer=keras.initializers.RandomUniform(-0.1, 0.1),
                name="bigrams",
            )
            if config.bigram_buckets
            else None
        )
        self.embedding_dropout = keras.layers.Dropout(config.embedding_dropout)
        self.convolutions = [
            keras.layers.Conv1D(config.num_filters, width, name=f"convolution_{width}_{index}")
            for index, width in enumerate(config.filter_sizes)
        ]
        self.dropout = keras.layers.Dropout(config.dropout)
        # The classic code adds l2 * sum(w ** 2) / 2; Keras' L2 has no half.
        penalty = keras.regularizers.L2(config.l2 / 2) if config.l2 else None
        self.head = keras.layers.Dense(
            num_classes,
            kernel_regularizer=penalty,
            bias_regularizer=penalty,
            kernel_constraint=keras.constraints.MaxNorm(config.max_norm, axis=0) if config.max_norm else None,
            name="head",
        )

    @classmethod
    def create(cls, options: TextCNNConfig, tokenizer: Tokenizer, num_classes: int, seed: int) -> "TextCNN":
        """Return an untrained model; with `vectors`, their width is the embedding's and their values start it."""
        size, separator_id = len(tokenizer.vocabulary), tokenizer.separator_id
        if options.vectors is None:
            return cls(size, num_classes, options.model_dump(), separator_id)
        vectors, found = load_vectors(options.vectors, tokenizer.vocabulary, seed)
        if found < size / 2:
            logger.warning(
                "Only %d of %d tokens have a vector in '%s'; the others start at random. Take vectors of the texts' "
                "language that are made of the same tokens (text.tokens), or leave model.vectors out.",
                found,
                size,
                options.vectors,
            )
        else:
            logger.info("%d of %d tokens have a vector in '%s'.", found, size, options.vectors)
        model = cls(size, num_classes, options.model_dump() | {"embedding_dim": vectors.shape[1]}, separator_id)
        model.set_vectors(vectors)
        return model

    def set_vectors(self, vectors: np.ndarray) -> None:
        """Start every embedding from float32[vocabulary_size, embedding_dim]."""
        for embedding in self.embeddings:
            embedding.embeddings.assign(vectors)

    def build(self, input_shape: Any) -> None:
        """Make the variables; the shape of the ids does not matter."""
        width = self.options.embedding_dim * len(self.embeddings)
        for embedding in self.embeddings:
            embedding.build(input_shape)
        if self.bigrams is not None:
            self.bigrams.build(input_shape)
        for convolution in self.convolutions:
            convolution.build((None, None, width))
        bag = width if self.options.bag_of_vectors else 0
        self.head.build((None, self.options.num_filters * len(self.convolutions) + bag))
        self.built = True

    def call(self, ids: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return logits, float[batch, num_classes], of ids, int32[batch, time]."""
        features = self.features(ids, training=training)  # (batch, filters of all widths and bag)
        return self.head(self.dropout(features, training=training))  # (batch, num_classes)

    def features(self, ids: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the pooled features, float[batch, num_filters * len(filter_sizes)], and behind them the bag's."""
        rows = tf.shape(ids)[0]
        # TensorFlow's convolution gives a batch of no texts a wrong shape: it gets one, which is cut off below.
        ids = tf.pad(ids, [[0, tf.cast(rows == 0, tf.int32)], [0, 0]])
        lengths = tf.math.count_nonzero(ids != PADDING_ID, axis=1, dtype=tf.int32)  # (batch,)
        vectors = self._embed(ids, training)  # (batch, edge + time + edge, width)
        pooled = [
            self._max_over_text(convolution(vectors), width, lengths)  # (batch, filters)
            for convolution, width in zip(self.convolutions, self.options.filter_sizes, strict=True)
        ]
        # ReLU and max commute; after the max there is less to do.
        features = [tf.nn.relu(tf.concat(pooled, axis=1))]  # (batch, filters of all widths)
        if self.options.bag_of_vectors:
            # Over the root of the length, a long text weighs as much as a short one whose tokens are unlike.
            root = tf.sqrt(tf.cast(tf.maximum(lengths, 1), vectors.dtype))[:, tf.newaxis]
            features.append(tf.reduce_sum(vectors, axis=1) / root)  # (batch, width): padding is zeros
        return tf.concat(features, axis=1)[:rows]

    def _embed(self, ids: tf.Tensor, training: bool) -> tf.Tensor:
        """Return the tokens' vectors with zeros for padding and at both ends."""
        vectors = tf.concat([embedding(ids) for embedding in self.embeddings], axis=2)  # (batch, time, width)
        if self.bigrams is not None:
            last_special = self.separator_id or UNKNOWN_ID
            buckets, known = hash_bigrams(ids, self.options.bigram_buckets, last_special)  # (batch, time) each
            vectors += self.bigrams(buckets) * tf.cast(known, vectors.dtype)[:, :, tf.newaxis]
        vectors *= tf.cast(ids != PADDING_ID, vectors.dtype)[:, :, tf.newaxis]
        vectors = self.embedding_dropout(vectors, training=training)
        return tf.pad(vectors, [[0, 0], self._edges(tf.shape(ids)[1]), [0, 0]])  # (batch, edge + time + edge, width)

    def _edges(self, time: tf.Tensor) -> tuple[int | tf.Tensor, int | tf.Tensor]:
        """Return how many zeros stand before and after the batch."""
        widest = max(self.options.filter_sizes)
        if self.options.padding == "full":
            return widest - 1, widest - 1 + tf.cast(time == 0, tf.int32)
        return 0, tf.maximum(widest - time, 0)  # room for one window of the widest filter

    def _max_over_text(self, outputs: tf.Tensor, width: int, lengths: tf.Tensor) -> tf.Tensor:
        """Return the largest output of the windows that count, and of the first token's in any case.

        Args:
            outputs: float[batch, windows, filters], a convolution's outputs without activation.
            width: The filter's width, in tokens.
            lengths: int32[batch], the texts' lengths.
        """
        before, _ = self._edges(tf.constant(1))
        start = tf.range(tf.shape(outputs)[1])[tf.newaxis, :] - before  # (1, windows), the first token's place
        if self.options.padding == "full":
            counts = (start > -width) & (start < lengths[:, tf.newaxis])  # (batch, windows)
        else:
            counts = start + width <= lengths[:, tf.newaxis]  # (batch, windows)
        counts |= start == 0
        lowest = tf.constant(outputs.dtype.min, outputs.dtype)
        return tf.reduce_max(tf.where(counts[:, :, tf.newaxis], outputs, lowest), axis=1)  # (batch, filters)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` builds an equal model from."""
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "num_classes": self.num_classes,
            "options": self.options.model_dump(),
            "separator_id": self.separator_id,
        }


# Two primes; with ids below 2 ** 31 no product leaves int64.
_FIRST_FACTOR, _SECOND_FACTOR = 1_000_003, 7_919
# Which embedding tables there are, by whether they are trained. Multichannel is Kim's section 3.1.
_CHANNELS = {"random": [True], "static": [False], "non-static": [True], "multichannel": [False, True]}


def hash_bigrams(ids: tf.Tensor, buckets: int, last_special: int = UNKNOWN_ID) -> tuple[tf.Tensor, tf.Tensor]:
    """Return a bucket for each token and the one after it.

    Args:
        ids: int32[batch, time].
        buckets: Number of buckets.
        last_special: Last id that is of no token in the vocabulary: of the unknown one, or of the separator of pairs.

    Returns:
        int32[batch, time] buckets, and bool[batch, time]: whether both are tokens in the vocabulary.
    """
    first = tf.cast(ids, tf.int64)
    second = tf.pad(first[:, 1:], [[0, 0], [0, tf.minimum(tf.shape(ids)[1], 1)]])  # (batch, time)
    mixed = first * _FIRST_FACTOR + second * _SECOND_FACTOR
    return tf.cast(mixed % buckets, tf.int32), (first > last_special) & (second > last_special)
