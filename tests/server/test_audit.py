"""The audit log: a line a request, files of bounded size."""

import json
import os
import stat
from pathlib import Path

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
