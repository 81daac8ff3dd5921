"""Single values of JSON as a dtype takes them: strings or base64, integers of the right range, floats, booleans."""

import base64
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.types_pb2 import DataType

from textclf.engine.errors import Code, RequestError
from textclf.server.pretty import quote
from textclf.server.rapidjson import pairs_of

# As `IsInt`, `IsUint`, `IsInt64` and `IsUint64` of RapidJSON: what is narrower than 32 bits wraps around later.
_RANGES = {
    types_pb2.DT_INT64: (-(2**63), 2**63 - 1),
    types_pb2.DT_UINT64: (0, 2**64 - 1),
    types_pb2.DT_UINT32: (0, 2**32 - 1),
    **dict.fromkeys(
        (types_pb2.DT_INT32, types_pb2.DT_INT16, types_pb2.DT_INT8, types_pb2.DT_UINT8), (-(2**31), 2**31 - 1)
    ),
}
_EXACT = {types_pb2.DT_FLOAT: 2**24, types_pb2.DT_DOUBLE: 2**53}
"""The largest integer up to which all are floats, too."""
_ARRAYS: dict[int, tuple[Any, Any]] = {
    types_pb2.DT_STRING: (object, object),
    types_pb2.DT_BOOL: (bool, bool),
    types_pb2.DT_FLOAT: (np.float64, np.float32),
    types_pb2.DT_DOUBLE: (np.float64, np.float64),
    types_pb2.DT_INT64: (np.int64, np.int64),
    types_pb2.DT_INT32: (np.int64, np.int32),
    types_pb2.DT_INT16: (np.int64, np.int16),
    types_pb2.DT_INT8: (np.int64, np.int8),
    types_pb2.DT_UINT8: (np.int64, np.uint8),
    types_pb2.DT_UINT32: (np.int64, np.uint32),
    types_pb2.DT_UINT64: (np.uint64, np.uint64),
}
"""By dtype what holds every value that is taken, and what the tensor is of."""
_KINDS = {str: "String", dict: "Object", list: "Array", int: "Number", float: "Number", bool: "Bool"}
_BASE64 = re.compile(r"([A-Za-z0-9+/]*)([=.]*)")
_WHITE = str.maketrans("", "", " \t\n\v\f\r")


def converted(values: list[Any], dtype: int) -> list[Any]:
    """Return the values as a tensor of the dtype holds them, strings as bytes.

    Args:
        values: Parsed values, none of them a list.
        dtype: A number of `DataType`.

    Raises:
        RequestError: INVALID_ARGUMENT for the first value of another kind, UNIMPLEMENTED for a dtype without values in
            JSON.
    """
    if dtype == types_pb2.DT_STRING:
        if set(map(type, values)) == {str}:
            return [value.encode("utf-8", "surrogateescape") for value in values]
        return [_bytes(value) for value in values]
    if not _are_plain(values, dtype):
        for value in values:
            _check(value, dtype)
    return values


def array_of(values: list[Any], dtype: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return converted values as an array; too few are filled up with the last, too many cut, as in a `TensorProto`."""
    count = int(np.prod(shape, dtype=np.int64))
    if len(values) != count:
        values = values[:count] + values[-1:] * (count - len(values))
    wide, narrow = _ARRAYS.get(dtype, (object, object))
    with np.errstate(over="ignore"):
        return np.array(values, wide).astype(narrow, copy=False).reshape(shape)


def is_base64(value: Any) -> bool:
    """Return whether a value is an object of the one key `b64`, a string."""
    return isinstance(value, dict) and len(pairs_of(value)) == 1 and isinstance(value.get("b64"), str)


def decoded(base64_object: dict[str, Any]) -> bytes:
    """Return the bytes of `{"b64": "…"}`.

    White space, padding left out and `.` for padding are fine, as for Abseil's `Base64Unescape`.

    Raises:
        RequestError: INVALID_ARGUMENT for text that is no base64.

    Example:
        >>> decoded({"b64": "aGVsbG8"})
        b'hello'
    """
    text = base64_object["b64"]
    match = _BASE64.fullmatch(text) or _BASE64.fullmatch(text.translate(_WHITE))
    if not match or len(match[1]) % 4 == 1 or len(match[2]) not in (0, -len(match[1]) % 4):
        raise RequestError(Code.INVALID_ARGUMENT, "Unable to base64 decode")
    return base64.b64decode(match[1] + "=" * (-len(match[1]) % 4))


def kind_of(value: Any) -> str:
    """Return what RapidJSON calls the kind of a value, as messages have it.

    Example:
        >>> [kind_of(value) for value in (None, True, 1, 1.0, "a")]
        ['Null', 'True', 'Number', 'Number', 'String']
    """
    if value is None or isinstance(value, bool):
        return "Null" if value is None else str(value)
    return next(name for kind, name in _KINDS.items() if isinstance(value, kind))


def _bytes(value: Any) -> bytes:
    if is_base64(value):
        return decoded(value)
    _check(value, types_pb2.DT_STRING)
    return bytes(value.encode("utf-8", "surrogateescape"))


def _are_plain(values: list[Any], dtype: int) -> bool:
    """Return whether all values are fine, as far as that is known at one glance."""
    kinds = set(map(type, values))
    if kinds == {int} and dtype in _RANGES:
        lowest, highest = _RANGES[dtype]
        return lowest <= min(values) and max(values) <= highest
    return kinds == {float} and dtype in _EXACT


def _check(value: Any, dtype: int) -> None:
    """Refuse a value that a dtype does not take."""
    name = DataType.Name(dtype).removeprefix("DT_").lower()
    if dtype in _RANGES:
        lowest, highest = _RANGES[dtype]
        good = type(value) is int and lowest <= value <= highest
    elif dtype in _EXACT:
        good = type(value) is float or (type(value) is int and abs(value) <= _EXACT[dtype])
    elif dtype in _ARRAYS:
        good = type(value) is (str if dtype == types_pb2.DT_STRING else bool)
    else:
        raise RequestError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {quote(value)} to type: {name}")
    if not good:
        raise RequestError(
            Code.INVALID_ARGUMENT, f"JSON Value: {quote(value)} Type: {kind_of(value)} is not of expected type: {name}"
        )
