"""Files that are whole or not there, whenever the power goes."""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished-"
"""How the names of files begin that are not written to their end."""


@contextmanager
def replacing(path: Path, beside: Path | None = None) -> Iterator[Path]:
    """Give an empty file beside `path` to write to, and put it in place when the block ends well.

    Who is killed leaves that file. Where it may not be, as in a folder whose files are all listed, `beside` says what
    it stands beside, on the same disk.

    A link stays, and the file that it shows is replaced. If the block fails, `path` stays as it was and what was
    written of the new file is removed. An `OSError` that names no file, or the unfinished one, then names `path`.
    """
    with naming(path):
        target = Path(os.path.realpath(path))  # `resolve` raises no OSError for a link that shows itself
        unfinished = _made_beside(target if beside is None else beside.resolve())
        try:
            yield unfinished
            put_in_place(unfinished, target)
        except BaseException:
            with contextlib.suppress(OSError):  # the block's own error says more
                unfinished.unlink(missing_ok=True)
            raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an `OSError` of the block name `path` if it names no file, as that of a full disk, or an unfinished one."""
    try:
        yield
    except OSError as error:
        unknown = error.filename is None or Path(str(error.filename)).name.startswith(UNFINISHED)
        if error.errno is not None and unknown:
            error.filename = str(path)
        raise


def missing_folders(path: Path) -> list[Path]:
    """Return which of a folder and those around it are not there yet, the innermost first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, the innermost first, up to the first one that somebody else has written to or removed."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _made_beside(path: Path) -> Path:
    """Make an empty file beside `path`, under the first of our names that nobody has, and return its path."""
    for number in itertools.count():
        unfinished = path.with_name(f"{UNFINISHED}{number or ''}{path.name}")
        try:
            unfinished.touch(exist_ok=False)  # unlike what mkstemp makes, as open to others as any new file
        except FileExistsError:
            continue
        break
    return unfinished


def put_in_place(written: Path, path: Path) -> None:
    """Rename a file over another one on the same disk, with its content on the disk before its new name."""
    with written.open("r+b") as file:
        os.fsync(file.fileno())
    written.replace(path)
    _sync(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until all that a folder holds is on the disk."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    if os.name == "nt":  # Windows opens no directories
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
