"""The warm-up records of a version, replayed before it is served: the first client must not pay for first calls.

As `saved_model_warmup.cc` does it: records of all kinds, each with the checks of a request, and the first that fails
makes the load fail.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from textclf.engine import inference
from textclf.engine.errors import Code, RequestError
from textclf.engine.examples import serialized_examples
from textclf.engine.files import reading
from textclf.engine.servable import Servable
from textclf.engine.tensor_protos import TensorProtos
from textclf.savedmodel.files import WARMUP_FILE

if TYPE_CHECKING:
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

MOST_RECORDS = 1000
"""TensorFlow Serving refuses a version with more."""


def warm_up(servable: Servable, folder: str) -> int:
    """Ask a version all that its warm-up file holds, if it has one.

    Args:
        servable: The version.
        folder: Where it was loaded from.

    Returns:
        The number of records.

    Raises:
        RequestError: A record fails, with what a client would have got to read; there are too many; or the file is
            damaged.
    """
    path, count = f"{folder}/{WARMUP_FILE}", 0
    with reading():
        if not tf.io.gfile.exists(path):
            return 0
    for record in _records(path):
        log = _parse(record, path)
        _replay(servable, log)
        count += 1
        if count > MOST_RECORDS:
            raise RequestError(
                Code.INVALID_ARGUMENT, f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {path}"
            )
    return count


def _records(path: str) -> Iterator[bytes]:
    """Yield the records of an uncompressed TFRecord file."""
    with reading(". Please verify your warmup data is in TFRecord format."):
        yield from tf.data.TFRecordDataset(path).as_numpy_iterator()


def _parse(record: bytes, path: str) -> "PredictionLog":
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    try:
        return PredictionLog.FromString(record)
    except DecodeError:
        # TensorFlow Serving quotes the record, whatever bytes it is made of.
        raise RequestError(Code.INVALID_ARGUMENT, f"Failed to parse warmup record: from {path}") from None


def _replay(servable: Servable, log: "PredictionLog") -> None:
    kind = log.WhichOneof("log_type")
    if kind is None:  # passes there too
        return
    if kind not in _KINDS:
        number = type(log).DESCRIPTOR.fields_by_name[kind].number
        raise RequestError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
    work = _KINDS[kind](servable, getattr(log, kind).request)
    try:
        work.send(None)  # nothing in it waits, so it ends here, in a thread with an event loop too
    except StopIteration:
        return


class _Inline:
    """A runner that runs at once, in the thread that asks."""

    async def run(
        self, servable: Servable, signature: str, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        return servable.run(signature, feeds, outputs)


def _predict(servable: Servable, request: Any) -> Coroutine[Any, Any, Any]:
    feeds = TensorProtos(request.inputs)
    return inference.predict(_Inline(), servable, request.model_spec.signature_name, feeds, request.output_filter)


def _classify(servable: Servable, request: Any) -> Coroutine[Any, Any, Any]:
    examples = serialized_examples(request.input)
    return inference.classify(_Inline(), servable, request.model_spec.signature_name, examples)


def _regress(servable: Servable, request: Any) -> Coroutine[Any, Any, Any]:
    examples = serialized_examples(request.input)
    return inference.regress(_Inline(), servable, request.model_spec.signature_name, examples)


def _multi_inference(servable: Servable, request: Any) -> Coroutine[Any, Any, Any]:
    examples = serialized_examples(request.input)
    return inference.multi_inference(_Inline(), servable, inference.tasks_of(request), examples)


_KINDS: dict[str, Callable[[Servable, Any], Coroutine[Any, Any, Any]]] = {
    "predict_log": _predict,
    "classify_log": _classify,
    "regress_log": _regress,
    "multi_inference_log": _multi_inference,
}
