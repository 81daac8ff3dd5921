"""The loss scale: halved at an overflow, doubled after long without one. `test_step.py` has a step that overflows."""

import tensorflow as tf

from textclf.training import loss_scale
from textclf.training.loss_scale import LossScale


def test_it_is_halved_at_an_overflow_and_doubled_after_long_without() -> None:
    scale = LossScale()
    assert float(scale()) == 2.0**15
    scale.update(tf.constant(False))
    assert float(scale()) == 2.0**14
    for _ in range(loss_scale._GROW_AFTER - 1):
        scale.update(tf.constant(True))
    assert float(scale()) == 2.0**14
    scale.update(tf.constant(True))
    assert float(scale()) == 2.0**15
    for _ in range(50):
        scale.update(tf.constant(False))
    assert float(scale()) == 1.0
