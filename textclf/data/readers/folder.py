"""A folder a class: `folder/<label>/<file>.txt`."""

from collections.abc import Iterator
from pathlib import Path

from textclf.config import DataConfig
from textclf.data import problems
from textclf.data.examples import BadRow, Row
from textclf.data.files import explained, open_text
from textclf.data.readers.rows import checked
from textclf.errors import DataError

SUFFIXES = (".txt", ".txt.gz")


def read_folder(source: str, config: DataConfig) -> Iterator[Row]:
    """Yield a row a text file, in the order of the names; the line end at the end of a file is left out.

    Hidden files and folders are skipped. Any other file that is not `<label>/<file>.txt` is a bad row.

    Args:
        source: Path of the folder with a subfolder a class.
        config: `encoding` counts.

    Raises:
        DataError: It is no folder, has no subfolders, or a file cannot be read.
    """
    folder = Path(source)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"'{source}': expected a folder with a subfolder a class, got a file. See data.format.")
    if not class_folders(folder):
        raise DataError(f"'{source}' has no subfolders; expected {source}/<label>/<file>.txt.")
    for entry in _visible(folder):
        for file in _visible(entry) if entry.is_dir() else [entry]:
            if entry.is_dir() and file.name.endswith(SUFFIXES) and not file.is_dir():
                yield _row(file, entry.name, config.encoding)
            else:
                yield BadRow(str(file), 1, problems.NOT_TEXT_FILE, f"expected {source}/<label>/<file>.txt")


def class_folders(folder: Path) -> list[Path]:
    """Return the visible subfolders, sorted."""
    return [entry for entry in _visible(folder) if entry.is_dir()]


def _visible(folder: Path) -> list[Path]:
    with explained(folder):
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _row(file: Path, label: str, encoding: str) -> Row:
    with open_text(file, encoding, newline="") as lines:
        text = lines.read()
    return checked(text.removesuffix("\n").removesuffix("\r"), label, str(file), 1)
