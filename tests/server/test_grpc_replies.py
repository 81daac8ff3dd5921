"""The calls that were recorded from a real server get the answers that it gave."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import model_service_pb2, predict_pb2, prediction_service_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from textclf.engine.models import Models
from textclf.engine.runner import Direct

CALLS = [
    json.loads(line)
    for line in (Path(__file__).parent / "replies" / "grpc.jsonl").read_text(encoding="utf-8").splitlines()
]
SERVICES = {
    "ModelService": model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
    "PredictionService": prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"],
}
CUT_OFF = 34
"""The recording of this call, the metadata of `g`, ends after 6,000 characters: its reply is compared up to there."""
FLOATS = re.compile(r"(?<=: )-?\d+\.\d+(e[+-]?\d+)?")


@pytest.fixture(scope="module")
def channel(grpc_channel: Callable[..., grpc.Channel], recorded_models: Path) -> Any:
    models, runner = Models(), Direct(threads=2)
    config = ModelServerConfig()
    for name in ("m", "m2", "g"):
        config.model_config_list.config.add(
            name=name, base_path=str(recorded_models / name), model_platform="tensorflow"
        )
    models.reload(config)
    yield grpc_channel(models, runner)
    runner.close()
    models.close()


def comparable(text: str) -> str:
    """Return a message without what varies from call to call, and the numbers that TensorFlow gives to functions."""
    text = re.sub(r"(__inference_[a-z]+)_\d+", r"\1", text.replace("goo.gle/debugproto", ""))
    return re.sub(r"\s+", "", text)


def parsed(kind: type[Message], text: str) -> Message:
    return text_format.Parse(text, kind(), descriptor_pool=Default())


def same(reply: Message, expected: Message) -> bool:
    """Return whether two messages say the same: floats to 1e-5, all else to the letter."""
    texts = [text_format.MessageToString(message) for message in (reply, expected)]
    floats = [[float(number.group()) for number in FLOATS.finditer(text)] for text in texts]
    said = [FLOATS.sub("", text) for text in texts]
    return said[0] == said[1] and floats[0] == pytest.approx(floats[1], abs=1e-5)


@pytest.mark.parametrize("call", CALLS, ids=[f"{call['method']}-{number}" for number, call in enumerate(CALLS)])
def test_a_recorded_call_gets_its_answer(channel: grpc.Channel, call: dict[str, str]) -> None:
    service = SERVICES[call["service"]]
    method = service.methods_by_name[call["method"]]
    request, answer = (GetMessageClass(kind) for kind in (method.input_type, method.output_type))
    assert request.DESCRIPTOR.name == call["request_type"]
    ask = channel.unary_unary(f"/{service.full_name}/{method.name}", request.SerializeToString, answer.FromString)
    try:
        reply = ask(parsed(request, call["request"]), timeout=30)
    except grpc.RpcError as error:
        assert error.code().name == call["code"]
        assert comparable(error.details()) == comparable(call["details"])
    else:
        assert call["code"] == "OK"
        if call is CALLS[CUT_OFF]:
            assert text_format.MessageToString(reply).startswith(call["reply"])
        else:
            assert same(reply, parsed(answer, call["reply"]))


def test_an_init_op_is_no_signature_to_ask(channel: grpc.Channel) -> None:
    """It stands among the signatures and has no output that could be fetched."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "g", "__saved_model_init_op"
    with pytest.raises(grpc.RpcError, match="does not have output 0") as caught:
        PredictionServiceStub(channel).Predict(request)
    assert caught.value.code() == grpc.StatusCode.OUT_OF_RANGE


DTYPES = [number for number in types_pb2.DataType.values() if number < types_pb2.DT_FLOAT_REF]
REFUSALS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED}
SIGNATURES = [("serving_default", "text"), ("rows", "text"), ("cls", "inputs"), ("reg", "inputs"), ("two", "a")]


@given(
    st.sampled_from(SIGNATURES),
    st.sampled_from(DTYPES) | st.just(types_pb2.DT_STRING),
    st.lists(st.integers(-1, 4), max_size=3),
    st.lists(st.binary(max_size=20), max_size=6),
    st.binary(max_size=16),
)
@settings(max_examples=200)
def test_any_tensor_gets_a_reply_or_is_refused(
    channel: grpc.Channel, asked: tuple[str, str], dtype: int, shape: list[int], strings: list[bytes], content: bytes
) -> None:
    """TensorFlow is fed what is no text of the model's, and lives on."""
    signature, alias = asked
    proto = TensorProto(dtype=dtype, string_val=strings, int64_val=[1], float_val=[0.5])
    proto.tensor_content = b"" if strings else content
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    request = predict_pb2.PredictRequest(inputs={alias: proto})
    if signature == "two":
        request.inputs["n"].CopyFrom(proto)
    request.model_spec.name, request.model_spec.signature_name = "g", signature
    try:
        PredictionServiceStub(channel).Predict(request, timeout=30)
    except grpc.RpcError as error:
        assert error.code() in REFUSALS, error.details()
