"""The server that the contract is held against: textclf's own, or one that somebody names.

To hold a real TensorFlow Serving to it, write the models, serve them, and name where it listens:

    python tests/contract/recorded_models.py /tmp/recorded
    tensorflow_model_server --rest_api_port=8501 --port=8500 --model_config_file=/tmp/recorded/models.config
    TEXTCLF_CONTRACT_REST=http://localhost:8501 TEXTCLF_CONTRACT_GRPC=localhost:8500 pytest tests/contract
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

REST, GRPC = "TEXTCLF_CONTRACT_REST", "TEXTCLF_CONTRACT_GRPC"


@pytest.fixture(scope="session")
def is_local() -> bool:
    """Whether the server is textclf's own."""
    return REST not in os.environ and GRPC not in os.environ


@pytest.fixture(scope="session")
def local_ports(recorded_models: Path) -> Iterator[tuple[int, int]]:
    """The ports of REST and gRPC of a local server with the recorded models, in a thread of its own."""
    from textclf.server.app import Options, running

    started: Future[tuple[int, int]] = Future()
    told_to_end = threading.Event()

    async def serve() -> None:
        async with running(Options(recorded_models, rest_port=0, grpc_port=0), lambda _: None) as server:
            started.set_result((server.rest_port, server.grpc_port))
            await asyncio.to_thread(told_to_end.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield started.result(120)
    finally:
        told_to_end.set()
        thread.join()


@pytest.fixture(scope="session")
def rest_url(request: pytest.FixtureRequest, is_local: bool) -> str:
    """Where the server listens for REST."""
    if is_local:
        return f"http://127.0.0.1:{request.getfixturevalue('local_ports')[0]}"
    return os.environ.get(REST) or pytest.skip(f"{REST} names no server")


@pytest.fixture(scope="session")
def grpc_address(request: pytest.FixtureRequest, is_local: bool) -> str:
    """Where the server listens for gRPC."""
    if is_local:
        return f"127.0.0.1:{request.getfixturevalue('local_ports')[1]}"
    return os.environ.get(GRPC) or pytest.skip(f"{GRPC} names no server")
