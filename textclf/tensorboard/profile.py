"""What the time of a few steps goes into, as TensorFlow's profiler sees it."""

import logging
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from textclf.training.state import TrainingState

logger = logging.getLogger(__name__)


class StepProfile(keras.callbacks.Callback):
    """Profiles some steps and writes what it saw for TensorBoard's profile tab.

    A training that goes on in the middle of these steps profiles none.

    Args:
        directory: The run's folder for TensorBoard.
        state: The trainer's state, which counts the steps.
        steps: The first and the last one, counted from 1.
    """

    reads_tensors = True

    def __init__(self, directory: Path, state: TrainingState, steps: list[int]) -> None:
        """Keep the parts."""
        super().__init__()
        self._directory, self._state = directory, state
        self._first, self._last = steps
        self._running = False
        self._trace: tf.profiler.experimental.Trace | None = None

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Begin before the first step."""
        del batch, logs
        if self._state.step + 1 == self._first and not self._running:
            tf.profiler.experimental.start(str(self._directory))
            self._running = True
        if self._running:  # so that the profile knows where a step begins and ends
            self._trace = tf.profiler.experimental.Trace("train", step_num=self._state.step + 1, _r=1)
            self._trace.__enter__()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """End after the last step, when all of it is computed."""
        del batch
        if self._trace is not None:
            float((logs or {}).get("loss", 0.0))  # a step on a GPU comes back before it is done
            self._trace.__exit__(None, None, None)
            self._trace = None
        if self._running and self._state.step >= self._last:
            self.close()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Say so if the steps never came."""
        del logs
        if self._state.step < self._first:
            logger.warning(
                "compute.profile_steps: nothing was profiled; the training had %d steps, and the first to look at was "
                "step %d.",
                self._state.step,
                self._first,
            )

    def close(self) -> None:
        """Write what was seen, if the training ends before the last step; TensorFlow has one profiler a process."""
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()
