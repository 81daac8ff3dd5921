"""REST over real sockets: bodies, limits, keys, slow clients, the end."""

import asyncio
import gzip
import json
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from textclf.engine.errors import Code, RequestError
from textclf.server.access import Access, add_key
from textclf.server.bodies import LARGE
from textclf.server.calls import Call, current_call
from textclf.server.http import HttpServer
from textclf.server.limits import Limits
from textclf.server.metrics import Metrics
from textclf.server.records import Records
from textclf.server.rest import Reply

from ..asynchronous import asynchronous, until


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


class Echo:
    """In place of `Rest`: says what it was asked, or does what a test wants."""

    def __init__(self) -> None:
        self.action: Callable[[], Awaitable[None]] | None = None
        self.calls: list[Call] = []

    async def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.calls.append(current_call())
        if self.action is not None:
            await self.action()
        asked = {"method": method, "target": target, "length": len(body), "type": headers.get("content-type", "")}
        return Reply(200, "application/json", json.dumps(asked).encode(), {})


class Names:
    def names(self) -> list[str]:
        return ["m"]


class Audit:
    def __init__(self) -> None:
        self.lines: list[tuple[Call, Code]] = []

    def write(self, call: Call, code: Code) -> None:
        self.lines.append((call, code))


class Running(NamedTuple):
    server: HttpServer
    echo: Echo
    audit: Audit
    port: int

    async def send(self, data: bytes, patience: float = 5.0) -> bytes:
        """Send bytes on a new connection and return all that comes until the server closes it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            async with asyncio.timeout(patience):
                return await reader.read()
        finally:
            writer.close()

    async def ask(self, method: str = "GET", target: str = "/v1/models/m", body: bytes = b"", **headers: str) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return parsed(await self.send("\r\n".join([*lines, "", ""]).encode() + body))

    @property
    def codes(self) -> list[Code]:
        return [code for _, code in self.audit.lines]


def parsed(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split()[1]), headers, body)


@asynccontextmanager
async def running(limits: Limits | None = None, access: Access | None = None, **more: Any) -> AsyncIterator[Running]:
    echo, audit = Echo(), Audit()
    records: Any = Records(Names(), Metrics(), audit)  # type: ignore[arg-type]
    server = HttpServer(echo, records, access, limits=limits, **more)  # type: ignore[arg-type]
    listening = socket.create_server(("127.0.0.1", 0))
    await server.start(listening)
    try:
        yield Running(server, echo, audit, listening.getsockname()[1])
    finally:
        await server.stop(0.2)


@asynchronous
async def test_the_path_goes_on_as_it_came() -> None:
    async with running() as server:
        for target in ("/v1/models/m%20x?a=1&b=%2F", "/v1//models/../m", "/v1/models/m:predict", "/"):
            answer = await server.ask("POST", target, b"ab", Content_Type="text/plain")
            assert json.loads(answer.body) == {"method": "POST", "target": target, "length": 2, "type": "text/plain"}
            assert answer.headers["content-type"] == "application/json"


@asynchronous
async def test_head_has_no_body() -> None:
    async with running() as server:
        answer = await server.ask("HEAD")
        assert (answer.status, answer.body) == (200, b"")


@asynchronous
async def test_pages_come_before_the_contract_and_before_any_key(tmp_path: Path) -> None:
    add_key(tmp_path / "access.yaml", "shop", ["m"])
    page = Reply(200, "text/html", b"<p>", {"X-A": "b"})
    listing = Reply(200, "text/plain", b"1", {})
    options = {"pages": {"/": page}.get, "listings": {"/list": lambda: listing}}
    async with running(access=Access.read(tmp_path / "access.yaml"), **options) as server:
        answer = await server.ask(target="/")
        assert (answer.body, answer.headers["x-a"], answer.headers["content-type"]) == (b"<p>", "b", "text/html")
        assert (await server.ask(target="/list")).status == 401
        assert not server.echo.calls
    async with running(**options) as server:
        assert (await server.ask(target="/list")).body == b"1"


@asynchronous
async def test_without_a_known_key_nothing_is_asked(tmp_path: Path) -> None:
    key = add_key(tmp_path / "access.yaml", "shop", ["m"])
    async with running(access=Access.read(tmp_path / "access.yaml")) as server:
        answer = await server.ask("POST", body=b"x" * 1000)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.error == "An API key is needed: Authorization: Bearer KEY"
        assert (await server.ask(Authorization="Bearer wrong")).error == "The API key is not known."
        assert not server.echo.calls
        assert (await server.ask(Authorization=f"Bearer {key}")).status == 200
        assert server.echo.calls[0].caller.name == "shop"
        assert server.codes == [Code.UNAUTHENTICATED, Code.UNAUTHENTICATED, Code.OK]


@asynchronous
async def test_gzip_is_taken_off_within_bounds() -> None:
    async with running(Limits(body_bytes=200_000)) as server:

        async def length(body: bytes) -> int:
            answer = await server.ask("POST", body=body, Content_Encoding="gzip")
            return int(json.loads(answer.body)["length"])

        assert await length(gzip.compress(b"a" * 150_000)) == 150_000
        noise = bytes(range(256)) * 400
        assert await length(gzip.compress(noise, 0)) == len(noise)  # so large that another thread does it
        assert await length(b"no gzip") == 0
        assert await length(gzip.compress(b"a" * 1000)[:-9]) == 0
        assert await length(zlib.compress(b"a")) == 0
        bomb = await server.ask("POST", body=gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")
        assert (bomb.status, bomb.error) == (413, "The body is larger than 200000 bytes. Send it in parts.")


@asynchronous
async def test_a_body_that_is_too_large_is_refused_however_it_comes() -> None:
    async with running(Limits(body_bytes=100)) as server:
        assert (await server.ask("POST", body=bytes(100))).status == 200
        answer = await server.ask("POST", body=bytes(101))
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        head = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunk = b"40\r\n" + bytes(64) + b"\r\n"
        answer = parsed(await server.send(head + chunk + chunk + b"0\r\n\r\n"))
        assert answer.status == 413
        assert server.codes == [Code.OK, Code.INVALID_ARGUMENT, Code.INVALID_ARGUMENT]


@asynchronous
async def test_bodies_share_a_bound_and_give_it_back() -> None:
    async with running(Limits(body_bytes=100, all_bodies_bytes=150)) as server:
        release = asyncio.Event()
        server.echo.action = release.wait  # type: ignore[assignment]
        first = asyncio.create_task(server.ask("POST", body=bytes(100)))
        await until(lambda: len(server.echo.calls) == 1)
        answer = await server.ask("POST", body=bytes(100))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        release.set()
        assert (await first).status == 200
        assert (await server.ask("POST", body=bytes(100))).status == 200


@asynchronous
async def test_more_requests_than_may_run_are_refused_at_once() -> None:
    async with running(Limits(requests=2)) as server:
        release = asyncio.Event()
        server.echo.action = release.wait  # type: ignore[assignment]
        running_now = [asyncio.create_task(server.ask()) for _ in range(2)]
        await until(lambda: len(server.echo.calls) == 2)
        answer = await server.ask()
        assert (answer.status, answer.error) == (503, "The server answers as many requests as it may. Try again.")
        release.set()
        assert [answer.status for answer in await asyncio.gather(*running_now)] == [200, 200]
        assert (await server.ask()).status == 200


@asynchronous
async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    async with running(Limits(answer_seconds=0.05)) as server:
        server.echo.action = lambda: asyncio.sleep(5)
        answer = await server.ask()
        assert (answer.status, answer.error) == (504, "Timed out waiting for notification")
        assert server.codes == [Code.DEADLINE_EXCEEDED]


@asynchronous
async def test_errors_have_the_contracts_form(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as server:

        async def refuse() -> None:
            raise RequestError(Code.RESOURCE_EXHAUSTED, "The queue is full")

        async def fail() -> None:
            raise ZeroDivisionError("our inside")

        server.echo.action = refuse
        answer = await server.ask()
        assert (answer.status, json.loads(answer.body)) == (429, {"error": "The queue is full"})
        server.echo.action = fail
        answer = await server.ask()
        assert (answer.status, answer.error) == (500, "The server failed; its log says why.")
        assert "our inside" in caplog.text
        server.echo.action = None
        assert (await server.ask()).status == 200


@asynchronous
async def test_slow_headers_and_slow_bodies_are_not_waited_for() -> None:
    async with running(Limits(idle_seconds=0.2, body_seconds=0.2)) as server:
        assert await server.send(b"POST /v1/models/m HTTP/1.1\r\nHost: x\r\n") == b""
        answer = parsed(await server.send(b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"))
        assert (answer.status, answer.error) == (408, "The body did not come within 0.2 seconds.")
        assert not server.echo.calls


@asynchronous
async def test_clients_that_only_hold_connections_shut_nobody_out() -> None:
    async with running(Limits(connections=4)) as server:
        release = asyncio.Event()
        server.echo.action = release.wait  # type: ignore[assignment]
        working = asyncio.create_task(server.ask())
        await until(lambda: len(server.echo.calls) == 1)
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        silent[1][1].write(b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        late = asyncio.create_task(server.ask())
        await until(lambda: len(server.echo.calls) == 2)
        assert await silent[0][0].read() == b""  # the oldest that waited for its client made room
        release.set()
        assert [(await task).status for task in (working, late)] == [200, 200]
        for _, writer in silent:
            writer.close()


@asynchronous
async def test_a_client_that_waits_for_leave_gets_it() -> None:
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ab")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["bytes", "one word", "version", "length", "chunks", "long"],
)
@asynchronous
async def test_what_is_no_http_is_a_bad_request(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with running() as server:
        assert parsed(await server.send(data)).status == 400
        assert (await server.ask()).status == 200
    assert not caplog.records


@asynchronous
async def test_a_connection_serves_several_requests_and_they_may_be_sent_ahead() -> None:
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /v1/a HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        for _ in range(3):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(parsed(head).headers["content-length"]))
        assert len(server.echo.calls) == 3
        writer.close()


@asynchronous
async def test_the_end_waits_for_what_runs() -> None:
    async with running() as server:
        release = asyncio.Event()
        server.echo.action = release.wait  # type: ignore[assignment]
        _, idle = await asyncio.open_connection("127.0.0.1", server.port)
        task = asyncio.create_task(server.ask())
        await until(lambda: len(server.echo.calls) == 1)
        stopping = asyncio.create_task(server.server.stop(60))
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            await server.ask()
        release.set()
        assert (await task).status == 200
        async with asyncio.timeout(30):
            await stopping
        idle.close()


@asynchronous
async def test_a_client_that_is_gone_gives_its_place_and_its_bytes_back(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Limits(requests=1, all_bodies_bytes=100)) as server:
        server.echo.action = asyncio.Event().wait  # type: ignore[assignment]
        for number in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n" + bytes(60))
            await until(lambda seen=number: len(server.echo.calls) == seen + 1)  # type: ignore[misc]
            writer.close()
            await until(lambda seen=number: server.codes == [Code.CANCELLED] * (seen + 1))  # type: ignore[misc]
        server.echo.action = None
        assert (await server.ask("POST", body=bytes(60))).status == 200
    assert caplog.records == []


@asynchronous
async def test_large_requests_take_turns_and_small_ones_do_not_wait_for_them() -> None:
    async with running(Limits(large_requests=1)) as server:
        release = asyncio.Event()
        server.echo.action = release.wait  # type: ignore[assignment]
        large = [asyncio.create_task(server.ask("POST", body=bytes(LARGE))) for _ in range(2)]
        small = [asyncio.create_task(server.ask("POST", body=bytes(LARGE - 1))) for _ in range(2)]
        await until(lambda: len(server.echo.calls) == 3)
        await asyncio.sleep(0.05)
        assert len(server.echo.calls) == 3
        release.set()
        assert [(await task).status for task in (*large, *small)] == [200] * 4


@asynchronous
async def test_a_large_request_that_is_given_up_gives_its_turn_back() -> None:
    async with running(Limits(large_requests=1, answer_seconds=0.2)) as server:
        server.echo.action = asyncio.Event().wait  # type: ignore[assignment]
        answers = await asyncio.gather(*(server.ask("POST", body=bytes(LARGE)) for _ in range(3)))
        assert [answer.status for answer in answers] == [504] * 3
        server.echo.action = None
        assert (await server.ask("POST", body=bytes(LARGE))).status == 200


@asynchronous
async def test_answers_count_as_bodies_do_until_they_are_sent() -> None:
    async with running(Limits(all_bodies_bytes=200)) as server:
        answer = await server.ask(target="/v1/" + "a" * 200)
        assert (answer.status, answer.error) == (503, "The server holds as many requests as it may. Try again.")
        for _ in range(5):
            assert (await server.ask(body=bytes(100))).status == 200


@asynchronous
async def test_a_client_that_reads_nothing_keeps_neither_its_connection_nor_its_answer() -> None:
    large = Reply(200, "text/plain", bytes(8 << 20))

    def connected(port: int) -> socket.socket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        return client

    async with running(Limits(connections=2), pages=lambda _: large) as server:
        held = server.server._connections
        clients = []
        for number in range(5):
            clients.append(connected(server.port))
            await until(lambda number=number: held.requests_count > number)  # type: ignore[misc]
            await until(lambda: len(held.connections) <= 2)
        for client in clients:
            client.close()
    async with running(Limits(send_seconds=0.2), pages=lambda _: large) as server:
        with connected(server.port):
            await until(lambda: server.server._connections.requests_count > 0)
            await until(lambda: not server.server._connections.connections)


@asynchronous
async def test_the_end_waits_for_the_rest_of_a_body_that_is_on_its_way() -> None:
    head = b"POST /v1/models/m HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    async with running() as server:
        held = server.server._connections
        begun = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        for number, (_, writer) in enumerate(begun):
            writer.write(head + b"half")
            await until(lambda number=number: held.requests_count > number)  # type: ignore[misc]
        unseen_reader, unseen = await asyncio.open_connection("127.0.0.1", server.port)
        await until(lambda: len(held.connections) == 3)
        stopping = asyncio.create_task(server.server.stop(60))
        assert await unseen_reader.read() == b""  # nothing was asked there
        for reader, writer in begun:
            writer.write(b" of it")
            async with asyncio.timeout(30):
                answer = parsed(await reader.read())
            assert (answer.status, json.loads(answer.body)["length"]) == (200, 10)
            assert answer.headers["connection"] == "close"
            writer.close()
        async with asyncio.timeout(30):
            await stopping
        unseen.close()


@asynchronous
async def test_the_end_waits_for_no_second_request_on_a_connection_that_is_being_answered() -> None:
    async with running() as server:
        asked, may_send = asyncio.Event(), asyncio.Event()
        prepare = web.Response.prepare

        async def late(response: web.Response, request: web.BaseRequest) -> Any:
            asked.set()
            await may_send.wait()
            return await prepare(response, request)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(web.Response, "prepare", late)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /v1/models/m HTTP/1.1\r\nHost: x\r\n\r\n")
            await asked.wait()
            stopping = asyncio.create_task(server.server.stop(60))
            await until(lambda: server.server._connections.is_ending)
            may_send.set()
            async with asyncio.timeout(30):
                assert parsed(await reader.read()).status == 200
                await stopping
            writer.close()
