"""The models that the recorded replies came from: `m` version 7, `m2` version 3 and `g` version 1.

`m` flattens its input, `g` guards it, `m2` is `m` with the method names of TensorFlow 1 for classify and regress.
"""

import shutil
import string
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LETTERS = [*string.ascii_lowercase, *("##" + letter for letter in string.ascii_lowercase)]
VOCABULARY = [*WORDS, *LETTERS, "hello", "world", "good", "bad"]
TEXT = [tf.TensorSpec([None], tf.string, name="text")]
EXAMPLES = [tf.TensorSpec([None], tf.string, name="inputs")]
TWO = [tf.TensorSpec([None], tf.string, name="a"), tf.TensorSpec([None, 2], tf.int64, name="n")]


class Probe(tf.Module):
    """A tokenizer, an embedding and a softmax, with a signature for each kind of request."""

    def __init__(self, *, is_guarded: bool) -> None:
        super().__init__()
        self._is_guarded = is_guarded
        self.tokenizer = tf_text.FastBertTokenizer(vocab=VOCABULARY, lower_case_nfd_strip_accents=True)
        self.labels = tf.constant(["neg", "pos"])
        weights = np.random.RandomState(0).randn(len(VOCABULARY), 2).astype(np.float32)
        self.embedding = tf.Variable(weights)

    @tf.function(input_signature=TEXT)
    def single(self, text: Any) -> dict[str, Any]:
        return {"scores": self._scores(text)[0]}

    @tf.function(input_signature=TEXT)
    def multi(self, text: Any) -> dict[str, Any]:
        """Give outputs that have no rows, or are not finite."""
        scores, ids = self._scores(text)
        return {
            "scores": scores,
            "ids": ids,
            "label": tf.gather(self.labels, tf.argmax(scores, -1)),
            "raw_bytes": text,
            "nan": tf.fill(tf.shape(scores)[:1], float("nan")),
            "rank0": tf.constant(3),
        }

    @tf.function(input_signature=TEXT)
    def rows(self, text: Any) -> dict[str, Any]:
        """Give an output of each kind."""
        scores, ids = self._scores(text)
        top = tf.argmax(scores, -1)
        return {
            "scores": scores,
            "ids": ids,
            "label": tf.gather(self.labels, top),
            "raw_bytes": text,
            "inf": tf.fill(tf.shape(scores)[:1], float("inf")),
            "b": scores[:, 0] > 0.5,
            "i64": top,
        }

    @tf.function(input_signature=TWO)
    def two(self, a: Any, n: Any) -> dict[str, Any]:
        return {"s": a, "n": n}

    @tf.function(input_signature=EXAMPLES)
    def cls(self, inputs: Any) -> dict[str, Any]:
        scores = self._scores(self._texts(inputs))[0]
        return {"classes": tf.tile(self.labels[None], [tf.shape(scores)[0], 1]), "scores": scores}

    @tf.function(input_signature=EXAMPLES)
    def reg(self, inputs: Any) -> dict[str, Any]:
        return {"outputs": self._scores(self._texts(inputs))[0][:, 1]}

    def _texts(self, examples: Any) -> Any:
        return tf.io.parse_example(examples, {"text": tf.io.FixedLenFeature([], tf.string)})["text"]

    def _scores(self, text: Any) -> tuple[Any, Any]:
        """Return softmax scores, float32[batch, 2], and token ids, int64[batch, 16]."""
        text = tf.ensure_shape(text, [None]) if self._is_guarded else tf.reshape(text, [-1])
        ids = self.tokenizer.tokenize(text)
        if ids.ragged_rank > 1:
            ids = ids.merge_dims(1, -1)
        ids = ids.to_tensor(shape=[None, 16])
        return tf.nn.softmax(tf.reduce_mean(tf.nn.embedding_lookup(self.embedding, ids), 1)), ids


def write_models(folder: Path) -> None:
    """Write the three models below a folder, with a models.config for a server."""
    for name, version, is_guarded in (("m", 7, False), ("g", 1, True)):
        probe = Probe(is_guarded=is_guarded)
        signatures = {"serving_default": probe.single} | {
            name: getattr(probe, name) for name in ("multi", "rows", "two", "cls", "reg")
        }
        tf.saved_model.save(probe, str(folder / name / str(version)), signatures=signatures)
    shutil.copytree(folder / "m" / "7", folder / "m2" / "3")
    path = folder / "m2" / "3" / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for name, method in (("cls", "classify"), ("reg", "regress")):
        saved.meta_graphs[0].signature_def[name].method_name = f"tensorflow/serving/{method}"
    path.write_bytes(saved.SerializeToString())
    config = ModelServerConfig()
    for name in ("m", "m2", "g"):
        base_path = str((folder / name).resolve())
        config.model_config_list.config.add(name=name, base_path=base_path, model_platform="tensorflow")
    (folder / "models.config").write_text(text_format.MessageToString(config), encoding="utf-8")


if __name__ == "__main__":
    write_models(Path(sys.argv[1]))
