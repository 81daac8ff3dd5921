"""The clients and the local server: what is asked there is what is asked here."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import textclf
from textclf.cli.main import main
from textclf.client import (
    AccessError,
    AnswerCache,
    AsyncClient,
    Client,
    RefusedError,
    UnknownLabelError,
    UnreachableError,
)
from textclf.client.grpc import GrpcClient
from textclf.server.access import add_key
from textclf.server.app import LocalServer, Options, running
from textclf.server.tls import Tls

from ..certificates import make_certificate

TEXTS = [
    "where is my parcel",
    "退款",
    "",
    " ",
    "\ud83d",
    "a\x00b",
    b"\xff bytes",
    "locked " * 300,
    *["the courier"] * 70,
]


@contextmanager
def serving(base: Path, **options: Any) -> Iterator[LocalServer]:
    """Serve a base path on free ports, in a thread."""
    loop, over = asyncio.new_event_loop(), asyncio.Event()
    started: list[LocalServer] = []
    ready = threading.Event()

    async def serve() -> None:
        try:
            async with running(Options(base, rest_port=0, grpc_port=0, **options), lambda _: None) as server:
                started.append(server)
                ready.set()
                await over.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(60)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(60)
        loop.close()


def at(server: LocalServer) -> str:
    return f"http://127.0.0.1:{server.rest_port}"


def ask_all_ways(server: LocalServer, model: str, ask: Callable[[Any], Any]) -> list[Any]:
    """Return what a call gives over REST, on asyncio and over gRPC."""

    async def on_asyncio() -> Any:
        async with AsyncClient(at(server), model) as client:
            return await ask(client)

    with Client(at(server), model) as rest, GrpcClient(f"127.0.0.1:{server.grpc_port}", model) as grpc:
        return [ask(rest), asyncio.run(on_asyncio()), ask(grpc)]


@pytest.fixture(scope="module")
def server(exported: Path) -> Iterator[LocalServer]:
    with serving(exported.parents[1]) as server:
        yield server


def test_all_clients_say_what_the_classifier_says(server: LocalServer, exported: Path) -> None:
    classifier = textclf.load(exported)
    expected = classifier.predict(TEXTS)
    for scores in ask_all_ways(server, "tiny", lambda client: client.scores(TEXTS)):
        assert [list(one) for one in scores] == [classifier.labels] * len(TEXTS)
        for one, wanted in zip(scores, expected, strict=True):
            assert one == pytest.approx(wanted.scores, abs=1e-6)
    for answers in ask_all_ways(server, "tiny", lambda client: client.predict(TEXTS)):
        assert [answer.label for answer in answers] == [wanted.label for wanted in expected]
        for one, wanted in zip(answers, expected, strict=True):
            assert one.score == pytest.approx(wanted.score, abs=1e-6)
            assert one.scores == pytest.approx(wanted.scores, abs=1e-6)
            assert list(one.scores.values()) == sorted(one.scores.values(), reverse=True)


def test_all_clients_say_the_same_of_the_rest(server: LocalServer) -> None:
    rest, asynchronous, grpc = ask_all_ways(server, "tiny", lambda client: client.embed(TEXTS[:4]))
    assert rest == asynchronous == grpc
    assert len({len(one) for one in rest}) == 1
    for ask in (lambda client: client.status(), lambda client: client.metadata()):
        rest, asynchronous, grpc = ask_all_ways(server, "tiny", ask)
        assert rest == asynchronous == grpc


@pytest.mark.parametrize(
    ("named", "error"), [({"text_pairs": ["b"]}, RefusedError), ({"label": "canary"}, UnknownLabelError)]
)
@pytest.mark.parametrize("call", ["predict", "scores", "embed"])
def test_errors_have_words_for_what_to_do(server: LocalServer, call: str, named: Any, error: type[Exception]) -> None:
    address = f"127.0.0.1:{server.grpc_port}"
    hint = {RefusedError: r"leave text_pairs out|Leave text_pairs out", UnknownLabelError: "textclf label tiny canary"}
    with Client(at(server), "tiny") as rest, GrpcClient(address, "tiny") as grpc:
        for client in (rest, grpc):
            with pytest.raises(error, match=hint[error]):
                getattr(client, call)(["a"], **named)


def test_the_command_writes_what_predict_writes(server: LocalServer, exported: Path) -> None:
    texts = ["where is my parcel", "退款"]
    shown = [
        CliRunner().invoke(main, arguments, catch_exceptions=False).stdout
        for arguments in (["ask", "tiny", "--server", at(server), *texts], ["predict", str(exported), *texts])
    ]
    asked, predicted = ([line.split("\t") for line in one.splitlines()] for one in shown)
    assert [[label, text] for label, _, text in asked] == [[label, text] for label, _, text in predicted]
    for (_, one, _), (_, other, _) in zip(asked[1:], predicted[1:], strict=True):
        assert float(one) == pytest.approx(float(other), abs=2e-6)


def test_a_cached_client_follows_a_swap_and_loses_no_answer(exported: Path, tmp_path: Path) -> None:
    base = tmp_path / "saved_models"
    shutil.copytree(exported, base / "tiny/1")
    cache = AnswerCache(version_seconds=0.1)
    with serving(base) as server, Client(at(server), "tiny", cache=cache) as client:
        first = client.predict(["where is my parcel", "退款"])
        shutil.copytree(exported, tmp_path / "next")
        (tmp_path / "next").rename(base / "tiny/2")
        until = time.monotonic() + 60
        while client.metadata().version != 2 and time.monotonic() < until:
            assert client.predict(["where is my parcel", "退款"]) == first
        shutil.rmtree(base / "tiny/1")
        while [one.state for one in client.status() if one.version == 1] == ["AVAILABLE"]:
            assert client.predict(["where is my parcel", "退款"]) == first
            assert time.monotonic() < until
        time.sleep(cache.version_seconds + 0.1)
        assert client.predict(["where is my parcel", "退款"]) == first
        assert client.metadata().version == 2
    assert cache.misses == 4, "two texts of two versions"


def test_keys_and_certificates(exported: Path, tmp_path: Path) -> None:
    certificate, private = make_certificate(tmp_path)
    key = add_key(tmp_path / "access.yaml", "shop", ["tiny"])
    tls = Tls(certificate, private)
    with serving(exported.parents[1], access=tmp_path / "access.yaml", tls=tls) as server:
        address, grpc_address = f"https://127.0.0.1:{server.rest_port}", f"127.0.0.1:{server.grpc_port}"
        with Client(address, "tiny", api_key=key, verify=certificate) as client:
            labels = [one.label for one in client.predict(["a"])]
        with GrpcClient(grpc_address, "tiny", api_key=key, tls=certificate) as grpc:
            assert [one.label for one in grpc.predict(["a"])] == labels
        for wrong in (None, "wrong"):
            with (
                Client(address, "tiny", api_key=wrong, verify=certificate) as client,
                pytest.raises(AccessError, match=r"\(401: .*\)\. Give an API key that may ask it"),
            ):
                client.predict(["a"])
            with (
                GrpcClient(grpc_address, "tiny", api_key=wrong, tls=certificate) as grpc,
                pytest.raises(AccessError),
            ):
                grpc.predict(["a"])
        with Client(address, "tiny") as client, pytest.raises(UnreachableError, match="a server that can be trusted"):
            client.predict(["a"])
        with Client(address, "tiny", verify=False, api_key=key) as client:
            assert [one.label for one in client.predict(["a"])] == labels


def test_pairs(pair_run: Any, tmp_path: Path) -> None:
    from textclf.serving.export import export

    path = export(pair_run, base=tmp_path / "saved_models", verified=False)
    texts, pairs = ["please the 7 red", "my 3 蓝"], ["red where", "red where"]
    expected = [one.scores for one in textclf.load(path).predict(texts, pairs=pairs)]
    with serving(path.parents[1]) as server:
        for scores in ask_all_ways(server, path.parent.name, lambda client: client.scores(texts, text_pairs=pairs)):
            assert [pytest.approx(one, abs=1e-6) for one in scores] == expected
        with Client(at(server), path.parent.name) as rest, pytest.raises(RefusedError, match="give text_pairs"):
            rest.predict(texts)
        arguments = ["ask", path.parent.name, "--server", at(server), "--json", texts[0], pairs[0]]
        (record,) = map(json.loads, CliRunner().invoke(main, arguments).stdout.splitlines())
        assert record["text_pair"] == pairs[0]
        assert record["scores"] == pytest.approx(expected[0], abs=2e-6)
