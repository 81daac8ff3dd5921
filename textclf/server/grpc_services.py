"""TensorFlow Serving's services of gRPC, over the same models and runner as REST."""

import asyncio
import contextvars
import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from tensorflow_serving.apis import classification_pb2 as classification
from tensorflow_serving.apis import get_model_metadata_pb2 as model_metadata
from tensorflow_serving.apis import get_model_status_pb2 as model_status
from tensorflow_serving.apis import inference_pb2 as inference_api
from tensorflow_serving.apis import model_management_pb2 as management
from tensorflow_serving.apis import (
    model_service_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.apis import predict_pb2 as prediction
from tensorflow_serving.apis import regression_pb2 as regression
from tensorflow_serving.apis.model_pb2 import ModelSpec

from textclf.engine import inference
from textclf.engine.checks import DEFAULT_SIGNATURE
from textclf.engine.errors import Code, RequestError, invalid
from textclf.engine.examples import serialized_examples
from textclf.engine.models import Models
from textclf.engine.results import Classifications, Regressions
from textclf.engine.runner import Runner, within
from textclf.engine.servable import Servable
from textclf.engine.tensor_protos import TensorProtos, write_tensor
from textclf.server.statuses import STATUSES

_LOG = logging.getLogger(__name__)
_MAX_DETAILS = 1024
"""The bytes of a message that TensorFlow Serving sends, as they go into a header (`grpc_status_util.cc`)."""

_Reply = TypeVar("_Reply")


def add_services(server: grpc.aio.Server, models: Models, runner: Runner) -> None:
    """Let a server answer `PredictionService` and `ModelService`.

    Args:
        server: One of `grpc.aio`, not started yet.
        models: What is served.
        runner: What runs it.
    """
    services = [
        (prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"], PredictionService(models, runner)),
        (model_service_pb2.DESCRIPTOR.services_by_name["ModelService"], ModelService(models)),
    ]
    server.add_generic_rpc_handlers([_handler(descriptor, servicer) for descriptor, servicer in services])


def _handler(descriptor: ServiceDescriptor, servicer: Any) -> grpc.GenericRpcHandler:
    """Return what takes the calls of a service.

    The stubs' own would log each request that is no protocol buffer, with a trace, and answer it with UNKNOWN.
    """
    methods = {
        method.name: grpc.unary_unary_rpc_method_handler(
            getattr(servicer, method.name),
            request_deserializer=functools.partial(_parse, GetMessageClass(method.input_type)),
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
        for method in descriptor.methods
    }
    return grpc.method_handlers_generic_handler(descriptor.full_name, methods)


def _parse(kind: type[Message], body: bytes) -> Message | None:
    """Return a request, or None if it is none."""
    try:
        return kind.FromString(body)
    except DecodeError:
        return None


def _answered(
    method: Callable[[Any, Any], Awaitable[_Reply]],
) -> Callable[[Any, Any, grpc.aio.ServicerContext], Awaitable[_Reply]]:
    """Return a method of a servicer that ends with a reply, or with a status that says why not.

    It ends at the client's deadline. A call that is cancelled, there or by the client, is cancelled down to the runner.
    """

    @functools.wraps(method)
    async def answer(self: Any, request: Any, context: grpc.aio.ServicerContext) -> _Reply:
        try:
            if request is None:
                raise RequestError(Code.INTERNAL, "The request cannot be parsed")
            return await within(context.time_remaining(), method(self, request))
        except RequestError as error:
            code, message = error.code, error.message
        except Exception:
            _LOG.exception("%s failed", method.__name__)
            code, message = Code.INTERNAL, "The server failed at this request; its log says more"
        finally:
            del request  # gRPC keeps what `abort` raises, with its frames, in a ring that the collector finds late
        return await _refuse(context, code, message)

    return answer


async def _refuse(context: grpc.aio.ServicerContext, code: Code, message: str) -> Any:
    """End a call with a status; it raises, and so never returns."""
    details = message.encode("utf-8", "replace")
    if len(details) > _MAX_DETAILS:
        details = details[:_MAX_DETAILS] + b"...TRUNCATED"
    return await context.abort(STATUSES[code], details.decode("utf-8", "ignore"))


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`tensorflow.serving.PredictionService`.

    Args:
        models: What is served.
        runner: What runs it.
    """

    def __init__(self, models: Models, runner: Runner) -> None:
        self._models, self._runner = models, runner

    @_answered
    async def Predict(self, request: prediction.PredictRequest) -> prediction.PredictResponse:  # noqa: N802
        """Answer tensors with tensors."""
        spec = _named_spec(request)
        with _lease(self._models, spec) as servable:
            outputs = await inference.predict(
                self._runner, servable, spec.signature_name, TensorProtos(request.inputs), list(request.output_filter)
            )
            return prediction.PredictResponse(
                outputs={alias: write_tensor(tensor) for alias, tensor in outputs.items()},
                model_spec=_spec_of(servable, spec.signature_name),
            )

    @_answered
    async def Classify(  # noqa: N802
        self, request: classification.ClassificationRequest
    ) -> classification.ClassificationResponse:
        """Answer examples with their classes."""
        spec = _named_spec(request)
        with _lease(self._models, spec) as servable:
            rows = await inference.classify(
                self._runner, servable, spec.signature_name, serialized_examples(request.input)
            )
            return classification.ClassificationResponse(
                result=_classification_result(rows), model_spec=_spec_of(servable, spec.signature_name)
            )

    @_answered
    async def Regress(self, request: regression.RegressionRequest) -> regression.RegressionResponse:  # noqa: N802
        """Answer examples with their values."""
        spec = _named_spec(request)
        with _lease(self._models, spec) as servable:
            values = await inference.regress(
                self._runner, servable, spec.signature_name, serialized_examples(request.input)
            )
            return regression.RegressionResponse(
                result=_regression_result(values), model_spec=_spec_of(servable, spec.signature_name)
            )

    @_answered
    async def MultiInference(  # noqa: N802
        self, request: inference_api.MultiInferenceRequest
    ) -> inference_api.MultiInferenceResponse:
        """Answer examples with the classes and values of several signatures."""
        spec = request.tasks[0].model_spec if request.tasks else ModelSpec()
        tasks = inference.tasks_of(request)
        with _lease(self._models, spec) as servable:
            results = await inference.multi_inference(self._runner, servable, tasks, serialized_examples(request.input))
            return inference_api.MultiInferenceResponse(
                results=[
                    inference_api.InferenceResult(
                        model_spec=_spec_of(servable, task.signature), **_result_of(task.method, result)
                    )
                    for task, result in zip(tasks, results, strict=True)
                ]
            )

    @_answered
    async def GetModelMetadata(  # noqa: N802
        self, request: model_metadata.GetModelMetadataRequest
    ) -> model_metadata.GetModelMetadataResponse:
        """Answer the signatures of a version, the only metadata there is."""
        spec = _named_spec(request)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid(f"Metadata field {field} is not supported")
        with _lease(self._models, spec) as servable:
            response = model_metadata.GetModelMetadataResponse(model_spec=ModelSpec(name=servable.name))
            response.model_spec.version.value = servable.version
            signatures = model_metadata.SignatureDefMap(signature_def=servable.signatures)
            response.metadata["signature_def"].Pack(signatures, deterministic=True)
            return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """`tensorflow.serving.ModelService`.

    Args:
        models: What is served.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        # One at a time, as `Models` has it anyway: who waits must not hold the threads that others work in.
        self._changing = ThreadPoolExecutor(1, thread_name_prefix="textclf-reload")

    @_answered
    async def GetModelStatus(  # noqa: N802
        self, request: model_status.GetModelStatusRequest
    ) -> model_status.GetModelStatusResponse:
        """Answer the states of one version or of all; a label is not looked at."""
        spec = _named_spec(request)
        version = spec.version.value if spec.HasField("version") else None
        response = model_status.GetModelStatusResponse()
        for status in self._models.statuses(spec.name, version):
            added = response.model_version_status.add(version=status.version, state=int(status.state))
            # Set even where nothing is wrong: the field is there, and empty.
            added.status.SetInParent()
            added.status.error_code, added.status.error_message = int(status.code), status.message
        return response

    @_answered
    async def HandleReloadConfigRequest(  # noqa: N802
        self, request: management.ReloadConfigRequest
    ) -> management.ReloadConfigResponse:
        """Serve what another config says; answered when it is served."""
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        run = contextvars.copy_context().run  # it asks who calls
        await asyncio.get_running_loop().run_in_executor(self._changing, run, self._models.reload, request.config)
        response = management.ReloadConfigResponse()
        response.status.SetInParent()
        for name in request.metric_names:  # Metrics of the server in C++, which are not counted here.
            response.metric.add(name=name, int64_value_increase=0)
        return response


def _named_spec(request: Any) -> ModelSpec:
    """Return the model that a request is for."""
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def _lease(models: Models, spec: ModelSpec) -> AbstractContextManager[Servable]:
    """Lease the version that is asked for: a number, a label, or else the newest."""
    choice = spec.WhichOneof("version_choice")
    return models.lease(
        spec.name,
        version=spec.version.value if choice == "version" else None,
        label=spec.version_label if choice == "version_label" else None,
    )


def _spec_of(servable: Servable, signature_name: str) -> ModelSpec:
    """Return what answered."""
    spec = ModelSpec(name=servable.name, signature_name=signature_name or DEFAULT_SIGNATURE)
    spec.version.value = servable.version
    return spec


def _result_of(method: str, result: Classifications | Regressions) -> dict[str, Any]:
    """Return the result of one task as the field it stands in."""
    if method == inference.CLASSIFY:
        return {"classification_result": _classification_result(result)}
    return {"regression_result": _regression_result(result)}


def _classification_result(rows: Sequence[Any]) -> classification.ClassificationResult:
    result = classification.ClassificationResult()
    for row in rows:
        classes = result.classifications.add().classes
        for label, score in row:
            # A string of a proto is UTF-8, whatever the graph gives.
            text = label.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            classes.add(label=text, score=score)
    return result


def _regression_result(values: Sequence[Any]) -> regression.RegressionResult:
    return regression.RegressionResult(regressions=[regression.Regression(value=value) for value in values])
