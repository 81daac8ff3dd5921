"""The files of a version, one after the other, wherever they lie; what is checked is what is then read."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from textclf.errors import ExportError
from textclf.savedmodel.manifest import entry_of

File = tuple[str, IO[bytes]]
"""A name, relative to the version's folder and with `/`, and what reads the content, until the next file is asked for.
"""


def folder_files(directory: Path) -> Iterator[File]:
    """Yield the files of a folder in the order of their names.

    Raises:
        ExportError: Something in it is neither a file nor a folder, such as a link to another folder, or a pipe.
    """
    for path in sorted(directory.rglob("*")):
        if path.is_symlink() and path.is_dir():  # what is behind it would be left out in silence
            raise ExportError(f"'{path}' is a link to a folder. Put the folder itself in its place.")
        if not path.is_dir():
            with _opened(path) as file:
                yield path.relative_to(directory).as_posix(), file


def entries(files: Iterable[File]) -> dict[str, dict[str, Any]]:
    """Return what a manifest says of files: `{"sha256": …, "bytes": …}` by name."""
    return {name: entry_of(file) for name, file in files}


def _opened(path: Path) -> IO[bytes]:
    """Open a file for reading; a pipe that nobody writes to, or a device, is refused and not waited for."""
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise ExportError(f"'{path}' is no file: a version holds plain files alone.")
