"""The real server's command, and a stand-in for it that is started, followed and ended."""

import csv
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from textclf.errors import ExportError, RunError
from textclf.server import real
from textclf.store.models_config import write_labels

FAKE = f"""#!{sys.executable}
import pathlib, signal, sys, time
flags = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
config = pathlib.Path(flags["model_config_file"])
print("monitoring:", pathlib.Path(flags["monitoring_config_file"]).read_text().split()[0])
shown = None
for _ in range(12_000):
    if config.read_text() != shown:
        shown = config.read_text()
        print(shown, flush=True)
    time.sleep(0.01)
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for path in ("messages/1", "messages/2", "other/1"):
        (tmp_path / "saved models" / path).mkdir(parents=True)
    return tmp_path / "saved models"


def install(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(FAKE, encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return path


def test_the_executable_gets_its_ports_and_files(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = install(tmp_path / "bin", real.EXECUTABLE, monkeypatch)
    assert real.find() == str(path)
    assert real.command(real.Options(base, rest_port=1, grpc_port=2), Path("/tmp/x")) == [
        str(path),
        "--rest_api_port=1",
        "--port=2",
        "--model_config_file=/tmp/x/models.config",
        "--model_config_file_poll_wait_seconds=10",
        "--allow_version_labels_for_unavailable_models=true",
        "--monitoring_config_file=/tmp/x/monitoring.config",
        "--enable_batching=true",
        "--enable_per_model_batching_parameters=true",
    ]
    assert "--enable_batching=true" not in real.command(real.Options(base, batching=False), Path("/tmp/x"))


def test_the_container_sees_models_and_files_and_can_write_neither(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "bin", "docker", monkeypatch)
    words = real.command(real.Options(base, docker=True, rest_port=1, grpc_port=2), Path("/tmp/x"))
    assert words[1:12] == [
        "run",
        "--rm",
        "--init",
        "--publish",
        "127.0.0.1:1:8501",
        "--publish",
        "127.0.0.1:2:8500",
        "--mount",
        f"type=bind,source={base},target=/models,readonly",
        "--mount",
        "type=bind,source=/tmp/x,target=/config,readonly",
    ]
    assert words[12:14] == [real.IMAGE, "--model_config_file=/config/models.config"]
    assert not any("port=" in word for word in words[13:])


@pytest.mark.parametrize("docker", [False, True])
def test_what_is_not_installed_is_said(base: Path, monkeypatch: pytest.MonkeyPatch, docker: bool) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert real.find() is None
    with pytest.raises(RunError, match=r"is not on the PATH \(/nowhere\)\. .*--local"):
        real.serve(real.Options(base, docker=docker), pytest.fail)


def test_a_model_that_is_not_there_is_refused(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "bin", real.EXECUTABLE, monkeypatch)
    with pytest.raises(ExportError, match=r"No model 'mesages'.* Did you mean 'messages'"):
        real.serve(real.Options(base, ("mesages",)), pytest.fail)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_is_told_of_labels_that_move_and_ended_by_a_signal(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    install(tmp_path / "bin", real.EXECUTABLE, monkeypatch)
    program = (
        "import sys; from pathlib import Path; from textclf.server import real\n"
        "sys.exit(real.serve(real.Options(Path(sys.argv[1]), ('messages',)), lambda line: print(line, flush=True)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(base)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout is not None
    try:
        assert "/tensorflow_model_server --rest_api_port=8501" in process.stdout.readline()
        assert process.stdout.readline() == "monitoring: prometheus_config\n"
        first = read_config(process)
        assert 'name: "messages"' in first and f'base_path: "{base}/messages"' in first and "other" not in first
        write_labels(base, "messages", {"stable": 2}, [1, 2])
        assert 'key: "stable"' in read_config(process)
        process.send_signal(number)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_signal_that_comes_as_it_starts_is_passed_on(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "bin", real.EXECUTABLE, monkeypatch)
    start, lost = subprocess.Popen, list[int]()

    def started(*arguments: Any, **named: Any) -> Any:
        process = start(*arguments, **named)
        signal.raise_signal(signal.SIGTERM)
        return process

    monkeypatch.setattr(subprocess, "Popen", started)
    before = signal.signal(signal.SIGTERM, lambda number, _: lost.append(number))
    try:
        assert real.serve(real.Options(base), lambda _: None) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert lost == []


def test_under_nohup_a_terminal_that_is_closed_ends_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with real._started([sys.executable, "-c", "pass"]) as (process, passed):
            signal.raise_signal(signal.SIGHUP)
            assert (process.wait(60), passed) == (0, [])
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_full_disk_refuses_a_start_and_ends_no_server(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "bin", real.EXECUTABLE, monkeypatch)
    chosen, path, said = real.Options(base), tmp_path / "models.config", list[str]()
    written = real._follow(chosen, path, "", pytest.fail)
    (base / "new/1").mkdir(parents=True)
    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(RunError, match=r"models.config' cannot be written: full\."):
            real.serve(chosen, pytest.fail)
        after = real._follow(chosen, path, written, said.append)
        after = real._follow(chosen, path, after, said.append)
    assert said == [f"'{path}' cannot be written: full."]
    assert path.read_text(encoding="utf-8") == written
    real._follow(chosen, path, after, said.append)
    assert "new" in path.read_text(encoding="utf-8")
    assert len(said) == 1


@pytest.mark.parametrize("name", ["a,b", 'a "b"', "a b"])
def test_a_path_is_one_field_for_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    install(tmp_path / "bin", "docker", monkeypatch)
    words = real.command(real.Options(tmp_path / name, docker=True), Path("/tmp/x"))
    (fields,) = csv.reader([words[words.index("--mount") + 1]], strict=True)
    assert fields == ["type=bind", f"source={tmp_path / name}", "target=/models", "readonly"]


def test_its_exit_code_is_ours(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = install(tmp_path / "bin", real.EXECUTABLE, monkeypatch)
    path.write_text(f"#!{sys.executable}\nraise SystemExit(7)", encoding="utf-8")
    said: list[str] = []
    assert real.serve(real.Options(base), said.append) == 7
    assert len(said) == 1


def read_config(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    lines = []
    while not lines or lines[-1].strip():
        lines.append(process.stdout.readline())
        assert lines[-1], "it ended too early"
    return "".join(lines)
