"""TensorFlow Serving's REST without sockets: its `http_rest_api_handler.cc` over the engine's models and runner."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from textclf.engine import inference
from textclf.engine.checks import DEFAULT_SIGNATURE
from textclf.engine.errors import RequestError, invalid
from textclf.engine.models import Models
from textclf.engine.runner import Runner
from textclf.engine.servable import Servable
from textclf.server import predictions
from textclf.server.bodies import worked_out
from textclf.server.examples import examples_of
from textclf.server.metadata import metadata_json, status_json
from textclf.server.pretty import quote, string
from textclf.server.rapidjson import parse
from textclf.server.routes import Route, VersionError, decoded_path, is_api, route_of
from textclf.server.tensors import column_feeds, row_feeds

_JSON, _HTML = "application/json", "text/html"
_EMPTY_HTML = "text/html; charset=ISO-8859-1"
_ORIGIN = re.compile("https?://")
_NOT_FOUND = b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back.

    Attributes:
        status: HTTP's status.
        content_type: The type of the body.
        body: The bytes; empty for HEAD.
        headers: Further headers.
    """

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Rest:
    """Answers requests as TensorFlow Serving answers them over REST."""

    def __init__(self, models: Models, runner: Runner) -> None:
        """Keep what is asked.

        Args:
            models: The loaded versions.
            runner: What runs them.
        """
        self._models, self._runner = models, runner

    async def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the reply to a request; what is wrong with it is said there and never raised.

        Args:
            method: HTTP's, in capitals.
            target: The path as it was sent, its query included.
            headers: Their names in any case.
            body: The bytes, no longer compressed.
        """
        path = decoded_path(target)
        if not is_api(path):
            reply = Reply(404, _HTML, _NOT_FOUND)
        elif method == "OPTIONS":
            origin = next((value for name, value in headers.items() if name.lower() == "origin"), "")
            reply = Reply(200 if _ORIGIN.search(origin) else 400, _EMPTY_HTML, b"")
        else:
            reply = await self._answer(method, path, body)
        return Reply(reply.status, reply.content_type, b"") if method == "HEAD" else reply

    async def _answer(self, method: str, path: str, body: bytes) -> Reply:
        try:
            return Reply(200, _JSON, await self._content(route_of(method, path), body))
        except VersionError:
            return Reply(400, _JSON, b"")
        except RequestError as error:
            content = f'{{\n    "error": {string(error.message)}\n}}'
            return Reply(error.code.http_status, _JSON, content.encode("utf-8", "surrogateescape"))

    async def _content(self, route: Route, body: bytes) -> bytes:
        if not route.model:
            raise invalid("Missing model name in request.")
        if route.verb == "status":
            return status_json(self._models.statuses(route.model, route.version))
        if route.verb == "metadata":
            with self._models.lease(route.model, version=route.version, label=route.label) as servable:
                return metadata_json(servable.name, servable.version, servable.signatures)
        if route.verb == "predict":
            return await self._predict(route, body)
        return await self._infer(route, body)

    async def _predict(self, route: Route, body: bytes) -> bytes:
        size = len(body)
        request = await worked_out(size, _request, body)
        name = request.get("signature_name", "") or DEFAULT_SIGNATURE
        with self._models.lease(route.model, version=route.version, label=route.label) as servable:
            inputs = _inputs(servable, name)
            in_rows = _in_rows(request)
            feeds = await worked_out(size, _feeds, request, in_rows, inputs)
            del request  # many times the body, and of no use while the model runs
            outputs = await inference.predict(self._runner, servable, name, feeds)
            del feeds
        return await worked_out(size, predictions.rows_json if in_rows else predictions.columns_json, outputs)

    async def _infer(self, route: Route, body: bytes) -> bytes:
        size = len(body)
        name, examples = await worked_out(size, _named_examples, body)
        with self._models.lease(route.model, version=route.version, label=route.label) as servable:
            if route.verb == "classify":
                classes = await inference.classify(self._runner, servable, name, examples)
                return await worked_out(size, predictions.classifications_json, classes)
            values = await inference.regress(self._runner, servable, name, examples)
            return await worked_out(size, predictions.regressions_json, values)


def _named_examples(body: bytes) -> tuple[str, list[bytes]]:
    """Return the signature's name and the examples of a classify or regress request."""
    request = _request(body)
    return request.get("signature_name", ""), examples_of(request)


def _feeds(request: dict[str, Any], in_rows: bool, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    return row_feeds(request["instances"], inputs) if in_rows else column_feeds(request["inputs"], inputs)


def _request(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds, its signature's name found to be a string."""
    request = parse(body)
    if not isinstance(request, dict):
        raise invalid(f"JSON Value: {quote(request)} Is not object")
    if not isinstance(request.get("signature_name", ""), str):
        raise _refused(request, "not formatted correctly. 'signature_name' key must be a string value.")
    return request


def _inputs(servable: Servable, name: str) -> Mapping[str, Any]:
    """Return the inputs of a signature."""
    if name not in servable.signatures:
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    inputs = dict(servable.signatures[name].inputs)
    if not inputs:
        raise invalid(f"Failed to get input map for signature: {name}")
    return inputs


def _in_rows(request: dict[str, Any]) -> bool:
    """Return whether a predict request has rows, not columns; it must have one of both."""
    if "instances" not in request:
        if "inputs" not in request:
            raise invalid("Missing 'inputs' or 'instances' key")
        return False
    if "inputs" in request:
        raise _refused(request, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")
    if not isinstance(request["instances"], list):
        raise _refused(request, "Expecting 'instances' to be an list/array")
    if not request["instances"]:
        raise _refused(request, "No values in 'instances' array")
    return True


def _refused(request: dict[str, Any], reason: str) -> RequestError:
    return invalid(f"JSON Value: {quote(request)} {reason}")
