"""The linear baseline: TF-IDF over token n-grams and multinomial logistic regression, in the graph."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textclf.config.linear import LinearConfig
from textclf.errors import ConfigError
from textclf.models.base import TextModel
from textclf.models.regression import fit_regression
from textclf.text.tokenizer import Tokenizer
from textclf.text.vocabulary import PADDING_ID

# An n-gram's key is a number in base `vocabulary_size`; three digits must fit into an int64, of pairs three times so.
_LARGEST_VOCABULARY, _LARGEST_OF_PAIRS = 2_000_000, 1_400_000
_NO_KEY = -1


@keras.saving.register_keras_serializable(package="textclf")
class Linear(TextModel):
    """The maximum-entropy model (Berger et al. 1996) over sublinear, L2-normalized TF-IDF of n-grams.

    scikit-learn fits it (`TfidfTransformer`, `LogisticRegression`); the graph computes the same
    function of the ids, with sorted int64 keys and a binary search in place of a table, so that it
    exports like any other model. Of a pair of texts, the n-grams of the first one, those of the second
    one and those that both have are different features: what one text alone tells, and what they share.

    Args:
        vocabulary_size: Number of token ids, padding and unknown counted.
        num_classes: Logits a text.
        num_features: Number of n-grams.
        options: The model's section of the config, as `LinearConfig.model_dump` gives it.
        separator_id: Id of what stands between the texts of a pair; None if it is given single texts.
    """

    def __init__(
        self,
        vocabulary_size: int,
        num_classes: int,
        num_features: int,
        options: dict[str, Any],
        separator_id: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Make the variables: the n-grams' sorted keys and weights."""
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.num_classes = num_classes
        self.num_features = num_features
        self.separator_id = separator_id
        self.options = LinearConfig.model_validate(options)
        shape = (num_features,)
        self.keys = self.add_weight(shape=shape, dtype="int64", initializer="zeros", trainable=False, name="keys")
        self.idf = self.add_weight(shape=shape, dtype="float32", initializer="ones", trainable=False, name="idf")
        self.kernel = self.add_weight(shape=(num_features, num_classes), dtype="float32", name="kernel")
        self.bias = self.add_weight(shape=(num_classes,), dtype="float32", initializer="zeros", name="bias")
        self.built = True

    def build(self, input_shape: Any) -> None:
        """Do nothing: the variables are made with the model."""

    @classmethod
    def solve(
        cls, options: LinearConfig, tokenizer: Tokenizer, num_classes: int, ids: tf.RaggedTensor, targets: np.ndarray
    ) -> "Linear":
        """Fit TF-IDF and logistic regression on the training texts' ids with scikit-learn.

        Raises:
            ConfigError: The vocabulary is too large for the keys, or no n-gram is left to learn from.
        """
        vocabulary_size, separator_id = len(tokenizer.vocabulary), tokenizer.separator_id
        largest = _LARGEST_VOCABULARY if separator_id is None else _LARGEST_OF_PAIRS
        if vocabulary_size > largest:
            raise ConfigError(
                f"model: linear takes a vocabulary of at most {largest} tokens, got {vocabulary_size}. "
                "Lower text.max_size or raise text.min_count."
            )
        counts, keys = _count_ngrams(ids, vocabulary_size, separator_id, options)
        idf, kernel, bias = _fit(counts, targets, num_classes, options)
        model = cls(vocabulary_size, num_classes, len(keys), options.model_dump(), separator_id)
        for variable, value in ((model.keys, keys), (model.idf, idf), (model.kernel, kernel), (model.bias, bias)):
            variable.assign(value)
        return model

    def call(self, ids: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return logits, float32[batch, num_classes], of ids, int32[batch, time]."""
        del training  # nothing differs
        rows, features, weights = self._tfidf(ids)
        shares = tf.gather(tf.convert_to_tensor(self.kernel), features) * weights[:, tf.newaxis]  # (entries, classes)
        return tf.math.unsorted_segment_sum(shares, rows, tf.shape(ids)[0]) + self.bias  # (batch, classes)

    def _tfidf(self, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the non-zero entries of the TF-IDF matrix of a batch.

        Returns:
            int64[entries] rows, int64[entries] features, float32[entries] values.
        """
        keys = feature_keys(ids, self.vocabulary_size, self.options.max_ngram, self.separator_id)  # (batch, n-grams)
        known = tf.convert_to_tensor(self.keys)  # (features,)
        place = tf.searchsorted(known, tf.reshape(keys, [-1]))
        place = tf.reshape(tf.minimum(place, self.num_features - 1), tf.shape(keys))  # (batch, n-grams)
        hits = tf.where(tf.gather(known, place) == keys)  # (hits, 2): row, position
        features = tf.cast(tf.gather_nd(place, hits), tf.int64)  # (hits,)
        entries, _, counts = tf.unique_with_counts(hits[:, 0] * self.num_features + features)
        rows, features = entries // self.num_features, entries % self.num_features
        values = (1.0 + tf.math.log(tf.cast(counts, tf.float32))) * tf.gather(tf.convert_to_tensor(self.idf), features)
        squared_norms = tf.math.unsorted_segment_sum(values**2, rows, tf.shape(ids)[0])  # (batch,)
        return rows, features, values * tf.math.rsqrt(tf.gather(squared_norms, rows))

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` builds an equal model from."""
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "num_classes": self.num_classes,
            "num_features": self.num_features,
            "options": self.options.model_dump(),
            "separator_id": self.separator_id,
        }


def feature_keys(ids: tf.Tensor, vocabulary_size: int, max_ngram: int, separator_id: int | None) -> tf.Tensor:
    """Return a number for every n-gram of every row; of pairs, also for those that both texts have.

    Args:
        ids: int32[batch, time], 0 for padding.
        vocabulary_size: As in `ngram_keys`.
        max_ngram: Longest n-gram.
        separator_id: Id of what stands between the texts of a pair; None for single texts.

    Returns:
        int64[batch, keys]; -1 for none. Of pairs they are 0 modulo 3 for n-grams of the first text, 1 for those of the
        second one, and 2, once each, for those of both.
    """
    if separator_id is None:
        return ngram_keys(ids, vocabulary_size, max_ngram)
    is_separator = ids == separator_id  # (batch, time)
    keys = ngram_keys(tf.where(is_separator, PADDING_ID, ids), vocabulary_size, max_ngram)  # (batch, n-grams)
    is_behind = tf.cumsum(tf.cast(is_separator, tf.int32), axis=1) > 0  # (batch, time)
    is_behind = tf.tile(is_behind, [1, max_ngram])  # (batch, n-grams)
    none = tf.constant(_NO_KEY, tf.int64)
    first, second = tf.where(is_behind, none, keys), tf.where(is_behind, keys, none)
    both = tf.sparse.to_dense(
        tf.sets.intersection(first, second), default_value=_NO_KEY
    )  # (batch, most that are shared)
    parts = [tf.where(part == none, none, 3 * part + kind) for kind, part in enumerate((first, second, both))]
    return tf.concat(parts, axis=1)


def ngram_keys(ids: tf.Tensor, vocabulary_size: int, max_ngram: int) -> tf.Tensor:
    """Return a number for every n-gram of every text.

    Ids of tokens are at least 1, so that a number in base `vocabulary_size` has as many digits as the
    n-gram has tokens, and no two n-grams share one.

    Args:
        ids: int32[batch, time], 0 for padding, which may also stand between tokens.
        vocabulary_size: The base.
        max_ngram: Longest n-gram.

    Returns:
        int64[batch, max_ngram * time]; -1 where an n-gram would touch padding.
    """
    ids = tf.cast(ids, tf.int64)  # (batch, time)
    later, keys, gaps, parts = ids, ids, ids == PADDING_ID, []
    for length in range(1, max_ngram + 1):
        if length > 1:
            later = tf.pad(later[:, 1:], [[0, 0], [0, tf.minimum(tf.shape(ids)[1], 1)]])  # (batch, time)
            keys = keys * vocabulary_size + later
            gaps |= later == PADDING_ID
        parts.append(tf.where(gaps, tf.constant(_NO_KEY, tf.int64), keys))
    return tf.concat(parts, axis=1)  # (batch, max_ngram * time)


def _count_ngrams(
    ids: tf.RaggedTensor, vocabulary_size: int, separator_id: int | None, options: LinearConfig
) -> tuple[Any, np.ndarray]:
    """Return the counts, a SciPy CSR matrix [texts, features], and the features' sorted keys, int64[features]."""
    from scipy import sparse

    rows, keys = [], []
    texts_at_once = 256
    for start in range(0, ids.shape[0], texts_at_once):
        padded = ids[start : start + texts_at_once].to_tensor()
        batch = feature_keys(padded, vocabulary_size, options.max_ngram, separator_id).numpy()
        row, position = np.nonzero(batch != _NO_KEY)
        rows.append(row + start)
        keys.append(batch[row, position])
    known, columns = np.unique(np.concatenate(keys), return_inverse=True)
    if len(known) == 0:
        raise ConfigError("model: linear found no n-gram in the training texts. Lower text.min_count.")
    ones = np.ones(len(columns), np.float64)
    counts = sparse.csr_matrix((ones, (np.concatenate(rows), columns)), shape=(ids.shape[0], len(known)))
    frequent = np.bincount(counts.indices, minlength=len(known)) >= options.min_count
    if not frequent.any():
        raise ConfigError(f"model.min_count: no n-gram stands in {options.min_count} training texts. Lower it.")
    return counts[:, frequent], known[frequent]


def _fit(
    counts: Any, targets: np.ndarray, num_classes: int, options: LinearConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return idf [features], kernel [features, classes] and bias [classes]."""
    from sklearn.feature_extraction.text import TfidfTransformer

    tfidf = TfidfTransformer(sublinear_tf=True)
    features = tfidf.fit_transform(counts)
    kernel, bias = fit_regression(
        features, targets, num_classes, options.inverse_regularization, options.max_iterations
    )
    return tfidf.idf_, kernel, bias
