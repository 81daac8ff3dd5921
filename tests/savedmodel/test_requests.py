"""Warm-up records and golden requests: what the server reads, and answers that the loaded version gives."""

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from textclf.runs.directory import Run
from textclf.savedmodel.batching import ALLOWED_BATCH_SIZES
from textclf.savedmodel.files import BATCHING_FILE, GOLDEN_FILE, WARMUP_FILE
from textclf.savedmodel.golden import read_golden
from textclf.savedmodel.requests import GOLDEN_TEXTS, warmup_lengths

EXPORTS = pytest.mark.parametrize("path", ["exported", "bert_exported", "linear_exported"])
MOST_RECORDS = 1000
"""TensorFlow Serving reads no more."""


def warmup(path: Path) -> list[Any]:
    records = tf.data.TFRecordDataset(str(path / WARMUP_FILE))
    return [PredictionLog.FromString(record.numpy()).predict_log.request for record in records]


@EXPORTS
def test_every_warmup_record_is_answered(path: str, request: pytest.FixtureRequest) -> None:
    directory: Path = request.getfixturevalue(path)
    loaded = tf.saved_model.load(str(directory))
    requests = warmup(directory)
    assert 0 < len(requests) <= MOST_RECORDS
    for record in requests:
        assert record.model_spec.name == directory.parent.name
        tensors = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in record.inputs.items()}
        answer = loaded.signatures[record.model_spec.signature_name](**tensors)
        (size,) = {int(tensor.shape[0]) for tensor in tensors.values()}
        assert all(value.shape[0] == size for value in answer.values())


def test_each_signature_batch_size_and_length_is_warmed_up_once(trained_run: Run, exported: Path) -> None:
    loaded = tf.saved_model.load(str(exported))
    lengths = warmup_lengths(trained_run.results["tokens"]["99"], trained_run.tokenizer.max_tokens)
    found = Counter(
        (record.model_spec.signature_name, tensor.tensor_shape.dim[0].size)
        for record in warmup(exported)
        for tensor in record.inputs.values()
    )
    assert found == dict.fromkeys(itertools.product(loaded.signatures, ALLOWED_BATCH_SIZES), len(lengths))
    texts = [record.inputs["text"].string_val[0] for record in warmup(exported) if "text" in record.inputs]
    counted = {int(trained_run.tokenizer.ragged(tf.constant([text])).row_lengths()[0]) for text in texts}
    assert counted == set(lengths)


@given(st.integers(1, 2000), st.integers(1, 1024))
def test_the_lengths_cover_usual_texts(usual: int, longest: int) -> None:
    lengths = warmup_lengths(usual, longest)
    assert lengths == sorted(set(lengths))
    assert lengths[-1] >= min(usual, longest)
    assert lengths[-1] <= longest
    assert len(lengths) <= 9


@EXPORTS
def test_the_version_answers_as_its_golden_requests_say(path: str, request: pytest.FixtureRequest) -> None:
    directory: Path = request.getfixturevalue(path)
    loaded = tf.saved_model.load(str(directory))
    golden = read_golden(directory / GOLDEN_FILE)
    assert {asked.signature for asked in golden.requests} == set(loaded.signatures)
    assert {len(next(iter(asked.inputs.values()))) for asked in golden.requests} == {1, len(GOLDEN_TEXTS)}
    for asked in golden.requests:
        tensors = {name: tf.constant(tensor, tf.string) for name, tensor in asked.inputs.items()}
        answer = loaded.signatures[asked.signature](**tensors)
        assert answer.keys() == asked.outputs.keys()
        for name, expected in asked.outputs.items():
            if expected.dtype == object:
                assert answer[name].numpy().tolist() == expected.tolist()
            else:
                np.testing.assert_allclose(answer[name], expected, atol=golden.tolerance)


def test_the_batching_file_allows_what_is_warmed_up(exported: Path) -> None:
    lines = (exported / BATCHING_FILE).read_text(encoding="utf-8").splitlines()
    sizes = [int(line.removeprefix("allowed_batch_sizes: ")) for line in lines if line.startswith("allowed")]
    assert tuple(sizes) == ALLOWED_BATCH_SIZES
    assert f"max_batch_size {{ value: {sizes[-1]} }}" in lines
