"""docs/client.md: its commands, Python, curl and JavaScript, against a small server over REST and gRPC."""

import io
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from textclf.cli.main import main

from .tiny import LABELS, Tiny, scores_of
from .tiny_grpc import Service, served

PAGE = Path(__file__).resolve().parents[2] / "docs/client.md"
TEXTS = ["Where is my parcel?", "验证码收不到"]
BEST = [LABELS[scores.index(max(scores))] for scores in (scores_of(2, text.encode()) for text in TEXTS)]


def blocks(language: str) -> list[str]:
    page = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def moved(address: str, tiny: Tiny) -> Iterator[Any]:
    """What puts the small servers' addresses in place of the page's."""
    with served(Service(tiny)) as grpc_address:
        yield lambda text: text.replace("http://127.0.0.1:8501", address).replace("127.0.0.1:8500", grpc_address)


def test_python_runs_and_shows_what_the_page_shows(
    moved: Any, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    shown = []
    for text in blocks("python"):
        exec(compile(moved(text), str(PAGE), "exec"), names)
        shown.append(capsys.readouterr().out.replace(address, "http://127.0.0.1:8501"))
    first, together, settings, error, cached, keys, ours, stubs = shown
    assert first.startswith(f"{BEST[0]} {max(scores_of(2, TEXTS[0].encode()))} {{")
    assert "VersionStatus(version=2, state='AVAILABLE', code='OK', message='')" in first
    assert first.splitlines()[-1] == "2"
    assert together == f"{BEST}\n"
    assert (settings, keys) == ("", "")
    assert [error, cached] == blocks("text")
    assert [ours, stubs] == [f"{BEST[0]}\n"] * 2


def lines() -> list[str]:
    return [line for text in blocks("bash") for line in text.splitlines()]


def test_the_command_line_runs(moved: Any, address: str) -> None:
    for line in lines():
        words = shlex.split(moved(line))
        given: Any = None
        if words[0] == "cat":
            given, words = io.BufferedReader(io.BytesIO("\n".join(TEXTS).encode())), words[3:]
        if words[0] != "textclf":
            assert words[0] == "curl"
            continue
        if "--server" not in words:
            words += ["--server", address]
        result = CliRunner().invoke(main, words[1:], input=given, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert TEXTS[0] in result.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_runs(moved: Any) -> None:
    found = []
    for line in lines():
        if line.startswith("curl "):
            done = subprocess.run([*shlex.split(moved(line)), "-sS"], capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout))
    assert [sorted(reply) for reply in found] == [
        ["predictions"],
        ["predictions"],
        ["results"],
        ["model_version_status"],
    ]
    assert found[0]["predictions"][0]["label"] == BEST[0]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_javascript_runs(moved: Any) -> None:
    (program,) = blocks("javascript")
    node = ["node", "--input-type=module", "-e", moved(program)]
    shown = subprocess.run(node, capture_output=True, text=True, check=True).stdout
    assert [line.split()[0] for line in shown.splitlines()] == BEST
