"""What TensorBoard shows of a training, as an ordinary Keras callback."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from textclf.training.event_files import cut_back
from textclf.training.state import TrainingState


class TensorBoardLog(keras.callbacks.Callback):
    """Writes loss, learning rate, gradient norm, speed and every score for TensorBoard.

    Scalars of a step stand under `train/`, those of an evaluation under `dev/`; both count steps. A training that goes
    on from a checkpoint, or back to one, finds its events up to there and none after.

    Args:
        directory: Where the event files go.
        state: The trainer's state, which holds the history.
        every: Steps between two points of a step's scalars.
    """

    def __init__(self, directory: Path, state: TrainingState, every: int = 10) -> None:
        """Keep the parts; the files are opened when training begins."""
        super().__init__()
        self._directory, self._state, self._every = directory, state, every
        self._last = -1

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open a file."""
        del logs
        self._open()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take back what was written of steps that are taken again."""
        del batch, logs
        if self._state.step < self._last:
            self._writer.close()
            self._open()
        self._last = self._state.step

    def flush(self) -> None:
        """Put everything on the disk; called before a checkpoint."""
        self._writer.flush()

    def _open(self) -> None:
        cut_back(self._directory, self._state.step)
        self._writer = tf.summary.create_file_writer(str(self._directory))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Write a step's loss and gradient norm."""
        del batch
        if self._state.step % self._every:
            return
        with self._writer.as_default(step=self._state.step):
            for name, value in (logs or {}).items():
                tf.summary.scalar(f"train/{name}", value)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write an evaluation's record."""
        del logs
        record = self._state.history[-1]
        with self._writer.as_default(step=record["step"]):
            tf.summary.scalar("train/learning_rate", record["learning_rate"])
            tf.summary.scalar("train/examples_per_second", record["examples_per_second"])
            tf.summary.scalar("train/mean_loss", record["train_loss"])
            tf.summary.scalar("dev/loss", record["dev_loss"])
            for name, value in record["dev"].items():
                tf.summary.scalar(f"dev/{name}", value)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the writer."""
        del logs
        self._writer.close()
