"""Requests and replies as TensorFlow Serving's REST interface has them, without sending any."""

import base64
import json
import os
import re
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import httpx2

from textclf import __version__
from textclf.client.errors import ReplyError, ServingError
from textclf.client.results import TEXT, TEXT_PAIR
from textclf.client.steps import Answer, Ask, Failure, Outcome, Refusal, Row

SERVER = "http://127.0.0.1:8501"
CONNECT_SECONDS = 5.0
"""How long a connection may take; then it is tried again, since the packets may be lost."""

_PARTS = {"predict": "predictions", "classify": "results", "status": "model_version_status"}
"""The key of what was asked for in a reply's JSON."""


_STRANGE = re.compile(r"WRONG_VERSION_NUMBER|illegal (request|status|header) line")
"""What OpenSSL and h11 say of bytes that cannot be TLS or HTTP. A connection that just ends may be anybody's."""


_LONGEST_PAGE = 10_000
"""Characters of a gateway's page in which its words are looked for."""

_UNSEEN = re.compile(r"(?is)<!--.*?-->|<(script|style)\b.*?</\1\s*>")
_LINE_ENDS = re.compile(r"(?i)<br\s*/?>|</(?:title|h[1-6]|p|div|center|pre|li|td)\s*>")


class HttpRequest(NamedTuple):
    """A request: its method, the path below the server's address, and its body."""

    method: str
    path: str
    body: bytes | None


def request_of(ask: Ask, model: str) -> HttpRequest:
    r"""Return the request for what is asked of a model.

    Example:
        >>> request_of(Ask("predict", "serving_default", ((b"Hi",),), version=3), "messages")
        HttpRequest(method='POST', path='/v1/models/messages/versions/3:predict', body=b'{"signature_name": "serving_default", "instances": [{"text": "Hi"}]}')
        >>> request_of(Ask("metadata", label="stable"), "messages").path
        '/v1/models/messages/labels/stable/metadata'
    """  # noqa: E501
    path = f"/v1/models/{quote(model, safe='')}"
    if ask.version is not None:
        path += f"/versions/{ask.version}"
    elif ask.label is not None:
        path += f"/labels/{quote(ask.label, safe='')}"
    if ask.kind in ("status", "metadata"):
        return HttpRequest("GET", path + ("/metadata" if ask.kind == "metadata" else ""), None)
    rows = "instances" if ask.kind == "predict" else "examples"
    body = {"signature_name": ask.signature, rows: [_named(row) for row in ask.rows]}
    return HttpRequest("POST", f"{path}:{ask.kind}", json.dumps(body, ensure_ascii=False).encode())


def _named(row: Row) -> dict[str, Any]:
    # By name always: a server refuses names that are too many or too few, and would take bare values for anything.
    return dict(zip((TEXT, TEXT_PAIR), map(_json_text, row), strict=False))


def _json_text(text: bytes) -> Any:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(text).decode()}


def outcome_of(ask: Ask, status: int, headers: Mapping[str, str], body: bytes, now: float | None = None) -> Outcome:
    """Return what a reply says.

    Args:
        ask: What was asked.
        status: The HTTP status.
        headers: The headers, to be looked up in lower case.
        body: The body, unzipped.
        now: The time that it came, in seconds since 1970.

    Raises:
        ReplyError: It is no reply of TensorFlow Serving's.
    """
    if status != 200:
        retry_after = seconds_of(headers.get("retry-after"), time.time() if now is None else now)
        return Refusal(status, message_of(body), retry_after)
    said, part = _read(body), _PARTS.get(ask.kind)
    if not isinstance(said, dict) or (part is not None and part not in said):
        raise ReplyError(
            f"Expected JSON with '{part or 'metadata'}', got {body[:120]!r}. Check the address and its port: "
            "TensorFlow Serving's REST interface is mostly on 8501.",
            status=status,
        )
    return Answer(said if part is None else said[part])


def message_of(body: bytes) -> str:
    """Return the words of a refusal: the server's JSON has them, a gateway's page in its first line or title.

    Example:
        >>> message_of(b'{"error": "no"}'), message_of(b"<h1>Bad <b>Gateway</b></h1><p>nginx")
        ('no', 'Bad Gateway')
    """
    said = _read(body)
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        return str(said["error"])
    page = _UNSEEN.sub(" ", body.decode("utf-8", "replace")[:_LONGEST_PAGE])
    lines = (" ".join(re.sub(r"<[^>]*>", " ", part).split()) for part in _LINE_ENDS.split(page))
    return next(filter(None, lines), "")[:200]


def _read(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def seconds_of(retry_after: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, as a number or as a date; None if it is neither.

    Example:
        >>> seconds_of("7", now=0.0), seconds_of("Thu, 01 Jan 1970 00:01:00 GMT", now=50.0), seconds_of("soon", now=0.0)
        (7.0, 10.0, None)
    """
    if retry_after is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def failure_of(error: Exception, seconds: float | None = None) -> Failure:
    """Return why a request got no answer.

    Args:
        error: What came instead.
        seconds: How long the request might take; None for ever.
    """
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx2.ConnectTimeout) and (seconds is None or seconds > CONNECT_SECONDS):
        return Failure(f"no connection within {CONNECT_SECONDS:g} s")
    timed_out = isinstance(error, httpx2.TimeoutException | TimeoutError)
    strange = bool(_STRANGE.search(reason)) and isinstance(error, httpx2.ConnectError | httpx2.RemoteProtocolError)
    return Failure(reason, timed_out, lasting="CERTIFICATE_VERIFY_FAILED" in reason, strange=strange)


def timeout_of(seconds: float | None) -> httpx2.Timeout:
    """Return the timeouts of a request that may take so many seconds."""
    return httpx2.Timeout(seconds, connect=CONNECT_SECONDS if seconds is None else min(seconds, CONNECT_SECONDS))


def http_options(server: str, api_key: str | None, verify: bool | str | Path | ssl.SSLContext) -> dict[str, Any]:
    """Return what httpx2's clients are made with.

    Raises:
        ServingError: The address, the key or the file of certificates cannot be one.
    """
    address = checked_address(server)
    headers = {"Content-Type": "application/json", "User-Agent": f"textclf/{__version__}"}
    if api_key is not None:
        check_key(api_key, address, "api_key")
        headers["Authorization"] = f"Bearer {api_key}"
    return {"base_url": address, "headers": headers, "verify": _trust(verify)}


def check_key(api_key: str, address: str, named: str) -> None:
    """Raise a `ServingError` for a key that cannot be sent to an address, by the name of where the key stands."""
    if without_secrets(address) != address:  # which would go as HTTP Basic, in place of the key
        raise ServingError(f"{named}: expected a key or a name and password in the address, got both.")
    if not re.fullmatch(r"[!-~]+", api_key):
        raise ServingError(f"{named}: expected printable ASCII without spaces, got something else (not shown).")


def checked_address(server: str) -> str:
    """Return the address of a server without a slash at its end.

    Raises:
        ServingError: It is none.

    Example:
        >>> checked_address("https://example.org/serving/")
        'https://example.org/serving'
    """
    try:
        url = urlsplit(server)
        right = url.scheme in ("http", "https") and url.hostname and url.port != 0 and not (url.query or url.fragment)
        httpx2.URL(server)
    except (ValueError, httpx2.InvalidURL):
        right = False
    if not right:
        meant = f" Did you mean 'http://{server}'?" if re.fullmatch(r"[\w.-]+(:\d+)?(/.*)?", server) else ""
        raise ServingError(f"server: expected an address such as {SERVER}, got {without_secrets(server)!r}.{meant}")
    return server.rstrip("/")


def without_secrets(server: str) -> str:
    """Return an address as messages may show it: without the name and password that stand in it.

    Example:
        >>> without_secrets("https://ada:secret@example.org/serving")
        'https://example.org/serving'
    """
    try:
        is_address = urlsplit(server).port != 0
    except ValueError:  # as with a slash in the password, which may end anywhere before the last @
        is_address = False
    return re.sub(r"//[^/]*@" if is_address else r"//.*@", "//", server, flags=re.DOTALL)


def _trust(verify: bool | str | Path | ssl.SSLContext) -> bool | ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext) or verify is False:
        return verify
    if verify is True:
        if own := os.environ.get("SSL_CERT_FILE"):  # which httpx2 then reads, but without naming it in an error
            _authorities("SSL_CERT_FILE", own)
        return True
    return _authorities("verify", str(verify))


def _authorities(named: str, path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ServingError(
            f"{named}: expected a file of certificates in PEM format, got '{path}': {error.strerror or error}."
        ) from None
