"""Bodies: what is large is worked out in a thread, and nothing outlives who asked for it."""

import asyncio
import contextlib
import gc
import threading
import weakref

import pytest

from textclf.engine.errors import Code, RequestError
from textclf.server.bodies import LARGE, Bodies, worked_out
from textclf.server.limits import Limits


def test_a_small_body_is_worked_out_at_once_and_a_large_one_in_a_thread() -> None:
    async def both() -> list[int]:
        return [await worked_out(size, threading.get_ident) for size in (LARGE - 1, LARGE)]

    small, large = asyncio.run(both())
    assert small == threading.get_ident() != large


def test_who_is_cancelled_waits_for_the_thread() -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(30)
        ended.set()

    async def cancel() -> None:
        task = asyncio.create_task(worked_out(LARGE, work))
        await asyncio.to_thread(begun.wait)
        for _ in range(2):  # for the time that is over, and then by the client that is gone
            task.cancel()
            _, waiting = await asyncio.wait({task}, timeout=0.05)
            assert waiting
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(cancel())


@pytest.mark.parametrize("size", [0, LARGE])
def test_an_error_keeps_nothing_of_the_body(size: int) -> None:
    class Parsed(dict[str, int]):
        pass

    def refuse(_: Parsed) -> None:
        raise ValueError("no")

    async def ask() -> "weakref.ref[Parsed]":
        parsed = Parsed()
        seen = weakref.ref(parsed)
        with pytest.raises(ValueError, match="no"):
            await worked_out(size, refuse, parsed)
        return seen

    gc.disable()
    try:
        seen = asyncio.run(ask())
        assert seen() is None
    finally:
        gc.enable()


def test_large_bodies_that_wait_leave_places_to_small_ones() -> None:
    async def ask() -> None:
        bodies = Bodies(Limits(requests=4, large_requests=1))
        async with contextlib.AsyncExitStack() as first, contextlib.AsyncExitStack() as others:
            await first.enter_async_context(bodies.turn(LARGE))
            waiting = [asyncio.create_task(others.enter_async_context(bodies.turn(LARGE))) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(RequestError, match="as many large requests as it may") as refused:
                await others.enter_async_context(bodies.turn(LARGE))
            assert refused.value.code is Code.UNAVAILABLE
            async with bodies.turn(LARGE - 1):
                pass
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        async with bodies.turn(LARGE):
            pass

    asyncio.run(ask())
