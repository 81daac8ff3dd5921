"""The batching file of a version, `batching_params.pbtxt`, read as strictly as TensorFlow Serving reads it.

The server parses it as `tensorflow.serving.BatchingParameters` (`session_bundle_config.proto`) when it is started with
`--enable_batching` and `--enable_per_model_batching_parameters`, and ends with an error if it cannot. No package brings
that message to Python; it is made here from its fields.
"""

import itertools
from functools import cache
from pathlib import Path
from typing import Any

from textclf.errors import ExportError, refusal
from textclf.savedmodel.files import BATCHING_FILE

_WRAPPED = {
    1: ("max_batch_size", "Int64Value"),
    2: ("batch_timeout_micros", "Int64Value"),
    3: ("max_enqueued_batches", "Int64Value"),
    4: ("num_batch_threads", "Int64Value"),
    5: ("thread_pool_name", "StringValue"),
    8: ("enable_large_batch_splitting", "BoolValue"),
    9: ("max_execution_batch_size", "Int64Value"),
}
"""The fields of `BatchingParameters` that are written `name { value: … }`, by their numbers."""

_POSITIVE = ("max_batch_size", "max_enqueued_batches", "num_batch_threads", "max_execution_batch_size")


def check_batching(path: Path, ids: bool) -> list[str]:
    """Return what is wrong with a batching file; a sentence each, empty if nothing.

    Args:
        path: The file.
        ids: Whether a signature takes something else than strings: those may not be padded to one length.
    """
    try:
        parameters = _parsed(path)
    except ExportError as error:
        return [str(error)]
    return [f"'{path.name}': {problem}." for problem in batching_problems(parameters, ids)]


def allowed_batch_sizes(path: Path) -> list[int]:
    """Return the sizes that the server fills batches up to; none if the file names none, or cannot be read."""
    try:
        return list(_parsed(path).allowed_batch_sizes)
    except ExportError:
        return []


def _parsed(path: Path) -> Any:
    """Return the `BatchingParameters` of a file; `ExportError` with a finding if there are none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ExportError(
            f"'{path.name}' is missing: the server would batch this version with its own defaults."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"'{path.name}' cannot be read: {refusal(error)}.") from None
    return parse_batching(text, path.name)


def parse_batching(text: str, name: str = BATCHING_FILE) -> Any:
    """Return the `tensorflow.serving.BatchingParameters` of a file's text.

    Raises:
        ExportError: It is none.
    """
    from google.protobuf import text_format

    try:
        return text_format.Parse(text, _message_class()())
    except text_format.ParseError as error:
        line = f", line {error.GetLine()}" if error.GetLine() else ""
        said = (str(error).partition(" : ")[2] or str(error)).strip().rstrip(".")
        raise ExportError(f"'{name}'{line}: {said}. TensorFlow Serving would not read it either.") from None


def batching_problems(parameters: Any, ids: bool) -> list[str]:
    """Return what contradicts itself, or what the server takes; `ids` as for `check_batching`."""
    problems = [
        f"{name}: expected at least 1, got {value}"
        for name in _POSITIVE
        if parameters.HasField(name) and (value := getattr(parameters, name).value) < 1
    ]
    timeout = parameters.batch_timeout_micros.value
    if timeout < 0:
        problems.append(f"batch_timeout_micros: expected at least 0, got {timeout}")
    problems += _size_problems(parameters)
    if parameters.pad_variable_length_inputs and ids:
        problems.append(
            "pad_variable_length_inputs pads token ids with the first one of a text, which changes its answer. "
            "Leave it out"
        )
    return problems


def _size_problems(parameters: Any) -> list[str]:
    sizes = list(parameters.allowed_batch_sizes)
    if not sizes:
        return []
    problems = []
    if sizes[0] < 1 or any(first >= second for first, second in itertools.pairwise(sizes)):
        problems.append(f"allowed_batch_sizes: expected sizes from 1 on that increase, got {sizes}")
    limits = ["max_batch_size"]
    if parameters.enable_large_batch_splitting.value:
        limits.append("max_execution_batch_size")
    for name in limits:
        limit = getattr(parameters, name).value if parameters.HasField(name) else "none"
        if limit != sizes[-1]:
            problems.append(f"the last of allowed_batch_sizes must be {name}: expected {limit}, got {sizes[-1]}")
    return problems


@cache
def _message_class() -> Any:
    """Return the class of `BatchingParameters`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

    file = descriptor_pb2.FileDescriptorProto(name="textclf/batching_parameters.proto", package="tensorflow.serving")
    file.syntax = "proto3"
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="BatchingParameters")
    kinds = descriptor_pb2.FieldDescriptorProto
    for number, (name, wrapper) in _WRAPPED.items():
        field = message.field.add(name=name, number=number, label=kinds.LABEL_OPTIONAL, type=kinds.TYPE_MESSAGE)
        field.type_name = f".google.protobuf.{wrapper}"
    message.field.add(name="allowed_batch_sizes", number=6, label=kinds.LABEL_REPEATED, type=kinds.TYPE_INT64)
    message.field.add(name="pad_variable_length_inputs", number=7, label=kinds.LABEL_OPTIONAL, type=kinds.TYPE_BOOL)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.BatchingParameters"))
