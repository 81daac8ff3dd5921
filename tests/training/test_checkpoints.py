"""Checkpoints: whole or not there, damaged ones passed over, and a training that goes on as if it had never stopped."""

import contextlib
import errno
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from textclf.config import CheckpointsConfig
from textclf.errors import RunError
from textclf.training import checkpoints as checkpoints_module
from textclf.training.checkpoints import Checkpoint, Checkpoints, checkpoint_files
from textclf.training.interruption import TerminatedError
from textclf.training.loss_scale import LossScale

SETTINGS = ("training.evaluate_every=2", "training.patience=0", "training.epochs=2", "training.batch_size=10")
TIMED = ("seconds", "examples_per_second", "tokens_per_second", "waiting")


def some_checkpoint(step: int) -> Checkpoint:
    return Checkpoint({"step": step, "score": 0.1 + 0.2}, {"a": np.arange(step, dtype=np.float32)})


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Checkpoints]:
    return lambda **config: Checkpoints(tmp_path / "checkpoints", CheckpointsConfig(**config))


def test_the_newest_ones_stay_and_come_back_bit_equal(make: Callable[..., Checkpoints], tmp_path: Path) -> None:
    checkpoints = make(keep=2)
    assert checkpoints.newest() is None
    for step in (5, 10, 100):
        checkpoints.save(step, some_checkpoint(step))
    names = [path.name for path in checkpoint_files(tmp_path / "checkpoints")]
    assert names == ["step-00000100.npz", "step-00000010.npz"]
    found = make().newest()
    assert found is not None
    assert found.state == {"step": 100, "score": 0.1 + 0.2}
    np.testing.assert_array_equal(found.arrays["a"], np.arange(100, dtype=np.float32))


@pytest.mark.parametrize("damage", ["cut short", "a byte", "empty", "no zip"])
def test_a_damaged_one_is_passed_over_with_a_word(
    make: Callable[..., Checkpoints], tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = make(keep=3)
    for step in (500, 1000):
        checkpoints.save(step, some_checkpoint(step))
    path = checkpoint_files(tmp_path / "checkpoints")[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes({"cut short": data[: len(data) // 2], "a byte": data, "empty": b"", "no zip": b"x" * 99}[damage])
    found = make().newest()
    assert found is not None
    assert found.state["step"] == 500
    assert "step-00001000.npz' is damaged" in caplog.text
    checkpoint_files(tmp_path / "checkpoints")[1].write_bytes(b"")
    with pytest.raises(RunError, match=r"No checkpoint in '.*checkpoints' can be read\. Begin anew with --force\."):
        make().newest()


def test_a_full_disk_costs_no_checkpoint_that_is_there(
    make: Callable[..., Checkpoints], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half of" + str(arrays).encode())
        raise OSError(28, "No space left on device")

    checkpoints = make(keep=1)
    checkpoints.save(5, some_checkpoint(5))
    monkeypatch.setattr(checkpoints_module.np, "savez", full)
    assert not checkpoints.save(6, some_checkpoint(6))
    assert "No checkpoint of step 6 could be written" in caplog.text
    assert "No space left on device" in caplog.text
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000005.npz"]


def test_old_ones_that_cannot_be_removed_are_said_and_the_new_one_is_written(
    make: Callable[..., Checkpoints], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    checkpoints = make(keep=1)
    checkpoints.save(5, some_checkpoint(5))
    monkeypatch.setattr(Path, "unlink", refuse)
    assert checkpoints.save(6, some_checkpoint(6))
    assert caplog.messages == [f"Old checkpoints in '{tmp_path / 'checkpoints'}' cannot be removed: Permission denied."]


def test_what_is_later_than_where_a_training_goes_on_is_removed(
    make: Callable[..., Checkpoints], tmp_path: Path
) -> None:
    checkpoints = make(keep=1)
    checkpoints.save(90, some_checkpoint(90))
    (tmp_path / "checkpoints/step-00000100.npz").write_bytes(b"cut short")
    checkpoints.go_on_from(90)
    assert checkpoints.save(92, some_checkpoint(92))
    assert [path.name for path in checkpoint_files(tmp_path / "checkpoints")] == ["step-00000092.npz"]


def test_one_is_due_with_the_first_evaluation_unless_none_is_wished_for(make: Callable[..., Checkpoints]) -> None:
    checkpoints = make()
    assert not checkpoints.due(3)
    assert checkpoints.due(3, evaluated=True)
    checkpoints.save(3, some_checkpoint(3))
    assert not checkpoints.due(4, evaluated=True)
    assert not make(minutes=0).due(3, evaluated=True)


def test_one_is_due_by_steps_or_by_the_clock(make: Callable[..., Checkpoints], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(checkpoints_module.time, "monotonic", lambda: now[0])
    by_steps, by_clock, never = make(minutes=0, steps=3), make(minutes=2), make(minutes=0)
    assert [step for step in range(1, 5) if by_steps.due(step)] == [3, 4]
    by_steps.save(3, some_checkpoint(3))
    assert not by_steps.due(5)
    assert not by_clock.due(9)
    now[0] = 121.0
    assert by_clock.due(9)
    assert not never.due(10**6)


class StopAfter(keras.callbacks.Callback):
    """Ends a training as a kill would, after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        del batch, logs
        if not self._left:
            raise MemoryError("killed")
        self._left -= 1


def comparable(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in record.items() if name not in TIMED} for record in history]


@pytest.fixture(scope="module")
def uninterrupted(prepare: Callable[..., Any]) -> Any:
    prepared = prepare(*SETTINGS)
    trainer = prepared.trainer()
    prepared.fit(trainer)
    return trainer


def test_a_loss_scale_goes_on_where_it_was(prepare: Callable[..., Any], tmp_path: Path) -> None:
    prepared = prepare(*SETTINGS, "compute.mixed_precision=float16")
    checkpoints = Checkpoints(tmp_path, CheckpointsConfig(minutes=0, steps=1))
    stopped = prepared.trainer(callbacks=[StopAfter(3)], checkpoints=checkpoints)
    with pytest.raises(MemoryError):
        prepared.fit(stopped)
    taken_up = prepared.trainer()
    taken_up._prepare(prepared.splits["train"], checkpoints.newest())
    for one, other in zip(taken_up._step.loss_scale.variables, stopped._step.loss_scale.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert int(taken_up._step.loss_scale.variables[1]) > 0


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("before", "now"), [("null", "float16"), ("float16", "null")])
def test_a_training_goes_on_with_a_loss_scale_or_without_as_it_is_asked(
    prepare: Callable[..., Any], tmp_path: Path, before: str, now: str
) -> None:
    first, second = (prepare(*SETTINGS, f"compute.mixed_precision={kind}") for kind in (before, now))
    checkpoints = Checkpoints(tmp_path, CheckpointsConfig(minutes=0, steps=1))
    with pytest.raises(MemoryError):
        first.fit(first.trainer(callbacks=[StopAfter(3)], checkpoints=checkpoints))
    trainer = second.trainer()
    trainer._prepare(second.splits["train"], checkpoints.newest())
    assert trainer.state.step == 3
    if trainer._step.loss_scale:
        assert float(trainer._step.loss_scale()) == float(LossScale()())


@pytest.mark.parametrize("steps", range(1, 10))
def test_stopped_after_any_step_and_taken_up_again_it_ends_alike_to_the_last_bit(
    prepare: Callable[..., Any], uninterrupted: Any, tmp_path: Path, steps: int
) -> None:
    prepared = prepare(*SETTINGS)
    checkpoints = Checkpoints(tmp_path, CheckpointsConfig(minutes=0, steps=1))
    with pytest.raises(MemoryError):
        prepared.fit(prepared.trainer(callbacks=[StopAfter(steps)], checkpoints=checkpoints))
    taken_up = prepared.trainer()
    checkpoint = Checkpoints(tmp_path, CheckpointsConfig()).newest()
    assert checkpoint is not None
    assert checkpoint.state["step"] == steps
    taken_up.fit(prepared.splits["train"], prepared.splits["dev"], checkpoint)
    for variable, twin in zip(taken_up.model.weights, uninterrupted.model.weights, strict=True):
        np.testing.assert_array_equal(variable.numpy(), twin.numpy(), err_msg=variable.path)
    assert comparable(taken_up.state.history) == comparable(uninterrupted.state.history)
    assert taken_up.state.seconds == checkpoint.state["seconds"] > 0  # what the process before took counts too
    assert json.dumps(taken_up.state.best_score) == json.dumps(uninterrupted.state.best_score)


class At(keras.callbacks.Callback):
    """Does something the n-th time that something happens."""

    def __init__(self, event: str, time: int, action: Callable[[], None]) -> None:
        super().__init__()
        self._left, self._action = time, action
        setattr(self, event, self._happen)

    def _happen(self, *_: Any, **__: Any) -> None:
        self._left -= 1
        if not self._left:
            self._action()


def kill() -> None:
    raise MemoryError("killed")


def assert_goes_on_as_if_never_stopped(prepared: Any, checkpoint: Checkpoint | None) -> None:
    whole, taken_up = prepared.trainer(), prepared.trainer()
    prepared.fit(whole)
    state = taken_up.fit(prepared.splits["train"], prepared.splits["dev"], checkpoint)
    assert not state.interrupted
    for variable, twin in zip(taken_up.model.weights, whole.model.weights, strict=True):
        np.testing.assert_array_equal(variable.numpy(), twin.numpy(), err_msg=variable.path)
    assert comparable(state.history) == comparable(whole.state.history)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("terminated", [False, True], ids=["killed", "SIGTERM"])
def test_ctrl_c_and_an_end_before_the_last_scores_cost_no_step(
    prepare: Callable[..., Any], tmp_path: Path, terminated: bool
) -> None:
    prepared, checkpoints = prepare(*SETTINGS), Checkpoints(tmp_path, CheckpointsConfig())
    trainer = prepared.trainer(checkpoints=checkpoints)
    last_scores = At("on_test_end", 2, trainer._terminate if terminated else kill)
    trainer.callbacks += [At("on_train_batch_end", 3, trainer._interrupt), last_scores]
    ended = r"Stopped by SIGTERM after step 3\. A checkpoint is written" if terminated else "killed"
    with pytest.raises(TerminatedError if terminated else MemoryError, match=ended):
        prepared.fit(trainer)
    assert_goes_on_as_if_never_stopped(prepared, checkpoints.newest())


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("asked", ["_interrupt", "_terminate"])
def test_none_is_written_where_they_are_turned_off(prepare: Callable[..., Any], tmp_path: Path, asked: str) -> None:
    prepared = prepare(*SETTINGS)
    trainer = prepared.trainer(checkpoints=Checkpoints(tmp_path / "checkpoints", CheckpointsConfig(minutes=0)))
    trainer.callbacks.append(At("on_train_batch_end", 3, getattr(trainer, asked)))
    with pytest.raises(TerminatedError) if asked == "_terminate" else contextlib.nullcontext() as raised:
        prepared.fit(trainer)
    assert not raised or str(raised.value) == "Stopped by SIGTERM after step 3. No checkpoint was written."
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("every", "event", "time"), [(100, "on_test_begin", 1), (2, "on_epoch_end", 2)])
def test_sigterm_at_the_very_end_is_heard(
    prepare: Callable[..., Any], tmp_path: Path, every: int, event: str, time: int
) -> None:
    prepared = prepare(*SETTINGS, f"training.evaluate_every={every}")
    checkpoints = Checkpoints(tmp_path, CheckpointsConfig())
    trainer = prepared.trainer(checkpoints=checkpoints)
    trainer.callbacks.append(At(event, time, trainer._terminate))
    with pytest.raises(TerminatedError, match=r"^Stopped by SIGTERM after step 10\. A checkpoint is written"):
        prepared.fit(trainer)
    assert_goes_on_as_if_never_stopped(prepared, checkpoints.newest())


def test_a_checkpoint_of_another_model_is_refused(prepare: Callable[..., Any], tmp_path: Path) -> None:
    prepared, other = prepare(*SETTINGS), prepare(*SETTINGS, "model.num_filters=7")
    checkpoints = Checkpoints(tmp_path, CheckpointsConfig(minutes=0, steps=1))
    with pytest.raises(MemoryError):
        prepared.fit(prepared.trainer(callbacks=[StopAfter(1)], checkpoints=checkpoints))
    with pytest.raises(RunError, match=r"The checkpoint is of another training: expected .* Begin anew with --force\."):
        other.trainer().fit(other.splits["train"], other.splits["dev"], checkpoints.newest())


class Spoil(keras.callbacks.Callback):
    """Makes the weights worthless at a step, the first so many times that it comes."""

    def __init__(self, step: int, times: int, value: float) -> None:
        super().__init__()
        self._step, self._times, self._value = step, times, value
        self._taken = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        del batch, logs
        if int(self.model.optimizer.iterations) == self._step and self._taken < self._times:
            self._taken += 1
            self.model.set_weights([np.full_like(each, self._value) for each in self.model.get_weights()])


@pytest.mark.parametrize("value", [np.nan, 1e5])
@pytest.mark.parametrize("with_checkpoints", [True, False])
def test_a_breakdown_goes_back_with_half_the_rate_if_that_is_wished(
    prepare: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, value: float, with_checkpoints: bool
) -> None:
    prepared = prepare(*SETTINGS, "training.rollback=true")
    checkpoints = Checkpoints(tmp_path, CheckpointsConfig(minutes=0, steps=2)) if with_checkpoints else None
    trainer = prepared.trainer(callbacks=[Spoil(4, 1, value)], checkpoints=checkpoints)
    state = prepared.fit(trainer)
    assert (state.rollbacks, state.rate_factor, state.step, state.seconds) == (1, 0.5, 10, 0)
    expected = rf"at step [56]: going back to step {4 if with_checkpoints else 0}, with 0\.5 times the rate\."
    assert re.search(expected, caplog.text)
    assert [record["step"] for record in state.history] == [2, 4, 6, 8, 10]
    assert all(np.isfinite(each).all() for each in trainer.model.get_weights())


@pytest.mark.usefixtures("eagerly")
def test_two_returns_to_the_beginning_leave_a_history_of_one_training(prepare: Callable[..., Any]) -> None:
    prepared = prepare(*SETTINGS, "training.rollback=true")
    # A step that breaks down moves nothing, so the first return comes after two of the three.
    state = prepared.fit(prepared.trainer(callbacks=[Spoil(4, 3, np.nan)]))
    assert state.rollbacks == 2
    assert [record["step"] for record in state.history] == [2, 4, 6, 8, 10]


def test_after_a_return_the_saved_weights_are_those_that_the_state_tells_of(
    prepare: Callable[..., Any], tmp_path: Path
) -> None:
    """The best ones of steps that were taken again are no longer saved, even if none after them is better."""
    prepared, saved = prepare(*SETTINGS, "training.rollback=true", "training.learning_rate=0.02"), []
    trainer = prepared.trainer(
        callbacks=[Spoil(7, 1, np.nan)],
        checkpoints=Checkpoints(tmp_path, CheckpointsConfig(minutes=0, steps=5)),
        save_best=lambda model: saved.append([np.copy(weights) for weights in model.get_weights()]),
    )
    prepared.fit(trainer)
    for last, weights in zip(saved[-1], trainer.model.get_weights(), strict=True):
        np.testing.assert_array_equal(last, weights)


def test_a_training_that_always_breaks_down_ends_with_the_rows_named(
    prepare: Callable[..., Any], tmp_path: Path
) -> None:
    prepared = prepare(*SETTINGS, "training.rollback=true")
    trainer = prepared.trainer(
        callbacks=[Spoil(4, 99, np.nan)],
        checkpoints=Checkpoints(tmp_path, CheckpointsConfig(minutes=0, steps=2)),
        name_rows=lambda rows: f"{len(rows)} rows",
    )
    with pytest.raises(
        RunError, match=r"broke down after 3 returns to a checkpoint: .* at step 5\. Its batch held 10 rows\."
    ):
        prepared.fit(trainer)
