"""The paired bootstrap: its scores, its interval, and how often it takes chance for a difference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from textclf.evaluation.comparison import paired_bootstrap

CLASSES = 3


@st.composite
def answers(draw: st.DrawFn) -> list[np.ndarray]:
    rows, seed = draw(st.integers(1, 40)), draw(st.integers(0, 2**32 - 1))
    return list(np.random.default_rng(seed).integers(0, 3, (3, rows)))


@settings(deadline=None, max_examples=25)
@given(answers())
def test_the_scores_are_scikit_learns(made: list[np.ndarray]) -> None:
    targets, first, second = made
    found = paired_bootstrap("macro_f1", targets, first, second, CLASSES, resamples=20)
    for score, ids in ((found.first, first), (found.second, second)):
        assert score == pytest.approx(f1_score(targets, ids, labels=range(3), average="macro", zero_division=0))
    assert found.low <= found.high
    other = paired_bootstrap("accuracy", targets, second, first, CLASSES, resamples=20)
    assert other.first == pytest.approx(accuracy_score(targets, second))
    same = paired_bootstrap("macro_f1", targets, first, first, CLASSES, resamples=20)
    assert (same.low, same.high, same.is_worse) == (0.0, 0.0, False)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_each_draw_is_scored_as_scikit_learn_scores_its_rows(average: str) -> None:
    """Of three draws the interval's ends are near the lowest and the highest."""
    targets, first, second = np.random.default_rng(5).integers(0, CLASSES, (3, 50))
    found = paired_bootstrap(f"{average}_f1", targets, first, second, CLASSES, seed=7, resamples=3)
    kinds, counts = np.unique(np.stack([targets, first, second]), axis=1, return_counts=True)
    expected = []
    for draw in np.random.default_rng(7).multinomial(50, counts / 50, size=3):
        rows = np.repeat(kinds, draw, axis=1)
        one, other = (f1_score(rows[0], ids, labels=range(3), average=average, zero_division=0) for ids in rows[1:])
        expected.append(one - other)
    assert [found.low, found.high] == pytest.approx(np.quantile(expected, [0.025, 0.975]))


def test_the_square_of_the_classes_is_never_counted() -> None:
    """A confusion matrix of a million classes has 8 TB."""
    targets = np.arange(0, 1_000_000, 100_000)
    found = paired_bootstrap("macro_f1", targets, targets[::-1], targets, 1_000_000, resamples=2)
    assert (found.first, found.second) == pytest.approx((0.0, 1e-5))


def test_the_interval_is_that_of_the_paired_differences() -> None:
    """Of accuracy the difference is a mean of rows, whose standard error has a formula."""
    random = np.random.default_rng(0)
    targets = random.integers(0, 3, 500)
    first, second = (np.where(random.random(500) < share, targets, (targets + 1) % 3) for share in (0.8, 0.85))
    found = paired_bootstrap("accuracy", targets, first, second, CLASSES)
    differences = (first == targets).astype(float) - (second == targets)
    half = 1.96 * differences.std() / np.sqrt(500)
    assert found.low == pytest.approx(differences.mean() - half, abs=0.006)
    assert found.high == pytest.approx(differences.mean() + half, abs=0.006)


def test_chance_is_seldom_taken_for_worse() -> None:
    random = np.random.default_rng(1)
    worse = 0
    for seed in range(100):
        targets = random.integers(0, 3, 200)
        first, second = (np.where(random.random(200) < 0.8, targets, (targets + 1) % 3) for _ in range(2))
        worse += paired_bootstrap("accuracy", targets, first, second, CLASSES, seed, resamples=200).is_worse
    assert worse <= 8  # 2.5 are expected; more than 8 come about once in a thousand times


def test_a_few_rows_decide_nothing() -> None:
    targets = np.arange(1000) % 3
    for wrong, worse in ((1, False), (4, False), (5, False), (12, True)):
        first = np.where(np.arange(1000) < wrong, (targets + 1) % 3, targets)
        found = paired_bootstrap("accuracy", targets, first, targets, CLASSES)
        assert (found.decided, found.is_worse) == (wrong, worse)


def test_it_says_what_was_compared() -> None:
    targets = np.arange(100) % 3
    found = paired_bootstrap("accuracy", targets, targets * 0, targets, CLASSES)
    assert str(found).startswith("accuracy 0.3400 against 1.0000: -0.6600, 95 % interval -0.")
    assert str(found).endswith(", 100 rows")
    assert found.is_worse
