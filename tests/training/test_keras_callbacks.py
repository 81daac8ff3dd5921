"""Keras' own callbacks work in the loop."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

Prepare = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("eagerly")


def test_early_stopping_csv_logger_and_lambda(prepare: Prepare, tmp_path: Path) -> None:
    seen: list[tuple[str, Any]] = []
    watch = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append(("train begin", logs)),
        on_epoch_begin=lambda epoch, _: seen.append(("epoch begin", epoch)),
        on_epoch_end=lambda _, logs: seen.append(("epoch end", logs)),
        on_train_end=lambda logs: seen.append(("train end", logs)),
    )
    stopper = keras.callbacks.EarlyStopping("dev_macro_f1", mode="max", min_delta=1.0, patience=2)
    logger = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    prepared = prepare("training.epochs=9", "training.patience=0")
    trainer = prepared.trainer(callbacks=[watch, stopper, logger])
    history = prepared.fit(trainer).history
    assert stopper.stopped_epoch == 2
    assert len(history) == 3
    assert [name for name, _ in seen] == ["train begin", *["epoch begin", "epoch end"] * 3, "train end"]
    for record, logs in zip(history, (logs for name, logs in seen if name == "epoch end"), strict=True):
        assert logs["dev_macro_f1"] == record["dev"]["macro_f1"]
        assert logs["loss"] == record["train_loss"]
    with (tmp_path / "log.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    assert float(rows[2]["dev_accuracy"]) == pytest.approx(history[2]["dev"]["accuracy"])


def test_reduce_on_plateau_lowers_a_constant_rate(prepare: Prepare) -> None:
    plateau = keras.callbacks.ReduceLROnPlateau("dev_loss", mode="min", factor=0.5, patience=1, min_delta=100.0)
    prepared = prepare("training.schedule=constant", "training.epochs=3", "training.patience=0")
    history = prepared.fit(prepared.trainer(callbacks=[plateau])).history
    assert [record["learning_rate"] for record in history] == pytest.approx([0.02, 0.02, 0.01])


def test_stop_training_is_honoured_after_a_batch_and_dev_is_still_scored(prepare: Prepare) -> None:
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            del batch, logs
            self.model.stop_training = True

    prepared = prepare()
    state = prepared.fit(prepared.trainer(callbacks=[Stop()]))
    assert state.step == 1
    assert [record["step"] for record in state.history] == [1]
    assert not state.interrupted


def test_memory_is_what_was_saved_whatever_weights_a_callback_restores(prepare: Prepare) -> None:
    saved: list[list[np.ndarray]] = []
    # By its own lights the first epoch is the best.
    stopper = keras.callbacks.EarlyStopping("step", mode="min", patience=9, restore_best_weights=True)
    count = iter(range(99))
    number = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: logs.update(step=next(count)))
    prepared = prepare("training.epochs=6", "training.learning_rate=0.05", "training.patience=0")
    trainer = prepared.trainer(callbacks=[number, stopper], save_best=lambda model: saved.append(model.get_weights()))
    state = prepared.fit(trainer)
    assert stopper.best_epoch == 0
    assert state.best_step > 3  # or the test says nothing
    for kept, on_disk in zip(trainer.model.get_weights(), saved[-1], strict=True):
        np.testing.assert_array_equal(kept, on_disk)


@pytest.mark.parametrize("every", [0, 1, 2, 4, 100])
def test_an_epochs_logs_hold_the_epochs_own_loss(prepare: Prepare, every: int) -> None:
    losses: list[float] = []
    epochs: list[dict[str, float]] = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: losses.append(float(logs["loss"])),
        on_epoch_end=lambda _, logs: epochs.append(logs),
    )
    prepared = prepare(f"training.evaluate_every={every}", "training.batch_size=15", "training.patience=0")
    prepared.fit(prepared.trainer(callbacks=[watch]))
    means = np.array(losses).reshape(2, 3).mean(axis=1)
    np.testing.assert_allclose([logs["loss"] for logs in epochs], means, rtol=1e-5)
    # Steps 1 to 3 are the first epoch's, 4 to 6 the second's; the evaluation at the very end is after both.
    evaluated = {4: [False, True], 100: [False, False]}.get(every, [True, True])
    assert ["dev_macro_f1" in logs for logs in epochs] == ["dev_loss" in logs for logs in epochs] == evaluated


@pytest.mark.filterwarnings("ignore:Early stopping conditioned on metric:UserWarning")
def test_an_epoch_without_an_evaluation_is_no_epoch_without_a_better_score(prepare: Prepare) -> None:
    stopper = keras.callbacks.EarlyStopping("dev_macro_f1", mode="max", min_delta=1.0, patience=2)
    prepared = prepare("training.epochs=20", "training.evaluate_every=9", "training.patience=0")
    history = prepared.fit(prepared.trainer(callbacks=[stopper])).history
    assert [record["step"] for record in history] == [9, 18, 27]
    assert stopper.stopped_epoch == 8
