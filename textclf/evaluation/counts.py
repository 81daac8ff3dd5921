"""What precision, recall and F1 are made of.

The place where tasks differ: single label reads these counts off its confusion matrix; a task with
several labels a text will bring its own way to make them, and everything after stays as it is.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]


class LabelCounts(NamedTuple):
    """The counts of every label, each `int64[classes]`.

    Attributes:
        true_positives: Rows of the label that were predicted as such.
        predicted: Rows that were predicted to have the label.
        support: Rows that have the label.
    """

    true_positives: Counts
    predicted: Counts
    support: Counts

    @classmethod
    def from_confusion(cls, confusion: Counts) -> "LabelCounts":
        """Read the counts off a confusion matrix, `int64[classes, classes]`, whose rows are the targets."""
        return cls(confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1))

    def total(self) -> "LabelCounts":
        """Return the counts of all labels together, each `int64[1]`."""
        return LabelCounts(*(counts.sum(keepdims=True) for counts in self))

    def precision(self) -> Shares:
        """Return `float64[classes]`: share of the rows predicted as a label that have it."""
        return _divide(self.true_positives, self.predicted)

    def recall(self) -> Shares:
        """Return `float64[classes]`: share of the rows of a label that were predicted as such."""
        return _divide(self.true_positives, self.support)

    def f1(self) -> Shares:
        """Return `float64[classes]`: harmonic mean of precision and recall."""
        return _divide(2 * self.true_positives, self.predicted + self.support)


def _divide(part: Counts, whole: Counts) -> Shares:
    """Divide counts; nothing of nothing is 0."""
    return np.divide(part, whole, out=np.zeros(part.shape, np.float64), where=whole != 0)
