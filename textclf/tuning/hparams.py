"""TensorBoard's HParams tab: every trial's values beside its score."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api

from textclf.config.domains import Domain, Range, SearchSpace
from textclf.tensorboard.hparams import write_session
from textclf.tuning.results import Trial, short


def log_folder(logs: Path, number: int) -> Path:
    """Return the folder of a trial's event files."""
    return logs / f"trial-{number:03}"


def write_experiment(logs: Path, space: SearchSpace, metric: str) -> None:
    """Write which fields the trials differ in and what they are judged by.

    Args:
        logs: The folder of the whole search.
        space: The fields that are searched.
        metric: Name of the score.
    """
    fields = [api.HParam(name, _interval(domain)) for name, domain in space.items()]
    metrics = [api.Metric(_tag(metric), display_name=f"best dev {metric}"), api.Metric("trial/seconds")]
    with tf.summary.create_file_writer(str(logs)).as_default():
        api.hparams_config(fields, metrics)


def write_trial(logs: Path, trial: Trial, metric: str, started: float) -> None:
    """Write a trial's values, its score if it has one, and its seconds.

    Args:
        logs: The folder of the whole search.
        trial: The trial, over.
        metric: Name of the score.
        started: When it began, in seconds since 1970.
    """
    scores = {} if trial.score is None else {_tag(metric): trial.score}
    write_session(
        log_folder(logs, trial.number),
        f"trial-{trial.number}",
        {name: _plain(value) for name, value in trial.values.items()},
        {**scores, "trial/seconds": trial.seconds},
        started,
        success=trial.score is not None,
    )


def _tag(metric: str) -> str:
    return f"trial/{metric}"


def _interval(domain: Domain) -> Any:
    """Return TensorBoard's word for a range; choices can be of many kinds, which it finds out from the trials."""
    if not isinstance(domain, Range):
        return None
    if domain.whole:
        return api.IntInterval(int(domain.low), int(domain.high))
    return api.RealInterval(float(domain.low), float(domain.high))


def _plain(value: Any) -> bool | int | float | str:
    """Return a value as the tab takes it: a list, a mapping or nothing by name."""
    return value if isinstance(value, bool | int | float | str) else short(value)
