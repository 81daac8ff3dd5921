"""Requests and replies as they are on the wire."""

import base64
import json
import pickle
import re
import shlex
import ssl
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.client import AccessError, Client, DeadlineError, ReplyError, ServingError
from textclf.client.advice import COMMAND_LINE, GRPC, PYTHON, Advice
from textclf.client.refusals import error_of
from textclf.client.rest import checked_address, failure_of, http_options, outcome_of, request_of, seconds_of
from textclf.client.results import Signature, TensorInfo, VersionStatus, metadata, prediction, scores, statuses
from textclf.client.steps import Answer, Ask, Failure, Refusal
from textclf.client.texts import rows_of

from .tiny import speaking

PREDICT = Ask("predict", "serving_default", ((b"a",),))


@given(st.lists(st.binary(max_size=8) | st.text(st.characters(), max_size=8), max_size=6))
def test_every_text_arrives_as_it_was(texts: list[Any]) -> None:
    body = request_of(Ask("predict", "embed", tuple(rows_of(texts))), "m").body
    assert body is not None
    body.decode()  # is UTF-8, and without half a surrogate pair, which servers refuse
    sent = [row["text"] for row in json.loads(body)["instances"]]
    came = [base64.b64decode(text["b64"]) if isinstance(text, dict) else text.encode() for text in sent]
    assert came == [text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for text in texts]


@pytest.mark.parametrize(
    ("ask", "method", "path"),
    [
        (PREDICT, "POST", "/v1/models/m%20x:predict"),
        (Ask("predict", "embed", ((b"a",),), version=0), "POST", "/v1/models/m%20x/versions/0:predict"),
        (
            Ask("classify", "classify", ((b"a",),), label="灰 1"),
            "POST",
            "/v1/models/m%20x/labels/%E7%81%B0%201:classify",
        ),
        (Ask("status"), "GET", "/v1/models/m%20x"),
        (Ask("status", version=3), "GET", "/v1/models/m%20x/versions/3"),
        (Ask("metadata"), "GET", "/v1/models/m%20x/metadata"),
    ],
)
def test_paths(ask: Ask, method: str, path: str) -> None:
    request = request_of(ask, "m x")
    assert (request.method, request.path, request.body is None) == (method, path, method == "GET")


def test_bodies() -> None:
    pair = ((b"a", b"\xff"),)
    row = {"text": "a", "text_pair": {"b64": "/w=="}}
    assert json.loads(request_of(Ask("predict", "scores", pair), "m").body or "") == {
        "signature_name": "scores",
        "instances": [row],
    }
    assert json.loads(request_of(Ask("classify", "classify", pair), "m").body or "") == {
        "signature_name": "classify",
        "examples": [row],
    }


@pytest.mark.parametrize(
    ("ask", "reply", "value"),
    [
        (PREDICT, {"predictions": [1]}, [1]),
        (Ask("classify"), {"results": [1]}, [1]),
        (Ask("status"), {"model_version_status": []}, []),
        (Ask("metadata"), {"model_spec": {}}, {"model_spec": {}}),
    ],
)
def test_replies(ask: Ask, reply: Any, value: Any) -> None:
    assert outcome_of(ask, 200, {}, json.dumps(reply).encode()) == Answer(value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"outputs": []}', b"[" * 100_000])
def test_what_is_no_reply_is_said_with_how_it_begins(body: bytes) -> None:
    with pytest.raises(ReplyError, match=r"Expected JSON with 'predictions', got b'.*mostly on 8501") as raised:
        outcome_of(PREDICT, 200, {}, body)
    assert raised.value.status == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "Malformed request: GET /v1/x"}', "Malformed request: GET /v1/x"),
        (b"<HTML><BODY>\n<H1>Not  Found</H1></BODY></HTML>", "Not Found"),
        (b"<html><head><title>502 Bad Gateway</title></head>\n<body><h1>502 Bad Gateway</h1>", "502 Bad Gateway"),
        (b'{"error": "a\\nb"}', "a\nb"),
        (b"", ""),
        (b"\xff" * 500, "\ufffd" * 200),
        (b'{"error": 5}', '{"error": 5}'),
    ],
)
def test_the_words_of_a_refusal_are_kept(body: bytes, message: str) -> None:
    assert outcome_of(PREDICT, 400, {"retry-after": "3"}, body) == Refusal(400, message, 3.0)


@pytest.mark.parametrize(
    ("said", "seconds"), [(None, None), ("0", 0), (" 12 ", 12), ("-1", None), ("1e9", None), ("", None), ("٣", None)]
)
def test_retry_after_in_seconds(said: str | None, seconds: float | None) -> None:
    assert seconds_of(said, now=0) == seconds


def test_retry_after_as_a_date_that_is_over() -> None:
    assert seconds_of("Thu, 01 Jan 1970 00:01:00 GMT", now=90) == 0


@given(st.text(max_size=20))
def test_no_retry_after_breaks_anything(said: str) -> None:
    seconds = seconds_of(said, now=0)
    assert seconds is None or seconds >= 0


@given(st.integers(200, 599), st.binary(max_size=30), st.sampled_from(["predict", "classify", "status", "metadata"]))
def test_any_reply_ends_in_an_answer_or_one_of_our_errors(status: int, body: bytes, kind: Any) -> None:
    ask = Ask(kind, "s", ((b"a",),))
    try:
        outcome = outcome_of(ask, status, {}, body)
    except ReplyError:
        assert status == 200
        return
    assert isinstance(outcome, Answer if status == 200 else Refusal)
    if isinstance(outcome, Refusal):
        error = error_of(outcome, ask, "http://host", "m", "after 1 attempt in 0.1 s", PYTHON)
        assert (error.status, str(error).startswith("http://host: ")) == (status, True)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(ANYTHING, st.sampled_from([prediction, scores, statuses, metadata]))
def test_any_value_is_read_or_refused(value: Any, read: Any) -> None:
    try:
        read(value)
    except ReplyError as error:
        assert "The model is no classifier that `textclf export` wrote" in str(error)


def test_statuses_and_metadata_are_typed() -> None:
    said = [{"version": "7", "state": "END", "status": {"error_code": "NOT_FOUND", "error_message": "gone"}}, {}]
    assert statuses(said) == [VersionStatus(7, "END", "NOT_FOUND", "gone"), VersionStatus(0, "UNKNOWN", "OK", "")]
    shape = {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False}
    inputs = {"text": {"dtype": "DT_STRING", "tensor_shape": shape}}
    outputs = {"x": {"dtype": "DT_INVALID", "tensor_shape": {"dim": [], "unknown_rank": True}}}
    signatures = {"s": {"inputs": inputs, "outputs": outputs}}
    spec = {"name": "m", "version": "7", "signature_name": ""}
    read = metadata({"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}})
    assert (read.model, read.version, read.takes_pairs) == ("m", 7, False)
    tensors = {"text": TensorInfo("DT_STRING", (-1, 2))}, {"x": TensorInfo("DT_INVALID", None)}
    assert read.signatures == {"s": Signature(*tensors)}


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("localhost:8501", " Did you mean 'http://localhost:8501'?"),
        ("127.0.0.1:8501/x", " Did you mean 'http://127.0.0.1:8501/x'?"),
        ("ftp://host", ""),
        ("http://", ""),
        ("http://host:port", ""),
        ("http://host/?key=1", ""),
        ("http://ho\nst", ""),
        ("", ""),
    ],
)
def test_what_is_no_address_is_refused(address: str, meant: str) -> None:
    with pytest.raises(ServingError) as raised:
        checked_address(address)
    assert str(raised.value) == f"server: expected an address such as http://127.0.0.1:8501, got {address!r}.{meant}"


def test_a_key_that_cannot_be_sent_is_refused_and_not_shown() -> None:
    with pytest.raises(ServingError, match="api_key: expected printable ASCII without spaces") as raised:
        http_options("http://host", "secret\nx", True)
    assert "secret" not in str(raised.value)


def test_secrets_in_an_address_are_sent_and_not_shown() -> None:
    sent = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.headers["authorization"])
        return httpx2.Response(403)

    with (
        Client("http://ada:p%40ss@host", "m", transport=httpx2.MockTransport(refuse)) as client,
        pytest.raises(AccessError, match=r"^http://host: 'm' was refused"),
    ):
        client.predict(["a"])
    assert sent == ["Basic " + base64.b64encode(b"ada:p@ss").decode()]
    with pytest.raises(ServingError, match=r"got 'ftp://host'\.$"):
        checked_address("ftp://ada:pass@host")
    with pytest.raises(ServingError, match="api_key: expected a key or a name and password in the address, got both"):
        Client("http://ada:pass@host", "m", api_key="key")


def test_whom_to_trust(tmp_path: Path) -> None:
    context = ssl.create_default_context()
    assert [http_options("https://host", None, one)["verify"] for one in (True, False, context)] == [
        True,
        False,
        context,
    ]
    with pytest.raises(ServingError, match=r"verify: expected a file of certificates in PEM format, got '.*gone'"):
        http_options("https://host", None, tmp_path / "gone")
    (tmp_path / "wrong").write_text("nothing")
    with pytest.raises(ServingError, match=r"verify: expected a file of certificates in PEM format, got '.*wrong'"):
        http_options("https://host", None, str(tmp_path / "wrong"))


def test_a_variable_that_names_no_certificates_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "gone.crt", tmp_path / "wrong.crt"):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        (tmp_path / "wrong.crt").write_text("nothing")
        with pytest.raises(ServingError, match=rf"^SSL_CERT_FILE: expected a file of certificates .* got '{path}': "):
            http_options("https://host", None, True)
        assert http_options("https://host", None, False)["verify"] is False
    monkeypatch.setenv("SSL_CERT_FILE", "")
    assert http_options("https://host", None, True)["verify"] is True


def test_why_there_was_no_answer() -> None:
    assert failure_of(httpx2.ConnectTimeout("")) == Failure("no connection within 5 s")
    assert failure_of(httpx2.ConnectTimeout("slow"), 60.0) == Failure("no connection within 5 s")
    assert failure_of(httpx2.ConnectTimeout("slow"), 0.5) == Failure("slow", timed_out=True), "the deadline was nearer"
    assert failure_of(httpx2.ReadTimeout("slow")) == Failure("slow", timed_out=True)
    assert failure_of(TimeoutError()) == Failure("TimeoutError", timed_out=True)
    assert failure_of(httpx2.ConnectError("CERTIFICATE_VERIFY_FAILED")).lasting
    for broken in (httpx2.RemoteProtocolError("Server disconnected without sending a response."), httpx2.ReadError("")):
        assert not failure_of(broken).strange, "a server of the right kind can fail so"


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"\x00\x00\x18\x04\x00"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_another_protocol_is_no_server_that_is_away(greeting: bytes, scheme: str) -> None:
    with speaking(greeting) as (port, connections):
        with (
            Client(f"{scheme}://127.0.0.1:{port}", "m") as client,
            pytest.raises(ReplyError, match=r"something that speaks another protocol \(.+\)\. Check .* http or https"),
        ):
            client.status()
        assert len(connections) == 1, "it was tried again"


def test_a_connection_without_tls_that_just_ends_may_want_it() -> None:
    failure, hint = Failure("Server disconnected without sending a response."), "If it wants TLS, its address begins"
    for server, failed, advice, is_told in [
        ("http://host", failure, PYTHON, True),
        ("http://host", failure, COMMAND_LINE, True),
        ("https://host", failure, PYTHON, False),
        ("http://host", Failure("Connection refused"), PYTHON, False),
    ]:
        assert (hint in str(error_of(failed, PREDICT, server, "m", "after 1 attempt", advice))) == is_told
    said = str(error_of(Failure("Socket closed"), PREDICT, "host:1", "m", "after 1 attempt", GRPC))
    assert said.endswith("check the address. If it wants TLS, give `tls`.")


def test_a_v1_too_many_is_told() -> None:
    refused = Refusal(400, "Malformed request: POST /v1/v1/models/m:predict")
    assert str(error_of(refused, PREDICT, "http://host/v1", "m", "", PYTHON)).endswith(
        "Leave /v1 at the end of the address out: the client adds it."
    )


@pytest.mark.parametrize("server", ["http://ada:se/cret@host", "http://ada:cret@host:0"])
def test_no_form_of_an_address_shows_its_password(server: str) -> None:
    with pytest.raises(ServingError) as raised:
        checked_address(server)
    assert "cr" not in str(raised.value) and "host" in str(raised.value)


REFUSALS = [
    (
        Refusal(404, "Servable not found for request: Latest(m)"),
        "UnknownModelError",
        "expected a served model, got no 'm' (404: Servable not found for request: Latest(m)). "
        "Check the name; Client.status() says how its versions are.",
    ),
    (
        Refusal(400, "Unrecognized servable version label: stable"),
        "UnknownLabelError",
        "expected a version of 'm' with the label 'stable', got none (400: Unrecognized servable version label: "
        "stable). Set it with `textclf label m stable VERSION`, and start the server with the labels' models.config.",
    ),
    (Refusal(401, ""), "AccessError", "'m' was refused (401: no message). Give an API key that may ask it."),
    (
        Refusal(429, "full", 2.5),
        "BusyError",
        "no room for the request, TRIED (429: full). It asks to come again in 2.5 s. Ask later, or for less at once.",
    ),
    (
        Refusal(504, "slow"),
        "DeadlineError",
        "expected an answer in time, but the server gave up, TRIED (504: slow). "
        "Ask for less at once, or give a longer deadline.",
    ),
    (
        Refusal(404, "Not Found"),
        "ReplyError",
        "expected TensorFlow Serving's interface, got something else (404: Not Found). "
        "Check the address and its port: REST is mostly on 8501, gRPC on 8500.",
    ),
    (
        Refusal(400, 'Serving signature name: "embed" not found in signature def'),
        "RefusedError",
        "'m' did not answer 'embed' for 1 text (400: Serving signature name: \"embed\" not found in signature def). "
        "The model has no embeddings; `linear` has none.",
    ),
    (Refusal(500, "{0} %s"), "RefusedError", "'m' did not answer 'embed' for 1 text (500: {0} %s)."),
    (
        Failure("refused"),
        "UnreachableError",
        "expected a server, but none answered, TRIED: refused. Start one with `textclf serve`, or check the address.",
    ),
    (
        Failure("", timed_out=True),
        "DeadlineError",
        "expected an answer in time, but nothing came, TRIED. Ask for less at once, or give a longer deadline.",
    ),
]


@pytest.mark.parametrize(("outcome", "kind", "message"), REFUSALS)
def test_errors_say_what_was_expected_what_came_and_what_to_do(
    outcome: Refusal | Failure, kind: str, message: str
) -> None:
    error = error_of(outcome, Ask("predict", "embed", ((b"a",),), label="stable"), "http://host", "m", "TRIED", PYTHON)
    assert (type(error).__name__, str(error)) == (kind, f"http://host: {message}")


@pytest.mark.parametrize(
    ("outcome", "advice", "end"),
    [
        (Refusal(401, "no"), COMMAND_LINE, "(401: no). Set TEXTCLF_API_KEY to a key that may ask it."),
        (Refusal(404, "Servable not found"), COMMAND_LINE, "lists the versions of a model that is here."),
        (Refusal(400, "max_batch_size"), COMMAND_LINE, "(400: max_batch_size). Ask for fewer texts at once."),
        (Failure("", timed_out=True), COMMAND_LINE, "Ask later, or for fewer texts at once."),
        (
            Failure("self-signed.", lasting=True),
            COMMAND_LINE,
            ": self-signed. Set SSL_CERT_FILE to its certificate authority's file, or use its right name.",
        ),
        (
            Failure("self-signed", lasting=True),
            GRPC,
            ": self-signed. Name its certificate authority's file with `tls`, or use its right name.",
        ),
    ],
)
def test_what_to_do_is_said_in_the_words_of_who_asks(outcome: Refusal | Failure, advice: Advice, end: str) -> None:
    ask = Ask("predict", "serving_default", ((b"a",),))
    said = str(error_of(outcome, ask, "http://host", "m", "TRIED", advice))
    assert said.endswith(end)
    assert not any(word in said for word in ("verify", "api_key", "Client.", "batch_size.", "..", "deadline"))


def test_the_command_of_a_hint_runs_whatever_the_names() -> None:
    refusal = Refusal(400, "Unrecognized servable version label: 50 %")
    said = str(error_of(refusal, Ask("status", label="50 %"), "http://host", "my model", "TRIED", PYTHON))
    (command,) = re.findall("`(.*?)`", said)
    assert shlex.split(command) == ["textclf", "label", "my model", "50 %", "VERSION"]


def test_errors_keep_their_status_in_another_process() -> None:
    error = pickle.loads(pickle.dumps(DeadlineError("late", status=504)))
    assert (str(error), error.status) == ("late", 504)
