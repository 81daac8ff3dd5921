"""A training kept safe: everything that the next step depends on, written down, put back, and gone back to."""

import copy
import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from textclf.config import Config
from textclf.errors import RunError
from textclf.models.base import TextModel
from textclf.training.breakdown import BreakdownError
from textclf.training.checkpoints import Checkpoint, Checkpoints
from textclf.training.meter import Meter
from textclf.training.optimizer import ScaledAdamW
from textclf.training.state import MeanLoss, TrainingState
from textclf.training.step import TrainStep

logger = logging.getLogger(__name__)

_MOST_ROLLBACKS = 3
_ROLLBACK_RATE = 0.5


class Safekeeping:
    """Takes checkpoints of a training, puts them back, and goes back to one after a breakdown.

    Args:
        model: What learns.
        optimizer: Its update rule, built.
        step: Whose loss scale counts, if it has one.
        state: Where the training stands.
        losses: Sums of losses by name.
        meter: What measures the speed.
        config: The run's config.
        checkpoints: Where checkpoints are written; None for nowhere.
        name_rows: Says which rows of train some numbers are, for a message.

    Attributes:
        best_weights: The model's best weights, as the trainer sets them; None if there are none yet.
    """

    def __init__(
        self,
        model: TextModel,
        optimizer: ScaledAdamW,
        step: TrainStep,
        state: TrainingState,
        losses: Mapping[str, MeanLoss],
        meter: Meter,
        config: Config,
        checkpoints: Checkpoints | None,
        name_rows: Callable[[np.ndarray], str],
    ) -> None:
        """Look the variables up."""
        self._model, self._optimizer, self._state, self._losses, self._meter = model, optimizer, state, losses, meter
        self._variables = {"model": model.weights, "optimizer": optimizer.variables}
        if step.loss_scale:
            self._variables["loss_scale"] = step.loss_scale.variables
        self._config, self._checkpoints, self._name_rows = config, checkpoints, name_rows
        self._begun = time.perf_counter()
        self._start: Checkpoint | None = None
        self.best_weights: list[np.ndarray] | None = None

    def begin(self, resume: Checkpoint | None) -> None:
        """Put a checkpoint back, or keep the beginning if the training may have to go back there."""
        if resume is not None:
            self.put_back(resume)
            self._state.seconds = resume.state["seconds"]
            if self._checkpoints is not None:
                self._checkpoints.go_on_from(self._state.step)
        elif self._config.training.rollback:
            self._start = self.take()

    def due(self) -> bool:
        """Return whether it is time to write a checkpoint."""
        return self._checkpoints is not None and self._checkpoints.due(self._state.step, bool(self._state.history))

    def write(self) -> bool:
        """Write a checkpoint; return whether it was written: they are wished for, and there is room."""
        checkpoints = self._checkpoints
        return checkpoints is not None and checkpoints.are_on and checkpoints.save(self._state.step, self.take())

    def take(self) -> Checkpoint:
        """Return everything that the next step depends on."""
        arrays = {
            f"{part}.{number}": np.asarray(variable)
            for part, variables in self._variables.items()
            for number, variable in enumerate(variables)
        }
        arrays |= {f"best.{number}": weights for number, weights in enumerate(self.best_weights or [])}
        arrays |= {f"loss.{name}": np.asarray(loss.total) for name, loss in self._losses.items()}
        sums = {
            "texts": {name: loss.texts for name, loss in self._losses.items()},
            "window": self._meter.to_json(),
            "stopped": bool(self._model.stop_training),
            "seconds": self._state.seconds + time.perf_counter() - self._begun,
        }
        return Checkpoint(dataclasses.asdict(self._state) | sums, arrays)

    def put_back(self, checkpoint: Checkpoint) -> None:
        """Set everything to what it was at a checkpoint; `RunError` if that is of another model."""
        for part, variables in self._variables.items():
            # Who goes on with float16 instead of another precision begins with a new loss scale.
            if part != "loss_scale" or f"{part}.0" in checkpoint.arrays:
                _assign(part, variables, checkpoint.arrays)
        for field in dataclasses.fields(self._state):
            if field.name != "seconds":  # those of this process do not come back
                # A copy: the beginning may be put back more than once, and the loop adds to the history.
                setattr(self._state, field.name, copy.deepcopy(checkpoint.state[field.name]))
        for name, loss in self._losses.items():
            loss.total = tf.constant(checkpoint.arrays[f"loss.{name}"])
            loss.texts = checkpoint.state["texts"][name]
        best = [name for name in checkpoint.arrays if name.startswith("best.")]
        self.best_weights = [checkpoint.arrays[f"best.{number}"] for number in range(len(best))] or None
        self._optimizer.rate_factor.assign(self._state.rate_factor)
        self._model.stop_training = checkpoint.state["stopped"]
        self._meter.go_on(checkpoint.state["window"])

    def go_back(self, breakdown: BreakdownError) -> None:
        """Put the last checkpoint, or the beginning, back with half the rate.

        Raises:
            RunError: That is not wished for, there is nothing to go back to, or it was done often enough.
        """
        state, rollbacks = self._state, self._state.rollbacks
        wished = self._config.training.rollback
        found = self._checkpoints.newest() if wished and self._checkpoints is not None else None
        checkpoint = found or self._start
        if checkpoint is None or rollbacks == _MOST_ROLLBACKS:
            raise self.refusal(breakdown) from breakdown
        factor = state.rate_factor * _ROLLBACK_RATE
        self.put_back(checkpoint)
        state.rollbacks, state.rate_factor = rollbacks + 1, factor
        self._optimizer.rate_factor.assign(factor)  # that of the checkpoint may be of before another return
        if self._checkpoints is not None:
            self._checkpoints.go_on_from(state.step)
        logger.warning("%s: going back to step %d, with %g times the rate.", breakdown, state.step, factor)

    def refusal(self, breakdown: BreakdownError) -> RunError:
        """Return the error that a training ends with which cannot go back."""
        training = self._config.training
        rows = f" Its batch held {self._name_rows(breakdown.rows)}." if len(breakdown.rows) else ""
        kept = "The best weights before that are kept." if self.best_weights else "No weights were kept."
        often = f" after {self._state.rollbacks} returns to a checkpoint" if self._state.rollbacks else ""
        other = "" if training.rollback else ", or let training.rollback=true try"
        return RunError(
            f"Training broke down{often}: {breakdown}.{rows} Lower training.learning_rate (it is "
            f"{training.learning_rate}) or training.clip_norm (it is {training.clip_norm}; 0 is off){other}, and begin "
            f"anew with --force or another --run. {kept}"
        )


def _assign(part: str, variables: Iterable[keras.Variable], arrays: Mapping[str, np.ndarray]) -> None:
    for number, variable in enumerate(variables):
        array = arrays.get(f"{part}.{number}")
        if array is None or tuple(variable.shape) != array.shape:
            came = "nothing" if array is None else f"the shape {array.shape}"
            raise RunError(
                f"The checkpoint is of another training: expected {variable.path} with the shape "
                f"{tuple(variable.shape)} in it, found {came}. Begin anew with --force."
            )
        variable.assign(array)
