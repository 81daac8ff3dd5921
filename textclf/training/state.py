"""Where a training stands: what the loop counts, and what a checkpoint holds."""

from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf


@dataclass
class TrainingState:
    """Where a training stands, and what came of it so far.

    Attributes:
        epoch: Number of the epoch, from 0.
        batch: Batches of the epoch that are done.
        step: Steps done.
        best_score: Highest score on dev so far.
        best_step: Steps done when it was reached.
        evaluations_since_best: What `patience` counts.
        history: One record an evaluation, as the report plots it.
        interrupted: Whether Ctrl-C ended the training.
        rollbacks: How often the loss broke down and the training went back to a checkpoint.
        rate_factor: What the learning rate is multiplied by since.
        seconds: Of training in processes before this one.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_score: float = -1.0
    best_step: int = 0
    evaluations_since_best: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False
    rollbacks: int = 0
    rate_factor: float = 1.0
    seconds: float = 0.0


@dataclass
class MeanLoss:
    """The mean over texts, summed on the device so that no step waits for Python."""

    total: tf.Tensor = field(default_factory=lambda: tf.zeros(()))
    texts: int = 0

    def add(self, losses: tf.Tensor, texts: Any) -> None:
        """Add the mean losses of steps, float32[steps], with the number of texts in each, int[steps]."""
        # One after the other: the sum is then the same however many steps came in a call.
        for loss, count in zip(tf.unstack(losses), texts, strict=True):
            self.total += loss * float(count)
            self.texts += int(count)

    def __float__(self) -> float:
        return float(self.total) / max(self.texts, 1)
