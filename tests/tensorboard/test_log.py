"""TensorBoard's event files hold what the history holds."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.config import CheckpointsConfig
from textclf.evaluation.scores import SCORES
from textclf.runs.directory import Run
from textclf.tensorboard.log import TensorBoardLog
from textclf.training.checkpoints import Checkpoints

ReadEvents = Callable[[Path], dict[str, dict[int, Any]]]
MEASURED = ("learning_rate", "examples_per_second", "tokens_per_second", "padding", "waiting")


def test_a_run_logs_every_scalar_at_its_step(trained_run: Run, read_events: ReadEvents) -> None:
    found = read_events(trained_run.path / "logs")
    history = trained_run.results["history"]
    per_evaluation = {f"train/{name}" for name in MEASURED} | {"train/mean_loss", "train/peak_mb", "dev/loss"}
    per_evaluation |= {f"dev/{name}" for name in SCORES} | {f"dev_class_f1/{label}" for label in trained_run.labels}
    for tag in per_evaluation:
        assert found[tag].keys() == {record["step"] for record in history}
    for record in history:
        at = record["step"]
        for name in MEASURED:
            assert found[f"train/{name}"][at] == pytest.approx(record[name])
        for name in SCORES:
            assert found[f"dev/{name}"][at] == pytest.approx(record["dev"][name])
        assert found["dev/loss"][at] == pytest.approx(record["dev_loss"])
        assert found["train/mean_loss"][at] == pytest.approx(record["train_loss"])
        of_classes = [found[f"dev_class_f1/{label}"][at] for label in trained_run.labels]
        assert np.mean(of_classes) == pytest.approx(record["dev"]["macro_f1"])


@pytest.mark.usefixtures("eagerly")
def test_the_loss_of_steps_is_logged_every_so_many(
    prepare: Callable[..., Any], tmp_path: Path, read_events: ReadEvents
) -> None:
    prepared = prepare()
    trainer = prepared.trainer()
    trainer.callbacks.append(TensorBoardLog(tmp_path, trainer, every=2))
    prepared.fit(trainer)
    found = read_events(tmp_path)
    assert list(found["train/loss"]) == list(found["train/gradient_norm"]) == [2, 4, 6]


@pytest.mark.usefixtures("eagerly")
def test_a_full_disk_costs_points_and_no_training(
    prepare: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise tf.errors.OutOfRangeError(None, None, "Failed to flush 11 events: No space left on device")

    monkeypatch.setattr("textclf.tensorboard.log.tf.summary.scalar", full)
    prepared = prepare("training.evaluate_every=1")
    trainer = prepared.trainer()
    trainer.callbacks.append(TensorBoardLog(tmp_path, trainer, every=1))
    assert prepared.fit(trainer).step == 6
    (record,) = [record for record in caplog.records if "TensorBoard" in record.message]
    assert record.message.endswith("are not whole: No space left on device")


@pytest.mark.usefixtures("eagerly")
def test_files_that_cannot_be_cut_back_cost_points_and_no_training(
    prepare: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("textclf.tensorboard.log.cut_back", refuse)
    prepared = prepare("training.epochs=1")
    trainer = prepared.trainer()
    trainer.callbacks.append(TensorBoardLog(tmp_path, trainer, every=1))
    assert prepared.fit(trainer).step == 3
    assert len([record for record in caplog.records if "TensorBoard" in record.message]) == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("eagerly")
def test_a_return_by_one_step_doubles_no_point(
    prepare: Callable[..., Any], tmp_path: Path, read_events: ReadEvents
) -> None:
    prepared = prepare("training.rollback=true", "training.epochs=3")
    trainer = prepared.trainer(checkpoints=Checkpoints(tmp_path / "checkpoints", CheckpointsConfig(minutes=0, steps=1)))
    trainer.callbacks.append(TensorBoardLog(tmp_path, trainer, every=1))
    spoilt = []

    def spoil(batch: int, logs: Any = None) -> None:
        del batch, logs
        if trainer.state.step == 4 and not spoilt:
            spoilt.append(trainer.state.step)
            trainer.model.set_weights([np.full_like(each, np.nan) for each in trainer.model.get_weights()])

    trainer.callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_begin=spoil))
    assert prepared.fit(trainer).rollbacks == 1
    found = read_events(tmp_path)  # it refuses two points of a tag at a step
    assert list(found["train/loss"]) == list(range(1, 10))
    assert np.isfinite(list(found["train/loss"].values())).all()


@pytest.mark.usefixtures("eagerly")
def test_the_first_better_evaluation_in_each_tenth_of_the_steps_is_drawn(
    prepare: Callable[..., Any], tmp_path: Path, read_events: ReadEvents
) -> None:
    prepared = prepare("training.epochs=7", "training.evaluate_every=1", "training.patience=0")
    trainer = prepared.trainer()
    trainer.callbacks.append(TensorBoardLog(tmp_path, trainer))
    state = prepared.fit(trainer)
    assert state.step == 21
    drawn, best = {}, -1.0
    for record in state.history:
        if record["dev"]["macro_f1"] > best:
            best = record["dev"]["macro_f1"]
            drawn.setdefault(10 * (record["step"] - 1) // 21, record["step"])
    images = read_events(tmp_path)["dev/confusion_matrix"]
    assert list(images) == list(drawn.values())
    assert 1 < len(images) <= 10


@pytest.mark.usefixtures("eagerly")
def test_a_kill_after_the_last_evaluation_doubles_nothing(
    prepare: Callable[..., Any], tmp_path: Path, read_events: ReadEvents
) -> None:
    prepared = prepare("training.epochs=1", "training.evaluate_every=2")
    config = prepared.config.checkpoints.model_copy(update={"steps": 1})
    found = []
    for _ in range(2):  # the second one goes on after step 3, which is not evaluated yet
        checkpoints = Checkpoints(tmp_path / "checkpoints", config)
        trainer = prepared.trainer(checkpoints=checkpoints)
        trainer.callbacks.append(TensorBoardLog(tmp_path, trainer, every=1))
        resume = checkpoints.newest()
        trainer.fit(prepared.splits["train"], prepared.splits["dev"], resume)
        found.append(read_events(tmp_path))  # each step of a tag stands once
    assert resume is not None
    assert resume.state["step"] == 3
    for events in found:
        assert list(events["dev/loss"]) == list(events["train/padding"]) == [2, 3]
        assert list(events["train/loss"]) == [1, 2, 3]
    assert found[0]["dev/loss"] == found[1]["dev/loss"]
    assert found[0]["dev/confusion_matrix"].keys() == found[1]["dev/confusion_matrix"].keys()
