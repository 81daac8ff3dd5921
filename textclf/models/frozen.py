"""A head on features that are computed once: what training comes to if the encoder stays as it is."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm.auto import tqdm

from textclf.config.bert import BertConfig
from textclf.models.regression import fit_regression
from textclf.text.batches import compute_rows

_BATCH = 64
_IDS = tf.TensorSpec([None, None], tf.int32)


def encode_features(encode: Callable[[tf.Tensor], tf.Tensor], ids: tf.RaggedTensor, width: int) -> NDArray[np.float32]:
    """Return the features of all texts, float32[texts, width], in their order; a bar on a terminal shows how far it is.

    Args:
        encode: Returns float[batch, width] for int32[batch, time].
        ids: Ragged int32[texts, (time)].
        width: Number of features.
    """
    run = tf.function(lambda batch: tf.cast(encode(batch), tf.float32), input_signature=[_IDS])
    watch = functools.partial(tqdm, desc="features", leave=False, disable=None)
    return compute_rows(run, ids, width, _BATCH, watch)


def fit_head(
    features: NDArray[np.float32], targets: NDArray[np.int32], num_classes: int, options: BertConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the kernel, float32[features, classes], and bias, float32[classes], of multinomial logistic regression.

    scikit-learn fits it on standardized features; the standardization is folded into kernel and bias.

    Args:
        features: float32[texts, features].
        targets: int32[texts].
        num_classes: Number of classes, each with a text.
        options: `inverse_regularization` and `max_iterations` count.
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    standardized = scaler.transform(features)
    kernel, bias = fit_regression(
        standardized, targets, num_classes, options.inverse_regularization, options.max_iterations
    )
    kernel = kernel / scaler.scale_[:, np.newaxis]
    return kernel.astype(np.float32), (bias - scaler.mean_ @ kernel).astype(np.float32)
