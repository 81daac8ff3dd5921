"""A server gives the answers over HTTP that were recorded from a real one; see conftest.py for which server."""

import gzip
import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest
from recorded import EXCHANGES, assert_same, body_of, name_of, parsed, reply_of

DIFFERENCES: dict[str, str] = {
    "GET /": "the local server has a page there",
}
"""Why the local server's reply to a request is knowingly another."""


def ask(url: str, exchange: dict[str, Any]) -> tuple[int, str, bytes]:
    """Send a request as it was sent, and return status, content type and body of the reply."""
    server = urlsplit(url)
    connection = http.client.HTTPConnection(server.hostname or "", server.port, timeout=60)
    try:
        connection.putrequest(exchange["method"], exchange["path"], skip_accept_encoding=True)
        body = body_of(exchange)
        for name, value in ({"Content-Length": str(len(body))} | exchange.get("headers", {})).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        content = reply.read()
        is_packed = reply.headers.get("Content-Encoding") == "gzip"
        return reply.status, reply.headers["Content-Type"], gzip.decompress(content) if is_packed else content
    finally:
        connection.close()


@pytest.mark.parametrize("exchange", EXCHANGES, ids=name_of)
def test_a_recorded_exchange_gets_its_reply(rest_url: str, is_local: bool, exchange: dict[str, Any]) -> None:
    if is_local and name_of(exchange) in DIFFERENCES:
        pytest.skip(DIFFERENCES[name_of(exchange)])
    status, content_type, content = ask(rest_url, exchange)
    assert (status, content_type) == (exchange["status"], exchange["content_type"])
    assert_same(parsed(content), parsed(reply_of(exchange)))


def test_all_exchanges_are_there() -> None:
    assert len(EXCHANGES) == 127
    assert DIFFERENCES.keys() <= set(map(name_of, EXCHANGES))
