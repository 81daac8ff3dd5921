"""Long texts in windows, against a plain loop."""

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from textclf.models.windows import cut_windows

CLS, SEP = 2, 3


def by_hand(tokens: list[int], width: int, stride: int) -> list[list[int]]:
    """Return the windows of a text as a person would cut them."""
    room = width - 2
    windows = [tokens[:room]]
    while (len(windows) - 1) * stride + room < len(tokens):
        start = len(windows) * stride
        windows.append(tokens[start : start + room])
    return [[CLS, *window, SEP] for window in windows]


def batch_of(texts: list[list[int]], padding: int = 0) -> tf.Tensor:
    rows = [[CLS, *text, SEP] for text in texts]
    width = max(len(row) for row in rows) + padding
    return tf.constant([row + [0] * (width - len(row)) for row in rows], tf.int32)


texts = st.lists(st.lists(st.integers(4, 99), max_size=25), min_size=1, max_size=5)


@given(texts, st.integers(3, 12), st.data(), st.integers(0, 3))
def test_windows_are_those_cut_by_hand(texts: list[list[int]], width: int, data: st.DataObject, padding: int) -> None:
    stride = data.draw(st.integers(1, width - 2))
    windows, rows = cut_windows(batch_of(texts, padding), width, stride, CLS, SEP)
    expected = [(row, window) for row, text in enumerate(texts) for window in by_hand(text, width, stride)]
    assert rows.numpy().tolist() == [row for row, _ in expected]
    assert [[token for token in window if token] for window in windows.numpy().tolist()] == [w for _, w in expected]
    assert windows.shape[1] == max(len(window) for _, window in expected)


def test_every_token_is_in_a_window() -> None:
    text = list(range(4, 60))
    windows, _ = cut_windows(batch_of([text]), 10, 8, CLS, SEP)
    assert set(windows.numpy().ravel().tolist()) - {0, CLS, SEP} == set(text)


def test_a_batch_of_no_texts_has_no_windows() -> None:
    windows, rows = cut_windows(tf.zeros([0, 0], tf.int32), 10, 8, CLS, SEP)
    assert (windows.shape[0], rows.shape[0]) == (0, 0)


def test_rows_without_tokens_are_empty_windows() -> None:
    windows, rows = cut_windows(tf.zeros([2, 0], tf.int32), 10, 8, CLS, SEP)
    assert windows.numpy().tolist() == [[CLS, SEP]] * 2
    assert rows.numpy().tolist() == [0, 1]


def test_a_short_text_is_the_row_that_it_was() -> None:
    ids = batch_of([[5, 6], [7, 8, 9]])
    windows, rows = cut_windows(ids, 16, 4, CLS, SEP)
    np.testing.assert_array_equal(windows, ids)
    assert rows.numpy().tolist() == [0, 1]
