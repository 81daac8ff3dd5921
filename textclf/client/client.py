"""A client for TensorFlow Serving's REST interface that waits for answers."""

import ssl
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx2

from textclf.client.async_client import AsyncClient
from textclf.client.cache import AnswerCache
from textclf.client.core import BATCH_SIZE, DEADLINE, Texts
from textclf.client.loop_thread import LoopThread
from textclf.client.results import Metadata, Prediction, VersionStatus
from textclf.client.retries import Retries
from textclf.client.steps import Plan

T = TypeVar("T")


class Client:
    """Asks a served model: TensorFlow Serving's, or the local server's. Threads may share one.

    It is an `AsyncClient` on an event loop in a thread of its own: only so can a call be left in time, whatever the
    server does and however slowly.

    Args:
        server: The server's address; `https://NAME:PASSWORD@host` shows both, as HTTP Basic, to a gateway before it.
        model: The model's name.
        api_key: Sent as `Authorization: Bearer KEY`.
        verify: Over https, whom to trust: the usual authorities, those of a PEM file or an `ssl.SSLContext` (which can
            carry a client's certificate too), or, with False, anybody.
        batch_size: Texts a request; longer lists go in several, up to four of them at once. An error of one ends the
            others.
        deadline: Seconds that a call may take with all its requests, attempts and waits; None if it may take for ever.
        retries: How requests are tried again.
        cache: Where answers are kept; nowhere if not given.
        transport: Another way to send, one of httpx2's for asyncio, such as one to a Unix socket.

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
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._asking = AsyncClient(
            server,
            model,
            api_key=api_key,
            verify=verify,
            batch_size=batch_size,
            deadline=deadline,
            retries=retries,
            cache=cache,
            transport=transport,
        )
        self.core = self._asking.core
        self._thread = LoopThread()
        self._end = weakref.finalize(self, _close, self._thread, self._asking)  # for who does not close it

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
        return self._run(self.core.predict(texts, text_pairs, version, label))

    def scores(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[dict[str, float]]:
        """Return every label's score for each text, in the label vocabulary's order; as `predict` otherwise."""
        return self._run(self.core.scores(texts, text_pairs, version, label))

    def embed(
        self, texts: Texts, *, text_pairs: Texts | None = None, version: int | None = None, label: str | None = None
    ) -> list[list[float]]:
        """Return the embedding of each text, float32[features] as Python numbers; as `predict` otherwise."""
        return self._run(self.core.embed(texts, text_pairs, version, label))

    def status(self, version: int | None = None) -> list[VersionStatus]:
        """Return how the model's versions are, the newest first, or one of them; raises as `predict` does."""
        return self._run(self.core.status(version))

    def metadata(self, *, version: int | None = None, label: str | None = None) -> Metadata:
        """Return which version answers, and its signatures; raises as `predict` does."""
        return self._run(self.core.metadata(version, label))

    def close(self) -> None:
        """Close the connections."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, plan: Plan[T]) -> T:
        return self._thread.run(self._asking.run(plan))


def _close(thread: LoopThread, asking: AsyncClient) -> None:
    thread.close(asking.close())
