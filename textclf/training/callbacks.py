"""What watches a training: TensorBoard and the terminal, as ordinary Keras callbacks."""

import sys
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tqdm.auto import tqdm

from textclf.training.loop import TrainingState


class TensorBoardLog(keras.callbacks.Callback):
    """Writes loss, learning rate, gradient norm, speed and every score for TensorBoard.

    Scalars of a step stand under `train/`, those of an evaluation under `dev/`; both count steps.

    Args:
        directory: Where the event files go.
        state: The trainer's state, which holds the history.
        every: Steps between two points of a step's scalars.
    """

    def __init__(self, directory: Path, state: TrainingState, every: int = 10) -> None:
        """Open the writer."""
        super().__init__()
        self._writer = tf.summary.create_file_writer(str(directory))
        self._state, self._every = state, every

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


class ProgressBar(keras.callbacks.Callback):
    """A bar on standard error with loss, speed and the best score, and a line an evaluation.

    Args:
        state: The trainer's state.
        monitor: Name of the score that is shown.
    """

    def __init__(self, state: TrainingState, monitor: str) -> None:
        """Wait for the training to begin."""
        super().__init__()
        self._state, self._monitor = state, monitor
        self._bar: Any = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the epoch's bar; where there is no terminal only the lines of the evaluations are written."""
        del logs
        title = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._bar = tqdm(total=self.params["steps"], desc=title, unit=" steps", leave=False, disable=None)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar; the loss is read now and then, since reading waits for the device."""
        if batch % 10 == 0 and logs and not self._bar.disable:
            shown = {"loss": f"{float(logs['loss']):.3f}"}
            if self._state.history:
                shown[f"best {self._monitor}"] = f"{self._state.best_score:.4f}"
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write a line for an evaluation."""
        del logs
        record = self._state.history[-1]
        tqdm.write(
            f"epoch {record['epoch']:>3}  step {record['step']:>6}  loss {record['train_loss']:.3f}  "
            f"dev loss {record['dev_loss']:.3f}  dev {self._monitor} {record['dev'][self._monitor]:.4f}  "
            f"{record['examples_per_second']:,.0f} texts/s",
            file=sys.stderr,
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take the bar away."""
        del epoch, logs
        self._bar.close()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Take the bar away after an interruption too."""
        del logs
        if self._bar is not None:
            self._bar.close()
