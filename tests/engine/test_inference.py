"""What is asked is checked as TensorFlow Serving checks it; the calls that were recorded are in tests/server."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from textclf.engine import inference
from textclf.engine.errors import Code, RequestError
from textclf.engine.inference import CLASSIFY, REGRESS, Task


def signature(inputs: Sequence[str], outputs: Sequence[str], defaults: str = "") -> SignatureDef:
    made = text_format.Parse(defaults, SignatureDef())
    for alias in inputs:
        made.inputs[alias].name = f"{alias}:0"
    for alias in outputs:
        made.outputs[alias].name = f"{alias}_out:0"
    return made


DEFAULT = 'defaults { key: "n" value { dtype: DT_FLOAT tensor_shape { dim { size: 1 } } float_val: 0.5 } }'
SERVABLE: Any = SimpleNamespace(
    signatures={
        "serving_default": signature(["a", "n"], ["x", "y"]),
        "default": signature(["a", "n"], ["x"], DEFAULT),
        "both": signature(["inputs"], ["classes", "scores"]),
        "classes": signature(["inputs"], ["classes"]),
        "scores": signature(["inputs"], ["scores"]),
        "three": signature(["inputs"], ["classes", "scores", "more"]),
        "no inputs": signature(["text"], ["outputs"]),
        "value": signature(["inputs"], ["outputs"]),
        "other": signature(["inputs"], ["other"]),
    }
)


class Runner:
    """Keeps what it is asked, and gives what it is told to."""

    def __init__(self, **outputs: Any) -> None:
        self.outputs = {name: np.asarray(value) for name, value in outputs.items()}
        self.asked: list[tuple[str, dict[str, Any], list[str]]] = []

    async def run(
        self, _servable: Any, signature: str, feeds: Mapping[str, Any], outputs: Sequence[str]
    ) -> dict[str, Any]:
        self.asked.append((signature, {name: value.tolist() for name, value in feeds.items()}, list(outputs)))
        return {name: self.outputs[name] for name in outputs if name in self.outputs}


def labels(*rows: Sequence[bytes]) -> Any:
    values = np.empty((len(rows), len(rows[0])), object)
    values[:] = rows
    return values


def feeds(*aliases: str) -> dict[str, Any]:
    return {alias: np.array([1.0], np.float32) for alias in aliases}


def refusal(work: Any) -> tuple[Code, str]:
    with pytest.raises(RequestError) as caught:
        asyncio.run(work)
    return caught.value.code, caught.value.message


def test_all_outputs_are_asked_for_unless_some_are_named() -> None:
    runner = Runner()
    asyncio.run(inference.predict(runner, SERVABLE, "", feeds("a", "n")))
    asyncio.run(inference.predict(runner, SERVABLE, "serving_default", feeds("a", "n"), ["y"]))
    assert runner.asked == [
        ("serving_default", {"a": [1.0], "n": [1.0]}, ["x", "y"]),
        ("serving_default", {"a": [1.0], "n": [1.0]}, ["y"]),
    ]


def test_a_default_stands_for_what_is_not_sent() -> None:
    runner = Runner()
    asyncio.run(inference.predict(runner, SERVABLE, "default", feeds("a")))
    assert runner.asked == [("default", {"a": [1.0], "n": [0.5]}, ["x"])]


@pytest.mark.parametrize(
    ("name", "sent", "message"),
    [
        (
            "",
            ["b"],
            "input size does not match signature: 1!=2 len({b}) != len({a,n}). Sent extra: {b}. "
            "Missing but required: {a,n}.",
        ),
        (
            "",
            ["a", "b"],
            "Signature input alias: n(feed name: n:0) not found in request and no default value provided. "
            "Inputs expected to be in the request {a,b}, or default input alias set: ",
        ),
        (
            "default",
            ["n"],
            "Signature input alias: a(feed name: a:0) not found in request and no default value provided. "
            "Inputs expected to be in the request {n}, or default input alias set: n",
        ),
        ("default", ["a", "b"], "Inputs contains invalid name. Used request inputs: a, request input: a,b"),
    ],
)
def test_inputs_that_do_not_fit(name: str, sent: list[str], message: str) -> None:
    assert refusal(inference.predict(Runner(), SERVABLE, name, feeds(*sent))) == (Code.INVALID_ARGUMENT, message)


@pytest.mark.parametrize(
    ("name", "outputs", "rows"),
    [
        ("both", {"classes": labels([b"a", b"b"]), "scores": np.array([[1, 2]], "f")}, [[("a", 1.0), ("b", 2.0)]]),
        ("classes", {"classes": labels([b"a"], [b"\xff"])}, [[("a", 0.0)], [("\udcff", 0.0)]]),
        ("scores", {"scores": np.array([[0.5]], "f")}, [[("", 0.5)]]),
        ("scores", {"scores": np.zeros((1, 0), "f")}, [[]]),
    ],
)
def test_classes_have_labels_and_scores_or_one_of_both(name: str, outputs: dict[str, Any], rows: Any) -> None:
    examples = [b"e"] * len(rows)
    assert asyncio.run(inference.classify(Runner(**outputs), SERVABLE, name, examples)) == rows


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"classes": labels([b"a"])[0]}, "Expected Tensor shape: [batch_size num_classes] but got [1]"),
        ({"classes": np.zeros((1, 2), "i")}, "Expected classes Tensor of DT_STRING. Got: DT_INT32"),
        ({"classes": labels([b"a"], [b"b"])}, "Expected classes output batch size of 1. Got: 2"),
        ({"scores": np.zeros((1, 2, 3), "f")}, "Expected Tensor shape: [batch_size num_classes] but got [1,2,3]"),
        ({"scores": np.zeros((1, 2), "d")}, "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        ({"scores": np.zeros((0, 2), "f")}, "Expected scores output batch size of 1. Got: 0"),
        (
            {"classes": labels([b"a"]), "scores": np.zeros((1, 2), "f")},
            "Tensors class and score should match in dim_size(1). Got 1 vs. 2",
        ),
    ],
)
def test_outputs_that_are_no_classes(outputs: dict[str, Any], message: str) -> None:
    work = inference.classify(Runner(**outputs), SERVABLE, "both", [b"e"])
    assert refusal(work) == (Code.INVALID_ARGUMENT, message)


@pytest.mark.parametrize("values", [np.array([0.5, 2], "f"), np.array([[0.5], [2]], "f")])
def test_values_are_a_row_or_a_column(values: Any) -> None:
    assert asyncio.run(inference.regress(Runner(outputs=values), SERVABLE, "value", [b"e"] * 2)) == [0.5, 2.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.zeros((1, 2), "f"),
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [1,2]",
        ),
        (np.float32(1), "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got []"),
        (np.zeros(2, "f"), "Input batch size did not match output batch size: 1 vs. 2"),
        (np.zeros(1, "d"), "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
    ],
)
def test_outputs_that_are_no_values(values: Any, message: str) -> None:
    work = inference.regress(Runner(outputs=values), SERVABLE, "value", [b"e"])
    assert refusal(work) == (Code.INVALID_ARGUMENT, message)


@pytest.mark.parametrize(
    ("ask", "name", "message"),
    [
        (inference.classify, "", "Expected one input Tensor."),
        (inference.classify, "three", "Expected one or two output Tensors, found 3"),
        (inference.classify, "no inputs", "No classification inputs found in SignatureDef: inputs {"),
        (inference.classify, "value", "Expected classification signature outputs to contain at least one of"),
        (inference.classify, "nope", "No signature was found with the name: nope"),
        (inference.regress, "", "Expected one input Tensor."),
        (inference.regress, "both", "Expected one output Tensor."),
        (inference.regress, "no inputs", "No regression inputs found in SignatureDef: inputs {"),
        (inference.regress, "other", "No regression outputs found in SignatureDef: inputs {"),
        (inference.regress, "nope", "No signature was found with the name: nope"),
    ],
)
def test_signatures_that_do_not_fit(ask: Any, name: str, message: str) -> None:
    runner = Runner()
    code, said = refusal(ask(runner, SERVABLE, name, [b"e"]))
    assert code is Code.INVALID_ARGUMENT
    assert said.startswith(message)
    assert not runner.asked


@pytest.mark.parametrize(("ask", "name"), [(inference.classify, "both"), (inference.regress, "value")])
def test_no_examples(ask: Any, name: str) -> None:
    assert refusal(ask(Runner(), SERVABLE, name, [])) == (Code.INVALID_ARGUMENT, "Input is empty.")


def test_several_signatures_are_asked_with_the_same_examples() -> None:
    runner = Runner(classes=labels([b"a"]), outputs=np.array([0.5], "f"))
    tasks = [Task("m", "classes", CLASSIFY), Task("m", "value", REGRESS)]
    assert asyncio.run(inference.multi_inference(runner, SERVABLE, tasks, [b"e"])) == [[[("a", 0.0)]], [0.5]]
    assert [asked[1] for asked in runner.asked] == [{"inputs": [b"e"]}] * 2


@pytest.mark.parametrize(
    ("last", "code", "message"),
    [
        (Task("", "value", REGRESS), Code.INVALID_ARGUMENT, "Found ModelSpec with an empty model name."),
        (
            Task("n", "value", REGRESS),
            Code.INVALID_ARGUMENT,
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        (Task("m", "both", CLASSIFY), Code.INVALID_ARGUMENT, "Duplicate evaluation of signature: both"),
        (Task("m", "nope", CLASSIFY), Code.INVALID_ARGUMENT, "Requested signature not found in model graph: nope"),
        (Task("m", "value", ""), Code.UNIMPLEMENTED, "Unsupported signature method_name: "),
    ],
)
def test_all_tasks_are_checked_before_one_runs(last: Task, code: Code, message: str) -> None:
    runner = Runner()
    tasks = [Task("m", "both", CLASSIFY), last]
    assert refusal(inference.multi_inference(runner, SERVABLE, tasks, [b"e"])) == (code, message)
    assert not runner.asked
