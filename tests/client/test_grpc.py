"""gRPC gives what REST gives: answers, errors, attempts."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from textclf.client import (
    AccessError,
    AnswerCache,
    Client,
    DeadlineError,
    RefusedError,
    ReplyError,
    Retries,
    ServingError,
    UnreachableError,
)
from textclf.client.grpc import GrpcClient, outcome_of

from .tiny import Tiny, mocked, running
from .tiny_grpc import Service, served


@pytest.fixture(scope="module", params=[False, True], ids=["texts", "pairs"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Service, GrpcClient, Client]]:
    tiny = Tiny(pairs=request.param)
    service = Service(tiny)
    retries = Retries(attempts=2, first_wait=0.001)
    with (
        served(service) as address,
        GrpcClient(address, "messages", batch_size=3, api_key="key-1", retries=retries) as client,
        Client("http://host", "messages", transport=mocked(tiny), batch_size=3, retries=retries) as rest,
    ):
        yield service, client, rest


ROWS = st.lists(st.tuples(*[st.text(st.characters(), max_size=3) | st.binary(max_size=3)] * 2), min_size=1, max_size=7)


@settings(max_examples=20)
@given(ROWS, st.sampled_from([{}, {"version": 1}, {"label": "stable"}]))
def test_the_answers_are_equal(both: tuple[Service, GrpcClient, Client], rows: Any, which: Any) -> None:
    service, client, rest = both
    texts, pairs = zip(*rows, strict=True)
    named = which | ({"text_pairs": pairs} if service.tiny.pairs else {})
    for call in ("predict", "scores", "embed"):
        assert getattr(client, call)(texts, **named) == getattr(rest, call)(texts, **named)
    assert client.metadata(**which) == rest.metadata(**which)
    assert service.metadata["authorization"] == "Bearer key-1"


def test_statuses_are_equal(both: tuple[Service, GrpcClient, Client]) -> None:
    _, client, rest = both
    assert client.status() == rest.status()
    assert client.status(1) == rest.status(1)


def wrong_calls(pairs: bool) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
    """Yield calls that a model refuses: of what it has not, and with a text a row too few or too many."""
    for named in ({"version": 9}, {"label": "canary"}):
        yield "metadata", [], named
        for call in ("predict", "scores", "embed"):
            yield call, [["a"]], named
    for call in ("predict", "scores", "embed"):
        yield call, [["a"]], {} if pairs else {"text_pairs": ["b"]}


def test_errors_are_equal(both: tuple[Service, GrpcClient, Client]) -> None:
    service, *clients = both
    for call, arguments, named in wrong_calls(service.tiny.pairs):
        caught = []
        for client in clients:
            with pytest.raises(ServingError) as raised:
                getattr(client, call)(*arguments, **named)
            _, _, said = str(raised.value).partition(f"{client.core.server}: ")
            caught.append((type(raised.value), raised.value.status, said))
        assert caught[0] == caught[1]


@pytest.mark.parametrize("status", [429, 503, 401, 403, 500])
def test_refusals_are_equal_and_tried_as_often(both: tuple[Service, GrpcClient, Client], status: int) -> None:
    service, client, rest = both
    caught = []
    for one in (client, rest):
        service.tiny.faults.extend([(status, {})] * 2)
        with pytest.raises(ServingError) as raised:
            one.status()
        caught.append((type(raised.value), raised.value.status, len(service.tiny.faults)))
        service.tiny.faults.clear()
    assert caught[0] == caught[1]
    assert caught[0][2] == (0 if status in (429, 503) else 1)


def test_what_passes_is_tried_again(both: tuple[Service, GrpcClient, Client]) -> None:
    service, client, _ = both
    service.tiny.faults.append((503, {}))
    assert [one.version for one in client.status()] == [2, 1]


def test_what_is_too_large_is_refused_at_once() -> None:
    """By the code for no room, but another attempt would be no smaller."""
    with served(Service(Tiny())) as address, GrpcClient(address, "messages") as client:
        expected = rf"^{address}: 'messages' did not answer 'serving_default' for .* smaller batch_size\.$"
        with pytest.raises(RefusedError, match=expected) as raised:
            client.predict(["x" * 5_000_000])
    assert raised.value.status == 413
    assert getattr(outcome_of("RESOURCE_EXHAUSTED", "the queue is full"), "status", None) == 429


def test_a_cache_works_as_over_rest() -> None:
    service, cache = Service(Tiny()), AnswerCache()
    with served(service) as address, GrpcClient(address, "messages", cache=cache) as client:
        assert client.predict(["a", "b"]) == client.predict(["a", "b"])
    assert (cache.hits, cache.misses, len(service.calls)) == (2, 2, 2)


def test_nobody_is_given_what_anothers_key_was_answered() -> None:
    service, cache = Service(Tiny()), AnswerCache()
    with (
        served(service) as address,
        GrpcClient(address, "messages", api_key="key-1", cache=cache) as one,
        GrpcClient(address, "messages", api_key="key-2", cache=cache) as other,
    ):
        answers = one.predict(["a"])
        service.tiny.faults.append((403, {}))
        with pytest.raises(AccessError):
            other.predict(["a"])
        assert one.predict(["a"]) == answers
    assert (cache.hits, cache.misses) == (1, 1)


def test_a_server_that_is_not_there_is_said() -> None:
    with served(Service(Tiny())) as address:
        pass
    retries = Retries(attempts=2, first_wait=0.001)
    with (
        GrpcClient(address, "messages", retries=retries) as client,
        pytest.raises(UnreachableError, match=f"^{address}: expected a server, but none answered, after 2 attempts"),
    ):
        client.predict(["a"])


@pytest.mark.parametrize("tls", [False, True])
def test_the_rest_port_is_no_grpc_server_that_is_away(tls: bool) -> None:
    with (
        running(Tiny()) as address,
        GrpcClient(address.removeprefix("http://"), "messages", tls=tls) as client,
        pytest.raises(ReplyError, match=r"something that speaks another protocol \(.+\)\. Check .*`tls`"),
    ):
        client.status()


def test_a_gateways_words_of_another_server_are_no_other_protocol() -> None:
    said = "upstream connect error or disconnect/reset before headers. TLS error: WRONG_VERSION_NUMBER"
    assert getattr(outcome_of("UNAVAILABLE", said), "status", None) == 503


def test_a_slow_server_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(Service, "_reply", lambda *_: over.wait(10) and None)
    with served(Service(Tiny())) as address, GrpcClient(address, "messages", deadline=0.2) as client:
        with pytest.raises(DeadlineError, match="nothing came, after 1 attempt in 0"):
            client.predict(["a"])
        over.set()


@pytest.mark.parametrize("address", ["http://127.0.0.1:8500", "127.0.0.1", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ServingError, match=r"server: expected a host and a port such as 127\.0\.0\.1:8500, got"):
        GrpcClient(address, "messages")


def test_the_address_that_was_meant_is_named() -> None:
    with pytest.raises(ServingError, match=r"Did you mean 'example\.org:8500'\?$"):
        GrpcClient("http://example.org:8500/", "messages")


def test_a_missing_file_of_authorities_is_said(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"tls: expected a file of certificates, got '.*gone': No such file"):
        GrpcClient("127.0.0.1:1", "messages", tls=tmp_path / "gone")


def test_a_server_that_is_not_ready_is_no_missing_one() -> None:
    assert getattr(outcome_of("UNAVAILABLE", "no version is loaded"), "status", None) == 503
    assert getattr(outcome_of("DATA_LOSS", ""), "status", None) == 500


def test_the_signatures_are_protos_of_tensorflows() -> None:
    """What the servicer above parses is what a server sends."""
    said = Tiny()._metadata(1)["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert json_format.ParseDict(said, SignatureDef()).inputs["text"].dtype == tf.string.as_datatype_enum
