"""Accuracy, precision, recall and F1, from one integer confusion matrix.

Counts are summed over batches and replicas, and divided once, here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.config import scores as config_scores
from textclf.errors import ConfigError, DataError, listing
from textclf.evaluation.checks import check_class_ids, check_confusion, check_labels
from textclf.evaluation.counts import Average, Counts, LabelCounts, Shares


def confusion_matrix(targets: npt.ArrayLike, predictions: npt.ArrayLike, num_classes: int) -> Counts:
    """Count how often each class was taken for each other.

    Matrices of the same classes add up: the sum over batches is the matrix of all their rows.

    Args:
        targets: `int[n]`, the right class ids.
        predictions: `int[n]`, the predicted class ids.
        num_classes: How many classes there are, also those that stand in neither array.

    Returns:
        `int64[num_classes, num_classes]`; a row is a target, a column a prediction.

    Raises:
        DataError: The arrays differ in length, are not integers, or hold an id that is no class.

    Example:
        >>> confusion_matrix([0, 0, 1], [0, 1, 1], num_classes=2)
        array([[1, 1],
               [0, 1]])
    """
    rows = check_class_ids("targets", targets, num_classes)
    columns = check_class_ids("predictions", predictions, num_classes)
    if len(rows) != len(columns):
        raise DataError(f"expected a prediction for each target, got {len(rows)} targets, {len(columns)} predictions")
    counts = np.bincount(rows * num_classes + columns, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes).astype(np.int64, copy=False)


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of one split; equal to scikit-learn's with `labels=range(classes), zero_division=0`.

    Every label counts in the macro average, also one without rows: its scores are 0.

    Attributes:
        confusion: `int64[classes, classes]`, read-only; a row is a target, a column a prediction.
        labels: Name of each class.

    Example:
        >>> scores = Scores.from_confusion([[3, 1], [0, 4]], ["ham", "spam"])
        >>> scores.accuracy, round(scores.macro.f1, 4)
        (0.875, 0.873)
    """

    confusion: Counts
    labels: tuple[str, ...]

    @classmethod
    def from_confusion(cls, matrix: npt.ArrayLike, labels: Iterable[str]) -> "Scores":
        """Make scores from a confusion matrix.

        Args:
            matrix: `int[classes, classes]`; a row is a target, a column a prediction. It is copied.
            labels: Name of each class, no two alike.

        Raises:
            DataError: The matrix is not square, not of integers, has a negative count or does not fit
                the labels; or two labels are alike.
        """
        names = check_labels(labels)
        return cls(check_confusion(matrix, len(names)), names)

    @property
    def support(self) -> int:
        """Number of rows."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of rows whose label was predicted, from 0 to 1; 0 when there are no rows."""
        return self.counts.accuracy

    @cached_property
    def counts(self) -> LabelCounts:
        """What the scores of each label are made of."""
        return LabelCounts.from_confusion(self.confusion)

    @cached_property
    def precision(self) -> Shares:
        """`float64[classes]`: share of the rows predicted as a label that have it."""
        return self.counts.precision()

    @cached_property
    def recall(self) -> Shares:
        """`float64[classes]`: share of the rows of a label that were predicted as such."""
        return self.counts.recall()

    @cached_property
    def f1(self) -> Shares:
        """`float64[classes]`: harmonic mean of precision and recall."""
        return self.counts.f1()

    @property
    def macro(self) -> Average:
        """Mean over the labels, each counting the same."""
        return self.counts.macro

    @property
    def weighted(self) -> Average:
        """Mean over the labels, each counting as much as it has rows."""
        return self.counts.weighted

    @property
    def micro(self) -> Average:
        """Scores of the summed counts; with one label a text all three equal the accuracy."""
        return self.counts.micro

    def headline(self) -> dict[str, float]:
        """Return every registered score by its name, as in `SCORES`."""
        return {name: function(self) for name, function in SCORES.items()}

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers that `json.dumps` takes and a person can read."""
        columns = (self.precision, self.recall, self.f1, self.counts.support)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return {
            "accuracy": self.accuracy,
            "support": self.support,
            "macro": self.macro._asdict(),
            "micro": self.micro._asdict(),
            "weighted": self.weighted._asdict(),
            "per_class": {
                label: dict(zip(("precision", "recall", "f1", "support"), row, strict=True))
                for label, row in zip(self.labels, rows, strict=True)
            },
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Scores":
        """Make the scores that `to_json` wrote; they are counted again from the confusion matrix.

        Raises:
            DataError: `labels` or `confusion` is missing or wrong.
        """
        missing = [key for key in ("labels", "confusion") if key not in values]
        if missing:
            raise DataError(
                f"scores: expected the keys 'labels' and 'confusion', got {listing(values) or 'no keys'}; "
                "write the file with `Scores.to_json`"
            )
        return cls.from_confusion(values["confusion"], values["labels"])

    def table(self) -> str:
        """Return a table for the terminal: a row a class, then the averages."""
        from textclf.evaluation.table import scores_table

        return scores_table(self)


Score = Callable[[Scores | LabelCounts], float]

SCORES: dict[str, Score] = {name: attrgetter(path) for name, path in config_scores.SCORES.items()}
"""The scores that `textclf.config.scores` registers, as functions of `Scores` or of their counts."""


def score(name: str, option: str = "score") -> Score:
    """Return a registered score, a function of `Scores`.

    Args:
        name: Name of the score.
        option: Who asks for it, for the error.

    Raises:
        ConfigError: No score has that name; the message names those there are.

    Example:
        >>> score("accuracy")(Scores.from_confusion([[3, 1], [0, 4]], ["ham", "spam"]))
        0.875
    """
    if name not in SCORES:
        raise ConfigError(f"{option}: {config_scores.unknown_score(name)}")
    return SCORES[name]
