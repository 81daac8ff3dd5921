"""Batches in shares: each row once and with its weight, however they are cut; and weights that balance labels."""

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf.errors import ConfigError
from textclf.training.batches import BatchPlan, Shares, choose_widths, make_batches, weigh_rows
from textclf.training.prediction import Encoded

LABELS = ["a", "b", "c"]


def split_of(lengths: list[int]) -> Encoded:
    """Row i holds the token i + 2 as often as its length says."""
    return Encoded(
        tf.ragged.constant([[row + 2] * n for row, n in enumerate(lengths)], tf.int32), np.arange(len(lengths))
    )


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    batch_size=st.integers(1, 12),
    replicas=st.integers(1, 3),
    parts=st.integers(1, 3),
    fixed=st.booleans(),
)
def test_each_row_is_in_one_share_with_its_weight(
    lengths: list[int], batch_size: int, replicas: int, parts: int, fixed: bool
) -> None:
    split, rows = split_of(lengths), np.arange(len(lengths))
    batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    widths = choose_widths(split.lengths, 2) if fixed else ()
    weights = np.linspace(1.0, 2.0, len(rows)).astype(np.float32)
    elements: list[Any] = []
    for first in range(replicas):  # each replica in a process of its own
        shares = Shares(replicas, parts, first, local=1)
        plan = BatchPlan(batches, split.lengths, shares, widths, batch_size)
        elements.append(list(make_batches(split, weights, plan)))
    for number, batch in enumerate(batches):
        found: dict[int, float] = {}
        cells = 0
        for of_replica in elements:
            ids, targets, weight, total = (each.numpy() for each in of_replica[number])
            assert ids.shape[:2] == targets.shape == weight.shape
            assert ids.shape[0] == parts
            assert not widths or ids.shape[2] in widths
            assert total == len(batch)
            cells += ids.size
            for row, target, amount in zip(ids.reshape(-1, ids.shape[2]), targets.ravel(), weight.ravel(), strict=True):
                assert (row[: lengths[target]] == target + 2).all()
                assert (row[lengths[target] :] == 0).all()
                found[target] = found.get(target, 0.0) + amount
        assert {row: amount for row, amount in found.items() if amount} == {row: weights[row] for row in batch}
        assert plan.cells[number] == cells
        assert plan.tokens[number] == sum(lengths[row] for row in batch)


def test_fixed_shapes_are_as_few_as_the_widths() -> None:
    lengths = list(range(1, 31))
    split, rows = split_of(lengths), np.arange(30)
    plan = BatchPlan([rows[:7], rows[7:14], rows[28:]], split.lengths, Shares(2, 2), (8, 30), batch_size=7)
    shapes = {tuple(ids.shape) for ids, *_ in make_batches(split, np.ones(30, np.float32), plan)}
    assert shapes == {(2, 2, 8), (2, 2, 30)}


def test_balanced_weights_give_each_label_the_same_sum_and_the_mean_one() -> None:
    targets = np.array([0, 0, 0, 0, 2, 2, 2, 2, 2, 1])
    weights = weigh_rows(targets, LABELS, "balanced")
    sums = [weights[targets == target].sum() for target in range(3)]
    assert sums == pytest.approx([10 / 3] * 3)
    assert weigh_rows(targets[:4], LABELS, "balanced").tolist() == [1.0] * 4  # labels without rows do not count


def test_weights_by_label() -> None:
    assert weigh_rows(np.array([1, 0]), LABELS, {"b": 2.5}).tolist() == [2.5, 1.0]
    assert weigh_rows(np.array([1, 0]), LABELS, None).tolist() == [1.0, 1.0]
    with pytest.raises(
        ConfigError, match=r"class_weights: there is no label 'refunds' in the training data\. Did you mean"
    ):
        weigh_rows(np.array([0]), ["refund"], {"refunds": 2.0})


@settings(max_examples=40)
@given(lengths=st.lists(st.integers(0, 60), min_size=1, max_size=40), count=st.integers(1, 3))
def test_no_other_widths_pad_less(lengths: list[int], count: int) -> None:
    def padded(widths: Any) -> int:
        return sum(min((width for width in widths if width >= length), default=10**9) for length in lengths)

    found = choose_widths(np.array(lengths), count)
    assert len(found) <= count
    others = itertools.combinations_with_replacement(range(8, 65, 8), count)
    assert padded(found) == min(map(padded, others))
