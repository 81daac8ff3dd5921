"""Ctrl-C at any moment keeps the best weights so far; so does a crash, on disk."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

Prepare = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("eagerly")


class Interrupt(keras.callbacks.Callback):
    """Raises KeyboardInterrupt the n-th time that something happens."""

    def __init__(self, event: str, time: int) -> None:
        super().__init__()
        self._left = time
        setattr(self, event, self._happen)

    def _happen(self, *_: Any, **__: Any) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt


class Ended(keras.callbacks.Callback):
    ended = False

    def on_train_end(self, logs: Any = None) -> None:
        self.ended = bool(logs)


@pytest.mark.parametrize(
    ("event", "time", "evaluations"),
    [
        ("on_train_batch_end", 5, 1),
        ("on_train_batch_end", 1, 1),
        ("on_epoch_begin", 1, 1),
        ("on_test_begin", 1, 1),
        ("on_test_end", 1, 1),
        ("on_test_end", 2, 2),
        ("on_epoch_end", 2, 2),
    ],
)
def test_ctrl_c_keeps_the_best_so_far(prepare: Prepare, event: str, time: int, evaluations: int) -> None:
    prepared = prepare("training.epochs=3")
    saved: list[list[np.ndarray]] = []
    ended = Ended()
    trainer = prepared.trainer(
        callbacks=[Interrupt(event, time), ended], save_best=lambda model: saved.append(model.get_weights())
    )
    state = prepared.fit(trainer)
    assert state.interrupted
    assert ended.ended
    assert len(state.history) == evaluations
    assert state.best_score == max(record["dev"]["macro_f1"] for record in state.history)
    for kept, on_disk in zip(trainer.model.get_weights(), saved[-1], strict=True):
        np.testing.assert_array_equal(kept, on_disk)


def test_ctrl_c_while_the_model_is_written_writes_it_again(prepare: Prepare) -> None:
    prepared = prepare()
    calls: list[str] = []

    def save(_: Any) -> None:
        calls.append("save")
        if len(calls) == 1:
            raise KeyboardInterrupt

    state = prepared.fit(prepared.trainer(save_best=save))
    assert state.interrupted
    assert len(calls) == 2
