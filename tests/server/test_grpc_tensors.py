"""Whatever tensors are sent over gRPC, they get an answer or a refusal; the recorded calls are in tests/contract."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from textclf.engine.models import Models
from textclf.engine.runner import Direct


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
