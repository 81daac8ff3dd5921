"""Where the model is wrong: the mistakes it is surest of, and the labels it takes for each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.errors import DataError
from textclf.evaluation.checks import check_predictions
from textclf.evaluation.scores import Scores

Place = tuple[str, int]
"""Where a text stands: its source and line."""


@dataclass(frozen=True)
class Mistake:
    """A text whose label was not predicted.

    Attributes:
        text: The text.
        label: Its label in the data.
        predicted: The label that the model gave.
        score: Probability that the model gave to `predicted`.
        place: Source and line of the text, where they are known.
        pair: The second text, if rows are pairs.
    """

    text: str
    label: str
    predicted: str
    score: float
    place: Place | None = None
    pair: str | None = None


@dataclass(frozen=True)
class ConfusedPair:
    """A label that was taken for another.

    Attributes:
        label: The label in the data.
        predicted: The label that the model gave.
        count: Rows of `label` that were predicted as `predicted`.
        share: The same as a share of all rows of `label`.
    """

    label: str
    predicted: str
    count: int
    share: float


def confident_mistakes(
    texts: Sequence[str],
    targets: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    labels: Sequence[str],
    most: int = 50,
    places: Sequence[Place] | None = None,
    pairs: Sequence[str] | None = None,
) -> list[Mistake]:
    """Return the mistakes that the model was surest of: often these are errors in the data.

    Args:
        texts: The texts, `n` of them.
        targets: `int[n]`, the right class ids.
        probabilities: `float[n, classes]`.
        labels: Name of each class.
        most: Most mistakes to return.
        places: Source and line of each text, `n` of them, where they are known.
        pairs: The second text of each row, `n` of them, if rows are pairs.

    Returns:
        Mistakes, the most confident first; of equal ones, the earlier row first.

    Raises:
        DataError: Texts, arrays, labels or places do not fit each other.

    Example:
        >>> confident_mistakes(["win!", "hi"], [1, 0], [[0.9, 0.1], [0.8, 0.2]], ["ham", "spam"])
        [Mistake(text='win!', label='spam', predicted='ham', score=0.9, place=None, pair=None)]
    """
    ids, shares = check_predictions(targets, probabilities, labels)
    for name, values in (("texts", texts), ("places", places), ("pairs", pairs)):
        if values is not None and len(values) != len(ids):
            raise DataError(f"{name}: expected one for each of the {len(ids)} targets, got {len(values)}")
    predictions = shares.argmax(axis=1)
    wrong = np.flatnonzero(predictions != ids)
    confidence = shares[wrong, predictions[wrong]]
    surest = wrong[np.argsort(-confidence, kind="stable")][:most]
    return [
        Mistake(
            text=texts[row],
            label=labels[ids[row]],
            predicted=labels[predictions[row]],
            score=float(shares[row, predictions[row]]),
            place=None if places is None else places[row],
            pair=None if pairs is None else pairs[row],
        )
        for row in surest.tolist()
    ]


def confused_pairs(scores: Scores, most: int = 15) -> list[ConfusedPair]:
    """Return the labels that were most often taken for another one.

    Args:
        scores: The scores of a split.
        most: Most pairs to return.

    Returns:
        Pairs, the most frequent first; of equal ones, that with the larger share first.

    Example:
        >>> confused_pairs(Scores.from_confusion([[3, 1], [0, 4]], ["ham", "spam"]))
        [ConfusedPair(label='ham', predicted='spam', count=1, share=0.25)]
    """
    counts = scores.confusion * ~np.eye(len(scores.labels), dtype=bool)
    rows, columns = np.nonzero(counts)
    found, support = counts[rows, columns], scores.counts.support[rows]
    order = np.lexsort((support, -found))[:most]
    return [
        ConfusedPair(scores.labels[rows[i]], scores.labels[columns[i]], int(found[i]), float(found[i] / support[i]))
        for i in order
    ]
