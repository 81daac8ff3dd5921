"""Versions as an export writes them, of a model that is built in a second."""

import itertools
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from textclf.savedmodel.files import BATCHING_FILE, EXTRA, GOLDEN_FILE, LABELS_FILE, WARMUP_FILE
from textclf.savedmodel.golden import Request, write_golden
from textclf.savedmodel.manifest import write_manifest

LABELS = ["delivery", "refund", "登录"]
WORDS = ["[UNK]", "[PAD]", "parcel", "money", "back", "late", "where", "is", "a", "##s", "退", "款"]
BATCHING = "max_batch_size { value: 4 }\nbatch_timeout_micros { value: 500 }\nallowed_batch_sizes: [1, 4]\n"
TEXTS = ["where is my parcel", "", "money back 退款", "a late parcel"]


class Model(tf.Module):
    """Bags of word pieces, with a table whose resource must be tracked and a signature of each kind."""

    def __init__(self, guarded: bool = True) -> None:
        super().__init__()
        self._guarded = guarded
        self.tokenizer = tf_text.FastBertTokenizer(WORDS, token_out_type=tf.int32, lower_case_nfd_strip_accents=True)
        generator = np.random.default_rng(1)
        self.weights = tf.Variable(generator.normal(size=(len(WORDS), 3)).astype(np.float32))
        values = tf.lookup.KeyValueTensorInitializer(LABELS, tf.constant([0.5, 0.0, -0.5]))
        self.biases = tf.lookup.StaticHashTable(values, 0.0)

    def scores(self, text: tf.Tensor) -> tf.Tensor:
        if self._guarded:
            text = tf.ensure_shape(text, [None])
        ids = self.tokenizer.tokenize(text)
        found = tf.reduce_sum(tf.gather(tf.identity(self.weights), ids.to_tensor(1)), axis=1)
        return tf.nn.softmax(found + self.biases.lookup(tf.constant(LABELS)))

    def serving_default(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        best = tf.math.top_k(self.scores(text), 3)
        names = tf.gather(tf.constant(LABELS), best.indices)
        return {"label": names[:, 0], "score": best.values[:, 0], "labels": names, "label_scores": best.values}

    def only_scores(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": self.scores(text)}

    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"text": tf.io.FixedLenFeature([], tf.string)}
        scores = self.scores(tf.io.parse_example(tf.ensure_shape(inputs, [None]), spec)["text"])
        names = tf.tile(tf.constant(LABELS)[tf.newaxis], [tf.shape(scores)[0], 1])
        return {"classes": names, "scores": scores}


def strings(*texts: str | bytes) -> Any:
    values = np.empty(len(texts), object)
    values[:] = [text.encode() if isinstance(text, str) else text for text in texts]
    return values


def example(text: str) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
    return tf.train.Example(features=tf.train.Features(feature={"text": feature})).SerializeToString()


def save(path: Path, model: Model, changed: dict[str, Callable[..., Any]] | None = None) -> None:
    """Write a SavedModel with the three signatures, or with others in their places."""
    functions = {"serving_default": model.serving_default, "scores": model.only_scores, "classify": model.classify}
    signatures = {}
    for name, function in (functions | (changed or {})).items():
        spec = tf.TensorSpec([None], tf.string, name="inputs" if name == "classify" else "text")
        signatures[name] = tf.function(function, input_signature=[spec])
    tf.saved_model.save(model, str(path), signatures=signatures)


def requests_of(path: Path) -> list[Request]:
    """Ask in Python what is to be golden."""
    loaded = tf.saved_model.load(str(path))
    asked = [
        ("serving_default", {"text": strings(*TEXTS)}),
        ("scores", {"text": strings(b"caf\xe9 parcels")}),
        ("classify", {"inputs": strings(*map(example, TEXTS))}),
    ]
    requests = []
    for name, inputs in asked:
        answer = loaded.signatures[name](**{key: tf.constant(value, tf.string) for key, value in inputs.items()})
        requests.append(Request(name, inputs, {key: value.numpy() for key, value in answer.items()}))
    return requests


def write_warmup(path: Path, requests: list[Request]) -> None:
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    with tf.io.TFRecordWriter(str(path / WARMUP_FILE)) as writer:
        for request in requests:
            log = PredictionLog()
            log.predict_log.request.model_spec.signature_name = request.signature
            for name, value in request.inputs.items():
                log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(value, tf.string))
            writer.write(log.SerializeToString())


def resized(inputs: Mapping[str, Any], size: int) -> dict[str, Any]:
    return {name: np.resize(value, size) for name, value in inputs.items()}


def complete(path: Path, golden: list[Request]) -> None:
    """Write what stands beside the graph."""
    (path / EXTRA).mkdir(exist_ok=True)
    (path / LABELS_FILE).write_text(json.dumps(LABELS), encoding="utf-8")
    (path / BATCHING_FILE).write_text(BATCHING, encoding="utf-8")
    write_golden(path / GOLDEN_FILE, golden)
    sizes = itertools.product(golden, (1, 4))
    write_warmup(path, [Request(request.signature, resized(request.inputs, size), {}) for request, size in sizes])
    write_manifest(path)


def edit_graph(path: Path, change: Callable[[Any], Any]) -> None:
    """Change the `MetaGraphDef` of a version, and its manifest after it."""
    file = path / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    change(saved.meta_graphs[0])
    file.write_bytes(saved.SerializeToString())
    write_manifest(path)


@pytest.fixture(scope="session")
def workshop() -> Any:
    """The functions that make versions and spoil them, and the model."""
    return SimpleNamespace(
        Model=Model, save=save, complete=complete, edit_graph=edit_graph, write_warmup=write_warmup, strings=strings
    )


@pytest.fixture(scope="session")
def good_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version that may be served. Do not write into it."""
    path = tmp_path_factory.mktemp("gate") / "good/3"
    save(path, Model())
    complete(path, requests_of(path))
    return path


@pytest.fixture
def version(good_version: Path, tmp_path: Path) -> Path:
    """A copy of a version that may be served, to spoil."""
    return shutil.copytree(good_version, tmp_path / "3")
