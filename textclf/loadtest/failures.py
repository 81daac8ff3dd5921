"""What a request of a load test failed of, in a line of a table, and what to do about it."""

import os

from textclf.client.advice import COMMAND_LINE
from textclf.client.errors import ReplyError
from textclf.client.rest import message_of, outcome_of
from textclf.client.steps import Answer, Ask
from textclf.optional import import_optional

aiohttp = import_optional("aiohttp", "serve", "A load test")

_LONGEST = 160

_NO_CONNECTION = "no connection"
_NOT_TRUSTED = "a certificate that is not trusted"
_NO_TLS = "no TLS connection"
_NO_HTTP = "an answer that is not HTTP"
_NO_PREDICTIONS = "200 without a prediction for each text"

_WORDS = (
    (TimeoutError, "no answer in time"),
    (aiohttp.ClientConnectorCertificateError, _NOT_TRUSTED),
    (aiohttp.ClientSSLError, _NO_TLS),
    (aiohttp.ClientConnectorError, _NO_CONNECTION),
    (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    (aiohttp.ClientPayloadError, "an answer that broke off"),
    (aiohttp.ClientResponseError, _NO_HTTP),
)
"""The words for what aiohttp raises; the first kind that fits counts."""


def refused(status: int, body: bytes) -> str:
    """Return a refusal's status and the server's words, in one line.

    Example:
        >>> refused(502, b"<title>502 Bad Gateway</title>")
        '502 Bad Gateway'
    """
    said = " ".join(message_of(body).split())
    if said == str(status) or said.startswith(f"{status} "):
        said = said[len(str(status)) :].lstrip()
    return f"{status} {said[:_LONGEST] or 'without a message'}"


def without_predictions(body: bytes, texts: int) -> str:
    """Return how a reply answers no request for so many texts; an empty string if it does.

    Example:
        >>> without_predictions(b'{"predictions": ["a"]}', 1), without_predictions(b"<title>Sign in</title>", 1)
        ('', '200 without a prediction for each text')
    """
    try:
        outcome = outcome_of(Ask("predict"), 200, {}, body)
    except ReplyError:
        return _NO_PREDICTIONS
    predictions = outcome.value if isinstance(outcome, Answer) else None
    return "" if isinstance(predictions, list) and len(predictions) == texts else _NO_PREDICTIONS


def unanswered(error: Exception) -> str:
    """Return why there was no answer, in one line.

    Args:
        error: What was raised instead: an `OSError`, or one of aiohttp's.

    Example:
        >>> unanswered(ConnectionResetError(104, "Connection reset by peer"))
        'a connection that broke: Connection reset by peer'
    """
    words = next((words for kind, words in _WORDS if isinstance(error, kind)), "a connection that broke")
    reason = _reason(error) if isinstance(error, OSError) and not isinstance(error, TimeoutError) else ""
    return f"{words}: {reason}"[:_LONGEST] if reason else words


def _reason(error: OSError) -> str:
    if error.errno and error.errno > 0 and not isinstance(error, aiohttp.ClientSSLError):  # whose numbers are its own
        return os.strerror(error.errno)
    return error.strerror or ""


def to_do(failure: str) -> str:
    """Return what to do about a failure, as a sentence; an empty string if that is not known.

    Example:
        >>> to_do("404 Servable not found for request: Latest(messages)")
        'Is a server there that serves this model?'
        >>> to_do("429 Too many requests")
        ''
    """
    if failure.startswith(("404 ", _NO_CONNECTION)):
        return "Is a server there that serves this model?"
    if failure.startswith(("401 ", "403 ")):
        return COMMAND_LINE.key
    if failure.startswith(_NOT_TRUSTED):
        return COMMAND_LINE.trust
    if "maximum input batch size" in failure:
        return "Give a smaller --batch-size."
    return COMMAND_LINE.protocol if failure.startswith((_NO_TLS, _NO_HTTP, _NO_PREDICTIONS, "3")) else ""
