"""Tests that are coroutines, and waiting in them for what another task does."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any


def asynchronous(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test in a loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))  # type: ignore[arg-type]

    return run


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that another task does; the bound only keeps the test from hanging."""
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.005)
