"""Asking a served model: texts in, labels out, without TensorFlow and NumPy in the asking process.

`Client` waits for answers, `AsyncClient` runs on asyncio, and `textclf.client.grpc.GrpcClient` speaks gRPC, for which
it does import TensorFlow.
"""

from textclf.client.async_client import AsyncClient
from textclf.client.cache import AnswerCache
from textclf.client.client import Client
from textclf.client.errors import (
    AccessError,
    BusyError,
    DeadlineError,
    RefusedError,
    ReplyError,
    ServingError,
    UnknownLabelError,
    UnknownModelError,
    UnreachableError,
)
from textclf.client.results import Metadata, Prediction, Signature, TensorInfo, VersionStatus
from textclf.client.retries import Retries

__all__ = [
    "AccessError",
    "AnswerCache",
    "AsyncClient",
    "BusyError",
    "Client",
    "DeadlineError",
    "Metadata",
    "Prediction",
    "RefusedError",
    "ReplyError",
    "Retries",
    "ServingError",
    "Signature",
    "TensorInfo",
    "UnknownLabelError",
    "UnknownModelError",
    "UnreachableError",
    "VersionStatus",
]
