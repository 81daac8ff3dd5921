"""Serve a model with the local server and ask it by curl, gRPC and a browser: `make serve-demo`.

    python tools/serve_demo.py quickstart "Where is my parcel?"

The browser is a headless Chromium, if there is one, and leaves a picture; the server ends with the demo.
"""

import argparse
import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import browser
import grpc

from textclf.startup import import_tensorflow


def main() -> None:
    """Serve, ask three times, end."""
    options = _options()
    import_tensorflow(with_text=False)
    rest_port, grpc_port = _free_port(), _free_port()
    url = f"http://127.0.0.1:{rest_port}"
    command = ["textclf", "serve", options.model, "--base", options.base, "--local"]
    command += ["--rest-port", str(rest_port), "--grpc-port", str(grpc_port)]
    with _serving(command):
        ask_by_curl(f"{url}/v1/models/{options.model}:predict", options.text)
        ask_by_grpc(f"127.0.0.1:{grpc_port}", options.model, options.text)
        asyncio.run(ask_by_browser(url, options.text, Path(options.picture)))


def ask_by_curl(url: str, text: str) -> None:
    """Ask by REST, as a shell does."""
    body = json.dumps({"instances": [text]}, ensure_ascii=False)
    command = ["curl", "--silent", "--show-error", "--fail-with-body", url, "--data", body]
    print(f"\n$ curl {url} --data '{body}'")
    reply = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    if len(json.loads(reply)["predictions"]) != 1:
        sys.exit(f"Expected one prediction, got {reply}")
    print(reply)


def ask_by_grpc(address: str, model: str, text: str) -> None:
    """Ask by gRPC, with the stubs that TensorFlow Serving's own clients use."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.inputs["text"].CopyFrom(tf.make_tensor_proto([text]))
    with grpc.insecure_channel(address) as channel:
        reply = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    label, score = (tf.make_ndarray(reply.outputs[name])[0] for name in ("label", "score"))
    print(f"\ngRPC {address}, version {reply.model_spec.version.value}: {label.decode()} {score:.4f}")


async def ask_by_browser(url: str, text: str, picture: Path) -> None:
    """Ask by the page at `/`, and keep what it shows."""
    if browser.CHROMIUM is None:
        print(f"\nNo Chromium is installed, so nobody looked at the page at {url}/.")
        return
    async with browser.opened(f"{url}/") as page:
        await page.wait_for("document.getElementById('model')?.value")
        await page.evaluate(f"document.getElementById('text').value = {json.dumps(text)}")
        await page.evaluate("document.getElementById('ask').requestSubmit()")
        first = await page.wait_for("document.querySelector('#labels li')?.innerText")
        said = await page.evaluate("document.getElementById('said').textContent")
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(await page.screenshot())
    print(f"\nBrowser, {said}: {' '.join(first.split())}\nIts picture: {picture}")


@contextmanager
def _serving(command: list[str]) -> Iterator[None]:
    """Run a server as long as the block, from the moment at which it answers."""
    print("$", *command)
    executable = shutil.which("textclf", path=str(Path(sys.executable).parent)) or "textclf"
    with subprocess.Popen([executable, *command[1:]], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            for line in server.stdout:
                print(line, end="", flush=True)
                if line.startswith("Page"):  # the last that it says before it waits for requests
                    break
            yield
        finally:
            server.send_signal(signal.SIGINT)
            print("\n" + server.communicate(timeout=60)[0], end="")
    if server.returncode:
        sys.exit(f"The server ended with exit code {server.returncode}.")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", help="name of a model under BASE")
    parser.add_argument("text", nargs="?", default="My parcel should have arrived on Tuesday, where is it?")
    parser.add_argument("--base", default="saved_models", help="folder of the served models")
    parser.add_argument("--picture", default="runs/serve-demo.png", help="what the browser shows")
    return parser.parse_args()


if __name__ == "__main__":
    main()
