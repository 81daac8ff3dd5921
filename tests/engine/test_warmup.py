"""Warm-up records, replayed at load: all kinds, each with the checks of a request."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from textclf.engine import warmup
from textclf.engine.errors import Code, RequestError
from textclf.engine.loading import load
from textclf.engine.servable import Servable
from textclf.engine.warmup import warm_up

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture(scope="module")
def servable(parity: Path) -> Iterator[Servable]:
    servable = Servable("parity", 1, parity)
    yield servable
    servable.close()


def written(folder: Path, *records: Any) -> str:
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record if isinstance(record, bytes) else record.SerializeToString())
    return str(folder)


def predict(tensor: Any, signature: str = "", name: str = "text") -> Any:
    log = PredictionLog()
    log.predict_log.request.model_spec.signature_name = signature
    log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor))
    return log


def example(name: str, value: bytes) -> Any:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Example(features=tf.train.Features(feature={name: feature}))


def asking(kind: str, signature: str, name: str = "text", in_context: bool = False) -> Any:
    log = PredictionLog()
    request = getattr(log, kind).request
    if in_context:
        request.input.example_list_with_context.context.CopyFrom(example(name, b"both"))
        request.input.example_list_with_context.examples.append(tf.train.Example())
    else:
        request.input.example_list.examples.append(example(name, b"a"))
    if kind == "multi_inference_log":
        for its, method in ((signature, CLASSIFY), ("lengths", REGRESS)):
            task = request.tasks.add(method_name=method)
            task.model_spec.name, task.model_spec.signature_name = "parity", its
    else:
        request.model_spec.signature_name = signature
    return log


def test_all_kinds_are_asked(servable: Servable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    run = servable.run
    monkeypatch.setattr(servable, "run", lambda *given: (asked.append(given), run(*given))[1])
    records = [
        predict([b"a", b"\xff"]),
        predict(np.int64([2]), "halves", "n"),
        asking("classify_log", "classes"),
        asking("classify_log", "classes", in_context=True),
        asking("regress_log", "lengths"),
        asking("multi_inference_log", "classes"),
        PredictionLog(),
    ]
    assert warm_up(servable, written(tmp_path, *records)) == len(records)
    assert [signature for signature, *_ in asked] == [
        "serving_default",
        "halves",
        "classes",
        "classes",
        "lengths",
        "classes",
        "lengths",
    ]


def test_a_version_without_records(servable: Servable, tmp_path: Path) -> None:
    assert warm_up(servable, str(tmp_path)) == 0


def session_run() -> Any:
    log = PredictionLog()
    log.session_run_log.request.model_spec.name = "x"
    return log


@pytest.mark.parametrize(
    ("record", "code", "message"),
    [
        (predict([b"a"], "nope"), Code.FAILED_PRECONDITION, 'Serving signature key "nope" not found.'),
        (predict([[b"a"]]), Code.INVALID_ARGUMENT, "Shape of tensor"),
        (predict([1.0]), Code.INVALID_ARGUMENT, "Expects arg[0] to be string but float is provided"),
        (predict(np.int64([3]), "halves", "n"), Code.INVALID_ARGUMENT, "assertion failed: [odd]"),
        (asking("classify_log", "halves"), Code.INVALID_ARGUMENT, "No classification inputs found in SignatureDef: "),
        (asking("classify_log", "classes", "wrong"), Code.INVALID_ARGUMENT, "Name: <unknown>, Feature: text"),
        (asking("regress_log", "nope"), Code.INVALID_ARGUMENT, "No signature was found with the name: nope"),
        (asking("multi_inference_log", "lengths"), Code.INVALID_ARGUMENT, "Expected classification signature outputs"),
        (session_run(), Code.UNIMPLEMENTED, "Unsupported log_type for warmup: 5"),
        (b"\xff\xff", Code.INVALID_ARGUMENT, "Failed to parse warmup record: from "),
    ],
)
def test_a_record_that_fails(servable: Servable, tmp_path: Path, record: Any, code: Code, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        warm_up(servable, written(tmp_path, predict([b"a"]), record))
    assert caught.value.code == code
    assert caught.value.message.startswith(message)


def test_too_many_and_damaged_records(servable: Servable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "MOST_RECORDS", 2)
    folder = written(tmp_path, *[PredictionLog()] * 2)
    assert warm_up(servable, folder) == 2
    with pytest.raises(RequestError, match="exceeds the maximum"):
        warm_up(servable, written(tmp_path, *[PredictionLog()] * 3))
    path = tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(RequestError, match="Please verify your warmup data is in TFRecord format") as caught:
        warm_up(servable, folder)
    assert caught.value.code == Code.DATA_LOSS


def test_a_load_fails_with_its_records(parity: Path, tmp_path: Path) -> None:
    folder = tmp_path / "1"
    shutil.copytree(parity, folder)
    written(folder, predict([b"a"]))
    load("parity", 1, folder).close()
    written(folder, predict([b"a"], "nope"))
    with pytest.raises(RequestError, match="not found"):
        load("parity", 1, folder)


def test_what_export_writes_warms_up(exported: Path) -> None:
    servable = load("tiny", 1, exported)
    assert warm_up(servable, str(exported)) > 10
    servable.close()
