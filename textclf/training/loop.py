"""The training loop: batches in, best weights out."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textclf.config.training import TrainingConfig
from textclf.errors import RunError
from textclf.evaluation.scores import SCORES
from textclf.models.base import TextModel
from textclf.models.tasks import Task
from textclf.text.batches import make_dataset, plan_epoch
from textclf.training.interruption import on_ctrl_c
from textclf.training.optimizer import make_optimizer
from textclf.training.prediction import Encoded, Outcome, Predictor
from textclf.training.step import TrainStep

logger = logging.getLogger(__name__)


@dataclass
class _MeanLoss:
    """The mean over examples, summed on the device so that no step waits for Python."""

    total: tf.Tensor = field(default_factory=lambda: tf.zeros(()))
    examples: int = 0

    def add(self, loss_sum: tf.Tensor, examples: int) -> None:
        self.total += loss_sum
        self.examples += examples

    def __float__(self) -> float:
        return float(self.total) / max(self.examples, 1)


@dataclass
class TrainingState:
    """Where a training stands, and what came of it so far.

    It is not enough to go on after a stop as if there had been none, which comes later: beside the model's and the
    optimizer's weights, that takes the best weights, the place in the epoch and in the sums since the last
    evaluation, and the seeds of dropout.

    Attributes:
        epoch: Number of the epoch, from 0.
        step: Steps done.
        best_score: Highest score on dev so far.
        best_step: Steps done when it was reached.
        evaluations_since_best: What `patience` counts.
        history: One record an evaluation, as the report plots it.
        interrupted: Whether Ctrl-C ended the training.
    """

    epoch: int = 0
    step: int = 0
    best_score: float = -1.0
    best_step: int = 0
    evaluations_since_best: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False


class Trainer:
    """Trains a model by gradient steps and leaves it with its best weights.

    The order of the texts is a function of (seed, epoch). The best weights are those of the evaluation on
    dev with the highest `config.monitor`, the earlier one on a tie. Ctrl-C ends the training as if
    `epochs` were over.

    Args:
        model: What learns; has its first weights.
        task: Losses and decisions.
        labels: The label vocabulary.
        config: The training section of the run's config.
        seed: The run's seed.
        callbacks: Ordinary Keras callbacks, also to be added to `.callbacks` before `fit`. The `logs` of an evaluation
            hold `loss`, `dev_loss` and `dev_<score>`; those of an epoch hold the epoch's `loss`, and the others as
            its last evaluation found them, if there was one: `EarlyStopping("dev_macro_f1", mode="max")` passes
            over an epoch without. One that sets the learning rate, such as `ReduceLROnPlateau`, works with
            `schedule: constant` without warm-up alone; Keras lets nobody change a schedule.
        save_best: Called whenever the model has better weights than ever before.

    Attributes:
        predictor: What runs the model for an evaluation; of use for others afterwards, since its graph is traced.
    """

    def __init__(
        self,
        model: TextModel,
        task: Task,
        labels: list[str],
        config: TrainingConfig,
        seed: int,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        save_best: Callable[[TextModel], None] = lambda _: None,
    ) -> None:
        """Keep the parts; variables are made by `fit`."""
        self.model, self.config, self.seed = model, config, seed
        self.state = TrainingState()
        self._task, self._save_best = task, save_best
        self.predictor = Predictor(model, task, labels)
        self.callbacks = list(callbacks)
        self._best_weights: list[np.ndarray] = []
        self._loss_of_epoch, self._loss_since_evaluation = _MeanLoss(), _MeanLoss()
        self._window_start = 0.0

    def fit(self, train: Encoded, dev: Encoded) -> TrainingState:
        """Train, evaluate on dev as the config says, and put the best weights into the model.

        Dev is evaluated after the last step in any case.

        Raises:
            RunError: The loss is no finite number any more.
        """
        config, state = self.config, self.state
        steps_per_epoch = -(-len(train) // config.batch_size)
        optimizer = make_optimizer(config, self.model, config.epochs * steps_per_epoch)
        self.model.optimizer = optimizer  # where Keras' callbacks look for it
        self.model.stop_training = False
        step = TrainStep(self.model, optimizer, self._task, config)
        callbacks = keras.callbacks.CallbackList(self.callbacks, model=self.model)
        callbacks.set_params({"epochs": config.epochs, "steps": steps_per_epoch, "verbose": 0})
        callbacks.on_train_begin()
        self._open_window()
        try:
            with on_ctrl_c(self._interrupt):
                self._epochs(step, train, dev, callbacks)
        except KeyboardInterrupt:  # the second Ctrl-C, or one that a callback raised
            state.interrupted = True
            if not self._best_weights:
                self._evaluate(dev, callbacks)
        self.model.set_weights(self._best_weights)
        if state.interrupted:
            self._save_best(self.model)  # Ctrl-C may have come while it was written
        callbacks.on_train_end(self._logs())
        # A callback may have set other weights than are saved, as EarlyStopping(restore_best_weights=True) does.
        self.model.set_weights(self._best_weights)
        return state

    def _interrupt(self) -> None:
        self.state.interrupted = self.model.stop_training = True
        logger.warning("Ctrl-C: this step is finished and dev is scored; a second one stops at once.")

    def _epochs(self, step: TrainStep, train: Encoded, dev: Encoded, callbacks: keras.callbacks.CallbackList) -> None:
        """Train until the epochs are over or somebody stops, and score the last weights too."""
        config, state, lengths = self.config, self.state, train.lengths
        for epoch in range(config.epochs):
            if self.model.stop_training:
                break
            state.epoch = epoch
            plan = plan_epoch(lengths, config.batch_size, config.num_length_groups, self.seed, state.epoch)
            self._loss_of_epoch = _MeanLoss()
            callbacks.on_epoch_begin(state.epoch)
            self._epoch(step, make_dataset(train.ids, train.targets, plan), dev, callbacks)
            evaluated = bool(state.history) and state.history[-1]["epoch"] == state.epoch + 1
            logs = self._logs() if evaluated else {}
            callbacks.on_epoch_end(state.epoch, logs | {"loss": float(self._loss_of_epoch)})
        if not state.history or state.history[-1]["step"] < state.step:
            self._evaluate(dev, callbacks)

    def _epoch(
        self, step: TrainStep, batches: tf.data.Dataset, dev: Encoded, callbacks: keras.callbacks.CallbackList
    ) -> None:
        """Take the steps of one epoch, with evaluations every so many steps or at its end."""
        last = int(batches.cardinality())
        for number, (ids, targets) in enumerate(batches, start=1):
            callbacks.on_train_batch_begin(number - 1)
            loss, norm = step(ids, targets)
            self.state.step += 1
            examples = int(targets.shape[0])
            for mean in (self._loss_of_epoch, self._loss_since_evaluation):
                mean.add(loss * examples, examples)
            callbacks.on_train_batch_end(number - 1, {"loss": loss, "gradient_norm": norm})
            every = self.config.evaluate_every
            if (self.state.step % every == 0) if every else (number == last):
                self._evaluate(dev, callbacks)
                self._open_window()
            if self.model.stop_training:
                return

    def _open_window(self) -> None:
        self._loss_since_evaluation = _MeanLoss()
        self._window_start = time.perf_counter()

    def _evaluate(self, dev: Encoded, callbacks: keras.callbacks.CallbackList) -> None:
        """Score dev, keep the weights if they are the best so far, and stop if none were for too long."""
        seconds = time.perf_counter() - self._window_start
        callbacks.on_test_begin()
        outcome = self.predictor(dev)
        record = self._record(outcome, seconds)
        self._check_finite(record)
        state = self.state
        score = SCORES[self.config.monitor](outcome.scores)
        if score > state.best_score:
            state.best_score, state.best_step, state.evaluations_since_best = score, state.step, 0
            self._best_weights = self.model.get_weights()
            self._save_best(self.model)
        else:
            state.evaluations_since_best += 1
        state.history.append(record)
        callbacks.on_test_end(self._logs())
        if self.config.patience and state.evaluations_since_best >= self.config.patience:
            self.model.stop_training = True

    def _check_finite(self, record: dict[str, Any]) -> None:
        """Refuse weights that nothing can be learnt from any more."""
        for name in ("train_loss", "dev_loss"):
            if not math.isfinite(record[name]):
                kept = "The best weights before that are kept." if self._best_weights else "No weights were kept."
                raise RunError(
                    f"Training broke down: {name} is {record[name]} at step {record['step']}. "
                    f"Lower training.learning_rate (it is {self.config.learning_rate}) or training.clip_norm "
                    f"(it is {self.config.clip_norm}; 0 is off). {kept}"
                )

    def _record(self, outcome: Outcome, seconds: float) -> dict[str, Any]:
        """Return the record of an evaluation and of the steps before it."""
        return {
            "epoch": self.state.epoch + 1,
            "step": self.state.step,
            "train_loss": float(self._loss_since_evaluation),
            "dev_loss": outcome.loss,
            "dev": {name: score(outcome.scores) for name, score in SCORES.items()},
            "learning_rate": float(self.model.optimizer.learning_rate),
            "examples_per_second": self._loss_since_evaluation.examples / max(seconds, 1e-9),
            "seconds": seconds,
        }

    def _logs(self) -> dict[str, float]:
        """Return the last record under the flat names that Keras' callbacks monitor."""
        if not self.state.history:
            return {}
        record = self.state.history[-1]
        scores = {f"dev_{name}": value for name, value in record["dev"].items()}
        return {"loss": record["train_loss"], "dev_loss": record["dev_loss"]} | scores
