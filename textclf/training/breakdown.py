"""A loss that is no number, or has blown up: seen at once, with the step and the rows that did it."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

_EVERY = 32
"""Steps between two looks: each look waits for the device."""
_TIMES_A_GUESS = 100.0
"""A mean loss so many times that of a guess has blown up."""


class BreakdownError(Exception):
    """Training broke down.

    Attributes:
        step: The step, from 1.
        what: What was seen there, in words.
        rows: The rows of train in its batch, int64[rows].
    """

    def __init__(self, step: int, what: str, rows: np.ndarray) -> None:
        """Keep what is known."""
        super().__init__(f"{what} at step {step}")
        self.step, self.what, self.rows = step, what, rows


class LossWatch:
    """Looks at the losses of all steps, many at a time.

    Args:
        num_classes: Classes that a guess would choose between.
        heaviest: The highest weight of a row's loss; one such row can be all of a batch.
        skips: Whether a step with a gradient that is not finite is left out on purpose, as with a loss scale.
    """

    def __init__(self, num_classes: int, heaviest: float, skips: bool) -> None:
        """Begin with no steps."""
        self._highest = _TIMES_A_GUESS * math.log(max(num_classes, 2)) * max(heaviest, 1.0)
        self._skips = skips
        self.forget()

    def forget(self) -> None:
        """Drop what was not looked at yet: the training has gone back."""
        self._seen: list[tuple[tf.Tensor, tf.Tensor]] = []
        self._batches: list[np.ndarray] = []

    def add(self, losses: tf.Tensor, norms: tf.Tensor, batches: Sequence[np.ndarray], step: int) -> None:
        """Take the losses and gradient norms of steps, float32[steps], and their rows; `step` is the last one's number.

        Raises:
            BreakdownError: One of the steps broke down.
        """
        self._seen.append((losses, norms))
        self._batches.extend(batches)
        if len(self._batches) >= _EVERY:
            self.look(step)

    def look(self, step: int) -> None:
        """Look at all steps since the last look; `step` is the last one's number; raises as `add` does."""
        if not self._seen:
            return
        losses, norms = (np.concatenate([each.numpy() for each in kind]) for kind in zip(*self._seen, strict=True))
        batches, first = self._batches, step - len(self._batches) + 1
        self.forget()
        for number, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
            if what := self._wrong(float(loss), float(norm)):
                raise BreakdownError(first + number, what, batches[number])

    def _wrong(self, loss: float, norm: float) -> str:
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if loss > self._highest:
            return f"the loss is {loss:.4g}, {_TIMES_A_GUESS:.0f} times that of a guess"
        if not math.isfinite(norm) and not self._skips:
            return f"the gradient's norm is {norm}"
        return ""
