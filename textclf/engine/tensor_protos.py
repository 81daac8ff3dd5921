"""`TensorProto`s, which a request of gRPC and a record of warm-up carry, as NumPy's arrays and back.

Read as `Tensor::FromProto` of TensorFlow reads them and written as `Tensor::AsProtoField` writes them, with one
difference: what a request does not send is not allocated without bound.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto

from textclf.engine.errors import Code, RequestError

MAX_FILLED = 1 << 24
"""The most bytes of the elements that a tensor has and does not send."""
_STRING_SIZE = 24
"""What a string takes in TensorFlow beside its bytes, if it is long (`tstring`)."""

_FIELDS: dict[int, tuple[str, type]] = {
    types_pb2.DT_FLOAT: ("float_val", np.float32),
    types_pb2.DT_DOUBLE: ("double_val", np.float64),
    types_pb2.DT_INT8: ("int_val", np.int8),
    types_pb2.DT_INT16: ("int_val", np.int16),
    types_pb2.DT_INT32: ("int_val", np.int32),
    types_pb2.DT_INT64: ("int64_val", np.int64),
    types_pb2.DT_UINT8: ("int_val", np.uint8),
    types_pb2.DT_UINT16: ("int_val", np.uint16),
    types_pb2.DT_UINT32: ("uint32_val", np.uint32),
    types_pb2.DT_UINT64: ("uint64_val", np.uint64),
    types_pb2.DT_BOOL: ("bool_val", np.bool_),
    types_pb2.DT_STRING: ("string_val", np.object_),
    types_pb2.DT_HALF: ("half_val", np.float16),
    types_pb2.DT_BFLOAT16: ("half_val", ml_dtypes.bfloat16),
    types_pb2.DT_COMPLEX64: ("scomplex_val", np.complex64),
    types_pb2.DT_COMPLEX128: ("dcomplex_val", np.complex128),
}
"""The field that the values of a `DataType` stand in, and their NumPy type."""
_TYPES = {np.dtype(kind): number for number, (_, kind) in _FIELDS.items()}


class TensorProtos(Mapping[str, NDArray[Any]]):
    """Tensors by alias, each read when it is asked for.

    A tensor that is not whole raises `RequestError` INVALID_ARGUMENT `tensor parsing error: ALIAS`.
    """

    def __init__(self, protos: Mapping[str, TensorProto]) -> None:
        """Keep the protos."""
        self._protos = protos

    def __getitem__(self, alias: str) -> NDArray[Any]:
        if alias not in self._protos:  # A map of protobuf's would make it.
            raise KeyError(alias)
        try:
            return read_tensor(self._protos[alias])
        except ValueError as error:
            raise RequestError(Code.INVALID_ARGUMENT, f"tensor parsing error: {alias}") from error

    def __contains__(self, alias: object) -> bool:
        return alias in self._protos

    def __iter__(self) -> Iterator[str]:
        return iter(self._protos)

    def __len__(self) -> int:
        return len(self._protos)


def read_tensor(proto: TensorProto) -> NDArray[Any]:
    """Return the array of a proto; strings as an object array of `bytes`.

    Values that are sent beyond the shape are dropped; those that lack are the last one that came, or else zero.

    Raises:
        ValueError: The proto has no or another dtype than numbers, booleans and strings, a shape that cannot be,
            `tensor_content` of another size than its shape's, or it lacks values of more than `MAX_FILLED` bytes.

    Example:
        >>> read_tensor(TensorProto(dtype=types_pb2.DT_INT64, int64_val=[1, 2])).tolist()
        1
    """
    if proto.dtype not in _FIELDS:
        raise ValueError(f"no tensor of dtype {proto.dtype} can be read")
    field, kind = _FIELDS[proto.dtype]
    shape = [dimension.size for dimension in proto.tensor_shape.dim]
    if any(size < 0 for size in shape):
        raise ValueError(f"a shape has no negative sizes: {shape}")
    count = math.prod(shape)
    if not count:
        return np.empty(shape, kind)
    if proto.tensor_content:
        values = _read_content(proto.tensor_content, count, np.dtype(kind))
    else:
        values = _filled(_read_field(getattr(proto, field), np.dtype(kind), count), count)
    return values.reshape(shape)


def write_tensor(array: NDArray[Any]) -> TensorProto:
    """Return the proto of an array, its values in the field of their dtype.

    Raises:
        ValueError: No `TensorProto` has the dtype.

    Example:
        >>> write_tensor(np.array([b"bad"], object)).string_val
        [b'bad']
    """
    number = _TYPES.get(array.dtype)
    if number is None:
        raise ValueError(f"no tensor of dtype {array.dtype} can be written")
    field, _ = _FIELDS[number]
    proto = TensorProto(dtype=number)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    values = array.ravel()
    if field == "half_val":
        values = values.view(np.uint16)
    elif values.dtype.kind == "c":
        values = values.view(values.real.dtype)
    getattr(proto, field).extend(values.tolist())
    return proto


def type_name(array: NDArray[Any]) -> str:
    """Return the name of an array's `DataType`, such as `DT_FLOAT`.

    Example:
        >>> type_name(np.zeros(2, np.float32))
        'DT_FLOAT'
    """
    return str(types_pb2.DataType.Name(_TYPES.get(array.dtype, types_pb2.DT_INVALID)))


def _read_field(values: Any, kind: np.dtype[Any], count: int) -> NDArray[Any]:
    """Return the values of a proto's field, `count` at most."""
    if kind.kind == "O":
        return np.array(values[:count], object)
    if kind.kind == "c":
        pairs = np.array(values[: 2 * count], np.zeros(0, kind).real.dtype)
        return pairs[: len(pairs) // 2 * 2].view(kind)
    if kind.itemsize == 2 and kind.kind not in "iu":
        return np.array(values[:count], np.int64).astype(np.uint16).view(kind)
    # Small integers come as int32 and wrap as in C++.
    return np.array(values[:count], np.int32 if kind.itemsize < 4 and kind.kind in "iu" else kind).astype(kind)


def _filled(values: NDArray[Any], count: int) -> NDArray[Any]:
    """Return `count` values: those given, then the last of them again, or zeros."""
    lacking = count - len(values)
    if not lacking:
        return values
    is_text = values.dtype.kind == "O"
    last: Any = values[-1] if len(values) else b"" if is_text else 0
    if lacking * (_STRING_SIZE + len(last) if is_text else values.itemsize) > MAX_FILLED:
        raise ValueError(f"a tensor of {count} elements must send them; it sends {len(values)}")
    filled = np.full(count, last, values.dtype)
    filled[: len(values)] = values
    return filled


def _read_content(content: bytes, count: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """Return the values of `tensor_content`; a copy, as what is fed must be writable by none else."""
    if kind.kind == "O":
        return _read_strings(content, count)
    if len(content) != count * kind.itemsize:
        raise ValueError(f"{count} elements are {count * kind.itemsize} bytes, not {len(content)}")
    if kind.kind == "b":
        return np.frombuffer(content, np.uint8) != 0
    return np.frombuffer(content, kind).copy()


def _read_strings(content: bytes, count: int) -> NDArray[Any]:
    """Return strings from the varints of their lengths and what follows them (`port::DecodeStringList`)."""
    if count > len(content):
        raise ValueError(f"{count} strings have {count} lengths; {len(content)} bytes came")
    lengths, position = [], 0
    for _ in range(count):
        length, shift = 0, 0
        while True:
            if position == len(content) or shift > 63:
                raise ValueError("the lengths of the strings are cut off")
            byte = content[position]
            length |= (byte & 127) << shift
            position, shift = position + 1, shift + 7
            if byte < 128:
                break
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise ValueError(f"the strings are {sum(lengths)} bytes, not {len(content) - position}")
    strings = np.empty(count, object)
    for index, length in enumerate(lengths):
        strings[index] = content[position : position + length]
        position += length
    return strings
