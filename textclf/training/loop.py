"""The training loop: batches in, best weights out."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textclf.config import Config
from textclf.evaluation.scores import SCORES, Scores
from textclf.models.base import TextModel
from textclf.models.tasks import Task
from textclf.text.batches import plan_epoch
from textclf.training.batches import BatchPlan, Shares, choose_widths, make_batches, weigh_rows
from textclf.training.breakdown import BreakdownError, LossWatch
from textclf.training.callbacks import StepCallbacks
from textclf.training.checkpoints import Checkpoint, Checkpoints
from textclf.training.devices import distribute, local_replicas
from textclf.training.interruption import TerminatedError, on_ctrl_c, on_sigterm
from textclf.training.meter import Meter
from textclf.training.optimizer import make_optimizer
from textclf.training.prediction import Encoded, Outcome, Predictor
from textclf.training.safekeeping import Safekeeping
from textclf.training.state import MeanLoss, TrainingState
from textclf.training.step import TrainStep
from textclf.training.workers import ONE_RUN_DIRECTORY, Workers

logger = logging.getLogger(__name__)

_HEAR_EVERY = 10
"""Steps after which several workers tell one another what they are asked for: each time waits for the device."""


class Trainer:
    """Trains a model by gradient steps and leaves it with its best weights.

    The order of the texts and the dropout of a step are functions of the seed, the epoch and the step. The best weights
    are those of the evaluation on dev with the highest `training.monitor`, the earlier one on a tie. Ctrl-C ends the
    training as if `epochs` were over; a second one ends it at once. It runs under the `tf.distribute` strategy in whose
    scope it and its model are made.

    Args:
        model: What learns; has its first weights.
        task: Losses and decisions.
        labels: The label vocabulary.
        config: The run's config: `training`, `compute` and the seed count.
        callbacks: Ordinary Keras callbacks, also to be added to `.callbacks` before `fit`. The `logs` of an evaluation
            hold `loss`, `dev_loss` and `dev_<score>`; those of an epoch hold the epoch's `loss`, and the others as
            its last evaluation found them, if there was one: `EarlyStopping("dev_macro_f1", mode="max")` passes
            over an epoch without. One that sets the learning rate, such as `ReduceLROnPlateau`, works with
            `schedule: constant` without warm-up alone; Keras lets nobody change a schedule. What a callback counts for
            itself is not in a checkpoint.
        save_best: Called whenever the model has better weights than ever before.
        checkpoints: Where the training is written down, if at all.
        name_rows: Says which rows of train some numbers are, for a message.

    Attributes:
        predictor: What runs the model for an evaluation; of use for others afterwards, since its graph is traced.
        dev_scores: Dev's scores at the last evaluation, for callbacks; None before the first of this process.
    """

    def __init__(
        self,
        model: TextModel,
        task: Task,
        labels: list[str],
        config: Config,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        save_best: Callable[[TextModel], None] = lambda _: None,
        checkpoints: Checkpoints | None = None,
        name_rows: Callable[[np.ndarray], str] = lambda rows: f"rows {', '.join(map(str, rows[:5]))} …",
    ) -> None:
        """Keep the parts; variables are made by `fit`."""
        self.model, self.config, self.task, self.labels = model, config, task, labels
        self.state = TrainingState()
        self.meter = Meter()
        self._save_best, self._checkpoints, self._name_rows = save_best, checkpoints, name_rows
        self._strategy = tf.distribute.get_strategy()
        self.predictor = Predictor(model, task, labels)
        self.dev_scores: Scores | None = None
        self.callbacks = list(callbacks)
        self._losses = {"epoch": MeanLoss(), "window": MeanLoss()}
        self._workers = Workers(self._strategy)
        self._ctrl_c = self._sigterm = self._stops = self._written = False

    def fit(self, train: Encoded, dev: Encoded, resume: Checkpoint | None = None) -> TrainingState:
        """Train, evaluate on dev as the config says, and put the best weights into the model.

        Dev is evaluated after the last step in any case.

        Args:
            train: What to learn from.
            dev: What picks the best weights.
            resume: Where an earlier training stood, to go on there.

        Raises:
            RunError: The loss broke down, or the checkpoint is of another training.
            TerminatedError: SIGTERM came; a checkpoint is written if there is a place for it.
            KeyboardInterrupt: Ctrl-C came a second time.
        """
        state = self.state
        self._prepare(train, resume)
        callbacks = keras.callbacks.CallbackList(self.callbacks, model=self.model)
        epochs, batch_size = self.config.training.epochs, self.config.training.batch_size
        callbacks.set_params({"epochs": epochs, "steps": -(-len(train) // batch_size), "verbose": 0})
        self._told = StepCallbacks(self.callbacks)
        callbacks.on_train_begin()
        try:
            with on_ctrl_c(self._interrupt), on_sigterm(self._terminate):
                self._go_through(train, dev, callbacks)
                self._hear()  # what came while dev was scored
        except KeyboardInterrupt:  # the second Ctrl-C, or one that a callback raised
            if self._ctrl_c or self._workers.count > 1:  # several: the others are not where this one is
                raise
            state.interrupted = True
            if self._kept.best_weights is None:
                self._evaluate_what_there_is(dev, callbacks)
        self.model.set_weights(self._kept.best_weights)
        if state.interrupted or state.rollbacks or resume is not None:
            # Ctrl-C may have come while they were written, or they are of steps that were taken again.
            self._save_best(self.model)
        callbacks.on_train_end(self._logs())
        # A callback may have set other weights than are saved, as EarlyStopping(restore_best_weights=True) does.
        self.model.set_weights(self._kept.best_weights)
        return state

    def _prepare(self, train: Encoded, resume: Checkpoint | None) -> None:
        """Make optimizer and step, and put a checkpoint back."""
        training, compute = self.config.training, self.config.compute
        total_steps = training.epochs * -(-len(train) // training.batch_size)
        first, local = local_replicas(self._strategy)
        self._shares = Shares(self._strategy.num_replicas_in_sync, compute.accumulate, first, local)
        self._widths = choose_widths(train.lengths, compute.num_lengths) if compute.xla else ()
        self._row_weights = weigh_rows(train.targets, self.labels, training.class_weights)
        with self._strategy.scope():
            self.optimizer = make_optimizer(training, self.model, total_steps)
            self._step = TrainStep(self.model, self.optimizer, self.task, self.config)
        self.model.optimizer = self.optimizer  # where Keras' callbacks look for it
        self.model.stop_training = False
        self._watch = LossWatch(
            len(self.labels), float(self._row_weights.max()), skips=self._step.loss_scale is not None
        )
        self._kept = Safekeeping(
            self.model,
            self.optimizer,
            self._step,
            self.state,
            self._losses,
            self.meter,
            self.config,
            self._checkpoints,
            self._name_rows,
        )
        self._open_window()
        self._kept.begin(resume)

    def _interrupt(self) -> None:
        self._ctrl_c = True
        logger.warning("Ctrl-C: this step is finished and dev is scored; a second one stops at once.")

    def _terminate(self) -> None:
        self._sigterm = True

    def _hear(self) -> None:
        """Write a checkpoint if one is asked for or due, and note whether the training ends here.

        Several workers all hear what one of them is asked for, so that they stop and write at the same step. What is
        written knows nothing of Ctrl-C: if the last scoring does not come to its end, no step is lost, and the same
        command goes on as if nobody had stopped it.

        Raises:
            TerminatedError: SIGTERM came.
        """
        asked = self.model.stop_training, self._ctrl_c, self._sigterm, self._kept.due()
        self.model.stop_training, interrupted, terminated, due = self._workers.any(asked)
        if (due or interrupted or terminated) and not self.state.interrupted:
            self._written = self._write_down()
        self.state.interrupted = self.state.interrupted or interrupted
        self._stops = self.model.stop_training = self.model.stop_training or interrupted
        if terminated:
            again = "the same command, without --force, goes on from there"
            kept = f"A checkpoint is written: {again}." if self._written else "No checkpoint was written."
            raise TerminatedError(f"Stopped by SIGTERM after step {self.state.step}. {kept}")

    def _go_through(self, train: Encoded, dev: Encoded, callbacks: keras.callbacks.CallbackList) -> None:
        """Train until the epochs are over or somebody stops; after a breakdown go back, if that is wished for."""
        while True:
            try:
                self._epochs(train, dev, callbacks)
                return
            except BreakdownError as breakdown:
                self._watch.forget()
                self._kept.go_back(breakdown)
                self._workers.check_same(self.state.step, "The step to go back to", ONE_RUN_DIRECTORY)

    def _epochs(self, train: Encoded, dev: Encoded, callbacks: keras.callbacks.CallbackList) -> None:
        """Train from where the state stands, and score the last weights too."""
        training, state = self.config.training, self.state
        self._hear()
        while state.epoch < training.epochs and not self._stops:
            batches = plan_epoch(
                train.lengths, training.batch_size, training.num_length_groups, self.config.seed, state.epoch
            )
            if not state.batch:
                self._losses["epoch"] = MeanLoss()
            callbacks.on_epoch_begin(state.epoch)
            size = training.batch_size
            plan = BatchPlan(batches[state.batch :], train.lengths, self._shares, self._widths, size)
            self._epoch(train, plan, dev, callbacks)
            evaluated = bool(state.history) and state.history[-1]["epoch"] == state.epoch + 1
            logs = self._logs() if evaluated else {}
            callbacks.on_epoch_end(state.epoch, logs | {"loss": float(self._losses["epoch"])})
            if state.batch == len(batches):  # and not stopped in the middle
                state.epoch, state.batch = state.epoch + 1, 0
            self._hear()
        if not state.history or state.history[-1]["step"] < state.step:
            self._evaluate(dev, callbacks)

    def _epoch(self, train: Encoded, plan: BatchPlan, dev: Encoded, callbacks: keras.callbacks.CallbackList) -> None:
        """Take the steps of an epoch, or the rest of one, with evaluations every so many steps or at its end."""
        if not len(plan):
            return
        state, every = self.state, self.config.training.evaluate_every
        batches = distribute(self._strategy, make_batches(train, self._row_weights, plan))
        self._step.expect(batches.element_spec)
        iterator, done = iter(batches), 0
        hearing = min(_HEAR_EVERY, self.config.checkpoints.steps or _HEAR_EVERY)
        while done < len(plan) and not self._stops:
            count = min(self.config.compute.steps_per_call, len(plan) - done)
            if every:
                count = min(count, every - state.step % every)
            self._take_steps(iterator, plan, done, count)
            done += count
            if (state.step % every == 0) if every else (done == len(plan)):
                self._evaluate(dev, callbacks)
                self._open_window()
            if self._workers.count == 1 or done == len(plan) or state.step // hearing > (state.step - count) // hearing:
                self._hear()

    def _take_steps(self, iterator: Iterator[Any], plan: BatchPlan, done: int, count: int) -> None:
        """Take steps in one call, then tell the callbacks of each."""
        state, chosen = self.state, slice(done, done + count)
        if count == 1:
            self._told.begin(state.batch)
            with self.meter.waiting():
                batch = next(iterator)
            losses, norms = (tf.reshape(value, [1]) for value in self._step(batch))
        else:
            losses, norms = self._step.several(iterator, tf.constant(count))
        sizes = [len(batch) for batch in plan.batches[chosen]]
        self.meter.add(sizes, plan.tokens[chosen], plan.cells[chosen])
        for mean in self._losses.values():
            mean.add(losses, sizes)
        for loss, norm in zip(tf.unstack(losses), tf.unstack(norms), strict=True):
            if count > 1:
                self._told.begin(state.batch)
            state.step, state.batch = state.step + 1, state.batch + 1
            self._told.end(state.batch - 1, loss, norm)
        self._watch.add(losses, norms, plan.batches[chosen], state.step)

    def _evaluate_what_there_is(self, dev: Encoded, callbacks: keras.callbacks.CallbackList) -> None:
        try:
            self._evaluate(dev, callbacks)
        except BreakdownError as breakdown:
            raise self._kept.refusal(breakdown) from breakdown

    def _open_window(self) -> None:
        self._losses["window"] = MeanLoss()
        self.meter.start()

    def _evaluate(self, dev: Encoded, callbacks: keras.callbacks.CallbackList) -> None:
        """Score dev, keep the weights if they are the best so far, and stop if none were for too long."""
        self._watch.look(self.state.step)
        speed = self.meter.read()
        callbacks.on_test_begin()
        outcome = self.predictor(dev)
        self.dev_scores = outcome.scores
        state, training = self.state, self.config.training
        record = self._record(outcome, speed)
        if not np.isfinite(record["dev_loss"]):
            raise BreakdownError(state.step, f"the loss on dev is {record['dev_loss']}", np.zeros(0, np.int64))
        score = SCORES[training.monitor](outcome.scores)
        if score > state.best_score:
            state.best_score, state.best_step, state.evaluations_since_best = score, state.step, 0
            self._kept.best_weights = self.model.get_weights()
            self._save_best(self.model)
        else:
            state.evaluations_since_best += 1
        state.history.append(record)
        callbacks.on_test_end(self._logs())
        if training.patience and state.evaluations_since_best >= training.patience:
            self.model.stop_training = True

    def _write_down(self) -> bool:
        """Write a checkpoint; return whether it was written."""
        self._watch.look(self.state.step)  # so that nothing broken is kept
        for callback in self.callbacks:
            if flush := getattr(callback, "flush", None):
                flush()
        return self._kept.write()

    def _record(self, outcome: Outcome, speed: dict[str, float]) -> dict[str, Any]:
        """Return the record of an evaluation and of the steps before it."""
        return {
            "epoch": self.state.epoch + (self.state.batch > 0 or not self.state.step),
            "step": self.state.step,
            "train_loss": float(self._losses["window"]),
            "dev_loss": outcome.loss,
            "dev": {name: score(outcome.scores) for name, score in SCORES.items()},
            "learning_rate": self.optimizer.current_rate(),
            **speed,
        }

    def _logs(self) -> dict[str, float]:
        """Return the last record under the flat names that Keras' callbacks monitor."""
        if not self.state.history:
            return {}
        record = self.state.history[-1]
        scores = {f"dev_{name}": value for name, value in record["dev"].items()}
        return {"loss": record["train_loss"], "dev_loss": record["dev_loss"]} | scores
