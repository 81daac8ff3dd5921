"""Keras' own callbacks work in the loop."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
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
