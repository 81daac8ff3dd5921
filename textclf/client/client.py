"""A client for TensorFlow Serving's REST interface that waits for answers."""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx2

from textclf.client import rest
from textclf.client.cache import AnswerCache
from textclf.client.core import BATCH_SIZE, DEADLINE, Core, Texts
from textclf.client.results import Metadata, Prediction, VersionStatus
from textclf.client.retries import Retries
from textclf.client.steps import Outcome, Plan, Send, Wait

T = TypeVar("T")


class Client:
    """Asks a served model: TensorFlow Serving's, or the local server's. Threads may share one.

    Args:
        server: The server's address; `https://NAME:PASSWORD@host` shows both, as HTTP Basic, to a gateway before it.
        model: The model's name.
        api_key: Sent as `Authorization: Bearer KEY`.
        verify: Over https, whom to trust: the usual authorities, those of a PEM file or an `ssl.SSLContext` (which can
            carry a client's certificate too), or, with False, anybody.
        batch_size: Texts a request; longer lists go in several, one after another.
        deadline: Seconds that a call may take with all its requests, attempts and waits; None if it may take for ever.
        retries: How requests are tried again.
        cache: Where answers are kept; nowhere if not given.
        transport: Another way to send, of httpx2's, such as one to a Unix socket.

    Raises:
        ServingError: The address, the name, the key or the file cannot be one.
        ValueError: A number is out of its range.

    Example:
        >>> reply = {"label": "delivery", "score": 0.5, "labels": ["delivery"], "label_scores": [0.5]}
        >>> sent = httpx2.MockTransport(lambda request: httpx2.Response(200, json={"predictions": [reply]}))
        >>> with Client("http://127.0.0.1:8501", "messages", transport=sent) as client:
        ...     client.predict(["Where is my parcel?"])[0].label
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
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        options = rest.http_options(server, api_key, verify)
        shown = rest.without_secrets(options["base_url"])
        self._core = Core(shown, model, batch_size=batch_size, deadline=deadline, retries=retries, cache=cache)
        self._http = httpx2.Client(transport=transport, **options)

    def predict(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[Prediction]:
        """Return the best labels of texts.

        Args:
            texts: The texts; bytes are read as UTF-8, invalid ones and half surrogate pairs as U+FFFD.
            text_pairs: The second text of each, if the model was trained on pairs.
            version: The version to ask; the newest if neither it nor a label is given.
            label: The label of the version to ask.

        Returns:
            A prediction a text, in their order; none for no texts, of which no server is asked.

        Raises:
            ServingError: There is no answer: `UnreachableError`, `UnknownModelError`, `UnknownLabelError`,
                `RefusedError`, `AccessError`, `BusyError`, `DeadlineError` or `ReplyError`.
            TypeError: It is a single string, or one of the texts is no string.
            ValueError: There are not as many second texts as texts, or both a version and a label.
        """
        return self._run(self._core.predict(texts, text_pairs, version, label))

    def scores(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[dict[str, float]]:
        """Return every label's score for each text, in the label vocabulary's order; as `predict` otherwise."""
        return self._run(self._core.scores(texts, text_pairs, version, label))

    def embed(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[list[float]]:
        """Return the embedding of each text, float32[features] as Python numbers; as `predict` otherwise."""
        return self._run(self._core.embed(texts, text_pairs, version, label))

    def status(self, version: int | None = None) -> list[VersionStatus]:
        """Return how the model's versions are, the newest first, or one of them; raises as `predict` does."""
        return self._run(self._core.status(version))

    def metadata(self, *, version: int | None = None, label: str | None = None) -> Metadata:
        """Return which version answers, and its signatures; raises as `predict` does."""
        return self._run(self._core.metadata(version, label))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, plan: Plan[T]) -> T:
        return run(plan, self._send)

    def _send(self, step: Send) -> Outcome:
        request = rest.request_of(step.ask, self._core.model)
        try:
            with self._http.stream(
                request.method, request.path, content=request.body, timeout=rest.timeout_of(step.timeout)
            ) as response:
                body = b"".join(_in_time(response.iter_bytes(), step.timeout))
        except httpx2.RequestError as error:
            return rest.failure_of(error)
        return rest.outcome_of(step.ask, response.status_code, response.headers, body)


def run(plan: Plan[T], send: Callable[[Send], Outcome]) -> T:
    """Do what a plan says, and return what it is for."""
    outcome: Outcome | None = None
    while True:
        try:
            step = plan.send(outcome)
        except StopIteration as done:
            result: T = done.value
            return result
        if isinstance(step, Wait):
            outcome = None
            time.sleep(step.seconds)
        else:
            outcome = send(step)


def _in_time(chunks: Iterable[bytes], seconds: float | None) -> Iterator[bytes]:
    """Yield the pieces of a body until the time is over: httpx2's timeouts start anew with each of them."""
    begun = time.monotonic()
    for chunk in chunks:
        if seconds is not None and time.monotonic() - begun > seconds:
            raise httpx2.ReadTimeout("the reply came too slowly")
        yield chunk
