"""Whether a run that was killed can go on, and from where."""

import logging
import shlex
from pathlib import Path
from typing import Any, Literal, TypeAlias

from textclf.config import Config, dump_config, load_config, notation
from textclf.config.run import MAY_CHANGE
from textclf.errors import ConfigError, RunError
from textclf.runs.directory import BEGUN
from textclf.runs.files import (
    CHECKPOINTS_FOLDER,
    CONFIG_FILE,
    LABELS_FILE,
    MODEL_FILE,
    SCORES_FILE,
    is_run,
    set_aside,
    way_back,
)
from textclf.runs.writer import Beginning
from textclf.text.tokenizer import VOCABULARY_FILE
from textclf.training.checkpoints import Checkpoint, Checkpoints
from textclf.training.workers import ONE_RUN_DIRECTORY, Workers
from textclf.writing import UNFINISHED

logger = logging.getLogger(__name__)

Resume: TypeAlias = Literal["auto", "must", "never"]


def is_unfinished(path: Path) -> bool:
    """Return whether a run stands at a path that was ended before it had its scores, or even its config."""
    begun = is_run(path) or (path / (UNFINISHED + LABELS_FILE)).is_file()
    return begun and not (path / SCORES_FILE).is_file()


def can_begin_anew(path: Path) -> bool:
    """Return whether nothing is lost if an unfinished run is trained from the beginning, in its place.

    It has neither weights nor anything that a run does not write itself. Config and labels alone may be somebody's own.
    If it was to replace another run, that one lies beside it still.
    """
    if (set_aside(path.resolve()) / MODEL_FILE).is_file():
        return False
    ours = any((path / name).is_file() for name in (VOCABULARY_FILE, UNFINISHED + LABELS_FILE))
    if not is_unfinished(path) or not ours or (path / MODEL_FILE).is_file():
        return False
    return all(entry.name in BEGUN or entry.name.startswith(UNFINISHED) for entry in path.iterdir())


def find_beginning(
    path: Path, config: Config, resume: Resume, force: bool = False
) -> tuple[Beginning, Checkpoint | None]:
    """Return what becomes of what stands in a run directory, and where the training there stood if it goes on.

    Args:
        path: The run directory; we are the one that writes there, or what is found may be true no more.
        config: The run that is asked for.
        resume: As `train` takes it.
        force: As `train` takes it.

    Raises:
        RunError: There is nothing to go on with and `resume` is `must`, the run there has another config, or all its
            checkpoints are damaged.
    """
    if force:
        return "replace", None
    if resume == "never":
        return "new", None
    if is_unfinished(path) and (path / CONFIG_FILE).is_file():
        _check_config(path, config)
        checkpoint = Checkpoints(path / CHECKPOINTS_FOLDER, config.checkpoints).newest()
        if checkpoint is not None:
            return "go on", checkpoint
    if resume == "must":
        why = "it is finished" if (path / SCORES_FILE).is_file() else "it has no checkpoint"
        raise RunError(f"'{path}' cannot be gone on with: {why if path.exists() else 'there is no run'}.")
    if can_begin_anew(path):
        logger.warning("The run '%s' was ended before its first checkpoint; it begins anew.", path)
        return "anew", None
    return "new", None


def begin_together(
    workers: Workers, config: Config, fingerprint: str, checkpoint: Checkpoint | None, checkpoints: Path
) -> Checkpoint | None:
    """Return where the training in a run directory stood: what the chief has found, on every worker.

    Args:
        workers: All of them call this.
        config: The run that this one is asked for.
        fingerprint: That of the data that this one has read.
        checkpoint: What the chief has found; None on the others.
        checkpoints: The folder of the chief's checkpoints.

    Raises:
        RunError: Two workers were given different things, or do not see the same checkpoint; on every worker.
    """
    if workers.count == 1:
        return checkpoint
    workers.check_same(dump_config(config), "The config", "Start all of them with the same config and the same --set.")
    workers.check_same(fingerprint, "The data that were read", "Give all of them the same files.")
    goes_on = bool(workers.gather([checkpoint is not None])[0, 0])
    if goes_on and workers.place:
        checkpoint = Checkpoints(checkpoints, config.checkpoints).newest()
    step = 0 if checkpoint is None else int(checkpoint.state["step"])
    workers.check_same(step, "The step to go on from", ONE_RUN_DIRECTORY)
    return checkpoint


def differences(before: Config, now: Config) -> list[str]:
    """Return in words which fields differ, of those that scores depend on.

    Example:
        >>> before, now = (Config.make({"data": {"train": "a.csv"}, "seed": seed}) for seed in (1, 2))
        >>> differences(before, now)
        ['seed was 1, is 2']
    """
    old, new = (_leaves(notation.parse(dump_config(each))) for each in (before, now))
    return [
        f"{name} was {old.get(name)!r}, is {new.get(name)!r}"
        for name in sorted(old | new)
        if old.get(name) != new.get(name) and name.partition(".")[0] not in MAY_CHANGE
    ]


def check_data(checkpoint: Checkpoint | None, fingerprint: str) -> None:
    """Refuse to go on with other data than before."""
    before = fingerprint if checkpoint is None else checkpoint.state.get("data", fingerprint)
    if before != fingerprint:
        raise RunError(
            f"The data has changed since the checkpoint was written (fingerprint {before[:12]}, now "
            f"{fingerprint[:12]}). Put the old data back to go on, or begin anew with --force."
        )


def _check_config(path: Path, config: Config) -> None:
    try:
        before = load_config(path / CONFIG_FILE)
    except ConfigError as error:
        raise RunError(f"The config of the run '{path}' cannot be read: {error}. Begin anew with --force.") from None
    if changed := differences(before, config):
        command = shlex.join(["textclf", "train", str(path / CONFIG_FILE), "--run", str(path)])
        raise RunError(
            f"The run '{path}' was killed, and its config was another one: {'; '.join(changed)}. Go on with its own: "
            f"{command}\nOr choose another --run, or begin anew with --force.{way_back(path, ours=True)}"
        )


def _leaves(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {prefix.removesuffix("."): values}
    return {name: value for key in values for name, value in _leaves(values[key], f"{prefix}{key}.").items()}
