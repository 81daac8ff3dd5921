"""Rows and columns of JSON become a signature's tensors; what does not is refused in TensorFlow Serving's words."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from textclf.engine.errors import Code, RequestError
from textclf.server.rapidjson import parse
from textclf.server.tensors import column_feeds, row_feeds

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
BYTES = {"x": TensorInfo(dtype=types_pb2.DT_STRING)}


def inputs(**dtypes: str) -> dict[str, TensorInfo]:
    return {name: TensorInfo(dtype=types_pb2.DataType.Value(f"DT_{dtype.upper()}")) for name, dtype in dtypes.items()}


def rows(body: str, **dtypes: str) -> dict[str, Any]:
    return {name: tensor.tolist() for name, tensor in row_feeds(parse(body.encode()), inputs(**dtypes)).items()}


def columns(body: str, **dtypes: str) -> dict[str, Any]:
    return {name: tensor.tolist() for name, tensor in column_feeds(parse(body.encode()), inputs(**dtypes)).items()}


@given(st.lists(TEXTS, min_size=1))
def test_rows_are_columns_and_named_rows(texts: list[str]) -> None:
    expected = [text.encode() for text in texts]
    for body in (texts, [{"x": text} for text in texts]):
        assert row_feeds(parse(json.dumps(body).encode()), BYTES)["x"].tolist() == expected
    assert column_feeds(texts, BYTES)["x"].tolist() == column_feeds({"x": texts}, BYTES)["x"].tolist() == expected


@given(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3))
def test_shapes_are_those_of_the_lists(first: int, second: int, count: int) -> None:
    row = np.arange(first * second).reshape(first, second)
    values = np.stack([row] * count)
    tensor = row_feeds(parse(json.dumps(values.tolist()).encode()), inputs(x="int64"))["x"]
    # What is within an empty list is not known.
    np.testing.assert_array_equal(tensor, values if first else np.zeros((count, 0)))
    assert tensor.dtype == np.int64


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("float", "[1, 2.5, NaN, -Infinity, 1e300, 16777216]", [1.0, 2.5, np.nan, -np.inf, np.inf, 16777216.0]),
        ("double", "[1, 9007199254740992]", [1.0, 2.0**53]),
        ("int32", "[2147483647]", [2**31 - 1]),
        ("int8", "[1, 300, -1]", [1, 44, -1]),
        ("uint32", "[4294967295]", [2**32 - 1]),
        ("uint64", "[18446744073709551615, 0]", [2**64 - 1, 0]),
        ("bool", "[true, false]", [True, False]),
        (
            "string",
            '["é", {"b64": "/w"}, {"b64": " /w==\\n"}, {"b64": "/w.."}]',
            ["é".encode(), b"\xff", b"\xff", b"\xff"],
        ),
    ],
)
def test_dtypes(dtype: str, values: str, expected: list[Any]) -> None:
    for feeds in (rows(values, x=dtype), columns(values, x=dtype)):
        np.testing.assert_array_equal(feeds["x"], expected)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("float", "16777217"),
        ("float", '"1"'),
        ("float", "true"),
        ("double", "9007199254740993"),
        ("int32", "2147483648"),
        ("uint32", "-1"),
        ("uint64", "18446744073709551616"),
        ("int64", "true"),
        ("bool", "1"),
        ("bool", '{"b64": ""}'),
        ("string", "null"),
        ("string", '{"b64": "", "b64": ""}'),
        ("string", '{"b64": 5}'),
    ],
)
def test_values_of_another_kind_are_refused(dtype: str, value: str) -> None:
    with pytest.raises(RequestError, match=f"Type: .* is not of expected type: {dtype}$") as raised:
        columns(f'{{"x": [{value}]}}', x=dtype)
    assert raised.value.code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "text", ["!", "a", "aa=", "aa===", "a=a=", "aa==aa", "aaaa=", "aaaa====", "=", "====", "\\u0000", "é"]
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="Unable to base64 decode"):
        columns(f'[{{"b64": "{text}"}}]', x="string")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('[["a", ["b"]]]', "Error: INVALID_ARGUMENT: Encountered list at unexpected level: 2 expected < 1"),
        (
            '[[["a"], "b"]]',
            'JSON Value: "b" found at incorrect level: 1 in the JSON DOM. Expected at level: 2',
        ),
        (
            '[[["a"], ["b", "c"]]]',
            "Error: INVALID_ARGUMENT: Encountered list at unexpected size: 2 at level: 1 expected size: 1",
        ),
        (
            '[[["a", "b"]], [["a"], ["b"]]]',
            "Error: INVALID_ARGUMENT: Expecting tensor shape: dim {\n  size: 1\n}\ndim {\n  size: 2\n}\n"
            " but got: dim {\n  size: 2\n}\ndim {\n  size: 1\n}\n",
        ),
        ("[" * 80 + '"a"' + "]" * 80, "Error: INVALID_ARGUMENT: tensor parsing error: x"),
    ],
)
def test_lists_of_other_shapes_are_refused(body: str, message: str) -> None:
    with pytest.raises(RequestError) as raised:
        rows(body, x="string")
    assert raised.value.message.endswith(message)


def test_too_few_values_are_filled_up_as_in_a_proto() -> None:
    assert columns('["a", []]', x="string") == {"x": [b"a", b"a"]}


def test_the_values_of_a_key_that_is_repeated_in_a_row_are_cut_as_in_a_proto() -> None:
    assert rows('[{"x": "a", "x": "b"}, {"x": "c"}]', x="string") == {"x": [b"a", b"b"]}


def test_a_dtype_without_values_in_json() -> None:
    with pytest.raises(RequestError, match="Conversion of JSON Value: 1 to type: half") as raised:
        columns("[1]", x="half")
    assert raised.value.code == Code.UNIMPLEMENTED
    with pytest.raises(RequestError, match="Error: UNIMPLEMENTED: Conversion of JSON Value: 1") as raised:
        rows("[1]", x="half")
    assert raised.value.code == Code.INVALID_ARGUMENT


def test_an_empty_column() -> None:
    assert column_feeds([], BYTES)["x"].shape == (0,)
    assert column_feeds("a", BYTES)["x"].shape == ()
