"""What counts as a breakdown, and that its step and rows are the right ones."""

import math

import numpy as np
import pytest
import tensorflow as tf

from textclf.training.breakdown import BreakdownError, LossWatch


def look_at(losses: list[float], norms: list[float], skips: bool = False, heaviest: float = 1.0) -> None:
    watch = LossWatch(3, heaviest, skips)
    for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), start=11):
        watch.add(tf.constant([loss]), tf.constant([norm]), [np.array([step, step])], step)
    watch.look(10 + len(losses))


@pytest.mark.parametrize(
    ("loss", "norm", "what"),
    [
        (math.nan, 1.0, "the loss is nan"),
        (math.inf, 1.0, "the loss is inf"),
        (110 * math.log(3), 1.0, "the loss is 120.8, 100 times that of a guess"),
        (1.0, math.inf, "the gradient's norm is inf"),
    ],
)
@pytest.mark.parametrize("before", [0, 5, 40])
def test_the_first_bad_step_is_named_with_its_rows(loss: float, norm: float, what: str, before: int) -> None:
    with pytest.raises(BreakdownError) as raised:
        look_at([1.0] * before + [loss, math.nan], [1.0] * before + [norm, 1.0])
    step = 11 + before
    assert str(raised.value) == f"{what} at step {step}"
    assert raised.value.rows.tolist() == [step, step]


def test_a_high_loss_is_no_breakdown_nor_is_a_gradient_that_a_loss_scale_skips() -> None:
    look_at([90 * math.log(3)] * 50, [1e9] * 50)
    look_at([1.0] * 3, [math.inf] * 3, skips=True)
    look_at([400 * math.log(3)] * 3, [1.0] * 3, heaviest=5.0)  # a row that weighs five times as much


def test_what_is_forgotten_is_not_looked_at() -> None:
    watch = LossWatch(3, 1.0, skips=False)
    watch.add(tf.constant([math.nan]), tf.constant([1.0]), [np.array([0])], 1)
    watch.forget()
    watch.add(tf.constant([1.0]), tf.constant([1.0]), [np.array([0])], 1)
    watch.look(1)
