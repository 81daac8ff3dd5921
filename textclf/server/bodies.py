"""Bodies of requests: read in bounded time into bounded memory."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Protocol

from textclf.engine.errors import Code, RequestError
from textclf.server.limits import Limits

_GZIP = 16 + zlib.MAX_WBITS
_LARGE = 64 << 10
"""Bytes from which on gunzip takes long enough to be done elsewhere, while others are answered."""


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

    @contextmanager
    def reading(self) -> Iterator["_Reader"]:
        """Give what reads the body of one request; its bytes count as held until the block ends."""
        reader = _Reader(self, self._limits)
        try:
            yield reader
        finally:
            self._held -= reader.held

    def take(self, count: int) -> None:
        """Count bytes as held.

        Raises:
            RequestError: UNAVAILABLE; all bodies together are too large.
        """
        if self._held + count > self._limits.all_bodies_bytes:
            raise RequestError(Code.UNAVAILABLE, "The server holds as many requests as it may. Try again.")
        self._held += count


class _Reader:
    def __init__(self, bodies: Bodies, limits: Limits) -> None:
        self._bodies, self._limits = bodies, limits
        self.held = 0

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
                    self._take(len(chunk))
                    body += chunk
                    if len(body) > self._limits.body_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise BodyError(408, f"The body did not come within {self._limits.body_seconds:g} seconds.") from None
        if "gzip" not in encoding:
            return bytes(body)
        if len(body) < _LARGE:
            unzipped = self._gunzip(body)
        else:
            unzipped = await asyncio.to_thread(self._gunzip, body)
        self._take(len(unzipped))
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

    def _take(self, count: int) -> None:
        self._bodies.take(count)
        self.held += count

    def _too_large(self) -> BodyError:
        return BodyError(413, f"The body is larger than {self._limits.body_bytes} bytes. Send it in parts.")
