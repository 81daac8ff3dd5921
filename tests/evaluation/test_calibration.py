"""Calibration error by its definition, and temperatures that mend it without changing a decision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from textclf.errors import DataError
from textclf.evaluation.calibration import HIGHEST, LOWEST, fit_temperature, reliability, scale


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows, classes = draw(st.integers(1, 60)), draw(st.integers(2, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = random.normal(scale=draw(st.floats(0.1, 20.0)), size=(rows, classes))
    return softmax(logits, axis=1).astype(np.float32), random.integers(0, classes, rows)


@settings(deadline=None)
@given(predictions(), st.integers(1, 20))
def test_the_error_is_that_of_the_definition(made: tuple[np.ndarray, np.ndarray], bins: int) -> None:
    probabilities, targets = made
    found = reliability(probabilities, targets, bins)
    expected = 0.0
    for number in range(bins):  # Guo et al. (2017), equation 3
        low, high = number / bins, (number + 1) / bins
        highest = probabilities.astype(np.float64).max(axis=1)
        inside = (highest * bins > number) & (highest * bins <= number + 1)
        assert found.counts[number] == inside.sum(), (low, high)
        if inside.any():
            right = probabilities[inside].argmax(axis=1) == targets[inside]
            expected += inside.mean() * abs(right.mean() - highest[inside].mean())
    assert found.error == pytest.approx(expected, abs=1e-12)
    assert 0.0 <= found.error <= 1.0


@settings(deadline=None)
@given(predictions(), st.floats(LOWEST, HIGHEST))
def test_scaling_changes_no_decision_and_can_be_undone(made: tuple[np.ndarray, np.ndarray], temperature: float) -> None:
    probabilities, _ = made
    scaled = scale(probabilities, temperature)
    np.testing.assert_allclose(scaled.sum(axis=1), 1.0)
    np.testing.assert_array_equal(scaled.argmax(axis=1), probabilities.argmax(axis=1))
    if temperature >= 1.0:  # below, small scores fall under the smallest number
        np.testing.assert_allclose(scale(scaled, 1.0 / temperature), probabilities, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(predictions(), st.floats(0.3, 3.0))
def test_the_temperature_follows_the_logits(made: tuple[np.ndarray, np.ndarray], factor: float) -> None:
    """Logits that are `factor` times as large want a temperature that is `factor` times as high."""
    probabilities, targets = made
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-30))
    one, other = (fit_temperature(softmax(logits * times, axis=1), targets) for times in (1.0, factor))
    if LOWEST * 1.1 < one < HIGHEST / 1.1 and LOWEST * 1.1 < other < HIGHEST / 1.1 and logits.min() * factor > -80:
        assert other == pytest.approx(one * factor, rel=0.02)


def test_too_sure_and_not_sure_enough() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 3)) * 2
    targets = np.array([random.choice(3, p=row) for row in softmax(logits, axis=1)])
    for temperature in (0.25, 1.0, 4.0):
        given_scores = softmax(logits / temperature, axis=1)
        found = fit_temperature(given_scores, targets)
        assert found * temperature == pytest.approx(1.0, rel=0.1)
        before, after = reliability(given_scores, targets), reliability(scale(given_scores, found), targets)
        assert after.error < 0.03
        assert after.log_loss <= before.log_loss + 1e-9
        if temperature != 1.0:
            assert before.error > 0.1


@pytest.mark.parametrize("rows", [1, 10, 1000])
def test_certainty_stays_finite_where_all_is_right(rows: int) -> None:
    """All right in n rows: as sure as one more row, shared out between the labels, allows."""
    probabilities = np.full((rows, 2), [0.9, 0.1])
    scaled = scale(probabilities, fit_temperature(probabilities, np.zeros(rows, np.int64)))
    assert scaled[0, 0] == pytest.approx((rows + 0.5) / (rows + 1), abs=1e-3)


def test_log_loss_is_the_cross_entropy() -> None:
    logits, targets = np.random.default_rng(1).normal(size=(50, 4)), np.arange(50) % 4
    expected = -log_softmax(logits, axis=1)[np.arange(50), targets].mean()
    assert reliability(softmax(logits, axis=1), targets).log_loss == pytest.approx(expected)


def test_without_rows_there_is_nothing_to_say() -> None:
    with pytest.raises(DataError, match="calibration: expected rows"):
        reliability(np.zeros((0, 2)), np.zeros(0, np.int64))
