"""The exchanges that were recorded from a real server, and how an answer is compared with a recorded one."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

_REPLIES = Path(__file__).with_name("replies")


def _read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_REPLIES / name).read_text(encoding="utf-8").splitlines()]


EXCHANGES = _read("rest.jsonl")
"""127 of REST: `method`, `path`, `headers`, `body` or `body_b64`; `status`, `content_type` and the reply."""
CALLS = _read("grpc.jsonl")
"""44 of gRPC: `service`, `method` and `request`; `code` with `details`, or `reply`."""
_FLOATS = re.compile(r"(?<=: )-?\d+\.\d+(e[+-]?\d+)?")


def body_of(exchange: dict[str, Any]) -> bytes:
    """Return the body that was sent."""
    return base64.b64decode(exchange["body_b64"]) if "body_b64" in exchange else exchange.get("body", "").encode()


def reply_of(exchange: dict[str, Any]) -> bytes:
    """Return the body that came."""
    if "reply_json" in exchange:
        return json.dumps(exchange["reply_json"]).encode()
    if "reply_b64" in exchange:
        return base64.b64decode(exchange["reply_b64"])
    return str(exchange["reply_text"]).encode()


def name_of(exchange: dict[str, Any]) -> str:
    """Return what tells an exchange from the others."""
    return f"{exchange['method']} {exchange['path']} {exchange.get('body', exchange.get('body_b64', ''))}".strip()


def parsed(body: bytes) -> Any:
    """Return a body of REST parsed, without what varies from call to call where it quotes a SignatureDef."""
    text = body.decode("utf-8", "surrogateescape")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    is_error = isinstance(value, dict) and value.keys() == {"error"}
    return {"error": steady(value["error"])} if is_error else value


def steady(message: str) -> str:
    """Return a message without what varies: white space, a marker, the numbers that TensorFlow gives to functions."""
    text = re.sub(r"(__inference_[a-z]+)_\d+", r"\1", message.replace("goo.gle/debugproto", ""))
    return re.sub(r"\s+", "", text) if "SignatureDef" in text or "Signature was" in text else text


def assert_same(value: Any, expected: Any) -> None:
    """Compare floats to 1e-5 and all else exactly; an integer is no float."""
    assert type(value) is type(expected), (value, expected)
    if isinstance(value, dict):
        assert value.keys() == expected.keys()
        for key in value:
            assert_same(value[key], expected[key])
    elif isinstance(value, list):
        assert len(value) == len(expected)
        for one, other in zip(value, expected, strict=True):
            assert_same(one, other)
    elif isinstance(value, float):
        assert value == pytest.approx(expected, abs=1e-5, nan_ok=True)
    else:
        assert value == expected


def is_same_message(reply: Message, expected: Message) -> bool:
    """Return whether two messages of gRPC say the same: floats to 1e-5, all else to the letter."""
    texts = [text_format.MessageToString(message) for message in (reply, expected)]
    floats = [[float(number.group()) for number in _FLOATS.finditer(text)] for text in texts]
    said = [_FLOATS.sub("", text) for text in texts]
    return said[0] == said[1] and floats[0] == pytest.approx(floats[1], abs=1e-5)
