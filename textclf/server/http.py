"""REST over HTTP: connections, limits and bodies around `Rest`, which knows the contract."""

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from aiohttp import web, web_protocol
from aiohttp.http_exceptions import HttpProcessingError

from textclf.engine.errors import Code, RequestError
from textclf.engine.runner import within
from textclf.server.access import Access
from textclf.server.bodies import Bodies, BodyError, Reader
from textclf.server.calls import Call, answering
from textclf.server.connections import Connections
from textclf.server.limits import Limits
from textclf.server.records import Records
from textclf.server.rest import Reply, Rest
from textclf.server.routes import VersionError, decoded_path, route_of

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

_CODES = {code.http_status: code for code in sorted(Code, reverse=True) if code.http_status != 500}
"""The canonical code of a status; of 400 and 409, which have several, the first."""
_RETRY = {"Retry-After": "1"}
_log = logging.getLogger(__name__)


class HttpServer:
    """Listens for REST.

    What it adds to the contract stands in `Limits`: status 408 and 413 for bodies, 503 when too much is asked at once
    and 504 when an answer takes too long, all with the contract's `{"error": …}`.
    """

    def __init__(
        self,
        rest: Rest,
        records: Records,
        access: Access | None = None,
        pages: Callable[[str], Reply | None] = lambda _: None,
        listings: Mapping[str, Callable[[], Reply]] | None = None,
        limits: Limits | None = None,
        bodies: Bodies | None = None,
    ) -> None:
        """Answer with these; nothing is opened yet.

        Args:
            rest: What knows the contract.
            records: What counts and logs requests.
            access: Who may ask; None for everybody.
            pages: What `GET` of some paths gives to everybody, before the contract is asked; None for other paths.
            listings: What `GET` of some paths gives to whoever may ask, such as metrics.
            limits: The bounds.
            bodies: What counts the bytes that are held; None for a count of its own.
        """
        self._rest, self._records, self._access = rest, records, access or Access()
        self._pages, self._listings, self._limits = pages, listings or {}, limits or Limits()
        self._bodies = bodies or Bodies(self._limits)
        self._running = 0
        self._accepting: asyncio.Task[None] | None = None

    async def start(self, listening: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections on a bound socket, which is closed at the end."""
        self._connections = Connections(self._handle, self._limits)
        listening.setblocking(False)
        listening.listen(self._limits.connections)
        self._listening = listening
        self._accepting = asyncio.create_task(self._connections.accept(listening, tls))

    async def stop(self, grace: float) -> None:
        """Accept nothing more, and end when what runs has been answered, or after `grace` seconds."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
            self._listening.close()
            self._connections.pre_shutdown()
            await self._connections.shutdown(grace)

    async def _handle(self, request: "BaseRequest") -> web.StreamResponse:
        """Answer a request and send the answer, with a connection that is closed where its body was not read."""
        with self._bodies.reading() as reader:  # the answer counts as its body does
            reply, is_read = await self._reply(request, reader)
            headers = {"Content-Type": reply.content_type, "Server": "textclf", **reply.headers}
            response = web.Response(status=reply.status, body=reply.body, headers=headers)
            if not is_read or self._connections.is_ending:
                response.force_close()
            self._connections.wait_for(request.protocol)
            try:
                async with asyncio.timeout(self._limits.send_seconds):
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                request.protocol.force_close()
            if self._connections.is_ending:  # perhaps only since the reply was made
                request.protocol.close()
        return response

    async def _reply(self, request: "BaseRequest", reader: Reader) -> tuple[Reply, bool]:
        """Return the answer, and whether the request was read to its end."""
        target = request.raw_path
        if request.method == "GET" and (page := self._pages(target)) is not None:
            return page, True
        call = _call_of(request.method, target)
        with answering(call):
            try:
                call.caller = self._access.caller(request.headers.get("Authorization"))
                if request.method == "GET" and target in self._listings:
                    return self._listings[target](), True
                reply = await self._read_and_answer(request, reader)
                code = _CODES.get(reply.status, Code.INTERNAL)
            except RequestError as error:
                code, reply = error.code, _error(error.code.http_status, error.message, error.code)
            except BodyError as error:
                code, reply = Code.INVALID_ARGUMENT, _error(error.status, error.message)
            except (web_protocol.RequestPayloadError, HttpProcessingError):
                code, reply = Code.INVALID_ARGUMENT, _error(400, "The body is not as its headers say.")
            except asyncio.CancelledError:  # the client is gone while it is answered, or the server ends
                self._records.answered(call, Code.CANCELLED)
                raise
            except ConnectionError:  # the client is gone, which is its right, and reads no answer
                code, reply = Code.CANCELLED, _error(499, "The client closed the connection.")
            except Exception:  # a mistake of ours must not show the client our inside, nor end the connection unsaid
                _log.exception("%s %s", request.method, target)
                code, reply = Code.INTERNAL, _error(500, "The server failed; its log says why.")
            self._records.answered(call, code)
        return reply, request.content.is_eof()

    async def _read_and_answer(self, request: "BaseRequest", reader: Reader) -> Reply:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await _say_continue(request)
        body = await reader.read(request, request.headers.get("Content-Encoding", ""))
        if self._running >= self._limits.requests:
            raise RequestError(Code.UNAVAILABLE, "The server answers as many requests as it may. Try again.")
        self._connections.work_for(request.protocol)
        self._running += 1
        self._records.metrics.in_flight.set(self._running)
        try:
            reply = await within(self._limits.answer_seconds, self._answer_in_turn(request, body))
        finally:
            self._running -= 1
            self._records.metrics.in_flight.set(self._running)
        reader.give_back()
        reader.take(len(reply.body))
        return reply

    async def _answer_in_turn(self, request: "BaseRequest", body: bytes) -> Reply:
        async with self._bodies.turn(len(body)):
            return await self._rest.answer(request.method, request.raw_path, request.headers, body)


def _call_of(method: str, target: str) -> Call:
    """Return a call with what the path says of it, as far as it can be read."""
    try:
        route = route_of(method, decoded_path(target))
    except (RequestError, VersionError):
        return Call("REST")
    return Call("REST", route.verb, route.model)


def _error(status: int, message: str, code: Code | None = None) -> Reply:
    headers = _RETRY if code is Code.UNAVAILABLE else {}
    if code is Code.UNAUTHENTICATED:
        headers = {"WWW-Authenticate": "Bearer"}
    body = json.dumps({"error": message}, ensure_ascii=False).encode()
    return Reply(status, "application/json", body, dict(headers))


async def _say_continue(request: "BaseRequest") -> None:
    """Let a client send its body that waits for leave; aiohttp does so only for its own applications."""
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0
