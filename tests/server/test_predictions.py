"""Tensors are written in the layout of the recorded replies, and say what they hold."""

import base64
import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from recorded import EXCHANGES

from textclf.engine.errors import Code, RequestError
from textclf.server.predictions import classifications_json, columns_json, regressions_json, rows_json

RECORDED = [exchange["reply_text"] for exchange in EXCHANGES if exchange.get("reply_text", "").startswith("{")]
SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)


def tensor(values: Any) -> Any:
    """Return the tensor that a recorded value was written of."""
    if "b64" in json.dumps(values):
        return np.array([base64.b64decode(value["b64"]) for value in values], object)
    kinds = {str: object, float: np.float32, int: np.int64, bool: bool}
    first = values
    while isinstance(first, list):
        first = first[0]
    encoded = [value.encode() for value in values] if isinstance(first, str) else values
    return np.array(encoded, kinds[type(first)])


@pytest.mark.parametrize("text", RECORDED, ids=lambda text: text[6:20])
def test_the_layout_is_that_of_the_recorded_replies(text: str) -> None:
    reply = json.loads(text)
    if "outputs" in reply:
        written = columns_json({name: tensor(values) for name, values in reply["outputs"].items()})
    else:
        rows = reply["predictions"]
        written = rows_json({name: tensor([row[name] for row in rows]) for name in rows[0]})
    assert written.decode() == text


@given(arrays.arrays(np.float32, SHAPES))
@example(np.array([0.0, -0.0, 1.0, 1e9, 1e10, 16777216, 0.1, 3e-5, np.nan, np.inf, -np.inf, 1e-45], np.float32))
def test_floats_come_back(values: Any) -> None:
    read = json.loads(columns_json({"x": values}))["outputs"]
    np.testing.assert_array_equal(np.array(read, np.float32).reshape(values.shape), values)
    flat = np.array(read, object).ravel().tolist() if values.size else []
    assert {type(value) for value in flat} <= {float}


@given(
    arrays.arrays(np.float64, SHAPES)
    | arrays.arrays(np.int64, SHAPES)
    | arrays.arrays(np.uint8, SHAPES)
    | arrays.arrays(np.bool_, SHAPES)
)
def test_other_numbers_come_back(values: Any) -> None:
    read = json.loads(columns_json({"x": values}))["outputs"]
    np.testing.assert_array_equal(np.array(read, values.dtype).reshape(values.shape), values)
    if len(values):
        rows = json.loads(rows_json({"x": values, "y": values}))["predictions"]
        np.testing.assert_array_equal(np.array([row["y"] for row in rows], values.dtype).reshape(values.shape), values)


@given(st.lists(st.binary(), min_size=1))
def test_bytes_come_back(values: list[bytes]) -> None:
    strings = np.array(values, object)
    for name in ("text", "text_bytes"):
        for body in (rows_json({name: strings}), columns_json({name: strings})):
            (read,) = json.loads(body.decode("utf-8", "surrogateescape")).values()
            back = [
                base64.b64decode(value["b64"]) if name.endswith("_bytes") else value.encode("utf-8", "surrogateescape")
                for value in read
            ]
            assert back == values


def test_floats_have_the_digits_of_tensorflow() -> None:
    values = np.array([0.1, 1 / 3, 1.0, 2.5e-8, 1e10, 0.721778214], np.float32)
    assert regressions_json(values.tolist()).decode() == (
        '{\n    "results": [0.1, 0.333333343, 1.0, 2.5e-08, 1e+10, 0.721778214\n    ]\n}'
    )


def test_labels_are_written_as_they_are() -> None:
    body = classifications_json([[('a"', 0.5)], [("\udcff", 1.0)]])
    assert body == b'{\n    "results": [[["a\\"", 0.5]], [["\xff", 1.0]]\n    ]\n}'


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"a": np.zeros(())}, "Tensor name: a has no shape information "),
        ({"a": np.zeros(0)}, "Tensor name: a has invalid batch size: 0"),
        ({"a": np.zeros(1), "b": np.zeros(2)}, "Tensor name: b has inconsistent batch size: 2 expecting: 1"),
    ],
)
def test_outputs_without_rows_are_refused(outputs: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as raised:
        rows_json(outputs)
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, message)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.complex64])
def test_dtypes_that_json_does_not_have(dtype: Any) -> None:
    with pytest.raises(RequestError, match="cannot be written as JSON") as raised:
        columns_json({"a": np.zeros(1, dtype)})
    assert raised.value.code == Code.UNIMPLEMENTED
