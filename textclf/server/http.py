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
from textclf.server.bodies import Bodies, BodyError
from textclf.server.calls import Call, answering
from textclf.server.limits import Limits
from textclf.server.records import Records
from textclf.server.rest import Reply, Rest
from textclf.server.routes import VersionError, decoded_path, route_of

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

_CODES = {code.http_status: code for code in sorted(Code, reverse=True) if code.http_status != 500}
"""The canonical code of a status; of 400 and 409, which have several, the first."""
_HANDSHAKE_SECONDS = 10.0
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
    ) -> None:
        """Answer with these; nothing is opened yet.

        Args:
            rest: What knows the contract.
            records: What counts and logs requests.
            access: Who may ask; None for everybody.
            pages: What `GET` of some paths gives to everybody, before the contract is asked; None for other paths.
            listings: What `GET` of some paths gives to whoever may ask, such as metrics.
            limits: The bounds.
        """
        self._rest, self._records, self._access = rest, records, access or Access()
        self._pages, self._listings, self._limits = pages, listings or {}, limits or Limits()
        self._bodies = Bodies(self._limits)
        self._running = 0
        self._listener: asyncio.Server | None = None

    async def start(self, listening: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections on a bound socket."""
        self._connections = _Connections(self._handle, self._limits)
        self._listener = await asyncio.get_running_loop().create_server(
            self._connections, sock=listening, ssl=tls, ssl_handshake_timeout=_HANDSHAKE_SECONDS if tls else None
        )

    async def stop(self, grace: float) -> None:
        """Accept nothing more, and end when what runs has been answered, or after `grace` seconds."""
        if self._listener is not None:
            self._listener.close()
            self._connections.pre_shutdown()
            await self._connections.shutdown(grace)

    async def _handle(self, request: "BaseRequest") -> web.StreamResponse:
        """Answer a request and send the answer, with a connection that is closed where its body was not read."""
        reply, is_read = await self._reply(request)
        headers = {"Content-Type": reply.content_type, "Server": "textclf", **reply.headers}
        response = web.Response(status=reply.status, body=reply.body, headers=headers)
        if not is_read:
            response.force_close()
        self._connections.wait_for(request.protocol)
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            request.protocol.force_close()
        return response

    async def _reply(self, request: "BaseRequest") -> tuple[Reply, bool]:
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
                reply = await self._read_and_answer(request)
                code = _CODES.get(reply.status, Code.INTERNAL)
            except RequestError as error:
                code, reply = error.code, _error(error.code.http_status, error.message, error.code)
            except BodyError as error:
                code, reply = Code.INVALID_ARGUMENT, _error(error.status, error.message)
            except (web_protocol.RequestPayloadError, HttpProcessingError):
                code, reply = Code.INVALID_ARGUMENT, _error(400, "The body is not as its headers say.")
            except ConnectionError:  # the client is gone, which is its right, and reads no answer
                code, reply = Code.CANCELLED, _error(499, "The client closed the connection.")
            except Exception:  # a mistake of ours must not show the client our inside, nor end the connection unsaid
                _log.exception("%s %s", request.method, target)
                code, reply = Code.INTERNAL, _error(500, "The server failed; its log says why.")
            self._records.answered(call, code)
        return reply, request.content.is_eof()

    async def _read_and_answer(self, request: "BaseRequest") -> Reply:
        with self._bodies.reading() as reader:
            if request.headers.get("Expect", "").lower() == "100-continue":
                await _say_continue(request)
            body = await reader.read(request, request.headers.get("Content-Encoding", ""))
            if self._running >= self._limits.requests:
                raise RequestError(Code.UNAVAILABLE, "The server answers as many requests as it may. Try again.")
            self._connections.work_for(request.protocol)
            self._running += 1
            self._records.metrics.in_flight.set(self._running)
            try:
                answer = self._rest.answer(request.method, request.raw_path, request.headers, body)
                return await within(self._limits.answer_seconds, answer)
            finally:
                self._running -= 1
                self._records.metrics.in_flight.set(self._running)


class _Connections(web.Server):
    """Connections of a bounded number: of those that wait for their client, the oldest makes room for a new one.

    So clients that open connections and send nothing, or a byte now and then, shut nobody else out.
    """

    def __init__(self, handler: "web_protocol._RequestHandler", limits: Limits) -> None:
        quiet = logging.Logger("malformed requests")  # they are answered with 400, and are the client's matter
        quiet.addHandler(logging.NullHandler())
        super().__init__(
            handler,
            auto_decompress=False,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=2.0,
            access_log=None,
            logger=quiet,
        )
        self._most = limits.connections
        self._waiting: dict[web_protocol.RequestHandler, None] = {}
        self._working: set[web_protocol.RequestHandler] = set()

    def connection_made(self, handler: web_protocol.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._waiting[handler] = None
        if len(self._waiting) + len(self._working) > self._most:
            next(iter(self._waiting)).force_close()

    def connection_lost(self, handler: web_protocol.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._waiting.pop(handler, None)
        self._working.discard(handler)

    def work_for(self, handler: web_protocol.RequestHandler) -> None:
        """Keep a connection open: its client has sent all and waits for us."""
        if self._waiting.pop(handler, handler) is None:
            self._working.add(handler)

    def wait_for(self, handler: web_protocol.RequestHandler) -> None:
        """Count a connection among those that wait for their client, as the newest."""
        if handler in self._working or handler in self._waiting:
            self._working.discard(handler)
            self._waiting.pop(handler, None)
            self._waiting[handler] = None


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
