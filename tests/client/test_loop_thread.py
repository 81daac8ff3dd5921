"""The thread of a client that waits: it ends with its client, and leaves nobody waiting."""

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from textclf.client import Client
from textclf.client.loop_thread import LoopThread

from .tiny import HANG, Tiny


async def nothing() -> None:
    """Do nothing at the end."""


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_the_thread_lives_from_the_first_call_to_the_end(address: str) -> None:
    client = Client(address, "messages")
    assert "textclf client" not in names()
    client.predict(["a"])
    client.predict(["b"])
    assert names().count("textclf client") == 1
    client.close()
    client.close()
    assert "textclf client" not in names()
    with pytest.raises(RuntimeError, match="The client is closed"):
        client.predict(["a"])


def test_a_client_that_nobody_closes_ends_when_it_is_forgotten(address: str) -> None:
    client = Client(address, "messages")
    client.predict(["a"])
    del client
    gc.collect()
    assert "textclf client" not in names()


def test_who_waits_while_another_thread_closes_is_told(tiny: Tiny, address: str) -> None:
    tiny.faults.append(HANG)
    errors: list[BaseException] = []
    with Client(address, "messages") as client:

        def ask() -> None:
            try:
                client.predict(["a"])
            except RuntimeError as error:
                errors.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        while tiny.faults:  # until the server has the request
            time.sleep(0.001)
    asking.join(60)
    assert [str(error) for error in errors] == ["The client was closed before there was an answer."]


def test_who_is_interrupted_cancels_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    thread, begun, cancelled = LoopThread(), threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    def interrupted(_: Future[None]) -> None:
        begun.wait(60)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Future, "result", interrupted)
        thread.run(wait())
    assert cancelled.wait(60)
    thread.close(nothing())


def test_texts_are_read_in_the_thread_of_the_caller(address: str) -> None:
    readers = []

    def texts() -> Iterator[str]:
        readers.append(threading.current_thread())
        yield "a"

    with Client(address, "messages") as client:
        client.predict(texts())
    assert readers == [threading.current_thread()]


def test_after_a_fork_a_client_says_so_instead_of_waiting_for_ever(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(address, "messages") as client:
        client.predict(["a"])
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: -1)
            with pytest.raises(RuntimeError, match="before this process was forked"):
                client.predict(["a"])


def test_a_fork_while_another_thread_begins_a_call_leaves_nobody_waiting(address: str) -> None:
    with Client(address, "messages") as client:
        client.predict(["a"])
        with client._thread._lock:  # which no thread of the new process will ever open
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                try:
                    client.predict(["a"])
                except RuntimeError:
                    os._exit(7)
                os._exit(8)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_client_not_used_before_a_fork_can_be_after_it(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    client = Client(address, "messages")
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: -1)
        assert client.predict(["a"])
        client.close()
