"""What is refused before TensorFlow trips over it, and what is said of workers that are gone."""

import json
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from textclf.config import ComputeConfig
from textclf.errors import ConfigError, RunError
from textclf.training import devices
from textclf.training.devices import losing_workers, make_strategy

TWO_WORKERS = {"worker": ["localhost:1", "localhost:2"]}


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "TF_CONFIG is not set"),
        ('{"cluster": ', r"TF_CONFIG is no JSON \(.*line 1"),
        ([1], "TF_CONFIG lacks a part of the form"),
        ({"cluster": TWO_WORKERS}, "TF_CONFIG lacks a part of the form"),
        ({"cluster": [], "task": {"type": "worker", "index": 0}}, "TF_CONFIG lacks a part of the form"),
        ({"cluster": TWO_WORKERS, "task": {"type": "worker", "index": "first"}}, "TF_CONFIG lacks a part of the form"),
        ({"cluster": {"worker": "localhost:1"}, "task": {"type": "worker", "index": 0}}, "else than lists of HOST:"),
        ({"cluster": {"worker": [1]}, "task": {"type": "worker", "index": 0}}, "else than lists of HOST:PORT"),
        ({"cluster": {"worker": ["here"]}, "task": {"type": "worker", "index": 0}}, "else than lists of HOST:PORT"),
        ({"cluster": TWO_WORKERS | {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}, "has 'ps'; expected 'chief'"),
        ({"cluster": TWO_WORKERS, "task": {"type": "worker", "index": 2}}, "cluster has no worker 2"),
        ({"cluster": TWO_WORKERS, "task": {"type": "chief", "index": 0}}, "cluster has no chief 0"),
    ],
)
def test_a_cluster_that_is_not_named_is_refused_with_the_form(
    value: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", value if isinstance(value, str) else json.dumps(value))
    with pytest.raises(ConfigError, match=rf"multi_worker: .*{what}.*\nexport TF_CONFIG='\{{\"cluster\": "):
        make_strategy(ComputeConfig(strategy="multi_worker"))


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.UnavailableError(None, None, "Collective ops is aborted by: Connection reset by peer"),
        tf.errors.AbortedError(None, None, "Collective executor: task 1 is gone"),
        tf.errors.InternalError(None, None, "Collective ops is aborted by: Failed to connect to remote host"),
    ],
)
def test_a_worker_that_is_gone_is_said_to_be(error: Exception) -> None:
    said = r"Another worker ended .*Start all workers again.*TensorFlow says: Coll"
    with pytest.raises(RunError, match=said), losing_workers():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.InternalError(None, None, "Collective instance 3 expected type 1 but got type 2"),
        tf.errors.UnavailableError(None, None, "a file system that is gone"),
    ],
)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)), losing_workers():
        raise error


FLAGS = "processor\t: 0\nflags\t\t: fpu sse avx512f %s\n"


@pytest.mark.parametrize(
    ("compute", "flags", "warned"),
    [
        ({"mixed_precision": "bfloat16"}, "avx2", True),
        ({"mixed_precision": "bfloat16", "devices": ["CPU:0"]}, "avx2", True),
        ({"mixed_precision": "bfloat16"}, "avx512_bf16", False),
        ({"mixed_precision": "bfloat16"}, "amx_bf16 amx_tile", False),
        ({"mixed_precision": "bfloat16"}, None, False),  # no Linux
        ({}, "avx2", False),
    ],
)
def test_bfloat16_without_its_units_is_warned_of(
    compute: dict[str, Any],
    flags: str | None,
    warned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(devices, "_CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: [])
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(FLAGS % flags, encoding="ascii")
    devices.warn_of_bfloat16(ComputeConfig.model_validate(compute))
    assert ("this CPU has no bfloat16 units" in caplog.text) == warned
    caplog.clear()
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: ["GPU:0"])
    devices.warn_of_bfloat16(ComputeConfig.model_validate(compute))
    assert ("this CPU has no bfloat16 units" in caplog.text) == (warned and "devices" in compute)
