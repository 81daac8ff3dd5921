"""Two workers in two processes give what one gives, and stop, go back and end together; the chief alone writes."""

import json
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.distribute.collective_all_reduce_strategy import CollectiveAllReduceExtended

from textclf.config import Config
from textclf.errors import RunError
from textclf.runs.directory import Run
from textclf.runs.train import train
from textclf.training.checkpoints import Checkpoints, checkpoint_files
from textclf.training.interruption import TerminatedError

SETTINGS = (
    "model.dropout=0.0",
    "model.embedding_dropout=0.0",
    "training.batch_size=7",
    "training.patience=0",
    "training.weight_decay=0.1",
)
TIMED = ("seconds", "examples_per_second", "tokens_per_second", "waiting", "padding")

LOST = 3
"""How a worker ends that has lost another."""

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def join_the_others(path: Path, number: int, ports: list[int]) -> None:
    """Become one of several workers, whose log goes to a file beside the run."""
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": number}})
    logging.getLogger("textclf").addHandler(logging.FileHandler(path.with_name(f"{path.name}-{number}.log")))


def take_two_devices() -> None:
    """Let a worker have two devices, as one with two GPUs has; of CPUs TensorFlow takes but one."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    assert hasattr(CollectiveAllReduceExtended, "_initialize_local_devices")
    CollectiveAllReduceExtended._initialize_local_devices = lambda _, __, worker: (
        (f"{worker}/device:CPU:0", f"{worker}/device:CPU:1"),
        "CPU",
    )


def work(config: Config, path: Path, number: int, ports: list[int], dies_at: int | str) -> None:
    """Train as a worker with two devices; the second one may die after a step, or after the last one (`end`)."""
    join_the_others(path, number, ports)
    take_two_devices()

    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def die_in_time(*_: Any, **__: Any) -> None:
        if int(callback.model.optimizer.iterations.numpy()) == dies_at:
            die()

    callback = keras.callbacks.LambdaCallback()
    if number and dies_at:
        at = {"on_train_end": die} if dies_at == "end" else {"on_train_batch_end": die_in_time}
        callback = keras.callbacks.LambdaCallback(**at)
    try:
        train(config, path, callbacks=[callback], report=False)
    except RunError as error:
        assert "Start all workers again" in str(error)
        sys.exit(LOST)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def run_workers(target: Callable[..., None], config: Config, path: Path, *arguments: Any) -> list[int]:
    """Let two workers do something; return how they ended."""
    ports = free_ports(2)
    workers = [processes.Process(target=target, args=(config, path, number, ports, *arguments)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(180)
        worker.kill()
        worker.join()
    return [worker.exitcode for worker in workers]


@pytest.mark.slow
def test_two_workers_with_two_devices_give_what_one_gives_and_go_on_after_one_has_died(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    alone = train(tiny_config(*SETTINGS), tmp_path / "alone", report=False)
    config, path = tiny_config(*SETTINGS, "compute.strategy=multi_worker", "checkpoints.steps=1"), tmp_path / "run"
    for dies_at in (4, "end"):  # then the chief scores dev and test, for which it needs the other
        started = time.monotonic()
        assert run_workers(work, config, path, dies_at) == [LOST, -signal.SIGKILL]
        assert time.monotonic() - started < 150
    assert run_workers(work, config, path, 0) == [0, 0]
    assert {path.name for path in tmp_path.iterdir()} == {"alone", "run", "run-0.log", "run-1.log"}
    together = Run.load(path)
    for variable, twin in zip(alone.model.weights, together.model.weights, strict=True):
        np.testing.assert_allclose(twin.numpy(), variable.numpy(), atol=5e-6, err_msg=variable.path)
    assert [record["dev"] for record in together.results["history"]] == [
        record["dev"] for record in alone.results["history"]
    ]
    assert together.results["scores"] == alone.results["scores"]


def converse(config: Config, path: Path, number: int, ports: list[int], rows: list[str]) -> None:
    """Be one of two workers of which the second one alone is given other things, is asked to stop, and has a clock."""
    join_the_others(path, number, ports)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with it ignored
    folder = path.with_name(f"worker-{number}")  # the same relative path is another file on each machine
    folder.mkdir()
    os.chdir(folder)
    Path("train.csv").write_text("\n".join(rows), encoding="utf-8")
    batches: list[int] = []
    fate: dict[int, Callable[[], None]] = {}

    def note(batch: int, logs: Any = None) -> None:
        del logs
        batches.append(batch)
        fate.pop(int(callback.model.optimizer.iterations.numpy()), lambda: None)()

    def spoil() -> None:
        callback.model.set_weights([np.full_like(each, np.nan) for each in callback.model.get_weights()])

    def ask(signal_number: int) -> None:
        if number:
            os.kill(os.getpid(), signal_number)

    def learn(config: Config = config, path: Path = path) -> Run:
        batches.clear()
        return train(config, path, callbacks=[callback], report=False)

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=note)
    Checkpoints.due = lambda self, step, _: bool(number) and step >= 10 > self._step  # type: ignore[method-assign]

    other = config.model_copy(update={"seed": 2})
    with pytest.raises(RunError, match=r"^The config: that of worker 1 is not that of worker 0\. Start all of them"):
        learn(other if number else config)
    if number:
        Path("train.csv").write_text("\n".join([rows[0], *sorted(rows[1:])]), encoding="utf-8")
    with pytest.raises(
        RunError, match=r"^The data that were read: that of worker 1 is not that of worker 0\. Give all"
    ):
        learn()
    Path("train.csv").write_text("\n".join(rows), encoding="utf-8")
    assert number or not path.exists()

    fate |= {15: spoil, 24: lambda: ask(signal.SIGTERM)}
    with pytest.raises(TerminatedError, match=r"^Stopped by SIGTERM after step 30\."):
        learn()
    assert batches == [*range(23), *range(10, 23), *range(7)]

    with pytest.raises(RunError, match=r"^The step to go on from: worker 0 has 30, worker 1 has 0\. Give all of them"):
        learn(path=path.with_name("unseen") if number else path)

    fate |= {33: lambda: ask(signal.SIGINT)}
    run = learn()
    assert batches == [*range(7, 17)]
    assert run.results["interrupted"]
    assert run.path == path
    np.savez(path.with_name(f"weights-{number}.npz"), *run.model.get_weights())
    if not number:  # without waiting for the others
        texts = ["where is my parcel", "退款"]
        np.testing.assert_allclose(run.probabilities(texts), Run.load(path).probabilities(texts), atol=1e-6)

    with pytest.raises(RunError, match="Another worker ended" if number else "is there already"):
        learn()


@pytest.mark.slow
def test_workers_refuse_what_differs_and_stop_go_back_and_go_on_at_the_same_step(
    tiny_config: Callable[..., Config], tiny_corpus: dict[str, str], tmp_path: Path
) -> None:
    config = tiny_config(
        "compute.strategy=multi_worker",
        "data.train=train.csv",
        "training.batch_size=2",
        "training.rollback=true",
        "training.patience=0",
    )
    rows = Path(tiny_corpus["train"]).read_text(encoding="utf-8").splitlines()
    path = tmp_path / "run"
    assert run_workers(converse, config, path, rows) == [0, 0]
    assert not checkpoint_files(path / "checkpoints")
    with np.load(tmp_path / "weights-0.npz") as first, np.load(tmp_path / "weights-1.npz") as second:
        assert first.files
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])
    said = [(tmp_path / f"run-{number}.log").read_text(encoding="utf-8") for number in range(2)]
    assert said[0].count("It has a checkpoint of step 30: the same command, without --force, goes on from there.") == 1
    assert said[0].count("going back to step 10") == said[1].count("going back to step 10") == 1
    for words in ("has a checkpoint", "is finished, with", "It has no scores.json"):
        assert words not in said[1]
    assert said[1].endswith(f"This is not the first worker: the first one writes the run '{path}'.\n")
