"""The audit log: a line a request, files of bounded size."""

import itertools
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from textclf.engine.errors import Code
from textclf.errors import ConfigError
from textclf.server import audit
from textclf.server.audit import AuditLog
from textclf.server.calls import Call, Caller


def call() -> Call:
    return Call("REST", "predict", "messages", 3, texts=2, caller=Caller("shop"))


def test_a_line_says_who_asked_what_and_how_it_went(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", pytest.fail)
    log.write(call(), Code.OK)
    log.write(Call("GRPC"), Code.UNAUTHENTICATED)
    log.close()
    first, second = map(json.loads, (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines())
    assert first.pop("time").endswith("+00:00")
    assert 0 <= first.pop("milliseconds") < 1000
    assert first == {
        "who": "shop",
        "entrypoint": "REST",
        "method": "predict",
        "model": "messages",
        "version": 3,
        "status": "OK",
        "texts": 2,
    }
    assert (second["who"], second["version"], second["status"]) == ("", None, "UNAUTHENTICATED")
    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600


def test_full_files_are_kept_up_to_a_number(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, pytest.fail, max_bytes=400)
    for texts in range(20):
        log.write(Call("REST", texts=texts), Code.OK)
    log.close()
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["audit.jsonl", *(f"audit.jsonl.{number}" for number in range(1, audit.KEPT + 1))]
    assert all(file.stat().st_size <= 400 for file in tmp_path.iterdir())
    newest_last = [tmp_path / name for name in (*reversed(files[1:]), files[0])]
    lines = [json.loads(line)["texts"] for file in newest_last for line in file.read_text().splitlines()]
    assert lines == list(range(20 - len(lines), 20))


class Killed(BaseException):
    """The process has ended here."""


def failing(after: int, error: BaseException, works: Callable[..., Any]) -> Callable[..., Any]:
    """Return what works so many times, and then never again."""
    calls = itertools.count()

    def act(*arguments: Any, **named: Any) -> Any:
        if next(calls) >= after:
            raise error
        return works(*arguments, **named)

    return act


class Logs:
    """A log of small files, and the numbers that were written to it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.said, self.number = folder / "audit.jsonl", list[str](), 0
        self.start()

    def start(self) -> None:
        self.log = AuditLog(self.path, self.said.append, max_bytes=400)

    def write(self, count: int) -> None:
        for _ in range(count):
            self.log.write(Call("REST", texts=self.number), Code.OK)
            self.number += 1

    def fill(self) -> None:
        """Write until all files are there and the newest has no room."""
        self.write(2 * (audit.KEPT + 1))
        assert len(list(self.path.parent.iterdir())) == audit.KEPT + 1

    def kept(self) -> list[int]:
        """Return the numbers in all files, the oldest first."""
        files = [self.path.with_name(f"audit.jsonl.{number}") for number in range(audit.KEPT + 2, 0, -1)]
        there = [file for file in (*files, self.path) if file.exists()]
        return [json.loads(line)["texts"] for file in there for line in file.read_text().splitlines()]


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    logs = Logs(tmp_path)
    yield logs
    logs.log.close()


@pytest.mark.parametrize("reason", [24, 28])
def test_a_new_file_that_cannot_be_opened_costs_no_line_and_no_file(
    logs: Logs, reason: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.fill()
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", failing(0, OSError(reason, os.strerror(reason)), os.open))
        logs.write(12)
    assert logs.kept() == list(range(logs.number))
    grows = f"The audit log '{logs.path}' cannot begin a new file, and grows: {os.strerror(reason)}."
    assert logs.said == [grows]
    logs.write(2)
    assert logs.kept() == list(range(2, logs.number)), "the oldest file is the only one that goes"
    assert logs.said == [grows]


STEPS = range(audit.KEPT + 1)
"""Renamings: of each file to the next number, and of the new one."""


@pytest.mark.parametrize("step", STEPS)
def test_a_renaming_that_fails_costs_no_line(logs: Logs, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.fill()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", failing(step, OSError(5, os.strerror(5)), Path.replace))
        logs.write(4)
    lost = 0 if step == 0 else 2  # the oldest file, as it should be
    assert logs.kept() == list(range(lost, logs.number))
    assert logs.said == [f"The audit log '{logs.path}' cannot begin a new file, and grows: Input/output error."]
    logs.write(1)
    assert logs.kept() == list(range(2, logs.number))
    assert len(list(logs.path.parent.iterdir())) == audit.KEPT + 1


@pytest.mark.parametrize("step", STEPS)
def test_who_is_killed_between_two_steps_loses_no_line(logs: Logs, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.fill()
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Path, "replace", failing(step, Killed(), Path.replace))
        logs.write(1)
    assert logs.kept() == list(range(0 if step == 0 else 2, logs.number))
    logs.log.close()
    logs.start()
    logs.write(2)
    assert logs.kept() == list(range(2, logs.number))
    assert logs.said == []


@pytest.mark.parametrize("can_cut", [True, False])
def test_a_line_that_a_full_disk_cut_is_gone_or_stays_apart(
    logs: Logs, can_cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(22, "Invalid argument")

    logs.write(1)
    with monkeypatch.context() as patched:
        write = os.write
        patched.setattr(os, "write", lambda file, line: write(file, line[:7]))
        if not can_cut:
            patched.setattr(os, "ftruncate", refuse)
        logs.write(1)
    logs.write(1)
    before, *torn, after = logs.path.read_text().splitlines()
    assert [len(line) for line in torn] == ([] if can_cut else [7])
    assert [json.loads(line)["status"] for line in (before, after)] == ["OK", "OK"]
    assert logs.said == [
        f"The audit log '{logs.path}' misses lines: No space left on device.",
        f"The audit log '{logs.path}' goes on; lines that are missing: 1.",
    ]


def test_what_is_no_plain_file_is_never_renamed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        log = AuditLog(pipe, pytest.fail, max_bytes=10)
        log.write(call(), Code.OK)
        log.write(call(), Code.OK)
        log.close()
        assert len(os.read(reading, 10_000).splitlines()) == 2
    finally:
        os.close(reading)
    assert [file.name for file in tmp_path.iterdir()] == ["pipe"]


def test_it_goes_on_where_the_last_server_stopped(tmp_path: Path) -> None:
    for _ in range(2):
        log = AuditLog(tmp_path / "audit.jsonl", pytest.fail)
        log.write(call(), Code.OK)
        log.close()
    assert len((tmp_path / "audit.jsonl").read_text().splitlines()) == 2


def test_a_full_disk_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    log = AuditLog(tmp_path / "audit.jsonl", said.append)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        log.write(call(), Code.OK)
        log.write(call(), Code.OK)
    log.close()
    assert said == [f"The audit log '{tmp_path / 'audit.jsonl'}' misses lines: No space left on device."]


def test_a_log_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory"):
        AuditLog(tmp_path / "missing/audit.jsonl", pytest.fail)


def test_what_an_ended_server_left_of_a_line_stays_apart(logs: Logs) -> None:
    logs.log.close()
    logs.path.write_bytes(b'{"time": "2026')
    logs.start()
    logs.write(1)
    torn, whole = logs.path.read_text().splitlines()
    assert (torn, json.loads(whole)["texts"]) == ('{"time": "2026', 0)


def test_a_link_stays_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "large/audit.jsonl")
    log = AuditLog(tmp_path / "audit.jsonl", pytest.fail, max_bytes=300)
    for _ in range(4):
        log.write(call(), Code.OK)
    log.close()
    assert (tmp_path / "audit.jsonl").is_symlink()
    assert len(list((tmp_path / "large").iterdir())) > 1


def test_nothing_is_written_once_it_is_closed(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", pytest.fail)
    log.close()
    with (tmp_path / "other").open("wb"):  # which gets the number that is free now
        log.write(call(), Code.OK)
    assert [file.read_bytes() for file in sorted(tmp_path.iterdir())] == [b"", b""]


def test_a_log_that_may_only_be_written_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    with monkeypatch.context() as patched:  # as for others than root
        patched.setattr(Path, "open", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "denied")))
        log = AuditLog(path, pytest.fail)
    log.write(Call("REST"), Code.OK)
    log.close()
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
