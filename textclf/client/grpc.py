"""A client for TensorFlow Serving's gRPC interface. It imports TensorFlow, for the stubs need it."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from textclf.client.advice import GRPC
from textclf.client.cache import AnswerCache, identity
from textclf.client.core import BATCH_SIZE, DEADLINE, Core, Texts
from textclf.client.errors import ServingError
from textclf.client.results import TEXT, TEXT_PAIR, Metadata, Prediction, VersionStatus
from textclf.client.retries import Retries
from textclf.client.steps import Answer, Ask, Failure, Outcome, Plan, Refusal, Row, Send, Together, Told, Wait
from textclf.optional import import_optional
from textclf.startup import import_tensorflow

T = TypeVar("T")

SERVER = "127.0.0.1:8500"

_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""The HTTP status that stands for a code, as the server's REST interface has it; 500 for all others."""

_UNREACHABLE = re.compile(r"failed to connect|DNS resolution failed|socket closed|connection reset", re.IGNORECASE)
"""What gRPC itself says, by the same code by which a server says that it is not ready."""

_STRANGE = re.compile(r"Expected SETTINGS frame as the first frame|WRONG_VERSION_NUMBER|missing selected ALPN property")
"""What gRPC itself says of what does not answer by HTTP/2, or TLS. A connection that just ends may be anybody's."""

_TOO_LARGE = re.compile(r"message larger than max", re.IGNORECASE)
"""What gRPC itself says, by the same code by which a server says that it has no room."""

# After a connection that failed, gRPC refuses all calls for so long; by itself it would be longer than ours wait.
_CHANNEL_OPTIONS = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 2000)]


class GrpcClient:
    """Asks a served model as `Client` does, with the same answers, over gRPC. Threads may share one.

    Args:
        server: The server's host and port, such as `127.0.0.1:8500`.
        model: The model's name.
        api_key: Sent as metadata, `authorization: Bearer KEY`; do not send one without TLS to other machines.
        tls: Whether the connection is encrypted; or the PEM file of the authorities to trust, if not the usual ones.
        batch_size: Texts a request; longer lists go in several, one after another. All that follows is as of `Client`.
        deadline: Seconds that a call may take.
        retries: How requests are tried again.
        cache: Where answers are kept.

    Raises:
        DataError: What it needs is not installed.
        ServingError: The address, the name or the file cannot be one.
        ValueError: A number is out of its range.
    """

    def __init__(
        self,
        server: str,
        model: str,
        *,
        api_key: str | None = None,
        tls: bool | str | Path = False,
        batch_size: int = BATCH_SIZE,
        deadline: float | None = DEADLINE,
        retries: Retries | None = None,
        cache: AnswerCache | None = None,
    ) -> None:
        if "://" in server or not re.search(r":\d+$", server):
            meant = re.fullmatch(r"\w+://([\w.-]+:\d+)/?", server)
            hint = f" Did you mean {meant[1]!r}?" if meant else ""
            raise ServingError(f"server: expected a host and a port such as {SERVER}, got {server!r}.{hint}")
        self.core = Core(
            server,
            model,
            batch_size=batch_size,
            deadline=deadline,
            retries=retries,
            cache=cache,
            caller=(identity(api_key), tls),
            advice=GRPC if tls is False else replace(GRPC, plain=""),
        )
        self._metadata = [] if api_key is None else [("authorization", f"Bearer {api_key}")]
        self._grpc = import_optional("grpc", "serve", "The gRPC client")
        self._stubs = _Stubs()
        self._channel = self._open(server, tls)
        self._calls = self._stubs.calls(self._channel)

    def _open(self, server: str, tls: bool | str | Path) -> Any:
        if tls is False:
            return self._grpc.insecure_channel(server, options=_CHANNEL_OPTIONS)
        try:
            trusted = None if tls is True else Path(tls).read_bytes()
        except OSError as error:
            raise ServingError(f"tls: expected a file of certificates, got '{tls}': {error.strerror}.") from None
        return self._grpc.secure_channel(
            server, self._grpc.ssl_channel_credentials(root_certificates=trusted), options=_CHANNEL_OPTIONS
        )

    def predict(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[Prediction]:
        """Return the best labels of texts, as `Client.predict` does; so the others, each as its namesake."""
        return self._run(self.core.predict(texts, text_pairs, version, label))

    def scores(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[dict[str, float]]:
        """Return every label's score for each text, in the label vocabulary's order."""
        return self._run(self.core.scores(texts, text_pairs, version, label))

    def embed(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[list[float]]:
        """Return the embedding of each text, float32[features] as Python numbers."""
        return self._run(self.core.embed(texts, text_pairs, version, label))

    def status(self, version: int | None = None) -> list[VersionStatus]:
        """Return how the model's versions are, the newest first, or one of them."""
        return self._run(self.core.status(version))

    def metadata(self, *, version: int | None = None, label: str | None = None) -> Metadata:
        """Return which version answers, and its signatures."""
        return self._run(self.core.metadata(version, label))

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, plan: Plan[T]) -> T:
        """Do what a plan says, and return what it is for."""
        outcome: Told = None
        while True:
            try:
                step = plan.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            if isinstance(step, Wait):
                outcome = None
                time.sleep(step.seconds)
            elif isinstance(step, Together):
                outcome = self._in_turn(step.plans)
            else:
                outcome = self._send(step)

    def _in_turn(self, plans: Sequence[Plan[Any]]) -> list[Any] | Exception:
        try:
            return [self._run(plan) for plan in plans]
        except ServingError as error:
            return error

    def _send(self, step: Send) -> Outcome:
        request = self._stubs.request(step.ask, self.core.model)
        try:
            reply = self._calls[step.ask.kind](request, timeout=step.timeout, metadata=self._metadata)
        except self._grpc.RpcError as error:
            return outcome_of(error.code().name, error.details() or "")
        return Answer(self._stubs.value(step.ask, reply))


def outcome_of(code: str, details: str) -> Refusal | Failure:
    """Return what a call ended in that was not answered.

    Example:
        >>> outcome_of("RESOURCE_EXHAUSTED", "full").status
        429
    """
    if code == "UNAVAILABLE" and _UNREACHABLE.search(details):
        strange = details.startswith("failed to connect") and bool(_STRANGE.search(details))
        return Failure(details, lasting="CERTIFICATE_VERIFY_FAILED" in details, strange=strange)
    if code == "DEADLINE_EXCEEDED":
        return Failure(details, timed_out=True)
    if code == "RESOURCE_EXHAUSTED" and _TOO_LARGE.search(details):
        return Refusal(413, details)
    return Refusal(_STATUSES.get(code, 500), details)


class _Stubs:
    """Requests and replies as protocol buffers have them."""

    def __init__(self) -> None:
        import_tensorflow()
        import tensorflow as tf
        from google.protobuf import json_format
        from tensorflow_serving import apis
        from tensorflow_serving.apis import (  # noqa: F401  (attributes of `apis` from here on)
            classification_pb2,
            get_model_metadata_pb2,
            get_model_status_pb2,
            model_service_pb2_grpc,
            predict_pb2,
            prediction_service_pb2_grpc,
        )

        self._tf, self._apis, self._to_dict = tf, apis, json_format.MessageToDict

    def calls(self, channel: Any) -> dict[str, Any]:
        """Return what is called for each kind of request."""
        prediction = self._apis.prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return {
            "predict": prediction.Predict,
            "classify": prediction.Classify,
            "metadata": prediction.GetModelMetadata,
            "status": self._apis.model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus,
        }

    def request(self, ask: Ask, model: str) -> Any:
        """Return the message for what is asked of a model."""
        if ask.kind == "predict":
            request = self._apis.predict_pb2.PredictRequest()
            for name, column in zip((TEXT, TEXT_PAIR), zip(*ask.rows, strict=True), strict=False):
                request.inputs[name].CopyFrom(self._tf.make_tensor_proto(list(column), self._tf.string))
        elif ask.kind == "classify":
            request = self._apis.classification_pb2.ClassificationRequest()
            request.input.example_list.examples.extend(map(self._example, ask.rows))
        elif ask.kind == "metadata":
            request = self._apis.get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        else:
            request = self._apis.get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        request.model_spec.signature_name = ask.signature
        if ask.version is not None:
            request.model_spec.version.value = ask.version
        elif ask.label is not None:
            request.model_spec.version_label = ask.label
        return request

    def _example(self, row: Row) -> Any:
        train = self._tf.train
        texts = {name: train.Feature(bytes_list=train.BytesList(value=[text])) for name, text in _named(row).items()}
        return train.Example(features=train.Features(feature=texts))

    def value(self, ask: Ask, reply: Any) -> Any:
        """Return what a reply says, as REST's JSON has it."""
        if ask.kind == "predict":
            return rows_of({name: self._tf.make_ndarray(tensor).tolist() for name, tensor in reply.outputs.items()})
        if ask.kind == "classify":
            return [[[one.label, one.score] for one in text.classes] for text in reply.result.classifications]
        if ask.kind == "status":
            return self._to_dict(reply, preserving_proto_field_name=True).get("model_version_status", [])
        said = self._apis.get_model_metadata_pb2.SignatureDefMap()
        reply.metadata["signature_def"].Unpack(said)
        signatures = self._to_dict(said, preserving_proto_field_name=True)
        spec = {"name": reply.model_spec.name, "version": reply.model_spec.version.value}
        return {"model_spec": spec, "metadata": {"signature_def": signatures}}


def _named(row: Row) -> dict[str, bytes]:
    return dict(zip((TEXT, TEXT_PAIR), row, strict=False))


def rows_of(outputs: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Return columns as REST gives rows: objects, or values alone if there is a single output.

    Example:
        >>> rows_of({"label": [b"a", b"b"], "score": [0.5, 0.25]})
        [{'label': 'a', 'score': 0.5}, {'label': 'b', 'score': 0.25}]
        >>> rows_of({"embedding": [[1.0, 2.0]]})
        [[1.0, 2.0]]
    """
    columns = {name: _decoded(column) for name, column in outputs.items()}
    if len(columns) == 1:
        (column,) = columns.values()
        return list(column)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return [_decoded(each) for each in value] if isinstance(value, list) else value
