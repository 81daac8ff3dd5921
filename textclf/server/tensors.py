"""A predict request in JSON as the tensors it feeds: `util/json_tensor.cc` of TensorFlow Serving.

The values of a tensor are gathered in a flat list beside a shape, which is that of the first row, as a `TensorProto`
holds them.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from textclf.engine.errors import RequestError, invalid
from textclf.server.pretty import quote
from textclf.server.rapidjson import pairs_of
from textclf.server.values import array_of, converted, is_base64

_RANK = 64
"""The most dimensions that NumPy's arrays have."""


def row_feeds(instances: list[Any], inputs: Mapping[str, TensorInfo]) -> dict[str, NDArray[Any]]:
    """Return the tensors that a list of `instances` feeds: a row each.

    Args:
        instances: Not empty; objects with exactly the inputs' keys, or bare values where there is one input.
        inputs: The inputs of the signature, at least one.

    Returns:
        By the name of the input a tensor of its dtype, strings as object arrays of bytes, with the rows first.

    Raises:
        RequestError: INVALID_ARGUMENT, worded as TensorFlow Serving words it, for what cannot be read so.
    """
    try:
        return _plain_rows(instances, inputs)
    except RequestError:
        # Something is not plain: now the rows are looked at one by one, in the order in which errors are met.
        columns = {name: _Column(name, inputs[name].dtype) for name in sorted(inputs)}
    if _is_named(instances[0]):
        _add_objects(instances, columns)
    elif len(columns) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    else:
        _add_values(instances, *columns.values())
    return {name: column.rows(len(instances)) for name, column in columns.items()}


def column_feeds(values: Any, inputs: Mapping[str, TensorInfo]) -> dict[str, NDArray[Any]]:
    """Return the tensors that the value of `inputs` feeds: an object of tensors, or one bare tensor.

    Args:
        values: An object with the inputs' keys (others are ignored), or a bare value where there is one input.
        inputs: The inputs of the signature, at least one.

    Returns:
        As `row_feeds`; the shape is that of the lists.

    Raises:
        RequestError: INVALID_ARGUMENT, as `row_feeds`; UNIMPLEMENTED for a dtype that JSON has no values for.
    """
    if not _is_named(values):
        if len(inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        values = dict.fromkeys(inputs, values)
    feeds = {}
    for name in sorted(inputs):
        if name not in values:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        column = _Column(name, inputs[name].dtype)
        column.add(values[name])
        feeds[name] = column.whole()
    return feeds


class _Column:
    """The rows of one input, as they are added."""

    def __init__(self, name: str, dtype: int) -> None:
        self._name, self._dtype = name, dtype
        self._values: list[Any] = []
        self._size = -1  # Values in the first row.
        self._shape: tuple[int, ...] = ()  # Of the first row.

    def add(self, item: Any) -> None:
        """Add a row; it must be like the first one."""
        before, shape = len(self._values), _shape(item)
        if len(shape) >= _RANK:
            raise invalid(f"tensor parsing error: {self._name}")
        _fill(item, 0, shape, self._dtype, self._values)
        size = len(self._values) - before
        if self._size < 0:
            self._size, self._shape = size, shape
        elif size != self._size:
            raise invalid(f"Expecting tensor size: {self._size} but got: {size}")
        elif shape != self._shape:
            raise invalid(f"Expecting tensor shape: {_quoted(self._shape)} but got: {_quoted(shape)}")

    def rows(self, count: int) -> NDArray[Any]:
        """Return the rows that were added."""
        return array_of(self._values, self._dtype, (count, *self._shape))

    def whole(self) -> NDArray[Any]:
        """Return the only row that was added."""
        return array_of(self._values, self._dtype, self._shape)


def _plain_rows(instances: list[Any], inputs: Mapping[str, TensorInfo]) -> dict[str, NDArray[Any]]:
    """Return the tensors of rows that hold single values, all at once.

    Raises:
        RequestError: They are not all like that, or not all good; what it says is not meant for the client.
    """
    kinds = set(map(type, instances))
    if kinds == {dict} and all(row.keys() == inputs.keys() for row in instances):
        columns = {name: [row[name] for row in instances] for name in inputs}
    elif len(inputs) == 1 and not kinds & {list, dict}:
        columns = dict.fromkeys(inputs, instances)
    else:
        raise invalid("")
    if any(list in map(type, values) for values in columns.values()) or is_base64(instances[0]):
        raise invalid("")
    return {
        name: array_of(converted(values, inputs[name].dtype), inputs[name].dtype, (len(values),))
        for name, values in columns.items()
    }


def _add_objects(instances: list[Any], columns: dict[str, _Column]) -> None:
    for i, instance in enumerate(instances):
        if not _is_named(instance):
            raise invalid(f"Expecting object but got list at item {i} of input list")
        for name, value in pairs_of(instance):
            try:
                if name not in columns:
                    raise invalid(f"JSON object: does not have named input: {name}")
                columns[name].add(value)
            except RequestError as error:
                raise _failed(f"{i} key: {name}", error) from None
        if instance.keys() != columns.keys():
            raise invalid(
                f"Failed to process element: {i} of 'instances' list. JSON object: {quote(instance)} keys must be "
                f"equal to: {','.join(columns)}"
            )


def _add_values(instances: list[Any], column: _Column) -> None:
    for i, instance in enumerate(instances):
        if _is_named(instance):
            raise invalid(f"Expecting value/list but got object at item {i} of input list")
        try:
            column.add(instance)
        except RequestError as error:
            raise _failed(str(i), error) from None


def _is_named(value: Any) -> bool:
    """Return whether a value is an object that stands for itself, and not for bytes."""
    return isinstance(value, dict) and not is_base64(value)


def _shape(value: Any) -> tuple[int, ...]:
    """Return the lengths of nested lists, along the first element of each."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _fill(value: Any, level: int, shape: tuple[int, ...], dtype: int, values: list[Any]) -> None:
    """Add what a nested list holds to the flat list, if it has the shape."""
    rank = len(shape)
    if level > rank:
        raise invalid(f"Encountered list at unexpected level: {level} expected < {rank}")
    if not isinstance(value, list):
        if level != rank:
            raise invalid(
                f"JSON Value: {quote(value)} found at incorrect level: {level} in the JSON DOM. Expected at level: "
                f"{rank}"
            )
        values += converted([value], dtype)
        return
    if level < rank and len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    if level == rank - 1 and list not in map(type, value):
        values += converted(value, dtype)
        return
    for element in value:
        _fill(element, level + 1, shape, dtype, values)


def _quoted(shape: tuple[int, ...]) -> str:
    return "".join(f"dim {{\n  size: {size}\n}}\n" for size in shape)


def _failed(place: str, error: RequestError) -> RequestError:
    status = f"{error.code.name}: {error.message}"
    return invalid(f"Failed to process element: {place} of 'instances' list. Error: {status}")
