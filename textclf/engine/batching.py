"""Requests of many clients run at once, by each version's `batching_params.pbtxt`.

As TensorFlow's `SharedBatchScheduler` does it: a batch takes requests until it is full, or until its first one has
waited long enough and a thread is free. Requests whose rows differ in shape or dtype go into different batches, so
nothing is padded inside a row; and if a batch fails, each of its requests is run by itself, so that a bad one fails
alone. A request without rows, of which no batch can be made, is run by itself too.
"""

import asyncio
import os
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from textclf.engine.batching_parameters import BatchingParameters
from textclf.engine.errors import Code, RequestError
from textclf.engine.servable import Servable

Tensors = Mapping[str, NDArray[Any]]
Outcome = dict[str, NDArray[Any]] | Exception


@dataclass(eq=False)
class _Request:
    """A request that waits for its batch; `answer` is done before if nobody waits for it any more."""

    feeds: Tensors
    rows: int
    answer: asyncio.Future[dict[str, NDArray[Any]]]


@dataclass(eq=False)
class _Batch:
    """Requests that can be run at once: of one signature, for the same outputs, with rows of one kind."""

    servable: Servable
    signature: str
    outputs: Sequence[str]
    due: float
    requests: list[_Request] = field(default_factory=list)
    rows: int = 0
    is_closed: bool = False


@dataclass
class _Line:
    """The batches of a version that wait, in the order of their beginning; those that still grow also by their kind."""

    parameters: BatchingParameters
    batches: list[_Batch] = field(default_factory=list)
    growing: dict[Hashable, _Batch] = field(default_factory=dict)
    running: int = 0
    timer: asyncio.TimerHandle | None = None


class Batching:
    """Runs requests of the same version and signature at once; a `Runner` for one event loop.

    Args:
        threads: How many batches run at once; as many as there are cores if None.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="textclf-batch")
        self._lines: WeakKeyDictionary[Servable, _Line] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self, servable: Servable, signature: str, feeds: Tensors, outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """See `Runner`.

        Raises:
            RequestError: As `Servable.run`; INVALID_ARGUMENT if the request has more rows than a batch may have,
                UNAVAILABLE if too many batches wait.
        """
        loop = asyncio.get_running_loop()
        parameters, rows = servable.batching, _rows(feeds)
        if parameters is not None and rows > parameters.largest_request:
            limit = parameters.largest_request
            raise RequestError(
                Code.INVALID_ARGUMENT, f"Task size {rows} is larger than maximum input batch size {limit}"
            )
        if parameters is None or not 0 < rows <= parameters.largest_batch:
            return await loop.run_in_executor(self._pool, servable.run, signature, feeds, outputs)
        line = self._lines.setdefault(servable, _Line(parameters))
        request = _Request(feeds, rows, loop.create_future())
        batch = _enter(line, request, _Batch(servable, signature, outputs, loop.time() + parameters.timeout))
        self._advance(line)
        try:
            return await request.answer
        except asyncio.CancelledError:
            _withdraw(line, batch, request)
            raise
        finally:
            del request, batch  # an error's traceback holds this frame, and the answer the error: a ring

    def close(self) -> None:
        """End the threads, once what runs is answered."""
        self._pool.shutdown(cancel_futures=True)

    def _advance(self, line: _Line) -> None:
        """Run the batches that are ready, as far as threads are free; look again when the next one is."""
        loop = asyncio.get_running_loop()
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        while line.batches and line.running < min(line.parameters.threads, self._threads):
            ready = [batch for batch in line.batches if batch.is_closed or batch.due <= loop.time()]
            if not ready:
                line.timer = loop.call_at(min(batch.due for batch in line.batches), self._advance, line)
                break
            _leave(line, ready[0])
            line.running += 1
            task = loop.create_task(self._finish(line, ready[0]))
            self._tasks.add(task)  # or else nothing would keep it
            task.add_done_callback(self._tasks.discard)

    async def _finish(self, line: _Line, batch: _Batch) -> None:
        """Run a batch, and tell everyone who waits."""
        requests = [request for request in batch.requests if not request.answer.done()]
        try:
            if requests:
                loop = asyncio.get_running_loop()
                outcomes = await loop.run_in_executor(self._pool, _outcomes, batch, requests, line.parameters)
                for request, outcome in zip(requests, outcomes, strict=True):
                    if request.answer.done():
                        continue
                    if isinstance(outcome, Exception):
                        request.answer.set_exception(outcome)
                    else:
                        request.answer.set_result(outcome)
        finally:
            for request in requests:
                request.answer.cancel()  # where the server ends in between
            line.running -= 1
            self._advance(line)


def _rows(feeds: Tensors) -> int:
    """Return how many rows a request has; 0 if no batch can be made of it."""
    sizes = {tensor.shape[0] if tensor.ndim else 0 for tensor in feeds.values()}
    return sizes.pop() if len(sizes) == 1 else 0


def _kind(batch: _Batch, feeds: Tensors) -> Hashable:
    """Return what requests have in common that can be run at once."""
    inputs = sorted((alias, tensor.dtype.str, tensor.shape[1:]) for alias, tensor in feeds.items())
    return batch.signature, tuple(batch.outputs), tuple(inputs)


def _enter(line: _Line, request: _Request, new: _Batch) -> _Batch:
    """Put a request into the batch that grows, or begin a new one; return which."""
    kind, limit = _kind(new, request.feeds), line.parameters.largest_batch
    batch = line.growing.get(kind)
    if batch is None or batch.rows + request.rows > limit:
        waiting, most = len(line.batches), line.parameters.most_waiting
        if waiting >= most:
            raise RequestError(
                Code.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full; currently "
                f"{waiting} batches enqueued and max_enqueued_batches is {most}",
            )
        if batch is not None:
            batch.is_closed = True
        batch = line.growing[kind] = new
        line.batches.append(batch)
    batch.requests.append(request)
    batch.rows += request.rows
    if batch.rows == limit:
        batch.is_closed = True
        del line.growing[kind]
    return batch


def _withdraw(line: _Line, batch: _Batch, request: _Request) -> None:
    """Take a request that nobody waits for out of its batch, if that waits: it must not keep others out."""
    if batch not in line.batches:
        return
    batch.requests.remove(request)
    batch.rows -= request.rows
    if not batch.requests:
        _leave(line, batch)


def _leave(line: _Line, batch: _Batch) -> None:
    line.batches.remove(batch)
    line.growing = {kind: growing for kind, growing in line.growing.items() if growing is not batch}


def _outcomes(batch: _Batch, requests: Sequence[_Request], parameters: BatchingParameters) -> Sequence[Outcome]:
    """Return the answer to each request, or the error it gets; in a thread."""
    try:
        together = _together(batch, requests, parameters)
    except Exception:  # whose fault it is shows when each is run by itself
        together = None
    if together is not None:
        return together
    return [_alone(batch, request) for request in requests]


def _alone(batch: _Batch, request: _Request) -> Outcome:
    try:
        return batch.servable.run(batch.signature, request.feeds, batch.outputs)
    except Exception as error:
        # Its traceback would hold this frame, and so the request, whose answer will hold the error: a ring.
        return error.with_traceback(None)


def _together(
    batch: _Batch, requests: Sequence[_Request], parameters: BatchingParameters
) -> list[dict[str, NDArray[Any]]] | None:
    """Return the answers of all requests run at once; None if they cannot be told apart in what came."""
    rows = sum(request.rows for request in requests)
    size = parameters.filled(rows)
    if len(requests) == 1 and size == rows:
        return None
    feeds = {}
    for alias in requests[0].feeds:
        tensors = [request.feeds[alias] for request in requests]
        # As there, with a row that is known to be good, or else bad on its own account.
        feeds[alias] = np.concatenate([*tensors, *[tensors[-1][:1]] * (size - rows)])
    found = batch.servable.run(batch.signature, feeds, batch.outputs)
    if any(tensor.shape[:1] != (size,) for tensor in found.values()):
        return None
    ends = np.cumsum([request.rows for request in requests]).tolist()
    return [
        {alias: tensor[end - request.rows : end] for alias, tensor in found.items()}
        for request, end in zip(requests, ends, strict=True)
    ]
