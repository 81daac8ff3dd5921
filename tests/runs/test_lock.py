"""The lock: one writer at a time, none after a kill, on whatever machine."""

import errno
import gc
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from textclf.errors import RunError
from textclf.runs.lock import INSIDE, DirectoryLock, is_locked


def test_a_second_lock_is_refused_until_the_first_is_released(tmp_path: Path) -> None:
    first = DirectoryLock(tmp_path / "run")
    assert is_locked(tmp_path / "run")
    with pytest.raises(RunError, match=rf"being written by process {os.getpid()} on .*wait for it"):
        DirectoryLock(tmp_path / "run")
    first.release()
    first.release()
    second = DirectoryLock(tmp_path / "run")
    assert second.path.exists()
    del second
    gc.collect()
    assert not is_locked(tmp_path / "run")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("content", [f"{os.getppid()} here", "1 another-machine", "", "what is this"])
def test_a_file_that_was_left_behind_locks_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / ".run.lock").write_text(content, encoding="utf-8")
    assert not is_locked(tmp_path / "run")
    lock = DirectoryLock(tmp_path / "run")
    assert lock.path.read_text(encoding="utf-8").startswith(f"{os.getpid()} ")
    lock.release()
    assert not any(tmp_path.iterdir())


def hold(directory: Path, ready: Connection) -> None:
    """Take the lock, say so, and wait to be killed."""
    lock = DirectoryLock(directory)
    ready.send(lock.path.exists())
    signal.pause()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_the_lock_of_another_process_counts_until_that_is_killed(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe()
    process = processes.Process(target=hold, args=(tmp_path / "run", there))
    process.start()
    assert here.recv()
    assert is_locked(tmp_path / "run")
    with pytest.raises(RunError, match=f"is being written by process {process.pid} on "):
        DirectoryLock(tmp_path / "run")
    process.kill()
    process.join()
    assert not is_locked(tmp_path / "run")
    DirectoryLock(tmp_path / "run").release()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS], ids=["no right", "read-only"])
def test_where_nothing_can_be_made_beside_the_directory_it_lies_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real_open = os.open

    def refuse(path: str | Path, *options: int) -> int:
        if Path(path).parent == tmp_path:
            raise OSError(number, os.strerror(number), str(path))
        return real_open(path, *options)

    monkeypatch.setattr(os, "open", refuse)  # root may write everywhere: the rights themselves would not do
    lock = DirectoryLock(tmp_path / "run")
    assert lock.path == tmp_path / "run" / INSIDE
    with pytest.raises(RunError, match="is being written by"):
        DirectoryLock(tmp_path / "run")
