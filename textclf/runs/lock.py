"""One writer to a directory: a lock that the system drops with the process that holds it."""

import contextlib
import errno
import os
import platform
import weakref
from pathlib import Path

from filelock import FileLock, Timeout

from textclf.errors import RunError
from textclf.writing import missing_folders, remove_empty

INSIDE = ".textclf-lock"


class DirectoryLock:
    """The sole right to write a directory, by a lock on a file that names its owner.

    The file lies beside the directory, as `.<name>.lock`, so that it stays when the directory is moved; inside, as
    `.textclf-lock`, where nothing can be made beside it (then nothing can be moved either). The lock is released by
    `release`, with the object, or with the process, however that ends and on whatever machine: a file that is left
    behind locks nothing.

    Args:
        directory: What is locked, absolute and without links; folders around it that are missing are made, and removed
            with the lock if nothing has come into them.

    Raises:
        RunError: Somebody else writes the directory.
    """

    def __init__(self, directory: Path) -> None:
        """Take the lock."""
        made = missing_folders(directory.parent)
        directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = _take(_beside(directory), directory)
        except OSError as error:
            if not isinstance(error, PermissionError) and error.errno != errno.EROFS:
                raise
            directory.mkdir(exist_ok=True)
            lock = _take(directory / INSIDE, directory)
        self.path = Path(lock.lock_file)
        self._finalizer = weakref.finalize(self, _release, lock, made, os.getpid())

    def release(self) -> None:
        """Let others write; a second call does nothing."""
        self._finalizer()


def is_locked(directory: Path) -> bool:
    """Return whether somebody writes a directory; it is absolute and without links."""
    return any(path.exists() and _is_held(path) for path in (_beside(directory), directory / INSIDE))


def _beside(directory: Path) -> Path:
    return directory.parent / f".{directory.name}.lock"


def _take(path: Path, directory: Path) -> FileLock:
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise _taken(path, directory) from None
    with contextlib.suppress(OSError):  # a label for people; Windows lets nobody write what is locked
        path.write_text(f"{os.getpid()} {platform.node()}", encoding="utf-8")
    return lock


def _is_held(path: Path) -> bool:
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:  # it is not ours to open, so neither to write
        return False
    lock.release()
    return False


def _taken(path: Path, directory: Path) -> RunError:
    try:
        number, _, host = path.read_text(encoding="utf-8", errors="replace").partition(" ")
    except OSError:
        number = host = ""
    owner = f"process {number} on {host}" if host else "another process"
    return RunError(f"'{directory}' is being written by {owner}. Choose another --run, or wait for it.")


def _release(lock: FileLock, made: list[Path], owner: int) -> None:
    if os.getpid() != owner:  # a forked process has the object, but not the lock
        return
    with contextlib.suppress(OSError):  # whoever waits for a file that is gone opens a new one
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
    remove_empty(made)
