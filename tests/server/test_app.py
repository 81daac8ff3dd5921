"""The local server as a whole: both ports, swaps, keys, TLS, the log, the end."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import httpx2
import numpy as np
import pytest
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, predict_pb2
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from textclf.engine.tensor_protos import write_tensor
from textclf.errors import ExportError, RunError
from textclf.gate.session import Session
from textclf.server.access import add_key
from textclf.server.app import LocalServer, Options, running
from textclf.server.ports import bound
from textclf.server.tls import Tls
from textclf.store.models_config import write_labels

from ..asynchronous import asynchronous, until
from ..certificates import make_certificate

BODY = {"instances": ["hello world"]}
SCORES = [0.721778214, 0.278221816]


@pytest.fixture
def base(recorded_models: Path, tmp_path: Path) -> Path:
    """A base path with `m` 7 and `g` 1 that a test may change."""
    for model in ("m", "g"):
        shutil.copytree(recorded_models / model, tmp_path / "saved_models" / model)
    return tmp_path / "saved_models"


def options(base: Path, **others: Any) -> Options:
    return Options(base, rest_port=0, grpc_port=0, **others)


def client(server: LocalServer, **more: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.rest_port}", **more)


def predict_request(name: str) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.inputs["text"].CopyFrom(write_tensor(np.array([b"hello world"], object)))
    return request


async def refusal_of(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), refused.value.details() or ""


@asynchronous
async def test_rest_and_grpc_answer_alike_and_are_counted_and_logged(base: Path, tmp_path: Path) -> None:
    said: list[str] = []
    async with running(options(base, audit=tmp_path / "audit.jsonl"), said.append) as server:
        assert said == ["Loading 'g', 'm' ...", "g: version 1 is loaded", "m: version 7 is loaded"]
        async with client(server) as rest:
            answer = await rest.post("/v1/models/m:predict", json=BODY)
            assert answer.json()["predictions"] == [pytest.approx(SCORES, abs=1e-5)]
            assert answer.headers["server"] == "textclf"
            assert (await rest.post("/v1/models/made-up:predict", json=BODY)).status_code == 404
            assert (await rest.post("/v1/models/m:predict", content=b"{")).status_code == 400
            page = (await rest.get("/monitoring/prometheus/metrics")).text
            assert "<!doctype html>" in (await rest.get("/")).text
            listed = (await rest.get("/models.json")).json()["models"]
            assert [model["name"] for model in listed] == ["g", "m"]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            reply = await PredictionServiceStub(channel).Predict(predict_request("m"))
            assert list(reply.outputs["scores"].float_val) == pytest.approx(SCORES, abs=1e-5)
            code, details = await refusal_of(PredictionServiceStub(channel).Predict(predict_request("made-up")))
            assert (code, details) == (grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(made-up)")
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 1.0' in page
    assert ':tensorflow:serving:request_count{model_name="m",status="INVALID_ARGUMENT"} 1.0' in page
    assert ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"} 1.0' in page
    assert ':tensorflow:serving:request_example_count_total{model="m"} 1.0' in page
    assert "made-up" not in page
    log = (tmp_path / "audit.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines()]
    kept = ("entrypoint", "method", "model", "version", "status", "texts")
    assert [tuple(line[key] for key in kept) for line in lines] == [
        ("REST", "predict", "m", 7, "OK", 1),
        ("REST", "predict", "", None, "NOT_FOUND", 0),
        ("REST", "predict", "m", None, "INVALID_ARGUMENT", 0),
        ("GRPC", "Predict", "m", 7, "OK", 1),
        ("GRPC", "Predict", "", None, "NOT_FOUND", 0),
    ]
    assert "hello" not in log and "made-up" not in log


@asynchronous
async def test_versions_labels_and_models_come_and_go_while_it_runs(base: Path) -> None:
    said: list[str] = []
    async with running(options(base), said.append) as server, client(server) as rest:
        unfinished = shutil.copytree(base / "m/7", base / "m/.unfinished-8")
        unfinished.rename(base / "m/8")
        write_labels(base, "m", {"old": 7}, [7, 8])
        shutil.copytree(base / "g", base / ".new").rename(base / "new")
        await until(lambda: "new: version 1 is loaded" in said and "m: label old means version 7" in said)
        assert "m: version 8 is loaded" in said
        assert (await rest.post("/v1/models/m/labels/old:predict", json=BODY)).status_code == 200
        states = (await rest.get("/v1/models/m")).json()["model_version_status"]
        assert [(state["version"], state["state"]) for state in states] == [("8", "AVAILABLE"), ("7", "AVAILABLE")]
        assert (await rest.post("/v1/models/new:predict", json=BODY)).status_code == 200
        shutil.rmtree(base / "new")
        (base / "m/9").mkdir()
        await until(lambda: any("m: version 9 cannot be loaded" in line for line in said))
        (told,) = (line for line in said if "version 9 cannot" in line)
        assert told.endswith(
            f" `textclf verify {base / 'm/9'}` may say more; what is loaded stays, and it is tried again."
        )
        shutil.copytree(base / "g/1", base / ".next").rename(base / "g/2")
        await until(lambda: "g: version 1 is unloaded" in said)
        assert said.index("g: version 2 is loaded") < said.index("g: version 1 is unloaded")
        (base / "models.config").write_text("nonsense", encoding="utf-8")
        await until(lambda: any("What is served stays as it is" in line for line in said))
        assert (await rest.post("/v1/models/m:predict", json=BODY)).status_code == 200


@asynchronous
async def test_keys_open_what_they_are_for_and_nothing_else(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    shop, ops = add_key(path, "shop", ["m"]), add_key(path, "ops", ["*"], may_reload=True)
    async with running(options(base, access=path, audit=tmp_path / "audit.jsonl"), lambda _: None) as server:
        async with client(server, headers={"Authorization": f"Bearer {shop}"}) as rest:
            assert (await rest.post("/v1/models/m:predict", json=BODY)).status_code == 200
            refused = "The key 'shop' has no right to the model 'g'."
            for method, target in (("POST", "g:predict"), ("GET", "g"), ("GET", "g/metadata"), ("POST", "%67:predict")):
                answer = await rest.request(method, f"/v1/models/{target}", json=BODY)
                assert (answer.status_code, answer.json()) == (403, {"error": refused})
            assert [model["name"] for model in (await rest.get("/models.json")).json()["models"]] == ["m"]
            answer = await rest.get("/monitoring/prometheus/metrics")
            assert (answer.status_code, "of all models" in answer.json()["error"]) == (403, True)
        async with client(server, headers={"Authorization": f"Bearer {ops}"}) as rest:
            assert (await rest.get("/monitoring/prometheus/metrics")).status_code == 200
        async with client(server) as rest:
            assert (await rest.get("/v1/models/m")).status_code == 401
            assert (await rest.get("/models.json")).status_code == 401
            assert (await rest.get("/monitoring/prometheus/metrics")).status_code == 401
            assert (await rest.get("/")).status_code == 200
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub, service = PredictionServiceStub(channel), ModelServiceStub(channel)
            assert (await refusal_of(stub.Predict(predict_request("m"))))[0] is grpc.StatusCode.UNAUTHENTICATED
            shown = [("authorization", f"Bearer {shop}")]
            assert await stub.Predict(predict_request("m"), metadata=shown)
            code, details = await refusal_of(stub.Predict(predict_request("g"), metadata=shown))
            assert (code, details) == (grpc.StatusCode.PERMISSION_DENIED, refused)
            status = get_model_status_pb2.GetModelStatusRequest()
            status.model_spec.name = "g"
            assert (await refusal_of(service.GetModelStatus(status, metadata=shown)))[1] == refused
            config = model_management_pb2.ReloadConfigRequest()
            config.config.model_config_list.config.add(name="m", base_path=str(base / "m"), model_platform="tensorflow")
            code, details = await refusal_of(service.HandleReloadConfigRequest(config, metadata=shown))
            assert code is grpc.StatusCode.PERMISSION_DENIED
            await service.HandleReloadConfigRequest(config, metadata=[("authorization", f"Bearer {ops}")])
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    assert ("shop", "g", "PERMISSION_DENIED") in {(line["who"], line["model"], line["status"]) for line in lines}
    assert shop not in (tmp_path / "audit.jsonl").read_text(encoding="utf-8")


@asynchronous
async def test_an_operator_who_is_gone_ends_nothing(base: Path) -> None:
    def say(_: str) -> None:
        raise BrokenPipeError

    async with running(options(base), say) as server, client(server) as rest:
        (base / "m/9").mkdir()
        shutil.copytree(base / "g", base / ".new").rename(base / "new")

        async def is_there() -> bool:
            return (await rest.post("/v1/models/new:predict", json=BODY)).status_code == 200

        async with asyncio.timeout(30):
            while not await is_there():
                await asyncio.sleep(0.05)


@asynchronous
async def test_both_ports_speak_tls(base: Path, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    async with running(options(base, tls=Tls(certificate, key)), lambda _: None) as server:
        assert server.addresses()[0].startswith("REST  https://127.0.0.1:")
        assert server.addresses()[2] == f"Page  https://127.0.0.1:{server.rest_port}/"
        import ssl

        trusted = ssl.create_default_context(cafile=str(certificate))
        async with httpx2.AsyncClient(verify=trusted) as rest:
            answer = await rest.post(f"https://127.0.0.1:{server.rest_port}/v1/models/m:predict", json=BODY)
            assert answer.status_code == 200
        async with client(server) as plain:
            with pytest.raises(httpx2.HTTPError):
                await plain.get("/v1/models/m")
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        async with grpc.aio.secure_channel(f"127.0.0.1:{server.grpc_port}", credentials) as channel:
            assert await PredictionServiceStub(channel).Predict(predict_request("m"))


@pytest.mark.parametrize("which", ["rest_port", "grpc_port"])
@asynchronous
async def test_a_port_that_is_taken_is_named(base: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = Options(base, **({"rest_port": 0, "grpc_port": 0} | {which: port}))  # type: ignore[arg-type]
        what = {"rest_port": "REST", "grpc_port": "gRPC"}[which]
        message = (
            f"{what} cannot listen on 127.0.0.1:{port}: Address already in use. Name another port: --{what.lower()}"
        )
        with pytest.raises(RunError, match=message):
            await LocalServer(chosen, lambda _: None).start()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(
        RunError, match=rf"REST cannot listen on {host}:80: .+\. Name an address of this machine: --host"
    ):
        bound(host, 80, "REST")


@pytest.mark.parametrize("which", ["REST", "gRPC", "REST while it loads", "told to end while it loads"])
@asynchronous
async def test_a_start_that_fails_leaves_nothing(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    sessions: list[Session] = []
    close, others = Session.close, {*threading.enumerate()}
    monkeypatch.setattr(Session, "close", lambda session: (sessions.append(session), close(session)))
    with (taken := socket.socket()), (free := socket.socket()):
        for each in (taken, free):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in (taken, free)]
        rest_port, grpc_port = ports if which != "gRPC" else reversed(ports)
        audit = tmp_path / "audit.jsonl"
        server = LocalServer(Options(base, rest_port=rest_port, grpc_port=grpc_port, audit=audit), lambda _: None)
        loader, loop = server._models._loader, asyncio.get_running_loop()

        def load(*what: Any) -> Any:
            if which == "REST while it loads":
                taken.listen()
            else:
                loop.call_soon_threadsafe(starting.cancel)
            return loader(*what)

        if which in ("REST", "gRPC"):
            taken.listen()
        free.close()
        server._models._loader = load
        starting = asyncio.create_task(server.start())
        with pytest.raises(asyncio.CancelledError if "end" in which else RunError, match=r"cannot listen|^$"):
            await starting
        with socket.create_server(("127.0.0.1", ports[1])):
            pass
    assert len(sessions) == {"REST while it loads": 2, "told to end while it loads": 1}.get(which, 0)
    left = {*threading.enumerate()} - others
    assert not [thread for thread in left if thread.name.startswith("textclf")]
    assert audit not in [file.resolve() for file in Path("/proc/self/fd").iterdir()]


@asynchronous
async def test_what_is_being_loaded_keeps_no_end_from_success(base: Path) -> None:
    said: list[str] = []
    server = LocalServer(options(base, names=("g",)), said.append)
    await server.start()
    loader, loading, may_load = server._models._loader, threading.Event(), threading.Event()
    loaded: list[Any] = []

    def load(*what: Any) -> Any:
        loading.set()
        may_load.wait()
        loaded.append(loader(*what))
        return loaded[0]

    server._models._loader = load
    shutil.copytree(base / "g/1", base / "g/.2").rename(base / "g/2")
    await until(loading.is_set)
    assert await server.stop()
    assert not loaded
    may_load.set()
    await server.close()
    assert loaded[0]._is_closed
    assert said[-1] == "g: version 1 is loaded"


@asynchronous
async def test_what_is_not_answered_in_time_is_told(base: Path) -> None:
    said: list[str] = []
    asked, may_answer = asyncio.Event(), asyncio.Event()
    server = LocalServer(options(base, grace_seconds=0.01), said.append)
    await server.start()

    async def run(*_: Any) -> Any:
        asked.set()
        await may_answer.wait()

    server._runner.run = run  # type: ignore[method-assign]
    async with client(server) as rest:
        request = asyncio.create_task(rest.post("/v1/models/m:predict", json=BODY))
        await asked.wait()
        assert not await server.stop()
        assert said[-1] == "What ran was not answered within 0.01 seconds, and is given up."
        await server.close()
        with pytest.raises(httpx2.HTTPError):
            await request


@asynchronous
async def test_a_model_that_is_not_there_is_named(base: Path) -> None:
    with pytest.raises(ExportError, match=r"No model 'n' in .*saved_models'. There are 'g', 'm'"):
        LocalServer(options(base, names=("n",)), lambda _: None)


@pytest.mark.slow
def test_the_command_serves_until_a_signal_and_never_imports_the_ops_of_texts(base: Path) -> None:
    program = (
        "import sys; from textclf.cli.main import main\n"
        "try: main()\n"
        "finally: print('tensorflow_text' in sys.modules, file=sys.stderr)\n"
    )
    words = ["serve", "m", "--local", "--base", str(base), "--rest-port", "0", "--grpc-port", "0"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(6)]
        assert lines[0].startswith("This is textclf's local server") and "It is not TensorFlow Serving" in lines[0]
        assert lines[1:3] == ["Loading 'm' ...\n", "m: version 7 is loaded\n"]
        assert [line.split()[0] for line in lines[3:]] == ["REST", "gRPC", "Page"]
        url = lines[3].split()[1].replace("NAME", "m")
        with httpx2.Client() as rest:
            assert rest.post(f"{url}:predict", json=BODY).status_code == 200
        process.send_signal(signal.SIGTERM)
        ended, errors = process.communicate(timeout=20)
        assert (
            ended == "Ending: what runs is answered, and nothing more is accepted. A second signal ends it at once.\n"
        )
        assert process.returncode == 0
        assert errors == "False\n"
    finally:
        process.kill()
