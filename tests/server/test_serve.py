"""The life of the server in the foreground, with a server that only says what it was told."""

import asyncio
import signal
from typing import Any

import pytest

from textclf.server import serve as module
from textclf.server.app import Options
from textclf.server.serve import WHAT_IT_IS, serve


class Ended(BaseException):
    """The process would have ended."""


class Server:
    """Stands for a `LocalServer` that starts, and then is told to end."""

    def __init__(self, answers: bool, closes: bool) -> None:
        self.answers, self.may_close = answers, asyncio.Event()
        if closes:
            self.may_close.set()

    async def start(self) -> None:
        signal.raise_signal(signal.SIGTERM)

    def addresses(self) -> list[str]:
        return ["an address"]

    async def stop(self) -> bool:
        return self.answers

    async def close(self) -> None:
        await self.may_close.wait()


@pytest.mark.parametrize(
    ("answers", "closes", "ends_with", "last"),
    [
        (True, True, None, "Ending: "),
        (True, False, 0, "What was being loaded is given up."),
        (False, False, 1, "Ending: "),
    ],
)
def test_the_end_fails_only_by_what_was_not_answered(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, answers: bool, closes: bool, ends_with: int | None, last: str
) -> None:
    said: list[str] = []
    codes: list[int | None] = []

    def end_now(code: int) -> None:
        codes.append(code)
        raise Ended

    monkeypatch.setattr(module, "LocalServer", lambda *_: Server(answers, closes))
    monkeypatch.setattr(module, "_LOAD_SECONDS", 0.01)
    monkeypatch.setattr(module, "_spare_the_collector", lambda: None)
    monkeypatch.setattr(module, "_end_now", end_now)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        asyncio.run(serve(Options(tmp_path), said.append))
        codes.append(None)
    except Ended:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert codes == [ends_with]
    assert said[:2] == [WHAT_IT_IS, "an address"]
    assert said[-1].startswith(last)
