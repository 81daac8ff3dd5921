"""The small model over gRPC."""

from collections import deque
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from textclf.client.rest import request_of
from textclf.client.steps import Ask

from .tiny import Tiny

CODES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"} | {
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    500: "INTERNAL",
}


class Service:
    """Both services over a `Tiny`, by way of its JSON: what REST would be asked and answer."""

    def __init__(self, tiny: Tiny) -> None:
        self.tiny = tiny
        self.calls: deque[Any] = deque()
        self.metadata: dict[str, str] = {}

    def _reply(self, ask: Ask, spec: Any, context: Any) -> Any:
        self.metadata = dict(context.invocation_metadata())
        self.calls.append(ask)
        if self.tiny.faults:
            status, _ = self.tiny.faults.popleft()
            context.abort(getattr(grpc.StatusCode, CODES[status]), f"fault {status}")
        method, path, body = request_of(ask, spec.name)
        status, reply = self.tiny._reply(method, path, body or b"")
        if status != 200:
            context.abort(getattr(grpc.StatusCode, CODES[status]), reply["error"])
        return reply

    @staticmethod
    def _ask(kind: Any, spec: Any, rows: Any = ()) -> Ask:
        version = spec.version.value if spec.HasField("version") else None
        return Ask(kind, spec.signature_name, tuple(rows), version, spec.version_label or None)

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        columns = [tensor.string_val for _, tensor in sorted(request.inputs.items())]
        ask = self._ask("predict", request.model_spec, zip(*columns, strict=True))
        rows = self._reply(ask, request.model_spec, context)["predictions"]
        columns = {name: [row[name] for row in rows] for name in rows[0]} if isinstance(rows[0], dict) else {"x": rows}
        reply = predict_pb2.PredictResponse()
        for name, column in columns.items():
            dtype = tf.string if name in ("label", "labels") else tf.float32
            reply.outputs[name].CopyFrom(tf.make_tensor_proto(column, dtype))
        return reply

    def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        features = [example.features.feature for example in request.input.example_list.examples]
        rows = [tuple(row[name].bytes_list.value[0] for name in sorted(row)) for row in features]
        reply = classification_pb2.ClassificationResponse()
        for classes in self._reply(self._ask("classify", request.model_spec, rows), request.model_spec, context)[
            "results"
        ]:
            made = reply.result.classifications.add()
            for label, score in classes:
                made.classes.add(label=label, score=score)
        return reply

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        said = self._reply(self._ask("metadata", request.model_spec), request.model_spec, context)
        reply = get_model_metadata_pb2.GetModelMetadataResponse()
        json_format.ParseDict(said["model_spec"], reply.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, one in said["metadata"]["signature_def"]["signature_def"].items():
            json_format.ParseDict(one, signatures.signature_def[name])
        reply.metadata["signature_def"].Pack(signatures)
        return reply

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        said = self._reply(self._ask("status", request.model_spec), request.model_spec, context)
        return json_format.ParseDict(said, get_model_status_pb2.GetModelStatusResponse())

    HandleReloadConfigRequest = Regress = MultiInference = Predict


@contextmanager
def served(service: Service) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
