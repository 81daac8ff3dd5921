"""A server gives the answers over gRPC that were recorded from a real one; see conftest.py for which server."""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from recorded import CALLS, is_same_message, steady
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

SERVICES = {
    "ModelService": model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
    "PredictionService": prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"],
}
CUT_OFF = 34
"""The recording of this call, the metadata of `g`, ends after 6,000 characters: its reply is compared up to there."""


@pytest.fixture(scope="module")
def channel(grpc_address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(grpc_address) as opened:
        yield opened


def read(kind: type[Message], text: str) -> Message:
    return text_format.Parse(text, kind(), descriptor_pool=Default())


@pytest.mark.parametrize("call", CALLS, ids=[f"{call['method']}-{number}" for number, call in enumerate(CALLS)])
def test_a_recorded_call_gets_its_answer(channel: grpc.Channel, call: dict[str, str]) -> None:
    service = SERVICES[call["service"]]
    method = service.methods_by_name[call["method"]]
    request, answer = (GetMessageClass(kind) for kind in (method.input_type, method.output_type))
    assert request.DESCRIPTOR.name == call["request_type"]
    ask = channel.unary_unary(f"/{service.full_name}/{method.name}", request.SerializeToString, answer.FromString)
    try:
        reply = ask(read(request, call["request"]), timeout=60)
    except grpc.RpcError as error:
        assert error.code().name == call["code"]
        assert steady(error.details()) == steady(call["details"])
    else:
        assert call["code"] == "OK"
        if call is CALLS[CUT_OFF]:
            assert text_format.MessageToString(reply).startswith(call["reply"])
        else:
            assert is_same_message(reply, read(answer, call["reply"]))


def test_all_calls_are_there() -> None:
    assert len(CALLS) == 44
