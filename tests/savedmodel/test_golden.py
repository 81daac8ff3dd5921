"""Golden requests: written and read back without a difference, and refused with one kind of error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from textclf.errors import ExportError
from textclf.savedmodel.golden import Request, decode_tensor, encode_tensor, read_golden, write_golden

SHAPES = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
TENSORS = st.one_of(
    arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_nan=False)),
    arrays(np.int64, SHAPES),
    arrays(object, SHAPES, elements=st.binary(max_size=6) | st.text(max_size=4).map(str.encode)),
)


def check_equal(found: Any, wanted: Any) -> None:
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    assert found.tolist() == wanted.tolist()


@given(TENSORS)
def test_a_tensor_is_the_same_after_json(tensor: Any) -> None:
    check_equal(decode_tensor(encode_tensor(tensor)), tensor)


@given(tensors=st.lists(TENSORS, min_size=2, max_size=3))
def test_requests_are_the_same_after_a_file(tensors: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("golden") / "golden.json"
    first, *rest = tensors
    request = Request("scores", {"text": first}, {f"out{number}": tensor for number, tensor in enumerate(rest)})
    write_golden(path, [request, request], tolerance=0.05)
    golden = read_golden(path)
    assert golden.tolerance == 0.05 and len(golden.requests) == 2
    for found in golden.requests:
        assert found.signature == "scores"
        check_equal(found.inputs["text"], first)
        for name, tensor in request.outputs.items():
            check_equal(found.outputs[name], tensor)


def test_text_stays_readable_and_bytes_become_base64() -> None:
    values = np.array(["体育\n".encode(), b"\x0a\x03\x01ab", b"\xff"], object)
    assert encode_tensor(values)["values"] == ["体育\n", {"b64": "CgMBYWI="}, {"b64": "/w=="}]
    assert encode_tensor(np.array(["plain"], object))["values"] == ["plain"]


@pytest.mark.parametrize("tensor", [np.float64([1]), np.array(["a"]), np.array([None], object)])
def test_a_tensor_of_another_kind_is_refused(tensor: Any) -> None:
    with pytest.raises(TypeError, match="expected a tensor of float32, int64 or bytes, got"):
        encode_tensor(tensor)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda values: (
        st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(["dtype", "shape", "values"]), values)
    ),
    max_leaves=8,
)


@given(value=JSON, dtype=st.sampled_from(["string", "float32", "int64", "half"]), shape=JSON)
def test_whatever_a_file_holds_is_read_or_refused(
    value: Any, dtype: str, shape: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import json

    path = tmp_path_factory.mktemp("golden") / "golden.json"
    tensor = {"dtype": dtype, "shape": shape, "values": value}
    request = {"signature": "s", "inputs": {"a": tensor}, "outputs": {}}
    path.write_text(json.dumps({"format": 1, "tolerance": 0.1, "requests": [request]}), encoding="utf-8")
    try:
        tensor_read = read_golden(path).requests[0].inputs["a"]
    except ExportError as error:
        assert "cannot be read" in str(error)
    else:
        assert list(tensor_read.shape) == shape


@pytest.mark.parametrize("content", [None, b"\xff", b"[]", b'{"format": 2}', b"{" * 100_000])
def test_a_damaged_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExportError, match=r"golden\.json' cannot be read \(\w+: .*\)\. Export the run again\."):
        read_golden(path)
