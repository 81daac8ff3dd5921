"""Checkpoints on disk: whole or not there, checked when they are read."""

import contextlib
import json
import logging
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textclf.config import CheckpointsConfig
from textclf.errors import RunError, refusal
from textclf.writing import UNFINISHED, replacing

logger = logging.getLogger(__name__)

_STATE = "state"
_BROKEN = (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a training needs to go on.

    Attributes:
        state: What JSON holds.
        arrays: Weights and whatever else is numbers, by name.
    """

    state: dict[str, Any]
    arrays: dict[str, np.ndarray]


class Checkpoints:
    """Writes checkpoints into a folder, keeps the newest ones, and reads the newest that is whole.

    A checkpoint is a `.npz` file: NumPy arrays in a zip archive with a checksum for each, nothing pickled.

    Args:
        directory: The folder; it is made by the first `save`.
        config: When one is due, and how many stay.
        facts: What stands in the state of each, such as the data's fingerprint.
        writes: Whether `save` writes; the workers beside the chief read what it has written.
    """

    def __init__(
        self, directory: Path, config: CheckpointsConfig, facts: Mapping[str, Any] | None = None, writes: bool = True
    ) -> None:
        """Start the clock."""
        self._writes = writes
        self._directory, self._config, self._facts = directory, config, dict(facts or {})
        self._written = time.monotonic()
        self._step = 0

    @property
    def are_on(self) -> bool:
        """Whether any are wished for."""
        return bool(self._config.minutes or self._config.steps)

    def due(self, step: int, evaluated: bool = False) -> bool:
        """Return whether it is time to write one after so many steps.

        The first is due with the first evaluation, so that whatever has a model can be gone on with.
        """
        by_clock = self._config.minutes and time.monotonic() - self._written >= 60 * self._config.minutes
        by_steps = self._config.steps and step - self._step >= self._config.steps
        first = evaluated and not self._step and self.are_on
        return bool(by_clock or by_steps or first)

    def save(self, step: int, checkpoint: Checkpoint) -> bool:
        """Write a checkpoint, then remove those that are more than are kept; return whether it could be written.

        If the disk is full, that is a warning in the log: the older ones stay, and the training goes on.
        """
        self._written, self._step = time.monotonic(), step
        if not self._writes:
            return True
        state = np.frombuffer(json.dumps(self._facts | checkpoint.state).encode(), np.uint8)
        try:
            self._directory.mkdir(exist_ok=True)
            with replacing(self._directory / _name(step)) as unfinished, unfinished.open("wb") as file:
                arrays: dict[str, Any] = {_STATE: state, **checkpoint.arrays}
                np.savez(file, allow_pickle=False, **arrays)
        except OSError as error:
            logger.warning(
                "No checkpoint of step %d could be written to '%s': %s.", step, self._directory, refusal(error)
            )
            with contextlib.suppress(OSError):
                self._directory.rmdir()  # unless there are older ones
            return False
        self._remove_surplus()
        return True

    def _remove_surplus(self) -> None:
        """Remove the checkpoints that are more than are kept, and what a process that was killed has left of one."""
        surplus = checkpoint_files(self._directory)[self._config.keep :]
        try:
            for path in (*surplus, *self._directory.glob(f"{UNFINISHED}*")):
                path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("Old checkpoints in '%s' cannot be removed: %s.", self._directory, refusal(error))

    def go_on_from(self, step: int) -> None:
        """Count from a step, and remove the checkpoints of later ones: damaged, or of steps that are taken again."""
        self._step = step
        for path in checkpoint_files(self._directory):
            if self._writes and path.name > _name(step):
                path.unlink()

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole; None if there is none. One that is not is a warning in the log.

        Raises:
            RunError: There are some, and none is whole.
        """
        files = checkpoint_files(self._directory)
        for path in files:
            try:
                checkpoint = _read(path)
            except _BROKEN as error:
                logger.warning("The checkpoint '%s' is damaged (%s); an older one is taken.", path, refusal(error))
                continue
            return checkpoint
        if files:
            raise RunError(f"No checkpoint in '{self._directory}' can be read. Begin anew with --force.")
        return None


def checkpoint_files(directory: Path) -> list[Path]:
    """Return the checkpoints of a folder, the newest first."""
    return sorted(directory.glob("step-*.npz"), reverse=True)


def checkpoint_step(path: Path) -> int:
    """Return the step that a checkpoint is of."""
    return int(path.stem.removeprefix("step-"))


def _name(step: int) -> str:
    return f"step-{step:08}.npz"


def _read(path: Path) -> Checkpoint:
    # NumPy leaves a file open that it has opened itself and that is no archive.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    state = json.loads(arrays.pop(_STATE).tobytes())
    if not isinstance(state, dict) or not isinstance(state.get("step"), int):
        raise ValueError("it holds no state of a training")
    return Checkpoint(state, arrays)
