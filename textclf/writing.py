"""Files that are whole or not there, whenever the power goes."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = "unfinished-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, and put the file in place when the block ends well.

    If the block fails, `path` stays as it was and what was written of the new file is removed. An `OSError`
    that names no file then names `path`.
    """
    unfinished = path.with_name(f"{UNFINISHED}{path.name}")
    try:
        with naming(path):
            yield unfinished
            put_in_place(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the block's own error says more
            unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an `OSError` of the block that names no file, as that of a full disk does not, name `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def put_in_place(written: Path, path: Path) -> None:
    """Rename a file over another one on the same disk, with its content on the disk before its new name."""
    with written.open("r+b") as file:
        os.fsync(file.fileno())
    written.replace(path)
    if os.name == "nt":  # Windows opens no directories
        return
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
