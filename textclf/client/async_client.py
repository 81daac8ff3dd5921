"""A client for TensorFlow Serving's REST interface on asyncio."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from textclf.client import rest
from textclf.client.cache import AnswerCache, identity
from textclf.client.core import BATCH_SIZE, DEADLINE, TOGETHER, Core, Texts
from textclf.client.results import Metadata, Prediction, VersionStatus
from textclf.client.retries import Retries
from textclf.client.steps import Outcome, Plan, Send, Together, Told, Wait

T = TypeVar("T")


class AsyncClient:
    """Asks a served model as `Client` does, on asyncio's event loop, where many calls may be under way at once.

    Args:
        server: The server's address.
        model: The model's name.
        api_key: As of `Client`, like all others.
        verify: Whom to trust.
        batch_size: Texts a request.
        deadline: Seconds that a call may take.
        retries: How requests are tried again.
        cache: Where answers are kept.
        transport: Another way to send.

    Raises:
        ServingError: The address, the name, the key or the file cannot be one.
        ValueError: A number is out of its range.

    Example:
        >>> reply = {"label": "delivery", "score": 0.5, "labels": ["delivery"], "label_scores": [0.5]}
        >>> sent = httpx2.MockTransport(lambda request: httpx2.Response(200, json={"predictions": [reply]}))
        >>> async def ask(text):
        ...     async with AsyncClient("http://127.0.0.1:8501", "messages", transport=sent) as client:
        ...         return (await client.predict([text]))[0].label
        >>> asyncio.run(ask("Where is my parcel?"))
        'delivery'
    """

    def __init__(
        self,
        server: str,
        model: str,
        *,
        api_key: str | None = None,
        verify: bool | str | Path | ssl.SSLContext = True,
        batch_size: int = BATCH_SIZE,
        deadline: float | None = DEADLINE,
        retries: Retries | None = None,
        cache: AnswerCache | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        options = rest.http_options(server, api_key, verify)
        shown = rest.without_secrets(options["base_url"])
        self.core = Core(
            shown,
            model,
            batch_size=batch_size,
            deadline=deadline,
            retries=retries,
            cache=cache,
            # A context can show a client's certificate, and a transport can lead elsewhere.
            caller=(identity(options["base_url"], api_key), verify, transport),
        )
        self._http = httpx2.AsyncClient(transport=transport, **options)

    async def predict(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[Prediction]:
        """Return the best labels of texts, as `Client.predict` does; so the others, each as its namesake."""
        return await self.run(self.core.predict(texts, text_pairs, version, label))

    async def scores(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[dict[str, float]]:
        """Return every label's score for each text, in the label vocabulary's order."""
        return await self.run(self.core.scores(texts, text_pairs, version, label))

    async def embed(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[list[float]]:
        """Return the embedding of each text, float32[features] as Python numbers."""
        return await self.run(self.core.embed(texts, text_pairs, version, label))

    async def status(self, version: int | None = None) -> list[VersionStatus]:
        """Return how the model's versions are, the newest first, or one of them."""
        return await self.run(self.core.status(version))

    async def metadata(self, *, version: int | None = None, label: str | None = None) -> Metadata:
        """Return which version answers, and its signatures."""
        return await self.run(self.core.metadata(version, label))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def run(self, plan: Plan[T]) -> T:
        """Do what a plan says, and return what it is for."""
        outcome: Told = None
        while True:
            try:
                step = plan.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            if isinstance(step, Wait):
                outcome = None
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Together):
                outcome = await self._together(step.plans)
            else:
                outcome = await self._send(step)

    async def _together(self, plans: Sequence[Plan[Any]]) -> list[Any] | Exception:
        results: list[Any] = [None] * len(plans)
        waiting = iter(enumerate(plans))

        async def work() -> None:
            for position, plan in waiting:
                results[position] = await self.run(plan)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(TOGETHER, len(plans))):
                    tasks.create_task(work())
        except ExceptionGroup as errors:
            return errors.exceptions[0]
        return results

    async def _send(self, step: Send) -> Outcome:
        request = rest.request_of(step.ask, self.core.model)
        try:
            async with asyncio.timeout(step.timeout):  # httpx2's timeouts start anew with each piece of a reply
                response = await self._http.request(
                    request.method, request.path, content=request.body, timeout=rest.timeout_of(step.timeout)
                )
        except (httpx2.RequestError, TimeoutError) as error:
            return rest.failure_of(error, step.timeout)
        return rest.outcome_of(step.ask, response.status_code, response.headers, response.content)
