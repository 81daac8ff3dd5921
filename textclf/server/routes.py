"""The paths of TensorFlow Serving's REST: which model and version they name, and what is wanted of it."""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from textclf.engine.errors import Code, RequestError

_VERSION = r"(?:/versions/(\d+)|/labels/([^/:]+))?"
# ASCII: the digits and the cases of RE2.
_POST = re.compile(rf"/v1/models/([^/:]+){_VERSION}:(predict|classify|regress)", re.ASCII | re.IGNORECASE)
_GET = re.compile(rf"/v1/models(?:/([^/:]+))?{_VERSION}(?:/(metadata))?", re.ASCII | re.IGNORECASE)
_API = re.compile(r"/v1/.*", re.IGNORECASE)


class Route(NamedTuple):
    """What a path names.

    Attributes:
        verb: `predict`, `classify`, `regress`, `status` or `metadata`.
        model: The model's name; empty if the path has none.
        version: The version it names, or None.
        label: The label it names, or None.
    """

    verb: str
    model: str
    version: int | None = None
    label: str | None = None


class VersionError(Exception):
    """A version that no 64 bits hold; TensorFlow Serving answers it without a body."""


def decoded_path(target: str) -> str:
    """Return the path of a request's target, its query included, with `%` read; bytes that are no UTF-8 as surrogates.

    Example:
        >>> decoded_path("/v1/models/a%20b?c=%C3%A9")
        '/v1/models/a b?c=é'
    """
    return unquote_to_bytes(target.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def is_api(path: str) -> bool:
    """Return whether a decoded path belongs to the API; others are answered in HTML."""
    return _API.fullmatch(path) is not None


def route_of(method: str, path: str) -> Route:
    """Return what a decoded path of the API names.

    Raises:
        RequestError: INVALID_ARGUMENT `Malformed request: METHOD PATH` if it names nothing for that method.
        VersionError: The version's number is too large.

    Example:
        >>> route_of("POST", "/v1/models/reviews/versions/3:predict")
        Route(verb='predict', model='reviews', version=3, label=None)
    """
    match = {"POST": _POST, "GET": _GET}.get(method, re.compile("(?!)")).fullmatch(path)
    if not match:
        raise _malformed(method, path)
    model, version, label, verb = match.groups()
    if version and (len(version.lstrip("0")) > 19 or int(version) >= 2**63):
        raise VersionError(version)
    if method == "POST" and verb != verb.lower():
        raise _malformed(method, path)
    # What is not the subresource in small letters is the status.
    verb = verb if method == "POST" or verb == "metadata" else "status"
    return Route(verb, model or "", int(version) if version else None, label)


def _malformed(method: str, path: str) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, f"Malformed request: {method} {path}")
