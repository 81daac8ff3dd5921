"""How good a classifier is: scores, curves, mistakes, and a report that a person can read.

Nothing here imports TensorFlow; matplotlib, scikit-learn and jinja2 are imported when first used,
so that the trainer can count scores without them.
"""

import importlib
from typing import TYPE_CHECKING, Any

from textclf.evaluation.counts import Average
from textclf.evaluation.curves import PrecisionRecallCurve, precision_recall_curves
from textclf.evaluation.mistakes import ConfusedPair, Mistake, Place, confident_mistakes, confused_pairs
from textclf.evaluation.scores import SCORES, Scores, confusion_matrix, score

if TYPE_CHECKING:
    from textclf.evaluation.report import Evaluation, write_report

__all__ = [
    "SCORES",
    "Average",
    "ConfusedPair",
    "Evaluation",
    "Mistake",
    "Place",
    "PrecisionRecallCurve",
    "Scores",
    "confident_mistakes",
    "confused_pairs",
    "confusion_matrix",
    "precision_recall_curves",
    "score",
    "write_report",
]

_IN_REPORT = ("Evaluation", "write_report")


def __getattr__(name: str) -> Any:
    """Import what needs matplotlib and jinja2 when it is first asked for (PEP 562)."""
    if name in _IN_REPORT:
        return getattr(importlib.import_module("textclf.evaluation.report"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
