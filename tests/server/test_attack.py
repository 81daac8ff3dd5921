"""Ten thousand malformed requests: each gets an error of the contract, memory stays bounded, and others are served."""

import asyncio
import gzip
import io
import json
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import aiohttp
import grpc
import numpy as np
import pytest
import yarl
from google.protobuf.message import Message
from recorded import EXCHANGES, body_of
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import classification_pb2, inference_pb2, predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from textclf.engine.tensor_protos import write_tensor
from textclf.savedmodel.batching import write_batching
from textclf.server.access import add_key
from textclf.server.app import LocalServer, Options, running

REQUESTS, CALLS = 8_000, 2_000
UNDER_WAY = 16
MIB = 1 << 20
MOST_MEMORY = 300 * MIB
"""What the attack may add to the process at any moment: bodies, what two large ones say, and replies."""
KEY = "the-key-that-the-server-knows"
SCORES = [0.721778214, 0.278221816]
"""Of `hello world`."""
STATUSES = {200, 400, 401, 404, 413, 501, 503}
"""Of the contract and of the limits; none says that the server failed."""
CODES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED", "UNAVAILABLE"}
OURS = re.compile(r"Traceback|site-packages|\.py\b|textclf[/.]|saved_models")
"""What no answer may show: traces, and where we live."""
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

    @property
    def has_key(self) -> bool:
        """Whether it shows the key that the server knows."""
        return self.headers.get("Authorization", "").endswith(KEY)


class GrpcAttack(NamedTuple):
    """A call, and the codes that it may end with."""

    method: str
    message: bytes
    metadata: list[tuple[str, str | bytes]]
    codes: set[str]


def attacks(seed: int) -> Iterator[Attack]:
    """Yield requests that are wrong in some way, for ever; a few are not."""
    chance = random.Random(seed)
    while True:
        target = mutated_target(chance)
        method = chance.choice(["POST"] * 12 + ["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "BREW"])
        kind = chance.choice([mutated, mutated, mutated, mutated, rebuilt, rebuilt, deep, long, wide, wrong_base64])
        body, headers = kind(chance), {"Authorization": f"Bearer {KEY}"}
        if chance.random() < 0.02:
            body, headers = (
                chance.choice([BOMB, b"\x1f\x8b no gzip", gzip.compress(body)[:-5]]),
                headers | {"Content-Encoding": "gzip"},
            )
        if chance.random() < 0.02:
            headers = chance.choice([{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic \udcff"}])
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


def wide(chance: random.Random) -> bytes:
    """Return lists that take many times their bytes."""
    size = chance.choice([100] * 60 + [200_000])
    return b'{"instances":[' + b",".join([chance.choice([b"[]", b"[[]]", b'{"":0}', b"[0]"])] * size) + b"]}"


def wrong_base64(chance: random.Random) -> bytes:
    """Return bytes that are not what they say."""
    return json.dumps(
        {"instances": [{"b64": "".join(chance.choices("aA0+/=-_ \n你", k=chance.randint(0, 30)))}]}
    ).encode()


def calls(seed: int) -> Iterator[GrpcAttack]:
    """Yield calls that are wrong in some way, for ever; a few are not."""
    chance = random.Random(seed)
    service = "/tensorflow.serving.PredictionService/"
    shown: list[tuple[str, str | bytes]] = [("authorization", f"Bearer {KEY}")]
    strange: list[list[tuple[str, str | bytes]]] = [
        [],
        [("authorization", "Bearer x")],
        [("authorization", "")],
        [("authorization-bin", b"\xff\x00")],
        [("authorization", "Bearer " + "x" * 4000)],
    ]
    while True:
        kind = chance.random()
        api, message = chance.choice([tensors, tensors, examples])(chance)
        data = message.SerializeToString()
        if kind < 0.1:
            size = chance.choice([1, 1, 1, 500])
            yield GrpcAttack(service + api, data * size, chance.choice(strange), {"UNAUTHENTICATED"})
        elif kind < 0.15:
            name = chance.choice([service + "Nothing", "/a.B/C", service, "//", "/grpc.health.v1.Health/Check"])
            yield GrpcAttack(name, data, shown, {"UNIMPLEMENTED"})
        elif kind < 0.16:
            yield GrpcAttack(service + api, bytes(5 * MIB), shown, {"RESOURCE_EXHAUSTED"})
        elif kind < 0.5:
            cut = bytearray(data[: chance.randrange(len(data) + 1)])
            for _ in range(chance.randint(0, 4) if cut else 0):
                cut[chance.randrange(len(cut))] = chance.randrange(256)
            yield GrpcAttack(service + api, bytes(cut), shown, CODES | {"INTERNAL"})
        elif kind < 0.55:
            yield GrpcAttack(service + api, chance.randbytes(chance.randint(0, 200)), shown, CODES | {"INTERNAL"})
        else:
            yield GrpcAttack(service + api, data, shown, CODES)


def tensors(chance: random.Random) -> tuple[str, Message]:
    """Return a request to Predict whose tensors are not what they say."""
    dtypes = [*types_pb2.DataType.values(), 99]
    dims = [0, 1, 2, -1, -(2**63), 2**31, 2**62, 2**63 - 1]
    tensor = TensorProto(dtype=chance.choice([types_pb2.DT_STRING, chance.choice(dtypes)]))  # type: ignore[arg-type]
    for _ in range(chance.choice([0, 1, 1, 1, 2, 70, 300])):
        tensor.tensor_shape.dim.add(size=chance.choice(dims))
    tensor.tensor_shape.unknown_rank = chance.random() < 0.1
    for _ in range(chance.choice([0, 1, 2, 65, 2000])):
        field = chance.choice(["string_val", "float_val", "int64_val", "bool_val"])
        getattr(tensor, field).append({"string_val": b"\xff a", "bool_val": True}.get(field, 7))
    tensor.tensor_content = chance.randbytes(chance.choice([0, 0, 0, 7, 64]))
    request = predict_pb2.PredictRequest(output_filter=chance.choice([[], [], ["scores"], ["x"], ["scores"] * 2]))
    request.model_spec.name = chance.choice(["g", "g", "m2", "", "nope", "../g", "x" * 5000])
    request.model_spec.signature_name = chance.choice(["", "multi", "two", "cls", "x" * 5000])
    if chance.random() < 0.1:
        request.model_spec.version.value = chance.choice(dims)
    for name in chance.sample(["text", "a", "n", "inputs", "", "x" * 5000], chance.choice([0, 1, 1, 2])):
        request.inputs[name].CopyFrom(tensor)
    return "Predict", request


def examples(chance: random.Random) -> tuple[str, Message]:
    """Return a request of examples that have not the feature, or not of the kind, that the signature wants."""
    task = inference_pb2.MultiInferenceRequest()
    for _ in range(chance.randint(0, 3)):
        spec = task.tasks.add(method_name=chance.choice(["tensorflow/serving/classify", "x", ""])).model_spec
        spec.name, spec.signature_name = chance.choice(["g", "m2", ""]), chance.choice(["cls", "reg", "", "x"])
    single = classification_pb2.ClassificationRequest()
    single.model_spec.name, single.model_spec.signature_name = "g", chance.choice(["cls", "reg", "", "x"])
    api, request = chance.choice([("Classify", single), ("Regress", single), ("MultiInference", task)])
    for _ in range(chance.choice([0, 1, 3, 100])):
        feature = request.input.example_list.examples.add().features.feature[chance.choice(["text", "x", ""])]
        if chance.random() < 0.5:
            feature.bytes_list.value.extend([b"a"] * chance.choice([0, 1, 2]))
        else:
            feature.float_list.value.extend([float("nan")])
    return api, request


def is_of_the_contract(attack: Attack, status: int, content_type: str, content: bytes) -> bool:
    """Return whether an answer is one that the contract knows, and shows nothing of ours."""
    if attack.method == "BREW":  # refused where HTTP is read
        return status in (400, 405, 501) and content_type.startswith("text/plain")
    text = content.decode(errors="replace")
    if status not in STATUSES or (OURS.search(text) and not OURS.search(attack.body.decode(errors="replace"))):
        return False
    if (status == 401) != (not attack.has_key):
        return False
    if content_type.startswith("text/html") and content:
        return status == 404 and not attack.target.startswith("/v1/")
    if attack.method in ("HEAD", "OPTIONS") and not content:
        return True
    if status == 400 and not content:  # as recorded, for a version that is no number of 64 bits
        return "9" * 20 in attack.target
    if not content_type.startswith("application/json"):
        return False
    answer = json.loads(text, strict=False)
    if status == 200:
        return isinstance(answer, dict) and "error" not in answer
    return isinstance(answer, dict) and set(answer) == {"error"} and isinstance(answer["error"], str)


class Served(NamedTuple):
    """A server that runs as a process."""

    process: int
    rest_port: int
    grpc_port: int

    @property
    def memory(self) -> int:
        """What it takes, in bytes."""
        return int(Path(f"/proc/{self.process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def serving(base: Path, access: Path) -> Iterator[Served]:
    program = "from textclf.cli.main import main; main()"
    words = ["serve", "--local", "--base", str(base), "--access", str(access), "--rest-port", "0", "--grpc-port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        try:
            lines: list[str] = []
            while not lines or not lines[-1].startswith("gRPC"):
                lines.append(process.stdout.readline())
                assert lines[-1], lines
            ports = [int(re.findall(r":(\d+)", line)[0]) for line in lines[-2:]]
            yield Served(process.pid, *ports)
            assert process.poll() is None
        finally:
            process.terminate()


async def attack(server: Served, seed: int, number: int) -> list[str]:
    """Send requests, and return what was wrong with the answers."""
    wrong = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120), auto_decompress=False) as session:
        for _, request in zip(range(number), attacks(seed), strict=False):
            url = yarl.URL(f"http://127.0.0.1:{server.rest_port}{request.target}", encoded=True)
            body = io.BytesIO(request.body)
            try:
                async with session.request(request.method, url, data=body, headers=request.headers) as reply:
                    content = await reply.read()
            except aiohttp.ClientOSError:  # closed while the client still sends what nobody reads
                if request.method != "BREW" or len(request.body) < MIB // 16:
                    wrong.append(f"{request.method} {request.target} {len(request.body)} has_key={request.has_key}")
                continue
            if not is_of_the_contract(request, reply.status, reply.content_type, content):
                wrong.append(
                    f"{request.method} {request.target} {request.body[:80]!r}: {reply.status} {content[:120]!r}"
                )
    return wrong


async def call(server: Served, seed: int, number: int) -> list[str]:
    """Send calls, and return what was wrong with how they ended."""
    wrong = []
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=options) as channel:
        for _, one in zip(range(number), calls(seed), strict=False):
            code, details = "OK", ""
            try:
                await channel.unary_unary(one.method)(one.message, metadata=one.metadata, timeout=120)
            except grpc.aio.AioRpcError as error:
                code, details = error.code().name, error.details() or ""
            is_good = code in one.codes and (code != "INTERNAL" or details == "The request cannot be parsed")
            if not is_good or OURS.search(details):
                wrong.append(f"{one.method} {one.message[:80]!r}: {code} {details[:120]!r}")
    return wrong


async def ask_on(server: Served, told_to_end: asyncio.Event) -> int:
    """Ask as an honest client does, until told to end; return how often the answer was right."""
    right = 0
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/g:predict"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
        while not told_to_end.is_set():
            async with session.post(url, json={"instances": ["hello world"]}) as reply:
                assert reply.status == 200, await reply.text()
                (scores,) = (await reply.json())["predictions"]
            assert scores == pytest.approx(SCORES, abs=1e-5)
            right += 1
            await asyncio.sleep(0.02)
    return right


async def call_on(server: Served, told_to_end: asyncio.Event) -> int:
    """Do as `ask_on`, over gRPC."""
    right = 0
    request = predict_pb2.PredictRequest(inputs={"text": write_tensor(np.array([b"hello world"], object))})
    request.model_spec.name = "g"
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        while not told_to_end.is_set():
            reply = await PredictionServiceStub(channel).Predict(
                request, metadata=[("authorization", f"Bearer {KEY}")], timeout=120
            )
            assert list(reply.outputs["scores"].float_val) == pytest.approx(SCORES, abs=1e-5)
            right += 1
            await asyncio.sleep(0.02)
    return right


async def watch(server: Served, told_to_end: asyncio.Event) -> int:
    """Return the most memory that the server takes at any moment, until told to end."""
    most = 0
    while not told_to_end.is_set():
        most = max(most, server.memory)
        await asyncio.sleep(0.01)
    return most


async def leave(server: LocalServer) -> None:
    """Begin a request, and be gone."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.rest_port)
    writer.write(b"POST /v1/models/g:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()
    writer.close()


async def dawdle(server: Served, told_to_end: asyncio.Event) -> None:
    """Hold a connection with a request that never comes to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.rest_port)
    writer.write(b"POST /v1/models/g:predict HTTP/1.1\r\nHost: x\r\n")
    writer.write(f"Authorization: Bearer {KEY}\r\nContent-Length: 1000\r\n\r\n{{".encode())
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
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read where Linux shows it")
def test_nothing_that_is_sent_ends_the_server_or_keeps_others_from_it(
    recorded_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = shutil.copytree(recorded_models, tmp_path / "base")
    write_batching(base / "g" / "1")
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: KEY)
    add_key(tmp_path / "access.yaml", "shop", ["*"])

    async def whole(server: Served) -> tuple[list[str], list[int], int]:
        await attack(server, UNDER_WAY, 100)
        before = server.memory
        told_to_end = asyncio.Event()
        watching = asyncio.create_task(watch(server, told_to_end))
        honest = [asyncio.create_task(ask(server, told_to_end)) for ask in (ask_on, call_on)]
        slow = [asyncio.create_task(dawdle(server, told_to_end)) for _ in range(50)]
        wrong = await asyncio.gather(
            *(attack(server, seed, REQUESTS // UNDER_WAY) for seed in range(UNDER_WAY)),
            *(call(server, seed, CALLS // UNDER_WAY) for seed in range(UNDER_WAY)),
        )
        told_to_end.set()
        await asyncio.gather(*slow)
        return [*chain.from_iterable(wrong)], await asyncio.gather(*honest), await watching - before

    with serving(base, tmp_path / "access.yaml") as server:
        wrong, right, grown = asyncio.run(whole(server))
    assert wrong == []
    assert min(right) > 10
    assert grown < MOST_MEMORY, f"{grown / MIB:,.0f} MiB"
