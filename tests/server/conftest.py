"""The services of gRPC on a port of their own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest

from textclf.server.grpc_services import add_services


@contextmanager
def _serving(models: Any, runner: Any) -> Iterator[grpc.Channel]:
    """Serve in a thread, and yield a channel to it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[grpc.aio.Server, int]:
        server = grpc.aio.server()
        add_services(server, models, runner)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def grpc_channel() -> Iterator[Callable[[Any, Any], grpc.Channel]]:
    """Return a function that serves models with a runner as long as the tests of the module run."""
    with ExitStack() as stack:
        yield lambda models, runner: stack.enter_context(_serving(models, runner))
