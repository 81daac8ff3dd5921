"""The contract of the signatures, spoilt one thing at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from textclf.gate.contract import check_signatures, served, takes_pairs
from textclf.gate.hostile import TEXTS, hostile

STRING, FLOAT = 7, 1


@pytest.fixture
def meta_graph(good_version: Path) -> Any:
    return SavedModel.FromString((good_version / "saved_model.pb").read_bytes()).meta_graphs[0]


def test_a_good_one(meta_graph: Any) -> None:
    assert check_signatures(meta_graph, 3) == []
    assert check_signatures(meta_graph, None) == []
    assert not takes_pairs(meta_graph)
    assert list(served(meta_graph)) == ["classify", "scores", "serving_default"]


def add(tensors: Any, name: str, dtype: int, *sizes: int) -> None:
    tensors[name].dtype = dtype
    del tensors[name].tensor_shape.dim[:]
    for size in sizes:
        tensors[name].tensor_shape.dim.add(size=size)


CASES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a missing signature": (
        lambda found: found.pop("scores"),
        "The signature 'scores' is missing; there are 'classify', 'serving_default'.",
    ),
    "another name of an input": (
        lambda found: add(found["classify"].inputs, "examples", STRING, -1),
        "The signature 'classify': expected the inputs 'inputs', got 'examples', 'inputs'.",
    ),
    "a missing output": (
        lambda found: found["serving_default"].outputs.pop("label_scores"),
        "The signature 'serving_default': expected the outputs 'label', 'score', 'labels', 'label_scores', got "
        "'label', 'labels', 'score'.",
    ),
    "ids": (
        lambda found: add(found["scores"].inputs, "text", 9, -1, -1),
        "The signature 'scores': the input 'text' is int64[batch, batch]; expected string[batch].",
    ),
    "a fixed batch": (
        lambda found: add(found["scores"].outputs, "scores", FLOAT, 8, 3),
        "The signature 'scores': the output 'scores' has the shape [8, 3]; expected a batch of any size first.",
    ),
    "no batch": (
        lambda found: add(found["scores"].outputs, "scores", FLOAT),
        "The signature 'scores': the output 'scores' has the shape []; expected a batch of any size first.",
    ),
    "too few classes": (
        lambda found: add(found["scores"].outputs, "scores", FLOAT, -1, 2),
        "The signature 'scores': the output 'scores' is float32[batch, 2]; expected float32[batch, 3].",
    ),
    "another dtype": (
        lambda found: add(found["serving_default"].outputs, "label", 9, -1),
        "The signature 'serving_default': the output 'label' is int64[batch]; expected string[batch].",
    ),
    "half": (
        lambda found: add(found["scores"].outputs, "scores", 19, -1, 3),
        "The signature 'scores': the output 'scores' is half; expected one of 'float32', 'string', 'int64'. Cast it in "
        "the graph.",
    ),
    "an embedding of texts": (
        lambda found: (
            add(found["embed"].inputs, "text", STRING, -1),
            add(found["embed"].outputs, "embedding", STRING, -1, 8),
        ),
        "The signature 'embed': the output 'embedding' is string[batch, 8]; expected float32[batch, any].",
    ),
    "a signature of somebody's": (
        lambda found: add(found["mine"].outputs, "words", 3, -1),
        "The signature 'mine': the output 'words' is int32; expected one of 'float32', 'string', 'int64'. Cast it in "
        "the graph.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_thing_is_wrong(case: str, meta_graph: Any) -> None:
    spoil, problem = CASES[case]
    spoil(meta_graph.signature_def)
    assert problem in check_signatures(meta_graph, 3)


def test_pairs_are_taken_by_all_that_take_texts(meta_graph: Any) -> None:
    found = meta_graph.signature_def
    add(found["serving_default"].inputs, "text_pair", STRING, -1)
    assert takes_pairs(meta_graph)
    assert check_signatures(meta_graph, 3) == [
        "The signature 'scores': expected the inputs 'text', 'text_pair', got 'text'."
    ]
    add(found["scores"].inputs, "text_pair", STRING, -1)
    assert check_signatures(meta_graph, 3) == []


def test_what_is_sent_to_every_signature() -> None:
    assert len(TEXTS["a text of a million characters"].decode()) == 1_000_000
    with pytest.raises(UnicodeDecodeError):
        TEXTS["invalid UTF-8"].decode()
    pairs = dict(hostile(["text", "text_pair"]))
    assert {tensor.shape for tensor in pairs["an empty batch"].values()} == {(0,)}
    assert [tensor.shape for tensor in pairs["batches of two sizes"].values()] == [(2,), (3,)]
    examples = dict(hostile(["inputs"]))
    assert b"parcel" in examples["rank 0"]["inputs"].item() and examples["rank 0"]["inputs"].shape == ()
    assert len(examples["a text of a million characters"]["inputs"][0]) > 1_000_000
    assert "garbage instead of an Example" in examples
