"""The outputs of a signature as classes and values, once they are found to be such."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclf.engine.errors import invalid
from textclf.engine.tensor_protos import type_name

Classifications = list[list[tuple[str, float]]]
"""For each example its classes, a label and a score each."""
Regressions = list[float]
"""For each example its value."""


def classifications(outputs: Mapping[str, NDArray[Any]], count: int) -> Classifications:
    """Return the classes of `count` examples; a label is empty and a score 0 where there is no such output.

    Args:
        outputs: `classes`, bytes[batch, classes], and `scores`, float32[batch, classes], or one of both.
        count: The number of examples.

    Raises:
        RequestError: INVALID_ARGUMENT: another dtype or shape.
    """
    for alias, expected in (("classes", "DT_STRING"), ("scores", "DT_FLOAT")):
        if alias in outputs:
            _check_classes(alias, outputs[alias], expected, count)
    sizes = [tensor.shape[1] for tensor in outputs.values()]
    if len(set(sizes)) > 1:
        classes, scores = outputs["classes"].shape[1], outputs["scores"].shape[1]
        raise invalid(f"Tensors class and score should match in dim_size(1). Got {classes} vs. {scores}")
    shape = (count, sizes[0])
    labels = outputs.get("classes", np.full(shape, b"", object))
    scores = outputs.get("scores", np.zeros(shape, np.float32))
    return [
        [(label.decode("utf-8", "surrogateescape"), score) for label, score in zip(*row, strict=True)]
        for row in zip(labels.tolist(), scores.tolist(), strict=True)
    ]


def _check_classes(alias: str, tensor: NDArray[Any], expected: str, count: int) -> None:
    """Refuse an output that is not of the dtype and of shape [batch, classes]."""
    if tensor.ndim != 2:
        raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(tensor)}")
    if type_name(tensor) != expected:
        raise invalid(f"Expected {alias} Tensor of {expected}. Got: {type_name(tensor)}")
    if len(tensor) != count:
        raise invalid(f"Expected {alias} output batch size of {count}. Got: {len(tensor)}")


def regressions(outputs: Mapping[str, NDArray[Any]], count: int) -> Regressions:
    """Return the values of `count` examples.

    Args:
        outputs: `outputs`, float32[batch] or float32[batch, 1].
        count: The number of examples.

    Raises:
        RequestError: INVALID_ARGUMENT: another dtype or shape.
    """
    tensor = outputs["outputs"]
    if tensor.ndim != 1 and tensor.shape[1:] != (1,):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got " + _shape(tensor)
        )
    if len(tensor) != count:
        raise invalid(f"Input batch size did not match output batch size: {count} vs. {len(tensor)}")
    if type_name(tensor) != "DT_FLOAT":
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {type_name(tensor)}")
    return [float(value) for value in tensor.ravel()]


def _shape(tensor: NDArray[Any]) -> str:
    return "[" + ",".join(map(str, tensor.shape)) + "]"
