"""A load on a server that the test brings along: what was sent, when, and what is said of it."""

import asyncio
import itertools
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from textclf.errors import ConfigError, RunError
from textclf.loadtest.arrivals import arrivals
from textclf.loadtest.load import apply_load
from textclf.loadtest.plot import load_figure, write_plot
from textclf.loadtest.result import PERCENTILES, Asked, LoadResult

from ..certificates import make_certificate
from ..client.tiny import Tiny, running, speaking

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def load_on(handler: Handler, texts: list[str] | None = None, **options: object) -> LoadResult:
    """Return what came of a load on a server with one handler."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        url = f"http://127.0.0.1:{port}/v1/models/messages"
        return await apply_load(url, texts or ["a", "验证码"], **options)  # type: ignore[arg-type]
    finally:
        await runner.cleanup()


async def answer(request: web.Request) -> web.Response:
    """Answer anything."""
    texts = json.loads(await request.read())["instances"]
    return web.json_response({"predictions": texts})


def test_every_request_is_sent_once_with_texts_in_turn() -> None:
    bodies, paths = [], []

    async def handler(request: web.Request) -> web.Response:
        bodies.append(json.loads(await request.read())["instances"])
        paths.append(request.path)
        return await answer(request)

    result = asyncio.run(load_on(handler, ["a", "b", "c"], rate=200, seconds=0.2, batch_size=2))
    assert set(paths) == {"/v1/models/messages:predict"}
    assert len(bodies) - 1 == len(result.asked) == len(list(arrivals(200, 0.2)))
    assert sorted(map(tuple, bodies[1:4])) == [("a", "b"), ("b", "c"), ("c", "a")]
    assert not result.errors
    assert len(result.latencies) == len(result.asked)


def failing_after_the_first(handler: Handler) -> Handler:
    """Answer the first request, which does not count, and hand the others on."""
    asked = 0

    async def both(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await (answer(request) if asked == 1 else handler(request))

    return both


def test_nobody_waits_for_the_answer_to_anothers_request() -> None:
    """The server answers nobody before all have asked: whoever waited for another's answer would wait for ever."""
    expected, came, all_came = len(list(arrivals(100, 0.3))), itertools.count(1), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        if next(came) == expected:
            all_came.set()
        await all_came.wait()
        return await answer(request)

    result = asyncio.run(load_on(failing_after_the_first(slow), rate=100, seconds=0.3, timeout=300))
    assert (len(result.latencies), result.errors) == (expected, {})
    assert min(request.ended for request in result.asked) > max(request.left for request in result.asked)


def test_errors_are_counted_by_what_they_say() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": "Servable not found for request: Latest(messages)"}, status=404)

    result = asyncio.run(load_on(failing_after_the_first(refuse), rate=100, seconds=0.1))
    assert result.errors == {"404 Servable not found for request: Latest(messages)": len(result.asked)}
    assert "× 404 Servable not found" in result.to_text()
    assert np.isnan(result.percentile(50))
    assert result.to_json()["latency_ms"]["p50"] is None


def test_a_request_without_an_answer_fails_in_time() -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.json_response({})

    result = asyncio.run(load_on(failing_after_the_first(never), rate=50, seconds=0.1, timeout=3.0))
    assert set(result.errors) == {"no answer in time"}


def test_a_model_that_is_not_served_is_said_at_once() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": "Servable not found for request: Latest(messages)"}, status=404)

    with pytest.raises(RunError, match="/v1/models/messages failed: 404 Servable not found"):
        asyncio.run(load_on(refuse, rate=100, seconds=60))
    with pytest.raises(RunError, match="Is a server there"):
        asyncio.run(apply_load("http://127.0.0.1:9/v1/models/m", ["a"], rate=50, seconds=60))


@pytest.mark.parametrize(
    ("status", "said", "end"),
    [
        (404, "Not there.", "failed: 404 Not there. Is a server there that serves this model?"),
        (
            401,
            "An API key is wanted.",
            "failed: 401 An API key is wanted. Set TEXTCLF_API_KEY to a key that may ask it.",
        ),
        (403, "no", "failed: 403 no. Set TEXTCLF_API_KEY to a key that may ask it."),
        (429, "Too many at once.", "failed: 429 Too many at once."),
        (400, "no", "failed: 400 no."),
    ],
)
def test_what_to_do_about_the_first_refusal_is_said_by_its_status(status: int, said: str, end: str) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": said}, status=status)

    with pytest.raises(RunError) as raised:
        asyncio.run(load_on(refuse, rate=100, seconds=60))
    assert str(raised.value).endswith(f"/v1/models/messages {end}")


def refusing(status: int, body: bytes) -> Handler:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    return refuse


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (
            502,
            b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1>",
            "502 Bad Gateway",
        ),
        (
            429,
            b"<!DOCTYPE html><style>h1\n{}</style><!-- a\nb --><h1>Too <b>many</b>\nrequests</h1><p>Later",
            "429 Too many requests",
        ),
        (500, b"a\nb < c", "500 a b < c"),
        (500, b'{"error": "a\\n\\tb"}', "500 a b"),
        (500, b"", "500 without a message"),
        (503, b"503", "503 without a message"),
        (400, b"4000 rows are too many", "400 4000 rows are too many"),
    ],
)
def test_whatever_a_gateway_says_is_one_line(status: int, body: bytes, shown: str) -> None:
    handler = failing_after_the_first(refusing(status, body))
    result = asyncio.run(load_on(handler, rate=100, seconds=0.1))
    assert list(result.errors) == [shown]


@pytest.mark.parametrize(
    "body",
    [b"<title>Sign in</title>", b"{}", b"[]", b'{"predictions": []}', b'{"predictions": "a"}', b'{"error": "no"}'],
)
def test_what_answers_no_text_is_no_answer(body: bytes) -> None:
    result = asyncio.run(load_on(failing_after_the_first(refusing(200, body)), rate=100, seconds=0.1))
    assert result.errors == {"200 without a prediction for each text": len(result.asked)}
    with pytest.raises(RunError, match=r"failed: 200 without a prediction for each text\. Check the address"):
        asyncio.run(load_on(refusing(200, body), rate=100, seconds=60))


def test_texts_do_not_follow_to_another_address() -> None:
    asked = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPTemporaryRedirect("/sign-in")

    with pytest.raises(RunError, match=r"failed: 307 .*\. Check the address"):
        asyncio.run(load_on(elsewhere, rate=100, seconds=60))
    assert asked == ["/v1/models/messages:predict"]


def load_on_port(port: int, scheme: str = "http") -> LoadResult:
    return asyncio.run(apply_load(f"{scheme}://127.0.0.1:{port}/v1/models/m", ["a"], rate=50, seconds=60))


def test_what_is_no_reply_is_told_in_words() -> None:
    with pytest.raises(RunError, match=r"failed: no connection: Connection refused\. Is a server there that serves"):
        load_on_port(9)
    protocol = r"Check the address, http or https, and its port: .* on 8500\.$"
    with speaking(b"SSH-2.0-x\r\n\r\n") as (port, _):
        with pytest.raises(RunError, match=rf"failed: an answer that is not HTTP\. {protocol}"):
            load_on_port(port)
        with pytest.raises(RunError, match=rf"failed: no TLS connection: .*WRONG_VERSION_NUMBER.*\. {protocol}"):
            load_on_port(port, "https")
    with (
        speaking(b"") as (port, _),
        pytest.raises(RunError, match="failed: the connection was closed without an answer"),
    ):
        load_on_port(port)
    with (
        speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na") as (port, _),
        pytest.raises(RunError, match=r"failed: an answer that broke off\.$"),
    ):
        load_on_port(port)


def test_a_certificate_that_is_not_trusted_is_told(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    expected = r"failed: a certificate that is not trusted: .*self-signed.*\. Set SSL_CERT_FILE to"
    with running(Tiny(), context) as address, pytest.raises(RunError, match=expected):
        load_on_port(int(address.rpartition(":")[2]), "https")


def test_a_load_in_which_nothing_is_due_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"at least one request .* 10 a second for 0\.01 s\. Give a higher rate or more"
    ):
        asyncio.run(load_on(answer, rate=10, seconds=0.01))


def test_what_was_measured_before_ctrl_c_is_kept() -> None:
    meant = 1e6

    async def stopped() -> LoadResult:
        ended = asyncio.Event()
        load = load_on(answer, rate=100, seconds=meant, timeout=300, done=lambda _: ended.set())
        task = asyncio.create_task(load)
        await ended.wait()
        task.cancel()
        return await task

    result = asyncio.run(stopped())
    assert result.asked
    assert 0 < result.seconds < meant


@pytest.mark.parametrize(
    ("texts", "rate", "seconds", "batch_size"), [([], 1, 1, 1), (["a"], 0, 1, 1), (["a"], 1, -1, 1), (["a"], 1, 1, 0)]
)
def test_a_load_that_is_none_is_refused(texts: list[str], rate: float, seconds: float, batch_size: int) -> None:
    with pytest.raises(ConfigError, match="Expected"):
        asyncio.run(apply_load("http://localhost", texts, rate=rate, seconds=seconds, batch_size=batch_size))


@given(rate=st.floats(1, 500), seconds=st.floats(0.1, 20), seed=st.integers(0, 5))
def test_arrivals_come_in_order_at_the_rate(rate: float, seconds: float, seed: int) -> None:
    due = list(arrivals(rate, seconds, seed))
    assert due == sorted(due)
    assert all(0 < time < seconds for time in due)
    expected = rate * seconds
    assert abs(len(due) - expected) <= 6 * expected**0.5 + 1


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 1), st.floats(0, 5), st.sampled_from(["", "x"])), max_size=50))
def test_figures_are_those_of_the_requests(rows: list[tuple[float, float, float, str]]) -> None:
    asked = [Asked(due, due + wait, due + wait + work, error) for due, wait, work, error in rows]
    result = LoadResult(asked, 10, 60)
    answered = [request for request in asked if not request.error]
    assert len(result.latencies) + sum(result.errors.values()) == len(asked)
    if answered:
        latencies = [request.ended - request.due for request in answered]
        for which in PERCENTILES:
            assert result.percentile(which) == pytest.approx(np.percentile(latencies, which))
        assert result.to_json()["latency_ms"]["max"] == pytest.approx(1000 * max(latencies), abs=1e-3)
    assert len(result.to_text().splitlines()) >= 1
    json.dumps(result.to_json(), allow_nan=False)


def test_a_load_that_was_held_up_here_is_said_to_be() -> None:
    held_up = LoadResult([Asked(0.0, 0.5, 0.6)] * 3, 1, 1)
    assert "this side is too slow" in held_up.to_text()
    assert "too slow" not in LoadResult([Asked(0.0, 0.001, 0.6)] * 3, 1, 1).to_text()


def test_a_plot_is_written_whatever_came(tmp_path: Path) -> None:
    path = tmp_path / "load.png"
    write_plot(path, LoadResult([Asked(0.0, 0.0, 0.1), Asked(0.1, 0.1, 0.4, "x")], 1, 1), "a load")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert load_figure(LoadResult([], 1, 1), "nothing").axes
    assert load_figure(LoadResult([Asked(0, 0, 1, "x")], 1, 1), "failed").axes
