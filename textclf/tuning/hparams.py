"""TensorBoard's HParams tab: every trial's values beside its score."""

from pathlib import Path
from typing import Any

from textclf.tensorboard.hparams import FOLDER, write_session
from textclf.tuning.results import Trial, short


def log_folder(logs: Path, number: int) -> Path:
    """Return the folder of a trial's event files."""
    return logs / f"trial-{number:03}"


def write_trial(logs: Path, trial: Trial, metric: str, started: float) -> None:
    """Write a trial's values, its score if it has one, and its seconds, as a session beside its curves.

    Args:
        logs: The folder of the whole search.
        trial: The trial, over.
        metric: Name of the score.
        started: When it began, in seconds since 1970.
    """
    scores = {} if trial.score is None else {f"hparams/dev_{metric}": trial.score}  # as runs call it
    write_session(
        log_folder(logs, trial.number) / FOLDER,
        f"trial-{trial.number}",
        {name: _plain(value) for name, value in trial.values.items()},
        {**scores, "hparams/seconds": trial.seconds},
        started,
        success=trial.score is not None,
    )


def _plain(value: Any) -> bool | int | float | str:
    """Return a value as the tab takes it: a list, a mapping or nothing by name."""
    return value if isinstance(value, bool | int | float | str) else short(value)
