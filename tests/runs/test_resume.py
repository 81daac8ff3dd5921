"""What becomes of a run that was killed: gone on with, begun anew, or left alone; nothing of anybody's is lost."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from textclf.config import Config, dump_config
from textclf.errors import RunError
from textclf.runs.directory import Run
from textclf.runs.lock import DirectoryLock
from textclf.runs.resume import can_begin_anew
from textclf.runs.train import train
from textclf.runs.writer import RunWriter
from textclf.training.checkpoints import checkpoint_files

MakeConfig = Callable[..., Config]


@pytest.fixture
def begun(linear_run: Run, tmp_path: Path) -> Path:
    """Return the directory of a run that was killed before it had weights."""
    writer = RunWriter(tmp_path / "run")
    writer.write_start(linear_run.config, linear_run.labels, linear_run.tokenizer)
    writer.make_logs()
    writer.close()
    (tmp_path / "run/.unfinished-model.keras").write_bytes(b"half")
    return tmp_path / "run"


def test_a_run_that_was_just_begun_begins_anew(begun: Path, linear_run: Run, caplog: pytest.LogCaptureFixture) -> None:
    assert can_begin_anew(begun)
    run = train(linear_run.config, begun, report=False)
    assert "was ended before its first checkpoint; it begins anew" in caplog.text
    assert run.results["scores"] == linear_run.results["scores"]
    assert not list(begun.glob(".unfinished-*"))
    assert {path.name for path in begun.parent.iterdir()} == {"run"}


def test_a_run_begins_anew_in_its_place(
    begun: Path, linear_run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that is mounted, or that we are in, cannot be moved."""

    def busy(*_: Any) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    left = begun / "bad_rows.jsonl", begun / "logs/events.out.tfevents.1"
    for path in left:
        path.touch()
    monkeypatch.chdir(begun)
    monkeypatch.setattr(Path, "rename", busy)
    assert train(linear_run.config, ".", report=False).results["scores"] == linear_run.results["scores"]
    assert "it begins anew" in caplog.text
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("seed", [1, 9], ids=["its config", "another config"])
def test_a_run_that_another_process_writes_is_not_looked_at(
    begun: Path, linear_run: Run, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    """It may be writing its last checkpoint just now, and is not killed."""
    lock = DirectoryLock(begun)
    with pytest.raises(RunError, match="is being written by process"):
        train(linear_run.config.model_copy(update={"seed": seed}), begun, report=False)
    lock.release()
    assert not caplog.messages


def test_what_is_not_a_runs_own_is_not_touched(begun: Path, linear_run: Run) -> None:
    (begun / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(RunError, match="is there already"):
        train(linear_run.config, begun, report=False)
    assert (begun / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_a_config_beside_labels_is_somebodys_folder(linear_run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(dump_config(linear_run.config), encoding="utf-8")
    (tmp_path / "labels.json").write_text('{"mine": 1}', encoding="utf-8")
    with pytest.raises(RunError, match="is there already"):
        train(linear_run.config, tmp_path, report=False)
    assert (tmp_path / "labels.json").read_text(encoding="utf-8") == '{"mine": 1}'


def test_a_run_that_was_to_be_replaced_is_not_lost_by_a_second_try(linear_run: Run, tmp_path: Path) -> None:
    path = Path(shutil.copytree(linear_run.path, tmp_path / "run"))
    killed = RunWriter(path, "replace")
    killed.write_start(linear_run.config, linear_run.labels, linear_run.tokenizer)
    killed.close()
    with pytest.raises(RunError, match=r"is there already.*\n?.*get it back with: rm -r .* && mv "):
        train(linear_run.config, path, report=False)
    other = linear_run.config.model_copy(update={"seed": 9})
    with pytest.raises(RunError, match=r"seed was 1, is 9(.|\n)*get it back with: rm -r .* && mv "):
        train(other, path, report=False)
    assert Run.load(tmp_path / ".run.replaced").results == linear_run.results


def test_a_run_that_is_replaced_leaves_what_is_not_its_own(linear_run: Run, tmp_path: Path) -> None:
    path = Path(shutil.copytree(linear_run.path, tmp_path / "run"))
    (path / "notes.txt").write_text("seen by hand", encoding="utf-8")
    train(linear_run.config, path, force=True, report=False)
    assert (path / "notes.txt").read_text(encoding="utf-8") == "seen by hand"
    assert {entry.name for entry in tmp_path.iterdir()} == {"run"}


@pytest.mark.parametrize("has_weights", [False, True], ids=["killed before weights", "killed with weights"])
def test_what_is_not_a_runs_own_outlives_every_kill(linear_run: Run, tmp_path: Path, has_weights: bool) -> None:
    """A run that is replaced, one that was killed in its place, and the one after that each hold somebody's notes."""
    path = Path(shutil.copytree(linear_run.path, tmp_path / "run"))
    (path / "notes.txt").write_text("first", encoding="utf-8")
    killed = RunWriter(path, "replace")
    killed.write_start(linear_run.config, linear_run.labels, linear_run.tokenizer)
    (path / "notes.txt").write_text("second", encoding="utf-8")
    killed.close()
    if has_weights:
        shutil.copy(linear_run.path / "model.keras", path)
    train(linear_run.config, path, force=True, report=False)
    notes = {entry.read_text(encoding="utf-8") for entry in path.glob("notes*.txt")}
    assert notes == {"first", "second"}
    assert {entry.name for entry in tmp_path.iterdir()} == {"run"}


def test_weights_without_a_checkpoint_are_not_trained_over(linear_run: Run, tmp_path: Path) -> None:
    path = Path(shutil.copytree(linear_run.path, tmp_path / "run"))
    (path / "scores.json").unlink()
    before = (path / "model.keras").read_bytes()
    with pytest.raises(RunError, match="is there already"):
        train(linear_run.config, path, report=False)
    assert (path / "model.keras").read_bytes() == before


def test_force_and_must_exclude_each_other(linear_run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"--force, which begins anew, and --resume must, .* exclude each other"):
        train(linear_run.config, tmp_path / "run", force=True, resume="must")


class Kill(keras.callbacks.Callback):
    """Ends a training as a kill would, in the step after its first evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self._evaluated = False

    def on_test_end(self, logs: Any = None) -> None:
        del logs
        self._evaluated = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        del batch, logs
        if self._evaluated:
            raise MemoryError("killed")


@pytest.mark.usefixtures("eagerly")
def test_whatever_has_weights_has_a_checkpoint_too(tiny_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(MemoryError):
        train(tiny_config(), tmp_path / "run", callbacks=[Kill()], report=False)
    assert (tmp_path / "run/model.keras").is_file()
    assert len(checkpoint_files(tmp_path / "run/checkpoints")) == 1
    (tmp_path / "run/.unfinished-1model.keras").write_bytes(b"half")
    run = train(tiny_config(), tmp_path / "run", report=False)
    assert run.results["history"][0]["step"] == 3
    assert not list(run.path.glob(".unfinished-*"))
