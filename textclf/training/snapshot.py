"""A training as a checkpoint: everything that the next step depends on, taken out and put back."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from textclf.errors import RunError
from textclf.training.checkpoints import Checkpoint
from textclf.training.state import MeanLoss, TrainingState


@dataclasses.dataclass
class Snapshot:
    """What of a training is put into a checkpoint.

    Attributes:
        variables: Variables by the name of the part that they are of: the model's, the optimizer's, the loss scale's.
        state: Where the training stands.
        losses: Sums of losses by name.
        best_weights: The model's best weights; None if there are none yet.
    """

    variables: Mapping[str, list[keras.Variable]]
    state: TrainingState
    losses: Mapping[str, MeanLoss]
    best_weights: list[np.ndarray] | None

    def take(self, **extra: Any) -> Checkpoint:
        """Return a checkpoint; `extra` goes into its state."""
        arrays = {
            f"{part}.{number}": np.asarray(variable)
            for part, variables in self.variables.items()
            for number, variable in enumerate(variables)
        }
        arrays |= {f"best.{number}": weights for number, weights in enumerate(self.best_weights or [])}
        arrays |= {f"loss.{name}": np.asarray(loss.total) for name, loss in self.losses.items()}
        texts = {name: loss.texts for name, loss in self.losses.items()}
        return Checkpoint(dataclasses.asdict(self.state) | {"texts": texts} | extra, arrays)

    def put_back(self, checkpoint: Checkpoint) -> None:
        """Set variables, state, sums and best weights to a checkpoint's; `RunError` if it is of another model."""
        for part, variables in self.variables.items():
            _assign(part, variables, checkpoint.arrays)
        for field in dataclasses.fields(self.state):
            if field.name in checkpoint.state:
                setattr(self.state, field.name, checkpoint.state[field.name])
        for name, loss in self.losses.items():
            loss.total = tf.constant(checkpoint.arrays[f"loss.{name}"])
            loss.texts = checkpoint.state["texts"][name]
        best = [name for name in checkpoint.arrays if name.startswith("best.")]
        self.best_weights = [checkpoint.arrays[f"best.{number}"] for number in range(len(best))] or None


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
