"""The gateway as it runs: nginx with the delivered config and files, before a server that says what reached it."""

import hashlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ..certificates import make_certificate

GATEWAY = Path(__file__).parents[2] / "deploy/gateway"
MODULE = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None or not MODULE.exists(), reason="nginx with njs is not installed"
)


class Backend(BaseHTTPRequestHandler):
    """Answers with the path and the key that came."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"path": self.path, "key": self.headers.get("Authorization")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Gateway:
    """A gateway that runs in a folder of its own, and a client that trusts it."""

    def __init__(self, folder: Path, backend: int) -> None:
        self.port, self._folder = free_port(), folder
        folder.mkdir(exist_ok=True)
        shutil.copytree(GATEWAY, folder / "gateway")
        (folder / "keys").mkdir()
        certificate, key = make_certificate(folder)
        config = (GATEWAY / "nginx.conf").read_text(encoding="utf-8")
        for theirs, ours in {
            "load_module modules/ngx_http_js_module.so": f"load_module {MODULE}",
            "/etc/nginx/gateway": str(folder / "gateway"),
            "/etc/nginx/keys": str(folder / "keys"),
            "/etc/nginx/certificates/tls.crt": str(certificate),
            "/etc/nginx/certificates/tls.key": str(key),
            "pid /tmp/nginx.pid": f"daemon off;\npid {folder}/nginx.pid",
            "_temp_path /tmp/": f"_temp_path {folder}/",
            "access_log /dev/stdout": f"access_log {folder}/access.log",
            "server serving:8501": f"server 127.0.0.1:{backend}",
            "listen 8443": f"listen 127.0.0.1:{self.port}",
        }.items():
            assert theirs in config
            config = config.replace(theirs, ours)
        (folder / "nginx.conf").write_text(config, encoding="utf-8")
        trusted = ssl.create_default_context(cafile=str(certificate))
        self.client = httpx2.Client(base_url=f"https://127.0.0.1:{self.port}", verify=trusted, timeout=60)

    def let_in(self, name: str, key: str, model: str) -> None:
        line = f'"{hashlib.sha256(f"{key}:{model}".encode()).hexdigest()}" {name};\n'
        with (self._folder / "keys/keys.map").open("a", encoding="utf-8") as keys:
            keys.write(line)

    @contextmanager
    def running(self) -> Iterator[None]:
        words = ["nginx", "-e", "stderr", "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]
        self._process = subprocess.Popen(words, stderr=subprocess.PIPE)
        try:
            while not self._is_up():
                time.sleep(0.05)
            yield
        finally:
            self.client.close()
            self._process.send_signal(signal.SIGQUIT)  # which waits for what is still to be logged
            self._process.communicate()

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self._process.communicate()[1]
        try:
            return self.client.get("/healthz").json() == {}
        except httpx2.TransportError:
            return False

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self._folder / "access.log").read_text(encoding="utf-8").splitlines()]

    def ask(self, path: str, key: str = "", body: bytes = b"a secret text") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = self.client.post(path, content=body, headers=headers)
        assert answer.headers.get("Content-Type") == (None if answer.status_code == 200 else "application/json")
        return answer.status_code, answer.json()


@pytest.fixture
def backend() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_key_opens_its_models_and_every_refusal_is_json(tmp_path: Path, backend: int) -> None:
    gateway = Gateway(tmp_path, backend)
    gateway.let_in("ada", "KEY", "messages")
    path = "/v1/models/messages:predict"
    with gateway.running():
        assert gateway.ask(path, "KEY") == (200, {"path": path, "key": None})
        refused = {
            401: gateway.ask(path),
            403: gateway.ask("/v1/models/Messages:predict", "KEY"),
            404: gateway.ask("/v1/models/other/%2e%2e/messages:predict", "KEY"),
            413: gateway.ask(path, "KEY", b"x" * (5 << 20)),
        }
    for expected, (status, said) in refused.items():
        assert (status, list(said)) == (expected, ["error"])
    logged = gateway.logged()
    assert [(line["key"], line["status"]) for line in logged] == [
        ("ada", 200),
        ("", 401),
        ("", 403),
        ("", 404),
        ("ada", 413),
    ]
    assert "secret" not in json.dumps(logged) and "KEY" not in json.dumps(logged)


def test_it_runs_without_keys_and_without_a_server_and_says_so(tmp_path: Path) -> None:
    path = "/v1/models/messages:predict"
    gateway = Gateway(tmp_path / "none", free_port())
    with gateway.running():
        assert gateway.ask(path, "KEY")[0] == 403
    gateway = Gateway(tmp_path / "one", free_port())
    gateway.let_in("ada", "KEY", "messages")
    with gateway.running():
        assert gateway.ask(path, "KEY") == (502, {"error": "No server answers. Ask later."})
