"""The log of a served model: who did what and when, in lines that each carry the hash of the line before."""

import getpass
import hashlib
import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from textclf.errors import ExportError, refusal

LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class Line:
    """A line of the log.

    Attributes:
        number: Its number, from 1.
        facts: What it says: `time`, `who`, `action` and what belongs to the action; empty if it cannot be read.
        problem: Why it cannot be trusted; an empty string if nothing speaks against it.
    """

    number: int
    facts: dict[str, Any]
    problem: str = ""


def append(model_path: str | Path, action: str, **facts: Any) -> None:
    """Write a line at the end of a model's log, and to the disk; whoever calls holds the model's lock.

    Args:
        model_path: Folder of the model.
        action: What was done, as a past participle.
        facts: To what it was done, as JSON takes it.

    Raises:
        ExportError: The line could not be written; then none of it was.
    """
    path = Path(model_path) / LOG_FILE
    before = path.read_bytes() if path.exists() else b""
    record = {"time": now(), "who": who(), "action": action, **facts, "before": _hash_of_last(before)}
    line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
    if before and not before.endswith(b"\n"):  # the power went in the middle of a line
        line = b"\n" + line
    try:
        _write(path, line)
    except OSError as error:
        raise ExportError(f"'{path}' cannot be written: {refusal(error)}. It lacks what was just {action}.") from None


def read(model_path: str | Path) -> list[Line]:
    """Return the lines of a model's log, each with what speaks against it; none if there is no log."""
    path = Path(model_path) / LOG_FILE
    content = path.read_bytes() if path.exists() else b""
    lines = [b"", *content.removesuffix(b"\n").split(b"\n")] if content else [b""]
    return [_line(number, line, before) for number, (before, line) in enumerate(pairwise(lines), start=1)]


def head(model_path: str | Path) -> str | None:
    """Return the hash of the last line, which tells the whole log from any other; None if there is no line."""
    path = Path(model_path) / LOG_FILE
    return _hash_of_last(path.read_bytes() if path.exists() else b"")


def now() -> str:
    """Return the time as logs give it: UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def who() -> str:
    """Return who works here, as `user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{platform.node()}"


def _hash_of_last(content: bytes) -> str | None:
    line = content.removesuffix(b"\n").rpartition(b"\n")[2]
    return hashlib.sha256(line).hexdigest() if line else None


def _line(number: int, line: bytes, before: bytes) -> Line:
    try:
        facts = json.loads(line)
        stated = facts["before"]
    except (ValueError, KeyError, TypeError):
        return Line(number, {}, "it cannot be read")
    if stated == _hash_of_last(before):
        return Line(number, facts)
    if number == 1:
        return Line(number, facts, "lines before it were removed")
    return Line(number, facts, f"line {number - 1} was changed, or lines between them were removed")


def _write(path: Path, line: bytes) -> None:
    """Append in one go; of a disk that fills up meanwhile nothing is left."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(file).st_size
        try:
            if os.write(file, line) < len(line):
                raise OSError("No space left on device")
            os.fsync(file)
        except BaseException:
            os.ftruncate(file, size)
            raise
    finally:
        os.close(file)
