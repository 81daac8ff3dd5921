"""Ctrl-C at any moment keeps the best weights so far; so does a crash, on disk."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

Prepare = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """A shell starts background jobs with SIGINT ignored, and `on_ctrl_c` rightly leaves that as it is."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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


class RaisesInItsDestructor:
    """Ctrl-C arrives while Python runs a destructor, where it swallows every exception."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("inside_a_destructor", [False, True])
def test_a_real_ctrl_c_is_never_lost(
    prepare: Prepare, inside_a_destructor: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def press(batch: int, logs: Any = None) -> None:
        del logs
        if batch == 0:
            RaisesInItsDestructor() if inside_a_destructor else signal.raise_signal(signal.SIGINT)

    prepared = prepare("training.epochs=50", "training.patience=0")
    state = prepared.fit(prepared.trainer(callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=press)]))
    assert state.interrupted
    assert (state.step, len(state.history)) == (1, 1)
    assert "Ctrl-C: this step is finished and dev is scored; a second one stops at once." in caplog.messages
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_ctrl_c_stops_at_once(prepare: Prepare) -> None:
    def press(*_: Any, **__: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    prepared = prepare("training.epochs=50")
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=press, on_test_end=press)
    trainer = prepared.trainer(callbacks=[watch])
    with pytest.raises(KeyboardInterrupt):
        prepared.fit(trainer)
    assert trainer.state.step == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
