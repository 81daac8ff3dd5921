"""What a run directory is called inside, and what stands there, told without TensorFlow, whose import takes seconds."""

import shlex
from pathlib import Path

from textclf.errors import RunError
from textclf.runs.lock import is_locked
from textclf.writing import UNFINISHED

CONFIG_FILE, LABELS_FILE, MODEL_FILE, SCORES_FILE = "config.yaml", "labels.json", "model.keras", "scores.json"
REPORT_FILE, BAD_ROWS_FILE = "report.html", "bad_rows.jsonl"
PLOTS_FOLDER, LOGS_FOLDER, CHECKPOINTS_FOLDER = "plots", "logs", "checkpoints"


def is_run(path: Path) -> bool:
    """Return whether a folder holds a run, finished or not; `textclf init` writes a config where the user works."""
    own = (LABELS_FILE, UNFINISHED + LABELS_FILE, MODEL_FILE)
    return (path / CONFIG_FILE).is_file() and any((path / name).is_file() for name in own)


def check_run(path: Path) -> None:
    """Refuse a path with no run, or one whose training never came to an evaluation; `RunError` says what to do."""
    if not is_run(path):
        lacking = LABELS_FILE if (path / CONFIG_FILE).is_file() else CONFIG_FILE
        raise RunError(
            f"Expected a run directory with a {lacking} at '{path}', found none. `textclf train` makes one."
            f"{way_back(path)}"
        )
    if not (path / MODEL_FILE).is_file():
        command = ["textclf", "train", str(path / CONFIG_FILE), "--run", str(path), "--force"]
        raise RunError(
            f"The run '{path}' has no {MODEL_FILE}: its training ended before the first evaluation on dev. "
            f"Train it again: {shlex.join(command)}{way_back(path)}"
        )


def taken(path: Path, way_out: str = "") -> RunError:
    """Return the error of a run that something stands in the way of.

    Args:
        path: The run directory.
        way_out: What else helps, to be added.
    """
    return RunError(f"'{path}' is there already. Choose another --run, or replace it with --force.{way_out}")


def set_aside(directory: Path) -> Path:
    """Return where the run at an absolute path stays, while `--force` replaces it, until the new one has a model."""
    return directory.parent / f".{directory.name}.replaced"


def way_back(path: Path, ours: bool = False) -> str:
    """Return how to get back the run that a killed `train --force` was to replace; an empty string if there is none.

    Args:
        path: The run directory.
        ours: Whether we are the one that writes there; if somebody else does, the new run is not a killed one.
    """
    directory = path.resolve()
    old = set_aside(directory)
    if not (old / MODEL_FILE).is_file() or (directory / MODEL_FILE).is_file() or (is_locked(directory) and not ours):
        return ""
    commands = [["rm", "-r", str(directory)]] if directory.exists() else []
    commands.append(["mv", str(old), str(directory)])
    return f"\nThe run that it was to replace is at '{old}'; get it back with: {' && '.join(map(shlex.join, commands))}"
