"""Precision against recall as the threshold moves, one class against the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.evaluation.checks import check_predictions

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """The precision-recall curve of one class.

    Attributes:
        label: Name of the class.
        recall: `float64[points]`, from 0 up to 1.
        precision: `float64[points]`, the precision at each recall.
        average_precision: Mean precision over the recalls (area under the steps), of the whole curve.
        support: Rows of the class.
    """

    label: str
    recall: Points
    precision: Points
    average_precision: float
    support: int


def precision_recall_curves(
    targets: npt.ArrayLike, probabilities: npt.ArrayLike, labels: Sequence[str], most_points: int = 200
) -> list[PrecisionRecallCurve]:
    """Return the curve of every class that has rows, in the order of the labels.

    Args:
        targets: `int[n]`, the right class ids.
        probabilities: `float[n, classes]`.
        labels: Name of each class.
        most_points: Most points of a curve, at least 2; the average precision is that of all points.

    Returns:
        Curves; a class without rows has none, since its recall is not defined.

    Raises:
        DataError: Arrays and labels do not fit each other.

    Example:
        >>> curves = precision_recall_curves([0, 1], [[0.9, 0.1], [0.2, 0.8]], ["ham", "spam"])
        >>> [(curve.label, curve.average_precision) for curve in curves]
        [('ham', 1.0), ('spam', 1.0)]
    """
    ids, shares = check_predictions(targets, probabilities, labels)
    present = np.unique(ids)
    return [_curve(ids == class_id, shares[:, class_id], labels[class_id], most_points) for class_id in present]


def _curve(
    is_class: npt.NDArray[np.bool_], shares: npt.NDArray[np.floating], label: str, most_points: int
) -> PrecisionRecallCurve:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(is_class, shares)
    area = float(-np.sum(np.diff(recall) * precision[:-1]))  # as average_precision_score, but without a second sort
    # Of the thresholds with one recall the highest has the best precision, and is the one that the area counts.
    recalls, best = np.unique(recall[::-1], return_index=True)
    precisions = precision[::-1][best]
    kept = np.unique(np.linspace(0, len(recalls) - 1, most_points).round().astype(np.int64))
    return PrecisionRecallCurve(label, recalls[kept], precisions[kept], max(0.0, area), int(is_class.sum()))
