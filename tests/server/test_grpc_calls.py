"""What stands before each gRPC call: the key, room, the bytes, and only then what they say."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from textclf.engine.errors import Code, RequestError
from textclf.server import grpc_services, messages
from textclf.server.access import Access, add_key
from textclf.server.bodies import Bodies
from textclf.server.calls import Call
from textclf.server.grpc_calls import CallInterceptor, grpc_options
from textclf.server.limits import Limits

from ..asynchronous import asynchronous, until

PREDICT = "/tensorflow.serving.PredictionService/Predict"


class Records:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, Code]] = []

    def answered(self, call: Call, code: Code) -> None:
        self.lines.append((call.caller.name, call.model, code))


class Running:
    """A server of one method that answers with what it is sent, when it may."""

    def __init__(self, limits: Limits, access: Access) -> None:
        self.records, self.bodies = Records(), Bodies(limits)
        self.parsed: list[bytes] = []
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.interceptor = CallInterceptor(self.records, access, limits, self.bodies)  # type: ignore[arg-type]
        self.server = grpc.aio.server(interceptors=[self.interceptor], options=grpc_options(limits))
        method = grpc.unary_unary_rpc_method_handler(
            self._predict, self._parse, predict_pb2.PredictRequest.SerializeToString
        )
        services = {"Predict": method}
        self.server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", services)]
        )
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    def _parse(self, message: bytes) -> predict_pb2.PredictRequest:
        self.parsed.append(message)
        return predict_pb2.PredictRequest.FromString(message)

    async def _predict(self, request: predict_pb2.PredictRequest, _: Any) -> predict_pb2.PredictRequest:
        self.asked += 1
        await self.may_answer.wait()
        return request

    def channel(self) -> grpc.aio.Channel:
        """Return a connection of its own."""
        return grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options=[("grpc.use_local_subchannel_pool", 1)])


@asynccontextmanager
async def running(limits: Limits | None = None, access: Access | None = None) -> AsyncIterator[Running]:
    started = Running(limits or Limits(), access or Access())
    await started.server.start()
    try:
        yield started
    finally:
        await started.server.stop(None)


def message_of(size: int = 0) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "m", "x" * size
    return request.SerializeToString()


async def refusal_of(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), refused.value.details() or ""


async def silent(told_to_end: asyncio.Event) -> AsyncIterator[bytes]:
    """Send nothing."""
    await told_to_end.wait()
    return
    yield b""


@asynchronous
async def test_without_a_key_no_message_is_read(tmp_path: Path) -> None:
    key = add_key(tmp_path / "access.yaml", "shop", ["m"])
    async with running(access=Access.read(tmp_path / "access.yaml")) as server, server.channel() as channel:
        ask = channel.unary_unary(PREDICT)
        for shown in ([], [("authorization", "Bearer wrong")], [("authorization-bin", b"\xff")]):
            code, _ = await refusal_of(ask(message_of(3_000_000), metadata=shown))
            assert code is grpc.StatusCode.UNAUTHENTICATED
        endless = channel.stream_unary(PREDICT)(silent(asyncio.Event()))
        assert (await refusal_of(endless))[0] is grpc.StatusCode.UNAUTHENTICATED  # nothing was waited for
        assert server.parsed == []
        assert await ask(message_of(), metadata=[("authorization", f"Bearer {key}")])
        assert server.records.lines == [("", "", Code.UNAUTHENTICATED)] * 4 + [("shop", "m", Code.OK)]


@asynchronous
async def test_calls_for_which_there_is_no_room_are_refused_unparsed() -> None:
    async with running(Limits(requests=2)) as server, server.channel() as one, server.channel() as other:
        server.may_answer.clear()
        calls = [one.unary_unary(PREDICT)(message_of()) for _ in range(2)]
        await until(lambda: server.asked == 2)
        expected = (grpc.StatusCode.UNAVAILABLE, "The server answers as many requests as it may. Try again.")
        assert await refusal_of(other.unary_unary(PREDICT)(message_of())) == expected
        assert len(server.parsed) == 2
        server.may_answer.set()
        assert await asyncio.gather(*calls)
        assert await other.unary_unary(PREDICT)(message_of())


@asynchronous
async def test_messages_count_with_the_bodies_of_rest_and_are_given_back() -> None:
    async with running(Limits(body_bytes=1000, all_bodies_bytes=1500)) as server, server.channel() as channel:
        ask = channel.unary_unary(PREDICT)
        with server.bodies.reading() as body:
            body.take(1000)
            expected = (grpc.StatusCode.UNAVAILABLE, "The server holds as many requests as it may. Try again.")
            assert await refusal_of(ask(message_of(800))) == expected
            assert server.parsed == []
            server.may_answer.clear()
            small = ask(message_of(400))
            await until(lambda: server.asked == 1)
            with pytest.raises(RequestError, match="holds as many"):
                server.bodies.take(200)
        server.may_answer.set()
        await small
        assert await ask(message_of(800))
        server.bodies.take(1500)  # all was given back


@asynchronous
async def test_a_message_that_is_too_large_is_refused_by_grpc() -> None:
    async with running(Limits(body_bytes=1000)) as server, server.channel() as channel:
        code, details = await refusal_of(channel.unary_unary(PREDICT)(message_of(2000)))
        assert (code, server.parsed) == (grpc.StatusCode.RESOURCE_EXHAUSTED, [])
        assert "larger than max" in details


@asynchronous
async def test_a_message_that_does_not_come_is_not_waited_for_for_ever() -> None:
    async with running(Limits(body_seconds=0.5)) as server, server.channel() as channel:
        call = channel.stream_unary(PREDICT)(silent(asyncio.Event()))
        expected = (grpc.StatusCode.DEADLINE_EXCEEDED, "The message did not come in time.")
        assert await refusal_of(call) == expected
        assert await PredictionServiceStub(channel).Predict(predict_pb2.PredictRequest())


@asynchronous
async def test_who_sends_nothing_makes_room_for_who_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_HURRIED_SECONDS", 0.05)
    async with running(Limits(body_bytes=1000, all_bodies_bytes=2000)) as server, server.channel() as channel:
        calls = [channel.stream_unary(PREDICT)(silent(asyncio.Event())) for _ in range(5)]
        refusals = [asyncio.create_task(refusal_of(call)) for call in calls]
        # The two that are read last have nobody behind them, and all the time that a message may take.
        done, _ = await asyncio.wait(refusals, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert {refusal.result()[0] for refusal in done} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        async with asyncio.timeout(20):
            assert await channel.unary_unary(PREDICT)(message_of())
        for call in calls:
            call.cancel()
        await asyncio.gather(*refusals, return_exceptions=True)


@asynchronous
async def test_a_client_that_leaves_while_its_message_is_read_is_noted_and_gives_its_room_back() -> None:
    async with running(Limits(requests=1)) as server, server.channel() as gone, server.channel() as channel:
        call = gone.stream_unary(PREDICT)(silent(asyncio.Event()))
        await until(lambda: server.interceptor._running == 1)
        assert (await refusal_of(channel.unary_unary(PREDICT)(message_of())))[0] is grpc.StatusCode.UNAVAILABLE
        call.cancel()
        await until(lambda: ("", "", Code.CANCELLED) in server.records.lines)
        assert await channel.unary_unary(PREDICT)(message_of())


@asynchronous
async def test_connections_are_bounded() -> None:
    async with running(Limits(connections=2)) as server:
        channels = [server.channel() for _ in range(3)]
        for channel in channels[:2]:
            assert await channel.unary_unary(PREDICT)(message_of())
        assert (await refusal_of(channels[2].unary_unary(PREDICT)(message_of())))[0] is grpc.StatusCode.UNAVAILABLE
        await channels[0].close()
        async with asyncio.timeout(30):
            assert await channels[2].unary_unary(PREDICT)(message_of(), wait_for_ready=True)
        for channel in channels[1:]:
            await channel.close()


@asynchronous
async def test_a_refused_message_is_forgotten_without_the_collector() -> None:
    class Parsed:
        pass

    known: list[weakref.ref[Parsed]] = []

    def parse(_: bytes) -> Parsed:
        parsed = Parsed()
        known.append(weakref.ref(parsed))
        return parsed

    class Servicer:
        @grpc_services._answered
        async def refuse(self, _: Parsed) -> Any:
            raise RequestError(Code.INVALID_ARGUMENT, "no")

    async with running() as server, server.channel() as channel:
        method = grpc.unary_unary_rpc_method_handler(Servicer().refuse, parse)
        server.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("a", {"Refuse": method})])
        gc.disable()
        try:
            for _ in range(5):
                assert await refusal_of(channel.unary_unary("/a/Refuse")(b"")) == (
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "no",
                )
            await until(lambda: all(reference() is None for reference in known))
            assert len(known) == 5
        finally:
            gc.enable()
