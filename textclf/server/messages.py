"""Messages of gRPC: read in bounded time, so many at once, and as bytes.

What has come of a message is held by gRPC until all of it has, and counted nowhere; so only so many are read at once.
"""

import asyncio

import grpc

from textclf.engine.errors import Code, RequestError
from textclf.server.limits import Limits
from textclf.server.turns import Turns

_HURRIED_SECONDS = 2.0
"""How long a message may take while others wait to be read: a client that sends nothing keeps nobody from it."""


class Messages:
    """Reads messages, so many at once; a call that comes then waits for its turn."""

    def __init__(self, limits: Limits) -> None:
        self._seconds = limits.body_seconds
        self._turns = Turns(max(1, limits.all_bodies_bytes // limits.body_bytes))
        self._reading: dict[asyncio.Timeout, float] = {}

    async def read(self, context: grpc.aio.ServicerContext) -> bytes:
        """Return the message of a call; no bytes if there is none.

        Raises:
            RequestError: DEADLINE_EXCEEDED; it does not come to an end in time.
        """
        if self._turns.are_taken:
            self._hurry()
        async with self._turns.turn():
            seconds = self._seconds if not self._turns.waiting else min(self._seconds, _HURRIED_SECONDS)
            reading = asyncio.create_task(context.read())
            reading.add_done_callback(_forget)
            try:
                async with asyncio.timeout(seconds) as patience:
                    self._reading[patience] = asyncio.get_running_loop().time()
                    # gRPC writes into the task's memory until the call is ended: the task must not end before.
                    message = await asyncio.shield(reading)
            except TimeoutError:
                raise RequestError(Code.DEADLINE_EXCEEDED, "The message did not come in time.") from None
            finally:
                self._reading.pop(patience, None)
        return b"" if message is grpc.aio.EOF else bytes(message)

    def _hurry(self) -> None:
        for patience, started in self._reading.items():
            when = patience.when()
            if when is not None and not patience.expired():
                patience.reschedule(min(when, started + _HURRIED_SECONDS))


def _forget(reading: "asyncio.Task[object]") -> None:
    """Ask a task what it failed with, which is told where a call ends, and not by asyncio's log."""
    if not reading.cancelled():
        reading.exception()
