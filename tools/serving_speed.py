"""Measure served models beside the same models in TensorFlow's C API alone: latency one at a time, and throughput.

    python tools/serving_speed.py saved_models/quickstart saved_models/quickstart-bert

The local server runs in a process of its own, and is asked from this one, as in life; in the C API, TensorFlow is asked
in this process. Models and ways take turns, and who begins alternates. The first round does not count. Figures are
medians over the rounds, with the range behind; all of it shares the cores of this machine.
"""

import argparse
import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import numpy as np

from textclf.config import DataConfig
from textclf.data import Example, read
from textclf.gate.session import Session
from textclf.gate.tensorflow_c import TensorFlow, text_libraries
from textclf.startup import import_tensorflow

ALONE = 200
"""Requests of one text that are asked one after the other in a round."""
CLIENTS = 32
"""Who ask at a time when throughput is measured, each for one text and then for the next."""
SECONDS = 4.0


def main() -> None:
    """Measure, then print a table."""
    options = _options()
    texts = [row.text for row in read("sample:test", DataConfig(train="sample:test")) if isinstance(row, Example)]
    paths = [Path(path) for path in options.exports]
    found: dict[tuple[str, str, str], list[float]] = {}
    with _serving(paths) as address:
        sessions = {path.name: _session(path) for path in paths}
        for number in range(options.repeats + 1):
            for path in paths[:: -1 if number % 2 else 1]:
                url = f"{address}/v1/models/{path.name}:predict"
                for way in ("local server", "C API")[:: -1 if number % 2 else 1]:
                    is_served = way == "local server"
                    figures = asyncio.run(_by_rest(url, texts)) if is_served else _by_c(sessions[path.name], texts)
                    for name, value in figures.items():
                        if number:
                            found.setdefault((path.name, way, name), []).append(value)
    print(f"{os.cpu_count()} cores; medians of {options.repeats} rounds\n")
    for (model, way, name), values in found.items():
        spread = f"({min(values):,.1f} to {max(values):,.1f})"
        print(f"{model:18} {way:14} {name:34} {statistics.median(values):>9,.1f}  {spread}")


async def _by_rest(url: str, texts: Sequence[str]) -> dict[str, float]:
    async with aiohttp.ClientSession() as session:

        async def ask(batch: Sequence[str]) -> None:
            async with session.post(url, json={"instances": batch}) as reply:
                if reply.status != 200:
                    sys.exit(await reply.text())
                await reply.read()

        latencies = []
        for text in texts[:ALONE]:
            begin = time.perf_counter()
            await ask([text])
            latencies.append(time.perf_counter() - begin)
        answered, begin = 0, time.perf_counter()

        async def client(offset: int) -> None:
            nonlocal answered
            while time.perf_counter() - begin < SECONDS:
                await ask([texts[(offset + answered) % len(texts)]])
                answered += 1

        await asyncio.gather(*map(client, range(CLIENTS)))
        together = answered / (time.perf_counter() - begin)
        begin = time.perf_counter()
        batches = [texts[start : start + 64] for start in range(0, len(texts), 64)]
        for batch in batches:
            await ask(batch)
    return _figures(latencies, len(texts) / (time.perf_counter() - begin)) | {
        f"texts/s, {CLIENTS} clients of one text": together
    }


def _by_c(session: Callable[[Sequence[str]], None], texts: Sequence[str]) -> dict[str, float]:
    latencies = []
    for text in texts[:ALONE]:
        begin = time.perf_counter()
        session([text])
        latencies.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    for start in range(0, len(texts), 64):
        session(texts[start : start + 64])
    return _figures(latencies, len(texts) / (time.perf_counter() - begin))


def _figures(latencies: Sequence[float], texts_per_second: float) -> dict[str, float]:
    return {
        "ms a text alone, median": 1000 * float(np.percentile(latencies, 50)),
        "ms a text alone, 99 %": 1000 * float(np.percentile(latencies, 99)),
        "texts/s, batches of 64": texts_per_second,
    }


def _session(model: Path) -> Callable[[Sequence[str]], None]:
    """Return a function that asks the newest version of a model through the C API."""
    import_tensorflow(with_text=False)
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    version = max((path for path in model.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    graph = SavedModel.FromString((version / "saved_model.pb").read_bytes()).meta_graphs[0]
    signature = graph.signature_def["serving_default"]
    given, wanted = signature.inputs["text"].name, [output.name for output in signature.outputs.values()]
    session = Session(_tensorflow(), version)

    def ask(texts: Sequence[str]) -> None:
        session.run({given: np.array([text.encode() for text in texts], object)}, wanted)

    return ask


_LOADED: list[TensorFlow] = []


def _tensorflow() -> TensorFlow:
    """Return the library, with the ops of tensorflow-text, which can be loaded once a process."""
    if not _LOADED:
        _LOADED.append(TensorFlow())
        for library in text_libraries():
            _LOADED[0].load_ops(library)
    return _LOADED[0]


@contextmanager
def _serving(models: Sequence[Path]) -> Iterator[str]:
    """Run the local server with the models of one base path, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-c", "from textclf.cli.main import main; main()", "serve", "--local"]
    command += ["--base", str(models[0].parent), "--rest-port", str(port), "--grpc-port", "0"]
    command += [model.name for model in models]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            if not any(line.startswith("gRPC") for line in iter(server.stdout.readline, "")):
                sys.exit("The server ended before it listened.")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=60)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("exports", nargs="+", help="folders of models under one base path, each with versions")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
