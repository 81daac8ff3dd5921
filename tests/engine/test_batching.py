"""Batches: whatever is asked in whatever order at once, the answers are those of a request that is asked alone."""

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf.engine.batching import Batching
from textclf.engine.batching_parameters import BatchingParameters, read_parameters
from textclf.engine.errors import Code, RequestError
from textclf.engine.runner import within
from textclf.engine.servable import Servable
from textclf.savedmodel.batching import write_batching


class Doubling:
    """Stands for a `Servable`: doubles numbers, refuses odd ones, and notes the batches."""

    def __init__(self, parameters: BatchingParameters | None) -> None:
        self.batching = parameters
        self.batches: list[list[Any]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def run(self, signature: str, feeds: Any, outputs: Any) -> Any:
        self.batches.append(feeds["x"].tolist())
        assert self.go_on.wait(timeout=20)
        if signature == "whole":
            return {"sum": feeds["x"].sum()}
        if (feeds["x"] % 2).any():
            raise RequestError(Code.INVALID_ARGUMENT, f"odd: {feeds['x'].tolist()}")
        return dict.fromkeys(outputs, feeds["x"] * 2)


def ask_all(servable: Any, requests: list[Any], signature: str = "double", threads: int = 2) -> list[Any]:
    """Return what each request gets that is sent at once with the others, after a delay in ms if it has one."""

    async def ask() -> list[Any]:
        async def one(values: Any, delay: int = 0) -> Any:
            await asyncio.sleep(delay / 1000)
            return await batching.run(servable, signature, {"x": np.array(values, np.int64)}, ["y"])

        work = [one(*request) if isinstance(request, tuple) else one(request) for request in requests]
        return await asyncio.gather(*work, return_exceptions=True)

    batching = Batching(threads)
    try:
        return asyncio.run(ask())
    finally:
        batching.close()


def values_of(answer: Any) -> Any:
    if isinstance(answer, RequestError):
        return answer.code, answer.message
    return {name: (tensor.dtype.name, tensor.shape, tensor.tolist()) for name, tensor in answer.items()}


PARAMETERS = st.builds(
    lambda sizes, splits, **others: BatchingParameters(
        largest_request=sizes[-1] * (3 if splits else 1),
        largest_batch=sizes[-1],
        sizes=tuple(sizes) if splits else (),
        most_waiting=1000,
        **others,
    ),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True).map(sorted),
    splits=st.booleans(),
    timeout=st.sampled_from([0.0, 0.001, 0.004]),
    threads=st.integers(1, 3),
)
ROWS = st.lists(st.one_of(st.integers(-50, 50).map(lambda n: 2 * n), st.integers(0, 3)), max_size=6)
REQUESTS = st.lists(st.tuples(ROWS, st.integers(0, 4)), max_size=24)


@given(PARAMETERS, REQUESTS)
def test_answers_are_those_of_a_request_alone(parameters: BatchingParameters, requests: list[Any]) -> None:
    found = ask_all(Doubling(parameters), requests)
    for (values, _), answer in zip(requests, found, strict=True):
        if len(values) > parameters.largest_request:
            limit = parameters.largest_request
            message = f"Task size {len(values)} is larger than maximum input batch size {limit}"
            assert values_of(answer) == (Code.INVALID_ARGUMENT, message)
        elif any(value % 2 for value in values):
            assert values_of(answer) == (Code.INVALID_ARGUMENT, f"odd: {values}")
        else:
            assert answer["y"].tolist() == [2 * value for value in values]


@given(PARAMETERS, REQUESTS)
def test_no_batch_is_larger_than_allowed(parameters: BatchingParameters, requests: list[Any]) -> None:
    servable = Doubling(parameters)
    ask_all(servable, [([2 * value for value in values], delay) for values, delay in requests])
    sent = [len(values) for values, _ in requests]
    for batch in servable.batches:
        size = len(batch)
        assert size <= parameters.largest_batch or size in sent
        assert not parameters.sizes or size in parameters.sizes or size in sent


@pytest.fixture(scope="module")
def parity_servable(parity: Path) -> Iterator[Servable]:
    servable = Servable("parity", 1, parity)
    yield servable
    servable.close()


@settings(max_examples=30)
@given(PARAMETERS, st.lists(st.tuples(st.sampled_from(["texts", "n", "x"]), ROWS, st.integers(0, 4)), max_size=16))
def test_a_real_version_answers_as_if_alone(
    parity_servable: Servable, parameters: BatchingParameters, requests: list[Any]
) -> None:
    def question(kind: str, values: list[int]) -> tuple[Any, ...]:
        if kind == "texts":
            texts = np.array([b"a" * (value % 7) for value in values], object)
            return "serving_default", {"text": texts}, ["size", "text"]
        if kind == "n":
            return "halves", {"n": np.array(values, np.int64)}, ["half", "share"]
        # One of the outputs has no rows, so that no batch of it can be taken apart.
        return "kinds", {"x": np.array(values, np.float32)}, ["int64", "whole"]

    def alone(*asked: Any) -> Any:
        try:
            return values_of(parity_servable.run(*asked))
        except RequestError as error:
            return values_of(error)

    async def ask() -> list[Any]:
        async def one(asked: tuple[Any, ...], delay: int) -> Any:
            await asyncio.sleep(delay / 1000)
            return await batching.run(parity_servable, *asked)

        work = [one(question(kind, values), delay) for kind, values, delay in requests]
        return await asyncio.gather(*work, return_exceptions=True)

    batching = Batching(2)
    parity_servable.batching = parameters
    answers = [values_of(answer) for answer in asyncio.run(ask())]
    batching.close()
    for (kind, values, _), answer in zip(requests, answers, strict=True):
        if len(values) <= parameters.largest_request:
            assert answer == alone(*question(kind, values))


def test_requests_share_a_batch_that_is_filled_up() -> None:
    servable = Doubling(BatchingParameters(largest_batch=8, timeout=0.05, sizes=(4, 8)))
    found = ask_all(servable, [[2], [4, 6], [8, 10, 12]])
    assert servable.batches == [[2, 4, 6, 8, 10, 12, 8, 8]]
    assert [answer["y"].tolist() for answer in found] == [[4], [8, 12], [16, 20, 24]]


def test_a_full_batch_does_not_wait() -> None:
    servable = Doubling(BatchingParameters(largest_batch=2, timeout=3600.0))
    ask_all(servable, [[2], [4]])
    assert servable.batches == [[2, 4]]


def test_a_bad_request_fails_alone() -> None:
    servable = Doubling(BatchingParameters(largest_batch=4, timeout=0.05))
    found = ask_all(servable, [[2], [3], [4]])
    assert servable.batches == [[2, 3, 4], [2], [3], [4]]
    assert [values_of(answer) for answer in found[1:2]] == [(Code.INVALID_ARGUMENT, "odd: [3]")]
    assert [found[0]["y"].tolist(), found[2]["y"].tolist()] == [[4], [8]]


def test_a_refused_request_is_forgotten_without_the_collector() -> None:
    async def ask() -> list[weakref.ref[Any]]:
        batching, servable, known = Batching(threads=1), Doubling(BatchingParameters()), []
        for _ in range(5):
            feeds = {"x": np.ones(1, np.int64)}
            known.append(weakref.ref(feeds["x"]))
            with contextlib.suppress(RequestError):
                await batching.run(servable, "double", feeds, ["y"])  # type: ignore[arg-type]
            del feeds
        await asyncio.sleep(0.1)
        batching.close()
        return known

    gc.disable()
    try:
        alive = [reference for reference in asyncio.run(ask()) if reference() is not None]
    finally:
        gc.enable()
    assert len(alive) <= 1


def test_what_cannot_be_taken_apart_is_run_alone() -> None:
    servable = Doubling(BatchingParameters(largest_batch=4, timeout=0.05))
    found = ask_all(servable, [[2], [4]], "whole")
    assert [int(answer["sum"]) for answer in found] == [2, 4]


@pytest.mark.parametrize("parameters", [None, BatchingParameters()])
def test_what_has_no_rows_is_run_by_itself(parameters: BatchingParameters | None) -> None:
    servable = Doubling(parameters)
    found = ask_all(servable, [6, [], [2]])
    assert [answer["y"].tolist() for answer in found] == [12, [], [4]]
    assert len(servable.batches) == 3


def test_a_full_queue_refuses_and_recovers() -> None:
    servable: Any = Doubling(BatchingParameters(largest_batch=1, most_waiting=2, threads=1))
    servable.go_on.clear()

    async def ask() -> list[Any]:
        def one(value: int) -> Any:
            return asyncio.ensure_future(batching.run(servable, "double", {"x": np.array([value])}, ["y"]))

        first = [one(2 * number) for number in range(5)]
        await asyncio.sleep(0.02)
        assert [task.done() for task in first] == [False, False, False, True, True]
        first[1].cancel()  # which makes place
        await asyncio.sleep(0)
        late = one(10)
        await asyncio.sleep(0)
        servable.go_on.set()
        return await asyncio.gather(*first, late, return_exceptions=True)

    batching = Batching(4)
    found = asyncio.run(ask())
    batching.close()
    full = "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
    assert [values_of(answer) for answer in found[3:5]] == [(Code.UNAVAILABLE, full + "max_enqueued_batches is 2")] * 2
    assert [found[position]["y"].tolist() for position in (0, 2, 5)] == [[0], [8], [20]]
    assert isinstance(found[1], asyncio.CancelledError)
    assert [2] not in servable.batches


def test_a_request_that_is_late_is_not_run() -> None:
    servable: Any = Doubling(BatchingParameters(largest_batch=8, threads=1))
    servable.go_on.clear()

    async def ask() -> None:
        def one(value: int) -> Any:
            return batching.run(servable, "double", {"x": np.array([value])}, ["y"])

        first = asyncio.ensure_future(one(2))
        await asyncio.sleep(0.01)
        beside = asyncio.ensure_future(one(6))
        with pytest.raises(RequestError) as caught:
            await within(0.01, one(4))
        assert caught.value.code == Code.DEADLINE_EXCEEDED
        servable.go_on.set()
        await asyncio.gather(first, beside)

    batching = Batching(4)
    asyncio.run(ask())
    batching.close()
    assert servable.batches == [[2], [6]]


def test_a_request_that_nobody_waits_for_is_forgotten_at_once_and_makes_room_in_its_batch() -> None:
    servable: Any = Doubling(BatchingParameters(largest_batch=4, threads=1, most_waiting=1))
    servable.go_on.clear()

    async def ask() -> None:
        def one(*values: int) -> Any:
            return asyncio.ensure_future(batching.run(servable, "double", {"x": np.array(values)}, ["y"]))

        first = one(0)
        await asyncio.sleep(0.02)  # it runs
        forsaken, beside = one(2, 4), one(6)
        await asyncio.sleep(0)
        forsaken.cancel()
        await asyncio.sleep(0)
        late = one(8, 10, 12)  # of the batch that may wait, three rows are free again
        await asyncio.sleep(0)
        servable.go_on.set()
        assert [(await task)["y"].tolist() for task in (first, beside, late)] == [[0], [12], [16, 20, 24]]

    batching = Batching(4)
    asyncio.run(ask())
    batching.close()
    assert servable.batches == [[0], [6, 8, 10, 12]]


def test_a_bug_reaches_who_asked() -> None:
    servable: Any = Doubling(BatchingParameters())
    servable.run = lambda *_: 1 / 0
    assert [type(answer) for answer in ask_all(servable, [[2], [4]])] == [ZeroDivisionError] * 2


def test_the_file_of_a_version(tmp_path: Path) -> None:
    assert read_parameters(str(tmp_path)) is None
    write_batching(tmp_path)
    written = read_parameters(str(tmp_path))
    assert written == BatchingParameters(64, 64, 0.001, 128, sizes=(1, 2, 4, 8, 16, 32, 64))
    path = tmp_path / "batching_params.pbtxt"
    path.write_text("")
    assert read_parameters(str(tmp_path)) == BatchingParameters()
    path.write_text(
        "max_batch_size { value: 32 } max_execution_batch_size { value: 8 } num_batch_threads { value: 3 }"
        "enable_large_batch_splitting { value: true }"
    )
    assert read_parameters(str(tmp_path)) == BatchingParameters(32, 8, threads=3)
    for text in ("max_batch: 1", "allowed_batch_sizes: 4", "max_batch_size { value: 0 }"):
        path.write_text(text)
        with pytest.raises(RequestError) as caught:
            read_parameters(str(tmp_path))
        assert caught.value.code == Code.INVALID_ARGUMENT
