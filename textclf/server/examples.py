"""A classify or regress request in JSON as serialized `tf.train.Example`s: as TensorFlow Serving's `json_tensor.cc`."""

from typing import Any

from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.example.feature_pb2 import Feature

from textclf.engine.errors import RequestError, invalid
from textclf.server.pretty import quote
from textclf.server.rapidjson import pairs_of
from textclf.server.values import decoded, is_base64, kind_of


def examples_of(request: dict[str, Any]) -> list[bytes]:
    """Return the examples of a request, each with the features of its context.

    Args:
        request: The parsed request, with `examples` and perhaps `context`.

    Returns:
        Serialized protos; a feature of an example goes before one of the context.

    Raises:
        RequestError: INVALID_ARGUMENT for what are no examples.

    Example:
        >>> Example.FromString(examples_of({"examples": [{"text": "a", "length": 1}]})[0]).features.feature["length"]
        int64_list {
          value: 1
        }
        <BLANKLINE>
    """
    context = b""
    if "context" in request:
        context = _example(request["context"])
    if "examples" not in request:
        raise _refused(request, "When method is classify, key 'examples' is expected and was not found")
    examples = request["examples"]
    if not isinstance(examples, list):
        raise _refused(request, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise _refused(request, "'examples' value is an empty array")
    # What is serialized one after the other is read as merged.
    return [context + _example(example) for example in examples]


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {kind_of(value)}")
    example = Example()
    for name, content in pairs_of(value):
        # A name goes into a string of the proto, which holds no other bytes than UTF-8.
        feature = example.features.feature[name.encode("utf-8", "replace").decode()]
        for item in content if isinstance(content, list) else [content]:
            _add(feature, name, item)
    return bytes(example.SerializeToString())


def _add(feature: Feature, name: str, value: Any) -> None:
    """Add a value to the list of a feature; all are of the kind of the first."""
    if isinstance(value, str):
        _list(feature, name, "bytes_list").append(value.encode("utf-8", "surrogateescape"))
    elif is_base64(value):
        _list(feature, name, "bytes_list").append(decoded(value))
    elif isinstance(value, float):
        _list(feature, name, "float_list").append(value)
    elif isinstance(value, int) and value < 2**63:
        _list(feature, name, "int64_list").append(int(value))
    else:
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {kind_of(value)}")


def _list(feature: Feature, name: str, kind: str) -> Any:
    present = feature.WhichOneof("kind")
    if present not in (None, kind):
        raise invalid(f"Feature: {name} expecting type: {present.removesuffix('_list').upper()}")
    return getattr(feature, kind).value


def _refused(request: dict[str, Any], reason: str) -> RequestError:
    return invalid(f"JSON Value: {quote(request)} {reason}")
