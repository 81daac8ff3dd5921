"""Learning rates at their first, highest and last steps."""

import keras
import numpy as np
import pytest

from textclf.training.schedules import WarmupDecay


def rates(schedule: WarmupDecay, steps: int) -> np.ndarray:
    return np.array([float(schedule(step)) for step in range(steps + 1)])


@pytest.mark.parametrize("shape", ["constant", "linear", "cosine"])
def test_the_rise_is_linear_and_starts_above_zero(shape: str) -> None:
    found = rates(WarmupDecay(0.5, total_steps=20, warmup_steps=4, shape=shape), 20)
    np.testing.assert_allclose(found[:5], [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-5)
    assert found.max() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("shape", "middle", "end"), [("constant", 0.5, 0.5), ("linear", 0.25, 0.0), ("cosine", 0.25, 0.0)]
)
def test_the_fall_ends_at_the_last_step_and_stays_there(shape: str, middle: float, end: float) -> None:
    found = rates(WarmupDecay(0.5, total_steps=20, warmup_steps=4, shape=shape), 25)
    assert found[12] == pytest.approx(middle, abs=1e-6)
    np.testing.assert_allclose(found[20:], end, atol=1e-7)
    assert (np.diff(found[4:]) <= 1e-7).all()


def test_cosine_is_half_a_cosine() -> None:
    found = rates(WarmupDecay(1.0, total_steps=10, warmup_steps=0, shape="cosine"), 10)
    np.testing.assert_allclose(found, 0.5 + 0.5 * np.cos(np.pi * np.arange(11) / 10), atol=1e-6)


def test_a_warm_up_of_all_steps_has_no_fall_to_divide_by() -> None:
    assert np.isfinite(rates(WarmupDecay(1.0, total_steps=4, warmup_steps=4, shape="linear"), 6)).all()


def test_the_config_of_a_schedule_makes_an_equal_one() -> None:
    schedule = WarmupDecay(0.5, total_steps=20, warmup_steps=4, shape="cosine")
    serialized = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(serialized)
    assert again.get_config() == schedule.get_config()
    np.testing.assert_array_equal(rates(again, 20), rates(schedule, 20))
