"""The release gate: whether a run may become the version that is served."""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from textclf.config.scores import unknown_score
from textclf.data import Split
from textclf.errors import ConfigError, DataError, ExportError, RunError
from textclf.evaluation.comparison import Comparison, paired_bootstrap
from textclf.evaluation.scores import SCORES, Scores
from textclf.models.tasks import TASKS
from textclf.runs.directory import Run
from textclf.serving.classifier import load
from textclf.serving.evaluate import own_test_split
from textclf.store.labels import STABLE
from textclf.store.models_config import read_labels
from textclf.store.versions import versions

logger = logging.getLogger(__name__)

MOST_ROWS = 5000
"""Rows of test that two versions are compared on; of more, so many are drawn."""
_OTHER = "(a label that the run does not know)"


def check_floors(run: Run, floors: Mapping[str, float]) -> None:
    """Refuse a run that scores too low on test.

    Args:
        run: What is to be published.
        floors: The lowest score that will do, 0 to 1, by the score's name.

    Raises:
        ConfigError: There is no such score, or a floor is none.
        ExportError: The run scores lower, or has no scores on test.
    """
    for metric, floor in floors.items():
        if metric not in SCORES:
            raise ConfigError(f"floor: {unknown_score(metric)}")
        if not 0.0 <= floor <= 1.0:
            raise ConfigError(f"floor: expected {metric} from 0 to 1, got {floor:g}.")
    if not floors:
        return
    if "test" not in run.results.get("scores", {}):
        raise ExportError(
            f"'{run.path}' has no scores on test that a floor could be held against. Train it with a test split "
            "(data.test), or export it without a floor."
        )
    scores: Scores = run.scores("test")
    low = [
        f"{metric} {SCORES[metric](scores):.4f} < {floor:g}"
        for metric, floor in floors.items()
        if SCORES[metric](scores) < floor
    ]
    if low:
        raise ExportError(f"'{run.path}' scores too low on test: {', '.join(low)}. Nothing was published.")


def live_version(base: str | Path, name: str) -> int | None:
    """Return the version that clients get: the one labelled `stable`, or else the newest; None if there is none."""
    live = versions(Path(base) / name)
    stable = read_labels(base, name).get(STABLE)
    return stable if stable in live else max(live, default=None)


def compare_with_live(run: Run, base: str | Path, name: str) -> Comparison | None:
    """Score a run and the live version on the run's test split.

    The score is the one that picked the run's weights (`training.monitor`). If the live version was trained on some of
    these rows, it looks better than it is.

    Args:
        run: What is to be published.
        base: Where the served models are.
        name: The served model.

    Returns:
        The comparison; None if there is no live version, or if the run has no test split, which is a warning in the
        log.

    Raises:
        ExportError: The data or the live version cannot be read.
    """
    version = live_version(base, name)
    if version is None:
        return None
    if run.config.data.test is None and run.config.data.folds is None:
        logger.warning("Version %d is live, and is not compared with: the run has no test split.", version)
        return None
    again = "Bring it back, or publish without a comparison: --allow-worse."
    try:
        split = _some_rows(own_test_split(run))
    except (DataError, RunError, OSError) as error:
        raise ExportError(
            f"Version {version} is live, but the test split to compare on is gone: {error} {again}"
        ) from None
    try:
        live = load(Path(base) / name / str(version))
        if live.takes_pairs != (split.pairs is not None):
            raise ExportError("of the two one takes pairs of texts, and the other one single texts.")
        theirs = live.probabilities(split.texts, pairs=split.pairs)
    except ExportError as error:
        raise ExportError(f"The live version {version} cannot be compared with: {error} {again}") from None
    task = TASKS[run.config.task]
    labels = [*run.labels, _OTHER]
    place = {label: number for number, label in enumerate(run.labels)}
    of_live = np.array([place.get(label, len(run.labels)) for label in live.labels])
    first, second = task.decide(run.probabilities(split.texts, split.pairs)), of_live[task.decide(theirs)]
    known, metric = second.max() < len(run.labels), run.config.training.monitor
    targets = task.encode(split.labels, run.labels)
    found = paired_bootstrap(metric, targets, first, second, len(run.labels if known else labels), run.config.seed)
    if known or not metric.startswith("macro_"):
        return found
    # The label that stands for all unknown ones has no rows, and a score of 0 that is no part of the mean.
    share = len(labels) / len(run.labels)
    scores = {name: getattr(found, name) * share for name in ("first", "second", "low", "high")}
    return dataclasses.replace(found, **scores)


def _some_rows(split: Split) -> Split:
    """Return a split, or so many of its rows that they are scored in a minute."""
    if len(split) <= MOST_ROWS:
        return split
    chosen = np.random.default_rng(0).choice(len(split), MOST_ROWS, replace=False)
    return split.take(sorted(chosen.tolist()))
