"""The audit log: a line of JSON for each request, without its texts."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from textclf.engine.errors import Code
from textclf.errors import ConfigError, refusal
from textclf.server.calls import Call

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
        self._path, self._say, self._max_bytes = Path(path), say, max_bytes
        self._is_lossy = False
        try:
            self._file, self._size = self._open()
        except OSError as error:
            raise ConfigError(f"The audit log '{path}' cannot be written: {refusal(error)}.") from None

    def write(self, call: Call, code: Code) -> None:
        """Write a line; where that fails the server goes on, and says so once."""
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
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        try:
            if self._size and self._size + len(line) > self._max_bytes:
                self._rotate()
            self._size += os.write(self._file, line)
            self._is_lossy = False
        except OSError as error:
            if not self._is_lossy:
                self._is_lossy = True
                self._say(f"The audit log '{self._path}' misses lines: {refusal(error)}.")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _rotate(self) -> None:
        for number in range(KEPT, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        full, (self._file, self._size) = self._file, self._open()
        os.close(full)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _open(self) -> tuple[int, int]:
        """Return the file, for its owner alone, and its size."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return file, os.fstat(file).st_size
