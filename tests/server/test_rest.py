"""Whatever is sent gets a reply; what is asked is what is answered."""

import base64
import json
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from textclf.engine.errors import Code, RequestError
from textclf.engine.models import Models
from textclf.engine.runner import Runner
from textclf.engine.versions import State, VersionStatus
from textclf.server import rest
from textclf.server.rest import Reply, Rest

DTYPES = {"text": types_pb2.DT_STRING, "n": types_pb2.DT_INT64, "f": types_pb2.DT_FLOAT, "inputs": types_pb2.DT_STRING}


def signature(inputs: Sequence[str], outputs: Sequence[str]) -> SignatureDef:
    inputs_, outputs_ = (
        {name: TensorInfo(dtype=DTYPES.get(name, types_pb2.DT_STRING)) for name in names} for names in (inputs, outputs)
    )
    return SignatureDef(inputs=inputs_, outputs=outputs_)


class Echo:
    """A version whose signatures give back what they are fed."""

    name, version = "echo", 3

    def __init__(self) -> None:
        self.signatures = {
            "serving_default": signature(["text"], ["text"]),
            "several": signature(["text", "n", "f"], ["text", "n", "f"]),
            "cls": signature(["inputs"], ["classes"]),
            "__saved_model_init_op": signature([], ["__saved_model_init_op"]),
        }


class EchoModels:
    """One version of one model, that has a label."""

    @contextmanager
    def lease(self, name: str, *, version: int | None = None, label: str | None = None) -> Iterator[Echo]:
        if (name, version, label) not in (("echo", None, None), ("echo", 3, None), ("echo", None, "stable")):
            raise RequestError(Code.NOT_FOUND, f"{name!r} {version} {label}")
        yield Echo()

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]:
        if name != "echo" or version not in (None, 3):
            raise RequestError(Code.NOT_FOUND, f"{name!r} {version}")
        return [VersionStatus(3, State.AVAILABLE, Code.OK, ""), VersionStatus(2, State.END, Code.INTERNAL, 'no "é"')]


class EchoRunner:
    """Gives back the feeds; examples as classes."""

    async def run(self, _: Any, signature: str, feeds: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, Any]:
        if signature == "cls":
            return {"classes": feeds["inputs"].reshape(-1, 1)}
        return {name: feeds[name] for name in outputs}


REST = Rest(cast(Models, EchoModels()), cast(Runner, EchoRunner()))


def ask(method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
    coroutine = REST.answer(method, target, headers or {}, body)
    try:
        coroutine.send(None)
    except StopIteration as stop:  # Nothing here waits, so it needs no loop.
        return cast(Reply, stop.value)
    raise AssertionError("it waits")


def error_of(reply: Reply) -> str:
    return str(json.loads(reply.body.decode("utf-8", "surrogateescape"))["error"])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just({"b64": "aGk="}),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["text", "n", "f", "b64", "x"]) | st.text(), inner),
    max_leaves=15,
)
REQUESTS = st.dictionaries(
    st.sampled_from(["instances", "inputs", "signature_name", "examples", "context"]),
    st.sampled_from(["several", "cls", ""]) | st.lists(VALUES) | VALUES,
).map(lambda request: json.dumps(request).encode())


@given(st.binary() | REQUESTS, st.sampled_from(["predict", "classify", "regress"]))
@example(b'{"instances": ["\\udcff"]}', "predict")
@example(b'{"signature_name": "\xff", "instances": ["a"]}', "predict")
@example(b'{"instances": [{"\xff": "a"}]}', "predict")
@example(b'{"signature_name": "several", "instances": [{"\xff": "a", "n": 1, "f": 2}]}', "predict")
@example(b'{"inputs": {"\xff": "a"}}', "predict")
@example(b'{"signature_name": "__saved_model_init_op", "inputs": "a"}', "predict")
@example(b'{"examples": [{"\xff": "a"}]}', "classify")
@example(b'{"examples": [{"a": [1e300]}]}', "classify")
@example(b'{"examples": [{"a": 18446744073709551615}]}', "classify")
@example(b'{"inputs": ' + b"[" * 300 + b"]" * 300 + b"}", "predict")
def test_any_body_gets_a_reply(body: bytes, verb: str) -> None:
    reply = ask("POST", f"/v1/models/echo:{verb}", body)
    assert reply.status in (200, 400)
    if reply.status == 400:
        assert error_of(reply)
    else:
        json.loads(reply.body.decode("utf-8", "surrogateescape"))


@given(
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "x"]),
    st.text()
    | st.builds("/v1/models/{}{}{}".format, st.text(), st.sampled_from(["", "/versions/", "/labels/"]), st.text()),
)
@example("GET", "/v1/models/..%2f..%2fetc/metadata")
@example("POST", "/v1/models/../../echo:predict")
@example("GET", "/v1/models/%ff%00")
@example("GET", "/v1/models/" + "a" * 100_000)
def test_any_path_gets_a_reply(method: str, target: str) -> None:
    reply = ask(method, target, b"{}")
    assert reply.status in (400, 404) or target.startswith("/v1/models/echo") or method == "OPTIONS"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v1/models/echo:predict", 200),
        ("/V1/Models/echo:predict", 200),
        ("/v1/models/echo/versions/3:predict", 200),
        ("/v1/models/echo/versions/03:predict", 200),
        ("/v1/models/echo/labels/stable:predict", 200),
        ("/v1/models/e%63ho:predict", 200),
        ("/v1/models/echo/versions/4:predict", 404),
        ("/v1/models/echo/versions/٣:predict", 400),
        ("/v1/models/echo/versions/9223372036854775807:predict", 404),
        ("/v1/models/echo/versions/9223372036854775808:predict", 400),
        ("/v1/models/other:predict", 404),
        ("/v1/models/echo:PREDICT", 400),
        ("/v2/models/echo:predict", 404),
    ],
)
def test_paths(target: str, status: int) -> None:
    assert ask("POST", target, b'{"instances": ["a"]}').status == status


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/v1/models/versions/3", "Missing model name in request."),
        ("/v1/models/metadata", "'metadata' None"),
        ("/v1/models/echo/versions/4", "'echo' 4"),
        ("/v1/models/echo/labels/no/metadata", "'echo' None no"),
        ("/v1/models/echo/x", "Malformed request: GET /v1/models/echo/x"),
        ("/v1/models/%ff:", "Malformed request: GET /v1/models/\udcff:"),
    ],
)
def test_refused_paths(target: str, message: str) -> None:
    assert error_of(ask("GET", target)) == message


def test_several_inputs() -> None:
    rows = [{"text": "é", "n": [1, 2], "f": 0.5}, {"text": {"b64": "/w=="}, "n": [3, 4], "f": 1}]
    body = json.dumps({"signature_name": "several", "instances": rows}).encode()
    reply = json.loads(ask("POST", "/v1/models/echo:predict", body).body.decode("utf-8", "surrogateescape"))
    assert reply == {
        "predictions": [{"text": "é", "n": [1, 2], "f": 0.5}, {"text": "\udcff", "n": [3, 4], "f": 1.0}],
    }


def test_a_signature_without_inputs() -> None:
    reply = ask("POST", "/v1/models/echo:predict", b'{"signature_name": "__saved_model_init_op", "inputs": []}')
    assert error_of(reply) == "Failed to get input map for signature: __saved_model_init_op"


def test_the_parser_speaks_before_the_model() -> None:
    assert error_of(ask("POST", "/v1/models/other:predict", b"{")).startswith("JSON Parse error")


def test_examples_have_all_kinds_and_the_context() -> None:
    request = {
        "signature_name": "cls",
        "context": {"c": "x"},
        "examples": [{"i": [1, True], "f": 0.5, "b": {"b64": "YQ=="}}],
    }
    reply = ask("POST", "/v1/models/echo:classify", json.dumps(request).encode()).body
    label = json.loads(reply.decode("utf-8", "surrogateescape"))["results"][0][0][0]
    features = Example.FromString(label.encode("utf-8", "surrogateescape")).features.feature
    assert {name: list(getattr(feature, feature.WhichOneof("kind")).value) for name, feature in features.items()} == {
        "c": [b"x"],
        "i": [1, 1],
        "f": [0.5],
        "b": [b"a"],
    }


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"examples": 1}, "Expecting 'examples' value to be an list/array"),
        ({"examples": ["a"]}, "Example must be JSON object but got JSON String"),
        ({"examples": [{"a": None}]}, "Feature: a has element with unexpected JSON type: Null"),
        ({"examples": [{"a": [["b"]]}]}, "Feature: a has element with unexpected JSON type: Array"),
        ({"examples": [{"a": ["b", 1]}]}, "Feature: a expecting type: BYTES"),
        ({"context": 1, "examples": [{}]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"a": {"b64": "!"}}]}, "Unable to base64 decode"),
    ],
)
def test_refused_examples(request_: dict[str, Any], message: str) -> None:
    reply = ask("POST", "/v1/models/echo:classify", json.dumps(request_).encode())
    assert (reply.status, error_of(reply).endswith(message)) == (400, True)


def test_states() -> None:
    reply = ask("GET", "/v1/models/echo")
    assert json.loads(reply.body) == {
        "model_version_status": [
            {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}},
            {"version": "2", "state": "END", "status": {"error_code": "INTERNAL", "error_message": 'no "é"'}},
        ]
    }


def test_metadata_of_a_label() -> None:
    reply = json.loads(ask("GET", "/v1/models/echo/labels/stable/metadata").body)
    assert reply["model_spec"] == {"name": "echo", "signature_name": "", "version": "3"}
    assert reply["metadata"]["signature_def"]["signature_def"].keys() == Echo().signatures.keys()


def test_head_has_no_body() -> None:
    assert ask("HEAD", "/").body == ask("HEAD", "/v1/models/echo").body == b""


def test_bytes_of_an_output_are_those_of_the_input() -> None:
    texts = [bytes([first, second]) for first in range(0, 256, 5) for second in range(0, 256, 5)]
    rows = [{"b64": base64.b64encode(text).decode()} for text in texts]
    reply = ask("POST", "/v1/models/echo:predict", json.dumps({"instances": rows}).encode())
    read = json.loads(reply.body.decode("utf-8", "surrogateescape"))["predictions"]
    assert [text.encode("utf-8", "surrogateescape") for text in read] == texts


def test_what_was_parsed_is_dropped_before_the_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Parsed(dict[str, Any]):
        pass

    parsed: list[weakref.ref[Parsed]] = []

    def remembered(body: bytes) -> Parsed:
        request = Parsed(json.loads(body))
        parsed.append(weakref.ref(request))
        return request

    class Watching(EchoRunner):
        async def run(self, *arguments: Any) -> dict[str, Any]:
            assert [seen() for seen in parsed] == [None]
            return await super().run(*arguments)

    monkeypatch.setattr(rest, "parse", remembered)
    monkeypatch.setattr(REST, "_runner", Watching())
    for target, body in (
        ("echo:predict", b'{"instances": [["a"]]}'),
        ("echo:predict", b'{"inputs": ["a"]}'),
        ("echo:classify", b'{"signature_name": "cls", "examples": [{"a": 1}]}'),
    ):
        parsed.clear()
        assert ask("POST", f"/v1/models/{target}", body).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://x.y"}, 200),
        ({"oRIGIN": "https://x.y:8080"}, 200),
        ({"Origin": "a https://"}, 200),  # found anywhere, as in http_server.cc
        ({"Origin": "null"}, 400),
        ({"Origin": "HTTP://x.y"}, 400),
        ({"Origin": ""}, 400),
        ({}, 400),
    ],
)
def test_options_wants_an_origin_that_is_a_url(headers: dict[str, str], status: int) -> None:
    reply = ask("OPTIONS", "/v1/models/echo:predict", headers=headers)
    assert (reply.status, reply.content_type, reply.body) == (status, "text/html; charset=ISO-8859-1", b"")
