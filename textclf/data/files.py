"""Opening the files a user names: every way in which it fails ends in a `DataError` that helps."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from textclf.data.encodings import NO_TEXT_FILE, check_encoding, encoding_hint, is_binary
from textclf.errors import DataError, did_you_mean

CHUNK = 1 << 20
"""Bytes read at once when looking for what cannot be decoded."""


@contextmanager
def open_text(path: Path, encoding: str, *, newline: str = "\n", errors: str = "strict") -> Iterator[TextIO]:
    r"""Open a text file, gzipped if its name ends in `.gz`, without its byte order mark.

    What goes wrong while the file is read inside the `with` is worded as well.

    Args:
        path: The file.
        encoding: As Python names it.
        newline: As `open` takes it: `"\n"` ends lines at line feeds only, `""` at every kind of line end.
        errors: `strict`, or `replace` to read what cannot be decoded as U+FFFD.

    Raises:
        DataError: There is no such file, it is a folder, it may not be read, it is no or half a gzip
            file, the encoding is unknown, or its bytes are not in this encoding (with line and offset).
    """
    with explained(path), open_binary(path) as binary:
        try:
            yield decoded(binary, encoding, newline=newline, errors=errors)
        except UnicodeError:
            raise DataError(_undecodable(path, encoding)) from None


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the errors of the operating system and of gzip into `DataError`."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(missing(path)) from None
    except IsADirectoryError:
        raise DataError(f"'{path}': expected a file, got a folder.") from None
    except PermissionError:
        raise DataError(f"'{path}' may not be read by this user. Change its permissions (chmod +r).") from None
    except gzip.BadGzipFile as error:
        raise DataError(
            f"'{path}' is named .gz, but is no gzip file ({error}). Take .gz off its name, or pack it."
        ) from None
    except (EOFError, zlib.error) as error:
        raise DataError(
            f"'{path}' is a damaged gzip file, perhaps half a download ({error}). Fetch or pack it again."
        ) from None
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error}.") from None


def open_binary(path: Path) -> BinaryIO:
    """Open a file for bytes, unpacked if its name ends in `.gz`."""
    try:
        return cast(BinaryIO, gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb"))
    except ValueError as error:  # a name that no file system takes, such as one with a NUL
        raise OSError(error) from None


def decoded(binary: BinaryIO, encoding: str, *, newline: str = "\n", errors: str = "strict") -> io.TextIOWrapper:
    """Return the text of a binary stream, without its byte order mark."""
    check_encoding(encoding)
    _skip_byte_order_mark(binary, encoding)
    return io.TextIOWrapper(binary, encoding=encoding, newline=newline, errors=errors)


def _skip_byte_order_mark(binary: BinaryIO, encoding: str) -> None:
    try:
        mark = "\ufeff".encode(encoding)
    except UnicodeError:
        return
    # For utf-16 and utf-32, `mark` is a mark before a mark and never matches: their codecs skip it themselves.
    if cast(io.BufferedReader, binary).peek(len(mark)).startswith(mark):
        binary.read(len(mark))


def missing(path: Path) -> str:
    """Return the words for a file that is not there, with its near namesake in the folder."""
    folder = path.parent
    if not folder.is_dir():
        return f"There is no file '{path}': '{folder}' is no folder."
    with suppress(OSError):  # a folder that may be entered but not listed
        hint = did_you_mean(path.name, sorted(entry.name for entry in folder.iterdir()))
        if hint:
            return f"There is no file '{path}'.{hint}"
    return f"There is no file '{path}'. Check the name, or the folder you are in."


def _undecodable(path: Path, encoding: str) -> str:
    """Read the file again, for the first byte that is not in the encoding."""
    with open_binary(path) as binary:
        beginning = binary.read(CHUNK)
    if is_binary(beginning) and is_binary(beginning, encoding):
        return f"'{path}' {NO_TEXT_FILE}"
    with open_binary(path) as binary:
        place = _first_undecodable(binary, encoding)
    return f"'{path}' is not all {encoding}: {place} cannot be decoded. {encoding_hint(beginning, encoding)}"


def _first_undecodable(binary: BinaryIO, encoding: str) -> str:
    """Return byte, line and byte offset of the first byte that is not in the encoding, in words."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, begin = 1, 0
    while True:
        chunk = binary.read(CHUNK)
        try:
            line += decoder.decode(chunk, final=not chunk).count("\n")
        except UnicodeDecodeError as error:
            # What the decoder held back of the chunk before stands in front of this one.
            offset = begin - (len(error.object) - len(chunk)) + error.start
            line += error.object[: error.start].decode(encoding, "replace").count("\n")
            return f"byte 0x{error.object[error.start]:02x} in line {line}, at byte offset {offset},"
        except UnicodeError:
            return f"a byte in line {line} or after it"
        if not chunk:
            return "a byte"
        begin += len(chunk)
