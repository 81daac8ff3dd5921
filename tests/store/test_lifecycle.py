"""Versions published, retired and restored: numbers for ever, and one process at a time."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from textclf.errors import ExportError
from textclf.store import lock, log, models_config
from textclf.store.labels import set_label
from textclf.store.lifecycle import publish_version, restore, retire
from textclf.store.models_config import read_labels
from textclf.store.versions import publish as rename_to_next
from textclf.store.versions import states, versions

Publish = Callable[..., Path]


@pytest.mark.usefixtures("three")
def test_a_version_goes_and_comes_back(base: Path) -> None:
    content = {path.relative_to(base / "m/2"): path.is_dir() or path.read_bytes() for path in (base / "m/2").rglob("*")}
    assert retire(base, "m", 2) == []
    assert states(base / "m") == {1: "live", 2: "retired", 3: "live"}
    path = restore(base, "m", 2)
    assert path == base / "m/2"
    assert {file.relative_to(path): file.is_dir() or file.read_bytes() for file in path.rglob("*")} == content
    assert [line.facts["action"] for line in log.read(base / "m")] == [*["published"] * 3, "retired", "restored"]


@pytest.mark.usefixtures("three")
def test_what_is_needed_goes_by_force_alone(base: Path) -> None:
    set_label(base, "m", "stable", 2)
    set_label(base, "m", "canary", 2)
    set_label(base, "m", "next", 3)
    with pytest.raises(ExportError, match=r"Version 2 of 'm' is labelled 'canary', 'stable'\. Move the label first"):
        retire(base, "m", 2)
    assert retire(base, "m", 2, force=True) == ["canary", "stable"]
    assert read_labels(base, "m") == {"next": 3}
    assert log.read(base / "m")[-1].facts["labels_gone"] == ["canary", "stable"]
    retire(base, "m", 1)
    retire(base, "m", 3, force=True)
    restore(base, "m", 1)
    with pytest.raises(ExportError, match=r"Version 1 is the last one of 'm' that is live"):
        retire(base, "m", 1)
    retire(base, "m", 1, force=True)
    assert versions(base / "m") == []
    assert read_labels(base, "m") == {}


@pytest.mark.usefixtures("three")
def test_only_what_is_there_goes_and_comes(base: Path) -> None:
    retire(base, "m", 1)
    for change, version, said in [
        (retire, 1, "Version 1 of 'm' is retired. Only what the server sees"),
        (retire, 9, r"'m' has no version 9\. There are 1 \(retired\), 2, 3"),
        (restore, 2, "Version 2 of 'm' is live. Only what was retired"),
        (restore, 9, "'m' has no version 9"),
    ]:
        with pytest.raises(ExportError, match=said):
            change(base, "m", version)


@pytest.mark.usefixtures("three")
def test_a_number_that_is_taken_stays_as_it_is(base: Path) -> None:
    retire(base, "m", 1)
    (base / "m/1").write_text("a file", encoding="utf-8")
    with pytest.raises(ExportError, match=r"m/1' is in the way of '.*\.retired/1'\. Move it away"):
        restore(base, "m", 1)
    assert (base / "m/1").read_text(encoding="utf-8") == "a file"
    (base / "m/.retired/3").mkdir()
    set_label(base, "m", "stable", 3)
    with pytest.raises(ExportError, match=r"\.retired/3' is in the way"):
        retire(base, "m", 3, force=True)
    assert read_labels(base, "m") == {"stable": 3}


def test_no_number_is_used_twice(publish: Publish, base: Path) -> None:
    publish(), publish()
    retire(base, "m", 2)
    assert publish().name == "3"
    (base / "m/3").rename(base / "elsewhere")  # deleted by hand: the log knows
    assert publish().name == "4"
    (base / "m/4").rename(base / "m/sealed")
    (base / "m/7.sealed").touch()
    assert publish().name == "8"
    (base / "m/.unfinished-y").mkdir()
    assert rename_to_next(base / "m/.unfinished-y", base / "m").name == "9"


def test_four_at_once_wait_for_each_other(publish: Publish, base: Path) -> None:
    publish("m"), publish("n")
    found: list[Any] = []
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        name = "mn"[number % 2]
        unfinished = base / name / f".unfinished-{number}"
        unfinished.mkdir()
        (unfinished / "saved_model.pb").touch()
        barrier.wait()
        try:
            found.append(publish_version(unfinished, base / name).relative_to(base).as_posix())
            set_label(base, name, f"l{number}", 1)
        except BaseException as error:
            found.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [f"{name}/{number}" for name in "mn" for number in range(2, 6)]
    assert read_labels(base, "m") == {f"l{number}": 1 for number in (0, 2, 4, 6)}
    assert read_labels(base, "n") == {f"l{number}": 1 for number in (1, 3, 5, 7)}
    assert not [line.problem for name in "mn" for line in log.read(base / name) if line.problem]
    assert sorted(path.name for path in base.iterdir()) == ["m", "models.config", "n"]


def test_who_waits_too_long_is_told_for_whom(publish: Publish, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(), publish()
    monkeypatch.setattr(lock, "PATIENCE", 0.05)
    with (
        lock.locked(base / "m"),
        pytest.raises(ExportError, match=rf"/m' is being written by process {os.getpid()} on"),
    ):
        retire(base, "m", 1)
    retire(base, "m", 1)


def test_who_waits_longer_than_a_moment_says_so_once(
    publish: Publish, base: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A finished export is not thrown away for a backup that takes minutes."""
    assert lock.PATIENCE > 1800
    publish(), publish()
    monkeypatch.setattr(lock, "SILENCE", 0.05)
    change = threading.Thread(target=retire, args=(base, "m", 1))
    with lock.locked(base / "m"):
        change.start()
        change.join(0.3)
        assert change.is_alive()
    change.join()
    assert states(base / "m") == {1: "retired", 2: "live"}
    (said,) = caplog.messages
    assert f"/m' is being written by process {os.getpid()} on " in said
    assert said.endswith(". Waiting for it, at most 60 minutes.")


def test_a_folder_that_only_others_may_write(publish: Publish, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    publish(), publish()
    monkeypatch.setattr(lock, "DirectoryLock", refuse)
    with pytest.raises(ExportError, match=r"saved_models' cannot be written: Permission denied\."):
        retire(base, "m", 1)


@pytest.mark.usefixtures("three")
def test_a_file_system_that_refuses_is_an_export_error(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ExportError, match=r"m/2' cannot be moved to '.*': Permission denied\."):
        retire(base, "m", 2)
    monkeypatch.setattr(models_config, "replacing", refuse)
    with pytest.raises(ExportError, match=r"models\.config' cannot be written: Permission denied\. It stays as it was"):
        set_label(base, "m", "stable", 2)


def test_what_cannot_be_entered_is_not_published(publish: Publish, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ExportError("models.config cannot be written")

    monkeypatch.setattr(models_config, "write_labels", refuse)
    with pytest.raises(ExportError, match=r"models\.config cannot be written"):
        publish()
    assert versions(base / "m") == []
    assert log.read(base / "m") == []


@pytest.mark.usefixtures("three")
def test_who_may_write_the_model_alone_publishes_where_the_entry_is_right(
    publish: Publish, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_label(base, "m", "stable", 2)

    def refuse(*_: Any) -> None:
        raise AssertionError("the file is not ours")

    monkeypatch.setattr(models_config, "write_labels", refuse)
    assert publish().name == "4"
    assert log.read(base / "m")[-1].facts["version"] == 4


def test_a_log_that_cannot_be_written_is_said_of_a_version_that_is_there(
    publish: Publish, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ExportError("the disk is full")

    monkeypatch.setattr(log, "append", refuse)
    with pytest.raises(ExportError, match=r"Version 1 is published as '.*/m/1', but: the disk is full"):
        publish()
    assert versions(base / "m") == [1]
