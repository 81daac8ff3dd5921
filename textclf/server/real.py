"""The real TensorFlow Serving: found, told what to serve, and run until it ends."""

import contextlib
import csv
import io
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from textclf.errors import ExportError, RunError, refusal
from textclf.store.models_config import config_text, served_config
from textclf.writing import replacing

EXECUTABLE = "tensorflow_model_server"
IMAGE = "tensorflow/serving:2.19.1"
MONITORING = 'prometheus_config {\n  enable: true\n  path: "/monitoring/prometheus/metrics"\n}\n'

_MODELS_CONFIG, _MONITORING_CONFIG = "models.config", "monitoring.config"
_IN_CONTAINER = "/models"
_REREAD_SECONDS = 10
"""How often the server reads its config again, and so follows a label that moved."""
_LOOK_SECONDS = 1.0
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""A terminal that is closed is no reason for a server that nobody sees, and that keeps its ports."""


@dataclass(frozen=True)
class Options:
    """What is served, and how.

    Attributes:
        base: Folder of the served models.
        names: Those that are served; none for all.
        docker: Whether it runs in a container, of the official image.
        host: The address that the container's ports are published on; the executable takes all addresses.
        rest_port: REST.
        grpc_port: gRPC.
        batching: Whether requests that come together are run together.
    """

    base: Path
    names: tuple[str, ...] = ()
    docker: bool = False
    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int = 8500
    batching: bool = True


def find() -> str | None:
    """Return the path of TensorFlow Serving's executable; None if it is not on the PATH."""
    return shutil.which(EXECUTABLE)


def command(options: Options, folder: Path) -> list[str]:
    """Return what starts it.

    Args:
        options: What is served, and how.
        folder: Where the generated files stand.

    Raises:
        RunError: What starts it is not installed.
    """
    seen = Path("/config") if options.docker else folder
    flags = [
        f"--model_config_file={seen / _MODELS_CONFIG}",
        f"--model_config_file_poll_wait_seconds={_REREAD_SECONDS}",
        "--allow_version_labels_for_unavailable_models=true",
        f"--monitoring_config_file={seen / _MONITORING_CONFIG}",
    ]
    if options.batching:
        flags += ["--enable_batching=true", "--enable_per_model_batching_parameters=true"]
    if not options.docker:
        ports = [f"--rest_api_port={options.rest_port}", f"--port={options.grpc_port}"]
        return [
            _installed(EXECUTABLE, "--docker runs the official image, --local a server of textclf's"),
            *ports,
            *flags,
        ]
    docker = [
        _installed("docker", f"Without it, put {EXECUTABLE} on the PATH, or take --local"),
        "run",
        "--rm",
        "--init",
    ]
    for port, inside in ((options.rest_port, 8501), (options.grpc_port, 8500)):
        docker += ["--publish", f"{options.host}:{port}:{inside}"]
    for path, inside_path in ((options.base.resolve(), _IN_CONTAINER), (folder, "/config")):
        docker += ["--mount", _fields("type=bind", f"source={path}", f"target={inside_path}", "readonly")]
    return [*docker, IMAGE, *flags]


def serve(options: Options, say: Callable[[str], None]) -> int:
    """Run it until it ends, or until SIGINT, SIGTERM or SIGHUP, which are passed on to it.

    Args:
        options: What is served, and how.
        say: What tells the operator; called with a line at a time.

    Returns:
        Its exit code; 0 if it ended by a signal that was passed on.

    Raises:
        ExportError: There is no such model.
        RunError: What starts it is not installed, or the files that it reads cannot be written.
    """
    with _folder() as folder:
        words = command(options, folder)
        text = _config(options)
        _write(folder / _MODELS_CONFIG, text)
        _write(folder / _MONITORING_CONFIG, MONITORING)
        say(shlex.join(words))
        with _started(words) as (process, passed):
            while (code := _wait(process)) is None:
                text = _follow(options, folder / _MODELS_CONFIG, text, say)
        return 0 if code in {-number for number in passed} | {128 + number for number in passed} else code


def _fields(*fields: str) -> str:
    """Return what docker reads as CSV: a path may have a comma."""
    line = io.StringIO()
    csv.writer(line).writerow(fields)
    return line.getvalue().removesuffix("\r\n")


@contextmanager
def _folder() -> Iterator[Path]:
    """Give a folder for the generated files."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="textclf-serve-")
    except OSError as error:
        raise RunError(f"No folder can be made for the server's config: {refusal(error)}.") from None
    with folder as name:
        yield Path(name)


def _config(options: Options) -> str:
    return config_text(served_config(options.base, options.names, _IN_CONTAINER if options.docker else None))


def _follow(options: Options, path: Path, written: str, say: Callable[[str], None]) -> str:
    """Write the config anew if models or labels have changed; a server that runs is not ended by what fails there."""
    try:
        text = _config(options)
        if text != written:
            _write(path, text)
    except (ExportError, RunError) as error:
        text = f"# {error}\n"  # once told; what is in the file is another, so that it is written as soon as it can be
        if text != written:
            say(str(error))
    return text


def _write(path: Path, text: str) -> None:
    try:
        with replacing(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise RunError(f"'{path}' cannot be written: {refusal(error)}.") from None


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(_LOOK_SECONDS)
    return None


@contextmanager
def _started(words: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], Sequence[int]]]:
    """Run a process for the time of a block, and pass signals on to it, those too that come before it is there.

    Gives the process, and the signals that came.
    """
    passed: list[int] = []
    early: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _: object) -> None:
        passed.append(number)
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    heard = [number for number in _PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        process = _open(words)
        while early:
            process.send_signal(early.pop(0))
        yield process, passed
    finally:
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _open(words: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(words, start_new_session=True)  # Ctrl-C reaches it once, by way of us
    except OSError as error:
        raise RunError(f"'{words[0]}' cannot be started: {refusal(error)}.") from None


def _installed(name: str, otherwise: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise RunError(f"'{name}' is not on the PATH ({os.environ.get('PATH', '')}). {otherwise}.")
    return found
