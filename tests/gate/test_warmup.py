"""Warm-up records: read as the server reads them, and refused where it refuses the version."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from textclf.errors import ExportError
from textclf.gate.warmup import read_warmup


def written(folder: Path, *records: Any, options: str = "") -> Path:
    path = folder / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for record in records:
            writer.write(record if isinstance(record, bytes) else record.SerializeToString())
    return path


def predict(tensor: Any, signature: str = "", name: str = "text") -> Any:
    log = PredictionLog()
    log.predict_log.request.model_spec.signature_name = signature
    log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor))
    return log


def example(**features: bytes) -> Any:
    made = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=made))


def test_predict_and_classify_records(tmp_path: Path) -> None:
    classify, in_context = PredictionLog(), PredictionLog()
    classify.classify_log.request.model_spec.signature_name = "classify"
    classify.classify_log.request.input.example_list.examples.append(example(text=b"a"))
    given = in_context.classify_log.request.input.example_list_with_context
    given.examples.extend([example(text=b"a"), example(text=b"b")])
    given.context.CopyFrom(example(text_pair=b"both"))
    first, second, third, fourth = read_warmup(
        written(tmp_path, predict([b"a", b"\xff"]), predict(np.int64([[1]]), "scores", "ids"), classify, in_context)
    )
    assert (first.signature, first.inputs["text"].tolist()) == ("serving_default", [b"a", b"\xff"])
    assert (second.signature, second.inputs["ids"].tolist()) == ("scores", [[1]])
    assert (third.signature, third.inputs["inputs"].tolist()) == ("classify", [example(text=b"a").SerializeToString()])
    both = [tf.train.Example.FromString(value) for value in fourth.inputs["inputs"]]
    assert both == [example(text=b"a", text_pair=b"both"), example(text=b"b", text_pair=b"both")]


def test_records_that_no_server_takes(tmp_path: Path) -> None:
    run = PredictionLog()
    run.session_run_log.request.model_spec.name = "x"
    for record, problem in {
        b"\xff\xff": "it is no PredictionLog",
        b"": "expected a record of predict, classify or regress, got none",
        run.SerializeToString(): "expected a record of predict, classify or regress, got session_run_log",
        predict(np.float16([1])).SerializeToString(): "the input 'text' is float16; expected one of "
        r"\['float32', 'int64', 'string'\]",
    }.items():
        with pytest.raises(ExportError, match=rf"requests', record 2: {problem}\. The server refuses the version\."):
            read_warmup(written(tmp_path, predict(["a"]), record))


def test_a_thousand_records_and_no_more(tmp_path: Path) -> None:
    record = predict(["a"]).SerializeToString()
    assert len(read_warmup(written(tmp_path, *[record] * 1000))) == 1000
    with pytest.raises(ExportError, match=r"holds more than 1,000 records: the server refuses the version\."):
        read_warmup(written(tmp_path, *[record] * 1001))


def test_a_file_that_is_missing_empty_compressed_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is missing: the first requests to a new version would be slow"):
        read_warmup(tmp_path / "tf_serving_warmup_requests")
    with pytest.raises(ExportError, match="requests' holds no record: the first requests to a new version would be"):
        read_warmup(written(tmp_path))
    with pytest.raises(ExportError, match="is no uncompressed TFRecord file, or damaged"):
        read_warmup(written(tmp_path, predict(["a"]), options="GZIP"))
    path = written(tmp_path, predict(["a"]))
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExportError, match="is no uncompressed TFRecord file, or damaged"):
        read_warmup(path)
