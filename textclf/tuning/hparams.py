"""TensorBoard's HParams tab: every trial's values beside its score."""

import time
from pathlib import Path
from typing import Any

from textclf.tensorboard.hparams import FOLDER, write_session
from textclf.tuning.results import Trial, short


def log_folder(logs: Path, number: int) -> Path:
    """Return the folder of a trial's event files."""
    return logs / f"trial-{number:03}"


def write_trial(logs: Path, trial: Trial, metric: str) -> None:
    """Write a trial's values, its score if it has one, and its seconds, as a session beside its curves.

    One that is there already stays as it is.

    Args:
        logs: The folder of the whole search.
        trial: The trial, over.
        metric: Name of the score.
    """
    folder = log_folder(logs, trial.number) / FOLDER
    if folder.exists():
        return
    scores = {} if trial.score is None else {f"hparams/dev_{metric}": trial.score}  # as runs call it
    write_session(
        folder,
        f"trial-{trial.number}",
        {name: _plain(value) for name, value in trial.values.items()},
        {**scores, "hparams/seconds": trial.seconds},
        time.time() - trial.seconds,
        success=trial.state in ("done", "pruned"),
    )


def _plain(value: Any) -> bool | int | float | str:
    """Return a value as the tab takes it: a list, a mapping or nothing by name."""
    return value if isinstance(value, bool | int | float | str) else short(value)
