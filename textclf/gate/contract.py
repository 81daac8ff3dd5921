"""The signatures of a version against the contract with its clients."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from textclf.errors import did_you_mean, listing
from textclf.savedmodel.signatures import EXAMPLES, MOST_LABELS, TEXT, TEXT_PAIR

FLOAT, STRING, INT64 = 1, 7, 9
"""Numbers of `tensorflow.DataType`: what TensorFlow Serving's REST writes, and what textclf gives."""
_NAMES = {FLOAT: "float32", STRING: "string", INT64: "int64"}
_INTERNAL = "__saved_model_init_op"

CLASSES, BEST = "classes", "best"
"""Sizes of outputs: the number of labels, and of the best of them."""


@dataclass(frozen=True)
class Expected:
    """What a signature must have.

    Attributes:
        inputs: Names of its inputs, which are strings by the batch.
        outputs: Its outputs by name: a `DataType`, and the sizes behind the batch (None: any).
        required: Whether a version must have it.
    """

    inputs: tuple[str, ...]
    outputs: Mapping[str, tuple[int, tuple[str | None, ...]]] = field(default_factory=dict)
    required: bool = True


CONTRACT = {
    "serving_default": Expected(
        (TEXT,),
        {
            "label": (STRING, ()),
            "score": (FLOAT, ()),
            "labels": (STRING, (BEST,)),
            "label_scores": (FLOAT, (BEST,)),
        },
    ),
    "scores": Expected((TEXT,), {"scores": (FLOAT, (CLASSES,))}),
    "classify": Expected((EXAMPLES,), {"classes": (STRING, (CLASSES,)), "scores": (FLOAT, (CLASSES,))}),
    "embed": Expected((TEXT,), {"embedding": (FLOAT, (None,))}, required=False),
}
"""The signatures of a version of textclf's."""


def served(meta_graph: Any) -> dict[str, Any]:
    """Return the signatures of a `MetaGraphDef` that a client can ask, by name."""
    definitions = meta_graph.signature_def
    return {name: definitions[name] for name in sorted(definitions) if name != _INTERNAL}


def takes_pairs(meta_graph: Any) -> bool:
    """Return whether the signatures take two texts."""
    return any(TEXT_PAIR in signature.inputs for signature in served(meta_graph).values())


def takes_strings(signature: Any) -> bool:
    """Return whether all that a signature takes is strings."""
    return all(info.dtype == STRING for info in signature.inputs.values())


def check_signatures(meta_graph: Any, num_classes: int | None) -> list[str]:
    """Compare the signatures of a `MetaGraphDef` with the contract.

    Args:
        meta_graph: The graph that a server loads.
        num_classes: The number of labels; None if it is not known.

    Returns:
        What is wrong, a sentence each; empty if nothing.
    """
    found, pairs = served(meta_graph), takes_pairs(meta_graph)
    problems = [
        f"The signature '{name}' is missing; there are {listing(found) or 'none'}.{did_you_mean(name, found)}"
        for name, expected in CONTRACT.items()
        if expected.required and name not in found
    ]
    for name, signature in found.items():
        problems += [f"The signature '{name}': {problem}." for problem in _tensor_problems(signature)]
        if name in CONTRACT:
            problems += [
                f"The signature '{name}': {problem}."
                for problem in _contract_problems(signature, CONTRACT[name], pairs, _sizes(num_classes))
            ]
    return problems


def _sizes(num_classes: int | None) -> dict[str | None, int | None]:
    best = None if num_classes is None else min(MOST_LABELS, num_classes)
    return {CLASSES: num_classes, BEST: best, None: None}


def _tensor_problems(signature: Any) -> Iterator[str]:
    """Yield what of a signature's tensors no server could write, or not divide into rows."""
    for kind, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        for name, info in sorted(tensors.items()):
            if kind == "output" and info.dtype not in _NAMES:
                dtypes = listing(_NAMES.values())
                yield f"the output '{name}' is {_dtype(info)}; expected one of {dtypes}. Cast it in the graph"
            shape = info.tensor_shape
            if shape.unknown_rank or not shape.dim or shape.dim[0].size != -1:
                yield f"the {kind} '{name}' has the shape {_shape(info)}; expected a batch of any size first"


def _contract_problems(
    signature: Any, expected: Expected, pairs: bool, sizes: Mapping[str | None, int | None]
) -> Iterator[str]:
    """Yield how a signature differs from what it must have."""
    inputs = [*expected.inputs, *([TEXT_PAIR] if pairs and TEXT in expected.inputs else [])]
    if set(signature.inputs) != set(inputs):
        yield f"expected the inputs {listing(inputs)}, got {listing(sorted(signature.inputs)) or 'none'}"
    if set(signature.outputs) != set(expected.outputs):
        yield f"expected the outputs {listing(expected.outputs)}, got {listing(sorted(signature.outputs)) or 'none'}"
    for name in inputs:
        info = signature.inputs.get(name)
        if info is not None and (info.dtype != STRING or len(info.tensor_shape.dim) != 1):
            yield f"the input '{name}' is {_dtype(info)}{_shape(info)}; expected string[batch]"
    for name, (dtype, behind) in expected.outputs.items():
        info = signature.outputs.get(name)
        if info is None or info.dtype not in _NAMES:
            continue
        found = [dim.size for dim in info.tensor_shape.dim][1:]
        wanted = [sizes[size] for size in behind]
        agrees = len(found) == len(wanted) and all(w in (None, f) for f, w in zip(found, wanted, strict=True))
        if info.dtype != dtype or not agrees:
            shape = ", ".join(["batch", *(str(w) if w is not None else "any" for w in wanted)])
            yield f"the output '{name}' is {_dtype(info)}{_shape(info)}; expected {_NAMES[dtype]}[{shape}]"


def _dtype(info: Any) -> str:
    from tensorflow.core.framework.types_pb2 import DataType

    return _NAMES.get(info.dtype) or DataType.Name(info.dtype).removeprefix("DT_").lower()


def _shape(info: Any) -> str:
    if info.tensor_shape.unknown_rank:
        return "[...]"
    return "[" + ", ".join("batch" if dim.size == -1 else str(dim.size) for dim in info.tensor_shape.dim) + "]"
