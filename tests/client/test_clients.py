"""Both clients against a transport of the test's and a small server over real sockets."""

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from textclf.client import (
    AccessError,
    AnswerCache,
    AsyncClient,
    BusyError,
    Client,
    DeadlineError,
    Prediction,
    RefusedError,
    ReplyError,
    Retries,
    UnknownLabelError,
    UnknownModelError,
    UnreachableError,
)
from textclf.client.core import TOGETHER

from .conftest import Asking
from .tiny import DRIP, DRIP_HEADERS, DRIPS, DROP, HANG, LABELS, Tiny, mocked, running, scores_of

QUICK = {"retries": Retries(first_wait=0.01)}
TEXTS = ["Where is my parcel?", "", "验证码收不到", "\ud83d", "a\x00b", *map(str, range(8))]


def test_a_server_answers_both_clients_alike(tiny: Tiny, address: str, asking: Asking) -> None:
    options = {"batch_size": 5, "api_key": "key-1"}
    answers = asking(address, "predict", TEXTS, options=options)
    expected = [scores_of(2, text.encode("utf-8", "surrogatepass")) for text in TEXTS]
    assert [answer.scores for answer in answers] == [
        dict(sorted(zip(LABELS, scores, strict=True), key=lambda pair: -pair[1])) for scores in expected
    ]
    assert [answer.score for answer in answers] == list(map(max, expected))
    assert sorted(count for _, _, count in tiny.asked) == [3, 5, 5]
    assert tiny.headers["authorization"] == "Bearer key-1"
    assert tiny.headers["content-type"] == "application/json"
    assert asking(address, "scores", TEXTS) == [dict(zip(LABELS, scores, strict=True)) for scores in expected]
    assert asking(address, "embed", TEXTS, version=1)[0] == scores_of(1, TEXTS[0].encode())
    assert asking(address, "predict", ["a"], label="stable") == asking(address, "predict", ["a"], version=1)
    assert [(one.version, one.state) for one in asking(address, "status")] == [(2, "AVAILABLE"), (1, "AVAILABLE")]
    assert [one.version for one in asking(address, "status", 1)] == [1]
    assert asking(address, "metadata").version == 2
    assert asking(address, "metadata", label="stable").version == 1
    assert "authorization" not in tiny.headers


class Parts:
    """A transport that answers requests of one text, whose number it is, each when `when` lets it."""

    def __init__(self, when: Callable[["Parts", int], Awaitable[int]]) -> None:
        self.when, self.tiny = when, Tiny()
        self.begun, self.answered, self.cancelled = list[int](), list[int](), list[int]()
        self.most = 0
        self.changed = asyncio.Condition()
        self.transport = httpx2.MockTransport(self.handle)

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        (row,) = json.loads(request.content)["instances"]
        number = int(row["text"])
        await self.note(self.begun, number)
        self.most = max(self.most, len(self.begun) - len(self.answered))
        try:
            status = await self.when(self, number)
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        await self.note(self.answered, number)
        if status != 200:
            return httpx2.Response(status, json={"error": f"fault {status}"})
        _, headers, body = self.tiny.answer("POST", request.url.path, dict(request.headers), request.content)
        return httpx2.Response(200, headers=headers, content=body)

    async def note(self, numbers: list[int], number: int) -> None:
        async with self.changed:
            numbers.append(number)
            self.changed.notify_all()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with self.changed:
            await self.changed.wait_for(is_so)

    def ask(self, asking: Asking, count: int, **options: Any) -> list[Prediction]:
        options |= {"transport": self.transport, "batch_size": 1}
        answers: list[Prediction] = asking("http://host", "predict", map(str, range(count)), options=options)
        return answers


def test_parts_of_a_list_are_under_way_together_and_answered_in_order(asking: Asking) -> None:
    async def when(parts: Parts, number: int) -> int:
        await parts.until(lambda: len(parts.begun) >= TOGETHER)
        if number == 0:  # the first answer comes last
            await parts.until(lambda: len(parts.answered) == 9)
        return 200

    parts = Parts(when)
    answers = parts.ask(asking, 10)
    assert [answer.score for answer in answers] == [max(scores_of(2, b"%d" % number)) for number in range(10)]
    assert parts.most == TOGETHER
    assert parts.answered[-1] == 0


def test_the_first_error_ends_the_other_parts(asking: Asking) -> None:
    async def when(parts: Parts, number: int) -> int:
        await parts.until(lambda: len(parts.begun) == TOGETHER and number == 1)
        return 400

    parts = Parts(when)
    with pytest.raises(RefusedError, match="fault 400"):
        parts.ask(asking, 10, deadline=None)
    assert sorted(parts.cancelled) == [0, 2, 3]
    assert sorted(parts.begun) == [0, 1, 2, 3], "no other part was sent"


def test_the_deadline_is_that_of_all_parts(asking: Asking) -> None:
    async def when(parts: Parts, number: int) -> int:
        await parts.until(lambda: number != 8)
        return 200

    parts = Parts(when)
    with pytest.raises(DeadlineError):
        parts.ask(asking, 10, deadline=1.0)
    assert 8 not in parts.answered


def test_no_texts_need_no_server(asking: Asking) -> None:
    assert asking("http://127.0.0.1:9", "predict", []) == []


def test_what_passes_is_tried_again(tiny: Tiny, address: str, asking: Asking) -> None:
    tiny.faults.extend([DROP, (503, {"Retry-After": "0"}), (429, {})])
    assert len(asking(address, "predict", ["a"], options=QUICK)) == 1
    assert not tiny.faults


def test_attempts_end(tiny: Tiny, asking: Asking) -> None:
    options = {"retries": Retries(attempts=3, first_wait=0.001), "transport": mocked(tiny)}
    tiny.faults.extend([(503, {})] * 5)
    with pytest.raises(BusyError, match=r"after 3 attempts in .* \(503: fault 503\)"):
        asking("http://host", "predict", ["a"], options=options)
    assert len(tiny.asked) == 3


@pytest.mark.parametrize("fault", [HANG, DRIP, DRIP_HEADERS])
def test_a_slow_server_is_left_in_time(fault: str, tiny: Tiny, address: str, asking: Asking) -> None:
    """Nothing, a body or headers byte by byte: whoever waits for more than the deadline waits until the server ends."""
    tiny.faults.append(fault)
    with pytest.raises(DeadlineError, match="expected an answer in time, but nothing came, after 1 attempt"):
        asking(address, "predict", ["a"], options={"deadline": 0.3})
    assert tiny.dripped < DRIPS
    assert len(asking(address, "predict", ["a"])) == 1


def test_a_client_goes_on_after_an_answer_that_was_not_waited_for(tiny: Tiny, address: str) -> None:
    with Client(address, "messages", deadline=0.3) as client:
        tiny.faults.append(DRIP)
        with pytest.raises(DeadlineError):
            client.predict(["a"])
        tiny.faults.clear()
        client.core.deadline = 60
        assert client.predict(["a"])[0].score == max(scores_of(2, b"a"))


def test_errors_come_as_what_they_are(tiny: Tiny, address: str, asking: Asking) -> None:
    tiny.embeds = False
    for error, call, named in [
        (UnknownModelError, "predict", {"version": 9}),
        (UnknownLabelError, "predict", {"label": "canary"}),
        (UnknownLabelError, "metadata", {"label": "canary"}),
        (RefusedError, "embed", {}),
        (RefusedError, "predict", {"text_pairs": ["b"]}),
    ]:
        with pytest.raises(error):
            asking(address, call, *([] if call == "metadata" else [["a"]]), **named)
    with pytest.raises(UnknownModelError, match="Could not find version 9 of model messages"):
        asking(address, "status", 9)
    with pytest.raises(RefusedError, match="Malformed request: GET /v1/x/v1/models/messages"):
        asking(f"{address}/v1/x", "status")
    for status, refused in ((401, AccessError), (403, AccessError), (301, ReplyError), (404, ReplyError)):
        tiny.faults.append((status, {"Location": "http://127.0.0.1:9"} if status == 301 else {}))
        with pytest.raises(refused):
            asking(address, "predict", ["a"])


def test_a_server_that_is_not_there_is_said(asking: Asking) -> None:
    with running(Tiny()) as address:
        pass
    with pytest.raises(UnreachableError, match=rf"{address}: expected a server, but none answered, after 4 attempts"):
        asking(address, "predict", ["a"], options=QUICK)


def test_a_path_before_the_interface_is_kept(asking: Asking) -> None:
    paths = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        paths.append(str(request.url))
        return httpx2.Response(200, json={"model_version_status": []})

    assert asking("https://host/a/", "status", options={"transport": httpx2.MockTransport(handle)}) == []
    assert paths == ["https://host/a/v1/models/messages"]


def test_threads_share_a_client_and_its_cache(tiny: Tiny, address: str) -> None:
    cache = AnswerCache()
    with Client(address, "messages", cache=cache) as client, ThreadPoolExecutor(8) as threads:
        client.predict(["0"])
        answers = list(threads.map(lambda number: client.predict([str(number % 5)]), range(40)))
    assert [answers[number] for number in range(5)] * 8 == answers
    assert cache.hits + cache.misses == 41
    assert len(cache) == 5
    assert sum(count for _, _, count in tiny.asked) == cache.misses


@pytest.mark.parametrize(
    ("first", "second", "is_shared"),
    [
        ({"api_key": "key-1"}, {"api_key": "key-1"}, True),
        ({"api_key": "key-1"}, {"api_key": "key-2"}, False),
        ({"api_key": "key-1"}, {}, False),
        ({}, {"verify": ssl.create_default_context()}, False),
        ({"user": "ada:p@"}, {"user": "ada:p@"}, True),
        ({"user": "ada:p@"}, {"user": "bob:p@"}, False),
    ],
)
def test_nobody_is_given_what_anothers_key_was_answered(
    first: dict[str, Any], second: dict[str, Any], is_shared: bool, tiny: Tiny, address: str, asking: Asking
) -> None:
    """The cache is shared, and from the first answer on the server lets nobody in."""
    cache = AnswerCache()

    def ask(user: str = "", **options: Any) -> Any:
        server = address.replace("//", f"//{user}")
        return asking(server, "predict", ["a"], options=options | {"cache": cache})

    answers = ask(**first)
    tiny.faults.extend([(403, {})] * 2)
    if is_shared:
        assert ask(**second) == answers
    else:
        with pytest.raises(AccessError):
            ask(**second)
    assert ask(**first) == answers
    assert cache.hits == 1 + is_shared


def test_a_cache_tells_servers_behind_other_transports_apart(asking: Asking) -> None:
    cache, here, there = AnswerCache(), mocked(Tiny(versions=[1])), mocked(Tiny(versions=[2]))
    scores = [
        asking("http://host", "scores", ["a"], options={"cache": cache, "transport": transport})
        for transport in (here, there, here)
    ]
    assert scores[0] == scores[2] != scores[1]
    assert (cache.hits, cache.misses) == (1, 2)


def test_many_calls_share_an_event_loop(tiny: Tiny, address: str) -> None:
    async def ask() -> list[str]:
        async with AsyncClient(address, "messages") as client:
            answers = await asyncio.gather(*(client.predict([str(number)]) for number in range(20)))
        return [answer.label for (answer,) in answers]

    expected = [scores_of(2, str(number).encode()) for number in range(20)]
    assert asyncio.run(ask()) == [LABELS[scores.index(max(scores))] for scores in expected]
    assert len(tiny.asked) == 20


def test_a_call_that_is_cancelled_ends_at_once(tiny: Tiny, address: str) -> None:
    tiny.faults.append(HANG)

    async def ask() -> None:
        async with AsyncClient(address, "messages") as client:
            await asyncio.wait_for(client.predict(["a"]), 0.2)

    with pytest.raises(TimeoutError):  # the server answers when the test is over, and not before
        asyncio.run(ask())


@dataclass
class Swapping(Tiny):
    """A model whose version is swapped before every fifth request is answered, whatever that asks."""

    requests: int = 0

    def answer(self, *request: Any) -> tuple[int, dict[str, str], bytes]:
        self.requests += 1
        if self.requests % 5 == 0:
            self.versions = [self.versions[-1] + 1]
        return super().answer(*request)


def test_swaps_lose_no_answer(asking: Asking) -> None:
    """Versions come and go while cached clients ask: each answer is one of a version that was there meanwhile."""
    tiny = Swapping(versions=[1])
    cache = AnswerCache(version_seconds=0)
    with running(tiny) as address:
        for number in range(40):
            texts, first = [str(number % 3), "9"], tiny.versions[-1]
            answers = asking(address, "predict", texts, options={"cache": cache, "batch_size": 1})
            versions = range(first, tiny.versions[-1] + 1)
            possible = [[max(scores_of(version, text.encode())) for text in texts] for version in versions]
            assert [answer.score for answer in answers] in possible
    assert tiny.versions[-1] == 1 + tiny.requests // 5 > 10


def test_asking_imports_neither_tensorflow_nor_numpy() -> None:
    program = """
import sys
import textclf.client
print({"tensorflow", "tensorflow_text", "keras", "numpy", "pydantic", "grpc", "aiohttp"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
