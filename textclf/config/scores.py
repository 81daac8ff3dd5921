"""The scores that a run can be judged by: the one place where a score is registered.

An entry names the score's attribute of `textclf.evaluation.Scores` and imports nothing, so that a config
is checked without what computes it. More is better in all.
"""

from textclf.errors import did_you_mean, listing

SCORES: dict[str, str] = {
    "accuracy": "accuracy",
    "macro_f1": "macro.f1",
    "macro_precision": "macro.precision",
    "macro_recall": "macro.recall",
    "micro_f1": "micro.f1",
    "micro_precision": "micro.precision",
    "micro_recall": "micro.recall",
    "weighted_f1": "weighted.f1",
    "weighted_precision": "weighted.precision",
    "weighted_recall": "weighted.recall",
}


def unknown_score(name: str) -> str:
    """Return words for a score that is not registered, with those that are."""
    return f"expected one of {listing(SCORES)}, got '{name}'.{did_you_mean(name, SCORES)}"
