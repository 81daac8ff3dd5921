"""An event loop in a thread of its own, for callers who wait."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for any thread that waits for them; its own thread begins with the first of them."""

    def __init__(self) -> None:
        self._lock, self._process = threading.Lock(), os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns; it is cancelled if the caller is interrupted.

        Raises:
            RuntimeError: The thread was closed, before or meanwhile, or stayed behind when the process was forked.
        """
        if not self._is_ours():
            coroutine.close()
            raise RuntimeError("The client was used before this process was forked. Make a new one here.")
        with self._lock:
            try:
                loop = self._started()
            except BaseException:
                coroutine.close()
                raise
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)  # before `close` can end the loop
        try:
            return future.result()
        except CancelledError:
            raise RuntimeError("The client was closed before there was an answer.") from None
        except BaseException:  # Ctrl-C, or the coroutine's own error, after which there is nothing to cancel
            future.cancel()
            raise

    def close(self, last: Coroutine[Any, Any, object]) -> None:
        """Cancel what runs, run a last coroutine, and end the thread."""
        if not self._is_ours():
            last.close()
            return
        with self._lock:
            loop = self._loop
            was_closed, self._is_closed = self._is_closed, True
        if loop is None or was_closed:
            last.close()
            return
        loop.call_soon_threadsafe(loop.create_task, _end(last))
        if threading.current_thread() is not self._thread:  # where a client is not closed, but collected as garbage
            self._thread.join()

    def _is_ours(self) -> bool:
        """Return whether the thread is of this process, or can be; before the lock, which a fork may have left shut."""
        if self._process != os.getpid() and self._loop is None:
            self._lock, self._process = threading.Lock(), os.getpid()
        return self._process == os.getpid()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._is_closed:
            raise RuntimeError("The client is closed. Make a new one.")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_serve, args=(self._loop,), name="textclf client", daemon=True)
            self._thread.start()
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()  # which waits for no name that is still looked up, unlike asyncio.run


async def _end(last: Coroutine[Any, Any, object]) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    try:
        await last
    finally:
        asyncio.get_running_loop().stop()
