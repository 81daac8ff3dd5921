"""A training killed at any moment and started again ends as if nothing had happened; so does one that SIGTERM ended."""

import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from textclf.config import Config
from textclf.errors import RunError
from textclf.runs.directory import Run
from textclf.runs.train import train
from textclf.training import checkpoints
from textclf.training.interruption import TerminatedError

KILLS = 20
SETTINGS = (
    "training.epochs=4",
    "training.batch_size=6",
    "training.patience=0",
    "training.evaluate_every=5",
    "checkpoints.steps=1",
)
TIMED = ("seconds", "examples_per_second", "tokens_per_second", "waiting", "peak_mb")

# A process that has imported TensorFlow makes the others: they start at once.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def train_on(config: Config, path: Path, die_while_writing: int = 0) -> None:
    """Train in a process of its own; with `die_while_writing`, be killed in the middle of that checkpoint."""
    savez, written = np.savez, [0]

    def half(file: Any, **arrays: Any) -> None:
        written[0] += 1
        if written[0] == die_while_writing:
            file.write(b"PK\x03\x04" + bytes(1000))
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        savez(file, **arrays)

    checkpoints.np.savez = half
    train(config, path, report=False)


def run_process(config: Config, path: Path, kill_after: float | None = None, die_while_writing: int = 0) -> int:
    """Train in a process, kill it after some seconds, and return how it ended."""
    process = processes.Process(target=train_on, args=(config, path, die_while_writing))
    process.start()
    process.join(kill_after)
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def points(run: Path) -> dict[str, list[tuple[int, Any]]]:
    """Return all that TensorBoard would show but for the row of the HParams tab: scalars, images, curves and texts."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    found: dict[str, list[tuple[int, Any]]] = {}
    for path in sorted((run / "logs").glob("events.out.tfevents.*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                point = event.step, tensor_util.make_ndarray(value.tensor).tolist()
                found.setdefault(value.tag, []).append(point)
    # Processes that began in the same second have their files in any order.
    return {tag: sorted(each) for tag, each in found.items() if not tag.endswith(TIMED)}


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(each) for key, each in value.items() if key not in TIMED}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def assert_alike(path: Path, other: Path) -> None:
    one, two = Run.load(path), Run.load(other)
    for variable, twin in zip(one.model.weights, two.model.weights, strict=True):
        np.testing.assert_array_equal(variable.numpy(), twin.numpy(), err_msg=variable.path)
    assert without_times(one.results) == without_times(two.results)
    assert points(path) == points(other)


@pytest.fixture(scope="module")
def whole(tiny_config: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    path = tmp_path_factory.mktemp("whole") / "run"
    assert run_process(tiny_config(*SETTINGS), path) == 0
    return path


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_alike(
    tiny_config: Callable[..., Config], whole: Path, tmp_path: Path
) -> None:
    config, path, dice = tiny_config(*SETTINGS), tmp_path / "run", random.Random(time.time_ns())
    started = time.monotonic()
    run_process(config, tmp_path / "warm-up")
    whole_seconds, kills = time.monotonic() - started, 0
    while kills < KILLS:
        started, fresh = time.monotonic(), not path.exists()
        # Every third one in the middle of a checkpoint's writing, the others whenever it comes.
        ended = (
            run_process(config, path, die_while_writing=dice.randint(1, 3))
            if kills % 3 == 2
            else run_process(config, path, kill_after=dice.uniform(0.2, 0.95) * whole_seconds)
        )
        if ended == 0:  # it was faster: begin with another one
            if fresh:
                whole_seconds = min(whole_seconds, time.monotonic() - started)
            assert_alike(path, whole)
            path = path.with_name(f"{path.name}-again")
            continue
        assert ended == -signal.SIGKILL
        kills += 1
    assert run_process(config, path) == 0
    assert_alike(path, whole)
    assert not (path / "checkpoints").exists()


def test_sigterm_saves_at_once_and_the_same_call_goes_on(
    tiny_config: Callable[..., Config], whole: Path, tmp_path: Path
) -> None:
    def terminate(batch: int, logs: Any = None) -> None:
        del logs
        if batch == 6:
            signal.raise_signal(signal.SIGTERM)

    config, path = tiny_config(*SETTINGS, "checkpoints.steps=0"), tmp_path / "run"
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=terminate)
    with pytest.raises(TerminatedError, match=r"Stopped by SIGTERM after step 7\. A checkpoint is written") as raised:
        train(config, path, callbacks=[callback], report=False)
    assert raised.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    newest, first = checkpoints.checkpoint_files(path / "checkpoints")
    assert (newest.name, first.name) == ("step-00000007.npz", "step-00000005.npz")  # the first evaluation's stays
    train(config, path, report=False)
    assert_alike(path, whole)


def test_what_cannot_go_on_says_why(
    tiny_config: Callable[..., Config], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dev = shutil.copy(tiny_config().data.dev, tmp_path)  # it is written to
    settings = (*SETTINGS, f"data.dev={dev}")
    config, path = tiny_config(*settings), tmp_path / "run"
    with pytest.raises(RunError, match="cannot be gone on with: there is no run"):
        train(config, path, resume="must", report=False)
    assert run_process(config, path, die_while_writing=3) == -signal.SIGKILL
    with pytest.raises(
        RunError, match=r"training\.epochs was 4, is 5\. Go on with its own: textclf train .*config\.yaml"
    ):
        train(tiny_config(*settings, "training.epochs=5"), path, report=False)
    with pytest.raises(RunError, match="is there already"):
        train(config, path, resume="never", report=False)
    assert checkpoints.Checkpoints(path / "checkpoints", config.checkpoints).newest().state["step"] == 2
    with Path(config.data.dev).open("a", encoding="utf-8") as file:
        file.write("late,refund\n")
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(RunError, match="The data has changed since the checkpoint was written"):
        train(config, path, report=False)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
    assert "goes on" not in caplog.text


@pytest.mark.slow
def test_memory_stays_flat_over_fifty_epochs(tiny_config: Callable[..., Config], tmp_path: Path) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("the system does not say how much memory a process has")
    megabytes: list[float] = []

    def look(epoch: int, logs: Any = None) -> None:
        del epoch, logs
        megabytes.append(int(statm.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6)

    callback = keras.callbacks.LambdaCallback(on_epoch_end=look)
    wide = ("model.num_filters=256", "model.embedding_dim=256")  # weights of 3 MB
    config = tiny_config("training.epochs=50", "training.patience=0", "checkpoints.steps=20", *wide)
    train(config, tmp_path / "run", callbacks=[callback], report=False)
    assert len(megabytes) == 50
    assert megabytes[-1] - megabytes[9] < 30  # weights, moments or a graph that each epoch kept would be more
