"""Connections: counted from when they are accepted, whatever their clients do or leave undone."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from textclf.server import connections, limits
from textclf.server.connections import Connections
from textclf.server.limits import Limits, take_descriptors
from textclf.server.tls import Tls

from ..asynchronous import asynchronous
from ..certificates import make_certificate


@asynccontextmanager
async def accepting(most: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="yes")

    held = Connections(answer, Limits(connections=most))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        task = asyncio.create_task(held.accept(listening, tls))
        try:
            yield listening.getsockname()[1]
        finally:
            task.cancel()
            await asyncio.wait({task})
            await held.shutdown(0)


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of the server, and of its clients."""
    certificate, key = make_certificate(tmp_path)
    return Tls(certificate, key).context, ssl.create_default_context(cafile=str(certificate))


async def ask(port: int, trusted: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    try:
        async with asyncio.timeout(30):
            return (await reader.read()).partition(b"\r\n")[0]
    finally:
        writer.close()


@asynchronous
async def test_clients_that_never_shake_hands_are_counted_and_make_room(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with accepting(4, tls[0]) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(6)]
        assert await ask(port, tls[1]) == b"HTTP/1.1 200 OK"
        async with asyncio.timeout(30):
            for reader, _ in silent[:3]:  # six and one are three too many
                assert await reader.read() == b""
        assert await ask(port, tls[1]) == b"HTTP/1.1 200 OK"
        for _, writer in silent:
            writer.close()


@asynchronous
async def test_a_crowd_that_comes_at_once_is_let_go_at_once(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with accepting(4, tls[0]) as port:
        crowd = []
        for _ in range(50):  # before the server gets its turn
            crowd.append(client := socket.create_connection(("127.0.0.1", port)))
            client.setblocking(False)
        async with asyncio.timeout(limits.HANDSHAKE_SECONDS / 2):
            for client in crowd[:46]:
                assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
        assert await ask(port, tls[1]) == b"HTTP/1.1 200 OK"
        for client in crowd:
            client.close()


@asynchronous
async def test_who_does_not_shake_hands_in_time_or_says_nonsense_is_let_go(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "HANDSHAKE_SECONDS", 0.1)
    async with accepting(4, tls[0]) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(30):
            await reader.read()
        writer.close()
        monkeypatch.undo()
        assert await ask(port, tls[1]) == b"HTTP/1.1 200 OK"
    assert not caplog.records


@asynchronous
async def test_a_failing_accept_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_PAUSE_SECONDS", 0.01)
    loop, failures = asyncio.get_running_loop(), [OSError(24, "Too many open files")] * 3
    accept = loop.sock_accept

    async def failing(listening: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", failing)
    async with accepting(4) as port:
        assert await ask(port) == b"HTTP/1.1 200 OK"


@asynchronous
async def test_the_end_lets_go_of_who_is_shaking_hands(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with accepting(4, tls[0]) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.05)
    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()


class Resource:
    RLIMIT_NOFILE, RLIM_INFINITY = 7, -1

    def __init__(self, soft: int, hard: int) -> None:
        self.limit = soft, hard

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.limit

    def setrlimit(self, _: int, limit: tuple[int, int]) -> None:
        self.limit = limit


@pytest.mark.parametrize(
    ("before", "after", "is_enough"),
    [
        ((1024, 4096), (1152, 4096), True),
        ((1024, -1), (1152, -1), True),
        ((-1, -1), (-1, -1), True),
        ((2048, 2048), (2048, 2048), True),
        ((256, 1000), (1000, 1000), False),
    ],
)
def test_descriptors_are_taken_as_far_as_they_may_be(
    before: tuple[int, int], after: tuple[int, int], is_enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "resource", resource := Resource(*before))
    said = take_descriptors(Limits())
    assert (resource.limit, not said) == (after, is_enough)
    assert is_enough or "may open 1000 files, and 512 connections at each of two ports ask for 1152" in said
