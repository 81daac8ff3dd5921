"""The lock: one writer at a time, none after a kill."""

import gc
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from textclf.errors import RunError
from textclf.runs.lock import INSIDE, DirectoryLock


def dead_process() -> int:
    """Return the number of a process that was."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_a_second_lock_is_refused_until_the_first_is_released(tmp_path: Path) -> None:
    first = DirectoryLock(tmp_path / "run")
    with pytest.raises(RunError, match=rf"being written by process {os.getpid()} on .*delete '.*\.run\.lock'"):
        DirectoryLock(tmp_path / "run")
    first.release()
    first.release()
    second = DirectoryLock(tmp_path / "run")
    assert second.path.exists()
    del second
    gc.collect()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "stale"),
    [
        (f"{os.getppid()} {platform.node()}", False),
        (f"{os.getpid()} {platform.node()}", True),  # the number of our own, from before the container started again
        ("1 another-machine", False),
        ("", False),
        ("what is this", False),
    ],
    ids=["alive", "our number", "elsewhere", "empty", "other"],
)
def test_a_lock_counts_unless_its_process_is_gone(tmp_path: Path, content: str, stale: bool) -> None:
    path = tmp_path / ".run.lock"
    path.write_text(content, encoding="utf-8")
    if stale:
        DirectoryLock(tmp_path / "run").release()
        assert not path.exists()
    else:
        with pytest.raises(RunError, match="is being written by"):
            DirectoryLock(tmp_path / "run")
        assert path.read_text(encoding="utf-8") == content


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell whether a process lives")
def test_the_lock_of_a_killed_process_does_not_count(tmp_path: Path) -> None:
    (tmp_path / ".run.lock").write_text(f"{dead_process()} {platform.node()}", encoding="utf-8")
    lock = DirectoryLock(tmp_path / "run")
    assert lock.path.read_text(encoding="utf-8").startswith(f"{os.getpid()} ")
    assert [path.name for path in tmp_path.iterdir()] == [".run.lock"]


def test_where_nothing_may_be_made_beside_the_directory_it_lies_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = os.open

    def refuse(path: Path, *options: int) -> int:
        if Path(path).parent == tmp_path:
            raise PermissionError(path)
        return real_open(path, *options)

    monkeypatch.setattr(os, "open", refuse)  # root may write everywhere: the rights themselves would not do
    lock = DirectoryLock(tmp_path / "run")
    assert lock.path == tmp_path / "run" / INSIDE
    with pytest.raises(RunError, match="is being written by"):
        DirectoryLock(tmp_path / "run")
