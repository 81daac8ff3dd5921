"""What TensorBoard shows of a training while it goes on, as an ordinary Keras callback."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from textclf.errors import refusal
from textclf.tensorboard.event_files import cut_back
from textclf.tensorboard.events import write_confusion_matrix, write_scores
from textclf.training.loop import Trainer
from textclf.training.memory import peak_megabytes

logger = logging.getLogger(__name__)

# TensorBoard keeps ten images of a tag, and each takes half a second to draw.
MOST_IMAGES = 10
_OF_AN_EVALUATION = {"learning_rate", "examples_per_second", "tokens_per_second", "padding", "waiting"}
_STEP_TAGS = ("train/loss", "train/gradient_norm")


class TensorBoardLog(keras.callbacks.Callback):
    """Writes loss, learning rate, gradient norm, speed, memory and every score for TensorBoard.

    Scalars of a step stand under `train/`, those of an evaluation under `dev/` and `dev_class_f1/`; all count steps.
    Where an evaluation is better than all before, dev's confusion matrix is drawn, once in each tenth of the steps.
    A training that goes on from a checkpoint, or back to one, finds its events up to there and none after.

    Args:
        directory: Where the event files go.
        trainer: Whose state and scores are written.
        every: Steps between two points of a step's scalars.
    """

    reads_tensors = True

    def __init__(self, directory: Path, trainer: Trainer, every: int = 10) -> None:
        """Keep the parts; the files are opened when training begins."""
        super().__init__()
        self._directory, self._trainer, self._state, self._every = directory, trainer, trainer.state, every
        self._writer = tf.summary.create_noop_writer()
        self._last = -1
        self._failed = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open a file."""
        del logs
        with self._forgiving():
            self._open()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take back what was written of steps that are taken again."""
        del batch, logs
        if self._state.step < self._last:
            with self._forgiving():
                self._open()

    def flush(self) -> None:
        """Put everything on the disk; called before a checkpoint."""
        with self._forgiving():
            self._writer.flush()

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Let a training go on without TensorBoard's files if the disk is full or refuses them."""
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            if not self._failed:
                logger.warning("TensorBoard's files in '%s' are not whole: %s", self._directory, refusal(error))
            self._failed = True

    def _open(self) -> None:
        self._writer.close()
        self._writer = tf.summary.create_noop_writer()  # as long as the files cannot be opened
        evaluated = self._state.history[-1]["step"] if self._state.history else 0
        cut_back(self._directory, self._state.step, evaluated, _STEP_TAGS)
        self._writer = tf.summary.create_file_writer(str(self._directory))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Write a step's loss and gradient norm."""
        del batch
        self._last = self._state.step
        if self._state.step % self._every or not logs:
            return
        with self._forgiving(), self._writer.as_default(step=self._state.step):
            for tag in _STEP_TAGS:
                tf.summary.scalar(tag, logs[tag.removeprefix("train/")])

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write an evaluation's record and scores."""
        del logs
        record, scores = self._state.history[-1], self._trainer.dev_scores
        with self._forgiving(), self._writer.as_default(step=record["step"]):
            for name in sorted(_OF_AN_EVALUATION & record.keys()):
                tf.summary.scalar(f"train/{name}", record[name])
            tf.summary.scalar("train/mean_loss", record["train_loss"])
            peak = peak_megabytes()
            if peak is not None:
                tf.summary.scalar("train/peak_mb", peak)
            if scores is not None:
                write_scores("dev", scores, record["dev_loss"])
                if self._draws():
                    write_confusion_matrix("dev", scores)
        self.flush()

    def _draws(self) -> bool:
        """Return whether this evaluation is a better one, and the first such in its tenth of the training.

        It follows from the history alone, so that a training that was killed draws the same images.
        """
        steps = _better_steps(self._state.history, self._trainer.config.training.monitor)
        if steps[-1] < self._state.step:
            return False
        total = self.params["epochs"] * self.params["steps"]
        parts = [MOST_IMAGES * (step - 1) // total for step in steps]
        return len(parts) == 1 or parts[-2] < parts[-1]

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the writer."""
        del logs
        with self._forgiving():
            self._writer.close()


def _better_steps(history: list[dict[str, Any]], monitor: str) -> list[int]:
    """Return the steps of the evaluations that were better than all before them; the first one is."""
    best, steps = -1.0, []
    for record in history:
        if record["dev"][monitor] > best:
            best = record["dev"][monitor]
            steps.append(record["step"])
    return steps
