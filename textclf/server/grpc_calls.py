"""What stands before each gRPC call: the key, and what metrics and the audit log get to know of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from textclf.engine.errors import Code, RequestError
from textclf.server.access import Access
from textclf.server.calls import Call, answering
from textclf.server.limits import Limits
from textclf.server.records import Records

_STATUSES = {status.value[0]: status for status in grpc.StatusCode}
_Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Lets calls through for whoever may ask, so many at a time, and records each."""

    def __init__(self, records: Records, access: Access, limits: Limits) -> None:
        """Check and record with these."""
        self._records, self._access, self._limits = records, access, limits
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

        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            return await self._answer(handler.unary_unary, api, shown, request, context)

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )

    async def _answer(
        self,
        servicer: Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]],
        api: str,
        shown: str | bytes | None,
        request: Any,
        context: grpc.aio.ServicerContext,
    ) -> Any:
        call, code = Call("GRPC", api, _model_of(request)), Code.INTERNAL
        with answering(call):
            try:
                self._let_in(call, shown)
                self._running += 1
                try:
                    reply = await servicer(request, context)
                finally:
                    self._running -= 1
                code = _code_of(context)
                return reply
            except RequestError as error:
                code = error.code
                await context.abort(_STATUSES[int(code)], error.message)
            except asyncio.CancelledError:
                code = Code.CANCELLED
                raise
            except grpc.aio.AbortError:
                code = _code_of(context)
                raise
            finally:
                self._records.answered(call, code)

    def _let_in(self, call: Call, shown: str | bytes | None) -> None:
        call.caller = self._access.caller(shown if isinstance(shown, str) else None)
        if self._running >= self._limits.requests:
            raise RequestError(Code.UNAVAILABLE, "The server answers as many requests as it may. Try again.")


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
