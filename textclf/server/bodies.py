"""Bodies of requests: read in bounded time into bounded memory, and worked on in bounded memory too.

What JSON or a message says takes up to fifty times the bytes that say it: measured, 48 times for lists in lists, 33
for `[[]]`, 28 for `{"":0}`, 20 for base64, 13 for short strings, 3 to 9 for numbers. So large ones take turns.
"""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import ParamSpec, Protocol, TypeVar

from textclf.engine.errors import Code, RequestError
from textclf.server.limits import Limits
from textclf.server.turns import Turns

P = ParamSpec("P")
T = TypeVar("T")

_GZIP = 16 + zlib.MAX_WBITS
LARGE = 64 << 10
"""Bytes from which on a body takes turns with others, and that of REST is worked on in a thread meanwhile."""


class BodyError(Exception):
    """A body that is not read to its end.

    Attributes:
        status: The HTTP status, which the contract has no canonical code for.
        message: What the client gets to read.
    """

    def __init__(self, status: int, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.status, self.message = status, message


class _Request(Protocol):
    """What aiohttp's requests have."""

    @property
    def content_length(self) -> int | None: ...

    @property
    def content(self) -> "_Content": ...


class _Content(Protocol):
    def iter_any(self) -> AsyncIterator[bytes]: ...


class Bodies:
    """Reads bodies, of which only so many bytes may be held at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._held = limits, 0
        self._turns = Turns(limits.large_requests)

    @contextmanager
    def reading(self) -> Iterator["Reader"]:
        """Give what reads the body of one request; its bytes count as held until the block ends."""
        reader = Reader(self, self._limits)
        try:
            yield reader
        finally:
            reader.give_back()

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Run the block, which parses and answers a body of a size, when it is its turn: a small one's is at once.

        Raises:
            RequestError: UNAVAILABLE; too many large ones wait. They would take the places of all that are small.
        """
        if size < LARGE:
            yield
            return
        if self._turns.waiting >= self._limits.requests // 2:
            raise RequestError(Code.UNAVAILABLE, "The server has as many large requests as it may. Try again.")
        async with self._turns.turn():
            yield

    def take(self, count: int) -> None:
        """Count bytes as held; fewer, if negative.

        Raises:
            RequestError: UNAVAILABLE; all bodies together are too large.
        """
        if count > 0 and self._held + count > self._limits.all_bodies_bytes:
            raise RequestError(Code.UNAVAILABLE, "The server holds as many requests as it may. Try again.")
        self._held += count


async def worked_out(size: int, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Return what a function makes of a body, or of what was made of one: of a large one, in a thread.

    A thread cannot be ended: who is cancelled meanwhile waits for it, for what it takes is still there.

    Args:
        size: Of the body.
        function: What is called.
        arguments: What it is called with.
        named: What it is called with, by name.
    """
    if size < LARGE:
        return function(*arguments, **named)
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):  # a second one: of the client, after that of the time
                await asyncio.wait({work})
        raise
    finally:
        del work, arguments, named  # an error's traceback holds this frame, and the task the error: a ring


class Reader:
    """Reads the body of one request, and counts what is held for it."""

    def __init__(self, bodies: Bodies, limits: Limits) -> None:
        self._bodies, self._limits = bodies, limits
        self._held = 0

    async def read(self, request: _Request, encoding: str) -> bytes:
        """Return a request's body, without its compression.

        As TensorFlow Serving does it: what is no gzip, though it says so, is read as an empty body.

        Raises:
            BodyError: It is too large (413), or does not come to an end in time (408).
            RequestError: All bodies together are too large.
        """
        if (request.content_length or 0) > self._limits.body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.content.iter_any():
                    self.take(len(chunk))
                    body += chunk
                    if len(body) > self._limits.body_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise BodyError(408, f"The body did not come within {self._limits.body_seconds:g} seconds.") from None
        if "gzip" not in encoding:
            return bytes(body)
        unzipped = await worked_out(len(body), self._gunzip, body)
        self.take(len(unzipped))
        return unzipped

    def _gunzip(self, body: bytearray) -> bytes:
        stream = zlib.decompressobj(_GZIP)
        try:
            unzipped = stream.decompress(body, self._limits.body_bytes + 1)
        except zlib.error:
            return b""
        if len(unzipped) > self._limits.body_bytes:
            raise self._too_large()
        return unzipped if stream.eof else b""

    def take(self, count: int) -> None:
        """Count bytes as held by this request; see `Bodies.take`."""
        self._bodies.take(count)
        self._held += count

    def give_back(self) -> None:
        """Count nothing as held by this request any more."""
        self._bodies.take(-self._held)
        self._held = 0

    def _too_large(self) -> BodyError:
        return BodyError(413, f"The body is larger than {self._limits.body_bytes} bytes. Send it in parts.")
