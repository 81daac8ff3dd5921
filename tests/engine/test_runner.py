import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from textclf.engine.errors import Code, RequestError
from textclf.engine.runner import Direct, within


def test_runs_in_threads_at_once() -> None:
    barrier = threading.Barrier(3)

    def run(signature: str, feeds: Any, outputs: Any) -> Any:
        barrier.wait(timeout=10)
        return {name: feeds["x"] + len(signature) for name in outputs}

    async def ask() -> Any:
        servable: Any = SimpleNamespace(run=run)
        return await asyncio.gather(*(direct.run(servable, "ab", {"x": np.array([n])}, ["y"]) for n in range(3)))

    direct = Direct(threads=3)
    assert [answer["y"].tolist() for answer in asyncio.run(ask())] == [[2], [3], [4]]
    direct.close()


def test_one_that_is_late_is_not_run() -> None:
    started, go_on = [], threading.Event()

    def run(signature: str, *_: Any) -> Any:
        started.append(signature)
        go_on.wait(timeout=10)
        return {}

    async def ask() -> None:
        servable: Any = SimpleNamespace(run=run)
        first = asyncio.create_task(direct.run(servable, "first", {}, []))
        await asyncio.sleep(0.01)
        with pytest.raises(RequestError) as caught:
            await within(0.01, direct.run(servable, "late", {}, []))
        assert caught.value.code == Code.DEADLINE_EXCEEDED
        assert caught.value.message == "Timed out waiting for notification"
        go_on.set()
        await first
        await within(None, direct.run(servable, "last", {}, []))

    direct = Direct(threads=1)
    asyncio.run(ask())
    direct.close()
    assert started == ["first", "last"]
