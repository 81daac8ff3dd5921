"""Two workers in two processes: what one gives, written by the chief alone; one that dies ends the other."""

import json
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

from textclf.config import Config
from textclf.errors import RunError
from textclf.runs.directory import Run
from textclf.runs.train import train

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


def work(config: Config, path: Path, number: int, ports: list[int], die_at: int) -> None:
    """Train as one of several workers."""
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": number}})

    def die(batch: int, logs: Any = None) -> None:
        del batch, logs
        if die_at and int(callback.model.optimizer.iterations.numpy()) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=die)
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


def run_workers(config: Config, path: Path, dies_at: int = 0) -> list[int]:
    """Train with two workers, of which the second may die at a step; return how they ended."""
    ports = free_ports(2)
    workers = [
        processes.Process(target=work, args=(config, path, number, ports, dies_at * number)) for number in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(180)
        worker.kill()
        worker.join()
    return [worker.exitcode for worker in workers]


@pytest.mark.slow
def test_two_workers_give_what_one_gives_and_go_on_after_one_has_died(
    tiny_config: Callable[..., Config], tmp_path: Path
) -> None:
    alone = train(tiny_config(*SETTINGS), tmp_path / "alone", report=False)
    config = tiny_config(*SETTINGS, "compute.strategy=multi_worker", "checkpoints.steps=1")
    started = time.monotonic()
    first, second = run_workers(config, tmp_path / "run", dies_at=4)
    assert second == -signal.SIGKILL
    assert first == LOST
    assert time.monotonic() - started < 150
    assert run_workers(config, tmp_path / "run") == [0, 0]
    assert {path.name for path in tmp_path.iterdir()} == {"alone", "run"}
    together = Run.load(tmp_path / "run")
    for variable, twin in zip(alone.model.weights, together.model.weights, strict=True):
        np.testing.assert_allclose(twin.numpy(), variable.numpy(), atol=5e-6, err_msg=variable.path)
    assert [record["dev"] for record in together.results["history"]] == [
        record["dev"] for record in alone.results["history"]
    ]
    assert together.results["scores"] == alone.results["scores"]
