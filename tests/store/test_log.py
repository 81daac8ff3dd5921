"""The log: each line follows from the one before, and nothing is lost or half written."""

import errno
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from textclf.errors import ExportError
from textclf.store import log


@pytest.fixture
def three_lines(tmp_path: Path) -> Path:
    for version in (1, 2, 3):
        log.append(tmp_path, "published", version=version, note="第一")
    return tmp_path / log.LOG_FILE


def test_a_line_says_who_did_what_when_after_which_line(three_lines: Path) -> None:
    lines = three_lines.read_bytes().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["version"] for record in records] == [1, 2, 3]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["time"]) for record in records)
    assert all(re.fullmatch(r".+@.+", record["who"]) for record in records)
    assert records[0]["before"] is None
    assert [record["before"] for record in records[1:]] == [hashlib.sha256(line).hexdigest() for line in lines[:2]]
    assert [(line.number, line.facts, line.problem) for line in log.read(three_lines.parent)] == [
        (number, record, "") for number, record in enumerate(records, start=1)
    ]
    assert log.head(three_lines.parent) == hashlib.sha256(lines[2]).hexdigest()


def test_a_model_without_a_log(tmp_path: Path) -> None:
    assert log.read(tmp_path) == []
    assert log.head(tmp_path) is None
    (tmp_path / log.LOG_FILE).touch()
    assert log.read(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda lines: [lines[0].replace(b'"version": 1', b'"version": 9'), *lines[1:]], {2: "line 1 was changed"}),
        (lambda lines: [lines[0], lines[2]], {2: "lines between them were removed"}),
        (lambda lines: lines[1:], {1: "lines before it were removed"}),
        (lambda lines: [lines[0], lines[2], lines[1]], {2: "line 1 was changed", 3: "line 2 was changed"}),
        (lambda lines: [lines[0], b"\xff what?", lines[2]], {2: "it cannot be read", 3: "line 2 was changed"}),
        (lambda lines: [lines[0], b"[]", b"{}"], {2: "it cannot be read", 3: "it cannot be read"}),
        (lambda lines: [*lines[:2], lines[2][:20]], {3: "it cannot be read"}),
    ],
)
def test_a_change_is_found(three_lines: Path, change: Any, broken: dict[int, str]) -> None:
    three_lines.write_bytes(b"\n".join(change(three_lines.read_bytes().splitlines())))
    found = {line.number: line.problem for line in log.read(three_lines.parent) if line.problem}
    assert found.keys() == broken.keys()
    assert all(problem in found[number] for number, problem in broken.items())


def test_a_half_line_does_not_spoil_the_next(three_lines: Path) -> None:
    three_lines.write_bytes(three_lines.read_bytes()[:-30])
    log.append(three_lines.parent, "labelled", label="stable")
    lines = log.read(three_lines.parent)
    assert [line.problem for line in lines] == ["", "", "it cannot be read", ""]
    assert lines[3].facts["label"] == "stable"


def test_a_full_disk_leaves_no_half_line(three_lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = three_lines.read_bytes(), os.write

    def full(file: int, line: bytes) -> int:
        return write(file, line[:10])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(
        ExportError, match=r"log\.jsonl' cannot be written: No space left.* It lacks what was just retired"
    ):
        log.append(three_lines.parent, "retired")
    assert three_lines.read_bytes() == before

    def refused(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", refused)
    with pytest.raises(ExportError, match="No space left on device"):
        log.append(three_lines.parent, "retired")
    assert three_lines.read_bytes() == before


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(log.getpass, "getuser", nameless)
    assert log.who().startswith(f"{os.getuid()}@")
