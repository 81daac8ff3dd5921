"""Answers for a split: in row order, whatever the batches, and scored as scikit-learn scores."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import precision_recall_fscore_support

from textclf.models.tasks import SingleLabel
from textclf.training.prediction import Predictor


@pytest.fixture(scope="module")
def prepared(prepare: Callable[..., Any]) -> Any:
    return prepare()


def predictor(prepared: Any, model: Any, batch_size: int) -> Predictor:
    return Predictor(model, SingleLabel(), prepared.labels, batch_size)


def test_probabilities_stand_in_row_order_whatever_the_batch_size(prepared: Any) -> None:
    model, split = prepared.model(), prepared.splits["train"]
    alone = np.concatenate([model(split.ids[row : row + 1].to_tensor(0)).numpy() for row in range(len(split))])
    expected = np.exp(alone) / np.exp(alone).sum(axis=1, keepdims=True)
    for batch_size in (1, 7, 256):
        outcome = predictor(prepared, model, batch_size)(split)
        assert outcome.probabilities.dtype == np.float32
        np.testing.assert_allclose(outcome.probabilities, expected, atol=1e-6)
        right = outcome.probabilities[np.arange(len(split)), split.targets]
        assert outcome.loss == pytest.approx(-np.log(right).mean(), abs=1e-6)


def test_scores_equal_scikit_learns(prepared: Any) -> None:
    split = prepared.splits["train"]
    outcome = predictor(prepared, prepared.model(), 8)(split)
    predicted = outcome.probabilities.argmax(axis=1)
    classes = range(len(prepared.labels))
    for average, found in (("macro", outcome.scores.macro), ("weighted", outcome.scores.weighted)):
        expected = precision_recall_fscore_support(
            split.targets, predicted, labels=classes, average=average, zero_division=0
        )
        assert tuple(found) == pytest.approx(expected[:3])
    assert outcome.scores.accuracy == pytest.approx((predicted == split.targets).mean())


def test_probabilities_need_no_targets(prepared: Any) -> None:
    split, found = prepared.splits["train"], predictor(prepared, prepared.model(), 8)
    np.testing.assert_array_equal(found.probabilities(split.ids), found(split).probabilities)
    assert found.probabilities(split.ids[:0]).shape == (0, len(prepared.labels))


def test_the_loss_of_a_sure_mistake_is_finite(prepared: Any) -> None:
    class Sure:
        """Gives logits whose softmax is exactly 0 and 1 in float32."""

        def __call__(self, ids: Any, training: bool) -> Any:
            del training
            return tf.tile([[500.0, 0.0, 0.0]], [tf.shape(ids)[0], 1])

    split = prepared.splits["train"]
    outcome = predictor(prepared, Sure(), 8)(split)
    assert outcome.loss == pytest.approx(500.0 * (split.targets != 0).mean())
