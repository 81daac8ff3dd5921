"""A load on a server: requests by REST that leave when they are due, whether or not the others were answered."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle, islice
from typing import Any

from textclf.errors import ConfigError, RunError
from textclf.loadtest.arrivals import arrivals
from textclf.loadtest.result import Asked, LoadResult
from textclf.optional import import_optional

aiohttp = import_optional("aiohttp", "serve", "A load test")

_LONGEST_ERROR = 160


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
        ConfigError: Rate, seconds, batch size or texts are not as expected.
        RunError: The first request, which does not count, failed.
    """
    if not (rate > 0 and seconds > 0 and batch_size > 0):
        raise ConfigError(
            f"Expected a rate, seconds and a batch size above 0, got {rate:g}, {seconds:g} and {batch_size}."
        )
    if not texts:
        raise ConfigError("Expected texts to ask for, got none.")
    asked: list[Asked] = []
    # As many connections as there are requests under way: a bound would have them wait here.
    connector = aiohttp.TCPConnector(limit=0)
    limit = aiohttp.ClientTimeout(total=timeout)
    async with aiohttp.ClientSession(connector=connector, timeout=limit, headers=headers) as session:
        error = await _post(session, f"{url}:predict", next(iter(_bodies(texts, batch_size))))
        if error:
            raise RunError(f"The first request to {url} failed: {error}. Is a server there that serves this model?")
        begin = time.perf_counter()

        async def ask(due: float, body: bytes) -> None:
            left = time.perf_counter() - begin
            error = await _post(session, f"{url}:predict", body)
            request = Asked(due, left, time.perf_counter() - begin, error)
            asked.append(request)
            if done is not None:
                done(request)

        try:
            async with asyncio.TaskGroup() as tasks:
                for due, body in zip(arrivals(rate, seconds, seed), _bodies(texts, batch_size), strict=False):
                    await asyncio.sleep(max(0.0, begin + due - time.perf_counter()))
                    tasks.create_task(ask(due, body))
        except asyncio.CancelledError:  # Ctrl-C: what was measured is measured
            seconds = min(seconds, time.perf_counter() - begin)
    return LoadResult(sorted(asked, key=lambda request: request.due), rate, seconds, batch_size)


def _bodies(texts: Sequence[str], batch_size: int) -> Iterable[bytes]:
    """Yield requests for ever."""
    endless = cycle(texts)
    while True:
        yield json.dumps({"instances": list(islice(endless, batch_size))}, ensure_ascii=False).encode(errors="replace")


async def _post(session: Any, url: str, body: bytes) -> str:
    """Return what a request failed of; an empty string if it was answered."""
    try:
        async with session.post(url, data=body) as reply:
            content = await reply.read()
            return "" if reply.status == 200 else f"{reply.status} {_reason(content)}"
    except TimeoutError:
        return "no answer in time"
    except OSError as error:  # what aiohttp raises when it cannot connect is one
        return f"{type(error).__name__}: {error.strerror or error}"
    except aiohttp.ClientError as error:
        return type(error).__name__


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])[:_LONGEST_ERROR]
    except (ValueError, KeyError, TypeError):
        return content[:_LONGEST_ERROR].decode(errors="replace")
