"""Golden requests: what a version was asked when it was exported, and what it answered.

Whoever serves the version later, on whatever server, asks again and compares. Tensors are written as JSON, with
bytes that are no text as TensorFlow Serving's REST writes them, `{"b64": "…"}`.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclf.errors import ExportError
from textclf.writing import replacing

FORMAT = 1
TOLERANCE, MOST_TOLERANCE = 1e-4, 0.1
"""How far a float of an answer may be from the golden one, and how far that may be set: other machines add in another
order. Of floats above 1 it is the share of them."""

DTYPES = {"string": np.dtype(object), "float32": np.dtype(np.float32), "int64": np.dtype(np.int64)}
"""The dtypes of tensors in JSON; a string tensor holds `bytes`."""

_BINARY = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Request:
    """A question to a signature with its answer.

    Attributes:
        signature: The name of the signature.
        inputs: A tensor an input: float32, int64, or strings as an object array of `bytes`.
        outputs: The answer, a tensor an output.
    """

    signature: str
    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Golden:
    """The golden requests of a version.

    Attributes:
        requests: The questions with their answers.
        tolerance: How far a float may be from the golden one.
    """

    requests: list[Request] = field(default_factory=list)
    tolerance: float = TOLERANCE


def write_golden(path: str | Path, requests: Iterable[Request], tolerance: float = TOLERANCE) -> None:
    """Write golden requests.

    Raises:
        TypeError: A tensor is neither float32 nor int64 nor of strings.
    """
    listed = [
        {
            "signature": request.signature,
            "inputs": {name: encode_tensor(tensor) for name, tensor in request.inputs.items()},
            "outputs": {name: encode_tensor(tensor) for name, tensor in request.outputs.items()},
        }
        for request in requests
    ]
    text = json.dumps({"format": FORMAT, "tolerance": tolerance, "requests": listed}, ensure_ascii=False, indent=1)
    with replacing(Path(path)) as unfinished:
        unfinished.write_text(text + "\n", encoding="utf-8", newline="\n")


def read_golden(path: str | Path) -> Golden:
    """Read golden requests.

    Raises:
        ExportError: The file is missing or damaged.
    """
    try:
        content: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"expected format {FORMAT}, got {content['format']!r}")
        requests = [
            Request(str(entry["signature"]), _decode_all(entry["inputs"]), _decode_all(entry["outputs"]))
            for entry in content["requests"]
        ]
        tolerance = float(content["tolerance"])
        if not 0.0 <= tolerance <= MOST_TOLERANCE:
            raise ValueError(f"expected a tolerance from 0 to {MOST_TOLERANCE}, got {tolerance}")
        return Golden(requests, tolerance)
    except Exception as error:  # whatever JSON can hold
        raise ExportError(
            f"'{path}' cannot be read ({type(error).__name__}: {error}). Export the run again."
        ) from error


def encode_tensor(tensor: NDArray[Any]) -> dict[str, Any]:
    r"""Return a tensor as JSON has it.

    Args:
        tensor: float32, int64, or an object array of `bytes` or `str`; of any rank.

    Raises:
        TypeError: It is of another dtype.

    Example:
        >>> encode_tensor(np.array([b"sport", "体育".encode(), b"\xff"], object))
        {'dtype': 'string', 'shape': [3], 'values': ['sport', '体育', {'b64': '/w=='}]}
        >>> encode_tensor(np.float32([[0.1, 0.9]]))
        {'dtype': 'float32', 'shape': [1, 2], 'values': [0.1, 0.9]}
    """
    tensor = np.asarray(tensor)
    values: list[Any]
    if tensor.dtype == np.float32:
        dtype, values = "float32", [float(str(value)) for value in tensor.ravel()]  # the shortest that reads as it
    elif tensor.dtype == np.int64:
        dtype, values = "int64", tensor.ravel().tolist()
    elif tensor.dtype == object:
        dtype, values = "string", [_encode_string(value) for value in tensor.ravel()]
    else:
        raise TypeError(f"expected a tensor of float32, int64 or bytes, got {tensor.dtype}")
    return {"dtype": dtype, "shape": list(tensor.shape), "values": values}


def decode_tensor(value: Mapping[str, Any]) -> NDArray[Any]:
    r"""Return the tensor that JSON holds; strings as an object array of `bytes`.

    Raises:
        ValueError: The values are not as many as the shape says, or the dtype is unknown; what is no such object at
            all gives a `KeyError`, a `TypeError` or whatever Python says of it.

    Example:
        >>> decode_tensor({"dtype": "string", "shape": [2], "values": ["a", {"b64": "/w=="}]})
        array([b'a', b'\xff'], dtype=object)
    """
    dtype, shape, values = value["dtype"], value["shape"], value["values"]
    if dtype not in DTYPES:
        raise ValueError(f"expected a dtype of {sorted(DTYPES)}, got {dtype!r}")
    if any(size < 0 for size in shape):
        raise ValueError(f"expected sizes from 0 on, got {shape}")
    tensor = np.empty(len(values), DTYPES[dtype])
    tensor[:] = [_decode_string(item) for item in values] if dtype == "string" else values
    return tensor.reshape(shape)


def _decode_all(tensors: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: decode_tensor(tensor) for name, tensor in tensors.items()}


def _encode_string(value: Any) -> str | dict[str, str]:
    if not isinstance(value, bytes | str):
        raise TypeError(f"expected a tensor of float32, int64 or bytes, got one that holds {type(value).__name__}")
    data = value.encode() if isinstance(value, str) else value
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    return {"b64": base64.b64encode(data).decode()} if _BINARY.search(text) else text


def _decode_string(value: str | Mapping[str, str]) -> bytes:
    return value.encode() if isinstance(value, str) else base64.b64decode(value["b64"], validate=True)
