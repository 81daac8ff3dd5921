"""Which texts stand together in a batch, and how they are padded."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from textclf.text.batches import make_dataset, plan_epoch, plan_evaluation

lengths_of_texts = st.lists(st.integers(0, 50), max_size=60).map(lambda lengths: np.array(lengths, np.int64))


def rows_of(plan: list[np.ndarray]) -> list[int]:
    return [int(row) for batch in plan for row in batch]


def padding_share(plan: list[np.ndarray], lengths: np.ndarray) -> float:
    cells = sum(len(batch) * lengths[batch].max() for batch in plan)
    return float(1.0 - lengths.sum() / cells)


@given(lengths_of_texts, st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_an_epoch_has_each_row_once_in_full_batches(
    lengths: np.ndarray, batch_size: int, groups: int, seed: int, epoch: int
) -> None:
    plan = plan_epoch(lengths, batch_size, groups, seed, epoch)
    assert sorted(rows_of(plan)) == list(range(len(lengths)))
    sizes = sorted((len(batch) for batch in plan), reverse=True)
    assert all(size == batch_size for size in sizes[:-1])
    assert len(plan) == -(-len(lengths) // batch_size)
    again = plan_epoch(lengths, batch_size, groups, seed, epoch)
    assert [batch.tolist() for batch in plan] == [batch.tolist() for batch in again]


@given(lengths_of_texts, st.integers(1, 9))
def test_evaluation_has_each_row_once_from_short_to_long(lengths: np.ndarray, batch_size: int) -> None:
    rows = rows_of(plan_evaluation(lengths, batch_size))
    assert sorted(rows) == list(range(len(lengths)))
    assert (np.diff(lengths[rows]) >= 0).all()


def test_seed_and_epoch_change_the_order() -> None:
    lengths = np.arange(100) % 7
    orders = {tuple(rows_of(plan_epoch(lengths, 4, 3, seed, epoch))) for seed in (1, 2) for epoch in (0, 1, 2)}
    assert len(orders) == 6


def test_padding_falls_with_the_groups() -> None:
    lengths = np.random.default_rng(0).geometric(0.05, 2000)
    shares = [padding_share(plan_epoch(lengths, 16, groups, 1, 0), lengths) for groups in (1, 4, 20)]
    assert shares[0] > 0.5 > shares[1] > shares[2]
    assert shares[2] < 0.2
    assert padding_share(plan_evaluation(lengths, 16), lengths) < 0.05


def test_one_group_leaves_the_order_random() -> None:
    lengths = np.arange(64)
    batch = plan_epoch(lengths, 64, 1, 1, 0)[0]
    assert sorted(batch) == list(range(64))


@pytest.mark.parametrize("plan", [[[2, 0], [1]], [[0, 1, 2]], [[1]], []])
def test_batches_are_padded_to_their_longest_text(plan: list[list[int]]) -> None:
    texts = [[5, 6, 7], [], [8]]
    ids = tf.ragged.constant(texts, dtype=tf.int32, inner_shape=())
    targets = np.array([2, 0, 1])
    dataset = make_dataset(ids, targets, [np.array(batch) for batch in plan])
    assert dataset.element_spec == (tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32))
    batches = list(dataset)
    assert len(batches) == len(plan)
    for rows, (padded, batch_targets) in zip(plan, batches, strict=True):
        width = max(len(texts[row]) for row in rows)
        assert padded.numpy().tolist() == [texts[row] + [0] * (width - len(texts[row])) for row in rows]
        assert batch_targets.numpy().tolist() == targets[rows].tolist()


@given(lengths_of_texts, st.integers(1, 20), st.integers(1, 200))
def test_a_batch_for_scoring_is_bounded_in_tokens(lengths: np.ndarray, batch_size: int, most_tokens: int) -> None:
    plan = plan_evaluation(lengths, batch_size, most_tokens)
    assert rows_of(plan) == rows_of(plan_evaluation(lengths, batch_size, 10**9))
    for batch in plan:
        assert 1 <= len(batch) <= batch_size
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= most_tokens
    for batch, following in itertools.pairwise(plan):  # no batch is smaller than it must be
        assert len(batch) == batch_size or (len(batch) + 1) * lengths[following[0]] > most_tokens
