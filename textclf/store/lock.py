"""The right to change a model's folder, or models.config: one process at a time, the others wait."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textclf.errors import ExportError, RunError, refusal
from textclf.runs.lock import DirectoryLock

PATIENCE = 30.0
"""Seconds that are waited for somebody else: of all changes, only a backup of large models takes longer."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a folder, or of whatever would be called so.

    Raises:
        ExportError: Somebody else still has it after `PATIENCE`, or the file system lets nobody lock there.
    """
    lock = _wait_for(path.resolve())
    try:
        yield
    finally:
        lock.release()


def _wait_for(path: Path) -> DirectoryLock:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return DirectoryLock(path)
        except OSError as error:
            raise ExportError(f"'{path.parent}' cannot be written: {refusal(error)}.") from None
        except RunError as error:
            if time.monotonic() > end:
                by = str(error).rpartition(". ")[0]
                raise ExportError(f"{by}, for more than {PATIENCE:.0f} s. Try again when it is done.") from None
        time.sleep(0.02)
