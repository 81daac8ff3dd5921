"""What stands before each gRPC call: the key, and what metrics and the audit log get to know of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from textclf.engine.errors import Code, RequestError
from textclf.server.access import Access
from textclf.server.bodies import Bodies
from textclf.server.calls import Call, answering
from textclf.server.limits import HANDSHAKE_SECONDS, Limits
from textclf.server.messages import Messages
from textclf.server.records import Records
from textclf.server.statuses import STATUSES

_Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]]


def grpc_options(limits: Limits) -> list[tuple[str, int]]:
    """Return the bounds that gRPC itself keeps, as options of its server."""
    return [
        ("grpc.so_reuseport", 0),  # or else a second server would take half of the requests, unseen
        ("grpc.max_receive_message_length", limits.body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", limits.requests),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.max_connection_idle_ms", round(limits.idle_seconds * 1000)),
        ("grpc.server_handshake_timeout_ms", round(HANDSHAKE_SECONDS * 1000)),
        ("grpc.http2.bdp_probe", 0),  # or else a message that nobody reads yet may take megabytes and not 64 KiB
    ]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Lets calls through for whoever may ask, so many at a time, and records each.

    What a client sends is looked at in this order: its key; whether there is room for another call; the bytes of its
    message, which count with the bodies of REST; and only then what they say, which takes many times their size.
    """

    def __init__(self, records: Records, access: Access, limits: Limits, bodies: Bodies) -> None:
        """Check and record with these.

        Args:
            records: What counts and logs calls.
            access: Who may ask.
            limits: The bounds.
            bodies: What counts the bytes that are held.
        """
        self._records, self._access, self._limits, self._bodies = records, access, limits, bodies
        self._messages = Messages(limits)
        self._running = 0

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler:
        """Wrap what answers a call; every method of the two services takes one message and gives one."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:  # an unknown method: gRPC says so itself
            return handler
        api = handler_call_details.method.rpartition("/")[2]
        shown = dict(handler_call_details.invocation_metadata or ()).get("authorization")

        async def answer(_: Any, context: grpc.aio.ServicerContext) -> Any:
            return await self._answer(handler, api, shown, context)

        # As a stream, which looks the same on the wire: it is only read when it is asked for.
        return grpc.stream_unary_rpc_method_handler(answer, response_serializer=handler.response_serializer)

    async def _answer(
        self, handler: grpc.RpcMethodHandler, api: str, shown: str | bytes | None, context: grpc.aio.ServicerContext
    ) -> Any:
        call, code = Call("GRPC", api), Code.INTERNAL
        with answering(call):
            try:
                call.caller = self._access.caller(shown if isinstance(shown, str) else None)
                with self._room(), self._bodies.reading() as reader:
                    message = await self._messages.read(context)
                    reader.take(len(message))
                    async with self._bodies.turn(len(message)):
                        request = handler.request_deserializer(message)
                        call.model = _model_of(request)
                        answering_it = handler.unary_unary(request, context)
                        # gRPC keeps what `abort` raises, with its frames, until they are collected.
                        del message, request
                        reply = await answering_it
                code = _code_of(context)
                return reply
            except RequestError as error:
                code = error.code
                await context.abort(STATUSES[code], error.message)
            except asyncio.CancelledError:
                left = context.time_remaining()
                code = Code.CANCELLED if left is None or left > 0 else Code.DEADLINE_EXCEEDED
                raise
            except (grpc.aio.UsageError, grpc.aio.InternalError):  # gRPC has ended it, as what is too large
                code = Code.CANCELLED
                raise
            except grpc.aio.AbortError:
                code = _code_of(context)
                raise
            finally:
                self._records.answered(call, code)

    @contextmanager
    def _room(self) -> Iterator[None]:
        if self._running >= self._limits.requests:
            raise RequestError(Code.UNAVAILABLE, "The server answers as many requests as it may. Try again.")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


def _model_of(request: Any) -> str:
    """Return the name of the model that a request asks for; an empty string if it asks for none."""
    specs = [task.model_spec for task in request.tasks] if hasattr(request, "tasks") else []
    if hasattr(request, "model_spec"):
        specs.append(request.model_spec)
    return str(specs[0].name) if specs else ""


def _code_of(context: grpc.aio.ServicerContext) -> Code:
    """Return the code that a call ends with; grpc gives None, 0 or a `StatusCode`."""
    code = context.code()
    return Code(code.value[0] if isinstance(code, grpc.StatusCode) else code or 0)
