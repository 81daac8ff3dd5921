"""Whose folder a run directory is, and that no good run is lost on the way to a new one."""

import errno
import logging
import os
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest

from textclf.errors import RunError
from textclf.runs import writer as writer_module
from textclf.runs.directory import Run
from textclf.runs.writer import Beginning, RunWriter
from textclf.text.words import WordTokenizer

START = {"config.yaml", "labels.json", "vocabulary.txt"}


@pytest.fixture
def old_run(linear_run: Run, tmp_path: Path) -> Path:
    """Return the directory of a good run that may be written to."""
    return Path(shutil.copytree(linear_run.path, tmp_path / "run"))


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def start(writer: RunWriter, run: Run) -> None:
    writer.write_start(run.config, run.labels, run.tokenizer)


@pytest.mark.parametrize(("folder", "path"), [(".", "."), (".", "../run"), ("plots", ".."), ("plots", "../../run")])
def test_a_run_is_not_replaced_from_inside(
    old_run: Path, monkeypatch: pytest.MonkeyPatch, folder: str, path: str
) -> None:
    (old_run / "plots").mkdir()
    before = content(old_run)
    monkeypatch.chdir(old_run / folder)
    with pytest.raises(RunError, match=r"cannot replace '.*' from inside: the current folder is .*cd '"):
        RunWriter(Path(path), "replace")
    assert content(old_run) == before
    assert names(old_run.parent) == {"run"}


def test_a_new_run_may_be_written_where_we_are(
    linear_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with RunWriter(Path()) as writer:
        start(writer, linear_run)
        monkeypatch.chdir("/")
        writer.write_model(linear_run.model)
    assert names(tmp_path) == START | {"model.keras"}


def test_a_link_stays_and_what_it_shows_is_replaced(linear_run: Run, old_run: Path) -> None:
    link = old_run.parent / "latest"
    link.symlink_to(old_run)
    with RunWriter(link, "replace") as writer:
        start(writer, linear_run)
        writer.write_model(linear_run.model)
    assert link.is_symlink()
    assert names(old_run) == names(link) == START | {"model.keras"}
    assert names(old_run.parent) == {"run", "latest"}
    with pytest.raises(ZeroDivisionError), RunWriter(link, "replace") as writer:
        start(writer, linear_run)
        _ = 1 / 0
    assert link.is_symlink()
    assert (old_run / "model.keras").is_file()


def test_two_writers_do_not_share_a_directory(old_run: Path) -> None:
    with RunWriter(old_run, "replace"):
        for beginning in get_args(Beginning):
            with pytest.raises(RunError, match="is being written by process"):
                RunWriter(old_run, beginning)
    RunWriter(old_run, "replace").abandon()


def test_a_refused_writer_leaves_no_lock(old_run: Path) -> None:
    with pytest.raises(RunError, match="is there already"):
        RunWriter(old_run)
    assert names(old_run.parent) == {"run"}


def test_a_run_that_fails_takes_only_its_own_files_away(linear_run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        writer = RunWriter(tmp_path / name)
        start(writer, linear_run)
        (writer.make_logs() / "events").touch()
        (tmp_path / name / "notes.txt").touch()
        writer.abandon()
        assert names(tmp_path / name) == {"notes.txt"}
        (tmp_path / name / "notes.txt").unlink()
    shutil.rmtree(tmp_path / "new")
    for name in ("empty", "new", "nested/runs/new"):
        RunWriter(tmp_path / name).abandon()
    assert names(tmp_path) == {"empty"}


def test_a_run_that_fails_leaves_logs_that_are_not_its_own(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "run")
    (tmp_path / "run/logs").mkdir()
    assert writer.make_logs() == tmp_path / "run/logs"
    writer.abandon()
    assert names(tmp_path / "run") == {"logs"}


def test_the_old_run_comes_back_even_if_the_new_one_cannot_be_removed(
    linear_run: Run, old_run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = content(old_run)
    writer = RunWriter(old_run, "replace")
    start(writer, linear_run)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        del missing_ok
        raise PermissionError(f"{path} is in use")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(Path, "unlink", refuse)
        patch.setattr(writer, "close", lambda: None)
        writer.abandon()
    writer.close()
    assert content(old_run) == before
    assert "cannot be removed" in caplog.text
    (left,) = names(old_run.parent) - {"run"}
    assert left in caplog.text
    assert names(old_run.parent / left / "run") == START


@pytest.mark.parametrize("made", [False, True], ids=["before mkdir", "after mkdir"])
@pytest.mark.parametrize("force", [False, True])
def test_killed_before_it_wrote_anything_the_old_run_is_still_the_run(old_run: Path, made: bool, force: bool) -> None:
    before = content(old_run)
    old_run.rename(old_run.parent / ".run.replaced")
    if made:
        old_run.mkdir()
    if force:
        RunWriter(old_run, "replace").abandon()
    else:
        with pytest.raises(RunError, match="is there already") as caught:
            RunWriter(old_run)
        old = old_run.parent / ".run.replaced"
        assert str(caught.value).endswith(
            f"\nA killed `train --force` had set it aside as '{old}'; it was put back just now."
        )
    assert content(old_run) == before
    assert names(old_run.parent) == {"run"}


def test_an_old_run_that_cannot_be_set_aside_stays(old_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(old_run)

    def busy(*_: Any) -> None:
        raise OSError("Device or resource busy")

    monkeypatch.setattr(Path, "rename", busy)
    with pytest.raises(RunError, match=r"cannot be replaced: Device or resource busy\. Choose another --run"):
        RunWriter(old_run, "replace")
    assert content(old_run) == before


class KilledError(BaseException):
    pass


def test_whenever_it_is_killed_force_starts_again(
    linear_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leave the directory as a kill would at every write of the start, and take it over."""
    writes = ["labels.json", "config.yaml", "vocabulary.txt"]
    real = os.fsync
    for count in range(2 * len(writes) + 1):
        path = tmp_path / str(count)
        calls = iter(range(count))

        def fsync(descriptor: int, calls: Any = calls) -> None:
            if next(calls, None) is None:
                raise KilledError
            real(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            patch.setattr(Path, "unlink", lambda *_, **__: None)  # a kill tidies nothing up
            writer = RunWriter(path)
            try:
                start(writer, linear_run)
            except KilledError:
                assert count < 2 * len(writes)
            else:
                assert count == 2 * len(writes)
        writer.close()
        with RunWriter(path, "replace") as writer:
            start(writer, linear_run)
            writer.write_model(linear_run.model)
        assert Run.load(path).labels == linear_run.labels


def test_a_vocabulary_that_is_not_written_to_its_end_is_not_there(
    linear_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(_: WordTokenizer, directory: Path) -> None:
        (directory / "vocabulary.txt").write_text("[PAD]\n", encoding="utf-8")
        raise KilledError

    monkeypatch.setattr(WordTokenizer, "save", half)
    writer = RunWriter(tmp_path / "run")
    with pytest.raises(KilledError):
        start(writer, linear_run)
    assert names(tmp_path / "run") == START - {"vocabulary.txt"}


def test_a_vocabulary_that_the_disk_refuses_names_the_run(
    linear_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(WordTokenizer, "save", full)
    with pytest.raises(OSError, match="No space left") as caught, RunWriter(tmp_path / "run") as writer:
        start(writer, linear_run)
    assert caught.value.filename == str(tmp_path / "run")


def test_an_old_run_that_cannot_be_deleted_is_named(
    linear_run: Run, old_run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def busy(path: Path) -> None:
        raise OSError(f"{path} is busy")

    with RunWriter(old_run, "replace") as writer, caplog.at_level(logging.WARNING):
        start(writer, linear_run)
        monkeypatch.setattr(writer_module, "save_model", lambda _, path: path.touch())
        monkeypatch.setattr(writer_module.shutil, "rmtree", busy)
        writer.write_model(linear_run.model)
    assert ".run.replaced" in caplog.text
