"""The audit log: a line of JSON for each request of the contract, without its texts."""

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from textclf.engine.errors import Code
from textclf.errors import ConfigError, refusal
from textclf.server.calls import Call
from textclf.writing import UNFINISHED

MAX_BYTES = 64 << 20
KEPT = 5
"""How large the file may become before another is begun, and how many of the full ones stay, `FILE.1` the newest."""


class AuditLog:
    """Writes who asked what, when and with which success; never a text, nor anything else that a client has made up."""

    def __init__(self, path: str | Path, say: Callable[[str], None], max_bytes: int = MAX_BYTES) -> None:
        """Open the file to write at its end.

        Args:
            path: The file.
            say: What tells the operator that a line could not be written.
            max_bytes: As `MAX_BYTES`.

        Raises:
            ConfigError: It cannot be written.
        """
        self._path, self._say, self._max_bytes = Path(path), say, float(max_bytes)
        self._trouble, self._is_torn, self._lost, self._is_closed = "", False, 0, False
        try:
            self._file, self._size = _opened(self._path)
        except OSError as error:
            raise ConfigError(f"The audit log '{path}' cannot be written: {refusal(error)}.") from None
        if stat.S_ISREG(os.fstat(self._file).st_mode):
            self._path = self._path.resolve()  # the file moves, and not a link to it
            with contextlib.suppress(OSError):  # one that may only be written
                self._is_torn = _is_torn(self._path)
        else:  # /dev/stderr, which nobody may rename
            self._max_bytes = math.inf

    def write(self, call: Call, code: Code) -> None:
        """Write a line; where that fails the server goes on, and says so once."""
        if self._is_closed:  # or else it would go to whatever has the file's number now
            return
        record = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "who": call.caller.name,
            "entrypoint": call.entrypoint,
            "method": call.api,
            "model": call.model,
            "version": call.version,
            "status": code.name,
            "milliseconds": round(call.seconds * 1000, 3),
            "texts": call.texts,
        }
        line, trouble = json.dumps(record, ensure_ascii=False).encode() + b"\n", ""
        if self._size and self._size + len(line) > self._max_bytes:
            try:
                self._rotate()
            except OSError as error:  # a file that is too long is better than a line that is lost
                trouble = f"cannot begin a new file, and grows: {refusal(error)}"
        try:
            self._append(line)
        except OSError as error:
            trouble = f"misses lines: {refusal(error)}"
            self._lost += 1
        else:
            if self._lost:
                self._say(f"The audit log '{self._path}' goes on; lines that are missing: {self._lost}.")
            self._lost = 0
        if trouble not in ("", self._trouble):
            self._say(f"The audit log '{self._path}' {trouble}.")
        self._trouble = trouble

    def close(self) -> None:
        """Close the file; what would be written then is not."""
        self._is_closed = True
        os.close(self._file)

    def _append(self, line: bytes) -> None:
        """Write a line or nothing; what a full disk took of one is cut off, or else stays a line of its own."""
        line = b"\n" * self._is_torn + line
        written = os.write(self._file, line)
        if written < len(line):
            self._is_torn = True
            with contextlib.suppress(OSError):  # of a pipe, say
                os.ftruncate(self._file, self._size)
                written, self._is_torn = 0, False
            self._size += written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written
        self._is_torn = False

    def _rotate(self) -> None:
        """Begin a new file; whatever fails, and whoever is killed, between two steps, no line is lost or misplaced.

        The new file is open before anything moves. Until the last step lines go to the full one, whatever its name is
        by then, and the next attempt, or server, goes on from there.
        """
        unfinished = self._path.with_name(UNFINISHED + self._path.name)
        file, size = _opened(unfinished)
        try:
            if self._path.exists():  # not if an attempt before ended after it was renamed
                self._make_room()
                self._path.replace(self._numbered(1))
            unfinished.replace(self._path)
        except BaseException:
            os.close(file)
            raise
        full, self._file, self._size, self._is_torn = self._file, file, size, False
        os.close(full)

    def _make_room(self) -> None:
        """Free the first number; the oldest file goes only if an attempt before has left no number free."""
        free = next((number for number in range(1, KEPT) if not self._numbered(number).exists()), KEPT)
        for number in range(free, 1, -1):
            self._numbered(number - 1).replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _opened(path: Path) -> tuple[int, int]:
    """Return a file to write at its end, for its owner alone, and its size."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    return file, os.fstat(file).st_size


def _is_torn(path: Path) -> bool:
    """Return whether a file ends within a line, as a full disk leaves it."""
    with path.open("rb") as file:
        return bool(file.seek(0, os.SEEK_END)) and file.seek(-1, os.SEEK_END) >= 0 and file.read() != b"\n"
