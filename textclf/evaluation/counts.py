"""What precision, recall and F1 are made of.

The place where tasks differ: single label reads these counts off its confusion matrix; a task with
several labels a text will bring its own way to make them, and everything after stays as it is.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]


class Average(NamedTuple):
    """Precision, recall and F1 over all labels, each from 0 to 1."""

    precision: float
    recall: float
    f1: float


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

    @property
    def accuracy(self) -> float:
        """Share of rows whose label was predicted, from 0 to 1; 0 when there are no rows."""
        return int(self.true_positives.sum()) / max(int(self.support.sum()), 1)

    @property
    def macro(self) -> Average:
        """Mean over the labels, each counting the same."""
        return Average(*(float(np.average(each)) for each in (self.precision(), self.recall(), self.f1())))

    @property
    def weighted(self) -> Average:
        """Mean over the labels, each counting as much as it has rows."""
        if not self.support.any():
            return Average(0.0, 0.0, 0.0)
        shares = (self.precision(), self.recall(), self.f1())
        return Average(*(float(np.average(each, weights=self.support)) for each in shares))

    @property
    def micro(self) -> Average:
        """Scores of the summed counts; with one label a text all three equal the accuracy."""
        total = self.total()
        return Average(total.precision().item(), total.recall().item(), total.f1().item())


def _divide(part: Counts, whole: Counts) -> Shares:
    """Divide counts; nothing of nothing is 0."""
    return np.divide(part, whole, out=np.zeros(part.shape, np.float64), where=whole != 0)
