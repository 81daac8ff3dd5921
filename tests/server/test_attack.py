"""Ten thousand malformed requests: each gets an error of the contract, memory stays bounded, and others are served."""

import asyncio
import gzip
import io
import json
import random
import resource
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
import yarl
from recorded import EXCHANGES, body_of

from textclf.server.app import LocalServer, Options, running

REQUESTS = 10_000
UNDER_WAY = 16
MIB = 1 << 20
MOST_MEMORY = 600 * MIB
"""What the attack may add to the process: all bodies together may take 256 MiB, and are parsed then."""
BODIES = [body_of(exchange) for exchange in EXCHANGES if exchange["method"] == "POST"]
TARGETS = sorted({exchange["path"] for exchange in EXCHANGES} - {"/"})  # there is a page
BOMB = gzip.compress(bytes(512 * MIB // 8), 1)
"""64 MiB of nothing, sixteen times as much as a body may be."""


class Attack(NamedTuple):
    """A request."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]


def attacks(seed: int) -> Iterator[Attack]:
    """Yield requests that are wrong in some way, for ever; a few are not."""
    chance = random.Random(seed)
    while True:
        target = mutated_target(chance)
        method = chance.choice(["POST"] * 12 + ["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "BREW"])
        kind = chance.choice([mutated, mutated, mutated, mutated, rebuilt, rebuilt, deep, long, wrong_base64])
        body, headers = kind(chance), {}
        if chance.random() < 0.02:
            body, headers = (
                chance.choice([BOMB, b"\x1f\x8b no gzip", gzip.compress(body)[:-5]]),
                {"Content-Encoding": "gzip"},
            )
        yield Attack(method, target, b"" if method in ("GET", "HEAD") else body, headers)


def mutated_target(chance: random.Random) -> str:
    """Return a path that leads nowhere, or where it should not, or to a model."""
    inside = ["..", "%2e%2e", "%2F", "%00", "%ff", "etc/passwd", "versions", "labels", "9" * 30, "-1", ":", "m"]
    inside += ["%E4%BD%A0"]
    kind = chance.random()
    if kind < 0.5:
        return chance.choice(["/v1/models/g:predict", "/v1/models/m:predict", "/v1/models/m2:classify"])
    if kind < 0.7:
        return chance.choice(TARGETS)
    parts = chance.choices(inside, k=chance.randint(1, 5))
    return "/v1/models/" + chance.choice(["/", ""]).join(parts) + chance.choice(["", ":predict", "/metadata"])


def mutated(chance: random.Random) -> bytes:
    """Return a recorded body with some bytes changed, cut, doubled or put in."""
    body = bytearray(chance.choice(BODIES))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(body) + 1)
        kind = chance.randrange(4)
        if kind == 0 and body:
            body[min(at, len(body) - 1)] = chance.randrange(256)
        elif kind == 1:
            del body[at : at + chance.randint(1, 8)]
        elif kind == 2:
            body[at:at] = body[at : at + 20]
        else:
            body[at:at] = chance.choice([b'"', b"\\", b"[", b"}", b"\x00", b"\xff\xfe", b"1e999", b"null", b"\\ud800"])
    return bytes(body)


def rebuilt(chance: random.Random) -> bytes:
    """Return JSON of the right keys with values that are not."""
    values = [None, True, 1.5, 1e308, 2**70, "", "a", [], {}, [[]], [{}], {"b64": 5}, {"b64": "%"}, {"text": {"a": 1}}]
    keys = ["instances", "inputs", "signature_name", "examples", "context", "text"]
    chosen = {key: chance.choice([*values, [chance.choice(values)] * 3]) for key in chance.sample(keys, 3)}
    return json.dumps(chosen).encode()


def deep(chance: random.Random) -> bytes:
    """Return a body of brackets."""
    return b'{"instances":' + chance.choice([b"[", b'{"a":', b'[{"b64":']) * chance.choice([100, 5_000, 200_000])


def long(chance: random.Random) -> bytes:
    """Return a batch, or a text, of a size that nobody sends; most are a few kilobytes."""
    size = chance.choice([100] * 60 + [20_000])
    return json.dumps({"instances": ["x" * chance.choice([1, 10, 50])] * size}).encode()


def wrong_base64(chance: random.Random) -> bytes:
    """Return bytes that are not what they say."""
    return json.dumps(
        {"instances": [{"b64": "".join(chance.choices("aA0+/=-_ \n你", k=chance.randint(0, 30)))}]}
    ).encode()


def is_of_the_contract(attack: Attack, status: int, content_type: str, content: bytes) -> bool:
    """Return whether an answer is one that the contract knows."""
    if attack.method == "BREW":  # refused where HTTP is read
        return status in (400, 405, 501)
    if content_type.startswith("text/html") and content:
        return status == 404 and not attack.target.startswith("/v1/")
    if attack.method in ("HEAD", "OPTIONS") and not content:
        return True
    if status == 400 and not content:  # as recorded, for a version that is no number of 64 bits
        return "9" * 20 in attack.target
    if status == 200:
        return content_type.startswith("application/json") and bool(content)
    return set(json.loads(content.decode(errors="replace"), strict=False)) == {"error"}


async def attack(server: LocalServer, seed: int, number: int) -> list[str]:
    """Send requests, and return what was wrong with the answers."""
    wrong = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120), auto_decompress=False) as session:
        for _, request in zip(range(number), attacks(seed), strict=False):
            url = yarl.URL(f"http://127.0.0.1:{server.rest_port}{request.target}", encoded=True)
            body = io.BytesIO(request.body)
            async with session.request(request.method, url, data=body, headers=request.headers) as reply:
                content = await reply.read()
            if not is_of_the_contract(request, reply.status, reply.content_type, content):
                wrong.append(
                    f"{request.method} {request.target} {request.body[:80]!r}: {reply.status} {content[:120]!r}"
                )
    return wrong


async def ask_on(server: LocalServer, told_to_end: asyncio.Event) -> int:
    """Ask as an honest client does, until told to end; return how often the answer was right."""
    right = 0
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/g:predict"
    async with aiohttp.ClientSession() as session:
        while not told_to_end.is_set():
            async with session.post(url, json={"instances": ["hello world"]}) as reply:
                assert reply.status == 200, await reply.text()
                (scores,) = (await reply.json())["predictions"]
            assert scores == pytest.approx([0.721778214, 0.278221816], abs=1e-5)
            right += 1
            await asyncio.sleep(0.02)
    return right


async def leave(server: LocalServer) -> None:
    """Begin a request, and be gone."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.rest_port)
    writer.write(b"POST /v1/models/g:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.close()


async def dawdle(server: LocalServer, told_to_end: asyncio.Event) -> None:
    """Hold a connection with a request that never comes to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.rest_port)
    writer.write(b"POST /v1/models/g:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    try:
        while not told_to_end.is_set():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(1)
    except ConnectionError:  # the server has had enough of it, which is its right
        pass
    finally:
        writer.close()
        del reader


def test_a_client_that_leaves_is_no_failure_of_the_server(
    recorded_models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def whole() -> None:
        async with running(Options(recorded_models, rest_port=0, grpc_port=0), lambda _: None) as server:
            await asyncio.gather(*(leave(server) for _ in range(5)))
            await asyncio.sleep(0.2)

    asyncio.run(whole())
    assert caplog.records == []


@pytest.mark.slow
def test_nothing_that_is_sent_ends_the_server_or_keeps_others_from_it(recorded_models: Path) -> None:
    async def whole() -> tuple[list[str], int]:
        async with running(Options(recorded_models, rest_port=0, grpc_port=0), lambda _: None) as server:
            await attack(server, UNDER_WAY, 100)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            told_to_end = asyncio.Event()
            honest = [asyncio.create_task(ask_on(server, told_to_end)) for _ in range(2)]
            slow = [asyncio.create_task(dawdle(server, told_to_end)) for _ in range(50)]
            each = REQUESTS // UNDER_WAY
            wrong = await asyncio.gather(*(attack(server, seed, each) for seed in range(UNDER_WAY)))
            told_to_end.set()
            right = await asyncio.gather(*honest)
            await asyncio.gather(*slow)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
            assert grown < MOST_MEMORY, f"{grown / MIB:,.0f} MiB"
            return [*chain.from_iterable(wrong)], sum(right)

    wrong, right = asyncio.run(whole())
    assert wrong == []
    assert right > 10
