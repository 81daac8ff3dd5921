"""Whether one classifier is better than another one by more than chance: the paired bootstrap.

Koehn (2004), "Statistical Significance Tests for Machine Translation Evaluation",
https://aclanthology.org/W04-3250; Efron & Tibshirani (1993), "An Introduction to the Bootstrap".
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textclf.evaluation.checks import check_class_ids
from textclf.evaluation.counts import Counts, LabelCounts
from textclf.evaluation.scores import SCORES

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
    num_classes: int,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two classifiers' answers for the same rows, by drawing as many rows again and again.

    Args:
        metric: Name of a score.
        targets: int[rows], the right classes, at least one row.
        first: int[rows], what the first one says.
        second: int[rows], what the second one says.
        num_classes: How many classes there are.
        seed: Of the draws.
        resamples: How many draws.

    Example:
        >>> targets = np.arange(200) % 2
        >>> found = paired_bootstrap("accuracy", targets, targets * 0, targets, num_classes=2)
        >>> found.is_worse, found.first, found.second
        (True, 0.5, 1.0)
    """
    score = SCORES[metric]
    named = {"targets": targets, "first": first, "second": second}
    columns = [check_class_ids(name, ids, num_classes) for name, ids in named.items()]
    # Rows that are alike in all three are drawn as one: a draw is how often each kind comes.
    kinds, counts = np.unique(np.stack(columns), axis=1, return_counts=True)  # (3, kinds), (kinds,)
    draws = np.random.default_rng(seed).multinomial(len(targets), counts / len(targets), size=resamples)

    def scores(draw: Counts) -> tuple[float, float]:
        one, other = (score(_counts(kinds[0], answers, draw, num_classes)) for answers in kinds[1:])
        return one, other

    differences = [one - other for one, other in map(scores, draws)]
    low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    decided = int(((first == targets) != (second == targets)).sum())
    return Comparison(metric, *scores(counts), float(low), float(high), len(targets), decided)


def _counts(targets: Counts, answers: Counts, draw: Counts, num_classes: int) -> LabelCounts:
    """Return the counts of a draw of kinds of rows; a confusion matrix of many classes would take a second to fill."""
    right = np.where(targets == answers, draw, 0)
    weighted = ((targets, right), (answers, draw), (targets, draw))
    found = (np.bincount(ids, weights, num_classes) for ids, weights in weighted)
    return LabelCounts(*(each.astype(np.int64) for each in found))
