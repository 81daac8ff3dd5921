"""The tensors of a reply in JSON, laid out as TensorFlow Serving does: `util/json_tensor.cc`, RapidJSON's PrettyWriter.

The values of an output are written all at once and put together by joining, for a reply may hold thousands of vectors.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2

from textclf.engine.errors import Code, RequestError
from textclf.engine.tensor_protos import type_name
from textclf.server.pretty import string

_NOT_WRITTEN = ("DT_HALF", "DT_BFLOAT16", "DT_UINT16", "DT_COMPLEX64", "DT_COMPLEX128")


def rows_json(outputs: Mapping[str, NDArray[Any]]) -> bytes:
    r"""Return `{"predictions": […]}` with a row each: an object of all outputs, or the bare value if there is one.

    Args:
        outputs: At least one; all with the same, positive first dimension.

    Raises:
        RequestError: INVALID_ARGUMENT for outputs that have no rows or not the same; UNIMPLEMENTED for a dtype.

    Example:
        >>> print(rows_json({"scores": np.array([[0.1, 1.0]], np.float32)}).decode())
        {
            "predictions": [[0.1, 1.0]
            ]
        }
    """
    count = _rows(outputs)
    if len(outputs) == 1:
        name, tensor = next(iter(outputs.items()))
        return _results("predictions", _values(name, tensor, count, tensor.shape[1:], 2, one_line=True))
    lead = ",\n" + " " * 12
    columns = [
        [f"{string(name)}: {value}" for value in _values(name, tensor, count, tensor.shape[1:], 3, one_line=True)]
        for name, tensor in outputs.items()
    ]
    rows = ",".join(f"\n        {{{lead[1:]}{lead.join(row)}\n        }}" for row in zip(*columns, strict=True))
    return _encoded(f'{{\n    "predictions": [{rows}\n    ]\n}}')


def columns_json(outputs: Mapping[str, NDArray[Any]]) -> bytes:
    r"""Return `{"outputs": …}`: an object of all tensors, or the bare one if there is one.

    Args:
        outputs: At least one, of any shapes.

    Raises:
        RequestError: INVALID_ARGUMENT if there is none; UNIMPLEMENTED for a dtype.

    Example:
        >>> print(columns_json({"ids": np.array([1, 2])}).decode())
        {
            "outputs": [
                1,
                2
            ]
        }
    """
    _check_any(outputs)
    depth = 1 if len(outputs) == 1 else 2
    texts = {name: _values(name, tensor, 1, tensor.shape, depth)[0] for name, tensor in outputs.items()}
    if len(texts) == 1:
        return _encoded('{\n    "outputs": ' + next(iter(texts.values())) + "\n}")
    members = ",".join(f"\n        {string(name)}: {text}" for name, text in texts.items())
    return _encoded(f'{{\n    "outputs": {{{members}\n    }}\n}}')


def classifications_json(results: Sequence[Sequence[tuple[str, float]]]) -> bytes:
    r"""Return `{"results": […]}` with pairs of a label and a score for each example.

    Example:
        >>> print(classifications_json([[("neg", 0.25), ("pos", 0.75)]]).decode())
        {
            "results": [[["neg", 0.25], ["pos", 0.75]]
            ]
        }
    """
    scores = iter(_floats(np.array([score for classes in results for _, score in classes], np.float32)))
    return _results(
        "results",
        ["[" + ", ".join(f"[{string(label)}, {next(scores)}]" for label, _ in classes) + "]" for classes in results],
    )


def regressions_json(results: Sequence[float]) -> bytes:
    """Return `{"results": […]}` with a value for each example."""
    return _results("results", _floats(np.array(results, np.float32)))


def _check_any(outputs: Mapping[str, NDArray[Any]]) -> None:
    if not outputs:
        raise RequestError(Code.INVALID_ARGUMENT, "Cannot convert empty tensor map to JSON")


def _rows(outputs: Mapping[str, NDArray[Any]]) -> int:
    """Return the first dimension that all outputs share."""
    _check_any(outputs)
    count = 0
    for name, tensor in outputs.items():
        problem = ""
        if tensor.ndim == 0:
            problem = "no shape information "
        elif len(tensor) < 1:
            problem = f"invalid batch size: {len(tensor)}"
        elif count and len(tensor) != count:
            problem = f"inconsistent batch size: {len(tensor)} expecting: {count}"
        if problem:
            raise RequestError(Code.INVALID_ARGUMENT, f"Tensor name: {name} has {problem}")
        count = len(tensor)
    return count


def _values(
    name: str, tensor: NDArray[Any], count: int, shape: tuple[int, ...], depth: int, *, one_line: bool = False
) -> list[str]:
    """Return the texts of the `count` values of a shape that a tensor holds.

    Args:
        name: The output's; one that ends in `_bytes` goes out as base64.
        tensor: Its values, in the order of the texts.
        count: How many texts there are to be.
        shape: What each holds.
        depth: How deep the line is indented that each begins on.
        one_line: Whether the lists stand on one line.
    """
    texts = _scalars(name, tensor, "\n" + "    " * (depth + len(shape)))
    for i, size in reversed(list(enumerate(shape))):
        inner, outer = ("", "") if one_line else ("\n" + "    " * (depth + i + 1), "\n" + "    " * (depth + i))
        comma = ", " if one_line else "," + inner
        texts = (
            [f"[{inner}{comma.join(texts[j : j + size])}{outer}]" for j in range(0, len(texts), size)]
            if size
            else ["[]"] * (count * math.prod(shape[:i]))
        )
    return texts


def _scalars(name: str, tensor: NDArray[Any], indent: str) -> list[str]:
    """Return the text of each value."""
    kind, flat = type_name(tensor), tensor.ravel()
    if kind == types_pb2.DataType.Name(types_pb2.DT_STRING):
        if name.endswith("_bytes"):
            return [f'{{{indent}    "b64": "{base64.b64encode(value).decode()}"{indent}}}' for value in flat.tolist()]
        return [string(value.decode("utf-8", "surrogateescape")) for value in flat.tolist()]
    if kind in _NOT_WRITTEN:
        plain = kind.removeprefix("DT_").lower()
        raise RequestError(Code.UNIMPLEMENTED, f"Tensor name: {name} of type: {plain} cannot be written as JSON")
    if flat.dtype.kind == "f":
        return _floats(flat)
    if flat.dtype.kind == "b":
        return np.where(flat, "true", "false").tolist()
    return list(map(str, flat.tolist()))


def _floats(flat: NDArray[Any]) -> list[str]:
    """Return floats with the fewest digits that TensorFlow's `FloatToBuffer` tries: 6, or else 9 (of doubles, 17).

    Whole numbers keep a point, so that they stay floats for who reads them.
    """
    if not flat.size:
        return []
    if flat.dtype == np.float64:
        texts = list(map(repr, flat.tolist()))
    else:
        values = _of_six_digits(flat)
        formats = ["%.9g"] * len(values)
        for i in np.flatnonzero((values == np.rint(values)) & (np.abs(values) < 1e9)).tolist():
            formats[i] = "%.1f"
        texts = ("\n".join(formats) % tuple(values.tolist())).split("\n")
    for i in np.flatnonzero(~np.isfinite(flat)).tolist():
        texts[i] = "NaN" if np.isnan(flat[i]) else "Infinity" if flat[i] > 0 else "-Infinity"
    return texts


def _of_six_digits(flat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the values as doubles, those that six digits tell apart from their neighbours rounded to six digits."""
    exact = flat.astype(np.float64)
    with np.errstate(all="ignore"):  # Of zeros, infinities and NaN, which stay what they are.
        scale = 10.0 ** (5 - np.floor(np.log10(np.abs(exact))))
        rounded = np.rint(exact * scale) / scale
        return np.where(rounded.astype(np.float32) == flat, rounded, exact)


def _results(key: str, items: Sequence[str]) -> bytes:
    return _encoded(f'{{\n    "{key}": [{", ".join(items)}\n    ]\n}}')


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
