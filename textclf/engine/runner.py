"""How requests reach a loaded version from an event loop: each by itself, in a thread of a pool."""

import asyncio
import os
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from textclf.engine.errors import Code, RequestError
from textclf.engine.servable import Servable

T = TypeVar("T")


class Runner(Protocol):
    """What runs a signature of a leased version.

    A request that is cancelled, because its client has gone or its time is over, is not run if it still waits.
    """

    async def run(
        self, servable: Servable, signature: str, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """Ask; arguments, result and errors are those of `Servable.run`.

        Raises:
            RequestError: As `Servable.run`, or UNAVAILABLE if too many wait, as TensorFlow's `SharedBatchScheduler`.
        """
        ...


class Direct:
    """Runs each request by itself, in a pool of threads.

    Args:
        threads: How many requests run at once; as many as there are cores if None.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads or os.cpu_count(), thread_name_prefix="textclf-run")

    async def run(
        self, servable: Servable, signature: str, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """See `Runner`."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, servable.run, signature, feeds, outputs)

    def close(self) -> None:
        """End the threads, once what runs is answered."""
        self._pool.shutdown(cancel_futures=True)


async def within(seconds: float | None, work: Awaitable[T]) -> T:
    """Return the result of some work, which is cancelled when its time is over.

    Args:
        seconds: How long it may take; None for as long as it takes.
        work: What is waited for, such as `runner.run(…)`.

    Raises:
        RequestError: DEADLINE_EXCEEDED, worded as TensorFlow does.
    """
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise RequestError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification") from None
