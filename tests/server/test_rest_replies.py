"""The exchanges that were recorded from a real server get the replies that it gave."""

import asyncio
import base64
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from textclf.engine.models import Models
from textclf.engine.runner import Direct
from textclf.server.rest import Reply, Rest

EXCHANGES = [
    json.loads(line)
    for line in (Path(__file__).parent / "replies" / "rest.jsonl").read_text(encoding="utf-8").splitlines()
]
DIFFERENCES: dict[str, str] = {}
"""Why the reply to a method, path and body is knowingly another than the recorded one."""


@pytest.fixture(scope="module")
def rest(recorded_models: Path) -> Iterator[Rest]:
    models, runner = Models(), Direct(threads=2)
    config = ModelServerConfig()
    for name in ("m", "m2", "g"):
        config.model_config_list.config.add(
            name=name, base_path=str(recorded_models / name), model_platform="tensorflow"
        )
    models.reload(config)
    yield Rest(models, runner)
    runner.close()
    models.close()


def sent(exchange: dict[str, Any]) -> bytes:
    """Return the body of a request, no longer compressed."""
    body = base64.b64decode(exchange["body_b64"]) if "body_b64" in exchange else exchange.get("body", "").encode()
    return gzip.decompress(body) if exchange.get("headers", {}).get("Content-Encoding") == "gzip" else body


def received(exchange: dict[str, Any]) -> bytes:
    """Return the body of the recorded reply."""
    if "reply_json" in exchange:
        return json.dumps(exchange["reply_json"]).encode()
    if "reply_b64" in exchange:
        return base64.b64decode(exchange["reply_b64"])
    return str(exchange["reply_text"]).encode()


def comparable(body: bytes) -> Any:
    """Return a body parsed; without the order of keys, and without what varies where a SignatureDef is quoted."""
    text = body.decode("utf-8", "surrogateescape")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    if "SignatureDef" in str(value) or "Signature was" in str(value):
        return re.sub(r"\s+", "", value["error"].replace("goo.gle/debugproto", ""))
    if "__inference_" in str(value):
        # The number of a function depends on what the process made before.
        return re.sub(r"(__inference_\w+)_\d+", r"\1", value["error"])
    return value


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


def ask(rest: Rest, exchange: dict[str, Any]) -> Reply:
    headers = exchange.get("headers", {})
    return asyncio.run(rest.answer(exchange["method"], exchange["path"], headers, sent(exchange)))


def name_of(exchange: dict[str, Any]) -> str:
    return f"{exchange['method']} {exchange['path']} {exchange.get('body', exchange.get('body_b64', ''))}".strip()


@pytest.mark.parametrize("exchange", EXCHANGES, ids=name_of)
def test_a_recorded_exchange_gets_its_reply(rest: Rest, exchange: dict[str, Any]) -> None:
    if name_of(exchange) in DIFFERENCES:
        pytest.skip(DIFFERENCES[name_of(exchange)])
    reply = ask(rest, exchange)
    assert (reply.status, reply.content_type) == (exchange["status"], exchange["content_type"])
    assert_same(comparable(reply.body), comparable(received(exchange)))


def test_all_exchanges_are_there() -> None:
    assert len(EXCHANGES) == 127
    assert DIFFERENCES.keys() <= set(map(name_of, EXCHANGES))
