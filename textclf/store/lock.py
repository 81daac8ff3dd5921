"""The right to change a model's folder, or models.config: one process at a time, the others wait."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textclf.errors import ExportError, RunError, refusal
from textclf.runs.lock import DirectoryLock

logger = logging.getLogger(__name__)

PATIENCE, SILENCE = 3600.0, 2.0
"""Seconds that are waited for somebody else, as for a backup of large models, and after which that is said. The system
drops the lock of a process that ended, so whoever still has it is at work."""


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
    begun, silent = time.monotonic(), True
    while True:
        try:
            return DirectoryLock(path)
        except OSError as error:
            raise ExportError(f"'{path.parent}' cannot be written: {refusal(error)}.") from None
        except RunError as error:
            by = str(error).rpartition(". ")[0]
        waited = time.monotonic() - begun
        if waited > PATIENCE:
            raise ExportError(f"{by}, for more than {PATIENCE:,.0f} s. Try again when it is done.")
        if silent and waited > SILENCE:
            logger.warning("%s. Waiting for it, at most %.0f minutes.", by, PATIENCE / 60)
            silent = False
        time.sleep(0.02)
