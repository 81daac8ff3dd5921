"""Whether one classifier is better than another one by more than chance: the paired bootstrap.

Koehn (2004), "Statistical Significance Tests for Machine Translation Evaluation",
https://aclanthology.org/W04-3250; Efron & Tibshirani (1993), "An Introduction to the Bootstrap".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.evaluation.checks import check_class_ids
from textclf.evaluation.scores import SCORES, Scores, confusion_matrix

RESAMPLES = 2000
LEVEL = 0.95
FEWEST = 6
"""Rows that only one of both has right, below which the bootstrap takes chance for a difference: of five that all speak
for one, the sign test says so once in 32 times."""


@dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same rows.

    Attributes:
        metric: Name of the score.
        first: The first one's score (0 to 1).
        second: The second one's.
        low: Lower end of the 95 % interval of the first one's score less the second one's.
        high: Its upper end.
        rows: Rows that both were scored on.
        decided: Rows of them that one has right and the other one wrong.
    """

    metric: str
    first: float
    second: float
    low: float
    high: float
    rows: int
    decided: int

    @property
    def is_worse(self) -> bool:
        """Whether the first one is worse by more than chance: the interval lies below 0, and enough rows tell."""
        return self.high < 0 and self.decided >= FEWEST

    def __str__(self) -> str:
        difference = self.first - self.second
        return (
            f"{self.metric} {self.first:.4f} against {self.second:.4f}: {difference:+.4f}, "
            f"95 % interval {self.low:+.4f} to {self.high:+.4f}, {self.rows:,} rows"
        )


def paired_bootstrap(
    metric: str,
    targets: npt.NDArray[np.integer],
    first: npt.NDArray[np.integer],
    second: npt.NDArray[np.integer],
    labels: Sequence[str],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two classifiers' answers for the same rows, by drawing as many rows again and again.

    Args:
        metric: Name of a score.
        targets: int[rows], the right classes, at least one row.
        first: int[rows], what the first one says.
        second: int[rows], what the second one says.
        labels: Name of each class.
        seed: Of the draws.
        resamples: How many draws.

    Example:
        >>> targets = np.arange(200) % 2
        >>> found = paired_bootstrap("accuracy", targets, targets * 0, targets, ["a", "b"])
        >>> found.is_worse, found.first, found.second
        (True, 0.5, 1.0)
    """
    score, size = SCORES[metric], len(labels)
    named = {"targets": targets, "first": first, "second": second}
    columns = [check_class_ids(name, ids, size) for name, ids in named.items()]
    # Rows that are alike in all three are drawn as one: a draw is how often each kind comes.
    kinds, counts = np.unique(np.stack(columns), axis=1, return_counts=True)  # (3, kinds), (kinds,)
    draws = np.random.default_rng(seed).multinomial(len(targets), counts / len(targets), size=resamples)
    differences = [
        score(_scores(kinds[0], kinds[1], draw, labels)) - score(_scores(kinds[0], kinds[2], draw, labels))
        for draw in draws
    ]
    low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    scores = [score(Scores.from_confusion(confusion_matrix(targets, ids, size), labels)) for ids in (first, second)]
    decided = int(((first == targets) != (second == targets)).sum())
    return Comparison(metric, scores[0], scores[1], float(low), float(high), len(targets), decided)


def _scores(
    targets: npt.NDArray[np.int64], answers: npt.NDArray[np.int64], draw: npt.NDArray[np.int64], labels: Sequence[str]
) -> Scores:
    """Return the scores of a draw of kinds of rows."""
    size = len(labels)
    cells = np.bincount(targets * size + answers, draw, minlength=size * size)
    return Scores.from_confusion(cells.astype(np.int64).reshape(size, size), labels)
