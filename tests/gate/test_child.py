"""The child process stands for a server: nothing of TensorFlow's Python is in it."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from textclf.errors import ExportError
from textclf.gate import process
from textclf.gate.process import Question, ask
from textclf.gate.replay import Asked
from textclf.gate.report import Report
from textclf.gate.tensorflow_c import TensorFlow, folder_of, text_libraries
from textclf.gate.verify import _ask

# What a library writes to standard output must not come between the lines.
PROGRAM = """
import os, sys
from textclf.gate import child
child.main(sys.argv[1])
os.write(1, b"chatter")
print(sorted({module.split(".")[0] for module in sys.modules} & {"tensorflow", "tensorflow_text", "keras", "google"}))
"""


def test_the_child_imports_nothing_of_tensorflow(good_version: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    text = {"dtype": "string", "shape": [1], "values": ["parcel"]}
    requests = [
        {"feeds": {"scores_text:0": text}, "fetches": ["StatefulPartitionedCall_1:0"]},
        {"feeds": {"nowhere:0": text}, "fetches": ["StatefulPartitionedCall_1:0"]},
    ]
    plan.write_text(json.dumps({"path": str(good_version), "requests": requests}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(plan)], capture_output=True, env=process._environment(), check=True
    )
    assert done.stderr.decode().splitlines()[-1] in ("chatter[]", "[]"), done.stderr.decode()
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    steps = ["libraries", "load", 0, 1]
    assert [next(iter(message.items())) for message in messages] == [
        pair for step in steps for pair in (("begin", step), ("end", step))
    ]
    (answer,) = messages[5]["answers"].values()
    assert answer["dtype"] == "float32" and answer["shape"] == [1, 3]
    assert messages[7]["error"] == "The graph has no operation 'nowhere'"


def test_an_end_by_itself_is_told_with_its_last_words(good_version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_environment", lambda: {"PYTHONHOME": "/nowhere"})
    session = ask(good_version, [Question({"a:0": np.array([b""], object)}, ["b:0"])])
    assert session.failure.startswith("The process ended with exit code 1 (")
    assert session.answers == []


def test_an_answer_of_another_dtype_is_told_and_the_next_is_asked(tmp_path: Path) -> None:
    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def ask(self, x: Any) -> Any:
            return {"positive": x > 0, "x": x}

    model = Model()
    tf.saved_model.save(model, str(tmp_path), signatures={"serving_default": model.ask})
    outputs = [Question({"serving_default_x:0": np.ones(2, np.float32)}, [f"PartitionedCall:{n}"]) for n in range(2)]
    positive, same = ask(tmp_path, outputs).answers
    assert (positive.tensors, positive.error) == (None, "expected a tensor of float32, int64 or bytes, got bool")
    assert same.tensors is not None and same.tensors[0].tolist() == [1, 1]


def test_a_terminal_sees_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    class Bar(process.tqdm):  # type: ignore[misc]
        def update(self, n: float | None = 1) -> bool | None:
            steps.append(self.total)
            return super().update(n)

    monkeypatch.setattr(process, "tqdm", Bar)
    popen = subprocess.Popen
    command = [sys.executable, "-c", DIES, json.dumps([*LOADED, ANSWERED, ANSWERED | {"end": 1}])]
    monkeypatch.setattr(process.subprocess, "Popen", lambda _, **options: popen(command, **options))
    questions = [Question({"a:0": np.array([b""], object)}, ["b:0"])] * 2
    assert len(ask(tmp_path, questions).answers) == 2
    assert steps == [2, 2]


DIES = """
import json, os, sys
for message in json.loads(sys.argv[1]):
    print(json.dumps(message), flush=True)
os.kill(os.getpid(), 9)
"""
LOADED = [{"end": "libraries", "resident_bytes": 1, "version": "2"}, {"end": "load", "resident_bytes": 1, "seconds": 1}]
ANSWERED = {"end": 0, "seconds": 1, "answers": {"b:0": {"dtype": "string", "shape": [1], "values": ["x"]}}}


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        (LOADED[:1], "It cannot be loaded: The process died of SIGKILL between libraries and load."),
        (LOADED, "Between the load and First, the process died of SIGKILL. So would the server."),
        ([*LOADED, ANSWERED], "Between First and Second, the process died of SIGKILL. So would the server."),
    ],
)
def test_an_end_between_two_steps_says_between_which(
    said: Any, finding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    popen = subprocess.Popen
    command = [sys.executable, "-c", DIES, json.dumps(said)]
    monkeypatch.setattr(process.subprocess, "Popen", lambda _, **options: popen(command, **options))
    signature = SignatureDef()
    signature.inputs["a"].name, signature.outputs["b"].name = "a:0", "b:0"
    asked = [Asked("hostile", name, signature, {"a": np.array([b""], object)}) for name in ("First", "Second")]
    report = Report(tmp_path)
    _ask(tmp_path, asked, report)
    assert report.findings[0] == finding


def test_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ExportError, match=r"tensorflow-nowhere is not installed\. Install it: pip install tensorflow-n"
    ):
        folder_of("tensorflow_nowhere")
    with pytest.raises(
        ExportError, match=r"cannot be loaded from '.*' \(no libtensorflow_framework\.so\.2\)\. Install"
    ):
        TensorFlow(tmp_path)
    found = importlib.util.find_spec("tensorflow_text")
    assert found is not None
    monkeypatch.setattr(found, "submodule_search_locations", [str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: found)
    with pytest.raises(ExportError, match=r"holds no op libraries \(python/\*/_\*\.so\)\. Install them: pip install"):
        text_libraries()
