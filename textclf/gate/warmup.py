"""The warm-up records of a version, read as TensorFlow Serving reads them before it serves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from textclf.errors import ExportError, refusal
from textclf.savedmodel.golden import DTYPES, Request
from textclf.savedmodel.signatures import EXAMPLES, SERVING_DEFAULT

MOST_RECORDS = 1000
"""TensorFlow Serving refuses a version with more."""


def read_warmup(path: Path) -> list[Request]:
    """Return the requests of an uncompressed TFRecord file of `PredictionLog`, with the answers that it may hold.

    Raises:
        ExportError: It is missing or damaged, holds no record or too many, or one that no server takes.
    """
    if not path.is_file():
        raise ExportError(f"'{path.name}' is missing: the first requests to a new version would be slow.")
    requests = []
    for number, record in enumerate(_records(path), start=1):
        if number > MOST_RECORDS:
            raise ExportError(
                f"'{path.name}' holds more than {MOST_RECORDS:,} records: the server refuses the version."
            )
        try:
            requests.append(_request(_parse(record)))
        except (ValueError, TypeError) as error:
            raise ExportError(f"'{path.name}', record {number}: {error}. The server refuses the version.") from error
    if not requests:
        raise ExportError(f"'{path.name}' holds no record: the first requests to a new version would be slow.")
    return requests


def _records(path: Path) -> Iterator[bytes]:
    try:
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    except tf.errors.OpError as error:
        raise ExportError(f"'{path.name}' is no uncompressed TFRecord file, or damaged: {error.message}.") from error
    except OSError as error:
        raise ExportError(f"'{path.name}' cannot be read: {refusal(error)}.") from error


def _parse(record: bytes) -> Any:
    try:
        from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
    except ImportError as error:
        raise ExportError(f"Warm-up records need `pip install --no-deps tensorflow-serving-api` ({error}).") from error
    from google.protobuf.message import DecodeError

    try:
        return PredictionLog.FromString(record)
    except DecodeError:
        raise ValueError("it is no PredictionLog") from None


def _request(log: Any) -> Request:
    """Return the request of a record; `ValueError` or `TypeError` for one that cannot be asked."""
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        inputs = {name: _tensor(name, value) for name, value in request.inputs.items()}
    elif kind in ("classify_log", "regress_log"):
        request = getattr(log, kind).request
        inputs = {EXAMPLES: _examples(request.input)}
    else:
        raise ValueError(f"expected a record of predict, classify or regress, got {kind or 'none'}")
    return Request(request.model_spec.signature_name or SERVING_DEFAULT, inputs, {})


def _tensor(name: str, proto: Any) -> NDArray[Any]:
    tensor: NDArray[Any] = tf.make_ndarray(proto)
    if tensor.dtype not in DTYPES.values():
        raise TypeError(f"the input '{name}' is {tensor.dtype}; expected one of {sorted(DTYPES)}")
    return tensor


def _examples(given: Any) -> NDArray[Any]:
    """Return the serialized examples of an `Input`; those of a context are merged with it, as the server does."""
    if given.WhichOneof("kind") == "example_list_with_context":
        context, listed = given.example_list_with_context.context, given.example_list_with_context.examples
    else:
        context, listed = None, given.example_list.examples
    examples = np.empty(len(listed), object)
    for position, example in enumerate(listed):
        whole = tf.train.Example()
        if context is not None:
            whole.MergeFrom(context)
        whole.MergeFrom(example)
        examples[position] = whole.SerializeToString()
    return examples
