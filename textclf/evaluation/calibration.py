"""Whether a score of 0.9 is right nine times in ten: calibration error, reliability, temperature scaling.

Guo et al. (2017), "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.errors import DataError

NUM_BINS = 15
LOWEST, HIGHEST = 0.05, 20.0
"""Between these a temperature is searched."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often the label that is given is right, by the score that it is given with.

    Attributes:
        counts: int64[bins], the rows whose highest score falls into each bin; the bins cut 0 to 1 into equal parts.
        confidence: float64[bins], the mean of their highest scores; nan in an empty bin.
        accuracy: float64[bins], the share of them whose label is right; nan in an empty bin.
        log_loss: Mean negative log of the right label's score, in nats.
    """

    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    log_loss: float

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of confidence and accuracy, over rows (0 to 1)."""
        filled = self.counts > 0
        distance = np.abs(self.confidence[filled] - self.accuracy[filled])
        return float(distance @ self.counts[filled] / self.counts.sum())

    def to_json(self) -> dict[str, Any]:
        """Return the two figures that sum it up, and the bins, with None for what an empty one has not."""
        columns = {"counts": self.counts, "confidence": self.confidence, "accuracy": self.accuracy}
        bins = {
            name: [None if value != value else value for value in column.tolist()] for name, column in columns.items()
        }
        return {"expected_calibration_error": self.error, "log_loss": self.log_loss, "bins": bins}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Reliability":
        """Make what `to_json` wrote.

        Example:
            >>> found = reliability(np.array([[0.9, 0.1], [0.7, 0.3]]), np.array([0, 1]))
            >>> Reliability.from_json(found.to_json()).error == found.error
            True
        """
        bins = values["bins"]
        confidence, accuracy = (np.array(bins[name], np.float64) for name in ("confidence", "accuracy"))
        return cls(np.array(bins["counts"], np.int64), confidence, accuracy, values["log_loss"])


def reliability(probabilities: npt.NDArray[Any], targets: npt.NDArray[np.integer], bins: int = NUM_BINS) -> Reliability:
    """Return how far scores can be trusted.

    Args:
        probabilities: float[rows, classes], at least one row.
        targets: int[rows], the right classes.
        bins: Parts that 0 to 1 is cut into.

    Example:
        >>> found = reliability(np.array([[0.9, 0.1], [0.7, 0.3]]), np.array([0, 1]), bins=2)
        >>> found.counts.tolist(), round(found.error, 3)
        ([0, 2], 0.3)
    """
    if not len(targets):
        raise DataError("calibration: expected rows to compare scores with, got none")
    scores = np.asarray(probabilities, np.float64)
    highest, right = scores.max(axis=1), scores.argmax(axis=1) == targets
    of_bin = np.clip(np.ceil(highest * bins).astype(np.int64) - 1, 0, bins - 1)  # (low, high], as Guo et al. have them
    counts = np.bincount(of_bin, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(of_bin, highest, minlength=bins) / counts
        accuracy = np.bincount(of_bin, right, minlength=bins) / counts
    of_targets = np.maximum(scores[np.arange(len(targets)), targets], np.finfo(np.float32).tiny)
    return Reliability(counts, confidence, accuracy, float(-np.log(of_targets).mean()))


def scale(probabilities: npt.NDArray[Any], temperature: float) -> npt.NDArray[np.float64]:
    """Return scores at another temperature: those of the logits divided by it, float64[rows, classes].

    Args:
        probabilities: float[rows, classes], softmax of some logits.
        temperature: Above 1 makes scores more even, below 1 sharper; `1 / t` undoes `t`.

    Example:
        >>> scale(np.array([[0.9, 0.1]]), 2.0).round(2).tolist()
        [[0.75, 0.25]]
    """
    from scipy.special import softmax

    scaled: npt.NDArray[np.float64] = softmax(_log(probabilities) / temperature, axis=1)
    return scaled


def fit_temperature(probabilities: npt.NDArray[Any], targets: npt.NDArray[np.integer]) -> float:
    """Return the temperature at which the right labels' scores are most likely, between 0.05 and 20.

    It changes no decision. The targets are those of the rows and of one more row that is shared out evenly between all
    labels: however many rows are right, certainty stays finite (Platt 1999 does the same for two classes).

    Args:
        probabilities: float[rows, classes], softmax of the logits, of rows that were not trained on.
        targets: int[rows], the right classes.

    Example:
        >>> sure = np.full((100, 2), [0.99, 0.01])
        >>> fit_temperature(sure, np.array([0] * 80 + [1] * 20)) > 3
        True
    """
    from scipy.optimize import minimize_scalar  # half a second that scores alone need not take
    from scipy.special import log_softmax

    logs = _log(probabilities)
    rows, classes = logs.shape
    wanted = np.full((rows, classes), 1.0 / classes / (rows + 1))
    wanted[np.arange(rows), targets] += rows / (rows + 1)

    def loss(log_temperature: float) -> float:
        return float(-(wanted * log_softmax(logs / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))


def _log(probabilities: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return logits that give the probabilities; what is 0 in float32 is taken for the smallest number above."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), np.finfo(np.float32).tiny))
