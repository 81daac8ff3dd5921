"""The services of gRPC over doubles of what stands behind them: whatever comes, a status or a reply goes."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis import classification_pb2, get_model_status_pb2, predict_pb2
from tensorflow_serving.apis import model_management_pb2 as management
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from textclf.engine.errors import Code, RequestError
from textclf.engine.tensor_protos import read_tensor, write_tensor

SIGNATURES = {
    "serving_default": 'inputs { key: "text" value { name: "t:0" } } outputs { key: "same" value { name: "s:0" } }',
    "classify": 'inputs { key: "inputs" value { name: "i:0" } } outputs { key: "classes" value { name: "c:0" } }',
    "broken": 'outputs { key: "same" value { name: "s:0" } }',
    "long": 'outputs { key: "same" value { name: "s:0" } }',
}
METHODS = {
    "PredictionService": ["Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata"],
    "ModelService": ["GetModelStatus", "HandleReloadConfigRequest"],
}


class Models:
    """One model, `echo`, whose version 3 is leased and counted."""

    def __init__(self) -> None:
        self.leased = 0
        self.reloaded: list[Any] = []
        signatures = {name: text_format.Parse(text, SignatureDef()) for name, text in SIGNATURES.items()}
        self.servable = SimpleNamespace(name="echo", version=3, signatures=signatures)

    @contextmanager
    def lease(self, name: str, *, version: int | None = None, label: str | None = None) -> Iterator[Any]:
        if name != "echo":
            raise RequestError(Code.NOT_FOUND, f"Servable not found for request: Latest({name})")
        if (version, label) not in ((None, None), (3, None), (None, "stable")):
            raise RequestError(Code.INVALID_ARGUMENT, f"neither {version} nor {label}")
        self.leased += 1
        try:
            yield self.servable
        finally:
            self.leased -= 1

    def statuses(self, name: str, version: int | None = None) -> list[Any]:
        if name != "echo":
            raise RequestError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        failed = SimpleNamespace(version=4, state=50, code=Code.INTERNAL, message="no graph")
        return [failed, SimpleNamespace(version=3, state=30, code=Code.OK, message="")][version == 3 :]

    def reload(self, config: Any) -> None:
        self.reloaded.append(config)


class Runner:
    """Answers with what it is fed, but for the text `wait`, which it keeps until the call is cancelled."""

    def __init__(self) -> None:
        self.waiting, self.cancelled = threading.Event(), threading.Event()

    async def run(
        self, _servable: Any, signature: str, feeds: Mapping[str, Any], outputs: Sequence[str]
    ) -> dict[str, Any]:
        if signature == "broken":
            raise KeyError("a mistake of ours")
        if signature == "long":
            raise RequestError(Code.UNAVAILABLE, "é" * 600)
        (value,) = feeds.values()
        if value.dtype == object and value.size and value.flat[0] == b"wait":
            self.waiting.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        return dict.fromkeys(outputs, value) if signature == "serving_default" else {"classes": value[:, None]}


@pytest.fixture(scope="module")
def models() -> Models:
    return Models()


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner()


@pytest.fixture(scope="module")
def channel(grpc_channel: Callable[..., grpc.Channel], models: Models, runner: Runner) -> grpc.Channel:
    return grpc_channel(models, runner)


@pytest.fixture
def stub(channel: grpc.Channel) -> PredictionServiceStub:
    return PredictionServiceStub(channel)


def request_of(*texts: bytes, signature: str = "") -> predict_pb2.PredictRequest:
    values = np.empty(len(texts), object)
    values[:] = texts
    request = predict_pb2.PredictRequest(inputs={"text": write_tensor(values)})
    request.model_spec.name, request.model_spec.signature_name = "echo", signature
    return request


def refused(call: Callable[..., Any], request: Any, **options: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, **options)
    return caught.value.code(), caught.value.details()


def test_predict_gives_back_what_it_is_sent(stub: PredictionServiceStub) -> None:
    reply = stub.Predict(request_of(b"hello", b"\xff\x00"))
    assert read_tensor(reply.outputs["same"]).tolist() == [b"hello", b"\xff\x00"]
    assert text_format.MessageToString(reply.model_spec, as_one_line=True) == (
        'name: "echo" version { value: 3 } signature_name: "serving_default"'
    )


@pytest.mark.parametrize("choice", [{"version": {"value": 3}}, {"version_label": "stable"}])
def test_a_version_is_asked_for_by_number_or_label(stub: PredictionServiceStub, choice: dict[str, Any]) -> None:
    request = request_of(b"a")
    request.model_spec.MergeFrom(type(request.model_spec)(**choice))
    assert stub.Predict(request).model_spec.version.value == 3


def test_examples_stand_behind_their_context(stub: PredictionServiceStub) -> None:
    context = text_format.Parse('features { feature { key: "a" value { bytes_list { value: "x" } } } }', Example())
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "echo", "classify"
    request.input.example_list_with_context.context.CopyFrom(context)
    request.input.example_list_with_context.examples.extend([Example(), context])
    labels = [row.classes[0].label.encode() for row in stub.Classify(request).result.classifications]
    assert labels == [context.SerializeToString(), context.SerializeToString() * 2]


def test_a_label_that_is_no_utf8_is_replaced(stub: PredictionServiceStub) -> None:
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "echo", "classify"
    example = request.input.example_list.examples.add()
    example.features.feature["a"].bytes_list.value.append(b"\xff")
    assert "\ufffd" in stub.Classify(request).result.classifications[0].classes[0].label


def test_states_carry_their_errors(channel: grpc.Channel) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "echo"
    failed, good = ModelServiceStub(channel).GetModelStatus(request).model_version_status
    assert (failed.state, failed.status.error_code, failed.status.error_message) == (failed.END, 13, "no graph")
    assert good.HasField("status") and not good.status.error_message


def test_a_config_of_models_is_passed_on(channel: grpc.Channel, models: Models) -> None:
    request = management.ReloadConfigRequest(metric_names=["/a"])
    request.config.model_config_list.config.add(name="echo", base_path="/models/echo")
    reply = ModelServiceStub(channel).HandleReloadConfigRequest(request)
    assert models.reloaded == [request.config]
    assert [(metric.name, metric.int64_value_increase) for metric in reply.metric] == [("/a", 0)]


def test_configs_that_wait_hold_one_thread(
    channel: grpc.Channel, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, may_end = list[str](), threading.Event()

    def reload(config: Any) -> None:
        entered.append(config.model_config_list.config[0].name)
        may_end.wait(30)

    def request(name: str) -> Any:
        named = management.ReloadConfigRequest()
        named.config.model_config_list.config.add(name=name, base_path="/models/echo")
        return named

    monkeypatch.setattr(models, "reload", reload)
    service = ModelServiceStub(channel)
    calls = [service.HandleReloadConfigRequest.future(request(name), timeout=1) for name in "abcdef"]
    assert {call.code() for call in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert len(entered) == 1
    may_end.set()
    service.HandleReloadConfigRequest(request("last"), timeout=30)
    assert entered[-1] == "last"


def test_a_deadline_ends_the_call_down_to_the_runner(
    stub: PredictionServiceStub, models: Models, runner: Runner
) -> None:
    runner.cancelled.clear()
    code, _ = refused(stub.Predict, request_of(b"wait"), timeout=1)
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert runner.cancelled.wait(10)
    stub.Predict(request_of(b"next"))
    assert models.leased == 0


def test_a_client_that_cancels_is_not_run_for(stub: PredictionServiceStub, models: Models, runner: Runner) -> None:
    runner.cancelled.clear()
    runner.waiting.clear()
    call = stub.Predict.future(request_of(b"wait"))
    assert runner.waiting.wait(10)
    call.cancel()
    assert runner.cancelled.wait(10)
    stub.Predict(request_of(b"next"))
    assert models.leased == 0


def test_a_mistake_of_ours_tells_the_client_nothing_of_it(
    stub: PredictionServiceStub, caplog: pytest.LogCaptureFixture
) -> None:
    request = request_of(signature="broken")
    request.inputs.clear()
    code, details = refused(stub.Predict, request)
    assert code == grpc.StatusCode.INTERNAL
    assert "mistake" not in details
    assert "a mistake of ours" in caplog.text


def test_long_messages_are_cut_as_headers_are(stub: PredictionServiceStub) -> None:
    request = request_of(signature="long")
    request.inputs.clear()
    assert refused(stub.Predict, request) == (grpc.StatusCode.UNAVAILABLE, "é" * 512 + "...TRUNCATED")


@pytest.mark.parametrize(
    ("dtype", "shape", "fields"),
    [
        (types_pb2.DT_FLOAT, [1 << 40], {"float_val": [1.0]}),
        (types_pb2.DT_STRING, [1 << 62, 1 << 62], {}),
        (types_pb2.DT_FLOAT, [2], {"tensor_content": b"1234567"}),
        (types_pb2.DT_STRING, [-1], {"string_val": [b"a"]}),
        (types_pb2.DT_RESOURCE, [1], {}),
        (0, [1], {"float_val": [1.0]}),
        (99, [1], {"float_val": [1.0]}),
    ],
)
def test_a_tensor_that_is_not_whole_is_refused(
    stub: PredictionServiceStub, dtype: int, shape: list[int], fields: dict[str, Any]
) -> None:
    proto = TensorProto(dtype=dtype, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    request = request_of(b"a")
    request.inputs["text"].CopyFrom(proto)
    assert refused(stub.Predict, request) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: text")


def answer_of(channel: grpc.Channel, service: str, method: str, body: bytes) -> grpc.StatusCode:
    """Send bytes as they are, and return the status."""
    try:
        channel.unary_unary(f"/tensorflow.serving.{service}/{method}")(body, timeout=10)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


METHOD = st.sampled_from([(service, method) for service, methods in METHODS.items() for method in methods])


@given(METHOD, st.binary(max_size=200))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_get_a_status(channel: grpc.Channel, method: tuple[str, str], body: bytes) -> None:
    assert answer_of(channel, *method, body) not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN)


@given(METHOD, st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_request_gets_a_status_and_the_next_its_answer(
    channel: grpc.Channel, method: tuple[str, str], data: st.DataObject
) -> None:
    body = bytearray(request_of(b"hello", b"world").SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    code = answer_of(channel, *method, bytes(body))
    assert code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN)
    assert PredictionServiceStub(channel).Predict(request_of(b"next")).model_spec.version.value == 3
