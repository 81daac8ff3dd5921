"""The ways to ask, which must not differ."""

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from textclf.client import AsyncClient, Client

from .tiny import Tiny, running

Asking = Callable[..., Any]


def ask_sync(server: str, call: str, *arguments: Any, options: dict[str, Any] | None = None, **named: Any) -> Any:
    with Client(server, "messages", **options or {}) as client:
        return getattr(client, call)(*arguments, **named)


def ask_async(server: str, call: str, *arguments: Any, options: dict[str, Any] | None = None, **named: Any) -> Any:
    async def run() -> Any:
        async with AsyncClient(server, "messages", **options or {}) as client:
            return await getattr(client, call)(*arguments, **named)

    return asyncio.run(run())


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def asking(request: pytest.FixtureRequest) -> Asking:
    """One call of a new client: `asking(server, "predict", ["a text"], options={...})`."""
    return request.param


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()


@pytest.fixture
def address(tiny: Tiny) -> Iterator[str]:
    """Where `tiny` is served."""
    with running(tiny) as address:
        yield address


@pytest.fixture(autouse=True)
def _same_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine's, and each test draws the same waits."""
    random.seed(5)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
