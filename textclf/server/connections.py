"""Connections of REST: a bounded number, from when they are accepted."""

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
from collections.abc import Callable

from aiohttp import web, web_protocol

from textclf.server.limits import HANDSHAKE_SECONDS, Limits

_PAUSE_SECONDS = 0.1
_LINGERING_SECONDS = 2.0
"""How long what a client still sends is read after it was refused, so that it reads why."""


AT_ONCE = 0.001
"""Seconds to wait for nothing; aiohttp would take 0 for no bound."""


class _Connection(web_protocol.RequestHandler):
    """A connection that is closed at once: aiohttp's waits until its client has read all, if that takes for ever."""

    _ends = False

    def force_close(self) -> None:
        """Close it, and forget what its client has not read; but not at the server's end, when all was answered."""
        transport = self.transport
        super().force_close()
        if transport is not None and not self._ends:
            transport.abort()

    @property
    def is_asked(self) -> bool:
        """Whether a request has come, or its headers, that is not answered yet."""
        return self._current_request is not None or bool(self._messages)

    async def shutdown(self, timeout: float | None = None) -> None:
        """Wait for the answer to what was asked, of which a body may still be on its way; aiohttp would not read it."""
        self._ends = True
        if self._task_handler is not None:
            await asyncio.wait({self._task_handler}, timeout=timeout)
        await super().shutdown(AT_ONCE)


class Connections(web.Server):
    """Connections of a bounded number: of those that wait for their client, the oldest makes room for a new one.

    So clients that open connections and send nothing, or a byte now and then, shut nobody else out; not even those that
    never begin the handshake of TLS, for a connection counts from when it is accepted.
    """

    def __init__(self, handler: "web_protocol._RequestHandler", limits: Limits) -> None:
        """Answer with a handler.

        Args:
            handler: What answers a request.
            limits: The bounds.
        """
        quiet = logging.Logger("malformed requests")  # they are answered with 400, and are the client's matter
        quiet.addHandler(logging.NullHandler())
        super().__init__(handler, handler_cancellation=True)  # of what nobody reads any more
        self._connection = functools.partial(
            _Connection,
            self,
            auto_decompress=False,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=_LINGERING_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # which says of each request what the audit log does
            logger=quiet,
        )
        self.is_ending = False
        self._most = limits.connections
        self._waiting: dict[web_protocol.RequestHandler, Callable[[], object]] = {}
        """Those that wait for their client, the oldest first, each with what closes it."""
        self._working: set[web_protocol.RequestHandler] = set()

    async def accept(self, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Take the connections that come to a socket, until cancelled."""
        loop = asyncio.get_running_loop()
        beginning: dict[asyncio.Task[None], Callable[[], None]] = {}
        try:
            while True:
                try:
                    client, _ = await loop.sock_accept(listening)
                except OSError:  # the client is gone, or no descriptors are left, which passes
                    await asyncio.sleep(_PAUSE_SECONDS)
                    continue
                handler = self._connection(loop=loop)
                task = loop.create_task(self._begin(client, handler, tls))
                beginning[task] = self._waiting[handler] = functools.partial(_let_go, client)
                task.add_done_callback(beginning.pop)
                if len(self._waiting) + len(self._working) > self._most:
                    self._waiting.pop(next(iter(self._waiting)))()
                await asyncio.sleep(0)  # or else a crowd at the door keeps the loop from all else
        finally:
            for let_go in beginning.values():
                let_go()

    async def _begin(
        self, client: socket.socket, handler: web_protocol.RequestHandler, tls: ssl.SSLContext | None
    ) -> None:
        """Shake hands; who does not is let go."""
        loop, seconds = asyncio.get_running_loop(), HANDSHAKE_SECONDS if tls else None
        try:
            await loop.connect_accepted_socket(lambda: handler, client, ssl=tls, ssl_handshake_timeout=seconds)
        except OSError:  # of which ssl's are
            pass
        finally:
            if handler.transport is None:  # it never was a connection, whatever ended it
                self._waiting.pop(handler, None)

    def connection_made(self, handler: web_protocol.RequestHandler, transport: asyncio.Transport) -> None:
        """See `web.Server`."""
        super().connection_made(handler, transport)
        if handler in self._waiting:
            self._waiting[handler] = handler.force_close
        else:  # it had to make room in this moment
            handler.force_close()

    def connection_lost(self, handler: web_protocol.RequestHandler, exc: BaseException | None = None) -> None:
        """See `web.Server`."""
        super().connection_lost(handler, exc)
        self._waiting.pop(handler, None)
        self._working.discard(handler)

    def pre_shutdown(self) -> None:
        """Let go of those that ask nothing; the others are closed when they are answered."""
        self.is_ending = True
        for connection in self.connections:
            if not connection.is_asked:  # type: ignore[attr-defined]
                connection.close()

    def work_for(self, handler: web_protocol.RequestHandler) -> None:
        """Keep a connection open: its client has sent all and waits for us."""
        if self._waiting.pop(handler, None) is not None:
            self._working.add(handler)

    def wait_for(self, handler: web_protocol.RequestHandler) -> None:
        """Count a connection among those that wait for their client, as the newest."""
        if handler in self._working or handler in self._waiting:
            self._working.discard(handler)
            self._waiting.pop(handler, None)
            self._waiting[handler] = handler.force_close


def _let_go(client: socket.socket) -> None:
    """End a connection in its handshake; asyncio finds the socket ended at any stage of it, and closes it."""
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
