"""Callbacks told of steps: tensors for those that want them, numbers for all others."""

from typing import Any

import keras
import tensorflow as tf

from textclf.training.callbacks import StepCallbacks


class Seen(keras.callbacks.Callback):
    """Keeps what it is told."""

    def __init__(self, reads_tensors: bool = False) -> None:
        super().__init__()
        self.reads_tensors = reads_tensors
        self.logs: list[dict[str, Any]] = []
        self.begun: list[int] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        del logs
        self.begun.append(batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.logs.append(logs | {"batch": batch})


class Untouched:
    """A tensor that nobody may read."""

    def __float__(self) -> float:
        raise AssertionError("it was waited for")


def test_numbers_for_whoever_looks_and_tensors_for_who_reads_them() -> None:
    plain, reader, older = Seen(), Seen(reads_tensors=True), []
    lambda_callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: older.append((batch, logs)))
    told = StepCallbacks([plain, reader, lambda_callback])
    loss, norm = tf.constant(0.5), tf.constant(2.0)
    told.begin(3)
    told.end(3, loss, norm)
    assert plain.logs == [{"loss": 0.5, "gradient_norm": 2.0, "batch": 3}]
    assert older == [(3, {"loss": 0.5, "gradient_norm": 2.0})]
    assert reader.logs[0]["loss"] is loss
    assert plain.begun == reader.begun == [3]


def test_nobody_waits_for_the_device_where_nobody_wants_numbers() -> None:
    reader = Seen(reads_tensors=True)
    told = StepCallbacks([reader, keras.callbacks.EarlyStopping("dev_loss")])
    told.end(0, Untouched(), Untouched())  # type: ignore[arg-type]
    assert isinstance(reader.logs[0]["loss"], Untouched)
