"""One writer to a directory: a lock file that names its owner."""

import os
import platform
import weakref
from pathlib import Path

from textclf.errors import RunError

INSIDE = ".textclf-lock"

_held: set[Path] = set()


class DirectoryLock:
    """The sole right to write a directory, by a file that is made only if it is not there.

    It lies beside the directory, as `.<name>.lock`, so that it stays when the directory is moved; inside, as
    `.textclf-lock`, where nothing may be made beside it (then nothing can be moved either). It is released by
    `release`, with the object, or with the interpreter; one whose process was killed on this machine does not
    count.

    Args:
        directory: What is locked, absolute and without links.

    Raises:
        RunError: Somebody else writes the directory.
    """

    def __init__(self, directory: Path) -> None:
        """Take the lock."""
        try:
            self.path = _take(_beside(directory), directory)
        except PermissionError:
            directory.mkdir(exist_ok=True)
            self.path = _take(directory / INSIDE, directory)
        self._finalizer = weakref.finalize(self, _release, self.path, os.getpid())

    def release(self) -> None:
        """Let others write; a second call does nothing."""
        self._finalizer()


def is_locked(directory: Path) -> bool:
    """Return whether somebody writes a directory; it is absolute and without links."""
    paths = (_beside(directory), directory / INSIDE)
    return any(path.exists() and not _is_stale(_read(path), path) for path in paths)


def _beside(directory: Path) -> Path:
    return directory.parent / f".{directory.name}.lock"


def _take(path: Path, directory: Path) -> Path:
    content = f"{os.getpid()} {platform.node()}"
    if path.exists():
        _remove_if_stale(path, directory)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        raise _taken(path, directory) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    _held.add(path)
    return path


def _remove_if_stale(path: Path, directory: Path) -> None:
    """Remove the lock of a process that is no more.

    Renaming it first gives it to one process only, should several find it at a time.
    """
    content = _read(path)
    if not _is_stale(content, path):
        raise _taken(path, directory)
    mine = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.rename(mine)
    except FileNotFoundError:
        return
    if _read(mine) != content:  # another process was quicker, and this is its own lock
        mine.rename(path)
        raise _taken(path, directory)
    mine.unlink()


def _is_stale(content: str, path: Path) -> bool:
    number, _, host = content.partition(" ")
    if not number.isdecimal() or host != platform.node():
        return False
    if int(number) == os.getpid():
        return path not in _held  # in a container that starts again, processes have the numbers of the last time
    return not _is_alive(int(number))


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # there, signal 0 is Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _taken(path: Path, directory: Path) -> RunError:
    number, _, host = _read(path).partition(" ")
    owner = f"process {number} on {host}" if host else "another process"
    return RunError(
        f"'{directory}' is being written by {owner}. Choose another --run, or wait for it. "
        f"If no such process runs any more, delete '{path}'."
    )


def _release(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked process has the object, but not the lock
        _held.discard(path)
        path.unlink(missing_ok=True)
