"""A served model without a model: it keeps TensorFlow Serving's contract for what a client asks, and its faults."""

import asyncio
import base64
import hashlib
import json
import re
import socketserver
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np
from aiohttp import web

LABELS = ["delivery", "退款", "登录"]
DROP, DRIP, DRIP_HEADERS, HANG = "drop", "drip", "drip headers", "hang"
"""Faults: the connection is closed without an answer, the answer or its headers come too slowly, or never."""
DRIPS = 600
"""Bytes, 50 ms apart, before a server that drips is done."""


def float32(value: float) -> float:
    return float(np.float32(value))


def scores_of(version: int, *texts: bytes) -> list[float]:
    """Return what a version says of a row: numbers that differ for any other version and row."""
    noise = hashlib.sha256(b"%d" % version + b"".join(b"%d:" % len(text) + text for text in texts)).digest()
    parts = np.frombuffer(noise[:12], np.uint32).astype(np.float64) + 1
    return [float32(part) for part in parts / parts.sum()]


@dataclass
class Tiny:
    """One model on a server.

    Attributes:
        versions: Those that are loaded.
        labels: The versions by label.
        pairs: Whether it was trained on pairs.
        faults: What happens to the next requests: statuses with headers, or `DROP`, `DRIP`, `HANG`; None if nothing.
        asked: The requests that came: method, path, texts.
        headers: Those of the last request.
        dripped: Bytes that were sent one by one.
    """

    versions: list[int] = field(default_factory=lambda: [1, 2])
    labels: dict[str, int] = field(default_factory=lambda: {"stable": 1})
    pairs: bool = False
    embeds: bool = True
    faults: deque[Any] = field(default_factory=deque)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    dripped: int = 0

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.headers = headers
        status, reply = self._reply(method, path, body)
        return status, {"content-type": "application/json"}, json.dumps(reply, ensure_ascii=False).encode()

    def _reply(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        found = re.fullmatch(
            r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(/metadata|:predict|:classify)?", path
        )
        asked = json.loads(body) if body else {}
        self.asked.append((method, path, len(asked.get("instances", asked.get("examples", [])))))
        if found is None or (method == "POST") != (found[4] or "").startswith(":"):
            return 400, {"error": f"Malformed request: {method} {path}"}
        name, number, label, verb = found.groups()
        if verb is None:
            return self._status(name, number)
        if label is not None and label not in self.labels:
            return 400, {"error": f"Unrecognized servable version label: {label}"}
        version = int(number) if number else self.labels[label] if label else max(self.versions, default=0)
        if name != "messages" or version not in self.versions:
            what = f"Specific({name}, {version})" if number else f"Latest({name})"
            return 404, {"error": f"Servable not found for request: {what}"}
        return (200, self._metadata(version)) if verb == "/metadata" else self._ask(verb, asked, version)

    def _status(self, name: str, number: str | None) -> tuple[int, Any]:
        shown = [one for one in sorted(self.versions, reverse=True) if number is None or one == int(number)]
        if name != "messages" or not shown:
            which = "any versions" if number is None else f"version {number}"
            return 404, {"error": f"Could not find {which} of model {name}"}
        fine = {"error_code": "OK", "error_message": ""}
        said = [{"version": str(one), "state": "AVAILABLE", "status": fine} for one in shown]
        return 200, {"model_version_status": said}

    def names(self) -> list[str]:
        return ["text", "text_pair"] if self.pairs else ["text"]

    def _metadata(self, version: int) -> Any:
        shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
        inputs = {name: {"name": f"{name}:0", "dtype": "DT_STRING", "tensor_shape": shape} for name in self.names()}
        signature = {"inputs": inputs, "outputs": {}, "method_name": "tensorflow/serving/predict"}
        nothing = {"": {"name": "NoOp", "dtype": "DT_INVALID", "tensor_shape": {"dim": [], "unknown_rank": True}}}
        first = {"inputs": {}, "outputs": nothing}
        signatures = {"serving_default": signature, "__saved_model_init_op": first}
        spec = {"name": "messages", "version": str(version), "signature_name": ""}
        return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}}

    def _ask(self, verb: str, asked: Any, version: int) -> tuple[int, Any]:
        signature, rows = (
            asked.get("signature_name") or "serving_default",
            asked.get("instances", asked.get("examples")),
        )
        if signature == "embed" and not self.embeds:
            return 400, {"error": f'Serving signature name: "{signature}" not found in signature def'}
        if not rows:
            return 400, {"error": "No values in 'instances' array"}
        answers = []
        for position, row in enumerate(rows):
            # Classify reads the features that it knows, and no others.
            if isinstance(row, str):  # a bare value stands for the only input
                row = {"text": row}
            wrong = [name for name in row if name not in self.names()]
            if verb == ":predict" and wrong:
                where = f"Failed to process element: {position} key: {wrong[0]} of 'instances' list."
                said = f"{where} Error: INVALID_ARGUMENT: JSON object: does not have named input: {wrong[0]}"
                return 400, {"error": said}
            if len(row) < len(self.names()):
                where = f"Failed to process element: {position} of 'instances' list."
                said = f"{where} JSON object: {json.dumps(row)} keys must be equal to: {','.join(self.names())}"
                return 400, {"error": said}
            texts = [row[name] for name in self.names()]
            data = [base64.b64decode(text["b64"]) if isinstance(text, dict) else text.encode() for text in texts]
            answers.append(answer_of(signature, scores_of(version, *data)))
        return 200, {"predictions" if verb == ":predict" else "results": answers}


def answer_of(signature: str, scores: list[float]) -> Any:
    """Return a signature's answer as REST has it: float32 with nine digits."""
    scores = [float(f"{score:.9g}") for score in scores]
    if signature == "classify":
        return [list(pair) for pair in zip(LABELS, scores, strict=True)]
    if signature == "embed":
        return scores
    best = sorted(zip(scores, LABELS, strict=True), reverse=True)
    names = [label for _, label in best]
    return {"label": names[0], "score": best[0][0], "labels": names, "label_scores": [score for score, _ in best]}


def mocked(tiny: Tiny) -> httpx2.MockTransport:
    """Return a way to send that ends at the model."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        fault = tiny.faults.popleft() if tiny.faults else None
        path = request.url.raw_path.decode()
        if fault == DROP:
            tiny.asked.append((request.method, path, 0))
            raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")
        if fault is not None:
            tiny.asked.append((request.method, path, 0))
            status, headers = fault
            return httpx2.Response(status, headers=headers, json={"error": f"fault {status}"})
        status, headers, body = tiny.answer(request.method, path, dict(request.headers), request.content)
        return httpx2.Response(status, headers=headers, content=body)

    return httpx2.MockTransport(handle)


@contextmanager
def running(tiny: Tiny, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve the model on a free port of this machine, and give the address."""
    loop, over = asyncio.new_event_loop(), asyncio.Event()

    async def stop(runner: web.ServerRunner) -> None:
        over.set()
        await runner.cleanup()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        sent = await request.read()
        fault = tiny.faults.popleft() if tiny.faults else None
        if fault == DROP:
            assert request.transport is not None
            request.transport.close()
        if fault == HANG:
            await over.wait()
        if isinstance(fault, tuple):
            return web.json_response({"error": f"fault {fault[0]}"}, status=fault[0], headers=fault[1])
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, reply_headers, body = tiny.answer(request.method, request.raw_path, headers, sent)
        if fault in (DRIP, DRIP_HEADERS):
            await drip(request, b"\r\n" if fault == DRIP else b"")
        return web.Response(status=status, headers=reply_headers, body=body)

    async def drip(request: web.BaseRequest, end_of_headers: bytes) -> None:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Slow: a" + 2 * end_of_headers)
        while tiny.dripped < DRIPS and not request.transport.is_closing():
            request.transport.write(b"a")
            tiny.dripped += 1
            await asyncio.sleep(0.05)
        request.transport.close()

    async def start() -> tuple[web.ServerRunner, int]:
        runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0)  # type: ignore[arg-type]
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        return runner, runner.addresses[0][1]

    runner, port = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http{'s' * (tls is not None)}://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(stop(runner), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def speaking(greeting: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Answer whatever comes, on a free port, with what is not HTTP; give the port and what came."""
    came = []

    class Greet(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            came.append(self.request.recv(1000))
            self.request.sendall(greeting)

    with socketserver.TCPServer(("127.0.0.1", 0), Greet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1], came
        finally:
            server.shutdown()
            thread.join()
