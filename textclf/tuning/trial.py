"""One trial: a training that sees no test data and leaves a score and TensorBoard's logs."""

import gc
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from textclf.config import CheckpointsConfig, Config
from textclf.data import Corpus
from textclf.errors import ConfigError, DataError, RunError
from textclf.evaluation.scores import SCORES
from textclf.models.base import TextModel
from textclf.models.builder import model_class
from textclf.runs.train import encode, fit
from textclf.runs.writer import RunWriter
from textclf.training.breakdown import BreakdownError
from textclf.training.devices import make_strategy
from textclf.training.state import TrainingState
from textclf.tuning.results import State

Report = Callable[[float, int], bool]
"""Takes a score on dev and the number of the evaluation, from 0; returns whether the trial is to be pruned."""


class TrialWatch(keras.callbacks.Callback):
    """Reports every evaluation, and ends a training that promises too little or whose time is over.

    Args:
        metric: Name of the score.
        report: What is told of it.
        deadline: When the time is over, by `time.monotonic`.

    Attributes:
        pruned: Whether it promised too little.
        late: Whether its time was over.
    """

    reads_tensors = True  # it reads none: no step waits for the device

    def __init__(self, metric: str, report: Report, deadline: float) -> None:
        """Wait for the training to begin."""
        super().__init__()
        self._score, self._report, self._deadline = f"dev_{metric}", report, deadline
        self._evaluations = 0
        self.pruned = self.late = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the clock."""
        del batch, logs
        if time.monotonic() >= self._deadline:
            self.late = self.model.stop_training = True

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Report the score."""
        score = (logs or {})[self._score]
        if self._report(score, self._evaluations):
            self.pruned = self.model.stop_training = True
        self._evaluations += 1


class _TrialWriter(RunWriter):
    """Writes TensorBoard's logs to where they stay, and no weights: a search keeps none."""

    def __init__(self, path: Path, logs: Path) -> None:
        super().__init__(path)
        self._logs = logs

    def make_logs(self) -> Path:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self._logs

    def write_model(self, model: TextModel, step: int | None = None) -> None:
        del model, step


@dataclass(frozen=True)
class Ending:
    """How a trial ended.

    Attributes:
        state: As `Trial` has it.
        score: The highest score on dev, if it was scored at all.
        note: Why it failed.
        interrupted: Whether it was stopped by Ctrl-C.
    """

    state: State
    score: float | None = None
    note: str = ""
    interrupted: bool = False


def run_trial(
    config: Config, corpus: Corpus, metric: str, folder: Path, logs: Path, report: Report, deadline: float
) -> Ending:
    """Train as `textclf train` does, but for what it writes, and return how that ended.

    Args:
        config: The run, with the trial's values.
        corpus: Its data, without a test split.
        metric: The score that counts.
        folder: For what a training needs on the way; removed before and after.
        logs: Where TensorBoard's files go.
        report: What is told of every evaluation.
        deadline: When the training is stopped, by `time.monotonic`. A model that a solver fits, in one go, comes to
            its end.

    Raises:
        TerminatedError: SIGTERM came.
    """
    if corpus.test is not None:
        raise ValueError("expected a corpus without a test split: a search looks at train and dev alone")
    shutil.rmtree(folder, ignore_errors=True)
    watch = TrialWatch(metric, report, deadline)
    tensorflow = logging.getLogger("tensorflow")
    tensorflow.addFilter(_is_news)
    try:
        state, score = _train(config, corpus, metric, folder, logs, watch)
    except KeyboardInterrupt:
        return Ending("stopped", interrupted=True)
    except (ConfigError, DataError, MemoryError, tf.errors.ResourceExhaustedError) as error:
        return Ending("failed", note=_one_line(error))
    except RunError as error:
        if not isinstance(error.__cause__, BreakdownError):
            raise
        return Ending("failed", note=f"the training broke down: {error.__cause__}")
    finally:
        tensorflow.removeFilter(_is_news)
        shutil.rmtree(folder, ignore_errors=True)
        gc.collect()  # graphs and models hold each other
    if state.interrupted or watch.late:
        return Ending("stopped", score, interrupted=state.interrupted)
    return Ending("pruned" if watch.pruned else "done", score)


def _train(
    config: Config, corpus: Corpus, metric: str, folder: Path, logs: Path, watch: TrialWatch
) -> tuple[TrainingState, float]:
    """Return how the training went, and its highest score on dev."""
    config = config.model_copy(update={"checkpoints": CheckpointsConfig(minutes=0)})
    keras.utils.set_random_seed(config.seed)
    tokenizer = model_class(config.model.name).make_tokenizer(config, corpus.train.all_texts)
    splits = encode(corpus, tokenizer, config)
    with _TrialWriter(folder, logs) as writer:
        _, state, predict = fit(
            config, splits, corpus, tokenizer, writer, make_strategy(config.compute), callbacks=[watch]
        )
    if state.history:
        return state, state.best_score
    return state, SCORES[metric](predict(splits["dev"]).scores)


def _is_news(record: logging.LogRecord) -> bool:
    """Return whether a search has not brought it about itself: each trial traces graphs of its own."""
    return "triggered tf.function retracing" not in str(record.msg)


def _one_line(error: Exception) -> str:
    """Return what an error says, without the traces that TensorFlow puts behind it; its name if it says nothing."""
    said = str(error).splitlines() if isinstance(error, tf.errors.OpError) else [str(error)]
    return " ".join(" ".join(said[:1]).split()) or type(error).__name__
