"""A load on a server: requests by REST that leave when they are due, whether or not the others were answered."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any

import httpx2

from textclf.client.rest import without_secrets
from textclf.errors import ConfigError, RunError
from textclf.loadtest.arrivals import arrivals
from textclf.loadtest.failures import refused, to_do, unanswered, without_predictions
from textclf.loadtest.result import Asked, LoadResult
from textclf.optional import import_optional

aiohttp = import_optional("aiohttp", "serve", "A load test")


async def apply_load(
    url: str,
    texts: Sequence[str],
    *,
    rate: float,
    seconds: float,
    batch_size: int = 1,
    timeout: float = 10.0,
    headers: dict[str, str] | None = None,
    seed: int = 0,
    done: Callable[[Asked], object] | None = None,
) -> LoadResult:
    """Ask a model for `seconds`, and return what came of it; nothing is asked twice if it fails.

    Args:
        url: The model's, such as `http://localhost:8501/v1/models/messages`, with `/versions/N` or `/labels/L` or
            without.
        texts: What to ask for, in turn, again from the first after the last.
        rate: Requests a second, on average.
        seconds: How long requests are sent; answers that come later count.
        batch_size: Texts a request.
        timeout: Seconds after which a request has failed.
        headers: Sent with each request, such as an API key.
        seed: Of the times at which requests are due.
        done: Called with each request that has ended.

    Raises:
        ConfigError: Rate, seconds, batch size or texts are not as expected, or no request would be due.
        RunError: The first request, which does not count, failed.
    """
    _check(texts, rate, seconds, batch_size)
    if next(arrivals(rate, seconds, seed), None) is None:
        raise ConfigError(
            f"Expected at least one request to be due, but none is at {rate:g} a second for {seconds:g} s. Give a "
            "higher rate or more seconds."
        )
    async with _session(timeout, headers) as session:
        error = await _post(session, f"{url}:predict", next(_bodies(texts, batch_size)), batch_size)
        if error:
            said = f"The first request to {without_secrets(url)} failed: {error.rstrip('.')}. {to_do(error)}"
            raise RunError(said.rstrip())
        load = _Load(session, f"{url}:predict", batch_size, done)
        try:
            await load.send(arrivals(rate, seconds, seed), _bodies(texts, batch_size))
        except asyncio.CancelledError:  # Ctrl-C: what was measured is measured
            seconds = min(seconds, load.now())
    return LoadResult(sorted(load.asked, key=lambda request: request.due), rate, seconds, batch_size)


def _check(texts: Sequence[str], rate: float, seconds: float, batch_size: int) -> None:
    if not (rate > 0 and seconds > 0 and batch_size > 0):
        raise ConfigError(
            f"Expected a rate, seconds and a batch size above 0, got {rate:g}, {seconds:g} and {batch_size}."
        )
    if not texts:
        raise ConfigError("Expected texts to ask for, got none.")


def _session(timeout: float, headers: dict[str, str] | None) -> Any:
    """Return what sends, with as many connections as there are requests under way: a bound would have them wait here.

    It trusts whom `Client` trusts, the authorities of `SSL_CERT_FILE` if that is set.
    """
    connector = aiohttp.TCPConnector(limit=0, ssl=httpx2.create_ssl_context())
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=timeout), headers=headers)


class _Load:
    """Requests that are under way, and what came of those that have ended."""

    def __init__(self, session: Any, url: str, batch_size: int, done: Callable[[Asked], object] | None) -> None:
        self.asked: list[Asked] = []
        self._session, self._url, self._batch_size, self._done = session, url, batch_size, done
        self._begin = time.perf_counter()

    def now(self) -> float:
        """Return the seconds since the beginning."""
        return time.perf_counter() - self._begin

    async def send(self, dues: Iterable[float], bodies: Iterable[bytes]) -> None:
        """Send each request when it is due, and wait for all answers."""
        async with asyncio.TaskGroup() as tasks:
            for due, body in zip(dues, bodies, strict=False):
                await asyncio.sleep(max(0.0, due - self.now()))
                tasks.create_task(self._ask(due, body))

    async def _ask(self, due: float, body: bytes) -> None:
        left = self.now()
        error = await _post(self._session, self._url, body, self._batch_size)
        request = Asked(due, left, self.now(), error)
        self.asked.append(request)
        if self._done is not None:
            self._done(request)


def _bodies(texts: Sequence[str], batch_size: int) -> Iterator[bytes]:
    """Yield requests for ever."""
    endless = cycle(texts)
    while True:
        yield json.dumps({"instances": list(islice(endless, batch_size))}, ensure_ascii=False).encode(errors="replace")


async def _post(session: Any, url: str, body: bytes, texts: int) -> str:
    """Return what a request for so many texts failed of; an empty string if it was answered."""
    try:
        async with session.post(url, data=body, allow_redirects=False) as reply:  # texts go where they were sent
            content = await reply.read()
    except (OSError, aiohttp.ClientError) as error:
        return unanswered(error)
    return without_predictions(content, texts) if reply.status == 200 else refused(reply.status, content)
