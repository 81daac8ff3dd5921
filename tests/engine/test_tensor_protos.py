"""Tensors of requests are read and written as TensorFlow reads and writes them, without what a request only claims."""

import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto

from textclf.engine.errors import Code, RequestError
from textclf.engine.tensor_protos import MAX_FILLED, TensorProtos, read_tensor, type_name, write_tensor

DTYPES = [
    *(np.float16, np.float32, np.float64, np.complex64, np.complex128, np.bool_),
    *(np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
NUMBERS = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, SHAPES))
STRINGS = SHAPES.flatmap(lambda shape: hnp.arrays(object, shape, elements=st.binary(max_size=5), fill=st.nothing()))


def proto_of(dtype: int, shape: list[int], **values: Any) -> TensorProto:
    proto = TensorProto(dtype=dtype, **values)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


@given(NUMBERS | STRINGS)
def test_what_is_written_is_read(array: np.ndarray) -> None:
    np.testing.assert_array_equal(read_tensor(write_tensor(array)), array, strict=True)


@given(NUMBERS | STRINGS)
def test_tensorflow_reads_what_is_written(array: np.ndarray) -> None:
    proto = write_tensor(array)
    np.testing.assert_array_equal(tf.make_ndarray(proto), array, strict=True)
    assert type_name(array) == types_pb2.DataType.Name(proto.dtype)


@given(NUMBERS | STRINGS)
def test_what_tensorflow_writes_is_read(array: np.ndarray) -> None:
    """As `tensor_content` if there are several, else in the field of its dtype; equal values as one of them."""
    np.testing.assert_array_equal(read_tensor(tf.make_tensor_proto(array)), array, strict=True)


def test_bfloat16_is_read_and_written() -> None:
    array = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    assert read_tensor(write_tensor(array)).tolist() == array.tolist()
    assert tf.make_ndarray(write_tensor(array)).tolist() == array.tolist()


@pytest.mark.parametrize(
    ("proto", "values"),
    [
        (proto_of(types_pb2.DT_FLOAT, [3], float_val=[1, 2]), [1, 2, 2]),
        (proto_of(types_pb2.DT_FLOAT, [2]), [0, 0]),
        (proto_of(types_pb2.DT_STRING, [2]), [b"", b""]),
        (proto_of(types_pb2.DT_STRING, [], string_val=[b"a", b"b"]), b"a"),
        (proto_of(types_pb2.DT_UINT8, [2], int_val=[300, -1]), [44, 255]),
        (proto_of(types_pb2.DT_COMPLEX64, [2], scomplex_val=[1, 2, 3]), [1 + 2j, 1 + 2j]),
        (proto_of(types_pb2.DT_STRING, [2], tensor_content=b"\x01\x02abc"), [b"a", b"bc"]),
        (proto_of(types_pb2.DT_BOOL, [3], tensor_content=b"\x00\x01\x07"), [False, True, True]),
        (proto_of(types_pb2.DT_FLOAT, [0, 1 << 40]), []),
    ],
)
def test_values_that_lack_or_are_too_many(proto: TensorProto, values: Any) -> None:
    """As `Tensor::FromProto`: the last one goes on, or zero; what is too much falls away."""
    assert read_tensor(proto).tolist() == values


@pytest.mark.parametrize(
    "proto",
    [
        proto_of(types_pb2.DT_INVALID, [1], float_val=[1]),
        proto_of(types_pb2.DT_RESOURCE, [1]),
        proto_of(types_pb2.DT_FLOAT_REF, [1], float_val=[1]),
        proto_of(types_pb2.DT_FLOAT, [-1], float_val=[1]),
        proto_of(types_pb2.DT_FLOAT, [1] * 300, float_val=[1]),
        proto_of(types_pb2.DT_FLOAT, [(1 << 63) - 1] * 3, float_val=[1]),
        proto_of(types_pb2.DT_FLOAT, [0, 1 << 62, 8]),
        proto_of(types_pb2.DT_FLOAT, [2], tensor_content=b"1234567"),
        proto_of(types_pb2.DT_STRING, [2], tensor_content=b"\x01"),
        proto_of(types_pb2.DT_STRING, [2], tensor_content=b"\x01\x02ab"),
        proto_of(types_pb2.DT_STRING, [1], tensor_content=b"\xff" * 12),
        proto_of(types_pb2.DT_STRING, [1 << 40], tensor_content=b"\x01"),
    ],
)
def test_what_is_no_tensor_is_refused(proto: TensorProto) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_tensor(proto)
    with pytest.raises(RequestError, match=r"^tensor parsing error: text$") as caught:
        TensorProtos({"text": proto})["text"]
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("dtype", "values", "most"),
    [
        (types_pb2.DT_INT8, {"int_val": [1]}, MAX_FILLED + 1),
        (types_pb2.DT_DOUBLE, {}, MAX_FILLED // 8),
        (types_pb2.DT_STRING, {}, MAX_FILLED // 24),
        (types_pb2.DT_STRING, {"string_val": [bytes(1000)]}, MAX_FILLED // 1024 + 1),
    ],
)
def test_what_is_only_claimed_is_not_allocated(dtype: int, values: dict[str, Any], most: int) -> None:
    """A long string that stands for all others counts as often as it would be copied."""
    assert read_tensor(proto_of(dtype, [most], **values)).size == most
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="must send them"):
            read_tensor(proto_of(dtype, [most + 1], **values))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=60))
def test_any_bytes_are_a_tensor_or_refused(body: bytes) -> None:
    try:
        proto = TensorProto.FromString(body)
    except DecodeError:
        return
    try:
        read_tensor(proto)
    except ValueError as error:
        assert str(error)


def test_a_tensor_of_another_dtype_is_not_written() -> None:
    with pytest.raises(ValueError, match="no tensor of dtype datetime64"):
        write_tensor(np.zeros(1, "datetime64[s]"))
    assert type_name(np.zeros(1, "datetime64[s]")) == "DT_INVALID"


def test_an_alias_that_is_not_there_is_not_made() -> None:
    proto = tf.compat.v1.MetaGraphDef().signature_def["a"]
    tensors = TensorProtos(proto.defaults)
    with pytest.raises(KeyError):
        tensors["text"]
    assert (len(tensors), list(tensors), "text" in tensors) == (0, [], False)
