"""Both clients against a transport of the test's and a small server over real sockets."""

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from textclf.client import (
    AccessError,
    AnswerCache,
    AsyncClient,
    BusyError,
    Client,
    DeadlineError,
    RefusedError,
    ReplyError,
    Retries,
    UnknownLabelError,
    UnknownModelError,
    UnreachableError,
)

from .conftest import Asking
from .tiny import DRIP, DROP, HANG, LABELS, Tiny, mocked, running, scores_of

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
    assert [count for _, _, count in tiny.asked] == [5, 5, 3]
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


@pytest.mark.parametrize("fault", [HANG, DRIP])
def test_a_slow_server_is_left_in_time(fault: str, tiny: Tiny, address: str, asking: Asking) -> None:
    tiny.faults.append(fault)
    begun = time.monotonic()
    with pytest.raises(DeadlineError, match="expected an answer in time, but nothing came, after 1 attempt"):
        asking(address, "predict", ["a"], options={"deadline": 0.3})
    assert time.monotonic() - begun < 3


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

    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(ask())
    assert time.monotonic() - begun < 3


def test_swaps_lose_no_answer(tiny: Tiny, address: str) -> None:
    """Versions come and go while a cached client asks: each answer is a version's that was there."""
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            tiny.versions = [*tiny.versions, max(tiny.versions) + 1]
            time.sleep(0.02)
            tiny.versions = tiny.versions[-1:]
            time.sleep(0.02)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        with Client(address, "messages", cache=AnswerCache(version_seconds=0.01)) as client:
            seen = [client.predict([str(number % 3)])[0].score for number in range(100)]
    finally:
        over.set()
        swapping.join()
    known = {max(scores_of(version, str(text).encode())) for version in range(1, 500) for text in range(3)}
    assert set(seen) <= known


def test_asking_imports_neither_tensorflow_nor_numpy() -> None:
    program = """
import sys
import textclf.client
print({"tensorflow", "tensorflow_text", "keras", "numpy", "pydantic", "grpc", "aiohttp"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
